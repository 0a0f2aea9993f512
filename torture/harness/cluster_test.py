#!/usr/bin/env python3
"""Three ctdbd of ours on loopback: they find each other, move records, and lose and regain a node in every way; who may not speak to them is refused.
Our tool prints what Debian's does on three of Debian's daemons (torture/expected/debian-4.17/ctdb.json).

    cluster_test.py [--preset release] [--full]
    cluster_test.py --record
"""

import argparse
import json
import re
import signal
import subprocess
import sys

import isolation
import report
from cluster import TOP, Cluster, await_that
from cluster_administration import looks, recovers, reload_nodes, reloaded, roles, shuts_down, statistics, tunables
from cluster_answers import RECORDING, RELOADING, answers, compare
from cluster_intruders import local_processes, strangers
from report import require

BANNED = 8  # of `ctdb nodestatus`


def forms(cluster):
    cluster.await_settled()
    for node in cluster.nodes:
        require(node.output("runstate") == "RUNNING", f"node {node.pnn} does not run")
        require(node.output("pnn") == str(node.pnn), "a node has another number than its line")
        require(int(node.output("getpid")) == node.pid(), "another PID than in the file")
    second = subprocess.run([cluster.program("ctdbd"), "-i"], env=cluster.nodes[0].environment(), capture_output=True, text=True, timeout=10)
    require(second.returncode != 0 and "a ctdbd is running" in second.stderr, f"a second daemon starts on the same files: {second.stderr}")


def records_move(cluster):
    nodes = cluster.nodes
    nodes[0].output("attach", "test.tdb")
    await_that(lambda: all("name:test.tdb" in node.output("getdbmap") for node in nodes), "a database is not known everywhere")
    for turn in range(12):
        nodes[turn % 3].output("writekey", "test.tdb", f"key{turn % 5}", f"value{turn}")
        for reader in nodes:
            read = reader.output("readkey", "test.tdb", f"key{turn % 5}")
            require(read == f"Data: size:{len(f'value{turn}')} ptr:[value{turn}]", f"node {reader.pnn} reads {read} after {turn} was written")


def read_only_and_sticky_records(cluster):
    nodes = cluster.nodes
    nodes[0].output("attach", "flags.tdb")
    await_that(lambda: all("name:flags.tdb" in node.output("getdbmap") for node in nodes), "a database is not known everywhere")
    require(nodes[0].output("setdbreadonly", "flags.tdb") == "" and nodes[1].output("setdbsticky", "flags.tdb") == "", "a flag is not set quietly")
    for node in nodes:
        require("STICKY: yes\nREADONLY: yes" in node.output("getdbstatus", "flags.tdb"), "getdbstatus does not show the flags")
        line = next(line for line in node.output("getdbmap").splitlines() if "name:flags.tdb" in line)
        require(line.endswith(" STICKY READONLY"), f"getdbmap does not show the flags: {line}")
    require("STICKY: no\nREADONLY: no" in nodes[0].output("getdbstatus", "test.tdb"), "another database has the flags")
    for turn in range(6):
        nodes[turn % 3].output("writekey", "flags.tdb", "k", f"value{turn}")
        for reader in nodes:
            require(f"[value{turn}]" in reader.output("readkey", "flags.tdb", "k", "readonly"), "a reader sees an older value")

    def lent():
        require(all("[value5]" in node.output("readkey", "flags.tdb", "k", "readonly") for node in nodes), "a reader sees an older value")
        shown = [node.output("cattdb", "flags.tdb") for node in nodes]
        return sum("0x01000000 RO_HAVE_DELEGATIONS" in text for text in shown) == 1 and sum("0x02000000 RO_HAVE_READONLY" in text for text in shown) == 2

    await_that(lent, "two nodes have no copies of what the third has")
    nodes[0].output("writekey", "flags.tdb", "k", "other")
    require(not any("RO_HAVE" in node.output("cattdb", "flags.tdb") for node in nodes), "copies outlive a change")
    counted = "".join(node.output("statistics") for node in nodes)
    require(re.search(r"total_ro_delegations +[1-9]", counted) and re.search(r"total_ro_revokes +[1-9]", counted), "nothing is counted")


def persistent(cluster):
    nodes = cluster.nodes
    nodes[0].output("attach", "kept.tdb", "persistent")
    await_that(lambda: all("name:kept.tdb" in node.output("getdbmap") for node in nodes), "a persistent database is not known everywhere")
    require("PERSISTENT: yes" in nodes[1].output("getdbstatus", "kept.tdb"), "a persistent database is not shown as one")
    for turn in range(6):
        nodes[turn % 3].output("pstore", "kept.tdb", f"key{turn % 2}", f"value{turn}")
        for reader in nodes:
            read = reader.output("pfetch", "kept.tdb", f"key{turn % 2}")
            require(read == f"value{turn}", f"node {reader.pnn} reads {read} after value{turn} was committed")
            require(reader.output("getdbseqnum", "kept.tdb") == hex(turn + 1), "another sequence number than transactions")
    nodes[1].output("pdelete", "kept.tdb", "key0")
    require(nodes[2].output("pfetch", "kept.tdb", "key0") == "", "a deleted record is there")
    status, _, err = nodes[0].ctdb("pfetch", "test.tdb", "k")
    require(status == 1 and "Transactions not supported on DB test.tdb" in err, f"a volatile database has transactions: {status} {err}")


# Debian's tool reads our backups, and ours what Debian's has made (ctdb/tool/corpus/persistent).
def backups(cluster):
    first, last = cluster.nodes[0], cluster.nodes[2]
    lines = cluster.top / "lines"
    lines.write_text("".join(f'"many{number}" "value of {number}"\n' for number in range(20000)))
    first.output("attach", "many.tdb", "persistent")
    first.output("-t", "60", "ptrans", "many.tdb", str(lines))
    require(first.output("getdbseqnum", "many.tdb") == "0x1", "20 000 records are more than one transaction")
    everything = last.output("-t", "60", "catdb", "many.tdb")
    require(everything.endswith("Dumped 20001 records"), f"catdb elsewhere ends with {everything[-100:]}")
    backup = cluster.top / "backup"
    first.output("backupdb", "many.tdb", str(backup))
    debian = subprocess.run(["/usr/bin/ctdb", "dumpdbbackup", str(backup)], capture_output=True, text=True, timeout=60)
    require(debian.stdout.endswith("Dumped 20001 record(s)\n"), f"Debian's dumpdbbackup: {debian.stdout[-100:]} {debian.stderr}")
    require(debian.stdout == first.ctdb("dumpdbbackup", str(backup))[1], "Debian's dumpdbbackup prints something else")
    first.output("pstore", "many.tdb", "later", "x")
    last.output("-t", "60", "restoredb", str(backup))
    require(first.output("pfetch", "many.tdb", "later") == "" and first.output("pfetch", "many.tdb", "many777") == "value of 777", "another state than the backup's")
    first.output("-t", "60", "wipedb", "many.tdb")
    require(last.output("catdb", "many.tdb").endswith("Dumped 1 records"), "a wiped database has records")
    first.output("restoredb", str(TOP / "ctdb/tool/corpus/persistent"), "many.tdb")
    require([last.output("pfetch", "many.tdb", key) for key in ("file", "h", "k1")] == ["yes", "\\01", ""], "Debian's backup is restored as something else")
    first.output("-t", "60", "wipedb", "many.tdb")


# What all have is gone when all have started again, and stays as long as one has not. Debian's tool reads its backup.
def replicated(cluster):
    nodes = cluster.nodes
    nodes[0].output("attach", "both.tdb", "replicated")
    await_that(lambda: all("REPLICATED" in node.output("getdbmap") for node in nodes), "a replicated database is not known everywhere")
    for kind, name in (("persistent", "both.tdb"), ("replicated", "kept.tdb"), ("replicated", "test.tdb")):
        require(nodes[0].ctdb("attach", name, kind)[0] == 1, f"{name} becomes a {kind} one")
    before = int(nodes[0].output("getdbseqnum", "both.tdb"), 16)
    for turn in range(6):
        nodes[turn % 3].output("pstore", "both.tdb", f"key{turn % 2}", f"value{turn}")
        for reader in nodes:
            require(reader.output("pfetch", "both.tdb", f"key{turn % 2}") == f"value{turn}", f"node {reader.pnn} does not read what was committed")
    for node in nodes:
        require("both.tdb.%d " % node.pnn in node.output("getdbmap") and f"{node.base}/db/v/both.tdb.{node.pnn} REPLICATED" in node.output("getdbmap"), "it is elsewhere")
    backup = cluster.top / "replicated"
    nodes[0].output("backupdb", "both.tdb", str(backup))
    require(backup.read_bytes()[16] == 8, "another kind stands in the backup than Debian's")
    debian = subprocess.run(["/usr/bin/ctdb", "dumpdbbackup", str(backup)], capture_output=True, text=True, timeout=60)
    require(debian.stdout.endswith("Dumped 3 record(s)\n"), f"Debian's dumpdbbackup: {debian.stdout[-100:]} {debian.stderr}")
    for node in nodes:
        node.signal(signal.SIGKILL)
        cluster.await_settled([other for other in range(3) if other != node.pnn])
        nodes[(node.pnn + 1) % 3].output("-t", "30", "pstore", "both.tdb", f"while{node.pnn}", "is away")
        node.start()
        cluster.await_settled()
    for node in nodes:
        require([node.output("pfetch", "both.tdb", key) for key in ("key0", "key1", "while0", "while2")] == ["value4", "value5", "is away", "is away"], f"node {node.pnn} has lost something")
        require(int(node.output("getdbseqnum", "both.tdb"), 16) == before + 9, "another sequence number than transactions")
    everybody_ends(cluster)
    require("both.tdb" not in nodes[0].output("getdbmap"), "it has outlived all nodes")
    nodes[1].output("attach", "both.tdb", "replicated")
    require(nodes[1].output("getdbseqnum", "both.tdb") == "0x0" and nodes[1].output("pfetch", "both.tdb", "key0") == "", "its records have outlived all nodes")
    nodes[2].output("restoredb", str(backup))
    require(nodes[0].output("pfetch", "both.tdb", "key0") == "value4" and "REPLICATED: yes" in nodes[0].output("getdbstatus", "both.tdb"), "the backup is not restored")
    require(nodes[2].ctdb("restoredb", str(backup), "kept.tdb")[0] == 1, "the backup becomes a persistent database")
    cluster.nodes[0].output("attach", "test.tdb")


def everybody_ends(cluster):
    for node in cluster.nodes:
        node.signal(signal.SIGKILL)
    await_that(lambda: not cluster.processes(), "what a daemon has started outlives it")
    for node in cluster.nodes:
        node.start()
    cluster.await_settled()


# The last that has all of the persistent databases is away: they wait for it, and replicated ones do not.
def without_the_last(cluster):
    nodes = cluster.nodes
    nodes[0].output("pstore", "kept.tdb", "all", "have")
    for pnn in (1, 2):
        nodes[pnn].signal(signal.SIGKILL)
    cluster.await_settled([0])
    nodes[0].output("-t", "30", "pstore", "kept.tdb", "last", "has")
    nodes[0].signal(signal.SIGKILL)
    await_that(lambda: not cluster.processes(), "what a daemon has started outlives it")
    for pnn in (1, 2):
        nodes[pnn].start()
    await_that(lambda: all(line.split()[2] == "OK" for line in nodes[1].ctdb("nodestatus", "1,2")[1].splitlines()) and nodes[1].ctdb("nodestatus", "1,2")[1], "two nodes form no cluster")
    nodes[1].output("attach", "both.tdb", "replicated")
    nodes[1].output("-t", "30", "pstore", "both.tdb", "goes", "on")
    require(nodes[2].output("pfetch", "both.tdb", "goes") == "on", "the other node does not have it")
    require(nodes[1].ctdb("-t", "2", "pfetch", "kept.tdb", "all")[0] != 0, "a persistent database is read without the node that has all of it")
    nodes[0].start()
    cluster.await_settled()
    for node in nodes:
        require(node.output("-t", "30", "pfetch", "kept.tdb", "last") == "has" and node.output("pfetch", "both.tdb", "goes") == "on", f"node {node.pnn} has lost something")
    cluster.nodes[0].output("attach", "test.tdb")


def same_everywhere(cluster, wanted):
    for node in cluster.nodes:
        for key, value in wanted.items():
            read = node.output("pfetch", "kept.tdb", key)
            require(read == value, f"node {node.pnn} reads {read!r} of {key}, and {value!r} was acknowledged")
    require(len({node.output("getdbseqnum", "kept.tdb") for node in cluster.nodes}) == 1, "the nodes have different sequence numbers")


# The coordinator is one of them; then all at once.
def persistent_deaths(cluster):
    acknowledged = {}
    for pnn in (0, 2):
        writer = cluster.nodes[(pnn + 1) % 3]
        for turn in range(12):
            if turn == 4:
                cluster.nodes[pnn].signal(signal.SIGKILL)
            key, value = f"of{writer.pnn}-{turn}", f"{pnn}.{turn}"
            writer.output("-t", "30", "pstore", "kept.tdb", key, value)
            acknowledged[key] = value
        cluster.nodes[pnn].start()
        cluster.await_settled()
        same_everywhere(cluster, acknowledged)
    everybody_ends(cluster)
    same_everywhere(cluster, acknowledged)
    cluster.nodes[0].output("attach", "test.tdb")


# Its supervisor has told the others and given the lock back.
def killed(cluster):
    leader = cluster.leader()
    others = [pnn for pnn in range(3) if pnn != leader]
    cluster.nodes[others[0]].output("writekey", "test.tdb", "kept", "before")
    cluster.nodes[leader].signal(signal.SIGKILL)
    cluster.await_settled(others)
    for pnn in others:
        require(cluster.nodes[pnn].states()[leader] == "DISCONNECTED|UNHEALTHY|INACTIVE", "the killed node is not shown as disconnected")
        require(cluster.leader(pnn) in others, "the dead node leads")
        require("[before]" in cluster.nodes[pnn].output("readkey", "test.tdb", "kept"), "a record is lost that a survivor had")
        require(cluster.nodes[pnn].logged(f"the supervisor of node {leader} says that its ctdbd has ended"), "the supervisor does not tell")
        status, _, err = cluster.nodes[pnn].ctdb("-n", str(leader), "ping")
        require(status == 1 and "has status DISCONNECTED" in err, f"a dead node is asked: {status} {err}")
    status, _, err = cluster.nodes[leader].ctdb("status")
    require(status == 1 and "Failed to connect to CTDB daemon" in err, f"no daemon, and ctdb gives {status} {err}")
    cluster.nodes[leader].start()
    cluster.await_settled()
    require("[before]" in cluster.nodes[leader].output("readkey", "test.tdb", "kept"), "the new daemon does not find the record")


def stands_still(cluster, pnn):
    others = [other for other in range(3) if other != pnn]
    node = cluster.nodes[pnn]
    cluster.nodes[others[0]].output("writekey", "test.tdb", "still", "old")
    incarnation = node.pid()
    node.signal(signal.SIGSTOP)
    try:
        cluster.await_settled(others)
        cluster.nodes[others[1]].output("writekey", "test.tdb", "still", "new")
    finally:
        node.signal(signal.SIGCONT)
    # It wakes as a member of long ago, and must not answer as one.
    read = node.output("-t", "30", "readkey", "test.tdb", "still")
    require("[new]" in read, f"the node that woke reads {read}")
    cluster.await_settled()
    require(node.pid() == incarnation, "the daemon was started again")


def administrator(cluster):
    first, second = cluster.nodes[0], cluster.nodes[1]
    second.output("writekey", "test.tdb", "mine", "held")
    first.output("-n", "1", "stop")
    require(first.states()[1] == "STOPPED|INACTIVE", "a stopped node is not shown")
    cluster.await_settled([0, 2])
    await_that(lambda: "Generation:INVALID" in second.output("status"), "a stopped node is a member")
    require("[held]" in first.output("readkey", "test.tdb", "mine"), "what the stopped node held is lost")
    require(second.ctdb("readkey", "test.tdb", "mine")[0] == 1, "a stopped node serves records")
    first.output("-n", "1", "continue")
    cluster.await_settled()
    first.output("-n", "2", "ban", "1000")
    require(first.states()[2] == "BANNED|INACTIVE", "a banned node is not shown")
    require(first.ctdb("nodestatus", "2")[0] == BANNED, "another exit status for a banned node")
    cluster.await_settled([0, 1])
    first.output("-n", "2", "unban")
    cluster.await_settled()
    first.output("-n", "1", "ban", "1")
    require(first.states()[1] == "BANNED|INACTIVE", "a banned node is not shown")
    cluster.await_settled()


# Connections


def record():
    with Cluster("debian") as debians:
        debians.await_settled()
        RECORDING.write_text(json.dumps(answers(debians), indent=1) + "\n")
    with Cluster("debian") as debians:
        debians.await_settled()
        debians.nodes[0].output("attach", "test.tdb")
        RELOADING.write_text(json.dumps(reloaded(debians), indent=1) + "\n")


def run(tally, arguments):
    with Cluster("atoll", arguments.preset) as ours:
        with tally.case("three daemons form a cluster"):
            forms(ours)
        with tally.case("records move between nodes"):
            records_move(ours)
        with tally.case("a leader that is killed, and starts again"):
            killed(ours)
        with tally.case("a node that stands still, and wakes"):
            stands_still(ours, next(pnn for pnn in range(3) if pnn != ours.leader()))
        with tally.case("a leader that stands still, and wakes"):
            stands_still(ours, ours.leader())
        with tally.case("stop, continue, ban and unban"):
            administrator(ours)
        with tally.case("who is not listed, and what is malformed, is refused and logged"):
            strangers(ours)
        with tally.case("local processes"):
            local_processes(ours)
        with tally.guard("the tool"):
            mine = answers(ours)
            compare(tally, mine, json.loads(RECORDING.read_text()), "Debian's was recorded with")
            ours.await_settled()
        with tally.case("databases whose records are lent, and stick"):
            read_only_and_sticky_records(ours)
        with tally.case("transactions on persistent databases"):
            persistent(ours)
        with tally.case("20 000 records in a transaction; backups between Debian's tool and ours"):
            backups(ours)
        with tally.case("transactions while nodes die, and then all"):
            persistent_deaths(ours)
        with tally.case("replicated databases: one node after the other starts again, and then all"):
            replicated(ours)
        with tally.case("replicated databases while persistent ones wait for the last that has all"):
            without_the_last(ours)
        with tally.case("tunables take effect"):
            tunables(ours)
        with tally.case("the roles of leader and lmaster"):
            roles(ours)
        with tally.case("recover"):
            recovers(ours)
        with tally.case("statistics"):
            statistics(ours)
        with tally.case("process-exists, cattdb, dumpmemory"):
            looks(ours)
        with tally.case("reloadnodes adds a node and removes it, in Debian's words"):
            reload_nodes(ours)
        with tally.case("a node that is shut down gives away what it holds"):
            shuts_down(ours)
    if arguments.full:
        with tally.guard("beside Debian's"), Cluster("debian") as debians:
            debians.await_settled()
            compare(tally, mine, answers(debians), "Debian's")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    parser.add_argument("--full", action="store_true", help="also beside Debian's daemons as they run now")
    parser.add_argument("--record", action="store_true", help="write what Debian's tool says on three of Debian's daemons")
    arguments = parser.parse_args()
    if arguments.record:
        isolation.run(record, network=True)
        return 0
    tally = report.Tally("cluster")
    isolation.run(lambda: run(tally, arguments), network=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
