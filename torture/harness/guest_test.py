#!/usr/bin/env python3
"""The Linux kernel's SMB client works on a share: unpacks a source tree, compares every checksum, renames, deletes, caches a directory under a lease, writes sparsely, truncates, appends.

    guest_test.py           vers=3.1.1, plain and sealed
    guest_test.py --full    every dialect, plain, and sealed from 3.0 on
"""

import argparse
import hashlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import report
import sourcetree
from accounts import USER1
from guest import HOST, Guest
from report import require
from server import Server

ALL = [("2.0", False), ("2.1", False), ("3.0", False), ("3.0.2", False), ("3.1.1", False), ("3.0", True), ("3.0.2", True), ("3.1.1", True)]
CHECK = [("3.1.1", False), ("3.1.1", True)]

WORKLOAD = r"""
step() { echo "guest: step $*"; }
fail() { echo "guest: FAILED $*"; exit 1; }
same() { [ "$1" = "$2" ] || fail "$3: is '$1', not '$2'"; }
attach() { mkdir -p "$1"; mount -t cifs //@HOST@/share "$1" -o "ip=@HOST@,port=@PORT@,username=@USER@,password=@PASSWORD@,@OPTIONS@,iocharset=utf8,$2"; }

step mount
attach /mnt rw
grep -q " /mnt cifs .*vers=@VERS@[0-9.]*,@SEAL@" /proc/mounts || fail "not mounted as asked: $(grep cifs /proc/mounts)"

step unpack
tar -x -f /host/tree.tar -C /mnt
step checksums
cd /mnt; sha256sum -c /host/tree.sums >/tmp/sums || fail "checksums: $(grep -v OK /tmp/sums | head -5)"; cd /
same $(grep -c OK /tmp/sums) @COUNT@ "files with the right checksum"
step checksums after a new mount
umount /mnt; attach /mnt rw
cd /mnt; sha256sum -c /host/tree.sums >/tmp/sums || fail "checksums: $(grep -v OK /tmp/sums | head -5)"; cd /
same $(find /mnt/tree -type f | wc -l) @COUNT@ "files listed"

step rename
mkdir -p /mnt/a/b /mnt/c
for n in 1 2 3 4 5 6 7 8 9; do echo "content $n" >/mnt/a/b/f$n; done
for n in 1 2 3 4 5 6 7 8 9; do mv /mnt/a/b/f$n /mnt/c/g$n; done
same "$(ls /mnt/a/b | wc -l) $(ls /mnt/c | wc -l)" "0 9" "files after renames across directories"
same "$(cat /mnt/c/g7)" "content 7" "a renamed file"
mv /mnt/c /mnt/a/b/moved
same "$(cat /mnt/a/b/moved/g3)" "content 3" "a file in a renamed directory"
echo new >/mnt/over; mv /mnt/over /mnt/a/b/moved/g1
same "$(cat /mnt/a/b/moved/g1)" new "a file renamed over another"

step delete
rm /mnt/a/b/moved/g2; [ ! -e /mnt/a/b/moved/g2 ] || fail "a deleted file is there"
rm -r /mnt/a; [ ! -e /mnt/a ] || fail "a deleted directory is there"
rmdir /mnt/tree 2>/dev/null && fail "a directory that is not empty was removed"

step sparse
dd if=/host/tree.sums of=/mnt/sparse bs=4096 count=1 seek=2560 2>/dev/null
same $(stat -c %s /mnt/sparse) 10489856 "size after a write at 10 MiB"
same "$(dd if=/mnt/sparse bs=1M count=10 2>/dev/null | tr -d '\000' | wc -c)" 0 "bytes that are not zero in the hole"
dd if=/mnt/sparse bs=4096 skip=2560 2>/dev/null >/tmp/tail; dd if=/host/tree.sums bs=4096 count=1 2>/dev/null | cmp - /tmp/tail || fail "the data behind the hole"
step truncate
truncate -s 5000 /mnt/sparse; same $(stat -c %s /mnt/sparse) 5000 "size after truncation"
truncate -s 70000 /mnt/sparse; same $(stat -c %s /mnt/sparse) 70000 "size after extension"
same "$(tr -d '\000' </mnt/sparse | wc -c)" 0 "bytes that are not zero after extension"

# Reparse points, which the kernel's client makes from 3.0 on.
links() {
    same "$(readlink /mnt/links/link)" file "a symbolic link"
    same "$(cat /mnt/links/link)" there "what it leads to"
    same "$(cat /mnt/links/up/file)" there "what is behind one to a directory"
    [ -p /mnt/links/pipe ] || fail "a FIFO is none: $(ls -l /mnt/links)"
}
case "@VERS@" in 3*)
    step symbolic links
    mkdir -p /mnt/links/d
    echo there >/mnt/links/file; ln -s file /mnt/links/link; ln -s ../links /mnt/links/up; mkfifo /mnt/links/pipe
    links
    umount /mnt; attach /mnt rw; links
    rm /mnt/links/link /mnt/links/up /mnt/links/pipe; same "$(ls /mnt/links)" "$(printf 'd\nfile')" "what is left"
    same "$(cat /mnt/links/file)" there "what a removed link led to";;
esac

# From 3.0 on the kernel's client keeps a directory that it lists open under a lease, for 30 seconds, and its names with it.
queries() { sed -n 's/^QueryDirectories: \([0-9]*\) total.*/\1/p' /proc/fs/cifs/Stats | while read n; do sum=$((sum + n)); echo $sum; done | tail -1; }
soon() { for try in 1 2 3 4 5 6 7 8 9 10; do [ "$(ls /mnt/leased)" = "$1" ] && return; sleep 0.5; done; fail "$2: $(ls /mnt/leased)"; }
case "@VERS@" in 3*)
    step leases on directories
    mkdir /mnt/leased; echo 1 >/mnt/leased/one
    attach /mnt2 nosharesock
    ls /mnt/leased >/dev/null; before=$(queries)
    same "$(ls /mnt/leased)" one "a listed directory"
    [ @KIND@ = debian ] || same $(queries) $before "requests after listing it again"  # Debian's smbd 4.17 has no leases on directories
    echo 2 >/mnt2/leased/two; soon "$(printf 'one\ntwo')" "what another client makes is not seen"
    mv /mnt2/leased/one /mnt2/leased/three; soon "$(printf 'three\ntwo')" "what another client renames is not seen"
    rm /mnt2/leased/three; soon two "what another client removes is still seen"
    umount /mnt2;;
esac

step df and stat
set -- $(df -k /mnt | tail -1); [ "$2" -gt 1000 ] && [ "$4" -gt 0 ] && [ "$4" -le "$2" ] || fail "df: $*"
same "$(stat -c '%F' /mnt/tree)" directory "type of a directory"
now=$(date +%s); touch /mnt/stamp; age=$(( $(stat -c %Y /mnt/stamp) - now )); [ $age -gt -120 ] && [ $age -lt 120 ] || fail "mtime of a new file is $age s off"
touch -d '2001-09-09 01:46:40' /mnt/stamp; same $(stat -c %Y /mnt/stamp) 1000000000 "mtime that was set"

step append from two mounts
# Neither keeps a handle or attributes past a close: where an append goes is then what the server says at the open.
umount /mnt; attach /mnt actimeo=0,closetimeo=0; attach /mnt2 nosharesock,actimeo=0,closetimeo=0
for n in 1 2 3 4 5 6 7 8 9 10; do echo "one $n" >>/mnt/log; echo "two $n" >>/mnt2/log; done
for m in /mnt /mnt2; do same "$(wc -l <$m/log) $(grep -c one $m/log) $(grep -c two $m/log)" "20 10 10" "lines appended, seen from $m"; done
same "$(tail -1 /mnt/log)" "two 10" "the last line"
umount /mnt2; umount /mnt
step done
"""


def host_checks(path, sums, console):
    """What the guest wrote, seen on the server's own disk."""
    require("guest: step done" in console, f"the workload did not come to its end:\n{console[-3000:]}")
    expected = dict(reversed(line.split("  ", 1)) for line in sums.splitlines())
    for name, digest in expected.items():
        require(hashlib.sha256((path / name).read_bytes()).hexdigest() == digest, f"{name} differs on the server's disk")
    require((path / "log").read_text().count("\n") == 20, "the log of the two mounts differs on the server's disk")
    require((path / "sparse").stat().st_size == 70000, "the sparse file's size differs on the server's disk")


def run(kind, preset, vers, seal, tree, sums):
    # The kernel writes 3.0.2 as 3.02 when it tells of its mounts.
    replace = {"@HOST@": HOST, "@USER@": USER1.name, "@PASSWORD@": USER1.password, "@KIND@": kind, "@OPTIONS@": f"vers={vers}" + (",seal" if seal else ""),
               "@VERS@": {"3.0.2": "3.02"}.get(vers, vers), "@SEAL@": ".*seal" if seal else "", "@COUNT@": str(sums.count("\n"))}
    with Server(kind, shares={"share": {}}, users=[USER1], preset=preset) as server:
        script = WORKLOAD.replace("@PORT@", str(server.port))
        for name, value in replace.items():
            script = script.replace(name, value)
        status, console = Guest(files={"tree.tar": tree, "tree.sums": sums.encode()}).run(script, seconds=900)
        require(status == 0, f"guest ended with {status}:\n{console[-3000:]}\nserver: {server.output()[-2000:]}")
        host_checks(server.path("share"), sums, console)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=["atoll", "debian"], default="atoll")
    parser.add_argument("--preset", default="release")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--vers", help="only this dialect")
    arguments = parser.parse_args()
    tally = report.Tally("kernel client")
    tree, sums = sourcetree.tarball()

    def one(mount):
        vers, seal = mount
        began = time.monotonic()
        with tally.case(f"the Linux kernel's client, vers={vers}{',seal' if seal else ''}"):
            run(arguments.server, arguments.preset, vers, seal, tree, sums)
        print(f"# vers={vers}{',seal' if seal else ''}: {time.monotonic() - began:.0f} s", flush=True)

    mounts = [mount for mount in (ALL if arguments.full or arguments.vers else CHECK) if arguments.vers in (None, mount[0])]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, mounts))
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
