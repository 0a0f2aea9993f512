#!/usr/bin/env python3
"""What must survive: the durable state of our smbd when its processes are killed, when its disk is full, and from a backup.

The server's `state directory` is on a small ext4 file system on a loop device, which needs root. What it keeps for good shows in the times of log-ons that
`pdbedit -v` prints.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import report
from accounts import ADMIN, USER1, USER2
from processes_test import helpers, kill_and_await
from report import require
from server import TOP, Server

DISK_MIB = 16


@contextlib.contextmanager
def small_disk():
    """A file system of DISK_MIB with nothing on it."""
    work = pathlib.Path(tempfile.mkdtemp(prefix="atoll-durable-", dir=os.environ.get("ATOLL_TEST_DIR")))
    image, mount = work / "image", work / "disk"
    mount.mkdir()
    try:
        with open(image, "wb") as file:
            file.truncate(DISK_MIB << 20)
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=True, timeout=60)
        subprocess.run(["mount", "-o", "loop", str(image), str(mount)], check=True, timeout=60)
        try:
            yield mount
        finally:
            subprocess.run(["umount", str(mount)], check=False, timeout=60)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def last_logon(server, user):
    """The time as pdbedit prints it; "0" for never."""
    run = subprocess.run([server.program("pdbedit"), "-s", str(server.conf), "-v", "-u", user.name], capture_output=True, text=True, timeout=60)
    found = re.search(r"^Logon time: +(.*)$", run.stdout, re.MULTILINE)
    require(run.returncode == 0 and found, f"pdbedit -v: {run.stdout}{run.stderr}")
    return found.group(1)


def log_on(server, user):
    run = subprocess.run(["smbclient", "//127.0.0.1/share", "-p", str(server.port), "-U", user.credentials, "-c", "ls"], stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, timeout=60)
    require(run.returncode == 0, f"{user.name} cannot log on: {run.stdout}{run.stderr}")


def await_noted(server, user):
    deadline = time.monotonic() + 20
    while last_logon(server, user) == "0":
        require(time.monotonic() < deadline, f"the log-on of {user.name} was not noted")
        time.sleep(0.05)
    return last_logon(server, user)


def kill_group(server):
    """All processes of the server at once."""
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()
    deadline = time.monotonic() + 10
    while server.processes() and time.monotonic() < deadline:
        time.sleep(0.02)
    require(not server.processes(), f"not in the process group: {server.processes()}")


def dbbackup(server, *arguments):
    run = subprocess.run([server.program("dbbackup"), *map(str, arguments)], capture_output=True, text=True, timeout=60)
    require(run.returncode == 0, f"dbbackup {arguments}: {run.stderr}")
    return run.stdout


def survives(tally, server, state):
    noted = {}
    with tally.case("a log-on is noted"):
        require(last_logon(server, USER1) == "0", "noted before it happened")
        log_on(server, USER1)
        noted[USER1] = await_noted(server, USER1)
    with tally.case("a committer that is killed is replaced, and what it had committed is there"):
        victim = next(pid for pid, name in helpers(server).items() if name == "committer")
        kill_and_await(server, victim, "committer")
        require(last_logon(server, USER1) == noted[USER1], "lost")
        log_on(server, USER2)
        noted[USER2] = await_noted(server, USER2)
    backup = server.top / "backup.mdb"
    with tally.case("a backup of the running server"):
        text = dbbackup(server, state / "persistent.mdb", backup)
        require("account_activity: 2 records" in text, text)
        require(not list(server.top.glob("backup.mdb?*")), "files are left beside it")
    with tally.case("all processes killed at once, over and over"):
        for _ in range(5):
            kill_group(server)
            server.start()
            require({user: last_logon(server, user) for user in noted} == noted, "lost")
        log_on(server, ADMIN)
        await_noted(server, ADMIN)
    with tally.case("restored from the backup"):
        server.kill()
        dbbackup(server, "--check", backup)
        shutil.copy(backup, state / "persistent.mdb")
        (state / "persistent.mdb-lock").unlink()
        server.start()
        require({user: last_logon(server, user) for user in noted} == noted, "not what was backed up")
        require(last_logon(server, ADMIN) == "0", "it is newer than the backup")
        log_on(server, USER2)  # not USER1, whose time has to stay as it is from here on


def fill(path):
    """A file of all that is left."""
    with open(path, "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        os.fsync(file.fileno())


def full_disk(tally, server, state):
    with tally.case("on a full disk clients work, and what was kept is there"):
        before = last_logon(server, USER1)
        fill(state / "ballast")
        for _ in range(3):
            log_on(server, USER2)  # noted if the minute has changed and the file has room in itself
        require(last_logon(server, USER1) == before, "lost")
        dbbackup(server, "--check", state / "persistent.mdb")
    with tally.case("a server that starts on a full disk serves what is there"):
        kill_group(server)
        server.start()
        log_on(server, USER2)
        require(last_logon(server, USER1) == before, "lost")
    with tally.case("when there is room again log-ons are noted"):
        (state / "ballast").unlink()
        log_on(server, ADMIN)
        await_noted(server, ADMIN)


def unit_tests(tally, preset, operations):
    """The committer's own tests, on a real full disk, and as long as asked for."""
    program = TOP / "build" / preset / "tests" / "atoll_tdb_committer_test"

    def run(what, environment):
        with tally.case(what):
            ended = subprocess.run([str(program), f"--gtest_filter={environment.pop('filter')}"], env=dict(os.environ, **environment), capture_output=True,
                                   text=True, timeout=1500)
            print(ended.stdout[-600:], flush=True)
            require(ended.returncode == 0 and "[  PASSED  ] 0" not in ended.stdout, ended.stdout[-3000:] + ended.stderr[-1000:])

    with tally.guard("a small disk"), small_disk() as disk:
        run("the committer on a real full disk", {"filter": "FullDisk.*", "ATOLL_SMALL_DISK": str(disk)})
    run(f"{operations} operations while processes are killed", {"filter": "Torture.*", "ATOLL_TORTURE_OPERATIONS": str(operations)})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    parser.add_argument("--full", action="store_true", help="a million operations of torture")
    arguments = parser.parse_args()
    tally = report.Tally("durable")
    with tally.guard("the server"), small_disk() as state:
        server = Server("atoll", shares={"share": {}}, users=[USER1, USER2, ADMIN], preset=arguments.preset, options={"state directory": state})
        with server:
            survives(tally, server, state)
            full_disk(tally, server, state)
    unit_tests(tally, arguments.preset, 1000000 if arguments.full else 100000)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
