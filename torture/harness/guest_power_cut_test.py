#!/usr/bin/env python3
"""A power cut: our server runs in a QEMU guest whose state and share are on a disk of its own, QEMU is killed and the guest booted again. The client is outside.

    guest_power_cut_test.py [--preset release] [--cuts N]

What its persistent handles had been told is there afterwards: the handle, its lock and lease, what was written through it, a new name, and a deletion that was
asked for. What QEMU has not been given by the guest's kernel is lost, as with a machine.
"""

import argparse
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

import report
from accounts import User
from guest import Guest, MACHINE
from report import require
from server import TOP

BOOT_SECONDS = 600
PATIENCE = 60
USER = User("root", "Power-cut-1")
SERVING = "guest: the server serves"
SMB_CONF = """[global]
    server role = standalone server
    map to guest = never
    log level = 1
    state directory = /disk/state
    private dir = /disk/private
[available]
    path = /disk/share
    read only = no
    posix locking = no
    kernel share modes = no
    kernel oplocks = no
    continuous availability = yes
"""

WORKLOAD = r"""
mkdir -p /disk; mount -t ext4 /dev/vda /disk
mkdir -p /disk/share /disk/state /disk/private
[ -e /disk/private/passdb.tdb ] || printf '@PASSWORD@\n@PASSWORD@\n' | @BIN@/smbpasswd -s -a root
sync
ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0 || true
systemctl start atoll.service
echo "@SERVING@"
sleep 100000
"""


# With a lease a file is taken back by the name that it has (MS-SMB2 3.3.5.9.12), without one by any.
LEASE = {"data": "lease2=7", "renamed": "", "doomed": "lease2=7"}
NAMES = tuple(LEASE)


class Client:
    """An smbhold of one client GUID, which may find nobody at first."""

    def __init__(self, port, preset, guid):
        self.command = [str(TOP / "build" / preset / "bin" / "smbhold"), "//127.0.0.1/available", "-p", str(port), "-U", USER.credentials, "--client-guid", guid]
        deadline = time.monotonic() + PATIENCE
        while True:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            said = self.process.stdout.readline().strip()
            if said == "NT_STATUS_OK":
                return
            self.end()
            require(time.monotonic() < deadline, f"the client cannot log on: {said}")
            time.sleep(0.5)

    def says(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def do(self, command, status="NT_STATUS_OK"):
        said = self.says(command)
        require(said == status, f"{command}: {said}, not {status}")

    def end(self):
        self.process.kill()
        self.process.communicate()


def before(port, preset, number):
    """What is open when the power goes: {name: its ids}."""
    client = Client(port, preset, "away")
    opens = {}
    for name in NAMES:
        client.do(f"open {name}{number} access=13019f share=7 {LEASE[name]} durable2=300000 persistent")
        opens[name] = client.says("id")
        client.do(f"write 0 content-of-{name}")
        client.do("lock 0 10 exclusive")
        if name == "renamed":
            client.do(f"rename moved{number}")
        if name == "doomed":
            client.do("delete")
    return client, opens


def after(port, preset, number, opens):
    stranger = Client(port, preset, "other")
    stranger.do(f"open data{number} access=1 share=7", "NT_STATUS_FILE_NOT_AVAILABLE")
    stranger.end()
    for name in NAMES:
        client = Client(port, preset, "away")
        client.do(f"again {name}{number} {opens[name]} access=13019f share=7 {LEASE[name]} persistent")
        client.do(f"read 0 content-of-{name}")
        client.do("lock 9 1 exclusive", "NT_STATUS_LOCK_NOT_GRANTED")
        client.do("lock 10 1 exclusive")
        client.do("close")
        client.end()
        stranger = Client(port, preset, "other")
        there = {"data": f"data{number}", "renamed": f"moved{number}"}.get(name)
        if there:
            stranger.do(f"open {there} access=10001 share=7 disposition=1")
            stranger.do("close")
        if name != "data":
            stranger.do(f"open {name}{number} access=10001 share=7 disposition=1", "NT_STATUS_OBJECT_NAME_NOT_FOUND")
        stranger.end()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    parser.add_argument("--cuts", type=int, default=2)
    arguments = parser.parse_args()
    tally = report.Tally("power cut")
    build = TOP / "build" / arguments.preset
    script = WORKLOAD
    for name, value in {"BIN": str(build / "bin"), "PASSWORD": USER.password, "SERVING": SERVING}.items():
        script = script.replace(f"@{name}@", value)
    with tally.guard("the guest"), tempfile.TemporaryDirectory(prefix="atoll-power-") as top:
        disk = pathlib.Path(top, "disk")
        with open(disk, "wb") as file:
            file.truncate(256 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(disk)], check=True, env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"})
        opens, client = None, None
        for number in range(arguments.cuts + 1):
            port = free_port()
            guest = Guest(files={"etc/systemd/system/atoll.service": build / "units" / "atoll.service", "etc/atoll/smb.conf": SMB_CONF.encode()}, memory=2048,
                          cores=2, root=MACHINE, modules=["virtio_blk", "ext4"], disk=disk, ports={port: 445})
            with guest.until_power_cut(script, SERVING, BOOT_SECONDS):
                if opens:
                    with tally.case(f"what a client had open persistently is there after power cut {number}"):
                        after(port, arguments.preset, number - 1, opens)
                if number < arguments.cuts:
                    client, opens = before(port, arguments.preset, number)
            if client:
                client.end()
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
