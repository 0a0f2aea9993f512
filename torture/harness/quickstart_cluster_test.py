#!/usr/bin/env python3
"""`./quickstart cluster`, as the README has it: three nodes on this machine; Debian's smbclient writes through a public address, the node that has it is killed, and smbclient goes on.

    quickstart_cluster_test.py [--preset release]
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import isolation
import report
from cluster import TOP, await_that
from report import require

SHARE = re.compile(r"smbclient //(\S+)/demo -U (\S+%\S+) -c ls")


class Quickstart:
    def __init__(self):
        self.state = pathlib.Path(tempfile.mkdtemp(prefix="atoll-quickstart-"))
        self.state.chmod(0o755)

    def run(self, *arguments, wanted=0):
        # What it builds is built: the tests are.
        environment = dict(os.environ, ATOLL_CLUSTER_STATE=str(self.state), ATOLL_CLUSTER_BUILT="1")
        ran = subprocess.run([TOP / "quickstart", "cluster", *arguments], env=environment, capture_output=True, text=True, timeout=180)
        require(ran.returncode == wanted, f"quickstart cluster {' '.join(arguments)} ends with {ran.returncode}: {ran.stdout[-500:]}{ran.stderr[-3000:]}")
        return ran.stdout

    def ctdb(self, node, *arguments):
        return subprocess.run([self.state / "on", str(node), "ctdb", *arguments], capture_output=True, text=True, timeout=30).stdout

    def holder(self, address, at):
        found = re.search(rf"^{re.escape(address)} (\d+)$", self.ctdb(at, "ip"), re.M)
        return int(found[1]) if found else None


def smbclient(address, credentials, command, cwd):
    ran = subprocess.run(["smbclient", f"//{address}/demo", "-U", credentials, "-c", command], capture_output=True, text=True, timeout=60, cwd=cwd)
    return ran.returncode, ran.stdout + ran.stderr


def goes_on(quickstart, address, credentials):
    state = quickstart.state
    (state / "first").write_text("before the node died\n")
    (state / "second").write_text("after it\n")
    status, said = smbclient(address, credentials, "put first", state)
    require(status == 0, f"smbclient cannot write: {said}")
    dead = quickstart.holder(address, 0)
    require(dead is not None, f"nobody has {address}: {quickstart.ctdb(0, 'ip')}")
    alive = next(node for node in range(3) if node != dead)
    quickstart.run("--kill", str(dead))
    await_that(lambda: smbclient(address, credentials, "put second; get first back", state)[0] == 0,
               lambda: f"smbclient does not go on at {address}: {smbclient(address, credentials, 'ls', state)}, {quickstart.ctdb(alive, 'status')}{quickstart.ctdb(alive, 'ip')}", 60)
    require((state / "back").read_text() == "before the node died\n", "another file than was written")
    require((state / "store/second").read_text() == "after it\n", "the file is not in the shared directory")
    require(quickstart.holder(address, alive) not in (None, dead), "the dead node has the address")
    require("DISCONNECTED" in quickstart.ctdb(alive, "nodestatus", str(dead)), "the dead node is not shown as disconnected")
    quickstart.run("--start", str(dead))
    await_that(lambda: quickstart.ctdb(alive, "nodestatus", "all").count(" OK") == 3, lambda: f"the node does not come back: {quickstart.ctdb(alive, 'status')}", 60)


def different_devices(quickstart):
    devices = {subprocess.run([quickstart.state / "on", str(node), "stat", "-c", "%d", quickstart.state / "shared"], capture_output=True, text=True).stdout for node in range(3)}
    require(len(devices) == 3, f"the nodes see the shared directory under the device numbers {devices}")


def run(tally):
    quickstart = Quickstart()
    try:
        said = []
        with tally.case("three nodes serve a share"):
            said.append(quickstart.run())
            require(SHARE.search(said[0]), f"it says no command to try: {said[0]}")
        if tally.bad:
            return
        address, credentials = SHARE.search(said[0]).groups()
        with tally.case("each node sees the shared directory under a device number of its own"):
            different_devices(quickstart)
        with tally.case("a node is killed, and smbclient goes on"):
            goes_on(quickstart, address, credentials)
        with tally.case("--stop leaves nothing"):
            quickstart.run("--stop")
            left = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout
            require("atoll-" not in left and "aq0" not in left, f"links stay: {left}")
    finally:
        quickstart.run("--stop")
        shutil.rmtree(quickstart.state, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release", choices=["release"])
    parser.parse_args()
    tally = report.Tally("quickstart cluster")
    isolation.run(lambda: run(tally), network=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
