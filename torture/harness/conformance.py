#!/usr/bin/env python3
"""Runs Debian's smbtorture against ours and holds the result against torture/expected.

    conformance.py                        every suite of expected/debian-4.17 against ours
    conformance.py smb2.read smb2.rw      these suites
    conformance.py --server debian        Debian's smbd, held against its own recording
    conformance.py --test smb2.read.eof   one test, printed, held against nothing
    conformance.py --sample               less what takes long, but for a few of those, others with each commit; what it leaves out it prints
    conformance.py --update smb2.lock     and changes the lines of tests that are listed as failing, and pass, to `pass`

It fails when a test that must pass does not, and when one that is listed as failing passes: then its line is to be changed to `pass`.
"""

import argparse
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import report
import smbtorture
from server import TOP
from suites import ATOLL, Suite, read_expectations

TOO_LONG = 20  # seconds that a test takes on Debian's smbd, for --sample
SAMPLE = 4     # of those, one in so many is run


def expectations(suite, kind):
    """{test: None or the reason for failing}; tests that are not in it are run by nobody."""
    if kind == "atoll":
        return read_expectations(suite.name)
    return {test: None for test in suite.passes_on_debian()}


def hold(result, reason):
    """The complaint about one result, or None."""
    if reason is None and result.outcome != "pass":
        return f"must pass: {result}"
    if reason is not None and result.outcome == "pass":
        return f"passes, and is listed as failing ({reason}): change its line to `pass {result.test}`"
    return None


def sample(suites, number):
    """The names of tests that --sample leaves out for this number of a commit: of all that take long every SAMPLE-th stays, so that each has its turn."""
    long = sorted((test, suite.name) for suite in suites for test, seconds in suite.seconds().items() if seconds >= TOO_LONG)
    return {name for place, name in enumerate(long) if place % SAMPLE != number % SAMPLE}


def commit_number():
    run = subprocess.run(["git", "rev-list", "--count", "HEAD"], cwd=TOP, capture_output=True, text=True, check=False)
    return int(run.stdout) if run.returncode == 0 else int(time.time() // 86400)


def update(suite, passing):
    """Lines `fail TEST: reason` of tests that passed become `pass TEST`; the others stay as they are."""
    path = ATOLL / f"{suite.name}.txt"
    lines = path.read_text().splitlines()
    changed = [f"pass {line[5:].partition(': ')[0]}" if line.startswith("fail ") and line[5:].partition(": ")[0] in passing else line for line in lines]
    path.write_text("\n".join(changed) + "\n")


def run_suite(suite, arguments, left_out, tally):
    expected = expectations(suite, arguments.server)
    for test in suite.passes_on_debian():
        if test not in expected:
            tally.failed(f"{test} passes on Debian's smbd and is not listed in expected/atoll/{suite.name}.txt")
    for test in expected:
        if (test, suite.name) in left_out:
            print(f"# left out of this sample: {test} of {suite.name} ({suite.seconds()[test]} s)", flush=True)
    tests = [test for test in expected if (test, suite.name) not in left_out]
    if not tests:
        return
    results = suite.run(arguments.server, tests, arguments.preset, arguments.seconds, arguments.keep)
    if arguments.update and arguments.server == "atoll":
        passing = {result.test for result in results if result.outcome == "pass" and expected[result.test] is not None}
        update(suite, passing)
        expected.update(dict.fromkeys(passing))
    for result in results:
        complaint = hold(result, expected[result.test])
        if complaint:
            tally.failed(complaint)
        else:
            tally.passed(str(result), quiet=not arguments.verbose)


def run_suites(suites, arguments, tally):
    """Several at once: most of what takes long waits. Those that take longest begin first."""
    left_out = sample(suites, commit_number()) if arguments.sample else set()

    def one(suite):
        began = time.monotonic()
        with tally.guard(suite.name):
            run_suite(suite, arguments, left_out, tally)
        print(f"# {suite.name}: {time.monotonic() - began:.1f} s", flush=True)

    with ThreadPoolExecutor(arguments.jobs) as pool, smbtorture.stop_on_interruption():
        list(pool.map(one, sorted(suites, key=lambda suite: -max(suite.seconds().values(), default=0))))


def run_single(arguments):
    suite = next((suite for suite in chosen(arguments) if arguments.test in suite.record["tests"]), None)
    if suite is None:
        sys.exit(f"no recorded suite holds {arguments.test}")
    result = suite.run(arguments.server, [arguments.test], arguments.preset, arguments.seconds, arguments.keep)[0]
    print(result)
    return 0 if result.outcome == "pass" else 1


def chosen(arguments):
    suites = {suite.name: suite for suite in Suite.all()}
    unknown = [name for name in arguments.suites if name not in suites]
    if unknown:
        sys.exit(f"not recorded: {' '.join(unknown)}")
    for setting in arguments.set:
        name, _, value = setting.partition("=")
        for suite in suites.values():
            for section in set(suite.conf) - {"global"}:
                suite.conf[section][name.strip()] = value.strip()
    return [suites[name] for name in arguments.suites or suites]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*")
    parser.add_argument("--server", choices=["atoll", "debian"], default="atoll")
    parser.add_argument("--preset", default="release", help="which build of ours")
    parser.add_argument("--seconds", type=int, help="time-out of one test")
    parser.add_argument("--test", help="one test, by its full name")
    parser.add_argument("--jobs", type=int, default=1, help="how many suites run at once, each with a server of its own")
    parser.add_argument("--sample", action="store_true", help="leave out most of the tests that take long")
    parser.add_argument("--update", action="store_true", help="write newly passing tests down")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of every share, instead of what the suite's smb.conf says")
    parser.add_argument("--keep", action="store_true", help="leave the server's directory behind")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    if arguments.test:
        return run_single(arguments)
    tally = report.Tally("conformance")
    run_suites(chosen(arguments), arguments, tally)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
