#!/usr/bin/env python3
"""Debian's smbclient and rpcclient ask ours and Debian's smbd the same of srvsvc and wkssvc, with the same smb.conf: the answers are the same.

    rpc_test.py                     both servers
    rpc_test.py --preset debug      ours from that build

What rpcclient prints is compared, and at debug level 10 every field of the answers that it decoded. Only the servers' own directories, process ids,
ports and times are made equal first.
"""

import argparse
import contextlib
import os
import re
import subprocess
import sys
import threading

import report
from accounts import ADMIN, USER1, USER2, User
from report import require
from server import Server

ROOT = User("root", "root-Light4", admin=True)

OPTIONS = {"netbios name": "RPCSERVER", "server string": "the server of %U on %L", "server min protocol": "SMB2_02"}
SHARES = {
    "share": {"comment": "A share"},
    "hidden$": {"comment": "nobody looks for it"},
    "unbrowseable": {"browseable": "no", "comment": "not listed"},
    "unavailable": {"available": "no"},
    "guests": {"guest ok": "yes", "csc policy": "documents"},
    "only two": {"valid users": USER2.name, "access based share enum": "yes"},
    "not one": {"invalid users": USER1.name},
    "expanded": {"comment": "for %U of %S on %L"},
    "sealed": {"smb encrypt": "desired"},
    "umlaut": {"comment": "Gr\u00fc\u00dfe"},
}

# Every one is asked as each of the users. Levels that Debian's programs do not know (103 of the server, 503 of shares) they cannot read.
COMMANDS = [
    "srvinfo", "srvinfo 100", "srvinfo 101", "srvinfo 102", "srvinfo 502",
    "netshareenum", "netshareenum 0", "netshareenum 1", "netshareenum 2", "netshareenum 502",
    "netshareenumall", "netshareenumall 0", "netshareenumall 1", "netshareenumall 2", "netshareenumall 501", "netshareenumall 502",
    "netsharegetinfo share", "netsharegetinfo SHARE 1", "netsharegetinfo hidden$ 2", "netsharegetinfo IPC$ 2", "netsharegetinfo guests 1005",
    "netsharegetinfo expanded 502", "netsharegetinfo unbrowseable 1", "netsharegetinfo share 1006", "netsharegetinfo share 501",
    "netsharegetinfo share 1501", "netsharegetinfo share 1004", "netsharegetinfo share 7", "netsharegetinfo umlaut 1",
    "netremotetod", "netdiskenum", "netsessenum", "netfileenum", "netnamevalidate share 9", "netnamevalidate a*b 9",
    "netshareadd new /tmp", "netsharedel share",
    "wkssvc_wkstagetinfo", "wkssvc_wkstagetinfo 100", "wkssvc_wkstagetinfo 101", "wkssvc_wkstagetinfo 102", "wkssvc_wkstagetinfo 502",
]
# rpcclient sends a resume handle that it has not set, and gets it back when it is refused.
ADMINISTRATORS_COMMANDS = ["wkssvc_enumerateusers"]
USERS = {"user": USER1.credentials, "administrator": ROOT.credentials, "anonymous": "%"}

# Fields of time, and what numbers files and counts the connections that rpcclient itself has not made yet.
VARYING = re.compile(r"^\s*(elapsed|msecs|hours|mins|secs|hunds|time|idle_time|conn_time|fid|current_users|num_open)\s+: .*$")


class RpcServer(Server):
    """Debian's smbd takes for an administrator who is in BUILTIN\\Administrators, which a group has to be mapped to."""

    def prepare(self):
        super().prepare()
        if self.kind == "debian":
            mapping = ["net", "-s", str(self.conf), "groupmap", "add", "sid=S-1-5-32-544", "ntgroup=Administrators", "unixgroup=root", "type=builtin"]
            subprocess.run(mapping, check=True, capture_output=True, timeout=60)


def normalised(server, text):
    """Without what is a server's own."""
    text = text.replace(str(server.top), "@TOP@").replace(str(server.top).replace("/", "\\"), "@TOP@").replace(str(server.port), "@PORT@")
    return [line.rstrip() for line in text.splitlines() if line.strip() and not VARYING.match(line) and not line.strip().startswith("num_uses:")]


def run(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=60,
                          env=dict(os.environ, LC_ALL="C.UTF-8"))
    return done.returncode, done.stdout, done.stderr


def rpcclient(server, credentials, command, level=0):
    return run(["rpcclient", "ncacn_np:127.0.0.1", "-p", str(server.port), "-U", credentials, "-d", str(level), "-c", command])


def answers(text):
    """The [out] parts of the calls that rpcclient prints at debug level 10."""
    kept, inside, lines = [], False, iter(text.splitlines())
    for line in lines:
        if re.match(r"^ *(srvsvc|wkssvc)_\w+: struct", line):
            inside = "out:" in next(lines, "")
            if inside:
                kept.append(line)
        elif line[:1].strip():
            inside = False
        elif inside:
            kept.append(line)
    return "\n".join(kept)


def differences(ours, theirs):
    only = [f"- {line}" for line in theirs if line not in ours] + [f"+ {line}" for line in ours if line not in theirs]
    return "; ".join(only[:6]) or "in another order"


def same(what, ours, theirs):
    require(ours == theirs, f"{what}: Debian's (-) and ours (+) differ: {differences(ours, theirs)}")


def compare_command(atoll, debian, user, command):
    mine, its = rpcclient(atoll, USERS[user], command), rpcclient(debian, USERS[user], command)
    require(mine[0] == its[0], f"{command}: exit status {mine[0]}, with Debian's server {its[0]}: {mine[1]}{mine[2]}")
    same(command, normalised(atoll, mine[1]), normalised(debian, its[1]))
    verbose = [answers(rpcclient(server, USERS[user], command, 10)[2]) for server in (atoll, debian)]
    require(verbose[1] or "usage" in its[1].lower(), f"{command}: no answer of Debian's server was decoded")
    same(f"{command}, fields", normalised(atoll, verbose[0]), normalised(debian, verbose[1]))


def compare_listing(atoll, debian, arguments):
    listings = [run(["smbclient", "-L", "//127.0.0.1", "-p", str(server.port), *arguments]) for server in (atoll, debian)]
    require(listings[0][0] == listings[1][0] == 0, f"smbclient -L {arguments}: exit status {listings[0][0]}, {listings[1][0]}: {listings[0][2]}")
    same(f"smbclient -L {arguments}", normalised(atoll, listings[0][1]), normalised(debian, listings[1][1]))
    require("share" in listings[0][1], f"smbclient -L {arguments} lists nothing: {listings[0][1]}")


@contextlib.contextmanager
def open_file(server):
    """USER1 has sub/file.txt of the share open meanwhile: smbclient waits at the other end of a pipe."""
    directory = server.path("share") / "sub"
    directory.mkdir(exist_ok=True)
    (directory / "file.txt").write_text("open")
    fifo = server.top / "fifo"
    os.mkfifo(fifo)
    client = subprocess.Popen(["smbclient", "//127.0.0.1/share", "-p", str(server.port), "-U", USER1.credentials, "-c", f"get sub\\file.txt {fifo}"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: "file.txt" in rpcclient(server, ROOT.credentials, "netfileenum")[1] or
                 "file.txt" in answers(rpcclient(server, ROOT.credentials, "netfileenum", 10)[2]), "the file is never listed as open")
        yield
    finally:
        reader = threading.Thread(target=lambda: fifo.read_bytes(), daemon=True)
        reader.start()
        try:
            client.wait(timeout=20)
        except subprocess.TimeoutExpired:
            client.kill()
            client.wait()
        fifo.unlink()


def wait_for(condition, complaint, tries=50):
    for _ in range(tries):
        if condition():
            return
    require(False, complaint)


def compare_uses(atoll, debian):
    """Sessions and files while one is open."""
    with open_file(atoll), open_file(debian):
        for command in ("netfileenum", "netsessenum"):
            texts = [answers(rpcclient(server, ROOT.credentials, command, 10)[2]) for server in (atoll, debian)]
            # In the order of each server's table, which says nothing.
            same(f"{command} of an open file", sorted(normalised(atoll, texts[0])), sorted(normalised(debian, texts[1])))


def connections_are_told(server):
    """Debian's smbd answers NetrConnectionEnum with a connection that it makes up: ours is held against the truth."""
    text = answers(rpcclient(server, ROOT.credentials, "netconnenum", 10)[2])
    require(f"'{ROOT.name}'" in text and "'IPC$'" in text and "WERR_OK" in text, f"the asker's own connection is not told of: {text}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    tally = report.Tally("rpc")
    users = [USER1, USER2, ADMIN, ROOT]
    with tally.guard("the servers"), RpcServer("atoll", SHARES, OPTIONS, users, arguments.preset) as atoll, \
            RpcServer("debian", SHARES, OPTIONS, users) as debian:
        # Debian's smbd has security descriptors of shares to tell of once an administrator has asked for them.
        rpcclient(debian, ROOT.credentials, "netshareenum 502")
        for user in USERS:
            for command in COMMANDS + (ADMINISTRATORS_COMMANDS if user == "administrator" else []):
                with tally.guard(f"{user}: {command}"):
                    compare_command(atoll, debian, user, command)
                    tally.passed(f"{user}: {command}", quiet=not arguments.verbose)
        for options in (["-U", USER1.credentials], ["-U", USER1.credentials, "-g"], ["-N"], ["-N", "-g"], ["-U", USER2.credentials, "-g"]):
            with tally.guard(f"smbclient -L {options}"):
                compare_listing(atoll, debian, options)
                tally.passed(f"smbclient -L {options}", quiet=not arguments.verbose)
        with tally.guard("open files and sessions"):
            compare_uses(atoll, debian)
            tally.passed("open files and sessions", quiet=not arguments.verbose)
        with tally.guard("connections"):
            connections_are_told(atoll)
            tally.passed("connections", quiet=not arguments.verbose)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
