#!/usr/bin/env python3
"""One volume served by Debian's smbd and by ours in turn: what one writes, the other reads, and nothing is lost.

    volume_interchange.py [--preset release] [--files N] [--seed S] [--full]

Random trees of files with content, DOS attributes, streams, extended attributes and access-control lists, written by clients of Debian's
(python3-samba and smbclient) through one server and read through both; with `acl_xattr:ignore system acls` yes and no, and once more after
local programs have changed modes. python3-samba knows port 445 only, so this runs in a network namespace, as root.
"""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

import report
from accounts import USER1
from report import require
from server import Server

INSIDE = "ATOLL_VOLUME_NAMESPACE"
PORT = 445
ATTRIBUTES = {"r": 0x1, "h": 0x2, "s": 0x4, "a": 0x20}
TRUSTEES = ("WD", "BA", "SY", "AU", "CO", "S-1-22-1-12345", "S-1-22-2-54321", "S-1-5-21-9-8-7-1000")
RIGHTS = ("FA", "FR", "FW", "FX", "0x1301bf", "0x120089", "0x1200a9", "0x100116")


def random_sddl(chance, directory):
    entries = []
    for _ in range(chance.randint(1, 4)):
        flags = chance.choice(("", "OI", "CI", "OICI", "OICIIO", "CINP")) if directory else ""
        kind = "A" if chance.random() < 0.8 else "D"
        entries.append(f"({kind};{flags};{chance.choice(RIGHTS)};;;{chance.choice(TRUSTEES)})")
    # Denials first, and the one who tests keeps his rights, below too.
    entries.sort(key=lambda entry: entry.startswith("(A"))
    entries = [entry for entry in entries if not (entry.startswith("(D") and entry.endswith(("WD)", "AU)", "CO)")))]
    return "D:" + chance.choice(("", "P")) + "".join(entries) + f"(A;{'OICI' if directory else ''};FA;;;WD)"


def random_files(chance, prefix, number):
    """{name: file} in the form of volume_client.py, with "modes" for smbclient's setmode and "eas"."""
    files, directories = {}, [""]
    for i in range(number):
        directory = chance.random() < 0.2
        above = "" if chance.random() < 0.6 else chance.choice(directories)
        name = above + f"{prefix}{i} {chance.choice(('plain', 'ümläut', 'Größe', 'x' * 60))}"
        text = "".join(chance.choices("abcdefgh\n", k=chance.choice((0, 1, 100, 4096, 9000))))
        file = {"directory": directory, "content": "" if directory else text, "attributes": 0, "sddl": "", "streams": {}, "modes": "", "eas": {}}
        for s in range(chance.choice((0, 0, 1, 3))):
            file["streams"][f"stream {s}" if s else "Zone.Identifier"] = "".join(chance.choices("0123456789", k=chance.choice((1, 64, 1000))))
        for e in range(chance.choice((0, 0, 1, 2))):
            file["eas"][f"EA{e}"] = "".join(chance.choices("vwxyz", k=chance.randint(1, 40)))
        if chance.random() < 0.6:
            file["sddl"] = random_sddl(chance, directory)
        if chance.random() < 0.6:
            file["modes"] = "".join(letter for letter in "hsa" + ("" if directory else "r") if chance.random() < 0.5)
        files[name] = file
        if above:
            # What they inherit may keep the writer from these; Debian's smbd refuses to make streams where a directory above has a list.
            file["streams"], file["eas"], file["modes"] = {}, {}, ""
        if directory and len(directories) < 12:
            directories.append(name + "\\")
    return files


def client(what, server, files):
    run = subprocess.run(["/usr/bin/python3", pathlib.Path(__file__).with_name("volume_client.py"), what, server.conf, "share", USER1.credentials],
                         input=json.dumps(files), capture_output=True, text=True, timeout=600)
    require(run.returncode == 0, f"{server.kind}: {what}: {run.stderr.strip()[-600:]}")
    return json.loads(run.stdout) if what == "read" else None


def smbclient(server, commands):
    """The output of each command. smbclient prints nothing between them, so each is followed by one that it does not know."""
    script = "".join(f"{command}\n@@@\n" for command in commands)
    run = subprocess.run(["smbclient", "//127.0.0.1/share", "-p", str(PORT), "-U", USER1.credentials], input=script, capture_output=True, text=True,
                         timeout=600)
    parts = (run.stdout + run.stderr).split("@@@: command not found\n")
    require(len(parts) == len(commands) + 1, f"{server.kind}: smbclient answers {len(parts) - 1} of {len(commands)} commands: {run.stdout[-400:]}")
    return [re.sub(r"^smb: \\> ", "", part) for part in parts[:-1]]


def write(server, files):
    client("write", server, files)
    commands = []
    for name, file in files.items():
        commands += [f'setea "{name}" {ea} {value}' for ea, value in file["eas"].items()]
        commands += [f'utimes "{name}" -1 -1 2019:03:0{1 + len(name) % 9}-11:22:33 -1'] if not file["directory"] else []
        commands += [f'setmode "{name}" +{file["modes"]}'] if file["modes"] else []
    for command, text in zip(commands, smbclient(server, commands)):
        require("NT_STATUS" not in text, f"{server.kind}: {command}: {text}")


def read(server, files):
    """{name: {what: value}}, all that a client sees of each file."""
    found = client("read", server, files)
    for name, text in zip(files, smbclient(server, [f'allinfo "{name}"' for name in files])):
        kept = [line.strip() for line in text.splitlines() if re.match(r"(create|write)_time|attributes|stream", line.strip())]
        require(kept, f"{server.kind}: allinfo {name}: {text}")
        found[name]["allinfo"] = sorted(kept)
    for name, text in zip(files, smbclient(server, [f'geteas "{name}"' for name in files])):
        found[name]["eas"] = sorted(line.strip() for line in text.splitlines() if line.strip())
    return found


def check_written(files, found, server):
    """What was written is what is there, as far as it has one form only."""
    for name, file in files.items():
        there = found[name]
        for part in ("content", "streams"):
            require(there[part] == file[part], f"{server.kind}: {name}: {part} differ: {str(there[part])[:100]!r}")
        for ea in file["eas"]:
            require(any(ea in line for line in there["eas"]), f"{server.kind}: {name}: {ea} is missing: {there['eas']}")
        letters = [line for line in there["allinfo"] if line.startswith("attributes:")][0]
        for letter in file["modes"]:
            require(letter.upper() in letters.split("(")[0], f"{server.kind}: {name} has {letters}, not {file['modes']}")


def compare(files, one, other, kinds):
    differences = []
    for name in files:
        for part in one[name]:
            if one[name][part] != other[name][part]:
                differences.append(f"{name}: {part}: {kinds[0]} {one[name][part]!r}\n        {kinds[1]} {other[name][part]!r}")
    require(not differences, f"{len(differences)} differences; the first: " + "\n    ".join(differences[:3]))


def records(path, files):
    """{name: security.NTACL but for the time at which it was stored}, of files that have one (docs/formats/ntacl.md)."""
    found = {}
    for name, file in files.items():
        if file["sddl"]:
            value = os.getxattr(path / name.replace("\\", "/"), "security.NTACL")
            time_at = (value.index(b"\0", 78) + 8) // 8 * 8 if value[0] == 4 else len(value)
            found[name] = (value[:time_at] + value[time_at + 8:]).hex()
    return found


def change_modes(chance, path, files):
    """What a local program does beside the servers."""
    for name in files:
        if chance.random() < 0.4:
            (path / name.replace("\\", "/")).chmod(chance.choice((0o700, 0o750, 0o755, 0o777, 0o744)) if files[name]["directory"] else
                                                   chance.choice((0o600, 0o640, 0o644, 0o666, 0o755)))


class Volume:
    def __init__(self, top, preset, system_acls):
        self.preset = preset
        self.path = top / "volume"
        self.path.mkdir()
        self.path.chmod(0o777)
        (top / "private").mkdir(mode=0o700)
        self.shares = {"share": {"path": self.path, "vfs objects": "streams_xattr acl_xattr", "acl_xattr:ignore system acls": system_acls}}
        # One set of accounts and one machine SID.
        self.options = {"ea support": "yes", "private dir": top / "private", "netbios name": "VOLUME"}

    def served_by(self, kind):
        return Server(kind, shares=self.shares, options=self.options, users=[USER1], preset=self.preset, port=PORT)


def one_writes_both_read(volume, writer, other, chance, number, tally, setting):
    files = random_files(chance, f"{writer} {chance.randrange(10**6)} ", number)
    seen = {}
    with tally.case(f"{number} files written through {writer}, read through {writer} and {other} ({setting})"):
        with volume.served_by(writer) as server:
            write(server, files)
            seen[writer] = read(server, files)
            check_written(files, seen[writer], server)
        with volume.served_by(other) as server:
            seen[other] = read(server, files)
        compare(files, seen[writer], seen[other], (writer, other))
    with tally.case(f"their descriptors set again through {other} are the same records, hashes included ({setting})"):
        before = records(volume.path, files)
        with volume.served_by(other) as server:
            client("set", server, files)
        after = records(volume.path, files)
        different = [f"{name} ({files[name]['sddl']}):\n      {writer} {before[name]}\n      {other} {after[name]}" for name in before if before[name] != after[name]]
        require(not different, f"{len(different)} of {len(before)} differ: " + "\n    ".join(different[:3]))
    with tally.case(f"the same after local programs have changed modes ({setting}, {writer})"):
        change_modes(chance, volume.path, files)
        for kind in (writer, other):
            with volume.served_by(kind) as server:
                seen[kind] = read(server, files)
        compare(files, seen[writer], seen[other], (writer, other))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    parser.add_argument("--files", type=int)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--peers", nargs=2, default=("atoll", "debian"), choices=("atoll", "debian"))
    arguments = parser.parse_args()
    if os.getuid() != 0:
        print("# skipped: only root makes a network namespace\nvolume: 0 passed, 0 failed")
        return 0
    if INSIDE not in os.environ:
        os.execvpe("unshare", ["unshare", "--net", sys.executable, *sys.argv], dict(os.environ, **{INSIDE: "1"}))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    number = arguments.files or (1000 if arguments.full else 30)
    print(f"# seed {arguments.seed}")
    tally, chance = report.Tally("volume"), random.Random(arguments.seed)
    for system_acls in ("yes", "no"):
        top = pathlib.Path(tempfile.mkdtemp(prefix="atoll-volume-", dir=os.environ.get("ATOLL_TEST_DIR")))
        top.chmod(0o755)
        try:
            volume = Volume(top, arguments.preset, system_acls)
            for writer, other in (arguments.peers, arguments.peers[::-1]):
                one_writes_both_read(volume, writer, other, chance, number, tally, f"ignore system acls = {system_acls}")
        finally:
            shutil.rmtree(top, ignore_errors=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
