"""What the cluster's records cost: one that all nodes want, many in one persistent transaction, a million while a node dies. The nodes are on loopback."""

import json
import statistics
import subprocess
import time

from cluster import TOP, Cluster, await_that
from report import require

RING_MOVES_WANTED = 3    # times as long as as many bare messages
PERSISTENT_WANTED = 2    # seconds
BACK_WANTED = 1          # second
VALUE = "v" * 100
PATIENCE = 1200
# Messages of nodes about records (docs/cluster.md, "Slots and records").
MOVING = ("node.req_call", "node.req_dmaster", "node.reply_dmaster", "node.reply_error")


def clusterbench(cluster, *words):
    sockets = [word for node in cluster.nodes for word in ("--socket", str(node.base / "run/ctdbd.socket"))]
    run = subprocess.run([str(TOP / "build" / cluster.preset / "bin/clusterbench"), words[0], *sockets, *words[1:]], capture_output=True, text=True, timeout=PATIENCE)
    require(run.returncode == 0, f"clusterbench {' '.join(words)}: {run.stderr.strip() or run.returncode}")
    return json.loads(run.stdout)


def moving_messages(cluster):
    counted = [node.statistics() for node in cluster.nodes]
    return sum(int(one[name]) for one in counted for name in MOVING)


def ring(preset, moves, count, note):
    """A move of the record is several messages, so both are said: a move as times a bare message, and each message of it."""
    with Cluster("atoll", preset) as cluster:
        cluster.await_settled()
        before = moving_messages(cluster)
        done = clusterbench(cluster, "ring", "--moves", str(moves), "--rounds", str(count))
        messages = (moving_messages(cluster) - before) / (moves * count)
    require(len(done["rounds"]) == count and done["visits"] >= moves * count, f"the record did not go around: {done}")
    move, message = (statistics.median(one[what] for one in done["rounds"]) for what in ("move_us", "message_us"))
    note(f"a contended record around three nodes: {move:.1f} us a move ({1e6 / move:.0f}/s), {messages:.2f} messages each; a bare message on loopback {message:.1f} us: "
         f"{move / message:.2f} times as long as as many bare messages as moves, {move / message / messages:.2f} times as long as as many as its own; wanted {RING_MOVES_WANTED}")


def lines(path, count, turn):
    path.write_text("".join(f'"key{number:06}" "{turn}.{number}.{VALUE}"\n' for number in range(count)))


def commit_seconds(cluster, count, turn):
    """Of `ctdb ptrans` at node 0, which reads the file, commits on all nodes, and ends."""
    first, last, path = cluster.nodes[0], cluster.nodes[-1], cluster.top / "lines"
    lines(path, count, turn)
    began = time.monotonic()
    status, _, err = first.ctdb("-t", "300", "ptrans", "bench.tdb", str(path), timeout=PATIENCE)
    took = time.monotonic() - began
    require(status == 0, f"{cluster.kind}: ctdb ptrans of {count} records ends with {status}: {err}")
    for number in (0, count // 2, count - 1):
        require(last.output("pfetch", "bench.tdb", f"key{number:06}") == f"{turn}.{number}.{VALUE}", f"{cluster.kind}: a record of the transaction is not on another node")
    return took


def transactions(kind, preset, counts, rounds, note):
    """Each of these many records in one transaction; the first round makes them, later ones replace them."""
    with Cluster(kind, preset) as cluster:
        cluster.await_settled()
        cluster.nodes[0].output("attach", "bench.tdb", "persistent")
        await_that(lambda: all("name:bench.tdb" in node.output("getdbmap") for node in cluster.nodes), "a persistent database is not known everywhere")
        for count in counts:
            took = statistics.median(commit_seconds(cluster, count, turn) for turn in range(rounds))
            note(f"{kind}: {count} records in one persistent transaction: {took:.2f} s, {1e6 * took / count:.1f} us a record" + (f"; wanted {PERSISTENT_WANTED} s for 100 000" if kind == "atoll" else ""))


def recovery(preset, records, leader, note):
    """A node's ctdbd is killed, that of the leader or of another one; its supervisor lives."""
    with Cluster("atoll", preset) as cluster:
        cluster.await_settled()
        leads = cluster.leader()
        victim = leads if leader else (leads + 1) % len(cluster.nodes)
        done = clusterbench(cluster, "recovery", "--records", str(records), "--victim", str(victim), "--kill", str(cluster.nodes[victim].pid()))
    note(f"{records} volatile records, ctdbd of {'the leader' if leader else 'another node than the leader'} killed: {done['slots_untouched']} untouched slots, {done['probes']} records of them changed "
         f"meanwhile, {done['asked']} had to ask ctdbd, the slowest took {done['longest_probe_us']:.0f} us; {done['slots_touched']} others: closed after {done['closed_first']:.0f} ms, "
         f"the first back after {done['back_first']:.0f} ms, the last after {done['back_last']:.0f} ms, away for {done['longest_away']:.0f} ms at most; wanted {BACK_WANTED} s. Filled in {done['fill_s']:.1f} s")
    require(done["probes"] > 0 and done["asked"] == 0, f"untouched slots stopped: of {done['probes']} changes {done['asked']} had to wait for ctdbd")
    require(done["kept"] == done["expected"], f"of {done['expected']} records of the survivors {done['kept']} are there")
