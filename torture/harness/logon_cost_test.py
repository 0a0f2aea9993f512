#!/usr/bin/env python3
"""What a log-on costs our smbd, in system calls, and the client processes that wait for one: they are there before anybody needs them, none has a
former configuration, their death costs nobody his log-on, and a client that leaves leaves nothing behind."""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid

import report
from accounts import USER1
from processes_test import helper_name
from report import require
from server import TOP, Server
from system_calls import PATIENCE, count

SPARES = 4  # limits::spare_processes
LOG_ONS = 50
# Of all processes together, for TCP connection, NEGOTIATE, SESSION_SETUP twice, TREE_CONNECT, TREE_DISCONNECT, LOGOFF, and the fork and end of the process.
CALLS_PER_LOG_ON = 225


def until(condition, text):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        require(time.monotonic() < deadline, text)
        time.sleep(0.02)


def client_processes(server):
    return {pid for pid in server.processes() if pid != server.process.pid and helper_name(pid) is None}


def await_processes(server, count):
    until(lambda: len(client_processes(server)) == count, f"there are not {count} client processes but {len(client_processes(server))}")


def smbbench(preset, server, *arguments):
    return [str(TOP / "build" / preset / "bin" / "smbbench"), arguments[0], "--port", str(server.port), "--share", "share", "--user", USER1.name,
            "--password", USER1.password, *arguments[1:]]


@contextlib.contextmanager
def held(preset, server, count, *options, holders=1):
    """Connections that are logged on and idle, made at the same time by each of `holders`."""
    command = smbbench(preset, server, "hold", "--count", str(count), *options)
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(holders)]
    try:
        for holder in running:
            require(holder.stdout.readline().startswith("held"), f"{count} clients cannot log on")
        yield
    finally:
        for holder in running:
            holder.stdin.close()
        for holder in running:
            holder.wait(timeout=PATIENCE)


def smbclient(server, share="share"):
    return subprocess.run(["smbclient", f"//127.0.0.1/{share}", "-p", str(server.port), "-U", USER1.credentials, "-c", "ls"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)


def logs_on(server, share="share"):
    run = smbclient(server, share)
    require(run.returncode == 0, f"cannot log on: {run.stdout}")


def records(server, name):
    """Keys in one of the smbXsrv databases."""
    run = subprocess.run(["tdbdump", str(server.top / "lock" / f"smbXsrv_{name}_global.tdb")], capture_output=True, text=True, timeout=60, check=True)
    return run.stdout.count("key(")


def mailboxes(server):
    return {int(name.split(".")[0]) for name in os.listdir(server.top / "lock" / "msg.sock")}


def system_calls(server, work):
    """How many of all kinds the server's processes make meanwhile."""
    return count(server.processes(), work)


def spares(tally, server, preset):
    with tally.case(f"{SPARES} client processes wait before there is a client, and beside every number of clients"):
        await_processes(server, SPARES)
        with held(preset, server, 3):
            await_processes(server, SPARES + 3)
            require(records(server, "client") == 3 and records(server, "session") == 3 and records(server, "tcon") == 3, "the clients have no records")
    with tally.case("clients that have left leave no process, no record and no mailbox"):
        await_processes(server, SPARES)
        left = {name: records(server, name) for name in ("client", "session", "tcon", "open")}
        require(not any(left.values()), f"records are left: {left}")
        until(lambda: mailboxes(server) <= set(server.processes()), f"mailboxes are left: {mailboxes(server) - set(server.processes())}")
    with tally.case("the death of every waiting process costs nobody his log-on"):
        killed = client_processes(server)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        logs_on(server)
        until(lambda: not killed & client_processes(server), "a killed process is still there")
        await_processes(server, SPARES)
        until(lambda: mailboxes(server) <= set(server.processes()), "a killed process has left its mailbox")


def one_client(tally, server, preset):
    with tally.case("connections of one client GUID meet in one process, though they log on at once and none is ready"):
        for pid in client_processes(server):
            os.kill(pid, signal.SIGKILL)
        with held(preset, server, 2, "--guid", str(uuid.uuid4()), holders=6):
            await_processes(server, SPARES + 1)
            require(records(server, "client") == 1 and records(server, "session") == 12, "there is not one client with twelve sessions")
        await_processes(server, SPARES)
        require(records(server, "client") == 0, "the client's record is left")


def reload(tally, server):
    with tally.case("after SIGHUP no process of the former configuration waits"):
        former = client_processes(server)
        server.shares["later"] = {}
        server.write_conf()
        server.reload()
        until(lambda: not former & client_processes(server), "a process of the former configuration still waits")
        for _ in range(2 * SPARES):
            logs_on(server, "later")


def cost(tally, server, preset):
    if preset in ("asan", "tsan"):
        return  # a sanitizer makes calls of its own
    with tally.case(f"a log-on takes no more than {CALLS_PER_LOG_ON} system calls"):
        connect = smbbench(preset, server, "run", "--workload", "connect", "--directory", "", "--operations", str(LOG_ONS))

        def work():
            subprocess.run(connect, stdout=subprocess.DEVNULL, timeout=120, check=True)
            await_processes(server, SPARES)

        work()  # what happens once has happened
        calls = system_calls(server, work) / LOG_ONS
        print(f"# {calls:.0f} system calls for each of {LOG_ONS} log-ons", flush=True)
        require(calls <= CALLS_PER_LOG_ON, f"it takes {calls:.0f}")


def limited(tally, preset):
    with tally.guard("a server of two clients"), Server("atoll", shares={"share": {}}, options={"max smbd processes": 2}, users=[USER1], preset=preset) as server:
        with tally.case("`max smbd processes` refuses the next client, until one has left"):
            with held(preset, server, 2):
                run = smbclient(server)
                require("NT_STATUS_INSUFFICIENT_RESOURCES" in run.stdout, f"the third client is told: {run.stdout}")
                require(len(client_processes(server)) == 2, "there are more than two client processes")
            await_processes(server, 2)
            logs_on(server)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    arguments = parser.parse_args()
    tally = report.Tally("cost of a log-on")
    with tally.guard("the server"), Server("atoll", shares={"share": {}}, users=[USER1], preset=arguments.preset) as server:
        spares(tally, server, arguments.preset)
        one_client(tally, server, arguments.preset)
        reload(tally, server)
        cost(tally, server, arguments.preset)
    limited(tally, arguments.preset)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
