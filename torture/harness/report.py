"""Counts what passed and failed. Every test program ends with the line `N passed, N failed`, which ./check adds up."""

import contextlib
import signal
import subprocess
import sys
import traceback

from accounts import HarnessError
from server import ServerFailed


class Failure(Exception):
    """A test's complaint, one text for a person."""


def require(condition, text):
    if not condition:
        raise Failure(text)


class Tally:
    def __init__(self, name):
        self.name, self.good, self.bad = name, 0, 0
        # An ended test program leaves its `with` blocks, and so takes its servers and directories with it.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))

    def passed(self, what, quiet=False):
        self.good += 1
        if not quiet:
            print(f"pass {what}" if not what.startswith("pass") else what, flush=True)

    def failed(self, what):
        self.bad += 1
        print(f"FAIL {what}", flush=True)

    @contextlib.contextmanager
    def guard(self, what):
        """Turns what goes wrong inside into one failure; counts nothing when all went well."""
        try:
            yield
        except (Failure, ServerFailed, HarnessError) as problem:
            self.failed(f"{what}: {problem}")
        except subprocess.TimeoutExpired as late:
            self.failed(f"{what}: no end within {late.timeout:.0f} s: {late.cmd}")
        except Exception:
            self.failed(f"{what}: {traceback.format_exc()}")

    @contextlib.contextmanager
    def case(self, what):
        """One test: passes when nothing inside raises."""
        with self.guard(what):
            yield
            self.passed(what)

    def finish(self):
        print(f"{self.name}: {self.good} passed, {self.bad} failed", flush=True)
        return 1 if self.bad or not self.good else 0
