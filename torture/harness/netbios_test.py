#!/usr/bin/env python3
"""SMB over the NetBIOS session service on port 139 (MS-SMB2 2.1, RFC 1002 4.3): session requests and their answers, keep-alives, 17-bit lengths.

Port 139 is a fixed one: the test runs in a network namespace of its own, and so as root only; skipped otherwise. `--server debian` shows that the test
itself holds.
"""

import argparse
import hashlib
import os
import pathlib
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading

import report
from accounts import USER1
from report import require
from server import Server
from wire import negotiate_request, read_exactly

PORT = 139
MESSAGE, REQUEST, POSITIVE, NEGATIVE, KEEP_ALIVE = 0x00, 0x81, 0x82, 0x83, 0x85
UNSPECIFIED = b"\x8f"  # RFC 1002 4.3.4
INSIDE = "ATOLL_NETBIOS_TEST_INSIDE"
SECONDS = 10


def encoded(name, suffix=0x20):
    """RFC 1001 14.1: each half of a byte a letter from A to P."""
    raw = name.upper().ljust(15).encode()[:15] + bytes([suffix])
    return b"\x20" + b"".join(bytes([ord("A") + (byte >> 4), ord("A") + (byte & 15)]) for byte in raw) + b"\0"


def packet(kind, payload=b""):
    return struct.pack(">BBH", kind, len(payload) >> 16, len(payload) & 0xFFFF) + payload


def read_packet(connection):
    """(type, payload); (None, b"") when the peer closed."""
    try:
        head = read_exactly(connection, 4)
    except ConnectionResetError:
        head = b""
    if not head:
        return None, b""
    return head[0], read_exactly(connection, struct.unpack(">I", head)[0] & 0x1FFFF)


def connect():
    return socket.create_connection(("127.0.0.1", PORT), timeout=SECONDS)


def negotiates(connection):
    connection.sendall(negotiate_request())
    kind, answer = read_packet(connection)
    require(kind == MESSAGE and answer[:4] == b"\xfeSMB", f"NEGOTIATE is answered with {kind} {answer[:8]}")


def session_request(called, calling):
    with connect() as connection:
        connection.sendall(packet(REQUEST, called + calling))
        require(read_packet(connection) == (POSITIVE, b""), "no positive session response")
        negotiates(connection)


def no_session(payload):
    """A request that is none: a negative response or nothing, and the connection ends."""
    with connect() as connection:
        connection.sendall(packet(REQUEST, payload))
        kind, code = read_packet(connection)
        require(kind in (NEGATIVE, None), f"answered with {kind:#x}")
        require(kind is None or len(code) == 1, f"a negative response with {len(code)} bytes")
        if kind is not None:
            require(read_packet(connection) == (None, b""), "the connection goes on")
    return kind, code


def keep_alives():
    with connect() as connection:
        connection.sendall(packet(REQUEST, encoded("*SMBSERVER") + encoded("CLIENT", 0)))
        require(read_packet(connection) == (POSITIVE, b""), "no positive session response")
        connection.sendall(packet(KEEP_ALIVE) * 3)
        negotiates(connection)


def smbclient(local, address, *commands, dialect="SMB3"):
    run = subprocess.run(["smbclient", f"//{address}/share", "-p", str(PORT), "-m", dialect, "-U", USER1.credentials, "-c", ";".join(commands)], cwd=local,
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    require(run.returncode == 0, f"smbclient: {run.stdout}{run.stderr}")


def file_both_ways(server, address, size):
    """Larger than a frame may be: it goes in pieces of which none needs an 18th bit."""
    with tempfile.TemporaryDirectory(prefix="atoll-netbios-") as local:
        content = os.urandom(size)
        pathlib.Path(local, "source").write_bytes(content)
        for dialect in ("SMB2_02", "SMB2_10", "SMB3_11"):
            smbclient(local, address, "put source target", "get target back", "del target", dialect=dialect)
            require(hashlib.sha256(pathlib.Path(local, "back").read_bytes()).digest() == hashlib.sha256(content).digest(), f"{dialect}: another content")
    require(not list(server.path("share").iterdir()), "the deleted file is there")


class Relay(socketserver.BaseRequestHandler):
    """Passes packets on to the server and back, and notes their types. Before each message of the client it puts a keep-alive."""
    from_client, from_server = [], []

    def handle(self):
        with connect() as server:
            back = threading.Thread(target=self.pass_on, args=(server, self.request, Relay.from_server, b""), daemon=True)
            back.start()
            self.pass_on(self.request, server, Relay.from_client, packet(KEEP_ALIVE))
            back.join(SECONDS)

    @staticmethod
    def pass_on(source, target, types, before):
        try:
            while True:
                kind, payload = read_packet(source)
                if kind is None:
                    break
                types.append(kind)
                target.sendall((before if kind == MESSAGE else b"") + packet(kind, payload))
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class RelayServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def through_relay(server):
    with RelayServer(("127.0.0.2", PORT), Relay) as relay:
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        file_both_ways(server, "127.0.0.2", 300000)
        relay.shutdown()
    require(Relay.from_client[0] == REQUEST and Relay.from_server[0] == POSITIVE, "smbclient's session began without a session request and its answer")
    require(set(Relay.from_client) <= {REQUEST, MESSAGE} and set(Relay.from_server) <= {POSITIVE, MESSAGE, KEEP_ALIVE},
            f"other packets: {set(Relay.from_client)} {set(Relay.from_server)}")


def tests(tally, server, kind):
    with tally.case("a session request to *SMBSERVER, to the server's name and to its address"):
        for name in ("*SMBSERVER", "ATOLL", "127.0.0.1"):
            session_request(encoded(name), encoded("CLIENT", 0))
    with tally.case("a session request without names, with half a name, with bytes that are no name: no session"):
        for payload in (b"", encoded("*SMBSERVER")[:20], encoded("*SMBSERVER"), b"\xff" * 68):
            answer = no_session(payload)
            require(kind == "debian" or answer == (NEGATIVE, UNSPECIFIED), f"the connection ends without a negative response: {answer}")
    with tally.case("a session without a session request"):
        with connect() as connection:
            negotiates(connection)
    with tally.case("a frame longer than 17 bits tell ends the connection"):
        with connect() as connection:
            connection.sendall(struct.pack(">I", 0x00020000 + 100) + bytes(200))
            require(read_packet(connection)[0] in (None, NEGATIVE), "it is answered")
    with tally.case("Debian's smbclient: a file both ways in SMB2_02, SMB2_10 and SMB3_11"):
        file_both_ways(server, "127.0.0.1", 5 << 20)
    if kind == "debian":
        return  # its smbd ends the connection at a keep-alive, which RFC 1002 4.3.7 has the receiver discard
    with tally.case("keep-alives before NEGOTIATE"):
        keep_alives()
    with tally.case("Debian's smbclient with keep-alives between its packets"):
        through_relay(server)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=["atoll", "debian"], default="atoll")
    parser.add_argument("--preset", default="release")
    arguments = parser.parse_args()
    if os.getuid() != 0:
        print("# skipped: only root makes a network namespace\nnetbios: 0 passed, 0 failed")
        return 0
    if INSIDE not in os.environ:
        os.execvpe("unshare", ["unshare", "--net", sys.executable, *sys.argv], dict(os.environ, **{INSIDE: "1"}))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    tally = report.Tally("netbios")
    with tally.guard("the server"), Server(arguments.server, shares={"share": {}}, options={"disable netbios": "no", "netbios name": "ATOLL"}, users=[USER1],
                                           preset=arguments.preset, port=PORT) as server:
        tests(tally, server, arguments.server)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
