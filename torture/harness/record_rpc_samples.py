#!/usr/bin/env python3
"""Records what Debian's rpcclient, smbclient and smbtorture say to Debian's smbd on srvsvc and wkssvc: the stubs of requests and responses, as
libcli/interfaces/samples_test.cpp reads them.

    record_rpc_samples.py          writes libcli/interfaces/samples/INTERFACE.samples again, one call a line: opnum, request, response (hexadecimal;
                                   "-" is an empty stub, "fault" a fault)

The pipes' bytes are taken from loopback with tshark, which must be allowed to capture.
"""

import collections
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

from accounts import ADMIN, USER1
from server import Server, TOP

SAMPLES = TOP / "libcli" / "interfaces" / "samples"
INTERFACES = {"4b324fc8-1670-01d3-1278-5a47bf6ee188": "srvsvc", "6bffd098-a112-3610-9833-46c3f87e345a": "wkssvc"}
# Levels that Samba's idea of the interface has and MS-SRVS 2.2.3 has not, or the other way round: each side reads the other's as an error. By opnum.
OTHER_LEVELS = {15: (1004, 1005, 1006, 1007, 1501), 36: (1004, 1005, 1006, 1007, 1501), 16: (503, 1007), 17: (503, 1007), 14: (503, 1007)}
SHARE_LEVELS = (0, 1, 2, 501, 502, 503, 1004, 1005, 1006, 1007, 1501, 7)

RPCCLIENT = (
    ["srvinfo"] + [f"srvinfo {level}" for level in (100, 101, 102, 502, 503, 1005, 77)]
    + [f"netshareenum {level}" for level in (0, 1, 2, 501, 502, 1004, 1005, 7)] + [f"netshareenumall {level}" for level in (0, 1, 2, 501, 502, 1004, 1005, 7)]
    + [f"netsharegetinfo {name} {level}" for name in ("share", "nowhere") for level in SHARE_LEVELS]
    + [f"netsharesetinfo share {level} comment{level}" for level in (1, 2, 502, 1004, 1005)]
    + ["netsharesetdfsflags share 0", "netshareadd /tmp added remark", "netsharedel added", "netsharedel nowhere"]
    + [f"netfileenum {level}" for level in (2, 3, 9)] + ["netremotetod", "netdiskenum", "netfilegetsec share file", "netfilegetsec share nowhere"]
    + [f"netnamevalidate {name} {kind}" for name, kind in (("good", 9), ("bad/name", 9), ("host", 5), ("x", 11))]
    + [f"netsessenum nobody somebody {level}" for level in (0, 1, 2, 10, 502)] + [f"netsessenum '' '' {level}" for level in (0, 1, 2, 10, 502, 4)]
    + ["netsessdel nobody nobody"] + [f"netconnenum share {level}" for level in (0, 1, 5)] + ["netconnenum \\\\nobody 1"]
    + [f"wkssvc_wkstagetinfo {level}" for level in (100, 101, 102, 502, 1013, 55)]
    + ["wkssvc_getjoininformation", "wkssvc_messagebuffersend hello", "wkssvc_enumeratecomputernames 0", "wkssvc_enumeratecomputernames 2"]
    + [f"wkssvc_enumerateusers {level}" for level in (0, 1)])


def quiet(command):
    """Runs a client; what it thinks of the answer does not matter here."""
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300, check=False)


def make_traffic(server):
    where = "ncacn_np:127.0.0.1[smb2]"
    (server.path("share") / "file").write_text("file\n")
    # A session with an open file, so that the enumerations have something to tell.
    other = subprocess.Popen(["smbclient", "//127.0.0.1/share", "-p", str(server.port), "-U", USER1.credentials, "-c", "open file; posix_whoami"],
                             stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    holder = subprocess.Popen(["smbclient", "//127.0.0.1/share", "-p", str(server.port), "-U", USER1.credentials],
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    holder.stdin.write(b"open file\n")
    holder.stdin.flush()
    time.sleep(1)
    for user in (ADMIN, USER1):
        quiet(["smbclient", "-L", "127.0.0.1", "-p", str(server.port), "-U", user.credentials])
        for command in RPCCLIENT:
            quiet(["rpcclient", "-p", str(server.port), "-U", user.credentials, where, "-c", command])
    for suite in ("rpc.srvsvc", "rpc.wkssvc"):
        quiet(["smbtorture", "ncacn_np:127.0.0.1[smb2]", "-p", str(server.port), "-U", ADMIN.credentials, suite])
    holder.stdin.close()
    holder.wait()
    other.communicate()


def fields(capture, port):
    """The PDUs of the capture, with the interfaces' own dissectors off so that the stubs stay whole."""
    names = ("tcp.stream", "dcerpc.pkt_type", "dcerpc.cn_call_id", "dcerpc.opnum", "dcerpc.cn_bind_to_uuid", "dcerpc.stub_data")
    command = ["tshark", "-r", capture, "-d", f"tcp.port=={port},nbss", "-Y", "dcerpc", "-T", "fields", "-E", "separator=;", "-E", "aggregator=,"]
    for name in INTERFACES.values():
        command += ["--disable-protocol", name]
    for name in names:
        command += ["-e", name]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for line in text.splitlines():
        yield line.split(";")


def calls(capture, port):
    """(interface, opnum, request, response), in their order."""
    interface, pending = {}, {}
    for stream, kinds, ids, opnums, uuids, stubs in fields(capture, port):
        kind, call = kinds.split(",")[0], (stream, ids.split(",")[0])
        if uuids:
            interface[stream] = INTERFACES.get(uuids.split(",")[0].lower())
        elif kind == "0" and interface.get(stream):
            pending[call] = (interface[stream], int(opnums.split(",")[0]), stubs)
        elif kind == "2" and call in pending:
            yield (*pending.pop(call), stubs or "-")
        elif kind == "3" and call in pending:
            yield (*pending.pop(call), "fault")


def skip_string(stub, at):
    """Behind a conformant varying string of UTF-16, at a multiple of 4."""
    units = struct.unpack_from("<I", stub, at + 8)[0]
    return (at + 12 + 2 * units + 3) & ~3


def is_of_samba_alone(interface, opnum, request):
    if interface != "srvsvc" or opnum not in OTHER_LEVELS:
        return False
    stub = bytes.fromhex(request)
    at = skip_string(stub, 4) if stub[:4] != bytes(4) else 4  # ServerName
    if opnum in (16, 17):
        at = skip_string(stub, at)  # NetName
    return struct.unpack_from("<I", stub, at)[0] in OTHER_LEVELS[opnum]


def main():
    with tempfile.TemporaryDirectory() as directory, \
            Server("debian", shares={"share": {"read only": "no", "comment": "Ein Kommentar: \u00e4\u20ac"}, "other": {"max connections": "5"}},
                   options={"server string": "Sample server", "admin users": ADMIN.name}, users=[ADMIN, USER1]) as server:
        capture = str(pathlib.Path(directory) / "lo.pcapng")
        with subprocess.Popen(["tshark", "-i", "lo", "-f", f"tcp port {server.port}", "-w", capture, "-q"], stderr=subprocess.PIPE) as tshark:
            time.sleep(3)
            make_traffic(server)
            time.sleep(2)
            tshark.terminate()
        found = collections.defaultdict(dict)
        for interface, opnum, request, response in calls(capture, server.port):
            if is_of_samba_alone(interface, opnum, request):
                continue
            # Of calls that differ in their contents alone the first will do.
            found[interface].setdefault((opnum, len(request), len(response)), (request, response))
    SAMPLES.mkdir(exist_ok=True)
    for interface, samples in found.items():
        lines = [f"{opnum} {request or '-'} {response}\n" for (opnum, _, _), (request, response) in sorted(samples.items())]
        (SAMPLES / f"{interface}.samples").write_text("".join(lines))
        print(f"{interface}: {len(lines)} calls of {len({key[0] for key in samples})} functions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
