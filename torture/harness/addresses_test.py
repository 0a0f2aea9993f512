#!/usr/bin/env python3
"""Three ctdbd of ours, each on a machine (network namespace) of its own, with public addresses and a client: daemons are killed, cut off, stopped, become unhealthy; each address is served
once and never twice, and the client whose server is lost is told.

    addresses_test.py [--preset release]
    addresses_test.py --record

Our tool prints what Debian's does on three of Debian's daemons (torture/expected/debian-4.17/ctdb_addresses.json).
"""

import argparse
import json
import re
import signal
import subprocess
import sys
import threading
import time

import isolation
import report
from cluster import TOP, await_that
from public_cluster import PUBLIC, PublicCluster
from report import require

ADDRESSES = [address.partition("/")[0] for address in PUBLIC]
FOUR = ADDRESSES[0]
SERVER = "import socket, sys\ns = socket.socket(socket.AF_INET6)\ns.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)\ns.bind(('::', 4450))\ns.listen(64)\nheld = []\nprint('ready', flush=True)\nwhile True:\n held.append(s.accept())\n"
ACK, RST = 0x10, 0x04


RECORDING = TOP / "torture/expected/debian-4.17/ctdb_addresses.json"
# Which node has which address, and which interface is in use, is each cluster's own.
COMPARED = [
    "ip", "ip -v", "-X ip", "-X ip -v", "-Y ip", "ip all", "-v ip all", "ip x", "-n 1 ip", "-n 1 ip -v", "-n 9 ip", "ipinfo 10.66.1.1", "ipinfo fd66::1", "ipinfo 10.66.1.9", "ipinfo x", "ipinfo",
    "-X ipinfo 10.66.1.1", "ifaces", "-X ifaces", "-n 1 ifaces", "addtickle 10.66.1.100:5000 10.66.1.1:445", "-X gettickles 10.66.1.1 445", "gettickles 10.66.1.1 445",
    "gettickles 10.66.1.1 446", "deltickle 10.66.1.100:5000 10.66.1.1:445", "gettickles 10.66.1.1 445", "gettickles x", "gettickles 10.66.1.77", "addtickle fd66::100:5000 fd66::1:445",
    "gettickles fd66::1 445", "addtickle 1.2.3.4:5 nonsense", "tickle 10.66.1.100:5000 10.66.1.1:445", "tickle x y", "event", "event status", "event status legacy", "event status legacy nosuch",
    "event status x monitor", "event status legacy startup", "event script list legacy", "event script list", "event script", "event script list nosuch", "event script disable legacy 02.trace",
    "event script list legacy", "event run 10 legacy monitor", "event status legacy monitor", "event script enable legacy 02.trace", "event script enable legacy nosuch",
    "event script disable legacy nosuch", "event script enable legacy 11.natgw", "event script list legacy", "event run 10 legacy nosuch", "event run 10 legacy monitor", "event status legacy monitor",
    "scriptstatus", "event nosuch", "setifacelink eth7 up", "setifacelink eth1 sideways", "setifacelink eth1", "ipreallocate x", "addip 10.66.1.7/24 eth1",
    "addip 10.66.1.7/24 eth1", "addip x eth1", "addip 10.66.1.8 eth1", "delip 10.66.1.7", "delip 10.66.1.77", "delip x", "moveip x 1", "gratarp 10.66.1.1 eth1", "gratarp x eth1",
]


def neutral(text):
    text = re.sub(r"^(\S*[.:]\S* )-?\d+$", r"\1N", text, flags=re.M)
    text = re.sub(r"^([|:])([0-9a-f.:]+)\1-?\d+\1", r"\1\2\1N\1", text, flags=re.M)
    text = re.sub(r"^([|:]\S+[|:]N)[|:](eth1)?[|:](eth1[|:]eth1[|:])$", r"\1 A \3", text, flags=re.M)
    text = re.sub(r"node\[\d\] active\[\w*\]", "node[N] active[A]", text)
    text = re.sub(r"(CurrentNode:|[Rr]eferences:|\|eth1\|1\|)\d+( \(active\))?", r"\1N", text)
    return re.sub(r"\d+\.\d\d\d \w\w\w \w\w\w +\d+ \d\d:\d\d:\d\d \d{4}", "TIME MOMENT", text)


def answers(cluster):
    """{arguments: [exit status, standard output, standard error]} of COMPARED on node 0, one after the other; those that come again have a number."""
    for node in cluster.nodes:
        provided = node.base / "share/events/legacy"
        provided.mkdir(parents=True)
        for name in ("10.interface", "11.natgw"):
            (provided / f"{name}.script").write_text("#!/bin/sh\nexit 0\n")
            (provided / f"{name}.script").chmod(0o755)
    found = {}
    for arguments in COMPARED:
        status, out, err = cluster.nodes[0].ctdb(*arguments.split())
        while arguments in found:
            arguments += "'"
        found[arguments] = [status, neutral(out), neutral(err)]
    return found


def says_what_debians_does(cluster, _):
    mine, theirs = answers(cluster), json.loads(RECORDING.read_text())
    different = [f"ctdb {arguments}: ours gives {mine[arguments]}, Debian's {theirs.get(arguments)}" for arguments in mine if mine[arguments] != theirs.get(arguments)]
    require(not different, "\n".join(different))


def record():
    with PublicCluster("debian") as debians:
        debians.await_settled()
        await_served(debians)
        time.sleep(3)
        RECORDING.write_text(json.dumps(answers(debians), indent=1) + "\n")


class Wire:
    """What comes to the client's machine: TCP segments and ARP, in a thread whose namespace is the client's."""

    PROGRAM = """
import socket, struct, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("eth1", 0))
print("ready", flush=True)
while True:
    frame, about = s.recvfrom(2000)
    if about[2] == 4: continue
    kind = struct.unpack_from("!H", frame, 12)[0]
    if kind == 0x0806:
        print("arp", time.monotonic(), socket.inet_ntoa(frame[28:32]), socket.inet_ntoa(frame[38:42]), frame[22:28].hex(), flush=True)
    elif kind == 0x0800 and frame[23] == 6:
        at = 14 + (frame[14] & 15) * 4
        print("tcp", time.monotonic(), socket.inet_ntoa(frame[26:30]), *struct.unpack_from("!HHII", frame, at), frame[at + 13], flush=True)
    elif kind == 0x86DD and frame[20] == 6:
        print("tcp", time.monotonic(), socket.inet_ntop(socket.AF_INET6, frame[22:38]), *struct.unpack_from("!HHII", frame, 54), frame[67], flush=True)
    elif kind == 0x86DD and frame[20] == 58 and frame[54] == 136:
        print("arp", time.monotonic(), socket.inet_ntop(socket.AF_INET6, frame[62:78]), socket.inet_ntop(socket.AF_INET6, frame[62:78]), frame[6:12].hex(), flush=True)
"""

    def __init__(self, machine):
        self.process = subprocess.Popen([*machine.prefix, sys.executable, "-c", self.PROGRAM], stdout=subprocess.PIPE, text=True)
        require(self.process.stdout.readline() == "ready\n", "nothing listens to the wire")
        self.lines = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.lines.append(line.split())

    def tickles(self, address, since):
        """Times of ACKs without numbers, as a tickle is."""
        return [float(w[1]) for w in list(self.lines) if w[0] == "tcp" and w[2] == address and int(w[7]) == ACK and w[5:7] == ["0", "0"] and float(w[1]) > since]

    def resets(self, address, since):
        return [float(w[1]) for w in list(self.lines) if w[0] == "tcp" and w[2] == address and int(w[7]) & RST and float(w[1]) > since]

    def announced(self, address, since):
        """Times of gratuitous ARP or neighbour advertisements of the address."""
        return [float(w[1]) for w in list(self.lines) if w[0] == "arp" and w[2] == address and w[3] == address and float(w[1]) > since]

    def end(self):
        self.process.kill()
        self.process.wait()


class Watch:
    """Looks all the time on how many machines each address is."""

    def __init__(self, cluster):
        self.cluster, self.twice, self.stopped = cluster, [], threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.looks = 0
        self.thread.start()

    def look(self):
        while not self.stopped.is_set():
            for address in ADDRESSES:
                # The second look at the first: it may have let go, and the other taken, between the two.
                have = [node for node in self.cluster.nodes if node.has(address)]
                if len(have) > 1 and all(node.has(address) for node in have) and have[0].has(address):
                    self.twice.append((time.monotonic(), address, [node.pnn for node in have]))
            self.looks += 1

    def end(self):
        self.stopped.set()
        self.thread.join()


def holders(cluster):
    return {address: [node.pnn for node in cluster.nodes if node.has(address)] for address in ADDRESSES}


def shown(node):
    """{address: node} as `ctdb ip` has it."""
    return {words[0]: int(words[1]) for words in (line.split() for line in node.output("ip").splitlines()[1:])}


def served(cluster, among):
    """Each address is on one machine of `among`, spread evenly, and all of these nodes say so."""
    have = holders(cluster)
    if any(len(pnns) != 1 or pnns[0] not in among for pnns in have.values()):
        return False
    counts = [sum(pnns == [pnn] for pnns in have.values()) for pnn in among]
    wanted = {address: pnns[0] for address, pnns in have.items()}
    return max(counts) - min(counts) <= 1 and all(shown(cluster.nodes[pnn]) == wanted for pnn in among)


def await_served(cluster, among=(0, 1, 2)):
    await_that(lambda: served(cluster, among), lambda: f"the addresses are not served: {holders(cluster)}, {[node.ctdb('ip') for node in cluster.nodes]}")


class Client:
    """A connection of the client's machine to a public address."""

    def __init__(self, cluster, address):
        self.process = subprocess.Popen(
            [*cluster.client.prefix, sys.executable, "-c",
             "import socket, sys\ns = socket.create_connection((sys.argv[1], 4450), timeout=10)\ns.settimeout(None)\nprint(s.getsockname()[1], flush=True)\n"
             "try:\n r = s.recv(1)\n print('end' if r == b'' else 'data', flush=True)\nexcept ConnectionResetError:\n print('reset', flush=True)\n", address],
            stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def outcome(self, patience=15):
        try:
            return self.process.communicate(timeout=patience)[0].strip()
        except subprocess.TimeoutExpired:
            return "nothing"
        finally:
            self.process.kill()


def serve(cluster):
    """A server of everything on each machine; it outlives ctdbd."""
    servers = []
    for node in cluster.nodes:
        servers.append(subprocess.Popen([*node.prefix, sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True))
        require(servers[-1].stdout.readline() == "ready\n", "no server")
    return servers


def connect_to(cluster, address):
    """A client whose connection all nodes know of."""
    client = Client(cluster, address)
    await_that(lambda: all(f":{client.port} " in node.output("gettickles", address) for node in cluster.nodes if shown(node).get(address) is not None),
               "a connection is not known on all nodes")
    return client


def starts(cluster):
    cluster.await_settled()
    await_served(cluster)
    for node in cluster.nodes:
        events = node.events()
        order = [events.index(event) for event in ("init", "setup", "startup", "monitor")]
        require(order == sorted(order), f"events come in another order: {events}")
        require(any(event.startswith("takeip eth1 ") for event in events), f"no takeip: {events}")
        require(node.ctdb("event", "status", "legacy", "monitor")[0] == 0, "the monitor event is not said to be OK")


# Its supervisor takes the addresses away, and tells the others.
def killed(cluster, wire, tally):
    for address in (FOUR, ADDRESSES[3]):
        node = cluster.nodes[holders(cluster)[address][0]]
        others = [pnn for pnn in range(3) if pnn != node.pnn]
        client = connect_to(cluster, address)
        began = time.monotonic()
        node.signal(signal.SIGKILL)
        await_that(lambda: not node.has(address), "a killed daemon's address stays")
        await_that(lambda: any(cluster.nodes[pnn].has(address) for pnn in others), "a killed daemon's address is not served")
        await_that(lambda: wire.tickles(address, began), "the client is not tickled")
        await_that(lambda: wire.announced(address, began), "the address is not announced")
        outcome = client.outcome()
        require(outcome == "reset", f"the client of a lost server has seen {outcome}")
        report_time = wire.announced(address, began)[0] - began
        print(f"      killed: {address} announced by another node after {report_time:.2f} s, tickle after {wire.tickles(address, began)[0] - began:.2f} s")
        await_served(cluster, others)
        node.start()
        cluster.await_settled()
        await_served(cluster)


# The machine goes on, with its addresses on a dead link: it must give them up by itself.
def cut_off(cluster, wire):
    pnn = next(pnn for pnn in range(3) if pnn != cluster.leader() and any(pnn in have for have in holders(cluster).values()))
    node, others = cluster.nodes[pnn], [other for other in range(3) if other != pnn]
    lost = [address for address, have in holders(cluster).items() if have == [pnn]]
    began = time.monotonic()
    node.machine.cut("eth0")
    await_that(lambda: not any(node.has(address) for address in lost), "a node without a lease keeps its addresses")
    await_served(cluster, others)
    print(f"      cut off: {lost[0]} announced by another node after {wire.announced(lost[0], began)[0] - began:.2f} s")
    node.machine.mend("eth0", "private")
    cluster.await_settled()
    await_served(cluster)


def stands_still(cluster, wire):
    pnn = next(pnn for pnn in range(3) if pnn != cluster.leader() and any(pnn in have for have in holders(cluster).values()))
    node, others = cluster.nodes[pnn], [other for other in range(3) if other != pnn]
    lost = [address for address, have in holders(cluster).items() if have == [pnn]]
    began = time.monotonic()
    node.signal(signal.SIGSTOP)
    try:
        await_served(cluster, others)
        print(f"      stands still: {lost[0]} announced by another node after {wire.announced(lost[0], began)[0] - began:.2f} s")
        require(not any(node.has(address) for address in ADDRESSES), "a node that stands still keeps addresses")
    finally:
        node.signal(signal.SIGCONT)
    cluster.await_settled()
    await_served(cluster)


def unhealthy(cluster, wire):
    node = cluster.nodes[1]
    (node.base / "fail.monitor").touch()
    await_that(lambda: cluster.nodes[0].states()[1] == "UNHEALTHY", "a node whose monitor event fails is not unhealthy")
    await_served(cluster, [0, 2])
    status, out, _ = node.ctdb("event", "status", "legacy", "monitor")
    require(status == 1 and "02.trace             ERROR" in out and "OUTPUT: told to fail" in out, f"the failed event is shown as {status} {out}")
    require(any(event.startswith("releaseip eth1 ") for event in node.events()), "no releaseip")
    (node.base / "fail.monitor").unlink()
    cluster.await_settled()
    await_served(cluster)
    node.machine.tell("ip", "link", "set", "eth1", "down")
    await_that(lambda: cluster.nodes[0].states()[1] == "UNHEALTHY", "a node without its public link is not unhealthy")
    require("name:eth1 link:down" in node.output("ifaces"), "the link is not shown as down")
    node.machine.tell("ip", "link", "set", "eth1", "up")
    cluster.await_settled()
    await_served(cluster)


# What cannot be taken is not claimed, and goes to a node that can.
def cannot_take(cluster, wire):
    node = cluster.nodes[holders(cluster)[FOUR][0]]
    other = cluster.nodes[(node.pnn + 1) % 3]
    (other.base / "fail.takeip").touch()
    cluster.nodes[0].output("-n", str(node.pnn), "disable")
    await_that(lambda: holders(cluster)[FOUR] not in ([], [node.pnn]), "a disabled node's address is not served")
    await_that(lambda: all(have == [3 - node.pnn - other.pnn] for have in holders(cluster).values()) or not any(node.pnn in have for have in holders(cluster).values()),
               "the addresses do not move")
    (other.base / "fail.takeip").unlink()
    cluster.nodes[0].output("-n", str(node.pnn), "enable")
    cluster.await_settled()
    await_that(lambda: served(cluster, [0, 1, 2]), lambda: f"the addresses are not served: {holders(cluster)}", 45)


def administrator(cluster, wire):
    target = next(pnn for pnn in range(3) if [pnn] != holders(cluster)[FOUR])
    client = connect_to(cluster, FOUR)
    began = time.monotonic()
    cluster.nodes[0].output("moveip", FOUR, str(target))
    require(holders(cluster)[FOUR] == [target], "moveip does not move it there")
    require(client.outcome() == "reset", "the client of an address that moves is not reset")
    require(wire.resets(FOUR, began), "no RST on the wire")
    cluster.nodes[0].output("ipreallocate")
    for node in cluster.nodes:
        node.output("addip", "10.66.1.9/24", "eth1")
    await_that(lambda: sum(node.has("10.66.1.9") for node in cluster.nodes) == 1, "an added address is not served once")
    for node in cluster.nodes:
        node.output("delip", "10.66.1.9")
    await_that(lambda: not any(node.has("10.66.1.9") for node in cluster.nodes), "a deleted address stays")
    for node in cluster.nodes:
        (node.base / "public_addresses").write_text("".join(f"{address} eth1\n" for address in [*PUBLIC, "10.66.1.8/24"]))
    cluster.nodes[0].output("reloadips", "all")
    await_that(lambda: sum(node.has("10.66.1.8") for node in cluster.nodes) == 1, "an address of the file that was read again is not served once")
    for node in cluster.nodes:
        (node.base / "public_addresses").write_text("".join(f"{address} eth1\n" for address in PUBLIC))
    cluster.nodes[0].output("reloadips", "all")
    await_that(lambda: not any(node.has("10.66.1.8") for node in cluster.nodes), "an address that the file does not name any more stays")
    await_served(cluster)


# The kernel says that a link has gone, not the next look at it; an address that can be on another of the node's interfaces goes there.
def link_lost(cluster, wire):
    node, ours = cluster.nodes[0], "10.66.1.7"
    (node.base / "script.options").write_text("CTDB_PARTIALLY_ONLINE_INTERFACES=yes\n")
    node.machine.connect("eth2", "public")
    for each in cluster.nodes:
        each.output("setvar", "MonitorInterval", "600")
    node.output("addip", f"{ours}/24", "eth1,eth2")
    node.output("ipreallocate")
    await_that(lambda: node.has(ours) or " eth2 " in node.machine.ask("ip", "-o", "address", "show", "to", ours), "an address that only one node can have is not served")
    at = "eth1" if node.has(ours) else "eth2"
    other = {"eth1": "eth2", "eth2": "eth1"}[at]
    subprocess.run(["ip", "link", "set", f"n0-{at}", "down"], check=True)
    await_that(lambda: f" {other} " in node.machine.ask("ip", "-o", "address", "show", "to", ours), "an address stays on an interface without a link")
    require(f"updateip {at} {other} {ours} 24" in node.events(), f"no updateip: {node.events()[-5:]}")
    await_that(lambda: f"name:{at} link:down" in node.output("ifaces"), "a link that is down is shown as up")
    await_that(lambda: node.states().get(0) == "OK", "a node with another link is unhealthy")
    subprocess.run(["ip", "link", "set", f"n0-{at}", "up"], check=True)
    await_that(lambda: f"name:{at} link:up" in node.output("ifaces"), "the kernel's notice of a link is not heard")
    node.output("delip", ours)
    for each in cluster.nodes:
        each.output("setvar", "MonitorInterval", "1")
    (node.base / "script.options").write_text("")
    cluster.await_settled()
    await_served(cluster)


# NoIPFailback, NoIPTakeover
def held_back(cluster, wire):
    def everywhere(name, value):
        for node in cluster.nodes:
            node.output("setvar", name, value)
    everywhere("NoIPFailback", "1")
    cluster.nodes[0].output("-n", "1", "disable")
    await_served(cluster, [0, 2])
    before = holders(cluster)
    cluster.nodes[0].output("-n", "1", "enable")
    cluster.await_settled()
    cluster.nodes[0].output("recover")
    cluster.await_settled()
    require(holders(cluster) == before, f"with NoIPFailback addresses go back: {before} -> {holders(cluster)}")
    everywhere("NoIPFailback", "0")
    await_served(cluster)
    everywhere("NoIPTakeover", "1")
    lost = [address for address, have in holders(cluster).items() if have == [1]]
    cluster.nodes[0].output("-n", "1", "disable")
    await_that(lambda: not any(holders(cluster)[address] for address in lost), "with NoIPTakeover a disabled node keeps its addresses, or another has them")
    cluster.nodes[0].output("recover")
    require(not any(holders(cluster)[address] for address in lost), "with NoIPTakeover another node takes an address")
    everywhere("NoIPTakeover", "0")
    await_served(cluster, [0, 2])
    cluster.nodes[0].output("-n", "1", "enable")
    cluster.await_settled()
    await_served(cluster)


def shuts_down(cluster, wire):
    node = cluster.nodes[2]
    node.output("shutdown")
    await_that(lambda: not any(node.has(address) for address in ADDRESSES), "a node that was shut down keeps addresses")
    await_served(cluster, [0, 1])
    require(node.events()[-1] == "shutdown", f"the last event is {node.events()[-1]}")


def run(tally, arguments):
    cluster = PublicCluster("atoll", arguments.preset)
    for node in cluster.nodes:
        node.tunables = "MonitorInterval=1\n"
    with cluster:
        wire, servers, watch = Wire(cluster.client), serve(cluster), Watch(cluster)
        try:
            for name, step in (("each address is served once", lambda c, w: starts(c)), ("killed daemons", lambda c, w: killed(c, w, tally)), ("a node that is cut off", cut_off),
                               ("a daemon that stands still, and wakes", stands_still), ("unhealthy nodes", unhealthy), ("an address that cannot be taken", cannot_take),
                               ("moveip, addip, delip, reloadips", administrator), ("the tool says what Debian's does", says_what_debians_does), ("a link is lost: updateip", link_lost),
                               ("NoIPFailback and NoIPTakeover", held_back),
                               ("a node that is shut down", shuts_down)):
                with tally.case(name):
                    step(cluster, wire)
            with tally.case("no address was ever on two machines"):
                require(watch.looks > 20, "nobody looked")
                require(not watch.twice, f"on two machines: {watch.twice[:5]}")
        finally:
            watch.end()
            wire.end()
            for server in servers:
                server.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    parser.add_argument("--record", action="store_true", help="write what Debian's tool says on three of Debian's daemons")
    arguments = parser.parse_args()
    if arguments.record:
        isolation.run(record, network=True)
        return 0
    tally = report.Tally("addresses")
    isolation.run(lambda: run(tally, arguments), network=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
