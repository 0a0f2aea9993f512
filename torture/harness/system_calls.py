"""Counts what processes ask of the kernel, by strace."""

import pathlib
import re
import signal
import subprocess
import tempfile
import time

from report import require

PATIENCE = 20
SYNCS = ("fsync", "fdatasync", "msync", "sync_file_range")


def count(pids, work, calls=()):
    """How many system calls the processes and their children make while `work` runs: those named, or all."""
    with tempfile.NamedTemporaryFile("r") as summary:
        attached = [argument for pid in pids for argument in ("-p", str(pid))]
        chosen = ["-e", "trace=" + ",".join(calls)] if calls else []
        strace = subprocess.Popen(["strace", "-f", "-qq", "-c", *chosen, "-o", summary.name, *attached], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            deadline = time.monotonic() + PATIENCE
            while not all(tracer_of(pid) for pid in pids):
                require(time.monotonic() < deadline, "strace does not attach")
                time.sleep(0.05)
            work()
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(timeout=PATIENCE)
        total = re.search(r"^100\.00 +\S+ +(?:\d+ +)?(\d+) +(?:\d+ +)?total$", summary.read(), re.MULTILINE)
    require(total, "strace counts nothing")
    return int(total.group(1))


def tracer_of(pid):
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 1  # it has ended
    return int(re.search(r"^TracerPid:\s+(\d+)", status, re.MULTILINE).group(1))
