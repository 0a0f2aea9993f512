"""Clusters of ctdbd with public addresses, ours or Debian's: each node a machine of its own, a network namespace with a private link (eth0) among the nodes and a public one (eth1), to
which a client machine is connected too. To be used inside isolation.run(network=True): when the processes that hold the namespaces end, all of it is gone."""

import os
import pathlib
import shutil
import subprocess

from cluster import TOP, Cluster, Node, await_that
from report import require

PUBLIC = ["10.66.1.1/24", "10.66.1.2/24", "10.66.1.3/24", "fd66::1/64"]


def tell(*words):
    subprocess.run(words, check=True, capture_output=True)


class Machine:
    """A network namespace. Its interfaces are the ends of veth pairs whose other ends are ports of a bridge."""

    def __init__(self, name):
        self.name = name
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        ours = os.readlink("/proc/thread-self/ns/net")
        await_that(lambda: os.path.basename(os.readlink(f"/proc/{self.holder.pid}/exe")) == "sleep", "no namespace")
        require(os.readlink(f"/proc/{self.holder.pid}/ns/net") != ours, "no namespace of its own")
        self.prefix = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "--"]
        self.tell("ip", "link", "set", "lo", "up")

    def tell(self, *words):
        tell(*self.prefix, *words)

    def ask(self, *words):
        return subprocess.run([*self.prefix, *words], capture_output=True, text=True, check=True).stdout

    def connect(self, interface, bridge, *addresses):
        port = f"{self.name}-{interface}"
        tell("ip", "link", "add", port, "type", "veth", "peer", "name", interface, "netns", str(self.holder.pid))
        tell("ip", "link", "set", port, "master", bridge, "up")
        self.tell("sysctl", "-q", "-w", f"net.ipv6.conf.{interface}.accept_dad=0")
        for address in addresses:
            self.tell("ip", "address", "add", address, "dev", interface)
        self.tell("ip", "link", "set", interface, "up")

    def cut(self, *interfaces):
        """Nothing passes any more, and the link stays up."""
        for interface in interfaces:
            tell("ip", "link", "set", f"{self.name}-{interface}", "nomaster")

    def mend(self, interface, bridge):
        tell("ip", "link", "set", f"{self.name}-{interface}", "master", bridge)

    def end(self):
        self.holder.kill()
        self.holder.wait()


class Network:
    """Two bridges, the nodes' machines and a client's. Several clusters may be on it, each with addresses of its own."""

    def __init__(self, size=3):
        for bridge in ("private", "public"):
            tell("ip", "link", "add", bridge, "type", "bridge")
            tell("ip", "link", "set", bridge, "up")
        self.client = Machine("client")
        self.client.connect("eth1", "public", "10.66.1.100/24", "fd66::100/64")
        self.machines = [Machine(f"n{pnn}") for pnn in range(size)]
        for machine in self.machines:
            machine.connect("eth0", "private")
            machine.connect("eth1", "public")

    def join(self):
        """This namespace reaches every machine."""
        for number, bridge in enumerate(("private", "public")):
            tell("ip", "address", "replace", f"10.{65 + number}.{number}.254/24", "dev", bridge)

    def end(self):
        for machine in (*self.machines, self.client):
            machine.end()


class PublicNode(Node):
    def __init__(self, cluster, pnn):
        super().__init__(cluster, pnn)
        self.machine = cluster.network.machines[pnn]
        self.machine.tell("ip", "address", "replace", f"{self.address}/24", "dev", "eth0")
        self.prefix = self.machine.prefix
        self.tunables = ""

    def write_files(self):
        super().write_files()
        (self.base / "ctdb.tunables").write_text(self.tunables)
        (self.base / "public_addresses").write_text("".join(f"{address} eth1\n" for address in self.cluster.public[self.pnn]))
        scripts = self.cluster.scripts()
        for name in self.cluster.script_names:
            target = self.base / "events/legacy" / f"{name}.script"
            if self.cluster.kind == "debian":
                target.symlink_to(scripts / f"{name}.script")
            else:
                shutil.copy(scripts / f"{name}.script", target)
        if self.cluster.kind == "debian":
            (self.base / "functions").symlink_to("/etc/ctdb/functions")
            (self.base / "notify.sh").symlink_to("/etc/ctdb/notify.sh")
            # Their script asks it for the link, which a veth has.
            (self.base / "bin").mkdir()
            (self.base / "bin/ethtool").write_text("#!/bin/sh\necho 'Link detected: yes'\n")
            (self.base / "bin/ethtool").chmod(0o755)
        trace = self.base / "events/legacy/02.trace.script"
        trace.write_text(f"#!/bin/sh\necho \"$@\" >>{self.base}/events.log\n[ ! -e {self.base}/fail.$1 ] || {{ echo told to fail; exit 1; }}\n")
        trace.chmod(0o755)

    def environment(self):
        return dict(super().environment(), PATH=os.environ["PATH"] + f":{self.base}/bin")

    def events(self):
        try:
            return (self.base / "events.log").read_text().splitlines()
        except FileNotFoundError:
            return []

    def has(self, address):
        """Whether the machine has the address (without its mask) on an interface."""
        return f" {address}/" in self.machine.ask("ip", "-o", "address", "show", "dev", "eth1")


class PublicCluster(Cluster):
    """`network`: one that is there, on which other clusters may be too; the nodes' private addresses begin with 10.65.0.`first`. It is not ended with the cluster."""

    def __init__(self, kind, preset="release", size=3, public=None, script_names=("10.interface",), network=None, first=1):
        self.public = public or [PUBLIC] * size
        self.script_names = script_names
        self.network, self.own_network, self.first = network or Network(size), network is None, first
        self.client = self.network.client
        super().__init__(kind, preset, size)

    def make_addresses(self, size):
        return [f"10.65.0.{pnn + self.first}" for pnn in range(size)]

    def make_node(self, pnn):
        return PublicNode(self, pnn)

    def scripts(self):
        return TOP / "ctdb/events/scripts" if self.kind == "atoll" else pathlib.Path("/usr/share/ctdb/events/legacy")

    def end(self):
        super().end()
        if self.own_network:
            self.network.end()
