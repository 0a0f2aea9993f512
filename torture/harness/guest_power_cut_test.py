#!/usr/bin/env python3
"""Power cuts: our server runs in a QEMU guest that loses its power and is booted again, and with it whatever its disk had not flushed (volatile_disk.py).

    guest_power_cut_test.py [--cuts N]      two
    guest_power_cut_test.py --full          ten, with the Linux kernel's client in another guest beside ours
    guest_power_cut_test.py --seed N        the same moments

Clients outside work on a continuously available share through all of it: our client that fails over writes numbered records under locks (smbrecords), plain and
sealed; with --full the kernel's does too (recordlog). No record that was acknowledged is lost, and the lock that is kept is there. Before each cut another client opens
files persistently, and finds afterwards what it was told: the handle, its lock and lease, what was written through it, a new name, and a deletion that was
asked for. What nobody has synced is lost, else it was no power cut.
"""

import argparse
import contextlib
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import threading
import time

import accounts
import report
from accounts import USER1
from guest import HOST, Guest, PROGRAMS
from guest_failover_test import records_on_disk
from records import Records
from report import require
from server import TOP, free_port
from volatile_disk import VolatileDisk
from wire import answers_negotiate

BOOT_SECONDS = 240
PATIENCE = 60
DISK_BYTES = 256 << 20
KEPT_LOCK = 1 << 40
CUTS, FULL_CUTS = 2, 10
SMB_CONF = """[global]
    server role = standalone server
    map to guest = never
    log level = 1
    log file = /run/atoll/log
    smb ports = 445
    state directory = /disk/state
    private dir = /disk/private
    lock directory = /run/atoll/lock
    cache directory = /run/atoll/cache
    pid directory = /run/atoll/pid
    posix locking = no
    kernel share modes = no
    kernel oplocks = no
[available]
    path = /disk/available
    read only = no
    continuous availability = yes
[plain]
    path = /disk/plain
    read only = no
"""
SERVING = r"""
mkdir -p /disk /run/atoll/lock /run/atoll/cache /run/atoll/pid
mount -t ext4 /dev/vda /disk
if [ ! -e /disk/ready ]; then
    mkdir -p /disk/available /disk/plain /disk/state /disk/private
    chmod 777 /disk/available /disk/plain
    printf '@PASSWORD@\n@PASSWORD@\n' | @BIN@/smbpasswd -c /etc/atoll/smb.conf -s -a @USER@
    touch /disk/ready
    sync
fi
exec @BIN@/smbd -F -s /etc/atoll/smb.conf
"""
# The kernel's client, in another guest.
MOUNTED = r"""
mount -t cifs //@HOST@/available /mnt -o "ip=@HOST@,port=@PORT@,username=@USER@,password=@PASSWORD@,vers=3.1.1,hard,persistenthandles,cache=none,retrans=1000"
/host/recordlog /mnt/kernel @SECONDS@
umount /mnt
"""
# With a lease a file is taken back by the name that it has (MS-SMB2 3.3.5.9.12), without one by any.
LEASE = {"data": "lease2=7", "renamed": "", "doomed": "lease2=7"}


def filled(script, **values):
    for name, value in {"BIN": TOP / "build" / values.pop("preset") / "bin", "USER": USER1.name, "PASSWORD": USER1.password, **values}.items():
        script = script.replace(f"@{name}@", str(value))
    return script


class Machine:
    """The guest with the server. `serving` runs it until the end of the context, which is the end of its power."""

    def __init__(self, top, preset, seed):
        self.port, self.preset, self.cuts = free_port(), preset, 0
        self.disk = VolatileDisk(top, DISK_BYTES, seed)

    @contextlib.contextmanager
    def serving(self):
        guest = Guest(files={"etc/atoll/smb.conf": SMB_CONF.encode()}, memory=768, root=PROGRAMS, modules=["virtio_blk", "ext4"], ports={self.port: 445},
                      more=self.disk.power_on())
        began = time.monotonic()
        with guest.running(filled(SERVING, preset=self.preset)) as (process, console):
            while not answers_negotiate("127.0.0.1", self.port):
                said = console.read_text(errors="replace")[-3000:]
                require(process.poll() is None, f"the guest with the server has ended:\n{said}")
                require(time.monotonic() < began + BOOT_SECONDS, f"the guest does not serve:\n{said}")
                time.sleep(0.2)
            print(f"# the server serves {time.monotonic() - began:.0f} s after its power is back", flush=True)
            yield
        flushed, lost = self.disk.power_cut()
        self.cuts += 1
        print(f"# power cut {self.cuts}: the disk had flushed {flushed} writes and lost {lost} sectors of others", flush=True)


class Client:
    """An smbhold of one client GUID."""

    def __init__(self, machine, guid, share="available"):
        command = [TOP / "build" / machine.preset / "bin" / "smbhold", f"//127.0.0.1/{share}", "-p", str(machine.port), "-U", USER1.credentials, "--client-guid", guid]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        said = self.process.stdout.readline().strip()
        require(said == "NT_STATUS_OK", f"the client cannot log on: {said}")

    def __enter__(self):
        return self

    def __exit__(self, *how):
        self.process.kill()
        self.process.communicate()

    def says(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def do(self, command, status="NT_STATUS_OK"):
        said = self.says(command)
        require(said == status, f"{command}: {said}, not {status}")


def leave_open(machine, number, stack):
    """What a client has open when the power goes: {name: its ids}."""
    client, opens = stack.enter_context(Client(machine, "away")), {}
    for name, lease in LEASE.items():
        client.do(f"open {name}{number} access=13019f share=7 {lease} durable2=300000 persistent")
        opens[name] = client.says("id")
        client.do(f"write 0 content-of-{name}")
        client.do("lock 0 10 exclusive")
    client.do("delete")
    client.do("close")  # the last one, doomed, whose client has it open no more
    del opens["doomed"]
    client.do(f"open doomed-too{number} access=13019f share=7 durable2=300000 persistent")
    opens["doomed-too"] = client.says("id")
    client.do("delete")
    client.do(f"open moving{number} access=13019f share=7 durable2=300000 persistent")
    opens["moving"] = client.says("id")
    client.do("write 0 content-of-moving")
    client.do("lock 0 10 exclusive")
    client.do(f"rename moved{number}")
    return opens


def unsynced(machine, number, stack):
    """Written where nobody promises anything, a moment before the power goes."""
    plain = stack.enter_context(Client(machine, "plain", "plain"))
    plain.do(f"open unsynced{number} access=13019f share=7 disposition=2")
    plain.do("write 0 nobody-has-synced-this")


def taken_back(machine, number, opens):
    with Client(machine, "other") as other:
        other.do(f"open data{number} access=1 share=7", "NT_STATUS_FILE_NOT_AVAILABLE")
        other.do(f"open doomed{number} access=1 share=7 disposition=1", "NT_STATUS_OBJECT_NAME_NOT_FOUND")
        for name, ids in opens.items():
            there = f"moved{number}" if name == "moving" else f"{name}{number}"
            with Client(machine, "away") as client:
                client.do(f"again {name}{number} {ids} access=13019f share=7 {LEASE.get(name, '')} persistent")
                if name != "doomed-too":
                    client.do(f"read 0 content-of-{name}")
                    client.do("lock 9 1 exclusive", "NT_STATUS_LOCK_NOT_GRANTED")
                    client.do("lock 10 1 exclusive")
                client.do("close")
            other.do(f"open {there} access=10001 share=7 disposition=1", "NT_STATUS_OBJECT_NAME_NOT_FOUND" if name == "doomed-too" else "NT_STATUS_OK")


def lost_what_nobody_synced(machine, number):
    with Client(machine, "other", "plain") as other:
        if other.says(f"open unsynced{number} access=1 share=7 disposition=1") == "NT_STATUS_OK":
            require(other.says("read 0 nobody-has-synced-this") != "NT_STATUS_OK", "what nobody has synced is there: the power was not cut")


def kept_lock_holds(machine, logs):
    """Nobody else gets what the clients hold all the time. Its client may be away still."""
    for log in logs:
        log.more(1)  # so that it is back
        with Client(machine, "other") as other:
            other.do(f"open {log.name} access=3 share=7")
            other.do(f"lock {KEPT_LOCK} 1 exclusive", "NT_STATUS_LOCK_NOT_GRANTED")


def check_records(log):
    records, bad, reconnects = log.end()
    print(f"# {log.name}: {records} records, {reconnects} reconnects", flush=True)
    require(records >= log.acknowledged and bad == 0, f"{bad} of {records} records are lost or changed")
    return records


class KernelClient(threading.Thread):
    """recordlog in a guest of its own, for so many seconds; `line` is what it says at its end."""

    def __init__(self, machine, seconds):
        super().__init__()
        self.script = filled(MOUNTED, preset=machine.preset, HOST=HOST, PORT=machine.port, SECONDS=seconds)
        self.program, self.seconds, self.status, self.console = TOP / "build" / machine.preset / "bin" / "recordlog", seconds, None, ""
        self.start()

    def run(self):
        self.status, self.console = Guest(files={"recordlog": self.program}).run(self.script, seconds=self.seconds + 3 * BOOT_SECONDS)

    def records(self):
        found = re.search(r"^records (\d+) bad (\d+)(.*)$", self.console, re.M)
        require(self.status == 0 and found, f"ended with {self.status}:\n{self.console[-3000:]}")
        print(f"# kernel: {found[0]}", flush=True)
        require(int(found[1]) > 20, f"only {found[1]} records")
        require(found[2] == "0", f"{found[2]} of {found[1]} records are lost or changed")
        return int(found[1])


def run(machine, cuts, full, moment, tally, stack):
    kernel, opens, logs = None, None, []
    for number in range(cuts + 1):
        with machine.serving():
            if not logs:
                logs = [Records(machine.preset, "//127.0.0.1/available", machine.port, name, *options, patience=PATIENCE)
                        for name, options in (("log", ()), ("sealed-log", ("--seal",)))]
                for log in logs:
                    stack.callback(log.kill)
                kernel = KernelClient(machine, 30 * cuts) if full else None
            if opens:
                with tally.case(f"what was open persistently is there after power cut {number}"):
                    taken_back(machine, number - 1, opens)
                with tally.case(f"what nobody had synced is not there after power cut {number}"):
                    lost_what_nobody_synced(machine, number - 1)
            with tally.case(f"clients at work go on, with the lock that they keep: {number} power cuts"):
                kept_lock_holds(machine, logs)
            if number < cuts:
                opens = leave_open(machine, number, stack)
                for log in logs:
                    log.more(20)
                time.sleep(moment.random() * 2)
                unsynced(machine, number, stack)
                continue
            counts = {}
            for log in logs:
                with tally.case(f"no record that was acknowledged is lost: {log.name}"):
                    counts[log.name] = check_records(log)
            if kernel:
                with tally.case("no record is lost on a mount of the Linux kernel's"):
                    kernel.join()
                    counts["kernel"] = kernel.records()
    return counts


def on_disk(machine, counts, top):
    """The last power cut was after the last record."""
    machine.disk.extract(top / "found")
    for name, count in counts.items():
        found = records_on_disk(top / "found" / "available" / name)
        require(found in (count, count + 1), f"the disk has {found} of {count} records of {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--cuts", type=int)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    arguments = parser.parse_args()
    tally = report.Tally("power cut")
    print(f"# seed {arguments.seed}", flush=True)
    with tally.guard("the guest with the server"), tempfile.TemporaryDirectory(prefix="atoll-power-") as top, contextlib.ExitStack() as stack:
        accounts.ensure([USER1])
        machine = Machine(pathlib.Path(top), arguments.preset, arguments.seed)
        cuts = arguments.cuts or (FULL_CUTS if arguments.full else CUTS)
        counts = run(machine, cuts, arguments.full, random.Random(arguments.seed), tally, stack)
        with tally.case("all records are on the disk"):
            on_disk(machine, counts, pathlib.Path(top))
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
