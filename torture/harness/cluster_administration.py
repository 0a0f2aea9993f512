"""What administrators ask of a running cluster: tunables, roles, recovery, statistics, `nodes` changed in service, shutting down. Not only said, but done."""

import json
import signal
import subprocess

from cluster import PATIENCE, await_that
from cluster_answers import RELOADING, neutral
from cluster_intruders import BULK, hello, refused
from report import require


def tunables(cluster):
    node = cluster.nodes[1]
    script = node.base / "events/legacy/05.count.script"
    script.write_text(f"#!/bin/sh\n[ $1 != monitor ] || echo x >>{node.base}/monitored\n")
    script.chmod(0o755)

    def monitored():
        return len((node.base / "monitored").read_text()) if (node.base / "monitored").exists() else 0
    cluster.nodes[0].output("-n", "1", "setvar", "MonitorInterval", "1")
    await_that(lambda: monitored() >= 2, "the node is not monitored")
    before = monitored()
    await_that(lambda: monitored() >= before + 10, "MonitorInterval=1 does not take effect", 14)
    cluster.nodes[0].output("-n", "1", "setvar", "MonitorInterval", "15")
    script.unlink()
    for name in ("KeepaliveInterval", "nosuch"):
        require(node.ctdb("setvar", name, "3")[0] == 1 and node.ctdb("getvar", name)[0] == 1, f"{name}, which means nothing here, is taken")
    node.output("setvar", "AllowClientDBAttach", "0")
    for kind in ([], ["persistent"]):
        require(node.ctdb("attach", "late.tdb", *kind)[0] == 1, "a database can be attached although AllowClientDBAttach is 0")
    node.output("setvar", "AllowClientDBAttach", "1")


def lmasters(node):
    return sorted(int(line.rpartition(":")[2]) for line in node.output("status").splitlines() if line.startswith("hash:"))


def roles(cluster):
    first = cluster.nodes[0]
    first.output("writekey", "test.tdb", "role", "kept")
    first.output("-n", "1", "setlmasterrole", "off")
    await_that(lambda: all(lmasters(node) == [0, 2] for node in cluster.nodes), "a node without the role locates slots")
    for node in cluster.nodes:
        node.output("setlmasterrole", "off")
    await_that(lambda: all(lmasters(node) == [0, 1, 2] for node in cluster.nodes), "where no node has the role, not all locate")
    for node in cluster.nodes:
        node.output("setlmasterrole", "on")
    leader = cluster.leader()
    first.output("-n", str(leader), "setleaderrole", "off")
    await_that(lambda: all(node.output("leader") not in ("UNKNOWN", str(leader)) for node in cluster.nodes), "a node without the role goes on leading")
    cluster.await_settled()
    first.output("-n", str(leader), "setleaderrole", "on")
    require("[kept]" in cluster.nodes[1].output("readkey", "test.tdb", "role"), "a record is lost")


def generation(node):
    return next(line for line in node.output("status").splitlines() if line.startswith("Generation"))


def recovers(cluster):
    before = generation(cluster.nodes[0])
    cluster.nodes[2].output("writekey", "test.tdb", "forced", "kept")
    cluster.nodes[1].output("recover")
    await_that(lambda: generation(cluster.nodes[0]) != before, "nothing is recovered")
    cluster.await_settled()
    require("[kept]" in cluster.nodes[0].output("readkey", "test.tdb", "forced"), "a record is lost")


def counted(node, *arguments):
    return {words[0]: int(words[1]) for words in (line.split() for line in node.output(*arguments).splitlines()) if len(words) == 2 and words[1].isdigit()}


def statistics(cluster):
    first, second = cluster.nodes[0], cluster.nodes[1]
    first.output("statisticsreset")
    for turn in range(10):
        first.output("writekey", "test.tdb", "hot", f"a{turn}")
        second.output("writekey", "test.tdb", "hot", f"b{turn}")
    await_that(lambda: counted(first, "statistics")["keepalive_packets_sent"] > 0, "keepalives are not counted")
    found = counted(first, "statistics")
    require(found["total_calls"] == 10 and found["reply_dmaster"] + found["req_call"] > 0, f"statistics: {found}")
    require("out of 10\n" in first.ctdb("statistics")[1].partition("call_latency")[2], "the calls' latency is not counted")
    hot = cluster.nodes[0].output("dbstatistics", "test.tdb").partition("Num Hot Keys")[2].splitlines()[1]
    require(hot.endswith(f"Key:{b'hot'.hex()}"), f"the hottest key is {hot}")
    await_that(lambda: first.output("stats", "2").count("CTDB version 1") == 2, "there are no rolling statistics")
    first.output("statisticsreset")
    require(counted(first, "statistics")["total_calls"] == 0, "the statistics are not reset")


def looks(cluster):
    node = cluster.nodes[0]
    itself = subprocess.run(["sh", "-c", "exec \"$0\" process-exists $$", cluster.program("ctdb")], env=node.environment(), capture_output=True, text=True, timeout=PATIENCE)
    require(itself.returncode == 0 and itself.stdout.endswith(" exists\n"), f"a client of ctdbd does not exist: {itself}")
    cluster.nodes[1].output("writekey", "test.tdb", "local", "copy")
    require('key(5) = "local"\ndmaster: 1\n' in cluster.nodes[1].output("cattdb", "test.tdb"), "cattdb does not show what the node has")
    require("keys of test.tdb" in node.output("dumpmemory"), "dumpmemory says nothing")


# Debian's do the same (torture/expected/debian-4.17/ctdb_reloadnodes.json).
def reloaded(cluster):
    said = []

    def listed(text, among=None):
        for node in (cluster.nodes if among is None else [cluster.nodes[pnn] for pnn in among]):
            (node.base / "nodes").write_text("".join(f"{line}\n" for line in text))

    def ask(*arguments):
        status, out, err = cluster.nodes[0].ctdb(*arguments)
        said.append([" ".join(arguments), status, neutral(out, cluster), neutral(err, cluster)])
    before = list(cluster.addresses)
    cluster.addresses.append(before[0].rpartition(".")[0] + f".{int(before[-1].rpartition('.')[2]) + 1}")
    listed(cluster.addresses, [0])
    ask("reloadnodes")
    listed(cluster.addresses)
    ask("reloadnodes")
    ask("reloadnodes")
    ask("nodestatus", "all")
    cluster.nodes.append(cluster.make_node(3))
    cluster.nodes[3].write_files()
    cluster.nodes[3].start()
    cluster.await_settled()
    ask("nodestatus", "all")
    ask("-X", "listnodes")
    cluster.nodes[0].output("writekey", "test.tdb", "grown", "kept")
    require("[kept]" in cluster.nodes[3].output("-t", "30", "readkey", "test.tdb", "grown"), "the new node does not find a record")
    removed = [*before, f"#{cluster.addresses[3]}"]
    listed(removed, [0, 1, 2])
    ask("reloadnodes")
    listed(removed)
    ask("reloadnodes")
    listed(cluster.addresses)
    cluster.nodes[3].output("shutdown")
    cluster.nodes.pop()
    await_that(lambda: all(node.states().get(3) == "DISCONNECTED|UNHEALTHY|INACTIVE" for node in cluster.nodes), "a node that was shut down is connected")
    cluster.await_settled([0, 1, 2])
    listed(removed)
    ask("reloadnodes")
    for arguments in (["nodestatus", "all"], ["listnodes"], ["-X", "listnodes"], ["-X", "nodestatus", "all"], ["reloadnodes"]):
        ask(*arguments)
    listed(before)
    ask("reloadnodes")
    listed([before[0], cluster.addresses[3], before[2], f"#{cluster.addresses[3]}"])
    ask("reloadnodes")
    listed(removed)
    cluster.await_settled()
    return said


def reload_nodes(cluster):
    said, recorded = reloaded(cluster), json.loads(RELOADING.read_text())
    for mine, theirs in zip(said, recorded, strict=True):
        require(mine == theirs, f"ours says {mine}, Debian's was recorded with {theirs}")
    gone = cluster.addresses[3]
    require(refused(cluster, cluster.nodes[0], gone, hello(cluster, 3, 0, BULK)), "a node that was removed is heard")
    await_that(lambda: cluster.nodes[0].logged(f"from {gone}: is not listed"), "a node that was removed is not refused")
    cluster.addresses.pop()
    # A daemon that starts later has the same list.
    cluster.nodes[2].signal(signal.SIGKILL)
    cluster.await_settled([0, 1])
    cluster.nodes[2].start()
    cluster.await_settled()
    require("Number of nodes:4 (including 1 deleted nodes)" in cluster.nodes[2].output("status"), "a daemon that has started does not count the removed node")


def shuts_down(cluster):
    cluster.nodes[2].output("writekey", "test.tdb", "given", "away")
    cluster.nodes[2].output("shutdown")
    cluster.await_settled([0, 1])
    for pnn in (0, 1):
        require("[away]" in cluster.nodes[pnn].output("readkey", "test.tdb", "given"), "what a node held is lost when it shuts down")
    await_that(lambda: cluster.nodes[2].pid() is None, "the PID file stays")
