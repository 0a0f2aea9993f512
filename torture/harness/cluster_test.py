#!/usr/bin/env python3
"""Three ctdbd of ours on loopback: they find each other, move records, and lose and regain a node in every way; who may not speak to them is refused.
Our tool prints what Debian's does on three of Debian's daemons (torture/expected/debian-4.17/ctdb.json).

    cluster_test.py [--preset release] [--full]
    cluster_test.py --record
"""

import argparse
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys

import isolation
import report
from cluster import PATIENCE, TOP, Cluster, await_that
from report import require

PORT = 4379
HELLO, MESSAGE, CATALOGUE, ASK = 1, 2, 3, 4
URGENT, BULK = 1, 2
RECORDING = TOP / "torture/expected/debian-4.17/ctdb.json"
RELOADING = TOP / "torture/expected/debian-4.17/ctdb_reloadnodes.json"
BANNED = 8  # of `ctdb nodestatus`
# Both clusters are asked these, on node 0, by administrators' scripts too. What names a place or a moment is replaced.
COMPARED = [
    "status", "-X status", "-Y status", "-x ; status", "-Y -x ; status", "nodestatus", "nodestatus all", "nodestatus 0,2", "nodestatus 2", "-X nodestatus all", "-n 1 nodestatus",
    "-n 1 nodestatus all", "-n 1 status", "pnn", "-n 1 pnn", "-n all pnn", "-n 7 pnn", "-n x pnn", "pnn 3", "ping", "-n 2 ping", "getpid", "-n 1 getpid", "uptime",
    "listnodes", "-X listnodes", "-n 1 listnodes", "leader", "runstate", "runstate running", "runstate setup", "runstate nonsense", "getdbmap", "-X getdbmap",
    "getdbmap 5", "getreclock", "getdebug", "nosuchcommand", "-n 1 version", "nodestatus 9", "ban", "ban abc", "ban 0", "disable x", "-t", "-n", "-n 1 disable",
    "-n 1 disable", "status", "nodestatus all", "nodestatus 1", "-X nodestatus 1", "-n 1 enable", "-n 1 enable", "-n 1 unban", "-n 1 continue", "attach foo.tdb",
    "attach foo.tdb", "getdbmap", "-X getdbmap", "getdbstatus foo.tdb", "getdbstatus 0x88127240", "writekey foo.tdb k hello", "readkey foo.tdb k",
    "readkey foo.tdb none", "readkey nosuch k", "deletekey foo.tdb k", "readkey foo.tdb k", "writekey foo.tdb", "attach stored.tdb persistent", "pstore stored.tdb k hello", "pfetch stored.tdb k", "pfetch stored.tdb none", "getdbseqnum stored.tdb",
    "getdbseqnum foo.tdb", "getdbseqnum nosuch", "catdb stored.tdb", "catdb foo.tdb", "catdb nosuch", "catdb", "-n 1 catdb stored.tdb", "pdelete stored.tdb k", "pfetch stored.tdb k",
    "getdbseqnum stored.tdb", "pstore stored.tdb k", "pstore foo.tdb k v", "pstore nosuch k v", "ptrans", "ptrans nosuch", "ptrans foo.tdb", "ptrans stored.tdb /nonexistent",
    "wipedb", "-n 1 wipedb stored.tdb", "backupdb", "backupdb nosuch /nonexistent/x", "backupdb stored.tdb /nonexistent/x", "restoredb", "restoredb /nonexistent",
    "dumpdbbackup /nonexistent", "listvars", "getvar MonitorInterval", "getvar monitorinterval", "getvar nosuch", "getvar", "setvar", "setvar MonitorInterval 20", "getvar MonitorInterval",
    "setvar MonitorInterval x", "setvar nosuch 1", "-n 1 setvar MonitorInterval 17", "-n 1 getvar MonitorInterval", "-n 1 setvar MonitorInterval 15", "getcapabilities", "-X getcapabilities",
    "-Y getcapabilities", "getcapabilities x", "setlmasterrole", "setlmasterrole maybe", "setleaderrole x", "-n 1 setleaderrole off", "-n 1 getcapabilities", "-n 1 setleaderrole on",
    "-n 1 setlmasterrole off", "-n 1 getcapabilities", "-n 1 setlmasterrole on", "-n 1 getcapabilities", "recover x", "recover", "statistics", "-X statistics", "-n 1 statistics", "statistics x",
    "statisticsreset", "statisticsreset x", "dbstatistics test.tdb", "dbstatistics stored.tdb", "dbstatistics nosuch", "dbstatistics", "process-exists 1",
    "process-exists x", "process-exists", "process-exists 1 0xfe", "pstore stored.tdb a b", "cattdb stored.tdb", "cattdb nosuch", "-n 1 cattdb stored.tdb", "cattdb", "writekey foo.tdb k v",
    "readkey foo.tdb k readonly", "tfetch TOP/plain.tdb none", "tfetch TOP/plain.tdb short", "tstore TOP/plain.tdb a bcd", "tfetch TOP/plain.tdb a", "tfetch TOP/plain.tdb a TOP/out",
    "tfetch TOP/plain.tdb a /nonexistent/out", "tstore TOP/plain.tdb b xyz 7 2", "tfetch TOP/plain.tdb b", "tstore TOP/plain.tdb 0x6162 0x0102", "tfetch TOP/plain.tdb ab", "tfetch TOP/plain.tdb flags",
    "tfetch /nonexistent k", "tfetch", "tstore", "tstore /nonexistent k v", "setdbreadonly stored.tdb", "setdbsticky stored.tdb", "setdbreadonly nosuch", "setdbreadonly", "attach bar.tdb bogus",
    "detach", "detach nosuch", "detach stored.tdb", "detach foo.tdb", "setvar AllowClientDBAttach 0", "detach foo.tdb", "-n 1 setvar AllowClientDBAttach 0", "-n 2 setvar AllowClientDBAttach 0",
    "detach foo.tdb", "getdbstatus foo.tdb", "setvar AllowClientDBAttach 1", "-n 1 setvar AllowClientDBAttach 1", "-n 2 setvar AllowClientDBAttach 1", "attach foo.tdb", "readkey foo.tdb k",
    "checktcpport 4379", "checktcpport 1", "natgw", "natgw leader", "natgw list", "natgw status", "lvs", "reloadnodes", "-n 1 reloadnodes", "-n 2 stop", "-n 2 stop", "nodestatus 2",
]


def neutral(text, cluster):
    text = text.replace(str(cluster.top), "TOP")
    for pnn, address in enumerate(cluster.addresses):
        text = text.replace(address, f"ADDRESS{pnn}")
    text = re.sub(r"\d+\.\d+ sec", "TIME sec", text)
    text = re.sub(r"\(\d+ clients\)", "(CLIENTS)", text)
    text = re.sub(r"(Generation:)\d+|(Leader:)\d+|(Duration of .*: )\S+", r"\1\2\3X", text)
    text = re.sub(r"\(\d+ \d\d:\d\d:\d\d\)|\w\w\w \w\w\w +\d+ \d\d:\d\d:\d\d \d{4}", "MOMENT", text)
    text = text.replace("currnet", "current")
    text = re.sub(r"^( +\w+ +)\d+$", lambda found: found[1].rstrip() + " N", text, flags=re.M)
    text = re.sub(r"(MIN/AVG/MAX  |_buckets:|Count:).*", r"\1 N", text)
    text = re.sub(r"^1\|[\d.|]+$", "ROW", text, flags=re.M)
    return re.sub(r"^\d+$", "NUMBER", text, flags=re.M)


def answers(cluster):
    """{arguments: [exit status, standard output, standard error]} of COMPARED, one after the other; those that come again have a number."""
    first = cluster.nodes[0]
    first.output("attach", "test.tdb")
    head = "".join(f"\\{byte:02X}" for byte in struct.pack("<QIIII", 9, 1, 0, 0x0F070003, 0))
    words = f"create {cluster.top}/plain.tdb\ninsert short v\ninsert flags {head}x\nquit\n"
    subprocess.run(["tdbtool"], input=words, text=True, stdout=subprocess.DEVNULL, timeout=PATIENCE, check=True)
    (first.base / "natgw_nodes").write_text(f"{cluster.addresses[1]}\n{cluster.addresses[0]} follower-only\n")
    (first.base / "script.options").write_text(f"CTDB_NATGW_NODES={first.base}/natgw_nodes\n")
    if cluster.kind == "debian":
        (first.base / "functions").symlink_to("/etc/ctdb/functions")
    found = {}
    for arguments in COMPARED:
        status, out, err = first.ctdb(*arguments.replace("TOP", str(cluster.top)).split())
        name = arguments
        while name in found:
            name += "'"
        found[name] = [status, neutral(out, cluster), neutral(err, cluster)]
    cluster.nodes[0].output("-n", "2", "continue")
    return found


def compare(tally, mine, theirs, whose):
    for arguments in mine:
        with tally.guard(f"ctdb {arguments}"):
            if arguments == "listvars":  # of those that mean something here
                lines = mine[arguments][1].splitlines()
                require(len(lines) == 10 and set(lines) <= set(theirs[arguments][1].splitlines()), f"ours lists {lines}")
                tally.passed(f"ctdb {arguments}", quiet=True)
                continue
            require(mine[arguments] == theirs.get(arguments), f"ours gives {mine[arguments]}, {whose} {theirs.get(arguments)}")
            tally.passed(f"ctdb {arguments}", quiet=True)


def record():
    with Cluster("debian") as debians:
        debians.await_settled()
        RECORDING.write_text(json.dumps(answers(debians), indent=1) + "\n")
    with Cluster("debian") as debians:
        debians.await_settled()
        debians.nodes[0].output("attach", "test.tdb")
        RELOADING.write_text(json.dumps(reloaded(debians), indent=1) + "\n")


# What each test does


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
    for node in cluster.nodes:
        node.signal(signal.SIGKILL)
    await_that(lambda: not cluster.processes(), "what a daemon has started outlives it")
    for node in cluster.nodes:
        node.start()
    cluster.await_settled()
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


def cluster_hash(addresses):
    value = 0xCBF29CE484222325
    for byte in ("1024" + "".join(f" {pnn}={address}" for pnn, address in enumerate(addresses))).encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def packet(kind, body, size=None):
    return struct.pack("<IB", len(body) if size is None else size, kind) + body


def hello(cluster, sender, receiver, kind, hashed=None):
    """As node.idl has it, with the head of the record that stands in the corpus."""
    seed = (TOP / "ctdb/protocol/corpus/stream").read_bytes()
    head = seed[6:14]
    return packet(HELLO, head + struct.pack("<IIQI4xQ", sender, receiver, 1, kind, cluster_hash(cluster.addresses) if hashed is None else hashed))


def refused(cluster, node, source, words):
    """The node ends the connection."""
    with socket.socket() as connection:
        connection.bind((source, 0))
        connection.settimeout(10)
        connection.connect((node.address, PORT))
        try:
            connection.sendall(words)
            return connection.recv(1) == b""
        except OSError:
            return True


# The loopback has all of 127/8. The nodes that speak here are those of the cluster, as a broken one would.
def strangers(cluster):
    node, peer = cluster.nodes[0], cluster.addresses[1]
    keepalive = (TOP / "ctdb/protocol/corpus/message1_1").read_bytes()
    frame = (TOP / "ctdb/protocol/corpus/message5_1").read_bytes()
    bulk, urgent = hello(cluster, 1, 0, BULK), hello(cluster, 1, 0, URGENT)
    cases = {
        "is not listed in `nodes`": ("127.0.0.99", bulk),
        "no hello at the start": (peer, packet(MESSAGE, keepalive)),
        "a malformed hello": (peer, packet(HELLO, b"\1\0\0\0")),
        "a hello of another node": (peer, hello(cluster, 2, 0, BULK)),
        "a second hello": (peer, bulk + bulk),
        "a node whose `nodes` differs": (peer, hello(cluster, 1, 0, BULK, 7)),
        "a packet of unknown kind 77": (peer, packet(77, b"")),
        "a packet of 16777216 bytes": (peer, bulk + packet(MESSAGE, b"", 16777216)),
        "a packet on the urgent connection": (peer, urgent + packet(CATALOGUE, b"")),
        "a malformed message": (peer, bulk + packet(MESSAGE, b"\0" * 40)),
        "a message of another node": (peer, bulk + packet(MESSAGE, frame)),
        "a malformed packet": (peer, bulk + packet(ASK, b"\xff" * 20)),
    }
    with socket.socket() as silent:
        silent.bind((peer, 0))
        silent.connect((node.address, PORT))
        for complaint, (source, words) in cases.items():
            require(refused(cluster, node, source, words), f"not refused: {complaint}")
            await_that(lambda text=complaint: node.logged(text), f"not logged: {complaint}")
        await_that(lambda: node.logged("says nothing"), "who says nothing keeps its connection")
    cluster.await_settled()


# How many bytes a process of user nobody is told; in a process, since threads share their user.
def heard_as_nobody(path):
    child = os.fork()
    if child == 0:
        heard = 100
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
                client.settimeout(10)
                client.connect(path)
                heard = len(client.recv(50))
        except ConnectionResetError:
            heard = 0
        finally:
            os._exit(heard)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# The local socket: anybody can reach it, and only root and the daemon's user are heard.
def local_processes(cluster):
    node = cluster.nodes[0]
    path = str(node.base / "run/ctdbd.socket")
    require(heard_as_nobody(path) == 0, "a process without rights is not refused")
    await_that(lambda: node.logged("of user 65534: it has no right"), "a process without rights is not logged")
    seed = (TOP / "ctdb/protocol/corpus/request").read_bytes()
    for words in (b"x", b"\0" * 100, seed[:-3], b"\xff" * 60000):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(10)
            client.connect(path)
            client.send(words)
            require(client.recv(10) == b"", "a malformed request is answered")
    await_that(lambda: node.logged("refused a malformed request"), "a malformed request is not logged")
    require(node.output("ping").startswith("response from 0"), "the daemon does not answer any more")


# Tunables, roles and the rest that administrators ask for: not only said, but done.


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
        with tally.case("transactions on persistent databases"):
            persistent(ours)
        with tally.case("20 000 records in a transaction; backups between Debian's tool and ours"):
            backups(ours)
        with tally.case("transactions while nodes die, and then all"):
            persistent_deaths(ours)
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
