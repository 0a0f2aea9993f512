"""Runs a piece of the harness in a network or mount namespace of its own, in this process.

Linux gives each thread its namespaces, and a thread or process gets those of the one that made it. So the work is done by a thread of its own, and all
that it starts (servers, smbtorture, further threads) sees what it sees. When the last of them ends, the kernel takes away the interfaces and the mounts.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import threading

from accounts import HarnessError

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000


def unshare(flags):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(ctypes.c_int(flags)) != 0:
        raise HarnessError(f"no namespace: {os.strerror(ctypes.get_errno())}")


def run(work, network=False, mounts=False):
    """work()'s result or exception, from a thread with these namespaces of its own. With network there is only loopback; mounts made inside stay inside."""
    if not network and not mounts:
        return work()
    if os.getuid() != 0:
        raise HarnessError("only root makes namespaces")
    box = {}

    def inside():
        try:
            unshare((CLONE_NEWNET if network else 0) | (CLONE_NEWNS if mounts else 0))
            if network:
                subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            if mounts:
                subprocess.run(["mount", "--make-rprivate", "/"], check=True)
            box["result"] = work()
        except BaseException as problem:
            box["problem"] = problem

    thread = threading.Thread(target=inside)
    thread.start()
    with signals_end(thread):
        thread.join()
    if "problem" in box:
        raise box["problem"]
    return box["result"]


@contextlib.contextmanager
def signals_end(thread):
    """Who is told to end cleans up first: in the thread, where what has to be is, and when the call is over in which it is."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number, _):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))

    former = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def loop_mount(kind, image, target, size):
    """A new file system of that kind (`btrfs`, `ext3 -I 128`: with mkfs's options) on `image`, mounted on `target`; the loop device goes with the mount."""
    kind, *options = kind.split()
    target.mkdir(parents=True, exist_ok=True)
    with open(image, "wb") as file:
        file.truncate(size)
    subprocess.run([f"mkfs.{kind}", "-q", *options, str(image)], check=True, capture_output=True)
    subprocess.run(["mount", "-t", kind, "-o", "loop", str(image), str(target)], check=True)
    target.chmod(0o777)
