#!/usr/bin/env python3
"""Continuously available shares of a cluster: what clients have open persistently outlives any node, and all of them at once, with leases and locks, and nobody who is in conflict with it gets in meanwhile.

    available_cluster_test.py [--preset release] [CASE...]

Nodes die with all their processes: ctdbd, its supervisor, smbd. The disks of the nodes and the file system that they share stay.
"""

import argparse
import contextlib
import re
import subprocess
import sys
import time

import isolation
import report
from cluster import await_that
from clustered import PORT, ServerCluster
from clustered_test import LASTING, OK, READ, WRITE, Holder, kill_node, kill_nodes, select_line, start_node
from records import Records
from report import require
from system_calls import tracer_of

PERSISTENT = "durable2=60000 persistent"
AWAY = "NT_STATUS_FILE_NOT_AVAILABLE"


class Persistent:
    """A client with a leased, a locked and an exclusive handle, and what others are told as long as they are its."""

    def __init__(self, cluster, pnn, guid):
        self.guid = ("--client-guid", guid)
        self.handles = {}
        self.holder = Holder(cluster, pnn, *self.guid)
        with contextlib.ExitStack() as stack:
            stack.callback(self.holder.process.kill)
            require(self.holder.logged_on == OK, f"the log-on gives {self.holder.logged_on}")
            for name, how in (("leased", "share=7 lease2=7"), ("locked", "share=7"), ("exclusive", "share=0")):
                name = f"{guid}_{name}"
                self.holder.does(f"open {name} {WRITE} {how} {PERSISTENT}")
                self.holder.does(f"write 0 {name}")
                self.holder.does("lock 0 4 exclusive")
                self.handles[name] = f"again {name} {self.holder.ask('id')} {WRITE} {how} persistent"
            stack.pop_all()

    def end(self):
        self.holder.__exit__()

    def keeps_others_out(self, cluster, pnn, at_once=True):
        """With `at_once` false its node has just died: until that is known, what it shared with others is shared, and nothing else."""
        with Holder(cluster, pnn, "--client-guid", "stranger") as other:
            for name in self.handles:
                def is_away(name=name):
                    said = other.ask(f"open {name} {WRITE} share=7 disposition=1")
                    if said == OK and not at_once and not name.endswith("exclusive"):
                        other.does("lock 0 4 exclusive", "NT_STATUS_LOCK_NOT_GRANTED")
                        other.does("close")
                        return False
                    require(said == AWAY or not at_once and said == "NT_STATUS_SHARING_VIOLATION", f"another client's open of {name} gives {said}")
                    return said == AWAY

                await_that(is_away, f"{name} is not kept for its client")

    def is_taken_back(self, cluster, pnn):
        with Holder(cluster, pnn, *self.guid) as again:
            for name, line in self.handles.items():
                await_that(lambda line=line: again.ask(line) == OK, f"{name} cannot be taken back")
                again.does(f"read 0 {name}")
                again.does("lock 0 4 exclusive", "NT_STATUS_LOCK_NOT_GRANTED")
            for _ in self.handles:
                again.does("close")
        with Holder(cluster, pnn) as other:
            for name in self.handles:
                other.does(f"open {name} {WRITE} share=0")
                other.does("close")


def says_that_it_is_available(cluster):
    """SMB2_SHARE_CAP_CONTINUOUS_AVAILABILITY beside SCALEOUT."""
    with Holder(cluster, 0) as holder:
        said = int(holder.ask("share"), 16)
        require(said & 0x10 and said & 0x20, f"the share's capabilities are {said:x}")


def a_node_dies(cluster):
    """One that does not lead, and the one that does."""
    leader = cluster.leader()
    for victim in ((leader + 1) % 3, leader):
        client = Persistent(cluster, victim, f"client{victim}")
        kill_node(cluster, victim)
        client.end()
        client.keeps_others_out(cluster, (victim + 1) % 3, at_once=False)
        client.is_taken_back(cluster, (victim + 2) % 3)
        start_node(cluster, victim)


def start_all(cluster, order=(0, 1, 2)):
    for pnn in order:
        cluster.nodes[pnn].start()
    cluster.await_settled()
    for pnn in order:
        cluster.servers[pnn].start()
    for pnn in order:
        await_that(lambda pnn=pnn: cluster.smbclient(pnn, "ls")[0] == 0, f"node {pnn} does not serve again")


def all_nodes_die(cluster):
    clients = [Persistent(cluster, pnn, f"all{pnn}") for pnn in range(3)]
    kill_nodes(cluster, range(3))
    for client in clients:
        client.end()
    start_all(cluster, (2, 0, 1))
    for pnn, client in enumerate(clients):
        client.keeps_others_out(cluster, pnn)
        client.is_taken_back(cluster, (pnn + 1) % 3)


def who_was_away_brings_nothing_back(cluster):
    """An open that was closed while a node was away does not come back with that node's disk, and one that was made meanwhile is known to it."""
    closed = Persistent(cluster, 0, "closed")
    kill_node(cluster, 2)
    for _ in closed.handles:
        closed.holder.does("close")
    closed.end()
    made = Persistent(cluster, 1, "made")
    kill_node(cluster, 0)
    kill_node(cluster, 1)
    made.end()
    start_all(cluster, (2, 1, 0))
    made.keeps_others_out(cluster, 2)
    with Holder(cluster, 2) as other:
        for name in closed.handles:
            other.does(f"open {name} {WRITE} share=0")
            other.does("close")
    made.is_taken_back(cluster, 2)


def process_of_client(cluster, pnn):
    """The smbd that serves the only client of that node."""
    _, said = cluster.smbstatus(pnn, "-p")
    pids = {int(pid) for pid in re.findall(rf"^{pnn}:(\d+) ", said, re.M)}
    require(len(pids) == 1, f"node {pnn} does not serve one client: {said}")
    return pids.pop()


@contextlib.contextmanager
def stands_still_when_it_makes(pid, name):
    """Within it the process stops at the very moment when it has made that file."""
    strace = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(pid), "-P", name, "-e", "trace=openat2", "-e", "inject=openat2:signal=SIGSTOP"], stdin=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        await_that(lambda: tracer_of(pid), "strace does not attach")
        yield
    finally:
        strace.kill()
        strace.wait()


def opens_of(cluster, pnn, name):
    """Lines of smbstatus."""
    return [line for line in cluster.smbstatus(pnn, "-L")[1].splitlines() if f" {name} " in line]


def comes_again(client, line):
    """A CREATE that is said to come again, until it is answered."""
    await_that(lambda: client.ask(f"replay {line}") == OK, f"`replay {line}` is never answered")


def a_create_was_begun(cluster):
    """Its node dies when it has said on the disk what it is about to do and nobody has the open yet: one has made its file, one waits for a lease. Each comes again at another node."""
    making = f"made {WRITE} share=0 disposition=2 {PERSISTENT}"
    waiting = f"waited {WRITE} share=7 {PERSISTENT}"
    path = cluster.path("share") / "made"
    with Holder(cluster, 0, "--client-guid", "maker") as maker, Holder(cluster, 1) as leased:
        with stands_still_when_it_makes(process_of_client(cluster, 0), "made"):
            leased.does(f"open waited {WRITE} share=7 lease2=7")
            maker.tell(f"open {making}")
            await_that(path.exists, "nothing is made")
            with Holder(cluster, 0, "--client-guid", "waiter") as waiter:
                waiter.tell(f"open {waiting}")
                require(leased.ask("broken") == "7 3", "another break than that of RWH to RH")
                kill_node(cluster, 0)
        require(not opens_of(cluster, 1, "made"), "the open was in the tables")
        with Holder(cluster, 2, "--client-guid", "maker") as maker, Holder(cluster, 2, "--client-guid", "waiter") as waiter:
            comes_again(maker, making)
            identifier, action = maker.ask("id"), maker.ask("action")
            require(action == "2", f"the file that it has made is said to be there already: action {action}")
            maker.does(f"replay {making}")
            require(maker.ask("id") == identifier, "the same CREATE gives two handles")
            waiter.tell(f"replay {waiting}")
            leased.does("acknowledge waited 3")
            require(waiter.hear() == OK and waiter.ask("action") == "1", "what waited for a lease does not go on when it comes again")
            for name, count in (("made", 1), ("waited", 2)):
                found = opens_of(cluster, 1, name)
                require(len(found) == count, f"{len(found)} opens of {name}: {found}")
            # Nothing of the first time is left: who comes a third time is a stranger to the file.
            maker.does("close")
            maker.does("close", "NT_STATUS_FILE_CLOSED")
            maker.does(f"replay {making}", "NT_STATUS_OBJECT_NAME_COLLISION")
            waiter.does("close")
    await_that(lambda: "smbXsrv_create_intent" not in cluster.nodes[1].output("catdb", "smbXsrv_durable.tdb"), "that a CREATE had begun stays on the disk")
    with Holder(cluster, 1) as other:
        for name in ("made", "waited"):
            other.does(f"open {name} {WRITE} share=0")
            other.does("close")
    start_node(cluster, 0)


def nobody_comes_back(cluster):
    """A client dies with its node, and another one leaves a node that dies then: what they had open ends when its time is up and not before, and what has more time stays."""
    seconds = 3
    with Holder(cluster, 0, "--client-guid", "leaving") as leaving, Holder(cluster, 1, "--client-guid", "dying") as dying, Holder(cluster, 2, "--client-guid", "stranger") as other:
        def opens(name):
            said = other.ask(f"open {name} {WRITE} share=0 disposition=1")
            require(said in (OK, AWAY, "NT_STATUS_SHARING_VIOLATION"), f"another client's open of {name} gives {said}")
            return said

        def is_kept(name):
            await_that(lambda: opens(name) == AWAY, f"{name} is not kept for its client")

        def ends(name, since):
            await_that(lambda: opens(name) == OK, f"{name} is kept for ever")
            require(time.monotonic() - since >= seconds, f"{name} has ended before its time")

        for name, client in (("left", leaving), ("died", dying)):
            for time_out, which in ((1000 * seconds, "short"), (60000, "long")):
                client.does(f"open {name}_{which} {WRITE} share=0 lease2=7 durable2={time_out} persistent")
                client.does("lock 0 4 exclusive")
        taken_back = f"again left_long {leaving.ask('id')} {WRITE} lease2=7 persistent"
        death = time.monotonic()
        kill_node(cluster, 1)
        is_kept("died_long")
        leave = time.monotonic()
        leaving.process.kill()
        is_kept("left_long")
        kill_node(cluster, 0)
        ends("died_short", death)
        ends("left_short", leave)
        is_kept("died_long")
        with Holder(cluster, 2, "--client-guid", "leaving") as leaving:
            leaving.does(taken_back)
    start_all(cluster, (0, 1))


def a_lease_breaks_while_its_node_dies(cluster):
    """Of two leases that another client's open breaks, one has been given up when the holder's node dies, and the other has not: who waits for that goes on waiting."""
    back = {}
    with Holder(cluster, 0, "--client-guid", "leased") as holder, Holder(cluster, 1) as waiting, Holder(cluster, 1) as other:
        for name in ("given", "breaking"):
            holder.does(f"open {name} {WRITE} share=7 lease2=7 {PERSISTENT}")
            back[name] = f"again {name} {holder.ask('id')} {WRITE} lease2=7 persistent"
        other.tell(f"open given {WRITE} share=7")
        require(holder.ask("broken") == "7 3", "another break than that of RWH to RH")
        holder.does("acknowledge given 3")
        require(other.hear() == OK, "who waited for a lease is not told that it has been given up")
        waiting.tell(f"open breaking {WRITE} share=7")
        require(holder.ask("broken") == "7 3", "another break than that of RWH to RH")
        kill_node(cluster, 0)
        said = waiting.hear()
        require(said == AWAY, f"who waits for the lease of a client that is away is told {said}")
        with Holder(cluster, 2, "--client-guid", "leased") as holder:
            for name in ("given", "breaking"):
                await_that(lambda name=name: holder.ask(back[name]) == OK, f"{name} cannot be taken back")
                back[name] = holder.ask("lease")
            require(back == {"given": "3 0", "breaking": "7 2"}, f"the leases are {back}")  # the latter with SMB2_LEASE_FLAG_BREAK_IN_PROGRESS
            require(holder.ask("broken") == "7 3", "the client is not told once more what breaks")
            waiting.tell(f"open breaking {WRITE} share=7")
            holder.does("write 0 cached")
            require(not select_line(waiting.process), "opened before the holder has given up its lease")
            holder.does("acknowledge breaking 3")
            require(waiting.hear() == OK, "who waited for a lease is not told that it has been given up")
            waiting.does("read 0 cached")
            for _ in back:
                holder.does("close")
    start_node(cluster, 0)


def a_client_works_on(cluster):
    """One that fails over writes records under locks while nodes die, one after another and then all at once."""
    hosts = ",".join(node.address for node in cluster.nodes)
    records = Records(cluster.preset, f"//{hosts}/share", PORT, "records", "--patience", "60")
    try:
        for victim in range(3):
            records.more(20)
            kill_node(cluster, victim)
            records.more(20)
            start_node(cluster, victim)
        records.more(20)
        kill_nodes(cluster, range(3))
        start_all(cluster)
        records.more(20)
        count, bad, reconnects = records.end()
    finally:
        records.kill()
    print(f"    {count} records, {reconnects} reconnects")
    require(bad == 0, f"{bad} of {count} records are lost or changed")
    require(reconnects >= 2, "the client never had to come back")


CASES = [says_that_it_is_available, a_node_dies, all_nodes_die, who_was_away_brings_nothing_back, a_create_was_begun, nobody_comes_back, a_lease_breaks_while_its_node_dies, a_client_works_on]


def run(tally, options):
    wanted = [case for case in CASES if not options.cases or case.__name__ in options.cases]
    with tally.guard("the cluster"), ServerCluster(options.preset, shares={"share": {"continuous availability": "yes", **LASTING}}) as cluster:
        for case in wanted:
            began = time.monotonic()
            with tally.case(case.__name__):
                case(cluster)
            print(f"    {time.monotonic() - began:.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    tally = report.Tally("available cluster")
    isolation.run(lambda: run(tally, options), network=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
