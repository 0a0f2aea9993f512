#!/usr/bin/env python3
"""Our onnode beside Debian's: the same output, the same exit status, the same command lines of ssh and rsync.

    onnode_test.py [--preset release]

ssh, rsync and ctdb are programs of this test, which print how they were called.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import report
from report import require
from server import TOP

DEBIAN = "/usr/bin/onnode"
NODES = "127.0.0.1\n127.0.0.2\n#127.0.0.3\n127.0.0.4\n\n127.0.0.6\n"
STATUS = """|Node|IP|Disconnected|Unknown|Banned|Disabled|Unhealthy|Stopped|Inactive|PartiallyOnline|ThisNode|
|0|127.0.0.1|0|0|0|1|0|0|0|0|N|
|1|127.0.0.2|0|0|0|0|0|0|0|0|Y|
|3|127.0.0.4|1|0|0|0|0|0|1|0|N|
|5|127.0.0.6|0|0|0|0|0|1|1|0|N|
"""
PROGRAMS = {
    "ssh": 'echo "ssh[$#]"; for one in "$@"; do echo "  <$one>"; done; cat; echo "complains" >&2; [ "$2" != 127.0.0.2 ] || exit 5; [ "$2" != 127.0.0.6 ] || exit 3',
    "lone": '[ "$2" != 127.0.0.4 ] || { [ "$3" != "ctdb pnn" ] || echo 3; echo "$@" >> calls; }; [ "$2" = 127.0.0.4 ]',
    "rsync": 'echo "rsync[$#]"; for one in "$@"; do echo "  <$one>"; done; env | grep RSYNC',
    "ctdb": f"cat <<'END'\n{STATUS}END\nexit ${{CTDB_FAILS:-0}}",
}

# What is run, and with which environment; `sorted`: nodes answer in any order.
CASES = [
    ([], {}), (["0"], {}), (["-h"], {}), (["--help"], {}), (["-z", "0", "x"], {}), (["--bogus", "0", "x"], {}), (["-f"], {}), (["-1", "x"], {}),
    (["0", "uname", "-a"], {}), (["0", "two words"], {}), (["all", "x"], {}), (["0,1", "x"], {}), (["1,0,0", "x"], {}), (["0-1,3", "x"], {}),
    (["0-3", "x"], {}), (["2", "x"], {}), (["4", "x"], {}), (["9", "x"], {}), (["1-0", "x"], {}), (["1-", "x"], {}), (["-n", "a-1", "x"], {}),
    ([",", "x"], {}), (["0,,1", "x"], {}), (["0,", "x"], {}), (["", "x"], {}), (["01", "x"], {}), (["foo", "x"], {}), (["-n", "foo,0", "x"], {}),
    (["-q", "0,1", "x"], {}), (["-v", "0", "x"], {}), (["-v", "-q", "0", "x"], {}), (["-c", "0", "x", "y"], {}), (["-f", "nodes", "0", "x"], {}),
    (["-f", "/nowhere/nodes", "0", "x"], {}), (["-i", "0,3", "x"], {}), (["-i", "0", "x"], {"ONNODE_SSH": "ssh -v"}), (["0", "x"], {"ONNODE_SSH": "ssh -v"}),
    (["5,0,1", "x"], {}), (["1,5,0", "x"], {}), (["ok", "x"], {}), (["healthy", "x"], {}), (["con", "x"], {}), (["connected", "x"], {}),
    (["ok", "x"], {"CTDB_FAILS": "1"}), (["any", "x"], {"ONNODE_SSH": "./lone"}), (["any", "x"], {}), (["0,any", "x"], {"ONNODE_SSH": "./lone"}),
    (["-P", "0,1", "nodes", "calls"], {}), (["-P", "0", "./nodes"], {}), (["-vP", "0", "./nodes"], {"ONNODE_SSH": "ssh"}), (["-qP", "0,1", "nodes"], {}),
    (["-p", "0", "x"], {}), (["-pv", "0", "x"], {}), (["-pq", "0,1", "x"], {}), (["-p", "5,0,1", "x"], {}), (["-pi", "all", "x"], {}), (["-p", "-P", "0", "nodes"], {}),
]


def said(program, arguments, environment, directory):
    (directory / "calls").write_text("")
    run = subprocess.run([program, *arguments], cwd=directory, env=environment, input="typed\n", capture_output=True, text=True, timeout=60)
    out, error = (re.sub(rf"^{re.escape(str(program))}: ", "onnode: ", text, flags=re.M) for text in (run.stdout, run.stderr))
    if any(one.startswith("-p") for one in arguments):
        out = sorted(out.splitlines())
    return run.returncode, out, error, (directory / "calls").read_text()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    arguments = parser.parse_args()
    tally = report.Tally("onnode")
    with tempfile.TemporaryDirectory(prefix="atoll-onnode-") as name:
        directory = pathlib.Path(name)
        (directory / "nodes").write_text(NODES)
        for program, body in PROGRAMS.items():
            (directory / program).write_text(f"#!/bin/sh\n{body}\n")
            (directory / program).chmod(0o755)
        environment = {"PATH": f"{directory}:{os.environ['PATH']}", "CTDB_BASE": name}
        for words, more in CASES:
            with tally.case(" ".join([f"{key}={value}" for key, value in more.items()] + ["onnode", *words])):
                debian, ours = (said(program, words, {**environment, **more}, directory)
                                for program in (DEBIAN, TOP / "build" / arguments.preset / "bin" / "onnode"))
                require(debian == ours, f"Debian's: {debian}\n        ours: {ours}")
        with tally.case("onnode.conf"):
            (directory / "onnode.conf").write_text("ONNODE_SSH=echo\n")
            debian, ours = (said(program, ["0", "x"], environment, directory) for program in (DEBIAN, TOP / "build" / arguments.preset / "bin" / "onnode"))
            require(debian == ours and "127.0.0.1 x" in ours[1], f"Debian's: {debian}\n        ours: {ours}")
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
