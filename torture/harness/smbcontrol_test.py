#!/usr/bin/env python3
"""smbcontrol on our server beside Debian's smbcontrol on Debian's: the same arguments, the same output and exit status, and the same done to clients.

    smbcontrol_test.py [--preset release]

Debian's smbclient stays connected meanwhile: it waits for changes of a directory, and ends when its share or its connection is closed.
"""

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time

import report
from accounts import USER1, USER2
from report import require
from server import Server

PATIENCE = 20
SHARES = {"share": {}, "other": {}}
# Arguments with @LISTENER@ and @CLIENT@ for processes. All of them leave clients alone.
HARMLESS = [
    "smbd ping", "@LISTENER@ ping", "@CLIENT@ ping", "smbd ping 3", "bogus ping", "nmbd ping", "winbindd ping", "-t 5 smbd ping", "smbd bogus",
    "999999999 ping", "1 ping", "smbd debuglevel", "@CLIENT@ debuglevel", "smbd debuglevel x", "smbd debug", "smbd debug 3", "smbd debuglevel",
    "@CLIENT@ debuglevel", "@CLIENT@ debug 5", "@CLIENT@ debuglevel", "smbd debuglevel", "smbd debug all:2", "smbd debuglevel", "@CLIENT@ debuglevel",
    "smbd reload-config", "all reload-config", "smbd reload-config x", "smbd close-share", "smbd close-share nosuch", "smbd close-denied-share share",
    "smbd num-children x", "smbd shutdown x", "smbd kill-client-ip", "smbd kill-client-ip bogus", "smbd kill-client-ip 192.0.2.1",
    "smbd kill-client-ip 2001:db8::1", "@CLIENT@ kill-client-ip 192.0.2.1",
]
# What Debian's says nothing of is said here, on standard error.
SAID_BY_OURS = re.compile(r"^smbcontrol: no process of the server has the pid \d+$")


def smbcontrol(server, arguments):
    run = subprocess.run([server.program("smbcontrol"), "-s", str(server.conf), *arguments.split()], capture_output=True, text=True, timeout=60)
    return run.returncode, run.stdout, run.stderr


def holders(server):
    """Processes of the server that have a connection from a client."""
    inodes = set()
    with open("/proc/net/tcp", encoding="ascii") as table:
        for line in table.readlines()[1:]:
            fields = line.split()
            if fields[3] == "01" and int(fields[1].split(":")[1], 16) == server.port:
                inodes.add(f"socket:[{fields[9]}]")
    found = []
    for pid in server.processes():
        with contextlib.suppress(OSError):
            if any(os.readlink(f"/proc/{pid}/fd/{fd}") in inodes for fd in os.listdir(f"/proc/{pid}/fd")):
                found.append(pid)
    return found


def await_that(condition, complaint):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        require(time.monotonic() < deadline, complaint)
        time.sleep(0.05)


@contextlib.contextmanager
def client(server, share, user):
    """An smbclient that waits for changes in a directory of the share."""
    before = set(holders(server))
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(["smbclient", f"//127.0.0.1/{share}", "-p", str(server.port), "-U", user.credentials, "-c", f"mkdir {user.name}; notify {user.name}"],
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            await_that(lambda: process.poll() is not None or set(holders(server)) - before, "a client does not connect")
            await_that((server.path(share) / user.name).exists, "a client does not make its directory")
            yield process
        finally:
            process.kill()
            process.wait()


def normalised(server, arguments, pids):
    status, out, error = smbcontrol(server, arguments)
    for pid, name in pids.items():
        out = re.sub(rf"\b{pid}\b", name, out)
    out = re.sub(r"(PID \S+: all:\d+).*", r"\1", out)  # ours has no other classes
    error = "".join(line for line in error.splitlines(keepends=True) if not SAID_BY_OURS.match(line))
    return status, out, error


def compare_harmless(atoll, debian, tally):
    with client(atoll, "share", USER1) as ours, client(debian, "share", USER1) as theirs:
        names = {server.kind: {server.process.pid: "LISTENER", **{pid: "CLIENT" for pid in holders(server)}} for server in (atoll, debian)}
        for arguments in HARMLESS:
            with tally.case(f"smbcontrol {arguments}"):
                found = []
                for server in (atoll, debian):
                    pids = {name: str(pid) for pid, name in names[server.kind].items()}
                    filled = arguments.replace("@LISTENER@", pids["LISTENER"]).replace("@CLIENT@", pids["CLIENT"])
                    found.append(normalised(server, filled, names[server.kind]))
                require(found[0] == found[1], f"{found[0]}, and Debian's {found[1]}")
                require(ours.poll() is None and theirs.poll() is None, "the client was disturbed")


def everybody_answers(atoll):
    status, out, error = smbcontrol(atoll, "all ping")
    pids = {int(pid) for pid in re.findall(r"^PONG from pid (\d+)$", out, re.M)}
    require(status == 0 and not error and len(pids) == len(out.splitlines()), f"{status} {out}{error}")
    quiet = {pid: name for pid, name in ((pid, open(f"/proc/{pid}/comm", encoding="ascii").read().strip()) for pid in atoll.processes()) if pid not in pids}
    require(all("preauth" in name for name in quiet.values()), f"no answer from {quiet}")
    with client(atoll, "share", USER1), client(atoll, "other", USER2):
        require(smbcontrol(atoll, "smbd num-children") == (0, "2 children\n", ""), "num-children does not tell of two")


def log_level_reaches_everybody(atoll):
    with client(atoll, "share", USER1):
        smbcontrol(atoll, "smbd debug 4")
        await_that(lambda: set(re.findall(r"all:\d+", smbcontrol(atoll, "all debuglevel")[1])) == {"all:4"}, "not all have the new log level")
        smbcontrol(atoll, "smbd debug 1")


def shares_are_closed(server):
    """close-share: a process's, then everybody's; other shares go on."""
    with client(server, "share", USER1) as one, client(server, "other", USER2) as another:
        require(smbcontrol(server, "smbd close-share SHARE")[0] == 0, "close-share fails")
        await_that(lambda: one.poll() is not None, "the share's client goes on")
        require(another.poll() is None, "another share's client has ended")
        require(smbcontrol(server, "smbd close-share *")[0] == 0, "close-share * fails")
        await_that(lambda: another.poll() is not None, "the client goes on")


def denied_users_lose_their_share(server):
    with client(server, "share", USER1) as one, client(server, "share", USER2) as another:
        server.shares["share"]["invalid users"] = USER1.name
        server.write_conf()
        try:
            require(smbcontrol(server, "smbd reload-config")[0] == 0, "reload-config fails")
            smbcontrol(server, "smbd ping")  # its children have been told
            for pid in holders(server):
                require(smbcontrol(server, f"{pid} ping")[0] == 0, "a client's process has not read the configuration")
            require(smbcontrol(server, "smbd close-denied-share share")[0] == 0, "close-denied-share fails")
            await_that(lambda: one.poll() is not None, "who is denied goes on")
            require(another.poll() is None, "who is allowed has lost the share")
        finally:
            del server.shares["share"]["invalid users"]
            server.write_conf()
            smbcontrol(server, "smbd reload-config")


def new_shares_are_read(server):
    server.shares["later"] = {}
    server.write_conf()
    require(smbcontrol(server, "smbd reload-config")[0] == 0, "reload-config fails")
    listing = ["smbclient", "//127.0.0.1/later", "-p", str(server.port), "-U", USER1.credentials, "-c", "ls"]
    await_that(lambda: subprocess.run(listing, capture_output=True, timeout=60).returncode == 0, "the new share is not served")


def clients_of_an_address_end(server):
    with client(server, "share", USER1) as one:
        require(smbcontrol(server, "smbd kill-client-ip 127.0.0.1")[0] == 0, "kill-client-ip fails")
        await_that(lambda: one.poll() is not None, "the client goes on")
        await_that(lambda: not holders(server), "its process goes on")


def one_client_is_shut_down(server):
    with client(server, "share", USER1) as one:
        (pid,) = holders(server)
        require(smbcontrol(server, f"{pid} shutdown")[0] == 0, "shutdown fails")
        await_that(lambda: one.poll() is not None and pid not in server.processes(), "the process goes on")
    require(smbcontrol(server, "smbd ping")[0] == 0, "the server has ended with it")


def server_is_shut_down(server):
    with client(server, "share", USER1) as one:
        require(smbcontrol(server, "smbd shutdown")[0] == 0, "shutdown fails")
        await_that(lambda: server.process.poll() is not None and not server.processes(), "the server goes on")
        await_that(lambda: one.poll() is not None, "the client goes on")
    require(not (server.top / "pid" / "smbd.pid").exists(), "the pid file stays")
    for arguments, expected in (("smbd ping", (1, "", "Can't find pid for destination 'smbd'\n")), ("-t 1 all ping", (1, "No replies received\n", "")),
                                ("smbd reload-config", (1, "", "Can't find pid for destination 'smbd'\n"))):
        found = smbcontrol(server, arguments)
        require(found == expected, f"{arguments} without a server: {found}")


def wrong_configuration(server):
    run = subprocess.run([server.program("smbcontrol"), "-s", "/nonexistent/smb.conf", "smbd", "ping"], capture_output=True, text=True, timeout=60)
    require(run.returncode == 1 and "Can't load /nonexistent/smb.conf - run testparm to debug it" in run.stderr, f"{run}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    arguments = parser.parse_args()
    tally = report.Tally("smbcontrol")
    users = [USER1, USER2]
    with tally.guard("the servers"), Server("atoll", SHARES, users=users, preset=arguments.preset) as atoll, Server("debian", SHARES, users=users) as debian:
        compare_harmless(atoll, debian, tally)
        with tally.case("every process with a mailbox answers"):
            everybody_answers(atoll)
        with tally.case("the log level reaches every process"):
            log_level_reaches_everybody(atoll)
        for server in (atoll, debian):
            for what, test in (("close-share", shares_are_closed), ("close-denied-share", denied_users_lose_their_share), ("reload-config", new_shares_are_read),
                               ("kill-client-ip", clients_of_an_address_end), ("shutdown of one client", one_client_is_shut_down),
                               ("shutdown", server_is_shut_down), ("no smb.conf", wrong_configuration)):
                with tally.case(f"{server.kind}: {what}"):
                    test(server)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
