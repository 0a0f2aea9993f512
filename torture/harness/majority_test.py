#!/usr/bin/env python3
"""Three ctdbd of ours that have no cluster lock, as a ctdb.conf of Debian's often has none: a majority leads, and what is no majority serves nothing. The leader's daemon dies, or stands still,
or is cut off; two of three die; a state directory is lost; a node of the other kind comes. No acknowledged transaction is lost.

    majority_test.py [--preset release]
"""

import argparse
import signal
import subprocess
import sys
import time

import isolation
import report
from cluster import Cluster, await_that
from cluster_administration import reload_nodes
from cluster_faults_test import Writer, same_everywhere
from cluster_test import killed, persistent_deaths, stands_still
from report import require

NODES = {0, 1, 2}


def forms(cluster):
    cluster.await_settled()
    for node in cluster.nodes:
        require(node.output("runstate") == "RUNNING", f"node {node.pnn} does not run")
        require(node.output("getreclock") == "", "a cluster lock is shown, and there is none")
        require(node.logged("no cluster lock: whoever leads has the votes of 2 of the 3 nodes"), "the log does not say who leads")
        require((node.base / f"db/s/votes.{node.pnn}").is_file(), "a node has no vote on its disk")
    require(not (cluster.top / "lock").exists(), "somebody made a lock")
    nodes = cluster.nodes
    nodes[0].output("attach", "kept.tdb", "persistent")
    nodes[0].output("attach", "test.tdb")
    await_that(lambda: all("name:test.tdb" in node.output("getdbmap") for node in nodes), "a database is not known everywhere")


# With the supervisor's word nobody waits for a time to run out.
def time_to_new_leader(cluster):
    took = []
    for _ in range(3):
        leader = cluster.leader()
        others = [pnn for pnn in NODES if pnn != leader]
        began = time.monotonic()
        cluster.nodes[leader].signal(signal.SIGKILL)

        def another():
            return all(cluster.nodes[pnn].ctdb("leader")[1].strip() in {str(other) for other in others} for pnn in others)

        await_that(another, "nobody else leads")
        took.append(time.monotonic() - began)
        cluster.nodes[leader].start()
        cluster.await_settled()
    print(f"      a new leader after {', '.join(f'{seconds * 1000:.0f}' for seconds in took)} ms, as the tool sees it")
    require(min(took) < 0.7, f"a new leader takes {took} s")


def cut(cluster, pnn):
    address = cluster.addresses[pnn]
    rules = f"add table inet cut\nadd chain inet cut in {{ type filter hook input priority 0; }}\nadd rule inet cut in ip saddr {address} ip daddr != {address} drop\n"
    rules += f"add rule inet cut in ip daddr {address} ip saddr != {address} drop\n"
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)


def mend():
    subprocess.run(["nft", "delete", "table", "inet", "cut"], check=True)


def serves_nothing(node, key):
    return node.ctdb("-t", "2", "readkey", "test.tdb", key)[0] != 0 and node.ctdb("-t", "2", "pstore", "kept.tdb", "minority", "wrote")[0] != 0


def cut_off(cluster, pnn):
    others = sorted(NODES - {pnn})
    node, first = cluster.nodes[pnn], cluster.nodes[others[0]]
    first.output("writekey", "test.tdb", "cut", "before")
    writer = Writer(first, f"cut{pnn}-")
    try:
        cut(cluster, pnn)
        try:
            cluster.await_settled(others)
            first.output("writekey", "test.tdb", "cut", "after")
            require(serves_nothing(node, "cut"), "the node that is cut off serves")
            require(node.output("leader") in ("UNKNOWN", ""), f"the node that is cut off says that {node.output('leader')} leads")
        finally:
            mend()
        cluster.await_settled()
    finally:
        writer.end()
    require("[after]" in node.output("readkey", "test.tdb", "cut"), "the node that was cut off has an old record")
    require(writer.acknowledged, "the majority took no transaction")
    same_everywhere(cluster, writer.acknowledged)


# The last of three serves nothing, also if it led; what was acknowledged is there when the others come.
def two_die(cluster):
    last = cluster.leader()
    dying = sorted(NODES - {last})
    node = cluster.nodes[last]
    acknowledged = {}
    for turn in range(5):
        node.output("-t", "20", "pstore", "kept.tdb", f"two{turn}", f"v{turn}")
        acknowledged[f"two{turn}"] = (turn, f"v{turn}")
    for pnn in dying:
        cluster.nodes[pnn].signal(signal.SIGKILL)
    await_that(lambda: node.output("leader") in ("UNKNOWN", ""), lambda: f"{node.output('leader')} leads, and two of three are dead")
    require(serves_nothing(node, "cut"), "one of three serves")
    cluster.nodes[dying[0]].start()
    cluster.await_settled([last, dying[0]])
    same_everywhere(cluster, acknowledged, among=(last, dying[0]))
    cluster.nodes[dying[1]].start()
    cluster.await_settled()
    same_everywhere(cluster, acknowledged)


# A node that has lost its vote has none before it has heard what all others have.
def loses_its_vote(cluster):
    node, other = cluster.nodes[2], cluster.nodes[1]
    for each in (node, other):
        each.output("shutdown")
        await_that(lambda each=each: not each.processes(), "a node that was shut down goes on")
    (node.base / "db/s/votes.2").unlink()
    node.start()
    await_that(lambda: node.logged("has no vote on its disk"), "the log does not say that it has no vote")
    require(cluster.nodes[0].output("leader") in ("UNKNOWN", ""), "somebody leads with a vote that was forgotten")
    other.start()
    cluster.await_settled()


# A node that has a lock does not come into a cluster that has none.
def of_another_kind(cluster):
    node = cluster.nodes[2]
    node.output("shutdown")
    await_that(lambda: not node.processes(), "a node that was shut down goes on")
    conf = (node.base / "ctdb.conf").read_text()
    (node.base / "ctdb.conf").write_text(conf.replace("[cluster]\n", f"[cluster]\n\tcluster lock = {cluster.top}/lock\n"))
    subprocess.run([node.program("ctdbd")], env=node.environment(), capture_output=True, timeout=30, check=False)
    await_that(lambda: not node.processes(), "a node of the other kind goes on")
    require(node.logged("`cluster lock` must be the same on all nodes"), "it does not say why it ends")
    require(cluster.settled([0, 1]), "the others suffer")
    (node.base / "ctdb.conf").write_text(conf)
    node.start()
    cluster.await_settled()


def run(tally, arguments):
    with Cluster("atoll", arguments.preset, lock="") as cluster:
        with tally.case("three daemons without a cluster lock form a cluster"):
            forms(cluster)
        with tally.case("a leader that is killed, and starts again"):
            killed(cluster)
        with tally.case("a new leader is there soon"):
            time_to_new_leader(cluster)
        with tally.case("a leader that stands still, and wakes"):
            stands_still(cluster, cluster.leader())
        with tally.case("the leader is cut off: the majority goes on, it does not"):
            cut_off(cluster, cluster.leader())
        with tally.case("another is cut off"):
            cut_off(cluster, next(pnn for pnn in NODES if pnn != cluster.leader()))
        with tally.case("two of three die: the last serves nothing"):
            two_die(cluster)
        with tally.case("a node's vote is lost"):
            loses_its_vote(cluster)
        with tally.case("a node that has a cluster lock is not let in"):
            of_another_kind(cluster)
        with tally.case("transactions while nodes die, and then all"):
            persistent_deaths(cluster)
        with tally.case("reloadnodes adds a node and removes it"):
            reload_nodes(cluster)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    arguments = parser.parse_args()
    tally = report.Tally("majority")
    isolation.run(lambda: run(tally, arguments), network=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
