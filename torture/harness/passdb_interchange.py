#!/usr/bin/env python3
"""Proves that our account tools and Debian's work on the same passdb.tdb, in turn and at the same time.

    passdb_interchange.py [--bin build/debug/bin] [-v]

1. The same work by ours and by Debian's smbpasswd and pdbedit, each in a directory of its own, ends in the same records (times apart), and both
   print the same.
2. In one directory, what either makes, changes or removes is what the other sees; the file stays sound by tdbtool's check.
3. Both change it at the same time: nothing is lost.
4. Debian's smbd, already running, lets in whom our smbpasswd makes, and no longer whom it disables or removes.
5. Accounts go from tdbsam to lmdb and back unchanged.

Needs root (UNIX accounts). Exit code: 0 as it should be, 1 not, 77 a needed program is missing or this is not root.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import accounts
from server import Server, TOP

DEBIAN = pathlib.Path("/usr/bin")
USER, OTHER, THIRD = accounts.USER1.name, accounts.USER2.name, accounts.ADMIN.name
failures = []
verbose = False


def check(what, ours, expected):
    if ours == expected:
        if verbose:
            print(f"ok    {what}")
        return
    failures.append(what)
    print(f"WRONG {what}\n  got      {ours!r}\n  expected {expected!r}")


class Place:
    """A directory with an smb.conf and a passdb.tdb."""

    def __init__(self, top):
        self.top = pathlib.Path(top)
        for name in ("lock", "state", "cache", "private", "pid"):
            (self.top / name).mkdir(parents=True)
        self.conf = self.top / "smb.conf"
        self.conf.write_text("[global]\n    netbios name = ATOLL\n    workgroup = WG\n    passdb backend = tdbsam\n" + "".join(
            f"    {name} = {self.top / path}\n" for name, path in (("private dir", "private"), ("state directory", "state"),
            ("lock directory", "lock"), ("cache directory", "cache"), ("pid directory", "pid"), ("log file", "log"))))

    def run(self, directory, program, *arguments, stdin=""):
        flag = "-c" if program == "smbpasswd" else "-s"
        done = subprocess.run([str(directory / program), flag, str(self.conf), *arguments], input=stdin, capture_output=True, text=True,
                              timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def records(self):
        """{key: value} of passdb.tdb, as tdbdump prints them."""
        text = subprocess.run(["tdbdump", str(self.top / "private/passdb.tdb")], capture_output=True, check=True).stdout.decode("latin-1")
        return dict(re.findall(r'key\(\d+\) = "(.*?)"\ndata\(\d+\) = "(.*?)"\n', text))

    def sound(self):
        done = subprocess.run(["tdbtool", str(self.top / "private/passdb.tdb"), "check"], capture_output=True, text=True, check=False)
        return "integrity is OK" in done.stdout + done.stderr


def without_times(value):
    """The time of the password's change is bytes 16 to 20 of an account; tdbdump writes printable bytes as they are."""
    data = bytearray(re.sub(rb"\\([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), value.encode("latin-1")))
    if len(data) > 100:
        data[16:20] = b"\0\0\0\0"
    return bytes(data)


def neutral(text):
    """Output without times and machine SIDs."""
    text = re.sub(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} \w+", "TIME", text)
    return re.sub(r"LCT-[0-9A-F]{8}", "LCT", re.sub(r"S-1-5-21(-\d+){3}", "DOMAIN", text))


SAME_WORK = [
    ("smbpasswd", ["-s", "-a", USER], "pass1\npass1\n"),
    ("smbpasswd", ["-s", "-a", OTHER], "pass2\npass2\n"),
    ("smbpasswd", ["-s", "-a", "no-such-unix-user"], "x\nx\n"),
    ("smbpasswd", ["-s", "-a", THIRD], "x\ny\n"),
    ("smbpasswd", ["-s", THIRD], "x\nx\n"),
    ("smbpasswd", ["-s", USER], "changed\nchanged\n"),
    ("smbpasswd", ["-s", USER], ""),
    ("smbpasswd", ["-d", USER], ""),
    ("smbpasswd", ["-e", USER], ""),
    ("smbpasswd", ["-d", OTHER], ""),
    ("smbpasswd", ["-s", "-a", OTHER], "pass3\npass3\n"),
    ("smbpasswd", ["-n", OTHER], ""),
    ("smbpasswd", ["-d", "no-such-unix-user"], ""),
    ("smbpasswd", ["-e", "no-such-unix-user"], ""),
    ("smbpasswd", ["-n", "no-such-unix-user"], ""),
    ("smbpasswd", ["-x", "no-such-unix-user"], ""),
    ("smbpasswd", ["-a", "-n", THIRD], ""),
    ("pdbedit", ["-L"], ""),
    ("pdbedit", ["-L", "-w"], ""),
    ("pdbedit", ["-L", "-v"], ""),
    ("smbpasswd", ["-x", THIRD], ""),
    ("pdbedit", ["-a", "-t", "-u", THIRD], "pass4\npass4\n"),
    ("pdbedit", ["-a", "-t", "-u", THIRD], "x\ny\n"),
    ("pdbedit", ["-r", "-u", THIRD, "-f", "Third Person", "-h", r"\\h\home", "-D", "Q:", "-S", "s.bat", "-p", r"\\p\p", "-N", "desc"], ""),
    ("pdbedit", ["-r", "-u", THIRD, "-c", "[DX]"], ""),
    ("pdbedit", ["-L", "-v", "-w", "-u", THIRD], ""),
    ("pdbedit", ["-r", "-u", THIRD, "-c", "[]"], ""),
    ("pdbedit", ["-u", USER, "--set-nt-hash", "8846F7EAEE8FB117AD06BDD830B7586C"], ""),
    ("pdbedit", ["-L", "-w", "-u", USER], ""),
    ("pdbedit", ["-u", "nobody-here"], ""),
    ("pdbedit", ["-x", "-u", "nobody-here"], ""),
    ("pdbedit", ["-x", "-u", OTHER], ""),
    ("pdbedit", ["-L"], ""),
]


def the_same_work(ours, top):
    mine, theirs = Place(top / "ours"), Place(top / "debian")
    for program, arguments, stdin in SAME_WORK:
        what = " ".join([program, *arguments])
        code, out, err = mine.run(ours, program, *arguments, stdin=stdin)
        debian_code, debian_out, debian_err = theirs.run(DEBIAN, program, *arguments, stdin=stdin)
        check(f"{what}: exit code", code, debian_code)
        if arguments[0] == "-L" and "-u" not in arguments:  # in whatever order
            out, debian_out = sorted(out.splitlines()), sorted(debian_out.splitlines())
            out, debian_out = "\n".join(out), "\n".join(debian_out)
        check(f"{what}: output", neutral(out), neutral(debian_out))
        check(f"{what}: messages", neutral(err), neutral(debian_err))
        left, right = mine.records(), theirs.records()
        check(f"{what}: keys", sorted(left), sorted(right))
        for key in set(left) & set(right):
            check(f"{what}: {key}", without_times(left[key]), without_times(right[key]))
    check("ours is sound", mine.sound(), True)


def in_turn(ours, top):
    place = Place(top / "turn")
    both = (ours, DEBIAN)
    for round_ in range(4):
        writer, reader = both[round_ % 2], both[1 - round_ % 2]
        password = f"round{round_}"
        check("add", place.run(writer, "smbpasswd", "-s", "-a", USER, stdin=f"{password}\n{password}\n")[0], 0)
        seen, listed = (place.run(d, "pdbedit", "-L", "-w", "-u", USER) for d in (writer, reader))
        check("the other sees the same account", listed, seen)
        check("the other sees the same SIDs", place.run(reader, "pdbedit", "-v", "-u", USER)[1], place.run(writer, "pdbedit", "-v", "-u", USER)[1])
        before = place.records()[f"USER_{USER}\\00"]
        place.run(reader, "smbpasswd", "-d", USER)
        place.run(writer, "smbpasswd", "-e", USER)
        check("disabling and enabling leaves the record as it was", place.records()[f"USER_{USER}\\00"], before)
        if round_ == 1:  # a history, which only Debian's tool can switch on
            place.run(DEBIAN, "pdbedit", "-P", "password history", "-C", "3")
            place.run(DEBIAN, "smbpasswd", "-s", USER, stdin="h1\nh1\n")
            place.run(ours, "smbpasswd", "-s", USER, stdin="h2\nh2\n")
            ours_then = without_times(place.records()[f"USER_{USER}\\00"])
            place.run(DEBIAN, "smbpasswd", "-s", USER, stdin="h1\nh1\n")
            place.run(DEBIAN, "smbpasswd", "-s", USER, stdin="h2\nh2\n")
            debians = without_times(place.records()[f"USER_{USER}\\00"])
            check("the newest entry of the history", ours_then[:-40 - 64], debians[:-40 - 64])
        if round_ == 3:
            check("remove", place.run(writer, "smbpasswd", "-x", USER)[0], 0)
            check("gone for the other", place.run(reader, "pdbedit", "-L")[1], "")
    check("sound after all that", place.sound(), True)


def at_the_same_time(ours, top):
    place = Place(top / "together")
    place.run(ours, "smbpasswd", "-s", "-a", USER, stdin="a\na\n")
    place.run(DEBIAN, "smbpasswd", "-s", "-a", OTHER, stdin="a\na\n")

    def change(job):
        directory, user = (ours, USER) if job % 2 else (DEBIAN, OTHER)
        return place.run(directory, "pdbedit", "-r", "-u", user, "-f", f"name {job}" + "x" * (job * 37 % 200))[0]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        check("40 changes at the same time", set(pool.map(change, range(40))), {0})
    check("sound", place.sound(), True)
    check("both are there for ours", len(place.run(ours, "pdbedit", "-L")[1].splitlines()), 2)
    check("both are there for Debian's", len(place.run(DEBIAN, "pdbedit", "-L")[1].splitlines()), 2)


def logs_on(server, user, password):
    done = subprocess.run(["smbclient", f"//127.0.0.1/share", "-p", str(server.port), "-U", f"{user}%{password}", "-c", "ls"],
                          capture_output=True, text=True, timeout=60, check=False)
    return done.returncode == 0


def debian_smbd(ours):
    with Server("debian", shares={"share": {}}) as server:
        def smbpasswd(*arguments, password=None):
            return subprocess.run([str(ours / "smbpasswd"), "-c", str(server.conf), *arguments], capture_output=True, text=True, timeout=60,
                                  input=f"{password}\n{password}\n" if password else "", check=False).returncode
        check("unknown yet", logs_on(server, USER, "live1"), False)
        check("made while smbd runs", smbpasswd("-s", "-a", USER, password="live1"), 0)
        check("smbd lets in whom ours made", logs_on(server, USER, "live1"), True)
        smbpasswd("-s", USER, password="live2")
        check("not with the old password", logs_on(server, USER, "live1"), False)
        check("with the new one", logs_on(server, USER, "live2"), True)
        smbpasswd("-d", USER)
        check("not when disabled", logs_on(server, USER, "live2"), False)
        smbpasswd("-e", USER)
        check("when enabled again", logs_on(server, USER, "live2"), True)
        smbpasswd("-x", USER)
        check("not when removed", logs_on(server, USER, "live2"), False)


def between_backends(ours, top):
    place = Place(top / "backends")
    place.run(DEBIAN, "smbpasswd", "-s", "-a", USER, stdin="a\na\n")
    place.run(DEBIAN, "smbpasswd", "-s", "-a", OTHER, stdin="b\nb\n")
    place.run(DEBIAN, "pdbedit", "-r", "-u", OTHER, "-h", r"\\h\x", "-c", "[D]")
    before = place.records()
    lmdb, back = f"lmdb:{place.top}/a.mdb", f"tdbsam:{place.top}/back.tdb"
    check("tdbsam to lmdb", place.run(ours, "pdbedit", "-e", lmdb)[0], 0)
    check("listed from lmdb", sorted(place.run(ours, "pdbedit", "-L", "-w", "-b", lmdb)[1].splitlines()),
          sorted(place.run(ours, "pdbedit", "-L", "-w")[1].splitlines()))
    check("lmdb to another tdbsam", place.run(ours, "pdbedit", "-i", lmdb, "-e", back)[0], 0)
    shutil.copy(place.top / "back.tdb", place.top / "private/passdb.tdb")
    after = place.records()
    check("unchanged", {k: v for k, v in after.items() if k.startswith(("USER_", "RID_"))}, {k: v for k, v in before.items() if k.startswith(("USER_", "RID_"))})
    check("Debian's reads it", place.run(DEBIAN, "pdbedit", "-L")[0], 0)


def main():
    global verbose
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=TOP / "build/debug/bin")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    verbose = options.verbose
    missing = [p for p in ("smbpasswd", "pdbedit", "tdbdump", "tdbtool", "smbclient", "smbd") if not shutil.which(p, path="/usr/bin:/usr/sbin")]
    missing += [str(options.bin / p) for p in ("smbpasswd", "pdbedit") if not (options.bin / p).exists()]
    if missing or os.geteuid() != 0:
        print("skipped: " + (", ".join(missing) + " missing" if missing else "not root"))
        return 77
    accounts.ensure([accounts.USER1, accounts.USER2, accounts.ADMIN])
    ours = options.bin.resolve()
    with tempfile.TemporaryDirectory(prefix="atoll-passdb-") as top:
        top = pathlib.Path(top)
        the_same_work(ours, top)
        in_turn(ours, top)
        at_the_same_time(ours, top)
        between_backends(ours, top)
    debian_smbd(ours)
    print(f"{len(failures)} wrong" if failures else "passdb interchange: as it should be")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
