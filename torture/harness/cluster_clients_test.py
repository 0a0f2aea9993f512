#!/usr/bin/env python3
"""Three nodes with public addresses that are one server, and clients that write, lock and verify through them while nodes die and come back: our client that fails over (smbwanderer, and a
rival of it that wants what it keeps to itself), Debian's smbclient, and the Linux kernel's, on hard mounts in a guest behind a tap.

    cluster_clients_test.py [--preset release] [--deaths N] [--full] [--no-guest]

Nodes die in turn of four deaths: ctdbd is killed; everything on the node is, and its links go; its links are cut silently; ctdbd and smbd stand still and wake. After each, and after each return, every
client has to have got on. Held against what the clients were told: nothing that was flushed is lost; no open and no lock was granted while another's excluded it; a handle
comes back with its lock, also when its node has died. How long it took is printed and not judged.
"""

import argparse
import bisect
import contextlib
import itertools
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

import isolation
import report
from accounts import USER1
from cluster import TOP, await_that
from clustered import PORT, ServerCluster
from guest import END, Guest
from guest_failover_test import not_clients_own, records_on_disk
from public_cluster import PUBLIC, tell
from report import Failure, require
from wire import answers_negotiate

# Whether a durable handle outlives its node. Without that, one of a node that died may be told gone, or come back as it was a moment before.
MIRRORED = True

SHARES = {"share": {"kernel oplocks": "no", "kernel share modes": "no", "posix locking": "no"}}
ADDRESSES = [address.partition("/")[0] for address in PUBLIC if "." in address]
WORDS = ("one", "two")
PLAIN = ("turns",)  # files of whose handles nothing is asked that they should outlive a connection
SHORT_DEATHS, FULL_DEATHS = 10, 200
STUCK_SECONDS = 60  # without getting on
DEAD_SECONDS = 1.5  # for which a node is away at least
TAP, GUEST_ADDRESS = "tap0", "10.66.1.50/24"
BOOT_SECONDS, END_SECONDS = 180, 180
# What the kernel's client does beside this is guest_failover_test.py's.
MOUNTS = {"none": "cache=none", "strict": "cache=strict"}
GONE_ON_A_LOST_NODE = "NT_STATUS_OBJECT_NAME_NOT_FOUND"

LOOKED_AT = 7  # seconds between two looks at whether the kernel's client stands still
STANDS_BY_ITSELF = re.compile(r"^stands: (\S+), 0 unanswered, 0 disconnected, at (.*)$", re.M)
MOST_BEGINNINGS = 3

WORKLOAD = r"""
# Which recordlog has made no call since the last look, what it could wait for (requests of then that are not answered yet, connections that are not
# there), and where in the kernel it is.
where_they_stand() {
    while sleep @LOOKED_AT@; do
        sed -n 's/.* com: .* mid //p' /proc/fs/cifs/DebugData >/tmp/waiting
        for pid in $(pidof recordlog); do
            grep sysc /proc/$pid/io >/tmp/$pid.now || continue
            if cmp -s /tmp/$pid.now /tmp/$pid; then
                echo "stands: $(tr '\0' ' ' </proc/$pid/cmdline | cut -d' ' -f2), $(grep -cxFf /tmp/waited /tmp/waiting) unanswered, $(grep -cE 'DISCONNECTED|TCP status: [^1]' /proc/fs/cifs/DebugData) disconnected, at $(sed 's/^[^ ]* //' /proc/$pid/stack | tr '\n' ' ')"
            fi
            mv /tmp/$pid.now /tmp/$pid
        done
        mv /tmp/waiting /tmp/waited
    done
}
logs=
for mount in @MOUNTS@; do
    mkdir -p /mnt/${mount%%:*}
    mount -t cifs //@HOST@/share /mnt/${mount%%:*} -o "ip=@HOST@,port=@PORT@,username=@USER@,password=@PASSWORD@,vers=3.1.1,hard,nosharesock,echo_interval=5,resilienthandles,${mount#*:}"
    (echo "log ${mount%%:*}: $(/host/recordlog /mnt/${mount%%:*}/kernel-${mount%%:*} 36000 fsync | tail -1)") &
    logs="$logs $!"
done
touch /tmp/waited
where_they_stand &
wait $logs
kill $!
umount /mnt/*
echo "guest: step done"
"""


class Wanderer:
    """An smbwanderer, or a rival, and what it has said."""

    def __init__(self, cluster, word, *options):
        program = TOP / "build" / cluster.preset / "bin" / "smbwanderer"
        self.word, self.lines, self.last = word, [], ""
        self.process = subprocess.Popen([str(program), word, f"//{','.join(ADDRESSES)}/share", "-U", USER1.credentials, "-p", str(PORT), "--patience", str(STUCK_SECONDS), *options],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.rounds = 0
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        for line in self.process.stdout:
            self.lines.append(line.split())
            self.rounds += line.startswith(("turn", "refused"))

    def told(self, what):
        return [line[1:] for line in list(self.lines) if line and line[0] == what]

    def faults(self):
        return [f"{self.word}: {' '.join(fault)}" for fault in self.told("fault")] or ([] if self.process.poll() in (None, 0) else [f"{self.word} ended with {self.process.returncode}"])

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(STUCK_SECONDS)
        finally:
            self.process.kill()
            self.thread.join()
            self.process.stdout.close()


class Smbclient:
    """Debian's, each time anew and at the next address: what it has put it finds at another one."""

    name = "smbclient"

    def __init__(self, cluster):
        self.cluster, self.rounds, self.failed, self.wrong, self.put = cluster, 0, 0, [], {}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def tell(self, address, command):
        run = subprocess.run(["smbclient", f"//{address}/share", "-p", str(PORT), "-U", USER1.credentials, "-c", command], capture_output=True, text=True, errors="replace", cwd=self.cluster.top,
                             stdin=subprocess.DEVNULL, timeout=STUCK_SECONDS)
        return run.returncode == 0

    def run(self):
        source, copy = self.cluster.top / "to_put", self.cluster.top / "got"
        for number in itertools.count():
            if self.over.is_set():
                return
            content, name, at = f"content {number}\n" * (number % 500 + 1), f"put{number % 40}", number % len(ADDRESSES)
            source.write_text(content)
            copy.unlink(missing_ok=True)
            self.put.pop(name, None)
            try:
                if not self.tell(ADDRESSES[at], f"put {source.name} {name}"):
                    self.failed += 1
                    continue
                self.put[name] = content
                while not self.tell(ADDRESSES[at - 1], f"get {name} {copy.name}") and not self.over.is_set():
                    self.failed += 1
            except subprocess.TimeoutExpired as late:
                self.wrong.append(f"stuck: {late.cmd}")
                return
            if not self.over.is_set() and copy.read_text() != content:
                self.wrong.append(f"{name} is not what was put")
            self.rounds += 1

    def end(self):
        self.over.set()
        self.thread.join()


class Kernel:
    """The guest. How far it got is seen in the files that it writes. Now and then its client stops for good behind a return, with every request answered and every connection there: so it is
    begun anew, a few times."""

    name = "the kernel's client"

    def __init__(self, cluster):
        tell("ip", "tuntap", "add", TAP, "mode", "tap")
        tell("ip", "link", "set", TAP, "master", "public", "up")
        self.cluster, self.beginnings = cluster, 0
        self.begin()

    def begin(self):
        self.beginnings += 1
        for mount in MOUNTS:
            self.path(mount).unlink(missing_ok=True)
        values = {"MOUNTS": " ".join(f"{name}:{options}" for name, options in MOUNTS.items()), "HOST": ADDRESSES[0], "PORT": PORT, "USER": USER1.name, "PASSWORD": USER1.password, "LOOKED_AT": LOOKED_AT}
        script = WORKLOAD
        for name, value in values.items():
            script = script.replace(f"@{name}@", str(value))
        guest = Guest(files={"recordlog": TOP / "build" / self.cluster.preset / "bin" / "recordlog"}, tap=(TAP, GUEST_ADDRESS))
        self.running = guest.running(script)
        self.process, self.console_file = self.running.__enter__()

    def stood_by_itself(self):
        """How often it was seen to, at the same place as before."""
        seen = STANDS_BY_ITSELF.findall(self.console_file.read_text(errors="replace").replace("\r", ""))
        return sum(place in seen[:at] for at, place in enumerate(seen))

    def begin_anew(self):
        print(f"      the kernel's client stands still by itself:\n{self.console_file.read_text(errors='replace')[-2000:]}", flush=True)
        self.running.__exit__(None, None, None)
        self.begin()

    def path(self, mount):
        return self.cluster.path("share") / f"kernel-{mount}"

    @property
    def rounds(self):
        """The slower one's."""
        return min(self.path(mount).stat().st_size if self.path(mount).exists() else 0 for mount in MOUNTS)

    def end(self):
        for mount in MOUNTS:
            self.path(mount).with_name(f"{self.path(mount).name}.end").touch()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(END_SECONDS)
        self.console = self.console_file.read_text(errors="replace").replace("\r", "")
        self.running.__exit__(None, None, None)


# The deaths. Each gives what brings the node back.

def daemon_killed(cluster, pnn):
    node = cluster.nodes[pnn]
    node.signal(signal.SIGKILL)
    return node.start


def machine_killed(cluster, pnn):
    """Nothing that it has sent or wanted to send gets out any more, and its addresses go with it."""
    node, server = cluster.nodes[pnn], cluster.servers[pnn]
    node.machine.cut("eth0", "eth1")
    for pid in [*server.processes(), *cluster.processes_of(pnn)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.process.wait()
    node.machine.tell("ip", "address", "flush", "dev", "eth1", "scope", "global")

    def back():
        mend(node)
        node.start()
        server.start()
    return back


def mend(node):
    node.machine.mend("eth0", "private")
    node.machine.mend("eth1", "public")


def cut_off(cluster, pnn):
    node = cluster.nodes[pnn]
    node.machine.cut("eth0", "eth1")
    return lambda: mend(node)


def stands_still(cluster, pnn):
    """ctdbd and smbd. The guard of the addresses is another process, and so is the supervisor."""
    stopped = [cluster.nodes[pnn].pid(), *cluster.servers[pnn].processes()]
    for pid in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)

    def back():
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    return back


DEATHS = [daemon_killed, machine_killed, cut_off, stands_still]


class ClientCluster(ServerCluster):
    def __init__(self, preset):
        super().__init__(preset, shares=SHARES)
        for node in self.nodes:
            node.tunables = "MonitorInterval=1\n"

    def processes_of(self, pnn):
        base = f"CTDB_BASE={self.nodes[pnn].base}\0".encode()
        found = []
        for pid in self.processes():
            with contextlib.suppress(OSError):
                if base in pathlib.Path(f"/proc/{pid}/environ").read_bytes() + b"\0":
                    found.append(pid)
        return found

    def holder(self, address):
        have = [node.pnn for node in self.nodes if node.has(address)]
        return have[0] if len(have) == 1 else None

    def await_served(self, among):
        await_that(lambda: all(self.holder(address) in among for address in ADDRESSES), lambda: f"addresses are at {[self.holder(address) for address in ADDRESSES]}, not at {among}")


def served_after(cluster, address, others, since):
    """Seconds until one of the others has the address and an SMB server answers there."""
    await_that(lambda: any(cluster.nodes[other].has(address) for other in others), f"nobody takes over {address}")
    await_that(lambda: answers_negotiate(address, PORT, 0.3), f"nobody answers at {address}")
    return time.monotonic() - since


def await_progress(clients, what):
    """Everybody has got on since now, and so has done with what happened before."""
    before = {name: client.rounds for name, client in clients.items()}
    kernel = clients.get(Kernel.name)
    stood = kernel.stood_by_itself() if kernel else 0

    def waiting():
        if kernel and kernel.beginnings < MOST_BEGINNINGS and kernel.rounds < before[kernel.name] + 2 and kernel.stood_by_itself() > stood:
            kernel.begin_anew()
            before[kernel.name] = 0
        ended = [fault for client in clients.values() if isinstance(client, Wanderer) for fault in client.faults()]
        require(not ended, f"{ended}")
        return [name for name, client in clients.items() if client.rounds < before[name] + 2]
    await_that(lambda: not waiting(), lambda: f"{what}: stuck for {STUCK_SECONDS} s: {waiting()}{stuck_at(clients, waiting())}", STUCK_SECONDS)


def stuck_at(clients, names):
    """What they were told last, and what connections there are: whether a server is silent or only somebody's turn does not come."""
    last = "".join(f"; {name}: {clients[name].lines[-3:]}" for name in names if isinstance(clients[name], Wanderer))
    if Kernel.name in names:
        last += f"; {clients[Kernel.name].console_file.read_text(errors='replace')[-2000:]}"
    return f"{last}; {subprocess.run(['ss', '-tnpH'], capture_output=True, text=True, check=False).stdout}"


class Death:
    """One of them: when, and until when everybody had got over it."""

    def __init__(self, cluster, clients, turn):
        kill = DEATHS[turn % len(DEATHS)]
        self.kind, self.over = kill.__name__, None
        address, self.pnn = self.choose(cluster, turn)
        others = [node.pnn for node in cluster.nodes if node.pnn != self.pnn]
        self.began = time.monotonic()
        back = kill(cluster, self.pnn)
        try:
            self.served = served_after(cluster, address, others, self.began)
            cluster.await_settled(others)
            cluster.await_served(others)
            time.sleep(DEAD_SECONDS)
            await_progress(clients, f"{self.kind} of node {self.pnn}")
            self.over = time.monotonic()
        finally:
            back()
        cluster.await_settled()
        cluster.await_served(range(3))
        await_progress(clients, f"the return of node {self.pnn} after {self.kind}")

    def choose(self, cluster, turn):
        """(an address, who has it). A leader whose links are cut while it has the cluster lock goes on, and nobody else may."""
        spared = cluster.leader() if self.kind == cut_off.__name__ else None
        for address in ADDRESSES[turn % len(ADDRESSES):] + ADDRESSES[:turn % len(ADDRESSES)]:
            pnn = await_that(lambda: [cluster.holder(address)] if cluster.holder(address) is not None else None, f"nobody has {address}")[0]
            if pnn != spared:
                return address, pnn
        raise Failure("one node has all addresses")

    def pause(self, confirmed):
        """The longest time in which somebody was told nothing to whom something was confirmed at these."""
        times = [self.began, *confirmed[bisect.bisect(confirmed, self.began):bisect.bisect(confirmed, self.over)], self.over]
        return max(after - before for before, after in zip(times, times[1:]))


def claims(wanderer):
    """{file: [(since, until)]}: when a handle was certainly its own. What is confirmed was held all the time before."""
    found, held = {}, {}
    for line in wanderer.lines:
        if line[0] == "held":
            held[line[1]] = [float(line[2]), float(line[2])]
            found.setdefault(line[1], []).append(held[line[1]])
        elif line[0] == "confirmed" and line[1] in held:
            held[line[1]][1] = max(held[line[1]][1], float(line[2]))
    return found


def nothing_flushed_is_lost(cluster, wanderers):
    for wanderer in wanderers:
        require(not wanderer.faults(), f"{wanderer.faults()}")
        said = wanderer.told("records")
        require(said, f"{wanderer.word} has not come to its end: {wanderer.lines[-3:]}")
        records, bad, reconnects = int(said[0][0]), int(said[0][2]), int(said[0][4])
        turns = len(wanderer.told("turn"))
        gone = sum(file not in PLAIN for file, *_ in wanderer.told("gone"))
        print(f"      {wanderer.word}: {records} records, {bad} bad, {turns} turns, {reconnects} reconnects, {gone} durable handles gone", flush=True)
        require(records > 50 and turns > 10, f"{wanderer.word} has written {records} records and had {turns} turns")
        require(bad == 0, f"{wanderer.word}: {bad} of {records} flushed records are lost or changed")
        on_disk = records_on_disk(cluster.path("share") / f"records-{wanderer.word}")
        require(on_disk >= records, f"{wanderer.word}: the disk has {on_disk} of {records} flushed records")


def one_at_a_time(cluster, wanderers):
    """No number was given out twice, and none under two locks."""
    turns = sorted((float(since), float(until), int(number), wanderer.word) for wanderer in wanderers for number, since, until in wanderer.told("turn"))
    for (_, until, number, who), (since, _, after, other) in zip(turns, turns[1:]):
        require(since >= until, f"{who} and {other} had the same lock, at {since}: {number}, {after}")
        require(after > number, f"{other} read a number before {number}, which {who} had written and flushed under the lock: {after - 1}")
    there = int.from_bytes((cluster.path("share") / "turns").read_bytes()[:8], "little")
    require(there >= turns[-1][2], f"the disk has {there}, and {turns[-1][2]} was written and flushed")


def no_rival_was_granted(wanderers, rival):
    require(not rival.faults(), f"{rival.faults()}")
    refused = rival.told("refused")
    require(refused and int(refused[-1][0]) > 50, f"a rival has asked too little: {refused[-1:]}")
    print(f"      rival: {refused[-1][0]} opens refused, {len(rival.told('rivalled'))} granted while nobody held the file", flush=True)
    held = {file: spans for wanderer in wanderers for file, spans in claims(wanderer).items()}
    for file, since, until in rival.told("rivalled"):
        during = [span for span in held.get(file, []) if span[0] <= float(since) and float(until) <= span[1]]
        require(not during, f"{file} was opened by a rival between {since} and {until}, and was held from {during[0][0]} to {during[0][1]}" if during else "")


def handles_outlive(wanderers, deaths):
    for wanderer in wanderers:
        for file, status, at in wanderer.told("gone"):
            if file in PLAIN:
                continue
            death = next((death for death in deaths if death.began <= float(at) <= death.over), None)
            require(death, f"{wanderer.word}: {file} is gone with {status} at {at}, and no node had died")
            require(status == GONE_ON_A_LOST_NODE, f"{wanderer.word}: {file} of a lost node is told gone with {status}")
            require(not MIRRORED, f"{wanderer.word}: {file} is gone with node {death.pnn}: {death.kind}")
        stale = wanderer.told("stale")
        if stale:
            print(f"      {wanderer.word}: {len(stale)} times a handle came back with other locks than it had: {stale[0]}", flush=True)
        for file, status, at in stale:
            require(not MIRRORED, f"{wanderer.word}: {file} came back with other locks than it had: {status}")
            require(any(death.began <= float(at) <= death.over for death in deaths), f"{wanderer.word}: {file} has other locks than it had, {status} at {at}, and no node had died")


def smbclient_lost_nothing(cluster, smbclient):
    print(f"      smbclient: {smbclient.rounds} files put and got, {smbclient.failed} calls failed", flush=True)
    require(not smbclient.wrong, f"{smbclient.wrong[:3]}")
    require(smbclient.rounds > 10, f"only {smbclient.rounds} rounds")
    for name, content in smbclient.put.items():
        require((cluster.path("share") / name).read_text() == content, f"{name} is not what was put")


def kernel_lost_nothing(cluster, kernel):
    console = kernel.console
    require("guest: step done" in console and re.search(rf"^{END}0$", console, re.M), f"the guest has not come to its end:\n{console[-3000:]}")
    for mount in MOUNTS:
        found = re.search(rf"^log {mount}: records (\d+) bad (\d+)(.*)$", console, re.M)
        require(found, f"no result of {mount}:\n{console[-2000:]}")
        print(f"      kernel: {found[0]}", flush=True)
        count = int(found[1])
        require(count > 20 and found[2] == "0", f"{found[0]}: records are lost or changed")
        on_disk = records_on_disk(kernel.path(mount))
        require(on_disk in (count, count + 1), f"the disk has {on_disk} of {count} records")
        # As over channels, what is sent again may go over a connection that has just ended too: the first new one to a node that dies.
        errors = not_clients_own(found[3].split(), other_channels=True, ended_at_once=True)
        require(not errors, f"errors that are not the client's own: {errors}")


def times(deaths, wanderers):
    confirmed = [sorted(float(line[-1]) for line in wanderer.told("confirmed")) for wanderer in wanderers]
    for kind in dict.fromkeys(death.kind for death in deaths):
        mine = [death for death in deaths if death.kind == kind]
        served, paused = sorted(death.served for death in mine), sorted(death.pause(one) for death in mine for one in confirmed)
        print(f"      {kind}: {len(mine)} times; its address answers at another node after {served[len(served) // 2]:.2f} s (at most {served[-1]:.2f} s); a client's longest pause "
              f"{paused[len(paused) // 2]:.2f} s (at most {paused[-1]:.2f} s)", flush=True)


def live_through(tally, cluster, clients, count):
    """The deaths that everybody got over."""
    deaths = []
    with tally.case("all clients begin"):
        await_that(lambda: all(client.rounds > 1 for client in clients.values()), lambda: f"{ {name: client.rounds for name, client in clients.items()} }", BOOT_SECONDS)
    for turn in range(0 if tally.bad else count):
        with tally.case(f"death {turn + 1}: {DEATHS[turn % len(DEATHS)].__name__}: every client goes on"):
            deaths.append(Death(cluster, clients, turn))
        if tally.bad:
            break
    return deaths


def run(tally, arguments):
    count = arguments.deaths or (FULL_DEATHS if arguments.full else SHORT_DEATHS)
    with tally.guard("the cluster"), ClientCluster(arguments.preset) as cluster:
        cluster.await_served(range(3))
        wanderers = [Wanderer(cluster, word, "--first", str(number)) for number, word in enumerate(WORDS)]
        await_that(lambda: all(wanderer.rounds for wanderer in wanderers) or any(wanderer.faults() for wanderer in wanderers), "our clients do not begin")
        rival, smbclient = Wanderer(cluster, "rival", "--first", "2", "--rival", ",".join(WORDS)), Smbclient(cluster)
        kernel = None if arguments.no_guest else Kernel(cluster)
        clients = {**{wanderer.word: wanderer for wanderer in (*wanderers, rival)}, smbclient.name: smbclient, **({kernel.name: kernel} if kernel else {})}
        try:
            deaths = live_through(tally, cluster, clients, count)
        finally:
            for client in clients.values():
                with tally.guard("the end of a client"):
                    client.end()
        with tally.case("nothing that was flushed is lost"):
            nothing_flushed_is_lost(cluster, wanderers)
        with tally.case("a lock is held by one at a time"):
            one_at_a_time(cluster, wanderers)
        with tally.case("no conflicting open is granted"):
            no_rival_was_granted(wanderers, rival)
        with tally.case("handles outlive their connections" + (" and their nodes" if MIRRORED else "")):
            handles_outlive(wanderers, deaths)
        with tally.case("smbclient finds what it has put"):
            smbclient_lost_nothing(cluster, smbclient)
        if kernel:
            with tally.case("no record of the kernel's client is lost"):
                kernel_lost_nothing(cluster, kernel)
        times(deaths, wanderers)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    parser.add_argument("--deaths", type=int)
    parser.add_argument("--full", action="store_true", help=f"{FULL_DEATHS} deaths")
    parser.add_argument("--no-guest", action="store_true")
    arguments = parser.parse_args()
    tally = report.Tally("cluster clients")
    isolation.run(lambda: run(tally, arguments), network=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
