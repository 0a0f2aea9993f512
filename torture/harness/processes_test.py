#!/usr/bin/env python3
"""What the processes of our smbd owe each other: preauth has no privileges, and a helper that is killed disturbs nobody who is logged on.

A helper is known by its name in /proc/PID/comm, which ends in what it is: preauth, authd, committer, housekeeper.
With --server debian the same clients work without a kill, which shows that the test itself holds.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import report
from accounts import USER1, USER2
from report import require
from server import TOP, Server

CLIENTS = 50
HELPERS = ("preauth", "authd", "committer", "housekeeper")
REQUIRED = HELPERS
ROUNDS = 1 + len(HELPERS)
BATCH = 12
PATIENCE = 60


def helper_name(pid):
    """Which helper a process is; None for the listener and for those that serve clients."""
    try:
        name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None
    return next((helper for helper in HELPERS if name.endswith(helper)), None)


def helpers(server):
    """{pid: helper}"""
    named = {pid: helper_name(pid) for pid in server.processes()}
    return {pid: name for pid, name in named.items() if name}


class Worker:
    """An smbclient that stays logged on and works off batches of commands. It gets all of them at its start; each batch begins with a put of a named
    pipe, which waits until begin() opens and closes the pipe, and ends with a put of a marker."""

    def __init__(self, server, number, work):
        self.number, self.round = number, 0
        self.share = server.path("share")
        self.log = work / f"client{number}.log"
        self.local = work / f"local{number}"
        self.local.mkdir()
        (self.local / "source").write_bytes(os.urandom(3000 + number))
        for round_number in range(1, ROUNDS + 1):
            os.mkfifo(self.local / f"gate{round_number}")
        user = (USER1, USER2)[number % 2]
        commands = ";".join(line for round_number in range(1, ROUNDS + 1) for line in self.commands(round_number))
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(["stdbuf", "-oL", "smbclient", "//127.0.0.1/share", "-p", str(server.port), "-U", user.credentials, "-c", commands],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.local)

    def commands(self, round_number):
        yield f"put gate{round_number} c{self.number}-gate"
        for step in range(BATCH):
            name = f"c{self.number}-{round_number}-{step}"
            yield from (f"put source {name}", f"get {name} back{step}", f"rename {name} {name}-moved", f"del {name}-moved")
        yield f"put source c{self.number}-end{round_number}"

    def begin(self):
        """Lets the next batch begin, once the client waits for it."""
        self.round += 1
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            try:
                os.close(os.open(self.local / f"gate{self.round}", os.O_WRONLY | os.O_NONBLOCK))
                return
            except OSError:
                require(time.monotonic() < deadline, f"client {self.number} is not ready for batch {self.round}: {self.log.read_text(errors='replace')[-500:]}")
                time.sleep(0.02)

    def ended(self):
        marker = self.share / f"c{self.number}-end{self.round}"
        return self.process.poll() is not None or (marker.exists() and marker.stat().st_size == 3000 + self.number)

    def complaint(self):
        """What went wrong for this client so far; None when nothing did."""
        text = self.log.read_text(errors="replace")
        bad = re.search(r".*(NT_STATUS_|Connection|tree connect failed).*", text)
        if bad:
            return f"client {self.number}: {bad.group(0).strip()}"
        if not self.ended():
            return f"client {self.number} did not end its batch {self.round} within {PATIENCE} s"
        if self.process.poll() is not None and self.round < ROUNDS:
            return f"client {self.number} ended with {self.process.returncode}"
        source = (self.local / "source").read_bytes()
        if self.round and any((self.local / f"back{step}").read_bytes() != source for step in range(BATCH)):
            return f"client {self.number} read back something else than it wrote"
        return None

    def end(self):
        """Ends the client, wherever it is."""
        self.process.kill()
        self.process.wait()


def batch(workers, during=lambda: None):
    """All clients work off one batch, and `during` happens while they do."""
    for worker in workers:
        worker.begin()
    during()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and not all(worker.ended() for worker in workers):
        time.sleep(0.1)
    complaints = [text for text in (worker.complaint() for worker in workers) if text]
    require(not complaints, f"{len(complaints)} of {len(workers)} clients were disturbed: {'; '.join(complaints[:3])}")


def logs_on(server):
    """A newcomer's log-on; tried again once, since a client in mid-log-on may be reset when a helper dies."""
    for _ in range(2):
        run = subprocess.run(["smbclient", "//127.0.0.1/share", "-p", str(server.port), "-U", USER1.credentials, "-c", "ls"],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        if run.returncode == 0:
            return
    require(False, f"nobody can log on: {run.stdout}{run.stderr}")


def kill_and_await(server, pid, name):
    """Kills one helper and waits until another of its name is there."""
    before = set(helpers(server))
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if any(other not in before and of == name for other, of in helpers(server).items()):
            return
        time.sleep(0.05)
    require(False, f"{name} was not restarted within 10 s of being killed")


def status_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def unprivileged(server, pid):
    """No capabilities, not root, and no way to the account database."""
    status = status_of(pid)
    for field in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        require(int(status[field], 16) == 0, f"preauth {pid}: {field} is {status[field]}")
    private = server.top / "private"
    held = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    require(not [path for path in held if path.startswith(str(private))], f"preauth {pid} holds a file of the private directory: {held}")
    if os.getuid() == 0:
        users, groups = status["Uid"].split(), status["Gid"].split()
        require("0" not in users, f"preauth {pid} runs as {users}")
        database = next((path for path in (private / "passdb.tdb",) if path.exists()), None)
        require(database is not None, "there is no account database where it should be")
        probe = subprocess.run(["setpriv", f"--reuid={users[1]}", f"--regid={groups[1]}", "--clear-groups", "test", "-r", str(database)], timeout=30)
        require(probe.returncode != 0, f"preauth's user can read {database}")


def holder_of(server, path):
    """The process of the server that has the file open."""
    for pid in server.processes():
        with contextlib.suppress(OSError):
            if any(os.readlink(f"/proc/{pid}/fd/{fd}") == str(path) for fd in os.listdir(f"/proc/{pid}/fd")):
                return pid
    raise report.Failure(f"nobody has {path} open")


def ended_client(server):
    """A client's process that is killed has its files closed at once: what it was to delete goes although nobody asks for it any more."""
    program = TOP / "build" / "release" / "bin" / "smbtorture"
    require(program.exists(), f"{program} is not there: build preset release first")
    with tempfile.TemporaryDirectory(prefix="atoll-processes-") as work:
        ready, go = pathlib.Path(work, "ready"), pathlib.Path(work, "go")
        hold = f"touch {ready}; for i in $(seq 300); do test -e {go} && exit 0; sleep 0.1; done; exit 1"
        client = subprocess.Popen([str(program), "//127.0.0.1/share", "-p", str(server.port), "-U", USER1.credentials, f"--option=torture:hold={hold}",
                                   "--option=torture:release=true", "atoll.async.ended_by_the_server"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            await_that(ready.exists, "the client does not open its files", lambda: client.poll() is not None)
            doomed = next(server.path("share").rglob("doomed"))
            os.kill(holder_of(server, doomed), signal.SIGKILL)
            await_that(lambda: not doomed.exists(), "the file is not deleted")
            require((doomed.parent / "kept").exists(), "another file is deleted")
        finally:
            go.touch()
            output, _ = client.communicate(timeout=PATIENCE)
        require(client.returncode == 0, f"the client: {output}")


def await_that(condition, complaint, hopeless=lambda: False):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        require(time.monotonic() < deadline and not hopeless(), complaint)
        time.sleep(0.05)


def kills(tally, server, workers):
    found = helpers(server)
    for name in REQUIRED:
        with tally.case(f"there is a process {name}"):
            require(name in found.values(), f"among {server.processes()}")
    with tally.case("preauth has no capabilities and no access to the account database"):
        pids = [pid for pid, name in found.items() if name == "preauth"]
        require(pids, "there is no preauth")
        for pid in pids:
            unprivileged(server, pid)
    for name in sorted(set(found.values())):
        with tally.case(f"killing {name} disturbs none of {len(workers)} clients that work"):
            victims = [pid for pid, of in helpers(server).items() if of == name]
            batch(workers, lambda victims=victims, name=name: [kill_and_await(server, pid, name) for pid in victims])
            logs_on(server)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=["atoll", "debian"], default="atoll")
    parser.add_argument("--preset", default="release")
    arguments = parser.parse_args()
    tally = report.Tally("processes")
    work = pathlib.Path(tempfile.mkdtemp(prefix="atoll-processes-", dir=os.environ.get("ATOLL_TEST_DIR")))
    workers = []
    try:
        with tally.guard("the server"), Server(arguments.server, shares={"share": {}}, users=[USER1, USER2], preset=arguments.preset) as server:
            workers = [Worker(server, number, work) for number in range(CLIENTS)]
            with tally.case(f"{CLIENTS} clients work side by side"):
                batch(workers)
            if arguments.server == "atoll":
                kills(tally, server, workers)
                with tally.case("killing a client's process deletes what it had open with delete-on-close"):
                    ended_client(server)
    finally:
        for worker in workers:
            worker.end()
        shutil.rmtree(work, ignore_errors=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
