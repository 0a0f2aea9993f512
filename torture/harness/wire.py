"""Just enough SMB2 on the wire to see whether a server answers; clients proper are smbclient, smbtorture and the Linux kernel."""

import os
import socket
import struct


def negotiate_request():
    """MS-SMB2 2.2.3: a NEGOTIATE that offers 2.0.2 and 2.1, in its direct-TCP frame."""
    header = struct.pack("<4sHHIHHIIQIIQ16s", b"\xfeSMB", 64, 0, 0, 0, 1, 0, 0, 0, 0xfeff, 0, 0, bytes(16))
    body = struct.pack("<HHHHI16sQ2H", 36, 2, 1, 0, 0, os.urandom(16), 0, 0x0202, 0x0210)
    return struct.pack(">I", len(header) + len(body)) + header + body


def read_frame(connection):
    """One direct-TCP frame's payload; empty when the peer closed."""
    head = read_exactly(connection, 4)
    return read_exactly(connection, struct.unpack(">I", head)[0] & 0xffffff) if head else b""


def read_exactly(connection, size):
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            return b""
        data += piece
    return data


def server_guid(host, port):
    """ServerGuid of the answer to a NEGOTIATE (MS-SMB2 2.2.4), in hexadecimal."""
    with socket.create_connection((host, port), timeout=5.0) as connection:
        connection.sendall(negotiate_request())
        return read_frame(connection)[64 + 8:64 + 24].hex()


def answers_negotiate(host, port, seconds=5.0):
    """True when a server at that address answers a NEGOTIATE with success."""
    try:
        with socket.create_connection((host, port), timeout=seconds) as connection:
            connection.sendall(negotiate_request())
            answer = read_frame(connection)
    except OSError:
        return False
    return answer[:4] == b"\xfeSMB" and struct.unpack_from("<I", answer, 8)[0] == 0
