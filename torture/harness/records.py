"""smbrecords at work: our client that fails over writes numbered records, each under a lock, to a continuously available share."""

import re
import subprocess
import threading
import time

from accounts import USER1
from report import require
from server import TOP

PATIENCE = 60


class Records:
    """`acknowledged` is the number of records that it has been told of. It goes on until its end."""

    def __init__(self, preset, share, port, name, *options, patience=PATIENCE):
        self.name, self.patience, self.acknowledged, self.last = name, patience, 0, ""
        command = [TOP / "build" / preset / "bin" / "smbrecords", share, name, "-p", str(port), "-U", USER1.credentials, *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.last = line.strip()
            if self.last.startswith("acknowledged "):
                self.acknowledged = int(self.last.split()[1]) + 1

    def more(self, count):
        """Waits until so many more have been acknowledged."""
        goal, deadline = self.acknowledged + count, time.monotonic() + self.patience
        while self.acknowledged < goal:
            require(self.process.poll() is None, f"{self.name}: {self.last}")
            require(time.monotonic() < deadline, f"{self.name}: {self.acknowledged} of {goal} records within {self.patience} s")
            time.sleep(0.02)

    def end(self):
        """(records, bad, reconnects), by its own account."""
        self.process.stdin.close()
        self.reader.join(self.patience)
        found = re.fullmatch(r"records (\d+) bad (\d+) reconnects (\d+)", self.last)
        require(found and self.process.wait(self.patience) == 0, f"{self.name}: {self.last}")
        return tuple(map(int, found.groups()))

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
