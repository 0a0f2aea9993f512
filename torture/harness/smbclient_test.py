#!/usr/bin/env python3
"""Debian's smbclient works on a share in every dialect, plain, signed and sealed: a large file both ways, a tree of 500 files, and the everyday commands; then snapshots and an audit trail.

    smbclient_test.py           a file of 24 MiB
    smbclient_test.py --full    a file of 200 MiB
"""

import argparse
import hashlib
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

import report
from accounts import USER1, USER2
from report import require
from server import Server

DIALECTS = ["SMB2_02", "SMB2_10", "SMB3_00", "SMB3_02", "SMB3_11"]
PROTECTIONS = {"plain": "off", "signed": "sign", "sealed": "encrypt"}
TREE_FILES = 500


def combinations():
    """SMB 2 has no sealing."""
    return [(dialect, protection) for dialect in DIALECTS for protection in PROTECTIONS if protection != "sealed" or dialect.startswith("SMB3")]


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def make_large(path, mebibytes):
    rng = random.Random(mebibytes)
    with open(path, "wb") as file:
        for _ in range(mebibytes):
            file.write(rng.randbytes(1 << 20))


def make_tree(top):
    """500 files in 25 directories two deep."""
    rng = random.Random(500)
    for number in range(TREE_FILES):
        directory = top / "tree" / f"d{number % 5}" / f"e{number % 25:02d}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"file {number:03d}.txt").write_bytes(rng.randbytes(rng.randrange(0, 9000)))


def tree_sums(top):
    return {str(path.relative_to(top)): sha256(path) for path in sorted(top.rglob("*")) if path.is_file()}


class Client:
    """smbclient with the options of one dialect and protection, run in a local directory."""

    def __init__(self, server, dialect, protection, local, user=USER1, share="share"):
        self.base = ["smbclient", f"//127.0.0.1/{share}", "-p", str(server.port), "-U", user.credentials, "-s", str(local.parent / "client.conf"),
                     f"--option=client min protocol={dialect}", f"--option=client max protocol={dialect}",
                     f"--client-protection={PROTECTIONS[protection]}"]
        self.local = local

    def __call__(self, commands, ok=True):
        run = subprocess.run(self.base + ["-c", commands], cwd=self.local, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, errors="replace")
        text = run.stdout + run.stderr
        if ok:
            require(run.returncode == 0 and "NT_STATUS_" not in text, f"smbclient -c '{commands}': exit {run.returncode}: {text[-1500:]}")
        return text


def large_file(client, large, digest, share):
    client(f"put {large} large.bin")
    require(sha256(share / "large.bin") == digest, "the large file differs on the server's disk")
    client("get large.bin back.bin")
    require(sha256(client.local / "back.bin") == digest, "the large file came back different")


def tree(client, source, sums, share):
    client(f"lcd {source}; recurse ON; prompt OFF; mput tree")
    require(tree_sums(share / "tree") == sums, "the tree differs on the server's disk")
    client("recurse ON; prompt OFF; mget tree")
    require(tree_sums(client.local / "tree") == sums, "the tree came back different")
    listing = client("recurse ON; cd tree; ls")
    require(len(re.findall(r"^  file \d{3}\.txt ", listing, re.MULTILINE)) == TREE_FILES, "ls does not show the tree's 500 files")


def commands(client, share):
    client("mkdir one; mkdir one\\two; rename large.bin one\\two\\moved.bin")
    require((share / "one/two/moved.bin").exists() and not (share / "large.bin").exists(), "rename did not move the file")
    require("NT_STATUS_OBJECT_NAME_COLLISION" in client("mkdir one", ok=False), "mkdir of what is there")
    require("NT_STATUS_DIRECTORY_NOT_EMPTY" in client("rmdir one\\two", ok=False), "rmdir of a directory that is not empty")
    info = client("allinfo one\\two\\moved.bin")
    require(re.search(r"^create_time: ", info, re.MULTILINE) and re.search(r"^write_time: ", info, re.MULTILINE), f"allinfo: {info}")
    size = (share / "one/two/moved.bin").stat().st_size
    require(re.search(rf"moved\.bin .* {size} ", client("ls one\\two\\*")), "ls does not show the file's size")
    usage = client("recurse ON; du one\\*")
    require(re.search(rf"Total number of bytes: {size}\b", usage), f"du: {usage}")
    require(re.search(r"\d+ blocks of size \d+\. \d+ blocks available", usage), f"du: {usage}")
    client("rename one\\two uno; del uno\\moved.bin; rmdir uno; rmdir one")
    require(not (share / "uno").exists() and not (share / "one").exists(), "rmdir left a directory behind")
    require("NT_STATUS_OBJECT_NAME_NOT_FOUND" in client("get large.bin", ok=False) or "NT_STATUS_NO_SUCH_FILE" in client("del large.bin", ok=False),
            "get of a file that is gone")
    client("recurse ON; deltree tree")
    require(not (share / "tree").exists(), "deltree left the tree behind")


def run(server, dialect, protection, work, large, digest, source, sums):
    share = server.path("share")
    local = work / f"{dialect}-{protection}"
    local.mkdir()
    try:
        client = Client(server, dialect, protection, local)
        large_file(client, large, digest, share)
        tree(client, source, sums, share)
        commands(client, share)
    finally:
        shutil.rmtree(local)
        for left in share.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def access(server, work):
    """Who may log on, and who may use a share."""
    (work / "access").mkdir(exist_ok=True)
    for user, password, status in ((USER1.name, "wrong", "NT_STATUS_LOGON_FAILURE"), ("nobodysuch", "wrong", "NT_STATUS_LOGON_FAILURE")):
        listing = subprocess.run(["smbclient", "//127.0.0.1/share", "-p", str(server.port), "-U", f"{user}%{password}", "-c", "ls"],
                                 capture_output=True, text=True, timeout=60)
        require(listing.returncode != 0 and status in listing.stdout + listing.stderr, f"{user} with a wrong password: {listing.stdout}{listing.stderr}")
    for share, user, status in (("private", USER2, "NT_STATUS_ACCESS_DENIED"), ("nosuch", USER1, "NT_STATUS_BAD_NETWORK_NAME")):
        listing = subprocess.run(["smbclient", f"//127.0.0.1/{share}", "-p", str(server.port), "-U", user.credentials, "-c", "ls"],
                                 capture_output=True, text=True, timeout=60)
        require(listing.returncode != 0 and status in listing.stdout + listing.stderr, f"{user.name} on {share}: {listing.stdout}{listing.stderr}")
    shown = subprocess.run(["smbclient", "//127.0.0.1/sealed", "-p", str(server.port), "-U", USER1.credentials, "-m", "SMB2_10", "-c", "ls"],
                           capture_output=True, text=True, timeout=60)
    require("NT_STATUS_ACCESS_DENIED" in shown.stdout + shown.stderr, f"SMB 2.1 on a share that wants sealing: {shown.stdout}{shown.stderr}")


def previous_versions(server, work):
    """shadow_copy2: what smbclient shows of a snapshot, and that it stays as it is."""
    token = "@GMT-2015.01.01-00.00.00"
    share = server.path("past")
    for name, text in (("d/file", "newer"), (f".snapshots/{token}/d/file", "older"), (f".snapshots/{token}/gone", "gone")):
        (share / name).parent.mkdir(parents=True, exist_ok=True)
        (share / name).write_text(text)
    for path in share.rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o666)
    local = work / "past"
    local.mkdir()
    client = Client(server, "SMB3_11", "plain", local, share="past")
    require(token in client("allinfo d\\file"), "allinfo does not show the snapshot")
    client(f"get {token}\\d\\file older; get d\\file newer; get {token}\\gone gone")
    for name in ("older", "newer", "gone"):
        require((local / name).read_text() == name, f"{name}: {(local / name).read_text()}")
    listing = client(f"ls {token}\\*")
    require(re.search(r"^  gone ", listing, re.MULTILINE), f"ls of a snapshot: {listing}")
    for command in (f"del {token}\\gone", f"mkdir {token}\\new", f"put older {token}\\new"):
        require("NT_STATUS_" in client(command, ok=False), f"{command} succeeds")
    require(sorted(path.name for path in (share / ".snapshots" / token).iterdir()) == ["d", "gone"], "a snapshot has changed")


def audit_trail(server, work):
    """full_audit: the lines that administrators look for."""
    local = work / "audited"
    local.mkdir()
    (local / "f").write_text("x")
    client = Client(server, "SMB3_11", "plain", local, share="audited")
    client("put f a; mkdir d; rename a d\\b; del d\\b; rmdir d")
    client("get none", ok=False)
    top = server.path("audited")
    deadline = time.monotonic() + 10  # the connection's end is seen a little later
    while True:
        log = server.log.read_text(errors="replace")
        if "disconnect|ok|audited" in log or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    for line in (f"{USER1.name}|audited|connect|ok|audited", f"create_file|ok|0x12019f|file|overwrite_if|{top}/a", f"mkdirat|ok|{top}/d", f"renameat|ok|{top}/a|{top}/d/b",
                 f"unlinkat|ok|{top}/d/b", f"unlinkat|ok|{top}/d", "disconnect|ok|audited"):
        require(f"{line}\n" in log, f"no line '{line}' in the log")
    require(re.search(r"\|create_file\|fail \([^|]+\)\|0x[0-9a-f]+\|file\|open\|" + re.escape(f"{top}/none"), log), "no line of a failed open in the log")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=["atoll", "debian"], default="atoll")
    parser.add_argument("--preset", default="release")
    parser.add_argument("--full", action="store_true")
    arguments = parser.parse_args()
    tally = report.Tally("smbclient")
    work = pathlib.Path(tempfile.mkdtemp(prefix="atoll-smbclient-", dir=os.environ.get("ATOLL_TEST_DIR")))
    try:
        (work / "client.conf").write_text("[global]\n    client use kerberos = off\n")
        large, source = work / "large.bin", work / "source"
        make_large(large, 200 if arguments.full else 24)
        make_tree(source)
        digest, sums = sha256(large), tree_sums(source / "tree")
        shares = {"share": {}, "private": {"valid users": USER1.name}, "sealed": {"smb encrypt": "required"},
                  "past": {"vfs objects": "shadow_copy2", "shadow:snapdirseverywhere": "yes"},
                  "audited": {"vfs objects": "full_audit", "full_audit:prefix": "%u|%S", "full_audit:syslog": "no", "full_audit:failure": "create_file",
                              "full_audit:success": "connect disconnect create_file mkdirat renameat unlinkat"}}
        with tally.guard("the server"), Server(arguments.server, shares=shares, users=[USER1, USER2], preset=arguments.preset) as server:
            for dialect, protection in combinations():
                began = time.monotonic()
                with tally.case(f"smbclient {dialect} {protection}"):
                    run(server, dialect, protection, work, large, digest, source, sums)
                print(f"# {time.monotonic() - began:.1f} s", flush=True)
            with tally.case("who may log on and use a share"):
                access(server, work)
            with tally.case("previous versions"):
                previous_versions(server, work)
            with tally.case("an audit trail"):
                audit_trail(server, work)
    finally:
        shutil.rmtree(work)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
