"""A QEMU guest's disk that loses with its power what was not flushed, as a real one with a write cache may.

Killing QEMU is not enough for that: what the guest has written without a flush is in this machine's page cache by then and stays, whatever `cache=` says. So
QEMU (blklogwrites, whose log has the format of Linux' dm-log-writes) writes down every write and flush in their order. When the power is lost the disk
is made anew from what it was at the boot and from the log: all writes up to the last flush; of those behind it any sectors, in any order. The guest
is told of the write cache, and its file system flushes.
"""

import random
import shutil
import struct
import subprocess

from accounts import HarnessError

SECTOR = 512
SUPER = struct.Struct("<QQQI")  # magic, version, entries, sector size
MAGIC, VERSION = 0x6A736677736872, 1
ENTRY = struct.Struct("<QQQQ")  # sector, sectors, flags, length of data
FLUSH, DISCARD = 1, 4


def logged_writes(log):
    """(sector, data, flags) of each entry, in their order; data is None for what was discarded."""
    magic, version, count, sector = SUPER.unpack_from(log)
    if (magic, version, sector) != (MAGIC, VERSION, SECTOR):
        raise HarnessError(f"not a log of writes: {magic:#x} {version} {sector}")
    at = SECTOR
    for _ in range(count):
        first, sectors, flags, _ = ENTRY.unpack_from(log, at)
        at += SECTOR
        data = None
        if not flags & DISCARD:
            data = log[at:at + sectors * SECTOR]
            at += sectors * SECTOR
        yield first, data, flags


def replay(log, image, chance, moment):
    """Brings the open file `image` to where the power was lost. A sector that was not flushed is there with that chance. (writes flushed, sectors lost)."""
    entries = list(logged_writes(log))
    flushed = max((number + 1 for number, entry in enumerate(entries) if entry[2] & FLUSH), default=0)
    for first, data, _ in entries[:flushed]:
        image.seek(first * SECTOR)
        image.write(data or b"")  # what was discarded may be anything
    behind = [(first + at // SECTOR, data[at:at + SECTOR]) for first, data, _ in entries[flushed:] if data for at in range(0, len(data), SECTOR)]
    kept = [one for one in behind if moment.random() < chance]
    for sector, data in kept:
        image.seek(sector * SECTOR)
        image.write(data)
    return flushed, len(behind) - len(kept)


class VolatileDisk:
    """An ext4 file system of that size, in a directory. `seed` decides what a power cut leaves of what was not flushed."""

    def __init__(self, top, size, seed):
        self.image, self.running, self.log = top / "disk", top / "disk-running", top / "disk-log"
        self.moment = random.Random(seed)
        with open(self.image, "wb") as file:
            file.truncate(size)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(self.image)], check=True, env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"})

    def power_on(self):
        """The arguments of QEMU with which it has this disk as /dev/vda."""
        subprocess.run(["cp", "--sparse=always", str(self.image), str(self.running)], check=True)
        self.log.write_bytes(b"")
        return ["-blockdev", f"driver=file,node-name=image,filename={self.running}", "-blockdev", f"driver=file,node-name=writes,filename={self.log}",
                "-blockdev", f"driver=blklogwrites,node-name=disk,file=image,log=writes,log-sector-size={SECTOR},log-super-update-interval=1",
                "-device", "virtio-blk-pci,drive=disk,write-cache=on"]

    def power_cut(self):
        """After the end of QEMU. (writes flushed, sectors lost)."""
        with open(self.image, "r+b") as image:
            return replay(self.log.read_bytes(), image, self.moment.choice([0, 0.5, 0.9]), self.moment)

    def extract(self, to):
        """What is on it after its file system has recovered, in that directory."""
        copy = to.with_suffix(".image")
        shutil.copy(self.image, copy)
        checked = subprocess.run(["fsck.ext4", "-p", "-f", str(copy)], capture_output=True, text=True, env={"PATH": "/usr/sbin:/sbin"})
        if checked.returncode > 1:
            raise HarnessError(f"the disk cannot be repaired: {checked.stdout}{checked.stderr}")
        to.mkdir()
        subprocess.run(["debugfs", "-R", f"rdump / {to}", str(copy)], check=True, capture_output=True, env={"PATH": "/usr/sbin:/sbin"})
        copy.unlink()
