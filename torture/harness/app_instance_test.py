#!/usr/bin/env python3
"""AppInstanceId and AppInstanceVersion (MS-SMB2 3.3.5.9.13) among clients that are processes of their own, with our smbhold (torture/smbhold.cpp)."""

import argparse
import contextlib
import os
import sys

import report
from accounts import USER1, USER2
from report import require
from server import Server
from smbstatus_test import Holder

ALONE = "share=0 access=12019f"


@contextlib.contextmanager
def client(server, guid, preset, user=USER1):
    holder = Holder(server, "share", user, ["--client-guid", guid], preset)
    try:
        yield holder
    finally:
        holder.end()


def says(holder, command, status):
    holder.process.stdin.write(command + "\n")
    holder.process.stdin.flush()
    holder.expect(status, command)


def cases(tally, server, preset):
    with tally.case("the same application as another client closes what it had open"), client(server, "a", preset) as a, client(server, "b", preset) as b:
        a.do(f"open closed {ALONE} app=x")
        says(b, f"open closed {ALONE} app=y", "NT_STATUS_SHARING_VIOLATION")
        says(b, f"open closed {ALONE}", "NT_STATUS_SHARING_VIOLATION")
        b.do(f"open closed {ALONE} app=x")
        says(a, "lock 0 1 exclusive", "NT_STATUS_FILE_CLOSED")
        b.do("lock 0 1 exclusive")
    with tally.case("other files, and the same client's opens, stay"), client(server, "a", preset) as a, client(server, "b", preset) as b:
        a.do(f"open one {ALONE} app=x")
        says(a, f"open one {ALONE} app=x", "NT_STATUS_SHARING_VIOLATION")
        b.do(f"open two {ALONE} app=x")
        a.do("lock 0 1 exclusive")
    with tally.case("an older version is refused, and so is none"), client(server, "a", preset) as a, client(server, "b", preset) as b:
        a.do(f"open versions {ALONE} app=x version=5")
        for older in ("version=4", "version=5", ""):
            says(b, f"open versions {ALONE} app=x {older}", "NT_STATUS_FILE_FORCED_CLOSED")
        a.do("lock 0 1 exclusive")
        b.do(f"open versions {ALONE} app=x version=6")
        says(a, "lock 4 1 exclusive", "NT_STATUS_FILE_CLOSED")
    with tally.case("who may not read the file closes nothing"), client(server, "a", preset) as a, client(server, "b", preset, USER2) as b:
        a.do(f"open private {ALONE} app=x")
        os.chmod(server.path("share") / "private", 0o600)
        b.do("open private access=80 share=7 app=x")
        a.do("lock 0 1 exclusive")
        os.chmod(server.path("share") / "private", 0o644)
        b.do("open private access=80 share=7 app=x")
        says(a, "lock 4 1 exclusive", "NT_STATUS_FILE_CLOSED")
    with tally.case("a durable handle whose client is away is ended"), client(server, "b", preset) as b:
        with client(server, "a", preset) as a:
            a.do(f"open away {ALONE} oplock=9 durable2=60000 app=x version=1")
            a.process.stdin.write("id\n")
            a.process.stdin.flush()
            ids = a.process.stdout.readline().strip()
        b.do(f"open away {ALONE} app=x version=2")
        with client(server, "a", preset) as a:
            says(a, f"again away {ids} {ALONE} oplock=9", "NT_STATUS_OBJECT_NAME_NOT_FOUND")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    arguments = parser.parse_args()
    tally = report.Tally("app instance")
    options = {"kernel oplocks": "no", "kernel share modes": "no", "posix locking": "no"}
    with tally.guard("the server"), Server("atoll", shares={"share": options}, users=[USER1, USER2], preset=arguments.preset) as server:
        cases(tally, server, arguments.preset)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
