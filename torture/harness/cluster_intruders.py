"""Who may not speak to a daemon, or says what cannot be: refused, and logged."""

import os
import socket
import struct

from cluster import TOP, await_that
from report import require

PORT = 4379
HELLO, MESSAGE, CATALOGUE, ASK = 1, 2, 3, 4
URGENT, BULK = 1, 2


def cluster_hash(addresses):
    value = 0xCBF29CE484222325
    for byte in ("1024" + "".join(f" {pnn}={address}" for pnn, address in enumerate(addresses))).encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def packet(kind, body, size=None):
    return struct.pack("<IB", len(body) if size is None else size, kind) + body


def hello(cluster, sender, receiver, kind, hashed=None, newest_level=99):
    """As node.idl has it, with the head of the record that stands in the corpus."""
    seed = (TOP / "ctdb/protocol/corpus/stream").read_bytes()
    head = seed[6:14]
    return packet(HELLO, head + struct.pack("<IIQI4xQII", sender, receiver, 1, kind, cluster_hash(cluster.addresses) if hashed is None else hashed, newest_level, 1))


def refused(cluster, node, source, words):
    """The node ends the connection."""
    with socket.socket() as connection:
        connection.bind((source, 0))
        connection.settimeout(10)
        connection.connect((node.address, PORT))
        try:
            connection.sendall(words)
            return connection.recv(1) == b""
        except OSError:
            return True


# The loopback has all of 127/8. The nodes that speak here are those of the cluster, as a broken one would.
def strangers(cluster):
    node, peer = cluster.nodes[0], cluster.addresses[1]
    keepalive = (TOP / "ctdb/protocol/corpus/message1_1").read_bytes()
    frame = (TOP / "ctdb/protocol/corpus/message5_1").read_bytes()
    bulk, urgent = hello(cluster, 1, 0, BULK), hello(cluster, 1, 0, URGENT)
    cases = {
        "is not listed in `nodes`": ("127.0.0.99", bulk),
        "no hello at the start": (peer, packet(MESSAGE, keepalive)),
        "a malformed hello": (peer, packet(HELLO, b"\1\0\0\0")),
        "a hello of another node": (peer, hello(cluster, 2, 0, BULK)),
        "a second hello": (peer, bulk + bulk),
        "a node whose `nodes` differs": (peer, hello(cluster, 1, 0, BULK, 7)),
        "its ctdbd reads format levels up to 0": (peer, hello(cluster, 1, 0, BULK, newest_level=0)),
        "a packet of unknown kind 77": (peer, packet(77, b"")),
        "a packet of 16777216 bytes": (peer, bulk + packet(MESSAGE, b"", 16777216)),
        "a packet on the urgent connection": (peer, urgent + packet(CATALOGUE, b"")),
        "a malformed message": (peer, bulk + packet(MESSAGE, b"\0" * 40)),
        "a message of another node": (peer, bulk + packet(MESSAGE, frame)),
        "a malformed packet": (peer, bulk + packet(ASK, b"\xff" * 20)),
    }
    with socket.socket() as silent:
        silent.bind((peer, 0))
        silent.connect((node.address, PORT))
        for complaint, (source, words) in cases.items():
            require(refused(cluster, node, source, words), f"not refused: {complaint}")
            await_that(lambda text=complaint: node.logged(text), f"not logged: {complaint}")
        await_that(lambda: node.logged("says nothing"), "who says nothing keeps its connection")
    cluster.await_settled()


# How many bytes a process of user nobody is told; in a process, since threads share their user.
def heard_as_nobody(path):
    child = os.fork()
    if child == 0:
        heard = 100
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
                client.settimeout(10)
                client.connect(path)
                heard = len(client.recv(50))
        except ConnectionResetError:
            heard = 0
        finally:
            os._exit(heard)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# The local socket: anybody can reach it, and only root and the daemon's user are heard.
def local_processes(cluster):
    node = cluster.nodes[0]
    path = str(node.base / "run/ctdbd.socket")
    require(heard_as_nobody(path) == 0, "a process without rights is not refused")
    await_that(lambda: node.logged("of user 65534: it has no right"), "a process without rights is not logged")
    seed = (TOP / "ctdb/protocol/corpus/request").read_bytes()
    for words in (b"x", b"\0" * 100, seed[:-3], b"\xff" * 60000):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(10)
            client.connect(path)
            client.send(words)
            require(client.recv(10) == b"", "a malformed request is answered")
    await_that(lambda: node.logged("refused a malformed request"), "a malformed request is not logged")
    require(node.output("ping").startswith("response from 0"), "the daemon does not answer any more")


# Tunables, roles and the rest that administrators ask for: not only said, but done.
