#!/usr/bin/env python3
"""Our smbd as a service: the systemd unit, orderly ends, and upgrades while clients are at work.

    service_test.py [--preset release]

The unit is checked by systemd-analyze, and its commands are run as they stand, with our smb.conf, by a service manager of this test's own, which listens on
NOTIFY_SOCKET. For upgrades the server runs from a copy of the program that is replaced meanwhile.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time

import report
from accounts import USER1, USER2
from report import require
from server import TOP, Server
from smbstatus_test import Holder

PATIENCE = 20
PROGRAMS = ("smbd", "smbcontrol", "smbstatus", "smbpasswd")


def await_that(condition, complaint):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        require(time.monotonic() < deadline, complaint)
        time.sleep(0.05)


class Service(Server):
    """A server that is started by the unit's own command, from a copy of the programs."""

    sealed = False  # every one's share takes nothing that is not

    def __init__(self, preset):
        super().__init__("atoll", {"share": {"posix locking": "no", **({"smb encrypt": "required"} if self.sealed else {})}}, users=[USER1, USER2], preset=preset)
        self.bin = self.top / "bin"
        self.bin.mkdir()
        for name in PROGRAMS:
            shutil.copy2(TOP / "build" / preset / "bin" / name, self.bin / name)
        self.unit = unit_of(preset)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(self.top / "notify"))
        self.notify.setblocking(False)
        self.told = []
        self.more_environment = {"NOTIFY_SOCKET": str(self.top / "notify")}

    def program(self, name):
        return str(self.bin / name)

    def unit_command(self, key):
        """A command of the unit, from our directory, with our smb.conf."""
        words = shlex.split(self.unit[key])
        return [str(self.bin / pathlib.Path(words[0]).name), "-s", str(self.conf), *words[1:]]

    def command(self):
        return self.unit_command("ExecStart")

    def listen(self):
        """What the service manager has been told so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.told.append(self.notify.recv(4096).decode())
        return self.told

    def main_pid(self):
        return int((self.top / "pid" / "smbd.pid").read_text())

    def reload_unit(self):
        run = subprocess.run(self.unit_command("ExecReload"), capture_output=True, text=True, timeout=90)
        return run.returncode, run.stdout, run.stderr

    def kill(self):
        if self.process:
            with contextlib.suppress(OSError, ValueError):
                os.kill(self.main_pid(), 15)
        super().kill()

    def control(self, *words):
        run = subprocess.run([self.program("smbcontrol"), "-s", str(self.conf), *words], capture_output=True, text=True, timeout=90)
        return run.returncode, run.stdout, run.stderr

    def replace(self, name, content=None):
        """The program as another file, as a package's upgrade leaves it: as it is built, or a script."""
        fresh = self.bin / (name + ".new")
        if content is None:
            shutil.copy2(TOP / "build" / self.preset / "bin" / name, fresh)
        else:
            fresh.write_text(content)
            fresh.chmod(0o755)
        fresh.rename(self.bin / name)


def hold(server, preset, *arguments):
    return Holder(server, "share", USER1, [*arguments, *["--seal"] * Service.sealed], preset)


def unit_of(preset):
    """{key: value} of the unit's [Service]."""
    text = (TOP / "build" / preset / "units" / "atoll.service").read_text()
    return dict(line.split("=", 1) for line in text.splitlines() if re.match(r"^\w+=", line))


def verify_unit(preset):
    run = subprocess.run(["systemd-analyze", "verify", str(TOP / "build" / preset / "units" / "atoll.service")], capture_output=True, text=True, timeout=60)
    require(run.returncode == 0 and "atoll.service" not in run.stderr, f"{run.returncode} {run.stderr}")


def log_on(server, commands="ls"):
    run = subprocess.run(["smbclient", "//127.0.0.1/share", "-p", str(server.port), "-U", USER2.credentials, "-c", commands], stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, timeout=60)
    return run.returncode, run.stdout + run.stderr


def parent_of(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^PPid:\s+(\d+)", status, re.M)[1])


def client_pids(server):
    out = subprocess.run([server.program("smbstatus"), "-s", str(server.conf), "-p"], capture_output=True, text=True, timeout=60).stdout
    return [int(line.split()[0]) for line in out.splitlines() if "127.0.0.1" in line]


class Newcomers:
    """Log on again and again, and remember who could not."""

    def __init__(self, server):
        self.server, self.stop, self.failures, self.count = server, threading.Event(), [], 0
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.is_set():
            status, said = log_on(self.server)
            self.count += 1
            if status != 0:
                self.failures.append(said)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def starts_and_ends(preset):
    """READY=1 once it serves; SIGTERM ends it in good order, with what clients had open."""
    with Service(preset) as server:
        await_that(lambda: "READY=1" in server.listen(), "the service manager is not told")
        holder = hold(server, preset)
        holder.do("open doomed access=10081 share=7 options=1000")
        server.process.terminate()
        await_that(lambda: server.process.poll() is not None and not server.processes(), "the server goes on")
        require(server.process.returncode == 0, f"exit status {server.process.returncode}")
        require("STOPPING=1" in server.listen(), f"the service manager is told {server.told}")
        require(not (server.top / "pid" / "smbd.pid").exists(), "the pid file stays")
        require(not (server.path("share") / "doomed").exists(), "what was to be deleted on close is there")
        holder.end()
        server.start()
        require(log_on(server)[0] == 0, "nobody can log on after a restart")


def restart_hands_over(preset, end):
    """A durable handle with its lease and its lock is found again after a restart; what was to be deleted on close has been."""
    with Service(preset) as server:
        holder = hold(server, preset, "--client-guid", "away")
        holder.do("open doomed access=10081 share=7 options=1000")
        holder.do("open durable access=12019f share=7 lease2=7 durable2=60000")
        holder.process.stdin.write("id\n")
        holder.process.stdin.flush()
        ids = holder.process.stdout.readline().strip()
        holder.do("lock 0 10 exclusive")
        end(server)
        await_that(lambda: server.process.poll() is not None and not server.processes(), "the server goes on")
        holder.end()
        server.start()
        require(not (server.path("share") / "doomed").exists(), "what was to be deleted on close is there")
        listed = subprocess.run([server.program("smbstatus"), "-s", str(server.conf), "-L", "-B"], capture_output=True, text=True, timeout=60).stdout
        require(len(re.findall(r"^disconnected .*durable", listed, re.M)) == 2, f"not listed: {listed}")
        back = hold(server, preset, "--client-guid", "away")
        back.do(f"again durable {ids} access=12019f share=7 lease2=7")
        listed = subprocess.run([server.program("smbstatus"), "-s", str(server.conf), "-L", "-B"], capture_output=True, text=True, timeout=60).stdout
        require("disconnected" not in listed and "LEASE(RWH)" in listed and len(re.findall(r"durable", listed)) == 2, f"not as it was: {listed}")
        back.do("lock 20 1 exclusive")
        back.end()


def killed_at_once(server):
    for pid in server.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)


def upgrade_beside_clients(preset):
    """Those who are there stay with the old program, with their files and locks, which bind those who come to the new one."""
    with Service(preset) as server:
        first = server.main_pid()
        holder = hold(server, preset)
        holder.do("open kept access=12019f share=7")
        holder.do("lock 0 10 exclusive")
        (old_client,) = client_pids(server)
        server.replace("smbd")
        with Newcomers(server) as newcomers:
            time.sleep(0.5)
            status, out, error = server.reload_unit()
            require(status == 0, f"the unit's reload: {status} {out}{error}")
            time.sleep(0.5)
        require(not newcomers.failures and newcomers.count > 3, f"{len(newcomers.failures)} of {newcomers.count} log-ons failed: {newcomers.failures[:1]}")
        second = server.main_pid()
        require(second != first and f"MAINPID={second}" in server.listen(), f"{first}, {second}, {server.told}")
        require(os.stat(f"/proc/{second}/exe").st_ino == os.stat(server.bin / "smbd").st_ino, "the new process is not the new program")
        require(old_client in client_pids(server) and parent_of(old_client) == first, "the client is not where it was")
        holder.do("lock 100 5 exclusive")
        newcomer = hold(server, preset)
        newcomer.do("open kept access=12019f share=7")
        newcomer.process.stdin.write("lock 5 1 exclusive\n")
        newcomer.process.stdin.flush()
        newcomer.expect("NT_STATUS_LOCK_NOT_GRANTED", "a lock across both")
        (new_client,) = [pid for pid in client_pids(server) if pid != old_client]
        require(parent_of(new_client) == second, "the newcomer is not the new server's")
        require(server.control("smbd", "close-share", "nosuch")[0] == 0 and server.control("smbd", "debug", "2")[0] == 0, "smbcontrol fails")
        await_that(lambda: "all:2" in server.control(str(old_client), "debuglevel")[1], "the old server's client is not told")
        holder.end()
        await_that(lambda: not os.path.exists(f"/proc/{first}/exe"), "the old server goes on without clients")
        newcomer.do("lock 5 1 exclusive")
        newcomer.end()


def killed_client_of_the_old(preset):
    """The old server still cleans up after its clients."""
    with Service(preset) as server:
        holder = hold(server, preset)
        holder.do("open doomed access=10081 share=7 options=1000")
        (old_client,) = client_pids(server)
        require(server.reload_unit()[0] == 0, "the unit's reload fails")
        os.kill(old_client, 9)
        await_that(lambda: not (server.path("share") / "doomed").exists(), "what was to be deleted on close is there")
        holder.end()


def upgrades_in_a_row(preset):
    """Three servers with a client each; the last one's end is the end of all."""
    with Service(preset) as server:
        listeners, holders = [server.main_pid()], []
        for number in range(3):
            holders.append(hold(server, preset))
            holders[-1].do(f"open doomed{number} access=10081 share=7 options=1000")
            if number == 2:
                break
            require(server.reload_unit()[0] == 0, "the unit's reload fails")
            listeners.append(server.main_pid())
        require(len(set(listeners)) == 3 and all(os.path.exists(f"/proc/{pid}/exe") for pid in listeners), f"{listeners}")
        require(len(client_pids(server)) == 3, "a client is missing")
        require(server.control("smbd", "shutdown")[0] == 0, "shutdown fails")
        await_that(lambda: server.process.poll() is not None and not server.processes(), f"they go on: {server.processes()}")
        require(not list(server.path("share").glob("doomed*")), "what was to be deleted on close is there")
        for holder in holders:
            holder.end()


def failed_upgrades(preset):
    """A program that is none, one that ends, a wrong smb.conf: the server goes on as it was."""
    with Service(preset) as server:
        holder = hold(server, preset)
        first = server.main_pid()
        good = server.conf.read_text()

        def refused(what, words):
            status, _, error = server.reload_unit()
            require(status == 1 and words in error, f"{what}: {status} {error}")
            require(server.main_pid() == first, f"{what}: another process has the pid file")
            require(log_on(server)[0] == 0, f"{what}: nobody can log on")
            holder.do("open still access=3 share=7")

        server.replace("smbd", "#!/bin/sh\nexit 1\n")
        refused("a program that ends", "does not come to serve")
        server.replace("smbd", "no program")
        refused("no program", "does not come to serve")
        (server.bin / "smbd").unlink()
        refused("none at all", "cannot be started")
        server.replace("smbd")
        server.conf.write_text(good + "[bad]\n create mask = rwx\n")
        status, _, error = server.control("smbd", "ping")
        require(status == 1 and "testparm" in error, f"smbcontrol with a wrong smb.conf: {status} {error}")
        server.conf.write_text(good)
        require(server.reload_unit()[0] == 0, "the good program is refused")
        require(server.main_pid() != first, "nothing has changed")
        holder.end()


def wrong_destination(preset):
    with Service(preset) as server, contextlib.ExitStack() as stack:
        holder = hold(server, preset)
        stack.callback(holder.end)
        (client,) = client_pids(server)
        status, _, error = server.control(str(client), "upgrade")
        require(status == 1 and "not for one of its processes" in error, f"{status} {error}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    arguments = parser.parse_args()
    tally = report.Tally("service")
    tests = (("systemd-analyze verifies the unit", verify_unit), ("starts and ends in good order", starts_and_ends),
             ("a restart hands over durable handles", lambda preset: restart_hands_over(preset, lambda server: server.process.terminate())),
             ("and so does the end of every process at once", lambda preset: restart_hands_over(preset, killed_at_once)),
             ("an upgrade beside clients", upgrade_beside_clients), ("a client of the old server that is killed", killed_client_of_the_old),
             ("three servers in a row", upgrades_in_a_row), ("upgrades that fail", failed_upgrades), ("upgrade of a client's process", wrong_destination))
    for Service.sealed in (False, True):
        for what, test in tests[Service.sealed:]:
            with tally.case(what + ", sealed" * Service.sealed):
                test(arguments.preset)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
