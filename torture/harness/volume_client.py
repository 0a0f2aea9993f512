#!/usr/bin/python3
"""Runs under Debian's own Python, for its python3-samba: makes, or tells of, files of a share on port 445 of this network namespace.

    volume_client.py write|set|read SMB_CONF SHARE USER%PASSWORD    the files as JSON on standard input; `set` sets their DACLs again; `read` prints them
                                                                    as JSON

A file: {name: {"directory": bool, "content": text, "streams": {name: text}, "sddl": DACL or "", "attributes": number}}
"""

import json
import sys

from samba import NTSTATUSError, credentials
from samba.dcerpc import security
from samba.samba3 import libsmb_samba_internal as libsmb
from samba.samba3 import param

OPEN, CREATE = 1, 2
DIRECTORY, NON_DIRECTORY = 0x1, 0x40
ALL_ACCESS, READ, READ_CONTROL = 0x1F01FF, 0x120089, 0x20080
SHARE_ALL = 7
DACL = security.SECINFO_DACL | security.SECINFO_PROTECTED_DACL
DESCRIPTOR = security.SECINFO_OWNER | security.SECINFO_GROUP | security.SECINFO_DACL
ANYBODY = security.dom_sid("S-1-5-21-1-1-1")  # no SDDL here has a domain's aliases


def connect(conf, share, user):
    parameters = param.get_context()
    parameters.load(conf)
    name, password = user.split("%", 1)
    known = credentials.Credentials()
    known.guess(parameters)
    known.set_username(name)
    known.set_password(password)
    return libsmb.Conn("127.0.0.1", share, lp=parameters, creds=known)


def opened(connection, name, access, disposition=OPEN, options=0, attributes=0):
    try:
        return connection.create(name, DesiredAccess=access, ShareAccess=SHARE_ALL, CreateDisposition=disposition, CreateOptions=options,
                                 FileAttributes=attributes)
    except NTSTATUSError as refused:
        sys.exit(f"{name}: access {access:#x}: {refused.args[1]}")


def put(connection, name, text, disposition=CREATE):
    handle = opened(connection, name, READ | 0x2, disposition, NON_DIRECTORY)
    data = text.encode()
    at = 0
    while at < len(data):
        at += connection.write(handle, data[at:at + 32768], at)
    connection.close(handle)


def get(connection, name):
    try:
        return connection.loadfile(name).decode("utf-8", "replace")
    except NTSTATUSError as refused:
        sys.exit(f"{name}: reading: {refused.args[1]}")


def write(connection, files):
    for name, file in files.items():
        if file["directory"]:
            connection.close(opened(connection, name, ALL_ACCESS, CREATE, DIRECTORY, file["attributes"]))
        else:
            put(connection, name, file["content"])
        for stream, text in file["streams"].items():
            put(connection, f"{name}:{stream}", text)
        set_dacl(connection, name, file)


def set_dacl(connection, name, file):
    if file["sddl"]:
        handle = opened(connection, name, 0x40000 | READ_CONTROL)
        connection.set_sd(handle, security.descriptor.from_sddl(file["sddl"], ANYBODY), DACL)
        connection.close(handle)


def read(connection, files):
    found = {}
    for name, file in files.items():
        handle = opened(connection, name, READ_CONTROL)
        sddl = connection.get_sd(handle, DESCRIPTOR).as_sddl()
        connection.close(handle)
        content = "" if file["directory"] else get(connection, name)
        found[name] = {"directory": file["directory"], "content": content, "sddl": sddl,
                       "streams": {stream: get(connection, f"{name}:{stream}") for stream in file["streams"]}}
    return found


def main():
    what, conf, share, user = sys.argv[1:]
    files = json.load(sys.stdin)
    connection = connect(conf, share, user)
    if what == "write":
        write(connection, files)
    elif what == "set":
        for name, file in files.items():
            set_dacl(connection, name, file)
    else:
        json.dump(read(connection, files), sys.stdout)


main()
