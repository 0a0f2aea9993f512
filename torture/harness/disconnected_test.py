#!/usr/bin/env python3
"""Many durable handles whose client is away: what they cost our server while they wait, what one of them costs that is taken back, and their end.

    disconnected_test.py [--preset release] [--full]        in full with ten thousand of them, else with four hundred
"""

import argparse
import contextlib
import pathlib
import re
import subprocess
import sys
import threading
import time

import report
from accounts import USER1
from logon_cost_test import PATIENCE, SPARES, await_processes, records, system_calls, until
from report import require
from server import TOP, Server
from smbstatus_test import smbstatus

MANY, MANY_IN_FULL, FEW = 400, 10_000, 10
GUID = "somebody"
LONG, SHORT = 300_000, 3_000  # milliseconds that a handle waits for its client
AGAIN = 20  # handles that are taken back while system calls are counted
BYTES_FOR_EACH = 1024  # of the server's processes; the tables are files, which are looked at by themselves
RECORD_BYTES = 4096  # of all tables
TABLES = ("locking.tdb", "brlock.tdb", "leases.tdb", "smbXsrv_open_global.tdb", "watches.tdb")


class Client:
    """An smbhold that is told all of its commands at once."""

    def __init__(self, server, preset):
        self.command = [str(TOP / "build" / preset / "bin" / "smbhold"), "//127.0.0.1/share", "-p", str(server.port), "-U", USER1.credentials, "--client-guid", GUID]

    def run(self, commands, before_end=None):
        """The answers. The client is cut off after the last one, and after before_end()."""
        process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        feeder = threading.Thread(target=lambda: (process.stdin.write("".join(command + "\n" for command in commands)), process.stdin.flush()))
        feeder.start()
        answers = [process.stdout.readline().strip() for _ in range(len(commands) + 1)][1:]  # less the log-on's
        feeder.join()
        if before_end:
            before_end()
        process.stdin.close()
        process.wait(timeout=PATIENCE)
        return answers

    def leave(self, count, milliseconds, prefix, before_end=None):
        """[(name, persistent, volatile)] of handles with a lease and a lock that wait from now on."""
        names = [f"{prefix}{number}" for number in range(count)]
        answers = self.run([command for name in names for command in (f"open {name} share=7 lease2=7 durable2={milliseconds}", "lock 0 10 exclusive", "id")],
                           before_end)
        require(all(answer == "NT_STATUS_OK" for number, answer in enumerate(answers) if number % 3 != 2), f"not all could be opened and locked: {set(answers[::3])}")
        return [(name, *answers[3 * number + 2].split()) for number, name in enumerate(names)]

    def take_back(self, handles):
        answers = self.run([f"again {name} {persistent} {volatile} share=7 lease2=7" for name, persistent, volatile in handles])
        require(answers and all(answer == "NT_STATUS_OK" for answer in answers), f"a handle is not given back: {set(answers)}")


def anonymous_memory(server):
    """Bytes of all the server's processes, less what is a file's: the tables are mapped."""
    total = 0
    for pid in server.processes():
        with contextlib.suppress(OSError):
            total += 1024 * int(re.search(r"^Pss_Anon:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE).group(1))
    return total


def table_bytes(server):
    return sum((server.top / "lock" / name).stat().st_blocks * 512 for name in TABLES if (server.top / "lock" / name).exists())


def cost_of_return(server, client, handles):
    """System calls, of all processes, for a handle that is taken back, less what the log-on costs."""
    def come(some):
        client.take_back(some)
        await_processes(server, SPARES)

    few = system_calls(server, lambda: come(handles[:1]))
    more = system_calls(server, lambda: come(handles[:AGAIN + 1]))
    return (more - few) / AGAIN


def seconds_of_return(client, handles):
    began = time.monotonic()
    client.take_back(handles)
    return (time.monotonic() - began) / len(handles)


def waiting(tally, server, preset, count):
    client = Client(server, preset)
    client.leave(FEW, SHORT, "first")  # what happens once has happened
    until(lambda: records(server, "open") == 0, "handles whose time is up are still there")
    handles = client.leave(AGAIN + 1, LONG, "few")
    await_processes(server, SPARES)
    calls_beside_few = cost_of_return(server, client, handles) if preset == "release" else 0
    seconds_beside_few = seconds_of_return(client, handles)
    await_processes(server, SPARES)
    memory, tables = anonymous_memory(server), table_bytes(server)
    client.leave(count, LONG, "many")
    await_processes(server, SPARES)
    with tally.case(f"{count} handles wait, each a record"):
        require(records(server, "open") == count + len(handles), f"there are {records(server, 'open')} records")
    with tally.case(f"they cost the processes no more than {BYTES_FOR_EACH} bytes each, and the tables {RECORD_BYTES}"):
        per_handle, per_record = (anonymous_memory(server) - memory) / count, (table_bytes(server) - tables) / count
        print(f"# {per_handle:.0f} bytes of memory and {per_record:.0f} bytes of tables for each", flush=True)
        require(preset != "release" or per_handle <= BYTES_FOR_EACH, f"memory: {per_handle:.0f}")
        require(per_record <= RECORD_BYTES, f"tables: {per_record:.0f}")
    with tally.case(f"a handle that is taken back costs beside {count} what it costs beside {len(handles)}"):
        calls = cost_of_return(server, client, handles) if preset == "release" else 0
        seconds = seconds_of_return(client, handles)
        print(f"# {calls:.1f} system calls beside {count}, {calls_beside_few:.1f} beside {len(handles)}; {seconds / seconds_beside_few:.2f} times the time", flush=True)
        require(calls <= calls_beside_few * 1.05 + 1, f"it costs {calls:.1f} system calls, and {calls_beside_few:.1f} beside few")
    with tally.case("another client finds its way between them"):
        done = subprocess.run(["smbclient", "//127.0.0.1/share", "-p", str(server.port), "-U", USER1.credentials, "-c", "ls many1; del many2"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        require(done.returncode == 0, f"smbclient: {done.stdout}{done.stderr}")
        require(records(server, "open") == count - 1 + len(handles), "the handle of the deleted file is still there")


def ending(tally, server, preset, count):
    client = Client(server, preset)
    before = records(server, "open")

    def end(tracing=lambda work: work()):
        """They go, wait, and end."""
        ready, go = threading.Event(), threading.Event()
        leaving = threading.Thread(target=lambda: client.leave(count, SHORT, "ends", lambda: (ready.set(), go.wait())))
        leaving.start()
        require(ready.wait(300), "not all could be opened")

        def work():
            go.set()
            leaving.join()
            await_processes(server, SPARES)
            until(lambda: records(server, "open") == before, f"{records(server, 'open') - before} handles are left")

        return tracing(work)

    with tally.case(f"{count} handles end when their time is up, and nothing is left of them"):
        if preset == "release":
            print(f"# {end(lambda work: system_calls(server, work)) / count:.1f} system calls for each that goes, waits and ends", flush=True)
        else:
            end()
        require("ends" not in smbstatus(server, "-L")[1], "smbstatus shows one that has ended")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    parser.add_argument("--full", action="store_true")
    arguments = parser.parse_args()
    count = MANY_IN_FULL if arguments.full else MANY
    tally = report.Tally("disconnected")
    options = {"kernel oplocks": "no", "kernel share modes": "no", "posix locking": "no", "max open files": 2 * MANY_IN_FULL}
    with tally.guard("the server"), Server("atoll", shares={"share": {"read only": "no"}}, options=options, users=[USER1], preset=arguments.preset) as server:
        waiting(tally, server, arguments.preset, count)
        ending(tally, server, arguments.preset, count)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
