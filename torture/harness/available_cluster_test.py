#!/usr/bin/env python3
"""Continuously available shares of a cluster: what clients have open persistently outlives any node, and all of them at once, with leases and locks, and nobody who is in conflict with it gets in meanwhile.

    available_cluster_test.py [--preset release] [CASE...]

Nodes die with all their processes: ctdbd, its supervisor, smbd. The disks of the nodes and the file system that they share stay.
"""

import argparse
import contextlib
import sys
import time

import isolation
import report
from cluster import await_that
from clustered import PORT, ServerCluster
from clustered_test import LASTING, OK, READ, WRITE, Holder, kill_node, kill_nodes, start_node
from records import Records
from report import require

PERSISTENT = "durable2=60000 persistent"
AWAY = "NT_STATUS_FILE_NOT_AVAILABLE"


class Persistent:
    """A client with a leased, a locked and an exclusive handle, and what others are told as long as they are its."""

    def __init__(self, cluster, pnn, guid):
        self.guid = ("--client-guid", guid)
        self.handles = {}
        self.holder = Holder(cluster, pnn, *self.guid)
        with contextlib.ExitStack() as stack:
            stack.callback(self.holder.process.kill)
            require(self.holder.logged_on == OK, f"the log-on gives {self.holder.logged_on}")
            for name, how in (("leased", "share=7 lease2=7"), ("locked", "share=7"), ("exclusive", "share=0")):
                name = f"{guid}_{name}"
                self.holder.does(f"open {name} {WRITE} {how} {PERSISTENT}")
                self.holder.does(f"write 0 {name}")
                self.holder.does("lock 0 4 exclusive")
                self.handles[name] = f"again {name} {self.holder.ask('id')} {WRITE} {how} persistent"
            stack.pop_all()

    def end(self):
        self.holder.__exit__()

    def keeps_others_out(self, cluster, pnn, at_once=True):
        """With `at_once` false its node has just died: until that is known, what it shared with others is shared, and nothing else."""
        with Holder(cluster, pnn, "--client-guid", "stranger") as other:
            for name in self.handles:
                def is_away(name=name):
                    said = other.ask(f"open {name} {WRITE} share=7 disposition=1")
                    if said == OK and not at_once and not name.endswith("exclusive"):
                        other.does("lock 0 4 exclusive", "NT_STATUS_LOCK_NOT_GRANTED")
                        other.does("close")
                        return False
                    require(said == AWAY or not at_once and said == "NT_STATUS_SHARING_VIOLATION", f"another client's open of {name} gives {said}")
                    return said == AWAY

                await_that(is_away, f"{name} is not kept for its client")

    def is_taken_back(self, cluster, pnn):
        with Holder(cluster, pnn, *self.guid) as again:
            for name, line in self.handles.items():
                await_that(lambda line=line: again.ask(line) == OK, f"{name} cannot be taken back")
                again.does(f"read 0 {name}")
                again.does("lock 0 4 exclusive", "NT_STATUS_LOCK_NOT_GRANTED")
            for _ in self.handles:
                again.does("close")
        with Holder(cluster, pnn) as other:
            for name in self.handles:
                other.does(f"open {name} {WRITE} share=0")
                other.does("close")


def says_that_it_is_available(cluster):
    """SMB2_SHARE_CAP_CONTINUOUS_AVAILABILITY beside SCALEOUT."""
    with Holder(cluster, 0) as holder:
        said = int(holder.ask("share"), 16)
        require(said & 0x10 and said & 0x20, f"the share's capabilities are {said:x}")


def a_node_dies(cluster):
    """Each in turn, the one that leads among them."""
    for victim in range(3):
        client = Persistent(cluster, victim, f"client{victim}")
        kill_node(cluster, victim)
        client.end()
        client.keeps_others_out(cluster, (victim + 1) % 3, at_once=False)
        client.is_taken_back(cluster, (victim + 2) % 3)
        start_node(cluster, victim)


def start_all(cluster, order=(0, 1, 2)):
    for pnn in order:
        cluster.nodes[pnn].start()
    cluster.await_settled()
    for pnn in order:
        cluster.servers[pnn].start()
    for pnn in order:
        await_that(lambda pnn=pnn: cluster.smbclient(pnn, "ls")[0] == 0, f"node {pnn} does not serve again")


def all_nodes_die(cluster):
    clients = [Persistent(cluster, pnn, f"all{pnn}") for pnn in range(3)]
    kill_nodes(cluster, range(3))
    for client in clients:
        client.end()
    start_all(cluster, (2, 0, 1))
    for pnn, client in enumerate(clients):
        client.keeps_others_out(cluster, pnn)
        client.is_taken_back(cluster, (pnn + 1) % 3)


def who_was_away_brings_nothing_back(cluster):
    """An open that was closed while a node was away does not come back with that node's disk, and one that was made meanwhile is known to it."""
    closed = Persistent(cluster, 0, "closed")
    kill_node(cluster, 2)
    for _ in closed.handles:
        closed.holder.does("close")
    closed.end()
    made = Persistent(cluster, 1, "made")
    kill_node(cluster, 0)
    kill_node(cluster, 1)
    made.end()
    start_all(cluster, (2, 1, 0))
    made.keeps_others_out(cluster, 2)
    with Holder(cluster, 2) as other:
        for name in closed.handles:
            other.does(f"open {name} {WRITE} share=0")
            other.does("close")
    made.is_taken_back(cluster, 2)


def a_client_works_on(cluster):
    """One that fails over writes records under locks while nodes die, one after another and then all at once."""
    hosts = ",".join(node.address for node in cluster.nodes)
    records = Records(cluster.preset, f"//{hosts}/share", PORT, "records", "--patience", "60")
    try:
        for victim in range(3):
            records.more(20)
            kill_node(cluster, victim)
            records.more(20)
            start_node(cluster, victim)
        records.more(20)
        kill_nodes(cluster, range(3))
        start_all(cluster)
        records.more(20)
        count, bad, reconnects = records.end()
    finally:
        records.kill()
    print(f"    {count} records, {reconnects} reconnects")
    require(bad == 0, f"{bad} of {count} records are lost or changed")
    require(reconnects >= 2, "the client never had to come back")


CASES = [says_that_it_is_available, a_node_dies, all_nodes_die, who_was_away_brings_nothing_back, a_client_works_on]


def run(tally, options):
    wanted = [case for case in CASES if not options.cases or case.__name__ in options.cases]
    with tally.guard("the cluster"), ServerCluster(options.preset, shares={"share": {"continuous availability": "yes", **LASTING}}) as cluster:
        for case in wanted:
            began = time.monotonic()
            with tally.case(case.__name__):
                case(cluster)
            print(f"    {time.monotonic() - began:.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    tally = report.Tally("available cluster")
    isolation.run(lambda: run(tally, options), network=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
