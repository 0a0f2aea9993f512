#!/usr/bin/env python3
"""The Linux kernel's SMB client does not lose a record while its server process is killed every second, and the whole server every ten.

    guest_failover_test.py                            15 seconds of each set of mounts
    guest_failover_test.py --full                     200 kills each
    guest_failover_test.py --set persistent --events  one, with what the client's tracepoints say; the trace of the wire is left behind
    guest_failover_test.py --server debian            what Debian's smbd makes of it (its processes are killed, the server is not)

Each set is two hard mounts in one guest, cache=none and cache=strict: with resilienthandles on a plain share, with persistenthandles on a continuously available
one, and with four channels (multichannel), for which guest and server are in a network namespace where the server has two addresses. On each mount recordlog
writes numbered records under locks, with and without fsync, and reads them back through the mount; what is on the server's disk is read here. What the
server refuses is taken from the wire, by tshark: it may refuse nothing but the ids of a connection that is no more. Linux 6.12 sends such ids behind a
reconnect, and has errors of its own (docs/testing.md), which are printed. recordlog writes a record again whose write or fsync has failed; one is lost if
nobody was told.
"""

import argparse
import collections
import contextlib
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import threading
import time

import isolation
import report
from accounts import USER1
from durable_test import kill_group
from guest import HOST, Guest
from report import require
from server import TOP, Server

LASTING = {"kernel oplocks": "no", "kernel share modes": "no", "posix locking": "no"}
RECORD = struct.Struct("<QQ112s")
BOOT_SECONDS = 120
SHARES = {"share": LASTING, "available": {**LASTING, "continuous availability": "yes"}}
# Linux gives up a request that was cut off several times, though the mount is hard, unless it is told how often to try.
PERSISTENT = "persistenthandles,retrans=100"
CHANNELS = "multichannel,max_channels=4"
# {set: {mount: (share, options)}}; each mount has a log that is synced after each record and one that is not.
SETS = {
    "resilient": {"none": ("share", "resilienthandles,cache=none"), "strict": ("share", "resilienthandles,cache=strict")},
    "persistent": {"available": ("available", f"{PERSISTENT},cache=none"), "available-strict": ("available", f"{PERSISTENT},cache=strict,wsize=65536")},
    "multichannel": {"channels": ("share", f"resilienthandles,{CHANNELS},cache=none"),
                     "available-channels": ("available", f"{PERSISTENT},{CHANNELS},cache=none")},
}
# With --full: (how many guests, seconds). With several channels Linux 6.12 gets stuck sooner or later (docs/testing.md), hence the short ones.
ROUNDS = {"resilient": (1, 220), "persistent": (1, 220), "multichannel": (8, 25)}
TRIES = 3
# Of the namespace with several channels.
TAP, ADDRESSES, GUEST_ADDRESS = "tap0", ("10.77.0.1", "10.77.0.2"), "10.77.0.15/24"
CHANNEL_OPTIONS = {"server multi channel support": "yes", "interfaces": "lo " + " ".join(f'"{address};speed=1000000000,capability=RSS"' for address in ADDRESSES)}
PENDING = "0x00000103"
USER_SESSION_DELETED, NETWORK_NAME_DELETED, FILE_CLOSED = "0xc0000203", "0xc00000c9", "0xc0000128"
# What an honest server may refuse here, (command, status) as tshark has them: more of a log-on, the end of a file, DFS and interfaces that are not there.
FINE = {("1", "0xc0000016"), ("8", "0xc0000011"), ("11", "0xc000019c"), ("11", "0xc00000bb")}
# {call: what Linux 6.12 makes of a lost connection by itself, though the server refuses nothing}, as far as traces have shown it (docs/testing.md): a handle that was
# not reopened, a request of which only a part or nothing could be sent, a READ in flight, an unlock while there is no connection.
CLIENTS_OWN = {"fsync": {"EBADF", "ECONNABORTED"}, "write": {"EBADF", "ECONNABORTED"}, "close": {"EBADF", "ECONNABORTED"},
               "read": {"EBADF", "ECONNABORTED", "EAGAIN"}, "lock": {"EBADF"}, "unlock": {"EINVAL"}}
# Besides, where it tries another channel.
OVER_CHANNELS = {"write": {"EAGAIN"}}
# And of any call, where two of its threads log on at a time, one of them has the new session, and the other's tree is asked for there (NETWORK_NAME_DELETED).
UNCONNECTED_TREE = "EREMCHG"
# And of any call, where a server that cannot serve yet ends a connection before it has answered NEGOTIATE.
ENDED_AT_ONCE = "EHOSTDOWN"
# CREATE, QUERY_INFO and CLOSE in one chain: the client looks a name up, and there is none.
LOOK_UP = [(command, "0xc0000034") for command in ("5", "16", "6")]

WORKLOAD = r"""
mount_it() {
    mkdir -p /mnt/$1
    mount -t cifs //@HOST@/$2 /mnt/$1 -o "ip=@HOST@,port=@PORT@,username=@USER@,password=@PASSWORD@,vers=3.1.1,hard,nosharesock,$3"
}
@MOUNTS@
touch /mnt/@FIRST@/started
@EVENTS@
@LOGS@
wait
[ ! -d /sys/kernel/tracing/events ] || { echo 0 >/sys/kernel/tracing/tracing_on; echo "guest: events"; grep -E "_err:|reconnect|result=-| e=-|netfs_failure" /sys/kernel/tracing/trace || true; }
grep -c "^[[:space:]]*Channel:" /proc/fs/cifs/DebugData || true
touch /mnt/@FIRST@/finished
umount /mnt/*
echo "guest: step done"
"""


# The client's tracepoints, from where a call enters it to where it leaves it, and what its own functions return.
EVENTS = r"""mount -t tracefs tracefs /sys/kernel/tracing
cd /sys/kernel/tracing; echo mono >trace_clock; echo 65536 >buffer_size_kb
for f in smb2_unlock_range cifs_reopen_file smb2_reconnect; do echo "r:returns/$f $f result=\$retval:s32" >>kprobe_events; done
for e in cifs returns netfs/netfs_rreq netfs/netfs_sreq netfs/netfs_failure; do echo 1 >events/$e/enable; done
for e in add adj hdr nblk pend rw set wait waitff; do echo 0 >events/cifs/smb3_${e}_credits/enable; done; cd /"""


def client_pids(server):
    if server.kind == "debian":
        return [pid for pid, command in server.processes().items() if parent_of(pid) == server.process.pid and has_client(pid, server.port)]
    out = subprocess.run([server.program("smbstatus"), "-s", str(server.conf), "-p"], capture_output=True, text=True, timeout=60).stdout
    return sorted({int(line.split()[0]) for line in out.splitlines() if re.match(r"\d+ ", line)})


def parent_of(pid):
    try:
        return int(re.search(r"^PPid:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1])
    except OSError:
        return 0


def has_client(pid, port):
    """Whether the process holds an established connection of that local port."""
    inodes = {line.split()[9] for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
              if int(line.split()[1].split(":")[1], 16) == port and line.split()[3] == "01"}
    with contextlib.suppress(OSError):
        return any(os.readlink(f"/proc/{pid}/fd/{fd}") in {f"socket:[{inode}]" for inode in inodes} for fd in os.listdir(f"/proc/{pid}/fd"))
    return False


class Trace:
    """What goes to and from a port."""

    def __init__(self, server, interface):
        self.port, self.file = server.port, server.top / "trace.pcap"
        self.process = subprocess.Popen(["tshark", "-q", "-i", interface, "-f", f"tcp port {self.port}", "-w", str(self.file)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not self.file.exists() or not self.file.stat().st_size:
            require(time.monotonic() < deadline and self.process.poll() is None, "tshark does not capture")
            time.sleep(0.05)

    def end(self):
        if self.process.poll() is None:
            time.sleep(0.5)
            self.process.terminate()
        self.process.wait()

    def packets(self):
        """(connection, whether the server's, commands, statuses, message ids, sessions, trees, file ids) of each packet; what a chain has is a list each."""
        self.end()
        fields = ("smb2.cmd", "smb2.nt_status", "smb2.msg_id", "smb2.sesid", "smb2.tid", "smb2.fid")
        out = subprocess.run(["tshark", "-r", str(self.file), "-d", f"tcp.port=={self.port},nbss", "-Y", "smb2", "-T", "fields", "-e", "tcp.stream", "-e", "tcp.srcport",
                              *(word for field in fields for word in ("-e", field))], capture_output=True, text=True, timeout=600).stdout
        for line in out.splitlines():
            stream, source, *columns = line.split("\t")
            yield stream, int(source) == self.port, [column.split(",") if column else [] for column in columns]

    def connections(self):
        """{the server's address: how many sessions' channels were set up there}."""
        self.end()
        out = subprocess.run(["tshark", "-r", str(self.file), "-d", f"tcp.port=={self.port},nbss", "-Y", "smb2.cmd == 1 && smb2.flags.response == 1 && smb2.nt_status == 0",
                              "-T", "fields", "-e", "ip.src"], capture_output=True, text=True, timeout=600).stdout
        return collections.Counter(out.split())

    def unanswered(self):
        """(connection, command) of each request that has no answer on a connection that was not ended, and how often the client asked anything."""
        self.end()
        fields = ("tcp.stream", "tcp.srcport", "smb2.cmd", "smb2.nt_status", "smb2.msg_id")
        out = subprocess.run(["tshark", "-r", str(self.file), "-d", f"tcp.port=={self.port},nbss", "-Y", "smb2 || tcp.flags.reset == 1 || tcp.flags.fin == 1", "-T", "fields",
                              *(word for field in fields for word in ("-e", field))], capture_output=True, text=True, timeout=600).stdout
        asked, requests = {}, 0
        for line in out.splitlines():
            stream, source, commands, statuses, messages = line.split("\t")
            if not commands:
                asked = {request: command for request, command in asked.items() if request[0] != stream}
            elif int(source) != self.port:
                requests += 1
                asked.update({(stream, message): command for message, command in zip(messages.split(","), commands.split(","))})
            else:
                for message, status in zip(messages.split(","), statuses.split(",")):
                    if status != PENDING:
                        asked.pop((stream, message), None)
        return [(stream, command) for (stream, _), command in asked.items()], requests

    def refusals(self):
        """{(command, status): how often} of what should not have been refused. Ids of an older session should."""
        known, asked, found = set(), {}, collections.Counter()
        for stream, answered, (commands, statuses, messages, sessions, trees, files) in self.packets():
            if not answered:
                if len(commands) == len(files):
                    asked.update({(stream, message): file for message, file in zip(messages, files)})
                continue
            if "5" in commands:
                known.update((sessions[0], "file", file) for file in files)
            chain = list(zip(commands, statuses, messages, sessions, trees))
            while chain:
                if [answer[:2] for answer in chain[:3]] == LOOK_UP:
                    chain = chain[3:]
                    continue
                command, status, message, session, tree = chain.pop(0)
                if command in ("1", "3") and int(status, 16) == 0:
                    known.add((stream, session) if command == "1" else (session, "tree", tree))
                about = {USER_SESSION_DELETED: (stream, session), NETWORK_NAME_DELETED: (session, "tree", tree),
                         FILE_CLOSED: (session, "file", asked.get((stream, message)))}.get(status)
                if int(status, 16) >= 0x80000000 and (command, status) not in FINE and (about is None or about in known):
                    found[command, status] += 1
        return dict(found)


class Killer(threading.Thread):
    """Kills the clients' processes every second, and all of the server every ten, from the file `started` to the file `finished`, for so many seconds at most:
    a client that is stuck then has a server that lives, and what it waits for is seen."""

    def __init__(self, server, share, most_seconds):
        super().__init__()
        self.most_seconds = most_seconds
        self.server, self.share, self.over, self.processes, self.servers, self.error = server, share, threading.Event(), 0, 0, None

    def run(self):
        try:
            share = self.server.path(self.share)
            while not (share / "started").exists() and not self.over.wait(0.1):
                pass
            seconds = 0
            while seconds < self.most_seconds and not (share / "finished").exists() and not self.over.wait(1):
                seconds += 1
                if seconds % 10 == 0 and self.server.kind == "atoll":
                    kill_group(self.server)
                    self.server.start()
                    self.servers += 1
                    continue
                for pid in client_pids(self.server):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        self.processes += 1
        except Exception as error:  # told by the test's own thread
            self.error = error


def records_on_disk(path):
    """How many there are; the first that is not what was written is an error."""
    data = path.read_bytes()
    for number in range(len(data) // RECORD.size):
        found, check, text = RECORD.unpack_from(data, number * RECORD.size)
        require(found == number and check == (~number * 0x9E3779B97F4A7C15) & (1 << 64) - 1 and text.rstrip(b"\0") == b"record %d" % number,
                f"{path.name}: record {number} is {found} {text[:20]}")
    require(len(data) % RECORD.size == 0, f"{path.name}: a part of a record")
    return len(data) // RECORD.size


def not_clients_own(errors, other_channels=False, shared_trees=False, ended_at_once=False):
    """Of the errors as recordlog counts them, CALL:NAME=COUNT, those that the client does not make of a lost connection by itself."""
    counts = {error.split("=")[0]: int(error.split("=")[1]) for error in errors}
    told = sum(count for error, count in counts.items() if error.startswith("close:"))

    def own(error):
        call, name = error.split(":")
        # A request of which only a part could be sent, at the second attempt too: write gives 0, and close the error, once for each.
        if error == "write:SHORT":
            return counts[error] <= told
        elsewhere = (other_channels and name in OVER_CHANNELS.get(call, ())) or (shared_trees and name == UNCONNECTED_TREE) or (ended_at_once and name == ENDED_AT_ONCE)
        return name in CLIENTS_OWN.get(call, ()) or elsewhere

    return [error for error in counts if not own(error)]


def verdict(tally, server, share, name, options, console):
    """Of one log, by its line on the console and what is on the disk."""
    # What is cached and not synced the client itself may drop, and close is the first to tell.
    may_drop = "cache=strict" in options and not name.endswith("-fsync")
    with tally.case(f"no record is {'lost or changed without an error of close' if may_drop else 'lost or changed'}: {name}"):
        found = re.search(rf"^log {name}: records (\d+) bad (\d+)(.*)$", console, re.M)
        require(found, f"no result:\n{console[-2000:]}")
        print(f"# {found[0]}", flush=True)
        count, bad = int(found[1]), int(found[2])
        require(count > 20, f"only {count} records")
        told = may_drop and re.search(r" close:E", found[3])
        if bad and told:
            print(f"# {bad} of {count} records were dropped by the client, as its close told; the wire shows no write that the server refused", flush=True)
        require(bad == 0 or told, f"{bad} of {count} records are lost or changed, and nobody was told")
        on_disk = records_on_disk(server.path(share) / name) if bad == 0 else count
        # The last one may be there though its fsync failed, when there was no time to write it again.
        require(on_disk in (count, count + 1), f"the disk has {on_disk} of {count} records")
    if share == "available":
        with tally.case(f"no error but the client's own is seen on the persistent mount: {name}"):
            require(found, "no result")
            channels = "multichannel" in options
            errors = not_clients_own(found[3].split(), channels, channels)
            require(not errors, f"{errors}")


def run(chosen, arguments, tally, tries):
    """One set of mounts. False: the client has got stuck by itself, which it may while there are `tries` left."""
    program, mounts = TOP / "build" / arguments.preset / "bin" / "recordlog", SETS[chosen]
    require(program.exists(), f"{program} is not there: build preset {arguments.preset} first")
    seconds = arguments.seconds or (ROUNDS[chosen][1] if arguments.full else 15)
    logs = [(mount + suffix, mount, suffix[1:]) for mount in mounts for suffix in ("", "-fsync")]
    channels = chosen == "multichannel"
    if channels:
        subprocess.run(["ip", "tuntap", "add", TAP, "mode", "tap"], check=True)
        for address in ADDRESSES:
            subprocess.run(["ip", "addr", "add", f"{address}/24", "dev", TAP], check=True)
        subprocess.run(["ip", "link", "set", TAP, "up"], check=True)
    with Server(arguments.server, shares=SHARES, users=[USER1], preset=arguments.preset, options=CHANNEL_OPTIONS if channels else {}, port=445 if channels else None,
                keep=arguments.events) as server:
        first = next(iter(mounts))
        values = {"HOST": ADDRESSES[0] if channels else HOST, "PORT": server.port, "USER": USER1.name, "PASSWORD": USER1.password, "FIRST": first,
                  "EVENTS": EVENTS if arguments.events else "", "MOUNTS": "\n".join(f"mount_it {name} {share} {options}" for name, (share, options) in mounts.items()),
                  "LOGS": "\n".join(f'(echo "log {name}: $(/host/recordlog /mnt/{mount}/{name} {seconds} {sync} | tail -1)") &' for name, mount, sync in logs)}
        script = WORKLOAD
        for name in ("EVENTS", "MOUNTS", "LOGS", *values):
            script = script.replace(f"@{name}@", str(values[name]))
        killer, trace = Killer(server, mounts[first][0], 3 * seconds), Trace(server, TAP if channels else "lo")
        killer.start()
        try:
            status, console = Guest(files={"recordlog": program}, tap=(TAP, GUEST_ADDRESS) if channels else None).run(script, seconds=BOOT_SECONDS + 4 * seconds)
        finally:
            killer.over.set()
            killer.join()
            trace.end()
        if arguments.events:
            (server.top / "console").write_text(console)
        print(f"# {killer.processes} processes and {killer.servers} servers killed", flush=True)
        if status is None and killer.error is None and tries > 1:
            unanswered, requests = trace.unanswered()
            if requests and not unanswered:
                print(f"# the guest does not come to its end, though each of its {requests} requests is answered: once more", flush=True)
                return False
        with tally.case(f"the guest comes to its end: {chosen}"):
            require(killer.error is None, f"{killer.error}")
            server.keep = server.keep or status != 0
            require(status == 0 and "guest: step done" in console, f"ended with {status}:\n{console[-3000:]}\nserver: {server.output()[-2000:]}")
            require(killer.processes >= (200 // ROUNDS[chosen][0] if arguments.full else seconds // 2), f"only {killer.processes} processes were killed")
        with tally.case(f"the server refuses nothing that it should not: {chosen}"):
            refused = trace.refusals()
            server.keep = server.keep or bool(refused)
            require(not refused, f"{refused}: see {trace.file}")
        if channels:
            with tally.case("the client has several channels, to both addresses"):
                connections = trace.connections()
                print(f"# connections by address: {dict(connections)}", flush=True)
                require(all(connections[address] > 0 for address in ADDRESSES), f"{connections}")
        for name, mount, _ in logs:
            verdict(tally, server, *mounts[mount][:1], name, mounts[mount][1], console)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=["atoll", "debian"], default="atoll")
    parser.add_argument("--preset", default="release")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--set", choices=list(SETS), help="only this one")
    parser.add_argument("--events", action="store_true")
    arguments = parser.parse_args()
    tally = report.Tally("kernel client under kills")
    sets = [arguments.set] if arguments.set else list(SETS)
    for chosen in [one for one in sets for _ in range(ROUNDS[one][0] if arguments.full else 1)]:
        with tally.guard(f"the server, {chosen}"):
            channels = chosen == "multichannel"
            tries = TRIES if channels else 1
            while not isolation.run(lambda left=tries: run(chosen, arguments, tally, left), network=channels):
                tries -= 1
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
