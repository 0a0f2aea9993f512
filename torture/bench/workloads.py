"""What compare measures: each workload with its numbers, and how the files that it works on are made."""

import os
import pwd
from dataclasses import dataclass

FILES = 1000
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Scale:
    """How much of everything: `operations` is divided by `divisor`."""
    data_size: int = 256 * MEGABYTE
    big_files: int = 20000
    divisor: int = 1
    rounds: int = 5
    connections: int = 1000


WHOLE = Scale()
SMOKE = Scale(data_size=16 * MEGABYTE, big_files=1500, divisor=50, rounds=1, connections=20)

# Where a server grants none the handles are durable.
PERSISTENT = "open-close-persistent"


@dataclass(frozen=True)
class Work:
    """One row of the table. `operations` are those of one run; `directory` is below the share."""
    title: str
    workload: str
    operations: int
    depth: int = 1
    mode: str = "plain"
    block: int = 4096
    directory: str = "work"
    share: str = "bench"
    files: int = FILES
    unit: str = "op"            # op: operations a second, byte: bytes a second, entry: entries a second
    limit: str = ""             # of smbbench limits; several: the least
    # Requests whose number is the server's choice (how it packs a listing) and is not compared.
    free_requests: tuple = ()

    def arguments(self, scale):
        operations = max(self.operations // scale.divisor, 1)
        return ["--workload", self.workload, "--mode", self.mode, "--operations", str(operations), "--depth", str(self.depth), "--block", str(self.block),
                "--directory", self.directory, "--files", str(self.files), "--file-size", str(scale.data_size)]

    def work_of(self, outcome):
        """What must be equal for both servers."""
        requests = {name: count for name, count in outcome["requests"].items() if name not in self.free_requests}
        return {"requests": requests, "operations": outcome["operations"], "bytes": outcome["bytes"], "entries": outcome["entries"]}

    def rate(self, outcome):
        work = {"op": outcome["operations"], "byte": outcome["bytes"], "entry": outcome["entries"]}[self.unit]
        return work / outcome["seconds"]


def sequential(kind, mode, operations, limit):
    return Work(f"sequential {kind}, 1 MiB x 8, {mode}", f"{kind}-sequential", operations, 8, mode, MEGABYTE, unit="byte", limit=limit)


# In this order: delete removes what create made.
WORKS = [
    sequential("read", "plain", 2048, "loopback_bytes"),
    sequential("read", "signed", 1024, "loopback_bytes gmac_bytes"),
    sequential("read", "sealed", 1024, "loopback_bytes gcm_bytes"),
    sequential("write", "plain", 1024, "loopback_bytes"),
    sequential("write", "signed", 1024, "loopback_bytes gmac_bytes"),
    sequential("write", "sealed", 1024, "loopback_bytes gcm_bytes"),
    Work("random read, 4 KiB x 32", "read-random", 40000, 32, limit="reads"),
    Work("random write, 4 KiB x 32", "write-random", 40000, 32, limit="writes"),
    Work("open + close x 16", "open-close", 10000, 16, limit="opens"),
    Work("open + close with an oplock x 16", "open-close-oplock", 10000, 16, limit="opens"),
    Work("open + close, durable x 16", "open-close-durable", 10000, 16, limit="opens"),
    Work("open + close, persistent x 16", PERSISTENT, 10000, 16, share="available", limit="opens"),
    Work("stat by name x 16", "stat", 10000, 16, limit="stats"),
    Work("create x 16", "create", 2000, 16, directory="new", limit="creates"),
    Work("delete x 16", "delete", 2000, 16, directory="new", limit="deletes"),
    Work("lock + unlock x 16", "lock-unlock", 10000, 16),
    Work("lock 1 000 ranges x 16", "lock", 1000, 16),
    Work("lock 10 000 ranges x 16", "lock", 10000, 16),
    Work("list 20 000 entries", "list", 3, directory="big", unit="entry", limit="entries", free_requests=("QUERY_DIRECTORY",)),
    Work("create among 20 000 x 16", "create", 200, 16, directory="big", limit="creates"),
    Work("delete among 20 000 x 16", "delete", 200, 16, directory="big", limit="deletes"),
    Work("connect, log on, leave", "connect", 40),
    Work("connect, log on, take back", "reconnect", 40),
]


def prepare(top, user, scale):
    """The directories `work`, `big` and `new` (empty) in the share at `top`, owned by the user and without any server's own attributes."""
    account = pwd.getpwnam(user.name)

    def own(path):
        os.chown(path, account.pw_uid, account.pw_gid)

    for name, count in (("work", FILES), ("big", scale.big_files), ("new", 0)):
        directory = top / name
        directory.mkdir()
        own(directory)
        for i in range(count):
            path = directory / f"f{i}"
            path.write_bytes(b"x" * 100)
            own(path)
    data = top / "work" / "data"
    with open(data, "wb") as out:
        for _ in range(scale.data_size // MEGABYTE):
            out.write(os.urandom(MEGABYTE))
    own(data)
