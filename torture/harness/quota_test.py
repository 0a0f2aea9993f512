#!/usr/bin/env python3
"""Quotas as Debian's smbcquotas sees and sets them. What keeps them are `get quota command` and `set quota command`, so that
any machine can run this; the servers' programs, arguments and answers are those of smb.conf(5). Then `dfree command`, seen by smbclient's du.
Those that a file system keeps are shown by the unit test of them, in a QEMU guest whose kernel has quotas, on ext4."""

import argparse
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys
import tempfile

import isolation
import report
from accounts import ADMIN, USER1
from guest import Guest
from report import require
from server import TOP, Server

SMB_PORT = 445  # smbcquotas knows no other
UNKNOWN = "S-1-5-21-1-2-3-4567"
GET = """#!/bin/sh
cat TOP/quota.$2.$3 2>/dev/null || echo 2 0 0 0 0 0 0
"""
SET = """#!/bin/sh
echo "$4 7 $5 $6 3 $7 $8 $9" >TOP/quota.$2.$3 && echo done
"""
DFREE = """#!/bin/sh
echo run >>TOP/dfree.log
echo 4000 1000 4096
"""


def quotas(server, user, *arguments):
    """What smbcquotas prints, and its exit status."""
    run = subprocess.run(["smbcquotas", "-n", "//127.0.0.1/share", "-U", user.credentials, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                         text=True, timeout=60)
    return run.stdout + run.stderr, run.returncode


def entries(server, *arguments):
    """{SID: (used, soft, hard)}."""
    text, status = quotas(server, ADMIN, *arguments)
    require(status == 0, f"{server.kind}: smbcquotas {arguments}: {text}")
    return {sid: (int(used), soft, hard) for sid, used, soft, hard in re.findall(r"^(S-[\d-]+)\s*:\s*(\d+)/\s*(NO LIMIT|\d+)/\s*(NO LIMIT|\d+)", text, re.M)}


def defaults(server, *arguments):
    text, status = quotas(server, ADMIN, *arguments)
    require(status == 0, f"{server.kind}: smbcquotas {arguments}: {text}")
    require("Quotas Enabled: On" in text and "Deny Disk:      On" in text, f"{server.kind}: {text}")
    return re.findall(r"Default (?:Soft|Hard) Limit:\s*(.+)", text)


def limits(server, sid):
    require(entries(server, "-S", f"UQLIM:{sid}:1048576/2097152")[sid] == (7168, "1048576", "2097152"), f"{server.kind}: the limits are others")
    require(entries(server, "-u", sid)[sid] == (7168, "1048576", "2097152"), f"{server.kind}: the limits were forgotten")
    require(entries(server, "-u", UNKNOWN)[UNKNOWN] == (0, "0", "0"), f"{server.kind}: somebody unknown has quotas")
    require(defaults(server, "-S", "FSQLIM:1024/4096000") == ["1024", "4096000"], f"{server.kind}: the defaults are others")
    require(defaults(server, "-F") == ["1024", "4096000"], f"{server.kind}: the defaults were forgotten")


def not_his(server, sid):
    for arguments in (("-u", sid), ("-F",), ("-S", f"UQLIM:{sid}:1024/1024")):
        text, status = quotas(server, USER1, *arguments)
        require(status != 0 and "NT_STATUS_ACCESS_DENIED" in text, f"{server.kind}: a user's smbcquotas {arguments}: {text}")


def disk(server, user, share):
    """(bytes in all, bytes available) by smbclient."""
    run = subprocess.run(["smbclient", f"//127.0.0.1/{share}", "-p", str(server.port), "-U", user.credentials, "-c", "du"], stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, timeout=60)
    found = re.search(r"(\d+) blocks of size (\d+)\. (\d+) blocks available", run.stdout)
    require(found, f"{server.kind}: {run.stdout}{run.stderr}")
    blocks, size, available = map(int, found.groups())
    return blocks * size, available * size


def free_space(server, top):
    require(disk(server, ADMIN, "dfree") == (4000 * 4096, 1000 * 4096), f"{server.kind} does not tell what the command does")
    require((top / "dfree.log").read_text().count("run") > 0, f"{server.kind} has not run it")


GUEST = r"""
export ATOLL_QUOTA_DIRECTORY=/mnt
mount -t ext4 -o loop,usrquota /host/ext4 /mnt
cd /host
./ld-linux-x86-64.so.2 --library-path /host ./tests --gtest_also_run_disabled_tests --gtest_filter=KernelQuotas.* --gtest_color=no
"""


def kernel_quotas(top, preset):
    """The unit test of the kernel's quotas, on a file system that has them."""
    tests = TOP / "build" / preset / "tests" / "atoll_smbd_fsa_test"
    image = top / "ext4"
    subprocess.run(["mkfs.ext4", "-q", "-O", "quota", "-E", "quotatype=usrquota", image, "24M"], check=True, capture_output=True, timeout=60)
    linked = subprocess.run(["ldd", tests], capture_output=True, text=True, timeout=60, check=True).stdout
    files = {os.path.basename(path): path for path in re.findall(r"(/\S+) \(0x", linked)}
    files |= {"tests": tests, "ext4": image}
    status, console = Guest(files=files, modules=["loop", "ext4", "quota_v2"]).run(GUEST, seconds=300)
    require(status == 0 and "[  PASSED  ] 1 test" in console, f"the guest ended with {status}:\n{console[-3000:]}")


def user_sid():
    """USER1's, where the server's map of uids gives him none of his account."""
    return f"S-1-22-1-{pwd.getpwnam(USER1.name).pw_uid}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="release")
    arguments = parser.parse_args()
    tally = report.Tally("quotas")
    top = pathlib.Path(tempfile.mkdtemp(prefix="atoll-quota-", dir=os.environ.get("ATOLL_TEST_DIR")))
    top.chmod(0o755)
    for name, text in (("get", GET), ("set", SET), ("dfree", DFREE)):
        (top / name).write_text(text.replace("TOP", str(top)))
        (top / name).chmod(0o755)
    options = {"get quota command": top / "get", "set quota command": top / "set"}
    shares = {"share": {"admin users": ADMIN.name}, "dfree": {"admin users": ADMIN.name, "dfree command": top / "dfree"}}

    def run():
        with tally.guard("the server"), Server("atoll", shares=shares, options=options, users=[USER1, ADMIN], preset=arguments.preset,
                                               port=SMB_PORT) as server:
            sid = user_sid()
            with tally.case("limits of a user and of all, by smbcquotas"):
                limits(server, sid)
            with tally.case("a user's hard limit is the size of his volume"):
                total, available = disk(server, USER1, "share")
                require((total, available) == (2097152, 2097152 - 8192), f"{total} bytes, {available} available")
            with tally.case("smb2.create.quota-fake-file"):
                run = subprocess.run(["smbtorture", "//127.0.0.1/share", "-p", str(server.port), "-U", ADMIN.credentials, "smb2.create.quota-fake-file"],
                                     stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
                require("success: quota-fake-file" in run.stdout, run.stdout + run.stderr)
            with tally.case("others than administrators"):
                not_his(server, sid)
            with tally.case("dfree command"):
                free_space(server, top)

    try:
        with tally.case("quotas of ext4, in a guest"):
            kernel_quotas(top, arguments.preset)
        isolation.run(run, network=True)
    finally:
        shutil.rmtree(top, ignore_errors=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
