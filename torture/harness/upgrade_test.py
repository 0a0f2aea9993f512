#!/usr/bin/env python3
"""An upgrade rolled through three nodes, ctdbd and smbd, while clients are at work at the others: from programs that read format level 1 only (ctdbd_older, smbd_older) to those that read 2.
They write, read, list and delete on new connections, and lock against each other, write and verify on one that stays. No client's request fails at a node that stays, what is locked stays locked, the level rises when the last process is the newer one's and not before, and then older programs are refused.

    upgrade_test.py [--preset release]
"""

import argparse
import re
import struct
import subprocess
import sys
import threading

import isolation
import report
from cluster import await_that
from clustered import ServerCluster
from clustered_test import LASTING, OK, WRITE, Holder
from report import require

OLDER = {"ctdbd": "ctdbd_older", "smbd": "smbd_older"}


class OlderCluster(ServerCluster):
    def make_node(self, pnn):
        node = super().make_node(pnn)
        node.programs = dict(OLDER)
        return node


class Client:
    """At work at one node: writes a file, reads it again, lists and deletes, on connections that are new each time. A failure of any is kept."""

    def __init__(self, cluster, pnn):
        self.cluster, self.pnn, self.rounds, self.failures, self.stopped = cluster, pnn, 0, [], threading.Event()
        self.source, self.copy = cluster.top / f"source{pnn}", cluster.top / f"copy{pnn}"
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        try:
            while not self.stopped.is_set():
                self.round()
                self.rounds += 1
        except Exception as failure:
            self.failures.append(repr(failure))

    def round(self):
        self.source.write_text(f"round {self.rounds}\n" * 1000)
        name = f"of{self.pnn}"
        status, said = self.cluster.smbclient(self.pnn, f"put {self.source} {name}; get {name} {self.copy}; ls; del {name}")
        if status != 0 or "NT_STATUS" in said or self.copy.read_text() != self.source.read_text():
            self.failures.append(said)

    def end(self):
        self.stopped.set()
        self.thread.join()


class Lockers:
    """Two clients, each at its node, that take the same lock in turn, a handle for each time, and write what the other then reads. That both have it, that a lock is not
    granted to whose turn it is, or another answer than these is kept as a failure."""

    def __init__(self, cluster, one, other, name):
        self.holders, self.name = (Holder(cluster, one), Holder(cluster, other)), name
        self.rounds, self.failures, self.stopped = 0, [], threading.Event()
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def turn(self, holder, waiting):
        word = f"turn{self.rounds:08}"
        for line, wanted in ((f"open {self.name} {WRITE} share=7", OK), ("lock 0 64 exclusive", OK), (f"write 0 {word}", OK)):
            holder.does(line, wanted)
        for line, wanted in ((f"open {self.name} {WRITE} share=7", OK), ("lock 0 64 exclusive", "NT_STATUS_LOCK_NOT_GRANTED")):
            waiting.does(line, wanted)
        holder.does("close")
        waiting.does(f"read 0 {word}")
        waiting.does("lock 0 64 exclusive")
        waiting.does("close")

    def work(self):
        try:
            for holder in self.holders:
                holder.__enter__()
            while not self.stopped.is_set():
                self.turn(*(self.holders if self.rounds % 2 else reversed(self.holders)))
                self.rounds += 1
        except Exception as failure:
            self.failures.append(repr(failure))

    def end(self):
        self.stopped.set()
        self.thread.join()
        for holder in self.holders:
            holder.__exit__(None)


def levels(cluster):
    """[(at which it writes, up to which it reads)] of the nodes."""
    found = []
    for node in cluster.nodes:
        words = node.output("formatlevel").split()
        found.append((int(words[1]), int(words[3])))
    return found


def noted(cluster):
    """The level that the nodes' durable databases say."""
    said = []
    for server in cluster.servers:
        run = subprocess.run([cluster.program("dbdump"), "-d", "smbXsrv_version_global", str(server.top / "state/persistent.mdb")], capture_output=True, text=True, timeout=60)
        found = re.search(r"format_level: (\d+)", run.stdout)
        said.append(int(found.group(1)) if found else run.stderr)
    return said


def register_version(cluster):
    """Of the newest record of the register: the u16 that begins it."""
    files = sorted(cluster.top.glob("lock.register.*"), key=lambda path: path.stat().st_mtime_ns)
    return struct.unpack("<H", files[-1].read_bytes()[:2])[0]


def upgrade(cluster, pnn, *names):
    """What an administrator does on one node: its server and its ctdbd end in order, and the newer ones start."""
    node, server = cluster.nodes[pnn], cluster.servers[pnn]
    server.kill()
    if "ctdbd" in names:
        node.output("shutdown")
        await_that(lambda: node.pid() is None, f"ctdbd of node {pnn} does not end")
    for name in names:
        del node.programs[name]
    if "ctdbd" in names:
        node.start()
        cluster.await_settled()
    server.start()


def through_the_nodes(cluster):
    require(levels(cluster) == [(1, 1)] * 3, f"the older programs: {levels(cluster)}")
    for pnn in range(3):
        others = [other for other in range(3) if other != pnn]
        clients = [*(Client(cluster, other) for other in others), Lockers(cluster, *others, f"turns{pnn}")]
        try:
            with Holder(cluster, others[0]) as first, Holder(cluster, others[1]) as second:
                first.does(f"open held{pnn} {WRITE} share=7")
                first.does("lock 0 4 exclusive")
                second.does(f"open held{pnn} {WRITE} share=7")
                if pnn == 2:
                    upgrade(cluster, pnn, "ctdbd", "smbd")  # with the last ctdbd the level rises, unless an older smbd runs there
                else:
                    upgrade(cluster, pnn, "ctdbd")
                    require(levels(cluster)[pnn] == (1, 1), f"node {pnn} has an older smbd yet: {levels(cluster)}")
                    upgrade(cluster, pnn, "smbd")
                    require(levels(cluster) == [(1, 2 if other <= pnn else 1) for other in range(3)], f"after node {pnn}: {levels(cluster)}")
                    require(register_version(cluster) == 1, "the register is written at a level that an older node does not read")
                second.does("lock 2 4 exclusive", "NT_STATUS_LOCK_NOT_GRANTED")
                first.does("write 0 yes")
                with Holder(cluster, pnn) as third:
                    third.does(f"open held{pnn} {WRITE} share=7")
                    third.does("lock 2 4 exclusive", "NT_STATUS_LOCK_NOT_GRANTED")
        finally:
            for client in clients:
                client.end()
        for client in clients:
            require(client.rounds and not client.failures, f"{len(client.failures)} of {client.rounds} rounds of {type(client).__name__} beside node {pnn} failed: {client.failures[:1]}")
        print(f"      node {pnn} upgraded: {[client.rounds for client in clients[:-1]]} rounds of files and {clients[-1].rounds} of locks at the others, none failed", flush=True)
    await_that(lambda: levels(cluster) == [(2, 2)] * 3, lambda: f"the level does not rise: {levels(cluster)}")
    require(register_version(cluster) == 2, "the register is not written at the cluster's level")
    await_that(lambda: noted(cluster) == [2] * 3, lambda: f"servers that ran before do not note the level: {noted(cluster)}")
    for pnn in range(3):
        status, said = cluster.smbclient(pnn, "ls")
        require(status == 0, f"node {pnn} after the rise: {said}")


def refused(command, environment=None):
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90)
    require(run.returncode != 0 and "start a newer one" in run.stderr, f"{command[-1]} ends with {run.returncode}: {run.stderr}")


def older_ctdbd_is_refused(cluster):
    node = cluster.nodes[2]
    cluster.servers[2].kill()
    node.output("shutdown")
    await_that(lambda: node.pid() is None, "ctdbd does not end")
    node.programs["ctdbd"] = OLDER["ctdbd"]
    refused([*node.prefix, node.program("ctdbd")], node.environment())
    # One that has not heard of the rise hears of it from the others, and ends.
    (node.base / "db/s/format_level.2").unlink()
    node.start()
    await_that(lambda: node.pid() is None and node.logged("the cluster writes at format level 2"), "an older ctdbd does not end")
    cluster.await_settled([0, 1])
    del node.programs["ctdbd"]
    node.start()
    cluster.await_settled()


def older_smbd_is_refused(cluster):
    node, server = cluster.nodes[2], cluster.servers[2]
    node.programs["smbd"] = OLDER["smbd"]
    refused([*node.prefix, *server.command()])
    del node.programs["smbd"]
    server.start()
    status, said = cluster.smbclient(2, "ls")
    require(status == 0, said)


def outlives_its_register(cluster):
    """An administrator removes it while no node runs."""
    for server in cluster.servers:
        server.kill()
    for node in cluster.nodes:
        node.output("shutdown")
    await_that(lambda: not any(node.pid() for node in cluster.nodes), "the daemons do not end")
    for path in cluster.top.glob("lock.register.*"):
        path.unlink()
    for node in cluster.nodes:
        node.start()
    cluster.await_settled()
    await_that(lambda: levels(cluster) == [(2, 2)] * 3, lambda: f"the level is lost with the register: {levels(cluster)}")
    require(register_version(cluster) == 2, "the new register is not written at the cluster's level")
    for pnn, server in enumerate(cluster.servers):
        server.start()
        status, said = cluster.smbclient(pnn, "ls")
        require(status == 0, said)


def run(tally, preset):
    with OlderCluster(preset, shares={"share": {**LASTING}}) as cluster:
        with tally.case("an upgrade rolled through the nodes, under clients"):
            through_the_nodes(cluster)
        with tally.case("an older ctdbd is refused"):
            older_ctdbd_is_refused(cluster)
        with tally.case("an older smbd is refused"):
            older_smbd_is_refused(cluster)
        with tally.case("the level outlives the register"):
            outlives_its_register(cluster)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    options = parser.parse_args()
    tally = report.Tally("upgrade")
    isolation.run(lambda: run(tally, options.preset), network=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
