#!/usr/bin/env python3
"""Three smbds that are one server, each on a node of its own: what is opened, locked, cached and watched by way of one excludes, breaks and tells by way of the others; a node that is lost
holds nothing any more, and one that may not serve answers nothing.

    clustered_test.py [--preset release] [CASE...]
    clustered_test.py --suites [--full] [SUITE...]       Debian's smbtorture against one of the nodes: what it must give torture/expected says, as of a server without a cluster
    clustered_test.py --over-nodes [--full] [SUITE...]   the same, each connection of a test to another node
"""

import argparse
import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import isolation
import report
import smbtorture
from accounts import USER1
from cluster import PATIENCE, TOP, await_that
from clustered import PORT, ServerCluster, between_nodes
from conformance import commit_number, hold
from public_cluster import Network
from report import require
from suites import Suite, read_expectations
from wire import server_guid

OK = "NT_STATUS_OK"
READ, WRITE = "access=120089", "access=12019f"


# Durable handles need it so.
LASTING = {"kernel oplocks": "no", "kernel share modes": "no", "posix locking": "no"}


class Holder:
    """An smbhold at one node, told line by line."""

    def __init__(self, cluster, pnn, *options):
        program = TOP / "build" / cluster.preset / "bin" / "smbhold"
        self.process = subprocess.Popen([str(program), f"//{cluster.nodes[pnn].address}/share", "-p", str(PORT), "-U", USER1.credentials, *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.logged_on = self.process.stdout.readline().strip()

    def __enter__(self):
        require(self.logged_on == OK, f"the log-on gives {self.logged_on}")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self):
        return self.process.stdout.readline().strip()

    def ask(self, line):
        self.tell(line)
        return self.hear()

    def does(self, line, wanted=OK):
        said = self.ask(line)
        require(said == wanted, f"`{line}` gives {said}, not {wanted}")


def serves_everywhere(cluster):
    source = cluster.top / "source"
    source.write_text("one share\n" * 1000)
    status, said = cluster.smbclient(0, f"put {source} file; mkdir below; rename file below\\moved")
    require(status == 0, said)
    for pnn in (1, 2):
        copy = cluster.top / f"copy{pnn}"
        status, said = cluster.smbclient(pnn, f"get below\\moved {copy}")
        require(status == 0 and copy.read_bytes() == source.read_bytes(), said)
    status, said = cluster.smbclient(2, "del below\\moved; rmdir below; ls")
    require(status == 0 and "below" not in said, said)


def share_modes_exclude(cluster):
    with Holder(cluster, 0) as first, Holder(cluster, 1) as second, Holder(cluster, 2) as third:
        first.does(f"open denied {WRITE} share=0")
        second.does(f"open denied {READ} share=7", "NT_STATUS_SHARING_VIOLATION")
        third.does(f"open denied {READ} share=7", "NT_STATUS_SHARING_VIOLATION")
        first.does("close")
        second.does(f"open denied {READ} share=1")
        third.does(f"open denied {READ} share=1")
        first.does(f"open denied {WRITE} share=7", "NT_STATUS_SHARING_VIOLATION")


def locks_exclude(cluster):
    with Holder(cluster, 0) as first, Holder(cluster, 1) as second:
        for holder in (first, second):
            holder.does(f"open locked {WRITE} share=7")
        first.does("write 0 something")
        second.does("read 0 something")
        first.does("lock 0 4 exclusive")
        second.does("lock 2 4 exclusive", "NT_STATUS_LOCK_NOT_GRANTED")
        second.does("lock 4 4 exclusive")
        second.does("write 0 other", "NT_STATUS_FILE_LOCK_CONFLICT")
        first.does("close")
        second.does("lock 0 4 exclusive")


def deletion_waits_for_the_last(cluster):
    path = cluster.path("share") / "doomed"
    with Holder(cluster, 0) as first, Holder(cluster, 1) as second, Holder(cluster, 2) as third:
        first.does("open doomed access=13019f share=7")
        second.does("open doomed access=13019f share=7")
        first.does("delete")
        first.does("close")
        require(path.exists(), "deleted under an open of another node")
        third.does("open doomed access=13019f share=7", "NT_STATUS_DELETE_PENDING")
        second.does("close")
        require(not path.exists(), "not deleted with the last close, on another node")


def changes_are_told(cluster):
    hears_of(cluster, lambda: cluster.smbclient(1, "mkdir notified\\watched; rmdir notified\\watched"), "a change by way of another node is not told")


def local_changes_are_told(cluster):
    """What a program changes on the machine of another node. Only that one looks: here the nodes have one kernel."""
    server, path = cluster.servers[1], cluster.path("share") / "notified" / "watched"

    def look(how):
        server.kill()
        server.options["kernel change notify"] = how
        server.write_conf()
        server.start()

    def change():
        if path.parent.exists():
            path.mkdir()
            path.rmdir()

    look("yes")
    try:
        hears_of(cluster, change, "a local change at another node is not told")
    finally:
        look("no")


def hears_of(cluster, change, complaint):
    """Whoever watches a directory by way of the first node hears of what `change` does in it."""
    address = cluster.nodes[0].address
    watcher = subprocess.Popen(["stdbuf", "-oL", "smbclient", f"//{address}/share", "-p", str(PORT), "-U", USER1.credentials, "-c", "mkdir notified; notify notified"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True)
    try:
        def told():
            change()
            # That it is there already is no news.
            line = select_line(watcher)
            return "" if "NT_STATUS_OBJECT_NAME_COLLISION" in line else line
        line = await_that(told, complaint)
        require("watched" in line, f"told is {line}")
    finally:
        watcher.kill()
        watcher.wait()


def select_line(process):
    import select
    ready, _, _ = select.select([process.stdout], [], [], 0.5)
    return process.stdout.readline() if ready else ""


def dead_process_holds_nothing(cluster):
    with Holder(cluster, 0) as first, Holder(cluster, 1) as second:
        first.does(f"open killed {WRITE} share=0")
        second.does(f"open killed {READ} share=7", "NT_STATUS_SHARING_VIOLATION")
        first.process.kill()
        await_that(lambda: second.ask(f"open killed {READ} share=7") == OK, "an open of a client that is gone stays")


def durable_moves(cluster):
    """A durable handle is taken back by way of another node, with its lease and its lock: from a client that is gone, and from one that still has a process on the first."""
    with Holder(cluster, 0, "--client-guid", "wanderer") as first:
        first.does(f"open kept {WRITE} share=7 lease2=7 durable2=60000")
        first.does("write 0 kept")
        first.does("lock 0 4 exclusive")
        identifier = first.ask("id")
        first.process.kill()
        with Holder(cluster, 1, "--client-guid", "wanderer") as second:
            await_that(lambda: second.ask(f"again kept {identifier} {WRITE} share=7 lease2=7") == OK, "the handle cannot be taken back")
            second.does("read 0 kept")
            identifier = second.ask("id")
            # The connection to node 1 stands, and is dropped there.
            with Holder(cluster, 2, "--client-guid", "wanderer") as third:
                third.does(f"again kept {identifier} {WRITE} share=7 lease2=7")
                third.does("lock 0 4 exclusive", "NT_STATUS_LOCK_NOT_GRANTED")
                third.does("close")
                require(second.ask("read 0 kept") != OK, "the former node still serves the client")


def is_one_server(cluster):
    guids = {server_guid(node.address, PORT) for node in cluster.nodes}
    require(len(guids) == 1 and guids != {"00" * 16}, f"the nodes call themselves {guids}")
    with Holder(cluster, 1) as there, Holder(cluster, 2) as third:
        there.does(f"open listed {READ} share=7 lease2=3")
        there.does("lock 7 9 shared")
        third.does(f"open listed {READ} share=7")
        status, said = cluster.smbstatus(0, "-B")
        wanted = (r"1:\d+ +atolltest1", r"2:\d+ +atolltest1", r"1:\d+ +\d+ +DENY_NONE +0x120089 +RDONLY +LEASE\(RH?\).*listed", r"2:\d+ +\d+ +DENY_NONE.*listed")
        require(status == 0 and all(re.search(one, said) for one in wanted), f"smbstatus on node 0 says {said}")


def sessions_are_known_everywhere(cluster):
    """PreviousSessionId ends a session on whatever node it is; a channel binds to one of its own node only. The share says that any node serves it."""
    scaleout = 0x20
    with Holder(cluster, 0) as former:
        former.does(f"open taken {WRITE} share=0")
        session, capabilities = former.ask("session"), former.ask("share")
        require(capabilities == f"{scaleout:x}", f"the share's capabilities are {capabilities}")
        here, elsewhere = (former.ask(f"bind {cluster.nodes[pnn].address}") for pnn in (0, 1))
        require(elsewhere == "NT_STATUS_USER_SESSION_DELETED" and here not in (OK, elsewhere), f"to bind gives {here} on the session's node, and {elsewhere} on another one")
        with Holder(cluster, 1, "--previous-session", session) as later:
            later.does(f"open taken {WRITE} share=0")
            require(former.ask("read 0 x") != OK, "the previous session goes on")


def killed_server_holds_nothing(cluster):
    """All of a node's smbd at once; its ctdbd lives on."""
    server = cluster.servers[1]
    with Holder(cluster, 1) as lost, Holder(cluster, 0) as survivor:
        lost.does("open server_killed access=13019f share=0 options=1000")
        survivor.does(f"open server_killed {READ} share=7", "NT_STATUS_SHARING_VIOLATION")
        for pid in server.processes():
            os.kill(pid, signal.SIGKILL)
        server.process.wait()
        await_that(lambda: survivor.ask("open server_killed access=120089 share=7 disposition=1") == "NT_STATUS_OBJECT_NAME_NOT_FOUND", "an open of a server that was killed stays")
    server.start()
    status, said = cluster.smbstatus(0)
    require(status == 0 and "1:" not in said, f"what the killed server had is still listed: {said}")


def server_starts_while_its_node_comes_and_goes(cluster):
    """Whatever the server is doing when its ctdbd is killed, it goes on with the next one."""
    node, server = cluster.nodes[2], cluster.servers[2]
    for name in ("smbd", "committer", "housekeeper", "authd", "preauth"):
        server.kill()
        server.launch()
        deadline = time.monotonic() + PATIENCE
        while name not in names_of(server):
            require(time.monotonic() < deadline, f"no process {name} comes")
        daemon = pathlib.Path(f"/proc/{node.pid()}")
        node.signal(signal.SIGKILL)
        await_that(lambda: not daemon.exists(), "ctdbd does not die")
        node.start()
        await_that(lambda: cluster.smbclient(2, "ls")[0] == 0, lambda: f"the server does not serve whose node was lost while {name} started: {server.output()[-2000:]}")
        require(server.process.poll() is None, f"the listener ended whose node was lost while {name} started")
    cluster.await_settled()


def names_of(server):
    """What the server's processes call themselves."""
    names = set()
    for pid in server.processes():
        with contextlib.suppress(OSError):
            names.add(pathlib.Path(f"/proc/{pid}/comm").read_text().strip())
    return names


def lost_node_holds_nothing(cluster):
    with Holder(cluster, 2) as lost, Holder(cluster, 2) as deleting, Holder(cluster, 0) as survivor:
        lost.does(f"open lost {WRITE} share=0")
        lost.does("lock 0 10 exclusive")
        deleting.does("open lost_and_deleted access=13019f share=7 options=1000")
        survivor.does(f"open lost {READ} share=7", "NT_STATUS_SHARING_VIOLATION")
        survivor.does("open lost_and_deleted access=120089 share=7")
        survivor.does("close")
        cluster.nodes[2].signal(signal.SIGKILL)
        await_that(lambda: survivor.ask(f"open lost {WRITE} share=0") == OK, "an open of a lost node stays in the way")
        survivor.does("lock 0 10 exclusive")
        await_that(lambda: not (cluster.path("share") / "lost_and_deleted").exists(), "what the lost node would have deleted stays")
    cluster.nodes[2].start()
    cluster.await_settled()
    await_that(lambda: cluster.smbclient(2, "ls")[0] == 0, "the node does not serve again when it is a member again")


def only_durable_opens_are_mirrored(cluster):
    """A file that one node uses: its plain opens say nothing to others, durable ones do."""
    with Holder(cluster, 0) as holder:
        holder.does(f"open own {READ} share=7")
        await_silence(cluster, [holder], "own", f"{WRITE} share=7")
        said = said_for(cluster, [holder], "own", f"{WRITE} share=7 lease2=3 durable2=60000")
    print(f"    said between nodes for 50 durable opens: {said}")
    require(said.get("packets of members", 0) >= 50, "durable opens are not mirrored")


def durable_survives_its_node(cluster):
    """A node dies with all its processes, then the one that leads. What clients had open durably there stays in others' way, and they take it back at another node, with leases and locks."""
    for victim in (2, int(cluster.nodes[0].output("leader"))):
        outlives_its_node(cluster, victim, (victim + 1) % 3, (victim + 2) % 3)


def outlives_its_node(cluster, victim, bystander, refuge):
    guid = ("--client-guid", f"survivor{victim}")
    guarded, exclusive, leased = (f"{name}{victim}" for name in ("guarded", "exclusive", "leased"))
    conflicts = {f"open {exclusive} {READ} share=7": "NT_STATUS_SHARING_VIOLATION", "lock 2 4 exclusive": "NT_STATUS_LOCK_NOT_GRANTED", "write 0 other": "NT_STATUS_FILE_LOCK_CONFLICT"}
    with Holder(cluster, victim, *guid) as lost, Holder(cluster, bystander) as other:
        handles = {}
        for name, how, again in ((exclusive, "share=0", "resilient"), (guarded, "share=7", "resilient"), (leased, "share=7 lease2=7 durable2=60000", "lease2=7")):
            lost.does(f"open {name} {WRITE} {how}")
            lost.does(f"write 0 {name}")
            if again == "resilient":
                lost.does("resilient 60000")
            lost.does("lock 0 4 exclusive")
            handles[name] = f"again {name} {lost.ask('id')} {WRITE} {how.split()[0]} {again}"
        other.does(f"open {guarded} {WRITE} share=7")

        def nothing_conflicting():
            for line, wanted in conflicts.items():
                other.does(line, wanted)

        nothing_conflicting()
        kill_node(cluster, victim)
        with Holder(cluster, refuge, *guid) as again:
            for name, line in handles.items():
                def taken_back(line=line):
                    nothing_conflicting()
                    return again.ask(line) == OK

                await_that(taken_back, f"{name} cannot be taken back from the lost node")
                again.does(f"read 0 {name}")
                again.does("lock 0 4 exclusive", "NT_STATUS_LOCK_NOT_GRANTED")
            nothing_conflicting()
            for _ in handles:
                again.does("close")
            other.does("lock 2 4 exclusive")
            other.does(f"open {exclusive} {READ} share=7")
    start_node(cluster, victim)


def kill_node(cluster, pnn):
    """All its processes at once: ctdbd, its supervisor, smbd."""
    kill_nodes(cluster, [pnn])


def kill_nodes(cluster, pnns):
    """With one look for their processes, so that none has the time to see another one go. They have ended when it returns."""
    nodes, servers = [cluster.nodes[pnn] for pnn in pnns], [cluster.servers[pnn] for pnn in pnns]
    for pid in [pid for member in (*nodes, *servers) for pid in member.processes()]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for server in servers:
        server.process.wait()
    await_that(lambda: not any(node.processes() for node in nodes), "what was killed does not end")


def start_node(cluster, pnn):
    cluster.nodes[pnn].start()
    cluster.await_settled()
    cluster.servers[pnn].start()
    await_that(lambda: cluster.smbclient(pnn, "ls")[0] == 0, "the node does not serve again when it is a member again")


def stopped_node_answers_nothing(cluster):
    """ctdbd stands still, its smbd does not: no WRITE is acknowledged after the end of the lease."""
    node = cluster.nodes[1]
    with Holder(cluster, 1) as there:
        there.does(f"open fenced {WRITE} share=7")
        there.does("write 0 before")
        node.signal(signal.SIGSTOP)
        try:
            await_that(lambda: cluster.settled([0, 2]), "the others do not go on without it")
            with Holder(cluster, 0) as survivor:
                survivor.does(f"open fenced {WRITE} share=0")
                there.tell("write 0 after")
                said = there.hear()
                require(said != OK, "a WRITE was acknowledged by a node that serves no longer")
                survivor.does("read 0 before")
        finally:
            node.signal(signal.SIGCONT)
    cluster.await_settled()
    await_that(lambda: cluster.smbclient(1, "ls")[0] == 0, "the node does not serve again when it wakes")


def closes(address):
    """Whether who connects there finds the connection closed, without having said anything. One that the server took before it noticed stays open."""
    with socket.create_connection((address, PORT), timeout=1) as connection:
        try:
            return connection.recv(1) == b""
        except OSError:
            return False


def who_is_no_member_takes_nobody(cluster):
    """A client that comes to a node that is no member of the cluster does not wait: its connection is closed, and it goes on at another."""
    node = cluster.nodes[2]
    node.output("stop")
    cluster.await_settled([0, 1])
    await_that(lambda: closes(node.address), "a node that is no member keeps those who connect")
    status, said = cluster.smbclient(2, "ls")
    require(status != 0 and "TIMEOUT" not in said, f"smbclient at a node that is no member: {said}")
    status, said = cluster.smbclient(1, "ls")
    require(status == 0, said)
    node.output("continue")
    cluster.await_settled()
    await_that(lambda: cluster.smbclient(2, "ls")[0] == 0, "the node takes nobody when it is a member again")


def directories_exclude(cluster):
    """Their opens are each node's own, under grants (docs/grants.md)."""
    directory = "options=1"
    with Holder(cluster, 0) as first, Holder(cluster, 1) as second, Holder(cluster, 2) as third:
        for holder in (first, second, third):
            holder.does(f"open room {READ} share=7 {directory}")
        first.does("close")
        first.does(f"open room {READ} share=1 {directory}")
        second.does(f"open room access=110181 share=7 {directory}", "NT_STATUS_SHARING_VIOLATION")
        first.does("close")
        second.does(f"open room access=110181 share=7 {directory}")
        third.does("close")
        # Whoever may delete it keeps new names out.
        first.does("open room\\file access=110080 share=7")
        first.does("rename room\\renamed", "NT_STATUS_SHARING_VIOLATION")
        second.does("close")
        first.does("rename room\\renamed")


def directories_are_deleted_by_the_last(cluster):
    """A directory that clients of several nodes have open goes with the last close, wherever that is; meanwhile no node opens it."""
    path = cluster.path("share") / "doomed_room"
    directory, on_close = "options=1", "options=1001"  # FILE_DIRECTORY_FILE; with FILE_DELETE_ON_CLOSE
    looking, deleting = f"open {path.name} {READ} share=7 {directory}", f"open {path.name} access=110181 share=7"

    def is_pending(holder):
        said = holder.ask(looking)
        if said == OK:
            holder.does("close")
        return said == "NT_STATUS_DELETE_PENDING"

    with Holder(cluster, 0) as first, Holder(cluster, 1) as second, Holder(cluster, 2) as third:
        for how in (directory, on_close):
            for last in (first, second):
                third.does(looking)
                third.does("close")
                first.does(looking)
                second.does(f"{deleting} {how}")
                if how == directory:
                    second.does("delete")
                    for holder in (first, third):
                        holder.does(looking, "NT_STATUS_DELETE_PENDING")
                if how == on_close or last is first:
                    second.does("close")
                    await_that(lambda: is_pending(third), "a directory that is to be deleted can be opened")
                    require(path.exists(), "deleted under an open of another node")
                    first.does("close")
                else:
                    first.does("close")
                    require(path.exists(), "deleted while it is open")
                    second.does("close")
                await_that(lambda: not path.exists(), "not deleted with the last close")


def directories_are_cached(cluster):
    """Clients of several nodes may cache a directory, until a client of another one changes it: nobody waits for that."""
    directory = "options=1 lease2=3"
    with Holder(cluster, 0) as first, Holder(cluster, 1) as second, Holder(cluster, 2) as third:
        for turn in range(20):
            for holder in (first, second):
                holder.does(f"open cached {READ} share=7 {directory}")
            third.does(f"open cached\\file{turn} {WRITE} share=7")
            third.does("close")
            status, said = cluster.smbclient(1, "cd cached; ls")
            require(status == 0 and f"file{turn} " in said, said)
            for holder in (first, second):
                holder.does("close")


def said_for(cluster, holders, name, options, turns=50):
    """What is said between nodes for so many opens and closes by each holder."""
    before = between_nodes(cluster)
    for _ in range(turns):
        for holder in holders:
            holder.does(f"open {name} {options}")
            holder.does("close")
    after = between_nodes(cluster)
    return {what: after[what] - before[what] for what in before if after[what] != before[what]}


def await_silence(cluster, holders, name, options):
    """Once it is warm, and what others have left is vacuumed, its opens and closes say nothing between nodes."""
    said = []
    await_that(lambda: not said.append(said_for(cluster, holders, name, options)) and not said[-1], lambda: f"opens of {name} always cost messages between nodes: {said}")


def directories_cost_no_message(cluster):
    """The share's root and a directory that all nodes open and close: what is open of them has its slot on its node, and the grants are there. A file's records go around."""
    with Holder(cluster, 0) as first, Holder(cluster, 1) as second, Holder(cluster, 2) as third:
        holders = (first, second, third)
        for directory in ("/", "hall"):
            await_silence(cluster, holders, directory, f"{READ} share=7 options=1")
        said = said_for(cluster, holders, "shelf", f"{READ} share=7")
    print(f"    said between nodes for 150 opens of one directory on three nodes in turn: nothing; of one file: {said}")
    require(said, "what is said between nodes is not counted")


CASES = [directories_exclude, directories_are_deleted_by_the_last, directories_are_cached, directories_cost_no_message, serves_everywhere, share_modes_exclude, locks_exclude, deletion_waits_for_the_last,
         changes_are_told, local_changes_are_told, dead_process_holds_nothing, durable_moves, is_one_server, sessions_are_known_everywhere, killed_server_holds_nothing, server_starts_while_its_node_comes_and_goes, lost_node_holds_nothing, only_durable_opens_are_mirrored, durable_survives_its_node, stopped_node_answers_nothing,
         who_is_no_member_takes_nobody]


SUITES = ["smb2.oplock", "smb2.lease", "smb2.lock", "smb2.sharemode", "smb2.rename", "smb2.notify", "smb2.durable-v2-open", "smb2.deny", "smb2.streams"]
# Those of them in which two connections meet.
OVER_NODES = ["smb2.oplock", "smb2.lease", "smb2.lock", "smb2.sharemode", "smb2.rename", "smb2.notify", "smb2.deny"]
# With --full; in most of their tests one connection is all there is.
MORE_OVER_NODES = ["smb2.durable-open", "smb2.durable-v2-open", "smb2.streams", "smb2.dir", "smb2.create", "smb2.getinfo", "smb2.delete-on-close-perms", "smb2.kernel-oplocks", "smb2.compound_find",
                   "smb2.samba3misc"]
# Both connections are one client's, by its GUID, and one node serves a client at a time: the first connection is dropped.
ONE_CLIENT = {"smb2.lease.complex1", "smb2.lease.v2_complex1", "smb2.lease.v2_complex2", "smb2.lease.timeout-disconnect"}
WORKERS = 4


def names_of_suites(options):
    if options.cases:
        return options.cases
    if options.full:
        return OVER_NODES + MORE_OVER_NODES if options.over_nodes else SUITES
    candidates = OVER_NODES if options.over_nodes else SUITES
    wanted = sample(options.over_nodes, commit_number())
    print(f"# left out of this sample: {', '.join(name for name in candidates if name not in wanted)}", flush=True)
    return [name for name in candidates if name in wanted]


def sample(over_nodes, number):
    """The suites that are run without --full for this number of a commit: of three commits each is run in one way with the first, in the other with the second."""
    return SUITES[(number + over_nodes) % 3::3]


def run_suites(tally, options):
    by_conf = {}
    for suite in map(Suite, names_of_suites(options)):
        by_conf.setdefault(repr(suite.conf), []).append(suite)
    network = Network()
    try:
        for suites in by_conf.values():
            run_alike(tally, options, network, suites)
    finally:
        network.end()


def run_alike(tally, options, network, suites):
    """Suites that have one smb.conf."""
    conf = suites[0].conf
    shares = {f"share{worker}": conf["share"] for worker in range(WORKERS)}
    with tally.guard("the cluster"), ServerCluster(options.preset, shares=shares, options=conf["global"], network=network) as cluster:
        server = OverNodes(cluster) if options.over_nodes else cluster.servers[0]
        for suite in suites:
            expected = read_expectations(suite.name)
            results = smbtorture.run_many(list(expected), lambda test, worker: suite.run_one(server, test, worker, options.seconds), WORKERS)
            for result in results:
                one_client = options.over_nodes and result.test in ONE_CLIENT
                complaint = hold(result, "one client at two nodes" if one_client else expected[result.test])
                tally.failed(complaint) if complaint else tally.passed(f"{result}", quiet=True)


class OverNodes:
    """As a server: to smbtorture a list of nodes, of which each connection takes the next."""

    def __init__(self, cluster):
        self.cluster, self.port, self.host, self.top = cluster, PORT, cluster.nodes[0].address, cluster.top
        for share in cluster.shared:
            self.list(share).write_text("".join(f"//{node.address}/{share}\n" for node in cluster.nodes[:2]))

    def list(self, share):
        return self.top / f"{share}.list"

    def path(self, share):
        return self.cluster.path(share)

    def options_of(self, share):
        return [f"--unclist={self.list(share)}"]


def run(tally, options):
    wanted = [case for case in CASES if not options.cases or case.__name__ in options.cases]
    with tally.guard("the cluster"), ServerCluster(options.preset, shares={"share": {"vfs objects": "streams_xattr", **LASTING}}) as cluster:
        for case in wanted:
            with tally.case(case.__name__):
                case(cluster)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    parser.add_argument("--suites", action="store_true")
    parser.add_argument("--over-nodes", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seconds", type=int)
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    tally = report.Tally("clustered")
    work = run_suites if options.suites or options.over_nodes else run
    isolation.run(lambda: work(tally, options), network=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
