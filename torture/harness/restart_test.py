#!/usr/bin/env python3
"""Our smbd killed as a whole at the messages of an exchange, and started again, while our client that fails over is at work (smbtorture, atoll.restart).

    restart_test.py [--preset release] [--full]     in full at every boundary, else at every fourth, others each time
"""

import argparse
import contextlib
import os
import subprocess
import sys
import threading

import report
import smbtorture
from accounts import USER1
from durable_test import kill_group
from server import Server
from torture_test import SHARES, program

SAMPLE = 4
SECONDS = 900


class Restarter:
    """Kills the server and starts it again whenever somebody runs `command`, which succeeds when it serves again."""

    def __init__(self, server):
        self.server, self.ask, self.answer, self.count = server, server.top / "restart", server.top / "restarted", 0
        for fifo in (self.ask, self.answer):
            os.mkfifo(fifo)
        self.command = f"echo now >{self.ask} && read answer <{self.answer} && test $answer = done"
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.requests = threading.Semaphore(0)
        self.thread.start()

    def run(self):
        while True:
            with open(self.ask, encoding="ascii") as asked:
                if not asked.read().startswith("now"):
                    return
            self.requests.release()

    def serve(self, process):
        """Until the process ends. Not in the other thread: what a thread has started ends with it (setpriv)."""
        while process.poll() is None:
            if not self.requests.acquire(timeout=0.1):
                continue
            try:
                kill_group(self.server)
                self.server.start()
                said = "done"
                self.count += 1
            except Exception as error:  # whoever asked hears of it
                said = "failed"
                print(f"# {error}", flush=True)
            self.answer.write_text(said + "\n")

    def end(self):
        self.ask.write_text("end\n")
        self.thread.join()


def run(path, server, restarter, test, one_of):
    command = [path, "//127.0.0.1/lasting", "-p", str(server.port), "-U", USER1.credentials, "--option=torture:available_share=available",
               f"--option=torture:kill_server={restarter.command}", f"--option=torture:one_of={one_of}", test]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
    late = threading.Timer(SECONDS, process.kill)
    late.start()
    try:
        restarter.serve(process)
    finally:
        late.cancel()
        process.kill()
    out, error = process.communicate()
    results = smbtorture.parse(out)
    if len(results) != 1:
        return smbtorture.Result(test, "fail", f"no result, exit status {process.returncode}: {error.strip()[-300:]}")
    return smbtorture.Result(test, results[0][1], results[0][2])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", nargs="*", default=["atoll.restart"])
    parser.add_argument("--preset", default="release")
    parser.add_argument("--client", default="release", help="which build of smbtorture")
    parser.add_argument("--full", action="store_true")
    arguments = parser.parse_args()
    tally = report.Tally("restart")
    shares = {name: SHARES[name] for name in ("lasting", "available")}
    with tally.guard("the server"), Server("atoll", shares=shares, users=[USER1], preset=arguments.preset) as server, contextlib.ExitStack() as stack:
        path = program(arguments.client)
        listing = subprocess.run([path, "--list"], capture_output=True, text=True, timeout=60, check=True).stdout.split()
        tests = [name for name in listing if any(name == one or name.startswith(one + ".") for one in arguments.tests)]
        restarter = Restarter(server)
        stack.callback(restarter.end)
        for test in tests:
            before = restarter.count
            result = run(path, server, restarter, test, 1 if arguments.full else SAMPLE)
            restarts = restarter.count - before
            with tally.case(f"{test}, {restarts} restarts"):
                report.require(result.outcome == "pass" and restarts > 0, str(result))
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
