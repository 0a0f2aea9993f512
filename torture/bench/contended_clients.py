"""Clients of three nodes that open and close the same at the same time: by way of our smbd and ctdbd, and of Debian's, on the same machines in the same run."""

import concurrent.futures
import contextlib
import json
import os
import pwd
import statistics
import subprocess
import time
from dataclasses import dataclass

import accounts
from accounts import USER1, USER2
from cluster import TOP, await_that
from clustered import ServerCluster, between_nodes
from public_cluster import Network
from report import Failure, require

KINDS = ("debian", "atoll")
NODES = 3
FILES = 200  # of each directory
PORTS = {"atoll": 445, "debian": 1445}
FIRST_ADDRESSES = {"atoll": 1, "debian": 11}
PATIENCE = 60
VACUUMED = 5  # seconds after which what a session has left is gone from all nodes
# Of both kinds; what the leader and the recovery daemons tell each other all the time is not among them.
ABOUT_RECORDS = ("node.req_call", "node.req_dmaster", "node.reply_call", "node.reply_dmaster", "node.reply_error", "node.req_message")


@dataclass(frozen=True)
class Work:
    """One row: what the client of each node does, `depth` in flight. {node} in `directory` is its node's number."""
    title: str
    workload: str
    directory: str = "common"
    files: int = 1
    depth: int = 16
    wanted: float = 0  # ratio of ours to Debian's


ROOT = Work("open + close of the share's root x 16", "open-close-root")
WORKS = [
    ROOT,
    Work("open + close of one file x 16", "open-close"),
    Work("open + close of different files x 16", "open-close", directory="own{node}", files=FILES),
    Work("opens of one file that exclude each other", "open-exclude", depth=1, wanted=3),
]


class Contenders:
    """A smbbench at each node, logged on; they begin together, and stay logged on until the end of the `with`."""

    def __init__(self, cluster, work, milliseconds):
        self.cluster, self.work = cluster, work
        program = TOP / "build" / cluster.preset / "bin" / "smbbench"
        self.processes = []
        for node in cluster.nodes:
            words = ["--host", node.address, "--port", str(cluster.port), "--share", "share", "--user", USER1.name, "--password", USER1.password, "--workload", work.workload,
                     "--directory", work.directory.format(node=node.pnn), "--files", str(work.files), "--depth", str(work.depth), "--milliseconds", str(milliseconds), "--wait", "yes"]
            self.processes.append(subprocess.Popen([str(program), "run", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))

    def __enter__(self):
        try:
            for process in self.processes:
                self.hear(process, "ready")
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_):
        self.end()

    def hear(self, process, begins):
        line = process.stdout.readline()
        if not line.startswith(begins):
            process.kill()
            raise Failure(f"{self.cluster.kind}: {self.work.title}: smbbench says {line!r} {process.stderr.read()}")
        return line

    def run(self):
        """What each of them did."""
        for process in self.processes:
            process.stdin.write("\n")
            process.stdin.flush()
        return [json.loads(self.hear(process, "{")) for process in self.processes]

    def end(self):
        for process in self.processes:
            process.stdin.close()
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=PATIENCE)
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()


@dataclass(frozen=True)
class Outcome:
    opens: int
    granted: int
    rate: float  # opens a second, of all nodes together
    messages: int  # between nodes, about records


def messages_between(cluster):
    counted = [node.statistics() for node in cluster.nodes]
    return sum(int(one[name]) for one in counted for name in ABOUT_RECORDS)


def measure(cluster, work, milliseconds):
    with Contenders(cluster, work, milliseconds) as contenders:
        before = messages_between(cluster)
        done = contenders.run()
        messages = messages_between(cluster) - before
    require(all(one["operations"] > 0 for one in done), f"{cluster.kind}: {work.title}: the client of a node was never served: {[one['operations'] for one in done]}")
    opens = sum(one["operations"] for one in done)
    granted = sum(one["granted"] for one in done) if work.workload == "open-exclude" else opens
    return Outcome(opens, granted, sum(one["operations"] / one["seconds"] for one in done), messages)


def root_is_silent(cluster, milliseconds):
    """Once warm, the nodes say nothing to each other, of whatever kind, for opens of the root. Gives how many there were."""
    seen = []

    def silent():
        with Contenders(cluster, ROOT, milliseconds) as contenders:
            time.sleep(VACUUMED)
            before = between_nodes(cluster)
            opens = sum(one["operations"] for one in contenders.run())
            after = between_nodes(cluster)
        seen.append({what: after[what] - before[what] for what in before if after[what] != before[what]})
        return opens if not seen[-1] else 0

    return await_that(silent, lambda: f"opens of the share's root always cost messages between nodes: {seen}", PATIENCE)


def fill(path):
    account = pwd.getpwnam(USER1.name)
    for name, files in (("common", 1), *((f"own{pnn}", FILES) for pnn in range(NODES))):
        directory = path / name
        directory.mkdir()
        os.chown(directory, account.pw_uid, account.pw_gid)
        for number in range(files):
            file = directory / f"f{number}"
            file.write_bytes(b"x" * 100)
            os.chown(file, account.pw_uid, account.pw_gid)


@contextlib.contextmanager
def clusters(kinds, preset):
    """[cluster] of each kind, all on one network, each with a share of its own. They start, and end, at the same time."""
    network = Network(NODES)
    share = {"share": {"kernel oplocks": "no", "kernel share modes": "no", "posix locking": "no"}}
    accounts.ensure([USER1, USER2])
    try:
        found = [ServerCluster(preset, NODES, shares=share, kind=kind, port=PORTS[kind], first=FIRST_ADDRESSES[kind], network=network, public=[()] * NODES, script_names=())
                 for kind in kinds]
        with concurrent.futures.ThreadPoolExecutor() as pool, contextlib.ExitStack() as stack:
            entering = [pool.submit(cluster.__enter__) for cluster in found]
            for cluster, one in zip(found, entering):
                one.result()
                stack.push(cluster)
                fill(cluster.path("share"))
            yield found
    finally:
        network.end()


def rounds(found, works, count, milliseconds, note, warm=True):
    """{title: {kind: [Outcome]}}; which of them begins changes from round to round. When `warm` the first time is not counted."""
    results = {work.title: {cluster.kind: [] for cluster in found} for work in works}
    for number in range(0 if warm else 1, count + 1):
        for work in works:
            for cluster in found if number % 2 == 0 else found[::-1]:
                outcome = measure(cluster, work, milliseconds)
                if number > 0:
                    results[work.title][cluster.kind].append(outcome)
        note(f"round {number} of {count} done" if number else "warm")
    return results


def rows(kinds, works, results):
    """Of the table, with its head."""
    head = ["clients of three nodes", *(f"{kind}, opens/s" for kind in kinds), *(["ratio", "wanted"] if len(kinds) == 2 else []), *(f"{kind}, messages an open" for kind in kinds),
            *(f"{kind}, granted" for kind in kinds)]
    table = [head]
    for work in works:
        outcomes = [results[work.title][kind] for kind in kinds]
        medians = [statistics.median(one.rate for one in of) for of in outcomes]
        ratio = [f"{medians[1] / medians[0]:.2f}", f"{work.wanted:g}" if work.wanted else "-"] if len(kinds) == 2 else []
        opens = [sum(one.opens for one in of) for of in outcomes]
        messages = [f"{sum(one.messages for one in of) / count:.3f}" for of, count in zip(outcomes, opens)]
        granted = [f"{100 * sum(one.granted for one in of) / count:.0f} %" for of, count in zip(outcomes, opens)]
        table.append([work.title, *(f"{median:.0f}" for median in medians), *ratio, *messages, *granted])
    return table
