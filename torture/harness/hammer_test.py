#!/usr/bin/env python3
"""Clients in processes of their own hammer the same files, a model checks every answer (smbhammer), and server processes are killed meanwhile.

    hammer_test.py [--server atoll|debian] [--preset release] [--full] [--seconds N] [--kills PER_SECOND] [--works WORK ...]

Afterwards nothing is left in the databases, and they check clean.
"""

import argparse
import pathlib
import subprocess
import sys
import time

import accounts
from server import Server, TOP

VOLATILE = ("locking.tdb", "brlock.tdb", "leases.tdb", "smbXsrv_open_global.tdb", "smbXsrv_tcon_global.tdb", "smbXsrv_session_global.tdb")
OPTIONS = {"kernel oplocks": "no", "kernel share modes": "no", "posix locking": "no"}
RUNS = (  # name, arguments, seconds short and long
    ("together", ["--clients", "3"], 45, 1800),
    ("killed", ["--clients", "4"], 45, 1800),
)


def hammer(server, preset, arguments, seconds, seed):
    program = TOP / "build" / preset / "bin" / "smbhammer"
    user = accounts.USER1
    command = [program, f"//127.0.0.1/{server.share}", "-U", f"{user.name}%{user.password}", "-p", str(server.port), "--seconds", str(seconds),
               "--seed", str(seed), "--local", str(server.path(server.share)), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds + 180)


def left_over(server):
    """What the databases still hold once every client is gone, and what is wrong with their files."""
    found = []
    for name in VOLATILE:
        path = server.top / "lock" / name
        if not path.exists():
            continue
        tdbtool = TOP / "build" / server.preset / "bin" / "tdbtool"
        out = subprocess.run([tdbtool, path, "check"], capture_output=True, text=True).stdout
        if "is OK and has 0 records" not in out:
            found.append(f"{name}: {out.strip()}")
    return found


def run(kind, preset, name, arguments, seconds, seed):
    """The faults of one run; empty if there are none."""
    with Server(kind, shares={"share": {"read only": "no"}}, options=OPTIONS, users=[accounts.USER1], preset=preset) as server:
        server.share = "share"
        done = hammer(server, preset, arguments, seconds, seed)
        print(done.stdout, end="")
        faults = [line for line in done.stdout.splitlines() if line.startswith("FAULT")]
        if done.returncode != 0 and not faults:
            faults.append(f"smbhammer ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        if kind == "atoll":
            deadline = time.monotonic() + 15
            while left_over(server) and time.monotonic() < deadline:
                time.sleep(0.5)
            faults += left_over(server)
        return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="atoll", choices=("atoll", "debian"))
    parser.add_argument("--preset", default="release")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--kills", type=float)
    parser.add_argument("--works", nargs="+", default=[])
    options = parser.parse_args()
    passed = failed = 0
    for name, arguments, short, long in RUNS:
        if options.kills is not None and (name == "killed") != (options.kills > 0):
            continue
        if name == "killed":
            arguments = [*arguments, "--kills", str(options.kills or 1)]
        seconds = options.seconds or (long if options.full else short)
        extra = ["--works", *options.works] if options.works else []
        if options.server == "debian":
            extra.append("--twice-is-fine")
        faults = run(options.server, options.preset, name, arguments + extra, seconds, options.seed)
        print(f"{'FAIL' if faults else 'pass'} hammer.{name}" + "".join(f"\n    {fault}" for fault in faults[:10]), flush=True)
        failed += bool(faults)
        passed += not faults
    print(f"hammer: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
