#!/usr/bin/env python3
"""Requests that take long get an interim response, and those that can be given up are given up on CANCEL (MS-SMB2 3.3.4.2, 3.3.5.16).

A share on a loop mount is frozen (fsfreeze) while our smbtorture writes to it, and authd is stopped while it logs on; then the same with Debian's
smbclient, whose frames tshark reads. As root only: skipped otherwise. With --server debian the frozen write alone, which shows that the test itself holds.
"""

import argparse
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from xml.etree import ElementTree

import report
import smbtorture
from accounts import USER1, HarnessError
from processes_test import helpers
from report import require
from server import TOP, Server

IMAGE_BYTES = 64 << 20
PATIENCE = 30


def run(*command, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, **options)
    if done.returncode != 0:
        raise HarnessError(f"{' '.join(command)}: {done.stdout}{done.stderr}".strip())
    return done.stdout


@contextlib.contextmanager
def loop_mount():
    """A file system of its own, mounted; thawed, whatever happened, before it goes."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="atoll-interim-", dir=os.environ.get("ATOLL_TEST_DIR")))
    image, mount = directory / "image", directory / "mount"
    try:
        mount.mkdir()
        directory.chmod(0o755)
        with open(image, "wb") as file:
            file.truncate(IMAGE_BYTES)
        run("mkfs.ext4", "-q", str(image))
        run("mount", "-o", "loop", str(image), str(mount))
        try:
            mount.chmod(0o777)
            yield mount
        finally:
            subprocess.run(["fsfreeze", "--unfreeze", str(mount)], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
            run("umount", str(mount))
    finally:
        image.unlink(missing_ok=True)
        if mount.is_dir() and not os.path.ismount(mount):
            mount.rmdir()
            directory.rmdir()


def torture(server, test, hold, release):
    program = TOP / "build" / "release" / "bin" / "smbtorture"
    require(program.exists(), f"{program} is not there: build preset release first")
    done = subprocess.run([str(program), "//127.0.0.1/share", "-p", str(server.port), "-U", USER1.credentials, f"--option=torture:hold={hold}",
                           f"--option=torture:release={release}", test], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    results = smbtorture.parse(done.stdout)
    require(len(results) == 1, f"no result: {done.stderr.strip()[-300:]}")
    name, outcome, reason = results[0]
    require(outcome == "pass", f"{outcome} {name}: {reason}")


class Capture:
    """What passes a port of loopback, read by tshark when it ends."""

    def __init__(self, port):
        self.port = port
        self.file = tempfile.NamedTemporaryFile(prefix="atoll-interim-", suffix=".pcap")
        self.process = subprocess.Popen(["tshark", "-i", "lo", "-f", f"tcp port {port}", "-w", self.file.name], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "Capturing on" in line:
                return
        raise HarnessError("tshark does not capture")

    def size(self):
        return os.stat(self.file.name).st_size

    def end(self):
        """Ends the capture once what has passed is in the file: tshark drops what it has not read when it is told to end."""
        before, deadline = -1, time.monotonic() + PATIENCE
        while self.size() != before and time.monotonic() < deadline:
            before = self.size()
            time.sleep(1)
        self.process.terminate()
        self.process.stderr.read()
        self.process.wait(timeout=PATIENCE)

    def writes(self):
        """[(status, is async, async id, message id)] of the responses to WRITE."""
        fields = ["smb2.nt_status", "smb2.flags.async", "smb2.aid", "smb2.msg_id"]
        # As PDML, for a segment may carry several responses, and -T fields does not say which value is whose.
        text = run("tshark", "-r", self.file.name, "-d", f"tcp.port=={self.port},nbss", "-Y", "smb2.cmd == 9 && smb2.flags.response == 1", "-T", "pdml")
        answers = []
        for message in ElementTree.fromstring(text).iter("proto"):
            shown = {field.get("name"): field.get("show", "") for field in message.iter("field")} if message.get("name") == "smb2" else {}
            if shown.get("smb2.cmd") == "9" and shown.get("smb2.flags.response") in ("1", "True"):
                answers.append(tuple(shown.get(field, "") for field in fields))
        return answers


def smbclient_waits(server, mount):
    """smbclient overwrites a large file on the frozen file system: it is kept waiting by an interim response, and its file is whole in the end."""
    with tempfile.TemporaryDirectory(prefix="atoll-interim-") as local:
        source = pathlib.Path(local, "source")
        source.write_bytes(os.urandom(8 << 20))
        # The put's first half comes from a pipe: the file is open on the server when it is known to wait.
        pipe = pathlib.Path(local, "pipe")
        os.mkfifo(pipe)
        capture = Capture(server.port)
        try:
            client = subprocess.Popen(["smbclient", "//127.0.0.1/share", "-p", str(server.port), "-U", USER1.credentials, "-c", f"put {pipe} target"],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            target = mount / "target"
            with open(pipe, "wb") as feed:
                deadline = time.monotonic() + PATIENCE
                while not target.exists() and time.monotonic() < deadline:
                    time.sleep(0.02)
                require(target.exists(), "smbclient does not create its file")
                run("fsfreeze", "--freeze", str(mount))
                try:
                    writer = subprocess.Popen(["cat", str(source)], stdin=subprocess.DEVNULL, stdout=feed)
                    feed.close()
                    time.sleep(2)  # the interim response is due after half a second to one
                    require(client.poll() is None, f"smbclient ended while its file system was frozen: {client.stdout.read() if client.poll() is not None else ''}")
                finally:
                    run("fsfreeze", "--unfreeze", str(mount))
            output, _ = client.communicate(timeout=PATIENCE)
            writer.wait(timeout=PATIENCE)
            require(client.returncode == 0, f"smbclient: {output}")
            require(target.read_bytes() == source.read_bytes(), "the file is not what was put")
        finally:
            capture.end()
        answers = capture.writes()
        pending = [answer for answer in answers if answer[0] == "0x00000103"]
        require(pending, f"no interim response among {len(answers)} answers to WRITE: {answers[:3]}")
        for _, is_async, async_id, message_id in pending:
            require(is_async in ("1", "True") and int(async_id, 16) != 0, f"an interim response that is not asynchronous: {async_id}")
            finals = [answer for answer in answers if answer[3] == message_id and answer[0] == "0x00000000"]
            require([answer[2] for answer in finals] == [async_id], f"the final response to {message_id}: {finals}, its interim one had AsyncId {async_id}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=["atoll", "debian"], default="atoll")
    parser.add_argument("--preset", default="release")
    arguments = parser.parse_args()
    if os.getuid() != 0:
        print("# skipped: only root mounts and freezes a file system\ninterim: 0 passed, 0 failed")
        return 0
    tally = report.Tally("interim")
    with tally.guard("the server"), loop_mount() as mount, \
            Server(arguments.server, shares={"share": {"path": mount}}, users=[USER1], preset=arguments.preset) as server:
        with tally.case("a large write to a frozen file system: interim response, others answered, final response"):
            torture(server, "atoll.async.held_write", f"fsfreeze --freeze {mount}", f"fsfreeze --unfreeze {mount}")
        with tally.case("Debian's smbclient waits for a frozen file system"):
            smbclient_waits(server, mount)
        if arguments.server == "atoll":
            with tally.case("a log-on that authd does not decide is given up on CANCEL"):
                pids = " ".join(str(pid) for pid, name in helpers(server).items() if name == "authd")
                require(pids, "there is no authd")
                torture(server, "atoll.async.cancelled_log_on", f"kill -STOP {pids}", f"kill -CONT {pids}")
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
