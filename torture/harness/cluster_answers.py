"""What our ctdb tool prints and what Debian's does, each on three daemons of its own: recorded, and compared."""

import re
import struct
import subprocess

from cluster import PATIENCE, TOP
from report import require

RECORDING = TOP / "torture/expected/debian-4.17/ctdb.json"
RELOADING = TOP / "torture/expected/debian-4.17/ctdb_reloadnodes.json"
# Both clusters are asked these, on node 0, by administrators' scripts too. What names a place or a moment is replaced.
COMPARED = [
    "status", "-X status", "-Y status", "-x ; status", "-Y -x ; status", "nodestatus", "nodestatus all", "nodestatus 0,2", "nodestatus 2", "-X nodestatus all", "-n 1 nodestatus",
    "-n 1 nodestatus all", "-n 1 status", "pnn", "-n 1 pnn", "-n all pnn", "-n 7 pnn", "-n x pnn", "pnn 3", "ping", "-n 2 ping", "getpid", "-n 1 getpid", "uptime",
    "listnodes", "-X listnodes", "-n 1 listnodes", "leader", "runstate", "runstate running", "runstate setup", "runstate nonsense", "getdbmap", "-X getdbmap",
    "getdbmap 5", "getreclock", "getdebug", "nosuchcommand", "-n 1 version", "nodestatus 9", "ban", "ban abc", "ban 0", "disable x", "-t", "-n", "-n 1 disable",
    "-n 1 disable", "status", "nodestatus all", "nodestatus 1", "-X nodestatus 1", "-n 1 enable", "-n 1 enable", "-n 1 unban", "-n 1 continue", "attach foo.tdb",
    "attach foo.tdb", "getdbmap", "-X getdbmap", "getdbstatus foo.tdb", "getdbstatus 0x88127240", "writekey foo.tdb k hello", "readkey foo.tdb k",
    "attach lent.tdb", "writekey lent.tdb k lent", "setdbreadonly lent.tdb", "setdbreadonly lent.tdb", "getdbmap", "-X getdbmap", "getdbstatus lent.tdb", "readkey lent.tdb k readonly",
    "setdbsticky lent.tdb", "setdbsticky lent.tdb", "setdbsticky nosuch", "setdbsticky", "getdbmap", "-X getdbmap", "getdbstatus lent.tdb", "readkey lent.tdb k",
    "readkey foo.tdb none", "readkey nosuch k", "deletekey foo.tdb k", "readkey foo.tdb k", "writekey foo.tdb", "attach stored.tdb persistent", "pstore stored.tdb k hello", "pfetch stored.tdb k", "pfetch stored.tdb none", "getdbseqnum stored.tdb",
    "getdbseqnum foo.tdb", "getdbseqnum nosuch", "catdb stored.tdb", "catdb foo.tdb", "catdb nosuch", "catdb", "-n 1 catdb stored.tdb", "pdelete stored.tdb k", "pfetch stored.tdb k",
    "getdbseqnum stored.tdb", "pstore stored.tdb k", "pstore foo.tdb k v", "pstore nosuch k v", "ptrans", "ptrans nosuch", "ptrans foo.tdb", "ptrans stored.tdb /nonexistent",
    "wipedb", "-n 1 wipedb stored.tdb", "backupdb", "backupdb nosuch /nonexistent/x", "backupdb stored.tdb /nonexistent/x", "restoredb", "restoredb /nonexistent",
    "dumpdbbackup /nonexistent", "listvars", "getvar MonitorInterval", "getvar monitorinterval", "getvar nosuch", "getvar", "setvar", "setvar MonitorInterval 20", "getvar MonitorInterval",
    "setvar MonitorInterval x", "setvar nosuch 1", "-n 1 setvar MonitorInterval 17", "-n 1 getvar MonitorInterval", "-n 1 setvar MonitorInterval 15", "getcapabilities", "-X getcapabilities",
    "-Y getcapabilities", "getcapabilities x", "setlmasterrole", "setlmasterrole maybe", "setleaderrole x", "-n 1 setleaderrole off", "-n 1 getcapabilities", "-n 1 setleaderrole on",
    "-n 1 setlmasterrole off", "-n 1 getcapabilities", "-n 1 setlmasterrole on", "-n 1 getcapabilities", "recover x", "recover", "statistics", "-X statistics", "-n 1 statistics", "statistics x",
    "statisticsreset", "statisticsreset x", "dbstatistics test.tdb", "dbstatistics stored.tdb", "dbstatistics nosuch", "dbstatistics", "process-exists 1",
    "process-exists x", "process-exists", "process-exists 1 0xfe", "pstore stored.tdb a b", "cattdb stored.tdb", "cattdb nosuch", "-n 1 cattdb stored.tdb", "cattdb", "writekey foo.tdb k v",
    "readkey foo.tdb k readonly", "tfetch TOP/plain.tdb none", "tfetch TOP/plain.tdb short", "tstore TOP/plain.tdb a bcd", "tfetch TOP/plain.tdb a", "tfetch TOP/plain.tdb a TOP/out",
    "tfetch TOP/plain.tdb a /nonexistent/out", "tstore TOP/plain.tdb b xyz 7 2", "tfetch TOP/plain.tdb b", "tstore TOP/plain.tdb 0x6162 0x0102", "tfetch TOP/plain.tdb ab", "tfetch TOP/plain.tdb flags",
    "tfetch /nonexistent k", "tfetch", "tstore", "tstore /nonexistent k v", "setdbreadonly stored.tdb", "setdbsticky stored.tdb", "setdbreadonly nosuch", "setdbreadonly", "attach bar.tdb bogus",
    "detach", "detach nosuch", "detach stored.tdb", "detach foo.tdb", "setvar AllowClientDBAttach 0", "detach foo.tdb", "-n 1 setvar AllowClientDBAttach 0", "-n 2 setvar AllowClientDBAttach 0",
    "detach foo.tdb", "getdbstatus foo.tdb", "setvar AllowClientDBAttach 1", "-n 1 setvar AllowClientDBAttach 1", "-n 2 setvar AllowClientDBAttach 1", "attach foo.tdb", "readkey foo.tdb k",
    "attach both.tdb replicated", "attach both.tdb replicated", "attach both.tdb", "attach both.tdb bogus", "getdbstatus both.tdb", "getdbseqnum both.tdb", "pstore both.tdb k hello",
    "pfetch both.tdb k", "pfetch both.tdb none", "-n 1 pfetch both.tdb k", "getdbseqnum both.tdb", "-n 1 getdbseqnum both.tdb", "readkey both.tdb k",
    "writekey both.tdb k v", "deletekey both.tdb k", "setdbreadonly both.tdb", "setdbsticky both.tdb", "dbstatistics both.tdb", "detach both.tdb", "pdelete both.tdb k", "getdbseqnum both.tdb",
    "wipedb both.tdb", "checktcpport 4379", "checktcpport 1", "natgw", "natgw leader", "natgw list", "natgw status", "lvs", "reloadnodes", "-n 1 reloadnodes", "--usage", "--help", "-?", "-d NOTICE pnn", "-d bogus pnn", "-d", "-T 5 pnn", "-T x pnn", "-T", "-v pnn", "--nosuch pnn", "-z pnn", "-t x pnn", "-t 0 pnn",
    "-t 5 pnn", "-x ab listnodes", "-x , listnodes", "-X -Y listnodes", "pnn -n 1", "pnn -Y", "--node=1 pnn", "--timelimit=3 pnn", "--separator=: listnodes", "--verbose pnn", "--debug=ERR pnn",
    "--maxruntime=3 pnn", "-n1 pnn", "-n -1 pnn", "-n 1,2 pnn", "-n 1x pnn", "setdebug", "setdebug bogus", "setdebug ERROR", "getdebug", "setdebug 4", "getdebug", "setdebug 10", "getdebug", "setdebug 11",
    "-n 1 setdebug ERR", "-n 1 getdebug", "setdebug WARN", "getdebug", "setdebug notice", "getdebug x", "sync", "reloadips", "reloadips x", "reloadips 1", "reloadips all", "reloadips 9",
    "ipreallocate", "shutdown x", "status x", "-X status x", "uptime x", "getpid x", "leader x", "listnodes x", "runstate x y", "getreclock x", "nodestatus x", "nodestatus 0,x", "nodestatus 0,9",
    "nodestatus 1,1", "nodestatus all 0", "event", "event run", "event run legacy", "event status", "event status legacy monitor", "event status legacy nosuch", "event script", "event script list",
    "event script list nosuch", "event nosuch", "scriptstatus nosuch", "scriptstatus x y", "ip", "ip all", "ip x", "-X ip", "ipinfo", "ipinfo 1.2.3.4", "ipinfo x", "ifaces", "-X ifaces", "setifacelink",
    "setifacelink lo up", "setifacelink lo x", "tickle", "tickle x y", "gettickles", "gettickles 1.2.3.4", "gettickles x", "addtickle", "addtickle x y", "deltickle x y", "gratarp", "gratarp x lo",
    "moveip", "moveip x 1", "addip", "addip x lo", "addip 1.2.3.4 lo", "delip", "delip 1.2.3.4", "delip x", "checktcpport x", "attach", "attach a b c", "getdbstatus", "getdbstatus nosuch", "readkey",
    "deletekey", "pfetch", "pstore", "pdelete", "tfetch x", "ptrans x y z", "listvars x", "setlmasterrole on x", "stop x", "continue x", "unban x", "-n 1 ban 0", "-n 9 nodestatus", "-n 2 stop", "-n 2 stop", "nodestatus 2",
]


def neutral(text, cluster):
    text = text.replace(str(cluster.top), "TOP")
    for pnn, address in enumerate(cluster.addresses):
        text = text.replace(address, f"ADDRESS{pnn}")
    text = re.sub(r"\d+\.\d+ sec", "TIME sec", text)
    text = re.sub(r"\(\d+ clients\)", "(CLIENTS)", text)
    text = re.sub(r"(Generation:)\d+|(Leader:)\d+|(Duration of .*: )\S+", r"\1\2\3X", text)
    text = re.sub(r"\(\d+ \d\d:\d\d:\d\d\)|\w\w\w \w\w\w +\d+ \d\d:\d\d:\d\d \d{4}", "MOMENT", text)
    text = text.replace("currnet", "current")
    text = re.sub(r"^( +\w+ +)\d+$", lambda found: found[1].rstrip() + " N", text, flags=re.M)
    text = re.sub(r"(MIN/AVG/MAX  |_buckets:|Count:).*", r"\1 N", text)
    text = re.sub(r"^1\|[\d.|]+$", "ROW", text, flags=re.M)
    return re.sub(r"^\d+$", "NUMBER", text, flags=re.M)


def answers(cluster):
    """{arguments: [exit status, standard output, standard error]} of COMPARED, one after the other; those that come again have a number."""
    first = cluster.nodes[0]
    first.output("attach", "test.tdb")
    head = "".join(f"\\{byte:02X}" for byte in struct.pack("<QIIII", 9, 1, 0, 0x0F070003, 0))
    words = f"create {cluster.top}/plain.tdb\ninsert short v\ninsert flags {head}x\nquit\n"
    subprocess.run(["tdbtool"], input=words, text=True, stdout=subprocess.DEVNULL, timeout=PATIENCE, check=True)
    (first.base / "natgw_nodes").write_text(f"{cluster.addresses[1]}\n{cluster.addresses[0]} follower-only\n")
    (first.base / "script.options").write_text(f"CTDB_NATGW_NODES={first.base}/natgw_nodes\n")
    if cluster.kind == "debian":
        (first.base / "functions").symlink_to("/etc/ctdb/functions")
    found = {}
    for arguments in COMPARED:
        status, out, err = first.ctdb(*arguments.replace("TOP", str(cluster.top)).split())
        name = arguments
        while name in found:
            name += "'"
        found[name] = [status, neutral(out, cluster), neutral(err, cluster)]
    cluster.nodes[0].output("-n", "2", "continue")
    return found


def compare(tally, mine, theirs, whose):
    for arguments in mine:
        with tally.guard(f"ctdb {arguments}"):
            if arguments == "listvars":  # of those that mean something here
                lines = mine[arguments][1].splitlines()
                require(len(lines) == 14 and set(lines) <= set(theirs[arguments][1].splitlines()), f"ours lists {lines}")
                tally.passed(f"ctdb {arguments}", quiet=True)
                continue
            require(mine[arguments] == theirs.get(arguments), f"ours gives {mine[arguments]}, {whose} {theirs.get(arguments)}")
            tally.passed(f"ctdb {arguments}", quiet=True)
