#!/usr/bin/env python3
"""Modes, owners, POSIX ACLs and attributes of what a client makes and changes on plain shares, under each parameter that smb.conf(5) has for them: the same on
ours and on Debian's smbd.

    modes_test.py [--preset release] [--peers debian atoll] [SHARE...]

Both serve the same tree under the same parameters, the same client does the same to it, and then the trees are compared, and what the client saw. On port 445
of a network namespace, since python3-samba knows no other; as root.
"""

import argparse
import json
import os
import pathlib
import re
import struct
import subprocess
import sys

import isolation
import report
from accounts import USER1, USER2
from server import Server

PORT = 445
# Where the two are meant to differ: (share, subject and what, why); regular expressions.
DIFFERENT = [
    ("", r"client: setmode mine_readonly -r|mine_readonly: user.DOSATTRIB", "the owner may change attributes of what he may not write; Debian's smbd does not let him clear READONLY"),
    ("inherit_owner", r"DOSATTRIB|\['ls'|setmode", "Debian's smbd gives the file away before it stores its attributes, and they are lost"),
    ("acl_group_control", r"theirs", "smb.conf(5): who is in the owning group may change permissions; Debian's smbd refuses him"),
    ("by_mode", r"^(open/readonly|set_gid/all|defaults/|narrow/|theirs_writable|client: )|get_sd",
     "attributes change their own bits of the mode, as smb.conf(5) has it; Debian's smbd makes the whole mode anew"),
]
BY_MODE = {"store dos attributes": "no", "create mask": "0777"}
SHARES = {
    "plain": {},
    "masks": {"create mask": "0640", "directory mask": "0710"},
    "forced": {"force create mode": "0021", "force directory mode": "0022", "create mask": "0700"},
    "inherit_acls": {"inherit acls": "yes"},
    "inherit_permissions": {"inherit permissions": "yes"},
    "wide": {"create mask": "0777", "directory mask": "0777"},
    "inherit_acls_wide": {"inherit acls": "yes", "create mask": "0777", "directory mask": "0777"},
    "inherit_acls_narrow": {"inherit acls": "yes", "create mask": "0600", "directory mask": "0700"},
    "inherit_both": {"inherit permissions": "yes", "inherit acls": "yes"},
    "inherit_owner": {"inherit owner": "yes"},
    "inherit_owner_unix": {"inherit owner": "unix only"},
    "acl_group_control": {"acl group control": "yes"},
    "dos_filemode": {"dos filemode": "yes"},
    "no_full_control": {"acl map full control": "no"},
    "no_nt_acls": {"nt acl support": "no"},
    "unknown_users": {"force unknown acl user": "yes"},
    "by_mode": {**BY_MODE, "map archive": "yes", "map hidden": "yes", "map system": "yes", "map readonly": "yes"},
    "by_mode_masked": {**BY_MODE, "create mask": "0744", "map archive": "yes", "map hidden": "yes", "map system": "yes", "map readonly": "yes"},
    "stored_no_archive": {"map archive": "no", "map readonly": "yes"},
}
# The directories that things are made in: mode, and what setfacl does to them. They are the second user's.
PLACES = {
    "open": (0o777, []),
    "set_gid": (0o2777, []),
    "group": (0o770, []),
    "set_uid": (0o4773, []),
    "defaults": (0o777, ["-d", "-m", "u::rwx,u:{user2}:r-x,g::rwx,g:nogroup:rwx,m::rwx,o::r--"]),
    "narrow": (0o777, ["-d", "-m", "u::rwx,g::---,o::---"]),
}
# Files that are there: mode, whose (the group is the common one), and what setfacl does.
FILES = {
    "mine": (0o644, USER1, []),
    "mine_acl": (0o640, USER1, ["-m", "u:{user2}:rw,g:nogroup:r,m::rwx"]),
    "mine_readonly": (0o444, USER1, []),
    "theirs_writable": (0o664, USER2, []),
    "theirs": (0o644, USER2, []),
    "theirs_closed": (0o600, USER2, []),
    "theirs_acl": (0o600, USER2, ["-m", "u:{user1}:rw"]),
}
READONLY, HIDDEN, SYSTEM, ARCHIVE = 0x1, 0x2, 0x4, 0x20
SDDL = {
    "everyone": "D:(A;;FA;;;WD)",
    "read": "D:(A;;FR;;;WD)",
    "denied": "D:(D;;FW;;;S-1-22-1-{user2})(A;;0x1301bf;;;S-1-22-2-{group})(A;;FR;;;WD)",
    "users": "D:P(A;;FA;;;S-1-22-1-{user1})(A;;FR;;;S-1-22-1-{user2})(A;;FW;;;S-1-22-2-{group})",
    "stranger": "D:(A;;FA;;;S-1-5-21-9-8-7-1000)(A;;FR;;;WD)",
    "inherit": "D:(A;OICI;FA;;;WD)(A;OICIIO;FR;;;CO)(A;CI;FR;;;S-1-22-1-{user2})",
}


def setfacl(path, arguments, names):
    if arguments:
        subprocess.run(["setfacl", *[argument.format(**names) for argument in arguments], str(path)], check=True)


def make_tree(top, names):
    top.mkdir(exist_ok=True)
    top.chmod(0o777)
    for place, (mode, acl) in PLACES.items():
        (top / place).mkdir()
        os.chown(top / place, names["user2"], names["group"])
        (top / place).chmod(mode)
        setfacl(top / place, acl, names)
    for name, (mode, user, acl) in FILES.items():
        (top / name).write_text("content")
        os.chown(top / name, names["user1" if user is USER1 else "user2"], names["group"])
        (top / name).chmod(mode)
        setfacl(top / name, acl, names)


def making():
    steps = []
    for place in PLACES:
        for name, attributes in (("f", 0), ("readonly", READONLY), ("hidden", HIDDEN), ("system", SYSTEM), ("all", READONLY | HIDDEN | SYSTEM | ARCHIVE)):
            steps.append(["make", f"{place}\\{name}", attributes])
        steps += [["mkdir", f"{place}\\d"], ["make", f"{place}\\d\\f", 0], ["mkdir", f"{place}\\d\\d"]]
    return steps


def changing(names):
    steps = []
    for name in FILES:
        steps.append(["set_sd", name, SDDL["read"].format(**names)])
    for kind, sddl in SDDL.items():
        steps += [["make", f"sd_{kind}", 0], ["set_sd", f"sd_{kind}", sddl.format(**names)]]
        steps += [["mkdir", f"sdd_{kind}"], ["set_sd", f"sdd_{kind}", sddl.format(**names)], ["make", f"sdd_{kind}\\f", 0], ["mkdir", f"sdd_{kind}\\d"]]
    return steps


# By smbclient, since python3-samba does not set attributes of what is there.
SETMODES = ["open\\f +r", "open\\readonly -r", "open\\hidden -h", "open\\system -s", "open\\all -a", "set_gid\\f +rhsa", "set_gid\\all -rhsa", "open\\d +h",
            "mine +r", "mine_readonly -r", "mine_acl +r", "theirs_writable +r", "theirs +h", "defaults\\f +r", "narrow\\f +rh"]


def looking():
    steps = [["ls", directory] for directory in ("", *PLACES)]
    steps += [["get_sd", name] for name in FILES]
    for place in PLACES:
        steps += [["get_sd", f"{place}\\f"], ["get_sd", f"{place}\\d"], ["get_sd", f"{place}\\d\\f"]]
    for kind in SDDL:
        steps += [["get_sd", f"sd_{kind}"], ["get_sd", f"sdd_{kind}"], ["get_sd", f"sdd_{kind}\\f"], ["get_sd", f"sdd_{kind}\\d"]]
    return steps


def by_client(server, steps):
    run = subprocess.run(["/usr/bin/python3", pathlib.Path(__file__).with_name("modes_client.py"), server.conf, USER1.credentials],
                         input=json.dumps(steps), capture_output=True, text=True, timeout=300)
    report.require(run.returncode == 0, f"{server.kind}: {run.stderr.strip()[-600:]}")
    # Each server has a machine SID of its own, and theirs are the accounts' SIDs.
    return json.loads(re.sub(r"S-1-5-21-\d{5,}-\d+-\d+-", "S-1-5-21-MACHINE-", run.stdout))


def set_modes(server, share):
    """{what: the status, or OK}"""
    commands = "".join(f'setmode "{name.split()[0]}" {name.split()[1]}\n@@@\n' for name in SETMODES)
    run = subprocess.run(["smbclient", f"//127.0.0.1/{share}", "-p", str(PORT), "-U", USER1.credentials], input=commands, capture_output=True, text=True, timeout=60)
    parts = (run.stdout + run.stderr).split("@@@: command not found\n")
    report.require(len(parts) == len(SETMODES) + 1, f"{server.kind}: smbclient: {run.stdout[-300:]}")
    return {f"setmode {name}": (re.search(r"NT_STATUS_\w+", text) or ["OK"])[0] for name, text in zip(SETMODES, parts)}


def xattrs(path):
    found = {}
    for name in os.listxattr(path, follow_symlinks=False):
        value = os.getxattr(path, name, follow_symlinks=False)
        if name == "user.DOSATTRIB":  # without its times
            found[name] = f"version {struct.unpack_from('<H', value, 2)[0]}, attributes {struct.unpack_from('<I', value, 12)[0]:#x}"
        else:
            found[name] = value.hex()
    return found


def tree(top):
    """{path: {what: value}}"""
    found = {}
    for path in sorted(top.rglob("*")):
        status = path.lstat()
        found[str(path.relative_to(top))] = {"mode": oct(status.st_mode), "owner": f"{status.st_uid}:{status.st_gid}", **xattrs(path)}
    return found


def run(kind, preset, shares, names):
    """{share: {subject: {what: value}}} of one server."""
    with Server(kind, shares={name: SHARES[name] for name in shares}, options={"netbios name": "MODES"}, users=[USER1, USER2], preset=preset, port=PORT) as server:
        for share in shares:
            make_tree(server.path(share), names)
        steps = {share: making() for share in shares}
        made = by_client(server, steps)
        found = {share: {"client": {str(s): r for s, r in zip(steps[share], made[share])}} for share in shares}
        for share in shares:
            found[share]["client"].update(set_modes(server, share))
        steps = {share: changing(names) for share in shares}
        changed = by_client(server, steps)
        seen = by_client(server, {share: looking() for share in shares})
        for share in shares:
            found[share]["client"].update({str(s): r for s, r in zip(steps[share], changed[share])})
            found[share]["client"].update({str(s): r for s, r in zip(looking(), seen[share])})
            found[share].update(tree(server.path(share)))
    return found


def differences(share, one, other, kinds):
    for subject in sorted(set(one) | set(other)):
        left, right = one.get(subject, {}), other.get(subject, {})
        for what in sorted(set(left) | set(right)):
            meant = any(re.match(of, share) and re.search(where, f"{subject}: {what}") for of, where, _ in DIFFERENT)
            if left.get(what) != right.get(what) and not meant:
                yield f"{subject}: {what}: {kinds[0]} {left.get(what)}, {kinds[1]} {right.get(what)}"


def compare(arguments):
    import pwd
    names = {"user1": pwd.getpwnam(USER1.name).pw_uid, "user2": pwd.getpwnam(USER2.name).pw_uid, "group": pwd.getpwnam(USER1.name).pw_gid}
    shares = arguments.shares or list(SHARES)
    tally = report.Tally("modes")
    with tally.guard("the servers"):
        found = [isolation.run(lambda kind=kind: run(kind, arguments.preset, shares, names), network=True) for kind in arguments.peers]
        for share in shares:
            with tally.case(f"{share}: {', '.join(f'{k} = {v}' for k, v in SHARES[share].items()) or 'defaults'}"):
                different = list(differences(share, found[0][share], found[1][share], arguments.peers))
                shown = different if arguments.all else different[:8]
                report.require(not different, f"{len(different)} differences\n    " + "\n    ".join(shown))
    return tally.finish()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shares", nargs="*", choices=[[], *SHARES])
    parser.add_argument("--preset", default="release", help="which build of ours")
    parser.add_argument("--peers", nargs=2, default=("debian", "atoll"), choices=("debian", "atoll"))
    parser.add_argument("--all", action="store_true", help="show every difference")
    arguments = parser.parse_args()
    if os.getuid() != 0:
        print("# skipped: only root makes a network namespace\nmodes: 0 passed, 0 failed")
        return 0
    return compare(arguments)


if __name__ == "__main__":
    sys.exit(main())
