#!/usr/bin/env python3
"""Persistent handles of our smbd: what a client was told of them is there after its server process, all processes, or all tables are gone.

    persistent_test.py [--preset release] [--kills N]

The clients are our smbhold. A restart after a power cut is one without the volatile databases, which is how a server finds itself on a machine that has
booted since; what the disk keeps of what it has synced is the disk's affair. Syncs are counted by the committer's own system calls (strace).
"""

import argparse
import concurrent.futures
import contextlib
import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import report
from accounts import USER1, USER2
from durable_test import kill_group
from processes_test import helpers
from report import require
from server import Server
from service_test import client_pids
from smbstatus_test import Holder
from system_calls import SYNCS, count

SHARES = {"ca": {"continuous availability": "yes"}}
OPTIONS = {"posix locking": "no"}
OPEN = "access=13019f share=7 lease2=7 durable2=60000 persistent"


class Client(Holder):
    """An smbhold of one client GUID."""

    alive = []
    sealed = False  # all of them

    def __init__(self, server, preset, guid="away", user=USER1):
        super().__init__(server, "ca", user, ["--client-guid", guid] + ["--seal"] * self.sealed, preset)
        self.alive.append(self)

    @classmethod
    def end_all(cls):
        while cls.alive:
            cls.alive.pop().end()

    def says(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def expects(self, status, command):
        said = self.says(command)
        require(said == status, f"{command}: {said}, not {status}")

    def id(self):
        return self.says("id")


def come_back(server, preset, guid):
    """Whoever logs on while what he comes to ends may be sent away, and succeeds soon."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return Client(server, preset, guid)
        except report.Failure:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def kill_client(server):
    """The processes of all clients, while the others live."""
    for pid in set(client_pids(server)):
        with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(pid, signal.SIGKILL)


def kill_all(server):
    kill_group(server)
    server.start()


def power_cut(server):
    """All processes end at once, and nothing is left of the tables that do not survive a boot."""
    kill_group(server)
    shutil.rmtree(server.top / "lock")
    (server.top / "lock").mkdir()
    server.start()


ENDS = {"its process is killed": kill_client, "all processes are killed": kill_all, "the machine loses its tables": power_cut}


def survives(server, preset, end):
    client = Client(server, preset)
    client.do(f"open data {OPEN}")
    ids = client.id()
    client.do("write 0 content")
    client.do("lock 0 10 exclusive")
    client.do("lock 100 1 shared")
    require(dump(server, "smbXsrv_open_persistent") == 1, "it is not on the disk")
    end(server)
    client.end()
    other = Client(server, preset, "other")
    other.expects("NT_STATUS_FILE_NOT_AVAILABLE", "open data access=1 share=7")
    back = Client(server, preset)
    back.expects("NT_STATUS_OBJECT_NAME_NOT_FOUND", f"again data {ids} access=13019f share=7 lease2=7")
    back.do(f"again data {ids} access=13019f share=7 lease2=7 persistent")
    back.do("read 0 content")
    back.do("lock 10 1 exclusive")
    require("LEASE(RWH)" in listed(server), f"not as it was: {listed(server)}")
    back.do("close")
    other.do("open data access=3 share=7")
    other.do("lock 0 200 exclusive")
    other.do("close")
    back.end()
    other.end()
    (server.path("ca") / "data").unlink()


def listed(server, *what):
    return subprocess.run([server.program("smbstatus"), "-s", str(server.conf), *(what or ("-L", "-B"))], capture_output=True, text=True, timeout=60).stdout


def locks_hold(server, preset, end):
    """A lock that was taken back is in the way of others; one that was given up is not."""
    client = Client(server, preset)
    client.do("open locked access=13019f share=7 durable2=60000 persistent")
    ids = client.id()
    client.do("lock 0 10 exclusive")
    end(server)
    client.end()
    back = Client(server, preset)
    back.do(f"again locked {ids} access=13019f share=7 persistent")
    other = Client(server, preset, "other")
    other.do("open locked access=3 share=7")
    other.expects("NT_STATUS_LOCK_NOT_GRANTED", "lock 9 1 exclusive")
    other.do("lock 10 1 exclusive")
    other.end()
    back.do("close")
    back.end()


def renamed_and_deleted(server, preset, end):
    """A file that was renamed, by another client too, is found; one that is to be deleted when it is closed is deleted then."""
    client = Client(server, preset)
    client.do("open before access=13019f share=7 durable2=60000 persistent")
    ids = client.id()
    other = Client(server, preset, "other")
    other.do("open before access=10000 share=7")
    other.do("rename after")
    other.do("delete")
    other.do("close")
    other.end()
    end(server)
    client.end()
    back = Client(server, preset)
    back.do(f"again before {ids} access=13019f share=7 persistent")
    require((server.path("ca") / "after").exists(), "deleted while it is open")
    back.do("close")
    back.end()
    deadline = time.monotonic() + 10
    while (server.path("ca") / "after").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    require(not (server.path("ca") / "after").exists(), "what was to be deleted stays")


def replayed(server, preset, end):
    """A CREATE whose answer was not seen, sent again after everything is gone: the same open; and the checks of MS-SMB2 3.3.5.9."""
    client = Client(server, preset)
    client.do("open again access=13019f share=7 disposition=2 durable2=60000 persistent")
    ids = client.id()
    client.do("lock 0 1 exclusive")
    stranger = Client(server, preset, "away2")
    stranger.expects("NT_STATUS_FILE_NOT_AVAILABLE", "replay again access=13019f share=7 disposition=2 durable2=60000 persistent")
    stranger.end()
    end(server)
    client.end()
    thief = Client(server, preset, "thief", USER2)
    thief.expects("NT_STATUS_ACCESS_DENIED", "replay again access=13019f share=7 disposition=2 durable2=60000 persistent")
    thief.end()
    back = Client(server, preset)
    back.expects("NT_STATUS_CONTEXT_MISMATCH", "replay again access=3 share=7 disposition=2 durable2=60000 persistent")
    back.do("replay again access=13019f share=7 disposition=2 durable2=60000 persistent")
    require(back.id().split()[0] == ids.split()[0], "another open")
    back.do("close")
    back.end()
    (server.path("ca") / "again").unlink()


def lease_came_down(server, preset, end):
    """Another client's write took what was cached for reading, which nobody acknowledges."""
    client = Client(server, preset)
    client.do("open cached access=13019f share=7 lease2=1 durable2=60000 persistent")
    ids = client.id()
    require("LEASE(R)" in listed(server), f"no lease: {listed(server)}")
    other = Client(server, preset, "other")
    other.do("open cached access=12019f share=7")
    other.do("write 0 content")
    other.do("close")
    other.end()
    end(server)
    client.end()
    back = Client(server, preset)
    back.do(f"again cached {ids} access=13019f share=7 lease2=1 persistent")
    require("LEASE(R" not in listed(server), f"a lease that came down is back: {listed(server)}")
    back.do("close")
    back.end()


def closed_is_closed(server, preset, end):
    client = Client(server, preset)
    client.do(f"open gone {OPEN}")
    ids = client.id()
    client.do("close")
    client.do(f"open kept {OPEN}")
    kept = client.id()
    end(server)
    client.end()
    back = Client(server, preset)
    back.expects("NT_STATUS_OBJECT_NAME_NOT_FOUND", f"again gone {ids} access=13019f share=7 lease2=7 persistent")
    back.do(f"again kept {kept} access=13019f share=7 lease2=7 persistent")
    back.do("close")
    back.do("open gone access=3 share=0")
    back.do("close")
    back.end()


def killed_at_any_moment(server, preset, rounds):
    """A client that has no answer asks again, and whatever was killed when: each file is made once, and locked, written and closed."""
    seed = random.randrange(1 << 30)
    print(f"# kills at random moments, seed {seed}", flush=True)
    moments = random.Random(seed)
    for one in range(rounds):
        name, end = f"round{one}", moments.choice([kill_client, kill_all, power_cut])
        client = Client(server, preset, f"g{one}")
        open_it = f"{name} access=13019f share=7 disposition=2 lease2=7 durable2=60000 persistent"
        done = {}

        def work(client=client, open_it=open_it, done=done):
            done["ids"] = client.id() if client.says(f"open {open_it}") == "NT_STATUS_OK" else None
            done["locked"] = done["ids"] and client.says("lock 0 10 exclusive") == "NT_STATUS_OK"
            done["wrote"] = done["locked"] and client.says("write 0 content") == "NT_STATUS_OK"

        worker = threading.Thread(target=work)
        worker.start()
        time.sleep(moments.random() * 0.03)
        end(server)  # not in the other thread: what a thread has started ends with it (setpriv)
        worker.join()
        client.end()
        back = come_back(server, preset, f"g{one}")
        if done["ids"]:
            back.do(f"again {name} {done['ids']} access=13019f share=7 lease2=7 persistent")
        else:
            back.do(f"replay {open_it}")
        if done["wrote"]:
            back.do("read 0 content")
        back.do("close")
        other = Client(server, preset, "other")
        other.do(f"open {name} access=3 share=0")
        other.do("close")
        Client.end_all()


def many_locks(server, preset, end, count):
    """More than one commit takes."""
    client = Client(server, preset)
    client.do("open crowded access=13019f share=7 durable2=60000 persistent")
    ids = client.id()
    client.do(f"locks {count} 10")
    for one in range(count, count + 20):  # and some one by one
        client.do(f"lock {10 * one} 10 exclusive")
    count += 20
    end(server)
    client.end()
    back = Client(server, preset)
    back.do(f"again crowded {ids} access=13019f share=7 persistent")
    found = len(re.findall(r"^\d+ .* crowded *$", listed(server, "-B"), re.M))
    require(found == count, f"{found} of {count} locks:\n{listed(server, '-B')[-500:]}")
    other = Client(server, preset, "other")
    other.do("open crowded access=3 share=7")
    for one in (0, count // 2, count - 1):
        other.expects("NT_STATUS_LOCK_NOT_GRANTED", f"lock {10 * one + 9} 1 exclusive")
    other.do(f"lock {10 * count} 1 exclusive")
    other.do("close")
    back.do("close")
    Client.end_all()


def locks_all_or_none(server, preset, rounds):
    """Of a LOCK of many ranges on a file with many locks, which one packet to the committer does not take."""
    before, more = 6000, 2000
    for one in range(rounds):
        client = Client(server, preset, f"all{one}")
        client.do("open whole access=13019f share=7 durable2=60000 persistent")
        ids, done = client.id(), []
        client.do(f"locks {before} 10")
        worker = threading.Thread(target=lambda client=client, done=done: done.append(client.says(f"locks {more} 10 {before} {more}")))
        worker.start()
        time.sleep(random.random() * 0.1)
        power_cut(server)
        worker.join()
        client.end()
        back = come_back(server, preset, f"all{one}")
        back.do(f"again whole {ids} access=13019f share=7 persistent")
        found = len(re.findall(r"^\d+ .* whole *$", listed(server, "-B"), re.M))
        answered = done[0] == "NT_STATUS_OK"
        require(found == before + more or (found == before and not answered), f"{found} of {before} and {more} locks; the LOCK was {done}")
        back.do("close")
        Client.end_all()


def break_times_out(server, preset):
    """Who waits for a lease that its client does not give up goes on once the disk knows that it has come down (35 seconds)."""
    client = Client(server, preset)
    client.do(f"open silent {OPEN}")
    ids = client.id()
    other = Client(server, preset, "other")
    other.do("open silent access=3 share=7")
    power_cut(server)
    client.end()
    other.end()
    back = Client(server, preset)
    back.do(f"again silent {ids} access=13019f share=7 lease2=7 persistent")
    require("LEASE(R" not in listed(server), f"a lease that was given up is back: {listed(server)}")
    back.do("close")
    back.end()


def dump(server, database):
    run = subprocess.run([server.program("dbbackup"), "--check", str(server.top / "state" / "persistent.mdb")], capture_output=True, text=True, timeout=60)
    found = re.search(rf"{database}: (\d+) record", run.stdout)
    return int(found.group(1)) if found else 0


def nothing_left(server):
    deadline = time.monotonic() + 10
    names = ("smbXsrv_open_persistent", "smbXsrv_lock_persistent", "smbXsrv_file_persistent", "smbXsrv_create_intent")
    while any(dump(server, name) for name in names) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = {name: dump(server, name) for name in names}
    require(not any(left.values()), f"left on the disk: {left}")


def syncs(server, preset, clients, opens):
    """fdatasync and its kin of the committer for each persistent open and close, with one client and with many at once."""
    committer = next(pid for pid, name in helpers(server).items() if name == "committer")

    def work(number):
        client = Client(server, preset, f"load{number}")
        for one in range(opens):
            client.do(f"open load{number}-{one} access=13019f share=7 disposition=1 durable2=60000 persistent")
            client.do("close")
        client.end()

    for number in range(clients):
        for one in range(opens):
            (server.path("ca") / f"load{number}-{one}").touch()
            (server.path("ca") / f"load{number}-{one}").chmod(0o666)

    def counted(numbers):
        with concurrent.futures.ThreadPoolExecutor(len(numbers)) as pool:
            return count([committer], lambda: list(pool.map(work, numbers)), SYNCS)

    alone = counted([0]) / opens
    together = counted(list(range(clients))) / (clients * opens)
    print(f"# syncs for a persistent open and its close: {alone:.2f} by one client, {together:.2f} by {clients} at once", flush=True)
    require(together < alone / 2, f"commits are not shared: {together} of {alone}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--kills", type=int, default=15)
    parser.add_argument("--locks", type=int, default=10_000)
    parser.add_argument("--opens", type=int, default=20)
    arguments = parser.parse_args()
    tally = report.Tally("persistent")
    with tally.guard("the server"), Server("atoll", shares=SHARES, users=[USER1, USER2], preset=arguments.preset, options=OPTIONS) as server:
        for Client.sealed, (what, end) in itertools.product((False, True), ENDS.items()):
            how = f"when {what}" + ", sealed" * Client.sealed
            for test in (survives, locks_hold, renamed_and_deleted, replayed, lease_came_down, closed_is_closed):
                with tally.case(f"{test.__name__}, {how}"):
                    try:
                        test(server, arguments.preset, end)
                    finally:
                        Client.end_all()
            with tally.case(f"nothing is left, {how}"):
                nothing_left(server)
        Client.sealed = False
        with tally.case("a break that is not acknowledged"):
            break_times_out(server, arguments.preset)
        with tally.case("a LOCK is on the disk as a whole or not at all"):
            locks_all_or_none(server, arguments.preset, 3)
            nothing_left(server)
        with tally.case("killed at any moment"):
            killed_at_any_moment(server, arguments.preset, arguments.kills)
            nothing_left(server)
        for what, end in ENDS.items():
            with tally.case(f"{arguments.locks} locks, when {what}"):
                many_locks(server, arguments.preset, end, arguments.locks)
                nothing_left(server)
        with tally.case("commits are shared"):
            syncs(server, arguments.preset, arguments.clients, arguments.opens)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
