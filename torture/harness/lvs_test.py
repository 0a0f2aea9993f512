#!/usr/bin/env python3
"""LVS: `ctdb lvs` and 91.lvs.script do what Debian's do on a like cluster, and three ctdbd of ours that run the script have one leader that divides the clients among those that are
healthy. What ipvsadm is asked is written down: this kernel need not have LVS.

    lvs_test.py [--preset release] [--full]    without --full a third of the comparison, another one with each commit
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import isolation
import report
from cluster import PATIENCE, TOP, Cluster, await_that
from conformance import commit_number
from public_cluster import PublicCluster
from report import require

SCRIPTS = {"atoll": TOP / "ctdb/events/scripts", "debian": pathlib.Path("/usr/share/ctdb/events/legacy")}
SHARED = "10.68.1.200"
ARP = [pathlib.Path("/proc/sys/net/ipv4/conf/all") / name for name in ("arp_ignore", "arp_announce")]
# Each of them writes down with what it was called.
STAND_INS = {
    "ipvsadm": "",
    "ethtool": "echo 'Link detected: yes'",
    "ctdb": 'exec {ctdb} "$@"',
}


def stand_in(directory, ctdb):
    directory.mkdir(exist_ok=True)
    for name, more in STAND_INS.items():
        program = directory / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>{directory}/calls\n{more.format(ctdb=ctdb)}\n')
        program.chmod(0o755)


def called(directory):
    """What ipvsadm was asked, and what clients were told."""
    calls = directory / "calls"
    lines = calls.read_text().splitlines() if calls.exists() else []
    return [line for line in lines if line.startswith(("ipvsadm", "ctdb gratarp"))]


def neutral(text, cluster):
    text = text.replace(str(cluster.top), "TOP").replace("/usr/libexec/ctdb", "BIN").replace(str(TOP / "build" / cluster.preset / "bin"), "BIN")
    for pnn, address in enumerate(cluster.addresses):
        text = text.replace(address, f"ADDRESS{pnn}")
    return text


class Look:
    """At a cluster, from its node 0, on which the script is run as its daemon would."""

    def __init__(self, cluster):
        self.cluster, self.node, self.seen = cluster, cluster.nodes[0], {}
        self.base = self.node.base
        self.group = self.base / "lvs_nodes"
        self.stand_ins = self.base / "stand_ins"
        stand_in(self.stand_ins, cluster.program("ctdb"))
        shutil.copy(SCRIPTS[cluster.kind] / "91.lvs.script", self.base / "events/91.lvs.script")
        (self.base / "state").mkdir()
        if cluster.kind == "debian":
            (self.base / "functions").symlink_to("/etc/ctdb/functions")

    def options(self, **values):
        (self.base / "script.options").write_text("".join(f"CTDB_LVS_{name}={value}\n" for name, value in values.items()))

    def members(self, *lines):
        self.group.write_text("".join(re.sub(r"ADDRESS(\d)", lambda found: self.cluster.addresses[int(found[1])], line) + "\n" for line in lines))

    def configure(self):
        self.options(NODES=self.group, PUBLIC_IP=SHARED, PUBLIC_IFACE="eth1")
        self.members("ADDRESS0", "ADDRESS1", "ADDRESS2")

    def tool(self, name, with_errors=True):
        for word in ("leader", "list", "status"):
            status, out, err = self.node.ctdb("lvs", word)
            self.seen[f"{name}: lvs {word}"] = [status, neutral(out, self.cluster), neutral(err, self.cluster) if with_errors else ""]

    def script(self, name, *events):
        environment = dict(self.node.environment(), CTDB=str(self.stand_ins / "ctdb"), PATH=f"{self.stand_ins}:{os.environ['PATH']}",
                           **{name: str(self.base / "state") for name in ("CTDB_STATE", "CTDB_SCRIPT_VARDIR")})
        for event in events:
            (self.stand_ins / "calls").unlink(missing_ok=True)
            run = subprocess.run([self.base / "events/91.lvs.script", event], env=environment, capture_output=True, text=True, timeout=PATIENCE)
            lines = [neutral(line, self.cluster) for line in called(self.stand_ins)]
            self.seen[f"{name}: script {event}"] = [run.returncode, lines, placed(), hidden()]


def placed():
    """The scopes in which the shared address is on this machine."""
    lines = subprocess.run(["ip", "-o", "address", "show", "dev", "lo"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.partition(" scope ")[2].split()[0] for line in lines if f" {SHARED}/32 " in line]


def hidden():
    return [file.read_text().strip() for file in ARP]


def not_configured(look):
    for arguments in ([], ["bogus"], ["leader", "x"]):
        status, out, _ = look.node.ctdb("lvs", *arguments)
        look.seen[f"lvs {' '.join(arguments)}"] = [status, neutral(out, look.cluster)]
    look.tool("not configured")
    look.script("not configured", "startup", "ipreallocated", "monitor", "shutdown")
    look.options(NODES=look.group)
    look.tool("no file")
    look.script("no file", "startup", "ipreallocated", "monitor", "shutdown")
    look.members("ADDRESS0", "ADDRESS1", "ADDRESS2")
    look.script("no address", "startup", "ipreallocated", "monitor", "shutdown")
    look.options(NODES=look.group, PUBLIC_IP=SHARED)
    look.script("no interface", "startup", "ipreallocated", "monitor", "shutdown")
    look.options(NODES=look.group, PUBLIC_IP=SHARED, PUBLIC_IFACE="eth7")
    look.script("another interface", "setup", "monitor")
    look.configure()
    for line in ("ADDRESS0 other words", "ADDRESS0 follower-only x", "ADDRESS0 slave-only"):
        look.members(line, "ADDRESS1")
        look.tool(line)
        look.script(line, "ipreallocated")
    (look.base / "events/legacy/91.lvs.options").write_text(f"CTDB_LVS_NODES={look.base}/other\n")
    look.tool("options of its own")
    (look.base / "events/legacy/91.lvs.options").unlink()


def groups(look):
    look.configure()
    for lines in (["ADDRESS0", "ADDRESS1", "ADDRESS2"], ["ADDRESS2", "ADDRESS1"], ["ADDRESS0 follower-only", "ADDRESS2", "ADDRESS1"], ["ADDRESS0\tfollower-only", "ADDRESS1"],
                  ["#ADDRESS0", "ADDRESS1"], ["10.1.2.3", "ADDRESS1"], ["10.1.2.3"], [], ["ADDRESS0 follower-only", "ADDRESS1 follower-only"]):
        look.members(*lines)
        name = ", ".join(lines)
        look.tool(name)
        look.script(name, "setup", "startup", "ipreallocated", "monitor", "ipreallocated", "shutdown", "shutdown")
    look.options(NODES=look.group, PUBLIC_IP=SHARED)
    look.script("a follower without an interface", "setup", "startup", "ipreallocated", "monitor", "shutdown")
    look.configure()
    look.script("events that are not of its business", "init", "takeip", "releaseip", "updateip", "recovered", "bogus")


def await_state(look, pnn, wanted):
    await_that(lambda: look.node.states().get(pnn) == wanted, lambda: f"node {pnn} is not {wanted}: {look.node.states()}")


def states(look):
    """Of the nodes, one after the other."""
    look.configure()
    node = look.node
    for pnn in range(3):
        node.output("-n", str(pnn), "disable")
        await_state(look, pnn, "DISABLED")
        look.tool(f"{pnn + 1} disabled")
        look.script(f"{pnn + 1} disabled", "ipreallocated")
    for pnn in range(3):
        node.output("-n", str(pnn), "enable")
    look.cluster.await_settled()
    node.output("-n", "1", "stop")
    look.tool("a stopped node")
    node.output("-n", "1", "continue")
    look.cluster.await_settled()
    for failing in look.cluster.nodes[:2]:
        script = failing.base / "events/legacy/05.fail.script"
        script.write_text("#!/bin/sh\n[ $1 != monitor ]\n")
        script.chmod(0o755)
        failing.output("setvar", "MonitorInterval", "1")
        await_state(look, failing.pnn, "UNHEALTHY")
    look.tool("two unhealthy")
    look.script("two unhealthy", "ipreallocated")
    node.output("-n", "2", "disable")
    await_state(look, 2, "DISABLED")
    look.tool("nobody healthy")
    look.script("nobody healthy", "ipreallocated")
    look.members("ADDRESS0 follower-only", "ADDRESS1", "ADDRESS2")
    look.tool("nobody healthy, and the first only follows")
    look.cluster.nodes[1].output("shutdown")
    await_state(look, 1, "DISCONNECTED|UNHEALTHY|INACTIVE")
    look.tool("one shut down")
    node.output("shutdown")
    await_that(lambda: node.pid() is None, "the daemon stays")
    look.tool("no daemon", with_errors=False)


STEPS = (not_configured, groups, states)


def looked(kind, preset, steps):
    with Cluster(kind, preset) as cluster:
        cluster.await_settled()
        look = Look(cluster)
        for file in ARP:
            file.write_text("0")
        for step in steps:
            step(look)
        subprocess.run(["ip", "address", "del", f"{SHARED}/32", "dev", "lo"], capture_output=True)
        return look.seen


def compare(tally, preset, steps):
    for step in STEPS:
        if step not in steps:
            print(f"# left out of this sample: {step.__name__}", flush=True)
    subprocess.run("ip link add eth1 type veth peer name other && ip link set other up && ip link set eth1 up", shell=True, check=True)
    with tally.guard("beside Debian's"):
        theirs, ours = looked("debian", preset, steps), looked("atoll", preset, steps)
        require(list(ours) == list(theirs), "not the same was asked")
        for name, answer in ours.items():
            with tally.guard(name):
                require(answer == theirs[name], f"ours gives {answer}, Debian's {theirs[name]}")
                tally.passed(name, quiet=True)


class LvsCluster(PublicCluster):
    def __init__(self, preset):
        super().__init__("atoll", preset, script_names=("10.interface", "91.lvs"))
        for node in self.nodes:
            node.tunables = "MonitorInterval=1\n"
            write, environment = node.write_files, node.environment
            node.write_files = lambda node=node, write=write: (write(), self.configure(node))
            node.environment = lambda node=node, environment=environment: dict(environment(), PATH=f"{node.base}/stand_ins:{os.environ['PATH']}")

    def configure(self, node):
        stand_in(node.base / "stand_ins", self.program("ctdb"))
        group = node.base / "lvs_nodes"
        group.write_text(f"{self.addresses[0]}\n{self.addresses[1]}\n{self.addresses[2]} follower-only\n")
        (node.base / "script.options").write_text(f"CTDB_LVS_NODES={group}\nCTDB_LVS_PUBLIC_IP={SHARED}\nCTDB_LVS_PUBLIC_IFACE=eth1\n")

    def divides(self, pnn):
        """Among whom: the table that ipvsadm would have; None: it has none."""
        table = None
        for line in called(self.nodes[pnn].base / "stand_ins"):
            words = line.split()
            if words[1:3] == ["-D", "-t"]:
                table = None
            elif words[1:3] == ["-A", "-t"]:
                table = []
            elif words[1:3] == ["-a", "-t"]:
                table.append(pnn if words[5] == "127.0.0.1" else self.addresses.index(words[5]))
        return table and sorted(table)

    def scope(self, pnn):
        found = re.search(rf" {SHARED}/32 scope (\w+)", self.nodes[pnn].machine.ask("ip", "-o", "address", "show", "dev", "lo"))
        return found[1] if found else None

    def await_division(self, leader, among, followers):
        def there():
            return self.divides(leader) == among and self.scope(leader) == "global" and all(self.divides(pnn) is None and self.scope(pnn) == "host" for pnn in followers)
        await_that(there, lambda: f"divided: {[self.divides(pnn) for pnn in range(3)]}, scopes: {[self.scope(pnn) for pnn in range(3)]}")


def serves(cluster):
    cluster.await_division(0, [0, 1, 2], (1, 2))
    cluster.nodes[0].output("-n", "1", "disable")
    cluster.await_division(0, [0, 2], (1, 2))
    cluster.nodes[0].output("-n", "1", "enable")
    cluster.await_division(0, [0, 1, 2], (1, 2))


def leader_dies(cluster):
    cluster.nodes[0].signal(signal.SIGKILL)
    cluster.nodes[0].machine.cut("eth0", "eth1")
    cluster.await_division(1, [1, 2], (2,))


# The one that only follows never leads.
def nobody_leads(cluster):
    cluster.nodes[1].output("disable")
    await_that(lambda: cluster.nodes[2].ctdb("lvs", "leader")[0] == 255 and cluster.divides(1) is None and cluster.scope(1) == "host", lambda: f"node 1 divides {cluster.divides(1)}")
    require(cluster.nodes[2].output("lvs", "list") == f"2 {cluster.addresses[2]}" and cluster.divides(2) is None, "the follower leads")
    cluster.nodes[1].output("enable")
    cluster.await_division(1, [1, 2], (2,))


def shuts_down(cluster):
    cluster.nodes[1].output("shutdown")
    await_that(lambda: cluster.scope(1) is None and cluster.divides(1) is None, "a node that was shut down keeps the address")


def run(tally, arguments):
    compare(tally, arguments.preset, STEPS if arguments.full else [STEPS[commit_number() % len(STEPS)]])
    with LvsCluster(arguments.preset) as cluster:
        cluster.await_settled()
        for name, step in (("the leader divides clients among the healthy nodes", serves), ("the leader dies", leader_dies), ("nobody may lead", nobody_leads), ("it is shut down", shuts_down)):
            with tally.case(name):
                step(cluster)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    parser.add_argument("--full", action="store_true")
    arguments = parser.parse_args()
    tally = report.Tally("LVS")
    isolation.run(lambda: run(tally, arguments), network=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
