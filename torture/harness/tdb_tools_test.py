#!/usr/bin/env python3
"""Our TDB files and tools beside Debian's: the same output, the same files, at the same time.

    tdb_tools_test.py [--preset release] [--full]

1. tdbtool, tdbdump and tdbbackup of ours and of Debian's print the same, byte by byte, on the same files and for the same commands.
2. Both libraries work on one file at once, by fcntl locks and by its mutexes, ours as tdbtorture, Debian's through python3-tdb: no value is torn,
   no transaction half there.
3. tdbtorture: processes are killed at work, in both locking modes (--full: a million operations each).
4. The databases of our running server are read by Debian's tdbdump and tdbtool; those of a killed one by these and tdbbackup after `tdbtool FILE
   export PLAIN`; dbdump knows every record in them.
5. The databases of Debian's smbd, running and stopped, check clean with ours, dump as Debian's tdbdump does, and survive being changed by ours.
"""

import argparse
import contextlib
import json
import os
import pathlib
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import report
from accounts import USER1
from report import require
from server import TOP, Server

DEBIAN = pathlib.Path("/usr/bin")
WORKER = pathlib.Path(__file__).with_name("libtdb_worker.py")
TIMEOUT = 120
TORTURE_TIMEOUT = 1800

# Commands whose output does not tell where in the file a record stands.
COMMANDS = r"""info
insert alpha one
insert alpha two
insert beta a\20value\00with\FFbytes\0a
store alpha three
store gamma %s
store long\00key\00 0123456789abcdef0123456789abcdef
show alpha
show beta
show gamma
show nothing
show
insert
insert key
store
store key
delete
delete nothing
keys
hexkeys
dump
first
next


next

next
1
n
delete gamma
check
transaction_start
store t1 in-transaction
show t1
keys
transaction_cancel
keys
transaction_start
store t2 committed
delete alpha
transaction_commit
keys
dump
move t2 other.tdb
move nothing other.tdb
move t2 no-such-file.tdb
move
repack
check
dump
open no-such-file.tdb
keys
open made.tdb
keys
erase
keys
dump
first
check
! true
""" % ("g" * 61)
ONE_SHOT = [["keys"], ["show", "b"], ["show", "nothing"], ["show"], ["dump"], ["hexkeys"], ["info"], ["check"], ["list"], ["free"], ["first"], ["next"], ["delete", "nothing"],
            ["insert", "b", "again"], ["foo"], ["store", "e"], ["quit"]]


class Tools:
    """One side's programs."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def run(self, name, *arguments, stdin="", cwd=None, timeout=TIMEOUT):
        return subprocess.run([str(self.directory / name), *map(str, arguments)], input=stdin.encode(), capture_output=True, timeout=timeout, cwd=cwd, check=False)

    def __call__(self, name, *arguments, **options):
        """What it prints on its standard output. Our tdbtool has one command more."""
        out = self.run(name, *arguments, **options).stdout
        return b"\n".join(line for line in out.split(b"\n") if not line.startswith(b"  export    file"))


def same(what, ours, debian):
    if ours != debian:
        lines = list(zip(ours.split(b"\n"), debian.split(b"\n")))
        at = next((i for i, (a, b) in enumerate(lines) if a != b), len(lines) - 1)
        raise report.Failure(f"{what}: line {at + 1}: ours {lines[at][0]!r}, Debian's {lines[at][1]!r}")


def sound(tools, path):
    out = tools("tdbtool", path, "check")
    require(b"integrity is OK" in out, f"{tools.directory}/tdbtool {path} check: {out!r}")


def scatter(debian, path, seed):
    """A file by Debian's tdbtool with records of many sizes, removed ones among them."""
    rng = random.Random(seed)
    lines = [f"create {path}"]
    for number in range(400):
        lines.append(f"store key{rng.randrange(90)} {'v' * rng.randrange(1, 300)}" if rng.random() < 0.7 else f"delete key{rng.randrange(90)}")
    lines += ["store b\\00\\01 \\00\\ff\\22\\5c\\7f", "store b \\00"]
    debian("tdbtool", stdin="\n".join(lines) + "\n")


# 1. The same output

def same_session(ours, debian, top):
    outputs = {}
    for side, tools in (("ours", ours), ("debian", debian)):
        place = top / f"session-{side}"
        place.mkdir()
        tools("tdbtool", stdin="create other.tdb\n", cwd=place)
        outputs[side] = tools("tdbtool", stdin="create made.tdb\n" + COMMANDS, cwd=place)
    for number, (mine, theirs) in enumerate(zip(outputs["ours"].split(b"tdb> "), outputs["debian"].split(b"tdb> "))):
        command = ("create made.tdb\n" + COMMANDS).split("\n")[max(0, number - 1)]
        same(f"tdbtool: {command!r}", mine, theirs)
    same("tdbtool", outputs["ours"], outputs["debian"])


def same_on_files(ours, debian, top):
    files = [top / "by-debian.tdb", top / "by-ours.tdb"]
    scatter(debian, files[0], 1)
    scatter(ours, files[1], 2)
    for path in files:
        for tools in (ours, debian):
            sound(tools, path)
        for arguments in ONE_SHOT:
            same(f"tdbtool {path.name} {' '.join(arguments)}", ours("tdbtool", path, *arguments), debian("tdbtool", path, *arguments))
        same("first, next", ours("tdbtool", stdin=f"open {path}\nfirst\n" + "\n" * 120), debian("tdbtool", stdin=f"open {path}\nfirst\n" + "\n" * 120))
    for arguments in (["-h"], [], ["-x"]):
        same(f"tdbdump {arguments}", ours("tdbdump", *arguments), debian("tdbdump", *arguments))
        same(f"tdbbackup {arguments}", ours("tdbbackup", *arguments) if arguments != ["-x"] else b"", debian("tdbbackup", *arguments) if arguments != ["-x"] else b"")
    for path in files:
        for arguments in ([path], ["-k", "b", path], ["-k", "nothing", path]):
            mine, theirs = ours.run("tdbdump", *arguments), debian.run("tdbdump", *arguments)
            same(f"tdbdump {arguments}", mine.stdout, theirs.stdout)
            require(mine.returncode == theirs.returncode, f"tdbdump {arguments}: exit {mine.returncode}, Debian's {theirs.returncode}")
        rescued = [sorted(tools("tdbdump", "-e", path).split(b"}\n")) for tools in (ours, debian)]
        require(rescued[0] == rescued[1], "tdbdump -e finds other records")


def damage(path, tools):
    """Overwrites the magic of a live record."""
    line = next(line for line in tools("tdbtool", path, "list").split(b"\n") if b"magic=0x26011999" in line)
    offset = int(line.split(b"offset=")[1].split()[0], 16)
    with open(path, "r+b") as file:
        file.seek(offset + 20)
        file.write(b"\x01")


def same_backups(ours, debian, top):
    original = top / "original.tdb"
    scatter(debian, original, 3)
    dump = debian("tdbdump", original)
    for tools in (ours, debian):
        place = top / f"backup-{'ours' if tools is ours else 'debian'}"
        place.mkdir()
        copy = place / "x.tdb"
        shutil.copy(original, copy)
        for arguments in (["x.tdb"], ["-s", ".old", "-n", "7", "x.tdb"], ["-r", "-s", ".r", "x.tdb"], ["-l", "-s", ".l", "x.tdb"]):
            require(tools.run("tdbbackup", *arguments, cwd=place).returncode == 0, f"tdbbackup {arguments} fails")
        for suffix in (".bak", ".old", ".r", ".l"):
            backup = place / f"x.tdb{suffix}"
            sound(debian, backup)
            sound(ours, backup)
            require(sorted(debian("tdbdump", backup).split(b"}\n")) == sorted(dump.split(b"}\n")), f"the backup {backup} has other records")
        require(b"Number of hash chains: 7\n" in debian("tdbtool", place / "x.tdb.old", "info"), "-n 7 is not heeded")
        same("tdbbackup -v", tools("tdbbackup", "-v", "x.tdb", cwd=place), b"x.tdb : %d records\n" % dump.count(b"\nkey("))
        damage(copy, debian)
        out = tools.run("tdbbackup", "-v", "x.tdb", cwd=place)
        require(out.returncode == 0 and b"restoring x.tdb\n" in out.stdout, f"tdbbackup -v of a damaged file: {out}")
        sound(debian, copy)
        require(sorted(debian("tdbdump", copy).split(b"}\n")) == sorted(dump.split(b"}\n")), "the restored file has other records")
        damage(copy, debian)
        failed = tools.run("tdbbackup", "-s", ".none", "-v", "x.tdb", cwd=place)
        require(failed.returncode == 1, "tdbbackup -v without a backup succeeds")
        failed = tools.run("tdbbackup", "-s", ".new", "x.tdb", cwd=place)
        require(failed.returncode == 1 and not (place / "x.tdb.new").exists(), "tdbbackup copies a damaged file")


# 2. Both libraries at once

def both_at_once(ours, debian, top, loops, kill, mutexes=False):
    path = top / f"both-{kill}-{mutexes}.tdb"
    arguments = ["-n", "2", "-l", str(loops), "-H", "7", "-s", "5", "-f", str(path)] + (["-k"] if kill else []) + (["-m"] if mutexes else [])
    torturer = subprocess.Popen([str(ours.directory / "tdbtorture"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    workers = []
    try:
        while not path.exists() or path.stat().st_size < 200:
            require(torturer.poll() is None, "tdbtorture has ended")
            time.sleep(0.01)
        for number in range(2):
            command = [str(DEBIAN / "python3"), str(WORKER), str(path), str(number)] + (["mutexes"] if mutexes else [])
            workers.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        out = torturer.communicate(timeout=TORTURE_TIMEOUT)[0].decode()
        results = [worker.communicate(timeout=60) for worker in workers]
    finally:
        for process in (torturer, *workers):
            process.kill()
            process.wait()
    require(torturer.returncode == 0, f"tdbtorture: {out}")
    for worker, (printed, complaint) in zip(workers, results):
        require(worker.returncode == 0, f"libtdb: {complaint.decode()}")
        require(int(printed) > 50, f"libtdb did only {int(printed)} operations")
    for tools in (ours, debian):
        sound(tools, path)
    same("tdbdump", ours("tdbdump", path), debian("tdbdump", path))
    print(f"# {out.splitlines()[-1]}; libtdb: {sum(int(printed) for printed, _ in results)} operations", flush=True)


# 3. Torture

def torture(ours, debian, top, arguments):
    path = top / "torture.tdb"
    run = ours.run("tdbtorture", "-f", path, *arguments, timeout=TORTURE_TIMEOUT)
    require(run.returncode == 0, f"tdbtorture {' '.join(arguments)}: {(run.stdout + run.stderr).decode()}")
    for tools in (ours, debian):
        sound(tools, path)
    print(f"# {' '.join(arguments)}: {run.stdout.decode().splitlines()[-1]}", flush=True)


# 4. and 5. Servers

@contextlib.contextmanager
def busy_client(server):
    """smbclient with a connection and a file open for as long."""
    file = server.path("share") / "file"
    file.write_text("x" * 100)
    file.chmod(0o666)
    output, terminal = os.openpty()  # so that smbclient does not keep its answers to itself
    client = subprocess.Popen(["smbclient", "//127.0.0.1/share", "-p", str(server.port), "-U", USER1.credentials, "-s", "/dev/null"], stdin=subprocess.PIPE, stdout=terminal,
                              stderr=terminal, start_new_session=True)
    os.close(terminal)
    try:
        client.stdin.write(b"open file\n")
        client.stdin.flush()
        seen = b""
        while b"fnum" not in seen:
            ready = select.select([output], [], [], TIMEOUT)[0]
            require(ready and (part := os.read(output, 4096)), f"smbclient does not open the file: {seen!r}")
            seen += part
        yield
    finally:
        client.kill()
        client.wait(timeout=TIMEOUT)
        os.close(output)


def databases_of(server):
    return sorted(path for directory in ("lock", "state", "private", "cache") for path in (server.top / directory).rglob("*.tdb"))


def records(dump):
    return dump.count(b"\nkey(")


def our_server(ours, debian, preset):
    with Server("atoll", shares={"share": {}}, users=[USER1], preset=preset) as server:
        with busy_client(server):
            live = {path.name: path for path in databases_of(server)}
            require({"locking.tdb", "smbXsrv_session_global.tdb", "smbXsrv_open_global.tdb", "passdb.tdb"} <= set(live), f"only {sorted(live)}")
            for name, path in live.items():
                sound(debian, path)
                sound(ours, path)
                same(f"live {name}", ours("tdbdump", path), debian("tdbdump", path))
            for name in ("locking.tdb", "smbXsrv_session_global.tdb", "smbXsrv_tcon_global.tdb", "smbXsrv_open_global.tdb"):
                require(records(debian("tdbdump", live[name])) > 0, f"{name} is empty while a file is open")
            described = ours.run("dbdump", "--json", *live.values())
            require(described.returncode == 0, f"dbdump: {described.stderr.decode()}")
            session = json.loads(ours("dbdump", "--json", live["smbXsrv_session_global.tdb"]))[0]["records"][0]
            require(session["type"] == "session_global" and session["value"]["user_name"] == USER1.name, f"dbdump: {session}")
            locking = json.loads(ours("dbdump", "--json", live["locking.tdb"]))[0]["records"]
            require(any(one["value"]["name"] == "file" for one in locking), f"dbdump: {locking}")
            for pid in server.processes():  # so that the volatile databases stay as they are
                os.kill(pid, signal.SIGKILL)
            while server.processes():
                time.sleep(0.02)
        for name, path in live.items():
            exported(ours, debian, path)


def exported(ours, debian, path):
    plain = path.with_suffix(".plain")
    before = sorted(ours("tdbdump", path).split(b"}\n"))
    out = ours("tdbtool", path, "export", plain)
    require(b"records exported" in out, f"export of {path.name}: {out!r}")
    require(b"Robust mutexes locking: no" in debian("tdbtool", plain, "info"), f"{path.name}: the plain file has mutexes")
    for tools in (ours, debian):
        sound(tools, plain)
        require(sorted(tools("tdbdump", plain).split(b"}\n")) == before, f"{path.name}: the plain file has other records")
    require(debian.run("tdbbackup", plain).returncode == 0, f"{path.name}: Debian's tdbbackup fails")
    require(sorted(debian("tdbdump", str(plain) + ".bak").split(b"}\n")) == before, f"{path.name}: the backup has other records")
    debian("tdbtool", plain, "store", "scratch", "value")
    require(b"scratch" in ours("tdbtool", plain, "keys"), f"{path.name}: what Debian's tdbtool stored is not there")


def debians_server(ours, debian):
    with Server("debian", shares={"share": {}}, users=[USER1]) as server:
        with busy_client(server):
            files = databases_of(server)
            require({"locking.tdb", "smbXsrv_session_global.tdb", "passdb.tdb", "secrets.tdb"} <= {path.name for path in files}, f"only {files}")
            for path in files:
                sound(ours, path)
                same(f"live {path.name}", ours("tdbdump", path), debian("tdbdump", path))
            require(records(ours("tdbdump", next(path for path in files if path.name == "locking.tdb"))) > 0, "locking.tdb is empty while a file is open")
            print(f"# {len(files)} databases of a running smbd", flush=True)
        server.kill()
        for path in databases_of(server):
            after_the_server(ours, debian, path)
        for name in ("passdb.tdb", "secrets.tdb"):
            described = ours.run("dbdump", server.top / "private" / name)
            require(described.returncode == 0, f"dbdump {name}: {described.stderr.decode()}")
        require(f"USER_{USER1.name}".encode() in ours("dbdump", server.top / "private" / "passdb.tdb"), "dbdump does not show the account")


def after_the_server(ours, debian, path):
    sound(ours, path)
    before = debian("tdbdump", path)
    same(path.name, ours("tdbdump", path), before)
    mutexes = b"Robust mutexes locking: yes" in debian("tdbtool", path, "info")
    same(f"{path.name} info", ours("tdbtool", path, "info"), debian("tdbtool", path, "info"))
    if mutexes:
        exported(ours, debian, path)
        return
    ours("tdbtool", path, "store", "scratch", "v" * 700)
    sound(debian, path)
    require(records(debian("tdbdump", path)) == records(before) + 1, f"{path.name}: a record was not added")
    ours("tdbtool", path, "delete", "scratch")
    sound(debian, path)
    require(sorted(debian("tdbdump", path).split(b"}\n")) == sorted(before.split(b"}\n")), f"{path.name} has other records now")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    parser.add_argument("--full", action="store_true")
    arguments = parser.parse_args()
    ours, debian = Tools(TOP / "build" / arguments.preset / "bin"), Tools(DEBIAN)
    tally = report.Tally("tdb tools")
    loops = 1000000 // 8 if arguments.full else 1500
    with tempfile.TemporaryDirectory(prefix="atoll-tdb-", dir=os.environ.get("ATOLL_TEST_DIR")) as name:
        top = pathlib.Path(name)
        with tally.case("tdbtool prints what Debian's prints, command by command"):
            same_session(ours, debian, top)
        with tally.case("tdbtool and tdbdump print what Debian's print, on files of either"):
            same_on_files(ours, debian, top)
        with tally.case("tdbbackup backs up, verifies and restores as Debian's does"):
            same_backups(ours, debian, top)
        for kill in (False, True):
            with tally.case(f"both libraries on one file{', ours killed at it' if kill else ''}"):
                both_at_once(ours, debian, top, (400000 if arguments.full else 4000) * (1 if kill else 10), kill)
        with tally.case("both libraries on one file with mutexes"):
            both_at_once(ours, debian, top, 2000000 if arguments.full else 200000, kill=False, mutexes=True)
        for options in (["-m"], ["-m", "-k"], ["-t"], ["-k"], ["-m", "-k", "-t"]):
            with tally.case(f"tdbtorture {' '.join(options)}"):
                torture(ours, debian, top, ["-n", "8", "-l", str(loops), "-H", "131", "-s", "1", *options])
        with tally.case("our server's databases, running, killed and exported, are read by Debian's tools"):
            our_server(ours, debian, arguments.preset)
        with tally.case("the databases of Debian's smbd, running and stopped, are read and changed by ours"):
            debians_server(ours, debian)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
