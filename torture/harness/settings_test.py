#!/usr/bin/env python3
"""What smb.conf says is what a client meets: access to shares, masks, forced users, hidden and vetoed files, symlinks, guests, reload on SIGHUP; and the
account tools. Debian's smbclient sees it, and --server debian shows that the test asks for what Samba does."""

import argparse
import grp
import os
import pathlib
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import time

import accounts
import report
from accounts import USER1, USER2
from report import require
from server import Server

DENIED, NO_SHARE, LOGON = "NT_STATUS_ACCESS_DENIED", "NT_STATUS_BAD_NETWORK_NAME", "NT_STATUS_LOGON_FAILURE"
NO_FILE = "NT_STATUS_OBJECT_NAME_NOT_FOUND"

SHARES = {
    "open": {},
    "ro": {"read only": "yes"},
    "rowrite": {"read only": "yes", "write list": USER1.name},
    "valid": {"valid users": USER1.name},
    "invalid": {"invalid users": USER1.name},
    "off": {"available": "no"},
    "masked": {"create mask": "0640", "directory mask": "0750", "force create mode": "0004", "force directory mode": "0001"},
    "forced": {"force user": USER2.name, "force group": "nogroup"},
    "veto": {"veto files": "/*.tmp/secret/"},
    "dots": {"hide dot files": "yes"},
    "nodots": {"hide dot files": "no"},
    "links": {"follow symlinks": "yes", "wide links": "no"},
    "nolinks": {"follow symlinks": "no"},
    "wide": {"follow symlinks": "yes", "wide links": "yes"},
    "hostsdeny": {"hosts deny": "127.0.0.1"},
    "hostsallow": {"hosts allow": "127.0.0.1"},
    # This machine itself is let in unless hosts deny names it.
    "hostselse": {"hosts allow": "192.0.2.7", "hosts deny": "127.0.0.1"},
    "hostslocal": {"hosts allow": "192.0.2.7"},
    "guests": {"guest ok": "yes"},
}
MACROS = "%U-%G-%S-%R-%I"
# unix extensions would turn wide links off.
OPTIONS = {"unix extensions": "no", "map to guest": "bad user", "guest account": "nobody"}


class Client:
    """smbclient against the shares of one server."""

    def __init__(self, server, local):
        self.server, self.local = server, local

    def __call__(self, share, commands, user=USER1.name, password=USER1.password, ok=True):
        credentials = ["-N"] if user is None else ["-U", f"{user}%{password}"]
        run = subprocess.run(["smbclient", f"//127.0.0.1/{share}", "-p", str(self.server.port), *credentials, "-c", commands], cwd=self.local,
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, errors="replace")
        text = run.stdout + run.stderr
        if ok:
            require(run.returncode == 0 and "NT_STATUS_" not in text, f"{share}: '{commands}' as {user}: exit {run.returncode}: {text}")
        return text

    def refused(self, status, share, commands="ls", **who):
        text = self(share, commands, ok=False, **who)
        require(status in text, f"{share}: '{commands}' does not say {status}: {text}")


def who_may_use_a_share(client, path):
    second = {"user": USER2.name, "password": USER2.password}
    client("valid", "ls")
    client.refused(DENIED, "valid", **second)
    client("invalid", "ls", **second)
    client.refused(DENIED, "invalid")
    client.refused(NO_SHARE, "off")
    client.refused(NO_SHARE, "nosuch")
    client.refused(LOGON, "open", password="wrong")
    client("hostsallow", "ls")
    client("hostslocal", "ls")
    client.refused(DENIED, "hostsdeny")
    client.refused(DENIED, "hostselse")


def read_only(client, path):
    (path("ro") / "there").write_text("text")
    client("ro", "get there got")
    client.refused(DENIED, "ro", "put source new")
    client.refused(DENIED, "ro", "mkdir new")
    client.refused(DENIED, "ro", "del there")
    require((path("ro") / "there").exists() and not (path("ro") / "new").exists(), "a read-only share was written")
    client("rowrite", "put source new")
    client.refused(DENIED, "rowrite", "put source new2", user=USER2.name, password=USER2.password)


def masks(client, path):
    client("masked", "put source file; mkdir directory")
    for name, mode in (("file", 0o644), ("directory", 0o751)):
        found = stat.S_IMODE((path("masked") / name).stat().st_mode)
        require(found == mode, f"{name} has mode {found:o}, not {mode:o}")
    client("open", "put source plain")
    require((path("open") / "plain").stat().st_uid == pwd.getpwnam(USER1.name).pw_uid, "a file does not belong to who made it")


def forced(client, path):
    client("forced", "put source file")
    status = (path("forced") / "file").stat()
    require(status.st_uid == pwd.getpwnam(USER2.name).pw_uid, f"the file belongs to {status.st_uid}")
    require(status.st_gid == grp.getgrnam("nogroup").gr_gid, f"the file's group is {status.st_gid}")


def unix_rights(client, path):
    """A user has the rights of the UNIX user, whatever the share allows."""
    secret = path("open") / "roots"
    secret.write_text("root's own")
    secret.chmod(0o600)
    client.refused(DENIED, "open", "get roots got")
    locked = path("open") / "locked"
    locked.mkdir()
    locked.chmod(0o755)
    client.refused(DENIED, "open", "put source locked\\file")
    require(not list(locked.iterdir()), "a directory of root's was written")


def hidden(client, path):
    for share in ("dots", "nodots"):
        (path(share) / ".dot").write_text("")
        (path(share) / ".dot").chmod(0o644)
    require(" AH " in client("dots", "ls .dot") or " H " in client("dots", "ls .dot"), "a dot file is not hidden")
    require(" H " not in client("nodots", "ls .dot") and " AH " not in client("nodots", "ls .dot"), "a dot file is hidden")
    for name in ("a.tmp", "b.txt"):
        (path("veto") / name).write_text("")
    (path("veto") / "secret").mkdir()
    listing = client("veto", "ls")
    require("b.txt" in listing and "a.tmp" not in listing and "secret" not in listing, f"what is vetoed is listed: {listing}")
    client.refused(NO_FILE, "veto", "get a.tmp got")
    require("NT_STATUS_" in client("veto", "put source c.tmp", ok=False), "a vetoed name could be made")


def macros(client, path):
    """The path of the share has %-macros: a tree connect finds the directory that they name for this client."""
    group = grp.getgrgid(pwd.getpwnam(USER1.name).pw_gid).gr_name
    directory = path("macros").parent / f"{USER1.name}-{group}-macros-SMB3_11-127.0.0.1"
    directory.mkdir()
    directory.chmod(0o777)
    client("macros", "put source file")
    require((directory / "file").exists(), f"nothing was written to {directory}")


def symlinks(client, path):
    outside = client.server.top / "outside"
    outside.mkdir()
    outside.chmod(0o755)
    (outside / "file").write_text("outside")
    for share in ("links", "nolinks", "wide"):
        (path(share) / "inside").mkdir()
        (path(share) / "inside" / "file").write_text("inside")
        (path(share) / "in").symlink_to("inside")
        (path(share) / "out").symlink_to(outside)
        (path(share) / "up").symlink_to("../../outside")
        (path(share) / "loop").symlink_to("loop")
    client("links", "get in\\file got")
    require((client.local / "got").read_text() == "inside", "a symlink inside the share leads elsewhere")
    for name in ("out", "up", "loop"):
        require("NT_STATUS_" in client("links", f"get {name}\\file got2", ok=False), f"{name} leads out of the share")
        require("NT_STATUS_" in client("links", f"put source {name}\\new", ok=False), f"{name} leads out of the share")
    require("NT_STATUS_" in client("nolinks", "get in\\file got2", ok=False), "a symlink was followed")
    client("wide", "get out\\file got")
    require((client.local / "got").read_text() == "outside", "wide links does not lead outside")
    require(sorted(os.listdir(outside)) == ["file"], "something was written outside the share")


def guests(client, path):
    listing = client("guests", "put source guestfile; ls", user="nobodysuch", password="x")
    require("guestfile" in listing, "a guest cannot use a share for guests")
    require((path("guests") / "guestfile").stat().st_uid == pwd.getpwnam("nobody").pw_uid, "a guest's file is not the guest account's")
    client.refused(DENIED, "open", user="nobodysuch", password="x")
    client.refused(LOGON, "guests", password="wrong")
    client("guests", "ls", user=None)


def reload(client, path):
    """SIGHUP: new connections meet the new smb.conf; a client at work stays connected."""
    server = client.server
    gate = client.local / "gate"
    os.mkfifo(gate)
    staying = subprocess.Popen(["smbclient", "//127.0.0.1/open", "-p", str(server.port), "-U", USER1.credentials, "-c", "put gate waited; put source after"],
                               cwd=client.local, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 20
    while True:
        try:
            opened = os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError:
            require(time.monotonic() < deadline, "the client does not come to its gate")
            time.sleep(0.05)
    try:
        client.refused(NO_SHARE, "late")
        server.shares["late"] = {}
        server.write_conf()
        server.reload()
        deadline = time.monotonic() + 10
        while "NT_STATUS_" in client("late", "ls", ok=False):
            require(time.monotonic() < deadline, "a share that was added is not there 10 s after SIGHUP")
            time.sleep(0.2)
    finally:
        os.close(opened)
    text, _ = staying.communicate(timeout=30)
    require(staying.returncode == 0 and "NT_STATUS_" not in text, f"a client was disturbed by SIGHUP: {text}")
    require((path("open") / "after").exists(), "a client could not go on after SIGHUP")


def tool(server, name, *arguments, text="", ok=True):
    run = subprocess.run([server.program(name), *arguments], input=text, capture_output=True, text=True, timeout=60, env=server.environment())
    require(not ok or run.returncode == 0, f"{name} {' '.join(arguments)}: {run.returncode}: {run.stdout}{run.stderr}")
    return run.stdout + run.stderr


def account_tools(client, path):
    server, conf = client.server, str(client.server.conf)
    listed = tool(server, "pdbedit", "-s", conf, "-L")
    for user in (USER1, USER2):
        require(f"{user.name}:{pwd.getpwnam(user.name).pw_uid}:" in listed, f"pdbedit -L: {listed}")
    tool(server, "smbpasswd", "-c", conf, "-d", USER2.name)
    client.refused("NT_STATUS_ACCOUNT_DISABLED", "open", user=USER2.name, password=USER2.password)
    tool(server, "smbpasswd", "-c", conf, "-e", USER2.name)
    client("open", "ls", user=USER2.name, password=USER2.password)
    tool(server, "smbpasswd", "-c", conf, "-s", "-a", USER2.name, text="another-Word4\nanother-Word4\n")
    client.refused(LOGON, "open", user=USER2.name, password=USER2.password)
    client("open", "ls", user=USER2.name, password="another-Word4")
    tool(server, "smbpasswd", "-c", conf, "-x", USER2.name)
    require(USER2.name not in tool(server, "pdbedit", "-s", conf, "-L"), "an account that was removed is listed")
    server.add_user(USER2)
    client("open", "ls", user=USER2.name, password=USER2.password)


def same_account_file(tally, preset):
    """tdbsam is Samba's own file: what one implementation's smbpasswd writes, the other's reads and serves."""
    with tally.case("both servers use one passdb.tdb"):
        with Server("atoll", shares={"open": {}}, users=[USER1], preset=preset) as ours, tempfile.TemporaryDirectory() as local:
            source = pathlib.Path(local) / "source"
            source.write_text("x")
            accounts.ensure([USER2])
            debian = Server("debian")
            try:
                tool(debian, "smbpasswd", "-c", str(ours.conf), "-s", "-a", USER2.name, text=f"{USER2.password}\n{USER2.password}\n")
                listed = tool(debian, "pdbedit", "-s", str(ours.conf), "-L")
                require(USER1.name in listed and USER2.name in listed, f"Debian's pdbedit -L: {listed}")
                Client(ours, pathlib.Path(local))("open", "put source there", user=USER2.name, password=USER2.password)
                require(USER2.name in tool(ours, "pdbedit", "-s", str(ours.conf), "-L"), "our pdbedit does not list what Debian's smbpasswd added")
            finally:
                debian.remove()


CASES = {"who may use a share": who_may_use_a_share, "read only and write list": read_only, "create mask and its family": masks,
         "force user, force group": forced, "UNIX rights": unix_rights, "hidden and vetoed files": hidden, "macros": macros, "symlinks": symlinks, "guests": guests,
         "reload on SIGHUP": reload, "smbpasswd and pdbedit": account_tools}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", choices=["atoll", "debian"], default="atoll")
    parser.add_argument("--preset", default="release")
    arguments = parser.parse_args()
    tally = report.Tally("settings")
    local = pathlib.Path(tempfile.mkdtemp(prefix="atoll-settings-", dir=os.environ.get("ATOLL_TEST_DIR")))
    try:
        local.chmod(0o755)
        (local / "source").write_text("a small file\n")
        with tally.guard("the server"), Server(arguments.server, shares={**SHARES, "macros": {"path": str(local / MACROS)}}, options=OPTIONS, users=[USER1, USER2], preset=arguments.preset) as server:
            client = Client(server, local)
            for what, case in CASES.items():
                with tally.case(what):
                    case(client, server.path)
        if arguments.server == "atoll":
            same_account_file(tally, arguments.preset)
    finally:
        shutil.rmtree(local, ignore_errors=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
