#!/usr/bin/env python3
"""The NAT gateway (11.natgw.script, `ctdb natgw`) of three ctdbd of ours, each on a machine of its own: a node without a way of its own reaches the outside through the gateway, and goes
on when the gateway dies.

    natgw_test.py [--preset release]
"""

import argparse
import signal
import subprocess
import sys

import isolation
import report
from cluster import await_that
from public_cluster import PublicCluster
from report import require

OUTSIDE, GATEWAY = "10.99.0.1", "10.66.1.200"
SERVER = f"import socket\ns = socket.create_server(('{OUTSIDE}', 5000))\nprint('ready', flush=True)\nwhile True:\n c, a = s.accept()\n c.sendall(a[0].encode())\n c.close()\n"
CLIENT = f"import socket\nprint(socket.create_connection(('{OUTSIDE}', 5000), timeout=5).recv(100).decode())\n"


class NatCluster(PublicCluster):
    """Public addresses are only on node 0, so that the others have no way out but the gateway."""

    def __init__(self, preset):
        super().__init__("atoll", preset, public=[["10.66.1.1/24"], [], []], script_names=("10.interface", "11.natgw"))
        self.client.tell("ip", "address", "add", f"{OUTSIDE}/32", "dev", "lo")
        for node in self.nodes:
            node.tunables = "MonitorInterval=1\n"
            write = node.write_files
            node.write_files = lambda node=node, write=write: (write(), self.configure(node))

    def configure(self, node):
        group = node.base / "natgw_nodes"
        group.write_text(f"{self.addresses[0]}\n{self.addresses[1]}\n{self.addresses[2]} follower-only\n")
        (node.base / "script.options").write_text(
            f"CTDB_NATGW_NODES={group}\nCTDB_NATGW_PRIVATE_NETWORK=10.65.0.0/24\nCTDB_NATGW_PUBLIC_IP={GATEWAY}/24\nCTDB_NATGW_PUBLIC_IFACE=eth1\nCTDB_NATGW_DEFAULT_GATEWAY=10.66.1.100\n")


def gateways(cluster):
    return [node.pnn for node in cluster.nodes if node.has(GATEWAY)]


def seen_as(node):
    """As whom the outside sees a connection of the node; why it does not."""
    run = subprocess.run([*node.prefix, sys.executable, "-c", CLIENT], capture_output=True, text=True, timeout=30)
    return run.stdout.strip() or run.stderr.strip().rpartition("\n")[2]


def placed(cluster, leader, among):
    if gateways(cluster) != [leader]:
        return False
    wanted = f"{leader} {cluster.addresses[leader]}\n"
    return all(cluster.nodes[pnn].ctdb("natgw", "leader")[:2] == (0, wanted) for pnn in among)


def describe(cluster):
    return f"gateways: {gateways(cluster)}, {[node.ctdb('natgw', 'list') for node in cluster.nodes]}, {[node.machine.ask('ip', 'route') for node in cluster.nodes]}"


def starts(cluster):
    await_that(lambda: placed(cluster, 0, (0, 1, 2)), lambda: describe(cluster))
    for pnn in (1, 2):
        node = cluster.nodes[pnn]
        await_that(lambda node=node: f"default via {cluster.addresses[0]} dev eth0 metric 10" in node.machine.ask("ip", "route"), lambda: describe(cluster))
        await_that(lambda node=node: seen_as(node) in (GATEWAY, "10.66.1.1"), lambda node=node: f"node {node.pnn} is seen as {seen_as(node)}: {describe(cluster)}")
    require("default via 10.66.1.100 dev eth1 metric 10" in cluster.nodes[0].machine.ask("ip", "route"), "the gateway has no way out")


def dies(cluster):
    cluster.nodes[0].signal(signal.SIGKILL)
    cluster.nodes[0].machine.cut("eth0", "eth1")  # with what it had put up: the machine is dead to the others
    wanted = f"1 {cluster.addresses[1]}\n"
    await_that(lambda: all(cluster.nodes[pnn].ctdb("natgw", "leader")[:2] == (0, wanted) for pnn in (1, 2)) and cluster.nodes[1].has(GATEWAY), lambda: describe(cluster))
    await_that(lambda: seen_as(cluster.nodes[2]) == GATEWAY, lambda: f"node 2 is seen as {seen_as(cluster.nodes[2])}: {describe(cluster)}")


# The follower-only node never becomes it.
def nobody(cluster):
    cluster.nodes[1].output("disable")
    await_that(lambda: cluster.nodes[2].ctdb("natgw", "leader")[0] == 2 and not cluster.nodes[1].has(GATEWAY), lambda: describe(cluster))
    await_that(lambda: "metric 10" not in cluster.nodes[2].machine.ask("ip", "route"), "without a gateway there is a route to one")
    cluster.nodes[1].output("enable")
    await_that(lambda: seen_as(cluster.nodes[2]) == GATEWAY, lambda: describe(cluster))


def shuts_down(cluster):
    cluster.nodes[1].output("shutdown")
    await_that(lambda: not cluster.nodes[1].has(GATEWAY), "a node that was shut down keeps the gateway's address")
    require("MASQUERADE" not in cluster.nodes[1].machine.ask("iptables", "-t", "nat", "-S"), "a node that was shut down goes on translating")


def run(tally, arguments):
    with NatCluster(arguments.preset) as cluster:
        server = subprocess.Popen([*cluster.client.prefix, sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
        try:
            require(server.stdout.readline() == "ready\n", "no server outside")
            cluster.await_settled()
            for name, step in (("followers reach the outside through the gateway", starts), ("the gateway dies", dies), ("nobody may be it", nobody), ("it is shut down", shuts_down)):
                with tally.case(name):
                    step(cluster)
        finally:
            server.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    arguments = parser.parse_args()
    tally = report.Tally("NAT gateway")
    isolation.run(lambda: run(tally, arguments), network=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
