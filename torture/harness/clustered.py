"""Several of our smbds that are one server: a cluster of ctdbd with public addresses (public_cluster.py), on each node an smbd with `clustering = yes`, and directories that all of them
share. To be used inside isolation.run(network=True); the harness's own namespace reaches every node by its private address."""

import subprocess

from accounts import USER1, USER2
from public_cluster import PublicCluster, tell
from report import require
from server import TOP, Server

PORT = 445
NAME = "ATOLLCLUSTER"


class ClusteredServer(Server):
    """The smbd of one node. What describes accounts is the same on all nodes, as an administrator keeps it: here one directory."""

    def __init__(self, cluster, node, shares, options):
        private = {"private dir": cluster.top / "private", "netbios name": NAME}
        cluster_options = {"clustering": "yes", "ctdbd socket": node.base / "run/ctdbd.socket", "bind interfaces only": "no", "interfaces": "eth0 eth1"}
        super().__init__("atoll", shares=shares, options={**options, **private, **cluster_options}, users=(USER1, USER2), preset=cluster.preset, port=PORT,
                         host=node.address, prefix=node.prefix)
        self.cluster, self.node = cluster, node

    def add_user(self, user):
        if self.node.pnn == 0:
            super().add_user(user)


class ServerCluster(PublicCluster):
    def __init__(self, preset="release", size=3, shares=None, options=None):
        super().__init__("atoll", preset, size)
        (self.top / "private").mkdir(mode=0o700)
        self.shared = {}
        for name, settings in (shares or {"share": {}}).items():
            path = self.top / "shared" / name
            path.mkdir(parents=True)
            path.chmod(0o777)
            self.shared[name] = {**settings, "path": path}
        self.options = options or {}
        self.servers = []
        for number, bridge in enumerate(("private", "public")):
            tell("ip", "address", "add", f"10.{65 + number}.{number}.254/24", "dev", bridge)

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

    def program(self, name):
        return super().program(name) if name in ("ctdbd", "ctdb") else str(TOP / "build" / self.preset / "bin" / name)

    def smbstatus(self, pnn, *arguments):
        """(exit status, output) of our smbstatus on that node."""
        run = subprocess.run([self.program("smbstatus"), "-s", str(self.servers[pnn].conf), *arguments], capture_output=True, text=True, timeout=60)
        return run.returncode, run.stdout + run.stderr

    def smbclient(self, pnn, command, share="share", user=USER1):
        """(exit status, output) of Debian's smbclient at that node."""
        run = subprocess.run(["smbclient", f"//{self.nodes[pnn].address}/{share}", "-p", str(PORT), "-U", user.credentials, "-c", command], capture_output=True, text=True, timeout=60,
                             errors="replace", cwd=self.top)
        return run.returncode, run.stdout + run.stderr
