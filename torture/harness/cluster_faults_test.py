#!/usr/bin/env python3
"""Three ctdbd of ours, and what befalls a cluster's machines: a disk fills up, of all databases or of the volatile ones, the cluster lock's storage goes away or hangs, every node is restarted
in turn as an upgrade does it, and both processors are busy for long. No acknowledged transaction is lost, no node is lost that is there, and `ctdb status` says what is true.

    cluster_faults_test.py [--preset release] [--full] [--seconds N]
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import isolation
import report
from cluster import Cluster, await_that
from report import require

DISK = 24 << 20
VALUE = "x" * 60000
SHORT_LOAD, FULL_LOAD = 40, 3600


class Storage(Cluster):
    """The cluster lock, the databases of node 1 and the volatile ones of node 2 are on file systems of their own: the lock's is FUSE's, whose server can be stopped."""

    def __init__(self, preset):
        super().__init__("atoll", preset)
        self.storage = self.top / "storage"
        self.shared = self.storage / "shared"
        for path in (self.shared, self.top / "stored"):
            path.mkdir(parents=True)
        self.server = subprocess.Popen(["bindfs", "-f", str(self.top / "stored"), str(self.shared)])
        await_that(self.shared.is_mount, "bindfs cannot mount")
        self.lock = self.shared / "lock"
        self.disk, self.volatile = self.nodes[1].base / "db", self.nodes[2].base / "db/v"
        for path in (self.disk, self.volatile):
            path.mkdir(parents=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(path)], check=True)

    def hang(self, hangs):
        self.server.send_signal(signal.SIGSTOP if hangs else signal.SIGCONT)

    def end(self):
        self.hang(False)
        super().end()
        for path in (self.shared, self.disk, self.volatile):
            subprocess.run(["umount", "-l", str(path)], check=False, capture_output=True)
        self.server.kill()
        self.server.wait()


class Writer:
    """Commits one transaction after the other through a node, and keeps what was acknowledged."""

    def __init__(self, node, name):
        self.node, self.name, self.acknowledged, self.stopped = node, name, {}, threading.Event()
        self.refused = 0
        self.thread = threading.Thread(target=self.write)
        self.thread.start()

    def write(self):
        turn = 0
        while not self.stopped.is_set():
            turn += 1
            key, value = f"{self.name}{turn % 7}", f"v{turn}"
            status, _, err = self.node.ctdb("-t", "20", "pstore", "kept.tdb", key, value)
            if status == 0:
                self.acknowledged[key] = (turn, value)
            else:
                self.refused += 1
                self.acknowledged.pop(key, None)  # it may have been written, or not
                time.sleep(0.1)

    def end(self):
        self.stopped.set()
        self.thread.join()


def same_everywhere(cluster, wanted, among=(0, 1, 2)):
    nodes = [cluster.nodes[pnn] for pnn in among]
    for node in nodes:
        for key, (_, value) in wanted.items():
            read = node.output("-t", "20", "pfetch", "kept.tdb", key)
            require(read == value, f"node {node.pnn} reads {read!r} of {key}, and {value!r} was acknowledged")
    require(len({node.output("getdbseqnum", "kept.tdb") for node in nodes}) == 1, "the nodes have different sequence numbers")


def store(cluster, pnn, key, value):
    cluster.nodes[pnn].output("-t", "20", "pstore", "kept.tdb", key, value)


def fill(directory):
    filler = directory / "filler"
    with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return filler


# A transaction that one disk does not take is committed nowhere; the node that has no room for volatile records leaves, and comes back once it has.
def full_disk(cluster):
    node, others = cluster.nodes[1], [cluster.nodes[0], cluster.nodes[2]]
    cluster.nodes[0].output("attach", "kept.tdb", "persistent")
    cluster.nodes[0].output("attach", "test.tdb")
    await_that(lambda: all("name:test.tdb" in each.output("getdbmap") for each in cluster.nodes), "a database is not known everywhere")
    store(cluster, 0, "before", "full")
    others[0].output("writekey", "test.tdb", "held", "elsewhere")
    filler = fill(cluster.disk)
    taken, refused = {}, 0
    for turn in range(40):
        status, _, _ = others[0].ctdb("-t", "20", "pstore", "kept.tdb", f"full{turn}", "x" * 3000)
        refused += status != 0
        if status == 0:
            taken[f"full{turn}"] = (turn, "x" * 3000)
    # Node 1 keeps out, or no transaction is taken: either way nothing is half there.
    states = others[0].states()
    print(f"      full disk: {len(taken)} of 40 transactions taken, {refused} refused; node 1 is {states[1]}")
    require(refused > 0 or states[1] != "OK", "a full disk takes everything")
    require(states[0] == "OK" and states[2] == "OK", f"other nodes suffer: {states}")
    require("[elsewhere]" in others[1].output("-t", "20", "readkey", "test.tdb", "held"), "a record is lost")
    filler.unlink()
    if node.pid() is None or not os.path.exists(f"/proc/{node.pid()}"):
        node.start()
    if "BANNED" in others[0].states()[1]:
        others[0].output("-n", "1", "unban")
    cluster.await_settled()
    store(cluster, 1, "after", "full")
    same_everywhere(cluster, {**taken, "before": (0, "full"), "after": (0, "full")})


# Where a node's volatile databases have no room it cannot do its part for the others either: it leaves, and they go on.
def full_volatile(cluster):
    node, others = cluster.nodes[2], [0, 1]
    cluster.nodes[0].output("writekey", "test.tdb", "roomy", "kept")
    filler = fill(cluster.volatile)
    writes = 0
    while node.ctdb("-t", "20", "writekey", "test.tdb", f"big{writes}", VALUE)[0] == 0:
        writes += 1
        require(writes * len(VALUE) < 4 * DISK, "a full disk takes everything")
    cluster.await_settled(others)
    await_that(lambda: all("DISCONNECTED" in cluster.nodes[other].states()[2] for other in others), "the node that has no room is not shown as disconnected")
    for other in others:
        require("[kept]" in cluster.nodes[other].output("-t", "20", "readkey", "test.tdb", "roomy"), "a record is lost")
        cluster.nodes[other].output("-t", "20", "writekey", "test.tdb", f"without{other}", "kept")
    print(f"      no room for volatile databases: {writes} records of {len(VALUE)} bytes were taken, then the node left")
    filler.unlink()
    node.start()
    cluster.await_settled()
    require("[kept]" in node.output("-t", "20", "readkey", "test.tdb", "without0"), "the node that is back lacks a record")
    node.output("-t", "20", "writekey", "test.tdb", "back", VALUE)


def nobody_serves(cluster):
    """As long as there is no lock, or it does not answer: the nodes are there, and none has a lease."""
    await_that(lambda: all(node.ctdb("-t", "1", "readkey", "test.tdb", "lock")[0] != 0 for node in cluster.nodes), "a node without a lease serves records")
    for node in cluster.nodes:
        require(node.states() == {0: "OK", 1: "OK", 2: "OK"}, f"node {node.pnn} shows {node.states()}: all nodes are there, and only the lock is not")
        require("Recovery mode:RECOVERY (1)" in node.output("status"), "the cluster is shown as if it worked")


# Whoever looks at the lock hangs with it: the supervisors, and no ctdbd. The leader dies meanwhile, and its supervisor cannot say so before the storage answers again.
def hanging_storage(cluster):
    leader = cluster.leader()
    others = [pnn for pnn in range(3) if pnn != leader]
    cluster.nodes[others[0]].output("writekey", "test.tdb", "lock", "hung")
    store(cluster, 0, "lock", "hung")
    cluster.hang(True)
    nobody_serves(cluster)
    require({node.output("leader") for node in cluster.nodes} <= {str(leader), "UNKNOWN"}, "another node leads although nobody can have the lock")
    cluster.nodes[leader].signal(signal.SIGKILL)
    await_that(lambda: all("DISCONNECTED" in cluster.nodes[other].states()[leader] for other in others), "the node that was killed is not shown as disconnected")
    for other in others:
        require(cluster.nodes[other].ctdb("-t", "1", "readkey", "test.tdb", "lock")[0] != 0, "a node without a lease serves records")
    cluster.hang(False)
    cluster.await_settled(others)
    same_everywhere(cluster, {"lock": (0, "hung")}, others)
    cluster.nodes[leader].start()
    cluster.await_settled()
    for node in cluster.nodes:
        require("[hung]" in node.output("-t", "20", "readkey", "test.tdb", "lock"), f"node {node.pnn} has lost a record that was elsewhere too")
    same_everywhere(cluster, {"lock": (0, "hung")})


# Nobody leads then, so nobody serves; nothing is lost by that.
def lock_storage(cluster):
    cluster.nodes[0].output("writekey", "test.tdb", "lock", "kept")
    store(cluster, 0, "lock", "kept")
    aside = cluster.top / "aside"
    cluster.storage.rename(aside)
    await_that(lambda: all(node.output("leader") == "UNKNOWN" for node in cluster.nodes), "somebody leads without the cluster lock")
    nobody_serves(cluster)
    aside.rename(cluster.storage)
    cluster.await_settled()
    for node in cluster.nodes:
        require("[kept]" in node.output("-t", "20", "readkey", "test.tdb", "lock"), f"node {node.pnn} has lost a record")
    same_everywhere(cluster, {"lock": (0, "kept")})


# What an upgrade does to the cluster: each node is shut down and started anew, while others write.
def rolled(cluster):
    cluster.nodes[0].output("writekey", "test.tdb", "rolled", "kept")
    incarnations = [node.pid() for node in cluster.nodes]
    for pnn in range(3):
        others = [other for other in range(3) if other != pnn]
        writers = [Writer(cluster.nodes[other], f"w{pnn}{other}-") for other in others]
        try:
            cluster.nodes[pnn].output("shutdown")
            cluster.await_settled(others)
            await_that(lambda: all("DISCONNECTED" in cluster.nodes[other].states()[pnn] for other in others), "the node that is upgraded is not shown as disconnected")
            cluster.nodes[pnn].start()
            cluster.await_settled()
        finally:
            for writer in writers:
                writer.end()
        for writer in writers:
            require(writer.acknowledged, f"nothing was written through node {writer.node.pnn} meanwhile")
            same_everywhere(cluster, writer.acknowledged)
        require("[kept]" in cluster.nodes[pnn].output("-t", "20", "readkey", "test.tdb", "rolled"), "a record that was elsewhere is lost")
    require(all(node.pid() != before for node, before in zip(cluster.nodes, incarnations)), "not every node was started anew")


def recoveries(node):
    words = [line.split() for line in node.output("statistics").splitlines()]
    return next(int(line[1]) for line in words if line and line[0] == "num_recoveries")


# Both processors are busy with other things, and with the cluster's own work.
def loaded(cluster, seconds):
    cluster.await_settled()
    before = {node.pnn: (recoveries(node), node.output("leader")) for node in cluster.nodes}
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * os.cpu_count())]
    writers = [Writer(node, f"l{node.pnn}-") for node in cluster.nodes]
    looks = 0
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for node in cluster.nodes:
                states = node.states()
                looks += 1
                require(not states or states == {0: "OK", 1: "OK", 2: "OK"}, f"node {node.pnn} shows {states} although all are there")
            time.sleep(0.5)
    finally:
        for process in busy:
            process.kill()
            process.wait()
        for writer in writers:
            writer.end()
    after = {node.pnn: (recoveries(node), node.output("leader")) for node in cluster.nodes}
    require(after == before, f"under load something was recovered, or the leader has changed: {before} -> {after}")
    written = sum(len(writer.acknowledged) > 0 for writer in writers)
    require(written == 3 and looks > 10, f"{written} nodes wrote, {looks} looks")
    for writer in writers:
        same_everywhere(cluster, writer.acknowledged)
    print(f"      load: {seconds} s with {2 * os.cpu_count()} busy processes, {looks} looks at the states, nothing recovered")


def run(tally, arguments):
    with Storage(arguments.preset) as cluster:
        cluster.await_settled()
        with tally.case("a node's disk is full"):
            full_disk(cluster)
        with tally.case("a node's volatile databases have no room"):
            full_volatile(cluster)
        with tally.case("the cluster lock's storage hangs, and the leader dies meanwhile"):
            hanging_storage(cluster)
        with tally.case("the cluster lock's storage goes away"):
            lock_storage(cluster)
        with tally.case("each node is restarted in turn"):
            rolled(cluster)
        seconds = arguments.seconds or (FULL_LOAD if arguments.full else SHORT_LOAD)
        with tally.case(f"no false alarm in {seconds} s of load"):
            loaded(cluster, seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    parser.add_argument("--full", action="store_true", help="an hour of load")
    parser.add_argument("--seconds", type=int, help="of load")
    arguments = parser.parse_args()
    tally = report.Tally("cluster faults")
    isolation.run(lambda: run(tally, arguments), network=True, mounts=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
