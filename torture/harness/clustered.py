"""Several smbds that are one server, ours or Debian's: a cluster of ctdbd with public addresses (public_cluster.py), on each node an smbd with `clustering = yes`, and directories that all
of them share. To be used inside isolation.run(network=True); the harness's own namespace reaches every node by its private address."""

import subprocess

from accounts import ALL, USER1
from public_cluster import PublicCluster
from report import require
from server import Server

PORT = 445
NAME = "ATOLLCLUSTER"


class ClusteredServer(Server):
    """The smbd of one node. What describes accounts is the same on all nodes, as an administrator keeps it: of ours one directory, of Debian's persistent databases of the cluster. Nodes have one
    kernel here, each of which would tell of what the others change."""

    def __init__(self, cluster, node, shares, options):
        private = {"private dir": cluster.top / "private"} if cluster.kind == "atoll" else {}
        cluster_options = {"netbios name": NAME, "clustering": "yes", "ctdbd socket": node.base / "run/ctdbd.socket", "bind interfaces only": "no", "interfaces": "eth0 eth1"}
        super().__init__(cluster.kind, shares=shares, options={"kernel change notify": "no", **options, **private, **cluster_options}, users=tuple(ALL.values()), preset=cluster.preset, port=cluster.port,
                         host=node.address, prefix=node.prefix)
        self.cluster, self.node = cluster, node

    def program(self, name):
        return super().program(self.node.programs.get(name, name))

    def add_user(self, user):
        if self.node.pnn == 0:
            super().add_user(user)


class ServerCluster(PublicCluster):
    """`more`: of PublicCluster. Servers of two clusters on one network need different ports."""

    def __init__(self, preset="release", size=3, shares=None, options=None, kind="atoll", port=PORT, **more):
        super().__init__(kind, preset, size, **more)
        self.port = port
        (self.top / "private").mkdir(mode=0o700)
        self.shared = {}
        for name, settings in (shares or {"share": {}}).items():
            path = self.top / "shared" / name
            path.mkdir(parents=True)
            path.chmod(0o777)
            self.shared[name] = {**settings, "path": path}
        self.options = options or {}
        self.servers = []
        self.network.join()

    def __enter__(self):
        super().__enter__()
        try:
            self.await_settled()
            self.servers = [self.make_server(node) for node in self.nodes]
            for server in self.servers:
                server.prepare()
                server.start()
        except BaseException:
            self.end()
            raise
        return self

    def make_server(self, node):
        return ClusteredServer(self, node, self.shared, self.options)

    def path(self, share):
        return self.shared[share]["path"]

    def problems(self):
        return [problem for server in self.servers for problem in server.problems()]

    def end(self):
        for server in self.servers:
            server.kill()
        super().end()
        for server in self.servers:
            server.remove()

    def __exit__(self, kind, value, trace):
        problems = self.problems()
        self.end()
        if kind is None:
            require(not problems, "\n".join(problems))

    def smbstatus(self, pnn, *arguments):
        """(exit status, output) of our smbstatus on that node."""
        run = subprocess.run([self.program("smbstatus"), "-s", str(self.servers[pnn].conf), *arguments], capture_output=True, text=True, timeout=60)
        return run.returncode, run.stdout + run.stderr

    def smbclient(self, pnn, command, share="share", user=USER1):
        """(exit status, output) of Debian's smbclient at that node."""
        run = subprocess.run(["smbclient", f"//{self.nodes[pnn].address}/{share}", "-p", str(self.port), "-U", user.credentials, "-c", command], capture_output=True, text=True, timeout=60,
                             errors="replace", cwd=self.top)
        return run.returncode, run.stdout + run.stderr


def between_nodes(cluster):
    """What the nodes' daemons have said to each other so far, by ctdb statistics: {what: how many}; without keepalives, and what the leader answers them with."""
    total, leader = {}, int(cluster.nodes[0].output("leader"))
    for node in cluster.nodes:
        counted = node.statistics()
        seen = {name: int(counted[name]) for name in ("node.req_call", "node.req_dmaster", "node.reply_dmaster", "node.reply_error", "node.req_message", "node.req_control")}
        seen["packets of members"] = int(counted["node_packets_sent"]) - int(counted["keepalive_packets_sent"]) if node.pnn != leader else 0
        for name, value in seen.items():
            total[name] = total.get(name, 0) + value
    return total
