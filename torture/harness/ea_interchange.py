#!/usr/bin/env python3
"""Extended attributes set through one server are the other's too: ours and Debian's smbd, in turn on the same directory, seen by smbclient's setea and
geteas."""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import report
from accounts import USER1
from report import require
from server import Server

RESERVED = ("DOSATTRIB", "dosattrib", "DosStream.x", "SAMBA_PAI", "samba_streams", "org.netatalk.Metadata")


def smbclient(server, share, *commands):
    """What smbclient prints after these commands."""
    run = subprocess.run(["smbclient", f"//127.0.0.1/{share}", "-p", str(server.port), "-U", USER1.credentials, "-c", "; ".join(commands)],
                         stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    return (run.stdout + run.stderr).decode("utf-8", "replace")


def works(server, share, *commands):
    """The same, when all of them succeed."""
    text = smbclient(server, share, *commands)
    require("STATUS_" not in text, f"{server.kind}: {commands}: {text}")
    return text


def attributes(server, share, name):
    """{name: value} as geteas tells: "NAME (flags) =", then the value's bytes in hexadecimal."""
    found, current = {}, None
    for line in works(server, share, f"geteas {name}").splitlines():
        if entry := re.fullmatch(r"(.+) \(0\) =", line):
            current = found.setdefault(entry[1], bytearray())
        elif (dump := re.match(r"\[[0-9A-F]+\] ((?:[0-9A-F]{2} +){1,16})", line)) and current is not None:
            current += bytes.fromhex(dump[1])
    return {name: bytes(value) for name, value in found.items()}


def one_sets_other_reads(writer, reader, share, path):
    name = f"by_{writer.kind}"
    works(writer, share, f"put {__file__} {name}", f"setea {name} First value", f"setea {name} second.2 {'v' * 300}", f"mkdir d_{name}",
          f"setea d_{name} OfDirectory 1")
    os.setxattr(path / name, "user.bytes", bytes(range(40)))
    expected = {"First": b"value", "second.2": b"v" * 300, "bytes": bytes(range(40))}
    for server in (writer, reader):
        found = attributes(server, share, name)
        require(found == expected, f"{server.kind} gives {found}")
        require(attributes(server, share, f"d_{name}") == {"OfDirectory": b"1"}, f"{server.kind}: the directory's differ")
    # In another case it is the same one, and keeps its name; an empty value deletes.
    works(reader, share, f"setea {name} FIRST changed", f'setea {name} SECOND.2 ""')
    expected = {"First": b"changed", "bytes": bytes(range(40))}
    for server in (writer, reader):
        found = attributes(server, share, name)
        require(found == expected, f"{server.kind} gives {found} after {reader.kind}'s change")
    require(os.getxattr(path / name, "user.First") == b"changed", "the xattr has another name")


def what_is_hidden(servers, share, path):
    (path / "hidden").write_text("")
    (path / "hidden").chmod(0o666)
    for name in ("user.DosStream.x:$DATA", "user.SAMBA_PAI", "user.samba_streams", "user.org.netatalk.Metadata", "user.a:b", "user.a[b"):
        os.setxattr(path / "hidden", name, b"x")
    os.setxattr(path / "hidden", "user.empty", b"")
    os.setxattr(path / "hidden", "security.x", b"x")
    os.setxattr(path / "hidden", "user.shown", b"x")
    for server in servers:
        found = attributes(server, share, "hidden")
        require(found == {"shown": b"x"}, f"{server.kind} shows {found}")
        for name in RESERVED:
            text = smbclient(server, share, f"setea hidden {name} v")
            require("NT_STATUS_ACCESS_DENIED" in text, f"{server.kind}: setea {name}: {text}")
        for name in ("a:b", "a*b", "a,b", "a=b"):
            text = smbclient(server, share, f"setea hidden {name} v")
            require("STATUS_INVALID_EA_NAME" in text, f"{server.kind}: setea {name}: {text}")


def not_supported(servers, share):
    for server in servers:
        works(server, share, f"put {__file__} plain")
        require("NT_STATUS_EAS_NOT_SUPPORTED" in smbclient(server, share, "setea plain a 1"), f"{server.kind} sets an attribute")
        require("NT_STATUS_NO_EAS_ON_FILE" in smbclient(server, share, "geteas plain"), f"{server.kind} has attributes")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="release")
    arguments = parser.parse_args()
    tally = report.Tally("ea interchange")
    top = pathlib.Path(tempfile.mkdtemp(prefix="atoll-ea-", dir=os.environ.get("ATOLL_TEST_DIR")))
    top.chmod(0o755)
    path, off = top / "on", top / "off"
    for directory in (path, off):
        directory.mkdir()
        directory.chmod(0o777)
    shares = {"on": {"path": path}, "off": {"path": off, "ea support": "no"}}
    try:
        with tally.guard("the servers"), Server("debian", shares=shares, users=[USER1]) as debian, \
                Server("atoll", shares=shares, users=[USER1], preset=arguments.preset) as ours:
            for writer, reader in ((ours, debian), (debian, ours)):
                with tally.case(f"set through {writer.kind}, read and changed through {reader.kind}"):
                    one_sets_other_reads(writer, reader, "on", path)
            with tally.case("what is hidden, and what is no name"):
                what_is_hidden((ours, debian), "on", path)
            with tally.case("ea support = no"):
                not_supported((ours, debian), "off")
    finally:
        shutil.rmtree(top, ignore_errors=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
