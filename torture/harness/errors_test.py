#!/usr/bin/env python3
"""What an administrator reads when something is wrong: one line that says what and where."""

import argparse
import os
import socket
import subprocess
import sys
import time

import report
from accounts import USER1
from report import require
from server import Server, free_port

CONF = """[global]
    workgroup = ATOLL
    smb ports = @PORT@
    interfaces = lo
    bind interfaces only = yes
    lock directory = @TOP@/lock
    state directory = @TOP@/state
    cache directory = @TOP@/cache
    pid directory = @TOP@/pid
    private dir = @TOP@/private
    log file = @TOP@/log/smbd.log
    {globals}
[good]
    path = @TOP@/shares
    read only = no
    {share}
"""
PATIENCE = 15


def conf(globals="", share="", more=""):
    return CONF.format(globals=globals, share=share) + more


def refused(server):
    """Starts the server, which has to end by itself, and returns the one line that it leaves on standard error."""
    run = subprocess.run(server.command(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, cwd=server.top, env=server.environment())
    lines = [line for line in run.stderr.splitlines() if line.strip()]
    require(run.returncode > 0, f"smbd ended with {run.returncode}: {run.stderr}")
    require(len(lines) == 1, f"not one line but {len(lines)}: {run.stderr}")
    return lines[0]


def names(line, *parts):
    missing = [str(part) for part in parts if str(part) not in line]
    require(not missing, f"'{line}' does not say {missing}")


def refusal(tally, preset, what, text, *parts):
    """A wrong smb.conf: no server, and one line with those parts."""
    with tally.case(what):
        server = Server("atoll", smb_conf=text, preset=preset)
        try:
            server.prepare()
            line = refused(server)
            names(line, server.conf, *parts)
        finally:
            server.remove()


def port_in_use(tally, preset):
    with tally.case("a port in use"):
        port = free_port()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", port))
            taken.listen()
            server = Server("atoll", smb_conf=conf(), preset=preset, port=port)
            try:
                server.prepare()
                names(refused(server), port, "in use")
            finally:
                server.remove()


def account_database(tally, preset):
    with tally.case("an account database that cannot be read"):
        server = Server("atoll", smb_conf=conf(), preset=preset)
        try:
            server.prepare()
            (server.top / "private" / "passdb.tdb").write_bytes(os.urandom(8192))
            names(refused(server), server.top / "private" / "passdb.tdb")
        finally:
            server.remove()


def smbclient(server, share):
    run = subprocess.run(["smbclient", f"//127.0.0.1/{share}", "-p", str(server.port), "-U", USER1.credentials, "-c", "ls"],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    return run.stdout + run.stderr


def unavailable_share(tally, preset, what, section, *parts):
    """One share cannot be served: it is refused, one line says why, and the others work."""
    with tally.case(what):
        with Server("atoll", smb_conf=conf(more=f"[bad]\n{section}"), users=[USER1], preset=preset) as server:
            (server.top / "shares").chmod(0o777)
            refusal_text = smbclient(server, "bad")
            require("NT_STATUS_" in refusal_text, f"the share can be used: {refusal_text}")
            require("NT_STATUS_" not in smbclient(server, "good"), "the other share cannot be used")
            time.sleep(0.2)
            wanted = [part.replace("@TOP@", str(server.top)) for part in parts]
            lines = [line for line in server.output().splitlines() if all(part in line for part in wanted)]
            require(lines, f"no line says {wanted}: {server.output()[-1500:]}")


def durability(tally, preset):
    """Of each share testparm and the log say whether handles outlive their connections, and which line prevents it; after a reload too."""
    expected = {"good": "durable handles: no, because of posix locking = yes (the default)", "own": "durable handles: yes",
                "kernel": "durable handles: no, because of kernel oplocks = yes", "asked": "durable handles: yes; persistent handles: yes"}
    more = "[own]\n path = @TOP@/shares\n posix locking = no\n[kernel]\n copy = own\n kernel oplocks = yes\n[asked]\n copy = own\n continuous availability = yes\n"
    with tally.case("durable handles: what testparm and the log say"):
        with Server("atoll", smb_conf=conf(globals="log level = 2", more=more), users=[USER1], preset=preset) as server:
            said = subprocess.run([server.program("testparm"), "-s", str(server.conf)], capture_output=True, text=True, timeout=PATIENCE).stderr
            for text in (said, server.output()):
                for share, words in expected.items():
                    require(any(f"[{share}]: " in line and words in line for line in text.splitlines()), f"[{share}]: {words}: not said in {text[-2000:]}")
            server.conf.write_text(server.conf.read_text().replace("kernel oplocks = yes", "kernel share modes = yes"))
            server.reload()
            deadline = time.monotonic() + PATIENCE
            while "because of kernel share modes = yes" not in server.output():
                require(time.monotonic() < deadline, "nothing is said after a reload")
                time.sleep(0.05)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="release")
    arguments = parser.parse_args()
    preset = arguments.preset
    tally = report.Tally("errors")
    refusal(tally, preset, "a wrong value in [global]", conf(globals="server min protocol = SMB9"), "server min protocol", "SMB9")
    refusal(tally, preset, "a wrong value in a share", conf(share="create mask = rwx"), "create mask", "rwx")
    refusal(tally, preset, "a wrong boolean", conf(share="browseable = perhaps"), "browseable", "perhaps")
    port_in_use(tally, preset)
    account_database(tally, preset)
    durability(tally, preset)
    unavailable_share(tally, preset, "a share whose path is missing", "    path = @TOP@/nowhere\n", "bad", "@TOP@/nowhere")
    unavailable_share(tally, preset, "a share with an unknown module", "    path = @TOP@/shares\n    vfs objects = nosuchmodule\n", "bad", "nosuchmodule")
    with tally.case("a server that is told a file that is not there"):
        server = Server("atoll", smb_conf=conf(), preset=preset)
        try:
            server.prepare()
            server.conf.unlink()
            names(refused(server), server.conf)
        finally:
            server.remove()
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
