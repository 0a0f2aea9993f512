"""Clusters of ctdbd on loopback, ours or Debian's, each node with a CTDB_BASE of its own. To be used inside isolation.run(network=True): the port is fixed."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from accounts import HarnessError
from report import Failure, require

TOP = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = 30
FIRST_ADDRESS = {"atoll": 41, "debian": 31}


def await_that(condition, complaint, patience=PATIENCE):
    """Waits until condition() is true, and gives what it gave."""
    deadline = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failure(complaint() if callable(complaint) else complaint)
        time.sleep(0.05)


class Node:
    def __init__(self, cluster, pnn):
        self.cluster, self.pnn = cluster, pnn
        self.base = cluster.top / f"n{pnn}"
        self.address = cluster.addresses[pnn]
        self.log = self.base / "log"
        self.prefix = []  # of every command: where its machine is
        self.programs = {}  # {name: of the program that this node has instead}

    def write_files(self):
        for name in ("run", "events/legacy", "events/notification", "db/v", "db/p", "db/s"):
            (self.base / name).mkdir(parents=True, exist_ok=True)
        (self.base / "nodes").write_text("".join(f"{address}\n" for address in self.cluster.addresses))
        (self.base / "script.options").touch()
        (self.base / "ctdb.conf").write_text(
            f"[logging]\n\tlocation = file:{self.log}\n\tlog level = NOTICE\n[cluster]\n\tnode address = {self.address}\n"
            + (f"\tcluster lock = {self.cluster.lock}\n" if self.cluster.lock else "")
            + f"[database]\n\tvolatile database directory = {self.base}/db/v\n"
            f"\tpersistent database directory = {self.base}/db/p\n\tstate database directory = {self.base}/db/s\n"
            f"[legacy]\n\trealtime scheduling = false\n")

    def environment(self):
        return dict(os.environ, CTDB_BASE=str(self.base), CTDB_TEST_MODE="1", LC_ALL="C", TZ="UTC")

    def program(self, name):
        return self.cluster.program(self.programs.get(name, name))

    def start(self):
        run = subprocess.run([*self.prefix, self.program("ctdbd")], env=self.environment(), capture_output=True, text=True, timeout=PATIENCE)
        require(run.returncode == 0, f"ctdbd of node {self.pnn} does not start: {run.stderr}")

    def pid(self):
        try:
            return int((self.base / "run/ctdbd.pid").read_text())
        except (OSError, ValueError):
            return None

    def processes(self):
        """Of its daemon and all that it started: those with its directory in their environment."""
        return self.cluster.processes(self.base)

    def signal(self, number):
        os.kill(self.pid(), number)

    def ctdb(self, *arguments, timeout=PATIENCE):
        """(exit status, standard output, standard error)"""
        run = subprocess.run([*self.prefix, self.cluster.program("ctdb"), *arguments], env=self.environment(), capture_output=True, text=True, timeout=timeout)
        return run.returncode, run.stdout, run.stderr

    def output(self, *arguments):
        status, out, err = self.ctdb(*arguments)
        require(status == 0, f"node {self.pnn}: ctdb {' '.join(arguments)} ends with {status}: {out}{err}")
        return out.rstrip("\n")

    def states(self):
        """{pnn: "OK" or the flags}, as this node sees them; {} when its daemon does not answer."""
        status, out, _ = self.ctdb("-t", "2", "status")
        if status != 0:
            return {}
        lines = [line.split() for line in out.splitlines() if line.startswith("pnn:")]
        return {int(words[0][4:]): words[2] for words in lines}

    def statistics(self):
        """{name: text} of ctdb statistics."""
        names, values = (line.split("|") for line in self.output("-X", "statistics").strip().splitlines())
        return dict(zip(names, values))

    def logged(self, text):
        return text in self.log.read_text(errors="replace")


class Cluster:
    def __init__(self, kind, preset="release", size=3, lock=None):
        self.kind, self.preset = kind, preset
        self.top = pathlib.Path(tempfile.mkdtemp(prefix=f"atoll-ctdb-{kind}-", dir=os.environ.get("ATOLL_TEST_DIR")))
        self.top.chmod(0o755)
        self.lock = self.top / "lock" if lock is None else lock  # "": there is none
        self.addresses = self.make_addresses(size)
        self.nodes = [self.make_node(pnn) for pnn in range(size)]

    def make_addresses(self, size):
        return [f"127.0.0.{FIRST_ADDRESS[self.kind] + pnn}" for pnn in range(size)]

    def make_node(self, pnn):
        return Node(self, pnn)

    def program(self, name):
        path = shutil.which(name, path="/usr/sbin:/usr/bin") if self.kind == "debian" else TOP / "build" / self.preset / "bin" / name
        if not path or not os.access(path, os.X_OK):
            raise HarnessError(f"{self.kind}'s {name} is not there")
        return str(path)

    def __enter__(self):
        try:
            for node in self.nodes:
                node.write_files()
                node.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_):
        self.end()

    def processes(self, base=None):
        """Of its daemons (or of the one of this CTDB_BASE) and all that they started: those with its directory in their environment."""
        found, wanted = [], f"CTDB_BASE={base}\0" if base else f"CTDB_BASE={self.top}/"
        for entry in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if entry.isdigit() and wanted.encode() in pathlib.Path(f"/proc/{entry}/environ").read_bytes():
                    found.append(int(entry))
        return found

    def end(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
                    os.kill(pid, number)
            deadline = time.monotonic() + 8
            while self.processes() and time.monotonic() < deadline:
                time.sleep(0.05)
        shutil.rmtree(self.top, ignore_errors=True)

    def settled(self, among=None):
        """Every node (of `among`) sees every one of them OK, knows the same leader, and recovers nothing."""
        nodes = [self.nodes[pnn] for pnn in among] if among else self.nodes
        wanted, leaders = {node.pnn for node in nodes}, set()
        for node in nodes:
            status, out, _ = node.ctdb("status")
            states = node.states()
            if status != 0 or "Recovery mode:NORMAL (0)" not in out or f"Size:{len(wanted)}\n" not in out:
                return False
            if any((state == "OK") != (pnn in wanted) for pnn, state in states.items()):
                return False
            leaders.add(out.rpartition("Leader:")[2].strip())
        return len(leaders) == 1 and leaders != {"UNKNOWN"}

    def await_settled(self, among=None):
        await_that(lambda: self.settled(among), lambda: f"the cluster does not settle: {[node.ctdb('status') for node in self.nodes]}")

    def leader(self, at=0):
        return int(self.nodes[at].output("leader"))
