#!/usr/bin/env python3
"""Runs the suites of our own smbtorture, the hostile client among them.

    torture_test.py                     against ours: every test must pass but those that expected/atoll/atoll.txt lists, with their reasons
    torture_test.py atoll.hostile       these suites or tests
    torture_test.py --record            against Debian's smbd: writes what it does to expected/debian-4.17/atoll.txt. Where it differs from ours the
                                        specification decides; each test names its section
"""

import argparse
import subprocess
import sys

import report
import smbtorture
from accounts import ADMIN, USER1, USER2
from report import require
from server import TOP, Server
from suites import DEBIAN, read_expectations

RECORDING = DEBIAN / "atoll.txt"
PARALLEL = 4
# Measure the memory of all the server's processes, and so run alone; a sanitizer's memory grows by itself.
MEASURE_MEMORY = ("atoll.hostile.memory_growth", "atoll.attack.memory")
# Need something that holds requests up, a KDC, and somebody who starts the server again: interim_test.py, kerberos_test.py and restart_test.py run them.
NOT_HERE = ("atoll.async.", "atoll.kerberos.", "atoll.restart.")
# Kill processes of the server, those of their own connections, which they look for among its processes.
KILLS = ("atoll.failover.",)
SANITIZED = ("asan", "tsan")
SECONDS = 240
# Suites of which files have descriptors of their own run on a share that keeps them, those of handles that outlive a connection where that may be.
ON_SHARE = {"atoll.acls": "acls", "atoll.rights": "acls", "atoll.reparse": "restoring", "atoll.resilient": "lasting", "atoll.attack": "lasting",
            "atoll.failover": "lasting", "atoll.killed_client": "lasting"}
# These are run once more with every session sealed.
SEALED_TOO = ("atoll.attack.", "atoll.resilient.")
SEALED = " (sealed)"
KEEPS_DESCRIPTORS = {"vfs objects": "streams_xattr acl_xattr", "acl_xattr:ignore system acls": "yes", "ea support": "yes"}
SHARES = {
    "share": {"vfs objects": "streams_xattr", "strict rename": "yes"},
    "acls": {**KEEPS_DESCRIPTORS, "admin users": ADMIN.name},
    "restoring": {"vfs objects": "streams_xattr", "admin users": ADMIN.name},
    "lasting": {"kernel oplocks": "no", "kernel share modes": "no", "posix locking": "no"},
    "available": {"kernel oplocks": "no", "kernel share modes": "no", "posix locking": "no", "continuous availability": "yes"},
    "hideunread": {**KEEPS_DESCRIPTORS, "hide unreadable": "yes"},
    "closed": {"valid users": ADMIN.name, "access based share enum": "yes"},
}


def program(preset):
    path = TOP / "build" / preset / "bin" / "smbtorture"
    require(path.exists(), f"{path} is not there: build preset {preset} first")
    return str(path)


def names(path, selected):
    listing = subprocess.run([path, "--list"], capture_output=True, text=True, timeout=60, check=True).stdout.split()
    listing = [name for name in listing if not name.startswith(NOT_HERE)]
    chosen = [name for name in listing if not selected or any(name == s or name.startswith(s + ".") for s in selected)]
    require(chosen, f"no test is called {selected}")
    return chosen


def run(path, server, test, with_memory):
    sealed, called = test.endswith(SEALED), test
    test = test.removesuffix(SEALED)
    share = ON_SHARE.get(test.rpartition(".")[0], "share")
    command = [path, f"//127.0.0.1/{share}", "-p", str(server.port), "-U", USER1.credentials, f"--option=torture:localdir={server.path(share)}"]
    command += [f"--option=torture:{who}={user.credentials}" for who, user in (("user1", USER1), ("user2", USER2), ("admin", ADMIN))]
    command.append("--option=torture:available_share=available")
    if sealed:
        command.append("--option=torture:seal=yes")
    if with_memory or test.startswith(KILLS):
        command.append(f"--option=torture:server_session={server.process.pid}")
    try:
        done = subprocess.run(command + [test], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return smbtorture.Result(called, "hang", f"no result within {SECONDS} s")
    results = smbtorture.parse(done.stdout)
    if len(results) != 1:
        return smbtorture.Result(called, "fail", f"no result, exit status {done.returncode}: {done.stderr.strip()[-300:]}")
    return smbtorture.Result(called, results[0][1], results[0][2])


def run_all(path, server, tests, measure):
    """Results in the order of the tests; those that measure come after the others."""
    together = [test for test in tests if test not in MEASURE_MEMORY]
    results = {result.test: result for result in smbtorture.run_many(together, lambda test, worker: run(path, server, test, False), PARALLEL)}
    for test in tests:
        if test in MEASURE_MEMORY and measure:
            results[test] = run(path, server, test, True)
    return [results[test] for test in tests if test in results]


def record(results):
    head = ["# What Debian's smbd does on the suites of our smbtorture, one run: written by torture/harness/torture_test.py --record.",
            "# Where it does not pass, the specification says otherwise, or leaves the choice: each test names its section (smbtorture --json)."]
    RECORDING.write_text("\n".join(head + [str(result) for result in results]) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", nargs="*")
    parser.add_argument("--preset", default="release", help="which build of the server")
    parser.add_argument("--client", default="release", help="which build of smbtorture")
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    tally = report.Tally("torture")
    kind = "debian" if arguments.record else "atoll"
    with tally.guard("the server"):
        path = program(arguments.client)
        tests = names(path, arguments.tests)
        if not arguments.record:
            tests += [test + SEALED for test in tests if test.startswith(SEALED_TOO) and test not in MEASURE_MEMORY]
        with Server(kind, shares=SHARES, users=[USER1, USER2, ADMIN], preset=arguments.preset) as server:
            results = run_all(path, server, tests, measure=kind == "atoll" and arguments.preset not in SANITIZED)
            with tally.case("the server is still there"):
                require(server.process.poll() is None, f"it has ended with {server.process.poll()}: {server.output()[-2000:]}")
        if arguments.record:
            record(results)
        failing = {} if arguments.record else read_expectations("atoll")
        for result in results:
            if result.outcome == "pass" and result.test in failing:
                tally.failed(f"{result.test} passes, and is listed as failing ({failing[result.test]}): take its line away")
                continue
            if result.outcome not in ("pass", "skip") and not arguments.record and result.test not in failing:
                tally.failed(str(result))
                continue
            tally.passed(str(result), quiet=True)
            if result.outcome != "pass":
                print(f"# {result}", flush=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
