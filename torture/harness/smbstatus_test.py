#!/usr/bin/env python3
"""smbstatus of our server beside Debian's smbstatus of Debian's server, in the same situation: the same tables, the same JSON.

    smbstatus_test.py [--preset release]

The clients are our smbhold (torture/smbhold.cpp), which opens the same files in the same way on both servers and keeps them, and Debian's smbclient. What
must differ is taken out before comparing: processes, ports, paths, file ids, times, the version, the order of lines.
"""

import argparse
import contextlib
import json
import re
import shlex
import subprocess
import sys
import threading
import time

import report
from accounts import USER1, USER2
from report import require
from server import TOP, Server

SHARES = {"share": {}, "other": {}}
OPTIONS = {"kernel oplocks": "no", "kernel share modes": "no", "posix locking": "no"}
# Who connects how, and opens what.
CLIENTS = [
    ("share", USER1, [], ["open plain access=120089 share=7", "open rw access=12019f share=3 oplock=9", "lock 0 10 exclusive", "lock 100 5 shared",
                          "open ii access=20089 share=1 oplock=1", "open ex access=2019f share=0 oplock=8", "open lease1 access=2019f share=7 lease=7",
                          "open lease2 access=2019f share=5 lease2=3", "open lease3 access=20089 share=2 lease2=1", "open dir access=81 share=7 options=1",
                          "open dir\\file access=1 share=6", "open attr access=80 share=7", "open delete access=10080 share=7", "open write access=2 share=7",
                          "open append access=4 share=7", "open execute access=20 share=7"]),
    ("other", USER2, ["-m", "SMB2_10", "--sign"], ["open signed access=3 share=7"]),
    ("other", USER2, ["-m", "SMB3_02", "--seal"], []),
    ("other", USER2, ["-m", "SMB3_02"], ["open another access=1 share=7"]),
    ("share", USER1, ["--seal"], ["open sealed access=3 share=7", "lock 3 4 exclusive"]),
    ("share", USER1, ["-m", "SMB2_02"], []),
]
ARGUMENTS = ["", "-p", "-S", "-L", "-b", "-n", "-B", "-f", "-B -L", "-N -L", "-L --resolve-uids", "-p -S", "-p -L", "-S -L", "-b -S", "-b -L", "-b -B",
             "-p -n", "-u atolltest1", "-u atolltest2", "-u nosuch", "-d1 -p", "-p extra"]
JSON_ARGUMENTS = ["--json", "-p --json", "-S --json", "-L --json", "-b --json", "-B --json", "-N --json", "-L --json --resolve-uids", "-u atolltest2 --json"]


class Holder:
    """An smbhold at work."""

    def __init__(self, server, share, user, arguments, preset):
        program = TOP / "build" / preset / "bin" / "smbhold"
        self.process = subprocess.Popen([program, f"//127.0.0.1/{share}", "-p", str(server.port), "-U", user.credentials, *arguments],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.expect("NT_STATUS_OK", "log-on")

    def expect(self, status, what):
        said = self.process.stdout.readline().strip()
        require(said == status, f"{what}: {said}")

    def do(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        self.expect("NT_STATUS_OK", command)

    def end(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=10)
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def clients(server, preset):
    """All of CLIENTS, and an smbclient that waits for changes."""
    holders = []
    watcher = subprocess.Popen(["smbclient", "//127.0.0.1/other", "-p", str(server.port), "-U", USER2.credentials, "-c", "mkdir watched; notify watched"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for share, user, arguments, commands in CLIENTS:
            holders.append(Holder(server, share, user, arguments, preset))
            for command in commands:
                holders[-1].do(command)
        deadline = time.monotonic() + 20
        while "watched" not in smbstatus(server, "-N -L")[1] and time.monotonic() < deadline:
            time.sleep(0.05)
        yield holders
    finally:
        watcher.kill()
        watcher.wait()
        for holder in holders:
            holder.end()


def smbstatus(server, arguments):
    run = subprocess.run([server.program("smbstatus"), "-s", str(server.conf), *shlex.split(arguments)], capture_output=True, text=True, timeout=60)
    return run.returncode, run.stdout, run.stderr


def normalised(server, text):
    """The lines of each table, sorted, without what differs between any two servers."""
    text = text.replace(str(server.top), "@TOP@")
    text = re.sub(r"^.*   watched   .*\n", "", text, flags=re.M)  # Debian's smbd grants more on it than was asked for
    text = re.sub(r"^Samba version .*$", "Samba version @VERSION@", text, flags=re.M)
    text = re.sub(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}", "@TIME@", text)
    text = re.sub(r"(ipv4:127\.0\.0\.1):\d+\) *", r"\1:@PORT@) ", text)
    text = re.sub(r"^(\d+)( +)(?=\S)", lambda found: "@PID@" + " " * (len(found[0]) - 5), text, flags=re.M)
    text = re.sub(r"^(\w+ +)\d+ +(127\.0\.0\.1 )", r"\1@PID@ \2", text, flags=re.M)
    text = re.sub(r"\d+:\d+:\d+ +([RW]) ", r"@FILE@ \1 ", text)
    text = re.sub(r"\\\d+\\", r"\\@PID@\\", text)
    parts = [part.split("\n") for part in re.split(r"(?<=\n)(?=\n)", text)]
    return [sorted(part) for part in parts]


def shape(server, value, name=""):
    """A JSON value without what differs. Of an object whose keys are identifiers the values, in their order as text."""
    if isinstance(value, dict):
        if name in ("sessions", "tcons", "opens", "notifies"):
            return sorted((json.dumps(shape(server, one), sort_keys=True) for one in value.values()))
        known = {key.replace(str(server.top), "@TOP@"): shape(server, one, key) for key, one in value.items()}
        for ours in ("channels", "WRITE_OWNER", "version", "epoch", "parent_lease_key", "durable"):  # Debian's has none of it, but "version" at the top
            known.pop(ours, None)
        return known
    if isinstance(value, list):
        return [shape(server, one) for one in value]
    if name in ("timestamp", "pid", "unique_id", "session_id", "tcon_id", "share_file_id", "lease_key", "creation_time", "connected_at", "opened_at", "devid",
                "inode", "extid"):
        require(value != "" and isinstance(value, (str, int)), f"{name}: {value!r}")
        return type(value).__name__
    if isinstance(value, str):
        value = re.sub(r"ipv4:127\.0\.0\.1:\d+", "ipv4:127.0.0.1:@PORT@", value.replace(str(server.top), "@TOP@"))
        return value.rstrip()  # "LEASE(R)  "
    return value


def first_difference(ours, theirs):
    ours, theirs = json.dumps(ours, indent=1, sort_keys=True).splitlines(), json.dumps(theirs, indent=1, sort_keys=True).splitlines()
    for mine, other in zip(ours + [""] * len(theirs), theirs + [""] * len(ours)):
        if mine != other:
            return f"{mine!r}, and Debian's {other!r}"
    return "nothing"


def compare_text(atoll, debian, arguments):
    found = []
    for server in (atoll, debian):
        status, out, error = smbstatus(server, arguments)
        found.append([status, normalised(server, out), error.replace(str(server.top), "@TOP@")])
    require(found[0] == found[1], first_difference(*found))


def compare_json(atoll, debian, arguments):
    found = []
    for server in (atoll, debian):
        status, out, error = smbstatus(server, arguments)
        require(status == 0 and not error, f"{server.kind}: {status} {error[:300]}")
        value = json.loads(out)
        notifies = value.get("notifies", {})
        for one in notifies.values():
            one.pop("creation_time", None)  # Debian's makes one up
        value.get("open_files", {}).pop(str(server.path("other") / "watched"), None)
        found.append(shape(server, value))
    require(found[0] == found[1], first_difference(*found))


def handle_whose_client_is_away(atoll, debian, preset):
    """Debian's shows it with -f only, ours always; its byte-range locks both."""
    for server in (atoll, debian):
        holder = Holder(server, "share", USER1, [], preset)
        holder.do("open away access=2019f share=7 oplock=9 durable2=60000")
        holder.do("lock 3 4 exclusive")
        holder.end()
        deadline = time.monotonic() + 20
        while "disconnected" not in smbstatus(server, "-f -L")[1]:
            require(time.monotonic() < deadline, f"{server.kind}: the handle is not kept: {smbstatus(server, '-f -L')[1]}")
            time.sleep(0.05)
    for words in ("-f -L", "-f -L -B"):
        compare_text(atoll, debian, words)
    out = smbstatus(atoll, "")[1]
    require(re.search(r"^disconnected +\d+ +DENY_NONE  0x2019f .*   away   ", out, re.M), f"not shown without -f: {out}")
    value = json.loads(smbstatus(atoll, "--json")[1])
    (one,) = value["open_files"][f"{atoll.path('share')}/away"]["opens"].values()
    require(one["durable"]["kind"] == "durable" and one["durable"]["timeout_ms"] == 60000 and "disconnected_at" in one["durable"], f"{one}")
    require("disconnected" not in smbstatus(atoll, "-p")[1] + smbstatus(atoll, "-S")[1], "its session or tree connect is shown")


def nothing_is_left(server):
    """When the clients have gone."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        status, out, error = smbstatus(server, "")
        if status == 0 and "No locked files" in error and "127.0.0.1" not in out:
            return
        time.sleep(0.1)
    require(False, f"{out}{error}")


def damage_is_said(server):
    """Databases that are not there, or are no databases, while the server runs and when it has ended."""
    path = server.top / "lock" / "locking.tdb"
    kept = path.with_suffix(".kept")
    path.rename(kept)
    try:
        status, out, error = smbstatus(server, "")
        require(status == 0 and "locking.tdb not initialised" in error and "Service" in out, f"without a database: {status} {out} {error}")
        path.write_bytes(b"no database " * 1000)
        status, out, error = smbstatus(server, "-L")
        require(status == 1 and "locking.tdb cannot be read: " in error, f"with a damaged database: {status} {out} {error}")
    finally:
        kept.rename(path)
    status, _, error = smbstatus(server, "")
    require(status == 0, f"with the database again: {status} {error}")


def wrong_arguments(server):
    for arguments in ("--bogus", "-s /nonexistent/smb.conf", "-P"):
        status, _, error = smbstatus(server, arguments)
        require(status == 1 and error, f"{arguments}: {status} {error}")


def live_server_is_not_disturbed(server, preset):
    """Many smbstatus beside clients that open and close; some are killed in the middle, and the databases check clean."""
    stop = threading.Event()
    failures = []

    def look():
        while not stop.is_set():
            process = subprocess.Popen([server.program("smbstatus"), "-s", str(server.conf), "-B", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if len(failures) == 0 and time.monotonic() % 1 < 0.3:
                time.sleep(0.004)
                process.kill()
                process.communicate()
                continue
            out, error = process.communicate()
            try:
                json.loads(out)
            except ValueError:
                failures.append(f"{out[:200]} {error[:200]}")

    thread = threading.Thread(target=look)
    thread.start()
    try:
        holder = Holder(server, "share", USER1, [], preset)
        for number in range(400):
            for command in (f"open busy{number % 7} access=3 share=7 lease2=7", "lock 5 5 exclusive", "close"):
                holder.do(command)
        holder.end()
    finally:
        stop.set()
        thread.join()
    require(not failures, f"{failures[:2]}")
    for name in ("locking.tdb", "brlock.tdb", "smbXsrv_open_global.tdb", "smbXsrv_session_global.tdb"):
        out = subprocess.run([TOP / "build" / preset / "bin" / "tdbtool", server.top / "lock" / name, "check"], capture_output=True, text=True, timeout=60).stdout
        require("is OK" in out, f"{name}: {out}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    arguments = parser.parse_args()
    tally = report.Tally("smbstatus")
    users = [USER1, USER2]
    with tally.guard("the servers"), Server("atoll", SHARES, OPTIONS, users=users, preset=arguments.preset) as atoll, \
            Server("debian", SHARES, OPTIONS, users=users) as debian:
        for words in ["", "--json", "-B", "-L", "-p"]:
            with tally.case(f"smbstatus {words} without clients"):
                (compare_json if "json" in words else compare_text)(atoll, debian, words)
        with clients(atoll, arguments.preset), clients(debian, arguments.preset):
            for words in ARGUMENTS:
                with tally.case(f"smbstatus {words}"):
                    compare_text(atoll, debian, words)
            for words in JSON_ARGUMENTS:
                with tally.case(f"smbstatus {words}"):
                    compare_json(atoll, debian, words)
        with tally.case("nothing is left when the clients have gone"):
            nothing_is_left(atoll)
        with tally.case("a handle whose client is away"):
            handle_whose_client_is_away(atoll, debian, arguments.preset)
        with tally.case("missing and damaged databases"):
            damage_is_said(atoll)
        with tally.case("wrong arguments"):
            wrong_arguments(atoll)
        with tally.case("a live server is not disturbed"):
            live_server_is_not_disturbed(atoll, arguments.preset)
        atoll.kill()
        with tally.case("smbstatus when the server has ended"):
            status, out, error = smbstatus(atoll, "-p")
            require(status == 0 and "127.0.0.1" not in out, f"{status} {out} {error}")
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
