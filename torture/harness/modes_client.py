#!/usr/bin/python3
"""Runs under Debian's own Python, for its python3-samba: carries out steps on shares of the server on port 445 of this network namespace.

    modes_client.py SMB_CONF USER%PASSWORD < {share: [step, ...]}    prints {share: [what came of it, ...]}

A step: ["make", name, attributes, SDDL or ""], ["mkdir", name], ["get_sd", name], ["set_sd", name, SDDL], ["ls", directory], ["remove", name]. What comes of it
is a status's text, the descriptor as SDDL, or {name: attributes}.
"""

import json
import sys

from samba import NTSTATUSError, credentials
from samba.dcerpc import security
from samba.samba3 import libsmb_samba_internal as libsmb
from samba.samba3 import param

OPEN, CREATE = 1, 2
DIRECTORY = 0x1
READ_CONTROL, WRITE_DAC, DELETE, DATA = 0x20080, 0x40000, 0x10000, 0x120116
DACL = security.SECINFO_DACL | security.SECINFO_PROTECTED_DACL
DESCRIPTOR = security.SECINFO_OWNER | security.SECINFO_GROUP | security.SECINFO_DACL
ANYBODY = security.dom_sid("S-1-5-21-1-1-1")  # no SDDL here has a domain's aliases


def create(connection, name, access, disposition=OPEN, options=0, attributes=0):
    return connection.create(name, DesiredAccess=access, ShareAccess=7, CreateDisposition=disposition, CreateOptions=options, FileAttributes=attributes)


def step(connection, what, name, *more):
    if what == "make":
        handle = create(connection, name, DATA | READ_CONTROL, CREATE, 0, more[0])
        connection.write(handle, b"content", 0)
        connection.close(handle)
    elif what == "mkdir":
        connection.close(create(connection, name, READ_CONTROL, CREATE, DIRECTORY))
    elif what == "get_sd":
        handle = create(connection, name, READ_CONTROL)
        descriptor = connection.get_sd(handle, DESCRIPTOR)
        connection.close(handle)
        return descriptor.as_sddl()
    elif what == "set_sd":
        handle = create(connection, name, WRITE_DAC | READ_CONTROL)
        connection.set_sd(handle, security.descriptor.from_sddl(more[0], ANYBODY), DACL)
        connection.close(handle)
    elif what == "ls":
        return {entry["name"]: entry["attrib"] for entry in connection.list(name) if entry["name"] not in (".", "..")}
    elif what == "remove":
        connection.unlink(name)
    return "OK"


def outcome(connection, arguments):
    try:
        return step(connection, *arguments)
    except NTSTATUSError as refused:
        return refused.args[1]


def main():
    conf, user = sys.argv[1:]
    parameters = param.get_context()
    parameters.load(conf)
    name, password = user.split("%", 1)
    known = credentials.Credentials()
    known.guess(parameters)
    known.set_username(name)
    known.set_password(password)
    found = {}
    for share, steps in json.load(sys.stdin).items():
        connection = libsmb.Conn("127.0.0.1", share, lp=parameters, creds=known)
        found[share] = [outcome(connection, arguments) for arguments in steps]
    json.dump(found, sys.stdout)


main()
