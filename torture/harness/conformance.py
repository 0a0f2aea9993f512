#!/usr/bin/env python3
"""Runs Debian's smbtorture against ours and holds the result against torture/expected.

    conformance.py                        every suite of expected/debian-4.17 against ours
    conformance.py smb2.read smb2.rw      these suites
    conformance.py --server debian        Debian's smbd, held against its own recording
    conformance.py --test smb2.read.eof   one test, printed, held against nothing

It fails when a test that must pass does not, and when one that is listed as failing passes: then its line is to be changed to `pass`.
"""

import argparse
import sys
import time

import report
from suites import Suite, read_expectations


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


def run_suite(suite, arguments, tally):
    expected = expectations(suite, arguments.server)
    for test in suite.passes_on_debian():
        if test not in expected:
            tally.failed(f"{test} passes on Debian's smbd and is not listed in expected/atoll/{suite.name}.txt")
    tests = list(expected)
    if not tests:
        return
    with suite.server(arguments.server, arguments.preset, arguments.keep) as server:
        results = suite.run(server, tests, arguments.seconds)
    for result in results:
        complaint = hold(result, expected[result.test])
        if complaint:
            tally.failed(complaint)
        else:
            tally.passed(str(result), quiet=not arguments.verbose)


def run_single(arguments):
    suite = max((suite for suite in Suite.all() if arguments.test.startswith(suite.name)), key=lambda suite: len(suite.name), default=None)
    if suite is None:
        sys.exit(f"no recorded suite holds {arguments.test}")
    with suite.server(arguments.server, arguments.preset, arguments.keep) as server:
        result = suite.run(server, [arguments.test], arguments.seconds)[0]
    print(result)
    return 0 if result.outcome == "pass" else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*")
    parser.add_argument("--server", choices=["atoll", "debian"], default="atoll")
    parser.add_argument("--preset", default="release", help="which build of ours")
    parser.add_argument("--seconds", type=int, help="time-out of one test")
    parser.add_argument("--test", help="one test, by its full name")
    parser.add_argument("--keep", action="store_true", help="leave the server's directory behind")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    if arguments.test:
        return run_single(arguments)
    tally = report.Tally("conformance")
    for suite in Suite.all():
        if arguments.suites and suite.name not in arguments.suites:
            continue
        began = time.monotonic()
        with tally.guard(suite.name):
            run_suite(suite, arguments, tally)
        print(f"# {suite.name}: {time.monotonic() - began:.1f} s", flush=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
