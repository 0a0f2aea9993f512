#!/usr/bin/env python3
"""Records what Debian's smbd does on smbtorture's suites: runs each test three times and writes expected/debian-4.17/SUITE/recording.json.

    record.py SUITE ...        records these suites again (their smb.conf and options stay as they are)
    record.py --new SUITE ...  begins a suite: an smb.conf without anything special, the common users, no options
"""

import argparse
import json
import subprocess
import sys

import accounts
from suites import DEBIAN, LONG, Suite

RUNS = 3


def begin(name):
    directory = DEBIAN / name
    directory.mkdir(parents=True, exist_ok=True)
    if not (directory / "smb.conf").exists():
        (directory / "smb.conf").write_text("[global]\n\n[share]\n    read only = no\n")
    if not (directory / "recording.json").exists():
        write(directory, {"users": [accounts.USER1.name, accounts.USER2.name], "namespace": "none", "options": [], "parallel": 4, "tests": {}})


def write(directory, record):
    """One line a test, so that a change of the recording reads well in a diff."""
    head = {key: value for key, value in record.items() if key != "tests"}
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    tests = [f"    {json.dumps(test)}: {json.dumps(result)}" for test, result in record["tests"].items()]
    (directory / "recording.json").write_text("{\n" + "\n".join(lines) + "\n  \"tests\": {\n" + ",\n".join(tests) + "\n  }\n}\n")


def verdict(outcomes):
    return outcomes[0] if len(set(outcomes)) == 1 else "flaky"


def record(name):
    suite = Suite(name)
    tests = suite.list_tests()
    runs = [suite.run("debian", tests) for _ in range(RUNS)]
    suite.record["server"] = subprocess.run(["/usr/sbin/smbd", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    suite.record["tests"] = {}
    for test, results in zip(tests, zip(*runs)):
        entry = {"is": verdict([result.outcome for result in results]), "runs": [result.outcome for result in results]}
        reason = next((result.reason for result in results if result.outcome != "pass"), "")
        if reason:
            entry["reason"] = reason
        seconds = round(min(result.seconds for result in results))
        if seconds >= LONG:
            entry["seconds"] = seconds
        suite.record["tests"][test] = entry
        print(f"{entry['is']:5} {test}" + (f"  ({reason})" if reason else ""), flush=True)
    write(suite.directory, suite.record)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--new", action="store_true")
    parser.add_argument("suites", nargs="+")
    arguments = parser.parse_args()
    for name in arguments.suites:
        if arguments.new:
            begin(name)
        record(name)


if __name__ == "__main__":
    sys.exit(main())
