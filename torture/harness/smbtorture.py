"""Runs Debian's smbtorture one test at a time and reads what it prints.

smbtorture prints, for each test, `test: NAME` and later one of `success: NAME`, `failure: NAME [`, `skip: NAME [`, `error: NAME [`, the latter three
followed by the reason and a line `]`.
"""

import contextlib
import re
import shutil
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from accounts import HarnessError

OUTCOMES = {"success": "pass", "xfail": "pass", "failure": "fail", "error": "fail", "uxsuccess": "fail", "skip": "skip"}
RESULT = re.compile(r"^(success|xfail|failure|error|uxsuccess|skip): (.*?)( \[)?$")
SOURCE = re.compile(r"^(?:\.\./)+")

# Set when the harness is told to end: tests that have not begun do not begin.
stopping = threading.Event()


@dataclass
class Result:
    """One test, once. outcome: pass, fail, skip, or hang when it had to be ended."""
    test: str
    outcome: str
    reason: str = ""
    seconds: float = 0.0

    def __str__(self):
        return f"{self.outcome:5} {self.test}" + (f"  ({self.reason})" if self.reason else "")


def program():
    path = shutil.which("smbtorture", path="/usr/bin:/bin")
    if not path:
        raise HarnessError("Debian's smbtorture is not installed (package samba-testsuite)")
    return path


def parse(text):
    """[(name, outcome, reason)] in the order of the output; the reason is one line."""
    results, lines = [], iter(text.splitlines())
    for line in lines:
        match = RESULT.match(line)
        if not match:
            continue
        reason = []
        if match.group(3):
            for more in lines:
                if more == "]":
                    break
                reason.append(SOURCE.sub("", more.strip()))
        results.append((match.group(2), OUTCOMES[match.group(1)], " ".join(part for part in reason if part)))
    return results


def list_tests(suite):
    """The names of the suite's tests as smbtorture takes them: the listing repeats the last part of a name, which is left out here."""
    listing = subprocess.run([program(), "--list"], capture_output=True, text=True, timeout=60, check=True).stdout
    names = []
    for line in listing.splitlines():
        line = line.strip()
        if line != suite and not line.startswith(suite + "."):
            continue
        half = len(line) // 2
        for cut in range(half, len(line)):
            head, tail = line[:cut], line[cut:]
            if tail.startswith(".") and head.endswith(tail):
                line = head
                break
        names.append(line)
    if not names:
        raise HarnessError(f"smbtorture knows no suite {suite}")
    return names


def run_one(test, port, share, user, options=(), seconds=120, host="127.0.0.1", env=None):
    """Runs one test against //host/share and says how it ended."""
    command = [program(), f"//{host}/{share}", "-p", str(port), "-U", user.credentials, *options, test]
    began = time.monotonic()
    try:
        # smbtorture makes directories of its own where it runs.
        with tempfile.TemporaryDirectory(prefix="atoll-smbtorture-") as local:
            run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, cwd=local, env=env)
    except subprocess.TimeoutExpired:
        return Result(test, "hang", f"no result within {seconds} s", time.monotonic() - began)
    took = time.monotonic() - began
    results = parse(run.stdout.decode(errors="replace"))
    if not results:
        tail = (run.stdout + run.stderr).decode(errors="replace").strip().splitlines()[-1:] or [""]
        return Result(test, "fail", f"no result, exit status {run.returncode}: {tail[0][:200]}", took)
    worst = next((r for r in results if r[1] == "fail"), None) or next((r for r in results if r[1] == "pass"), results[0])
    return Result(test, worst[1], worst[2][:400], took)


@contextlib.contextmanager
def stop_on_interruption():
    try:
        yield
    except BaseException:
        stopping.set()
        raise


def run_many(tests, one, parallel):
    """Calls one(test, worker) for every test, `parallel` at a time, worker 0..parallel-1 being the caller's to keep apart; results in the tests' order."""
    free, lock = list(range(parallel)), threading.Lock()

    def job(test):
        if stopping.is_set():
            raise HarnessError("stopped")
        with lock:
            worker = free.pop()
        try:
            return one(test, worker)
        finally:
            with lock:
                free.append(worker)

    with ThreadPoolExecutor(parallel) as pool:
        return list(pool.map(job, tests))
