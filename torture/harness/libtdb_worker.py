#!/usr/bin/python3
"""Debian's libtdb at work on the file of a running tdbtorture, with values of its form (tools/tdb/torture_child.cpp).

    libtdb_worker.py FILE NUMBER [mutexes]

Works until its standard input ends, and prints how many operations it did. Exit code 1: a value was torn or a transaction lost. Runs under Debian's own
Python, which has python3-tdb.
"""

import contextlib
import os
import random
import select
import sys

import tdb

# TDB_MUTEX_LOCKING of tdb.h, which python3-tdb has no name for.
MUTEX_LOCKING = 4096
SHARED_RECORDS = 150
OWN_RECORDS = 3


def digest(key, payload):
    value = 2166136261
    for byte in key + payload:
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value.to_bytes(4, "little")


def demand(condition, text):
    if not condition:
        sys.exit(f"libtdb_worker: {text}")


class Worker:
    def __init__(self, path, number, mutexes):
        flags = tdb.CLEAR_IF_FIRST | tdb.INCOMPATIBLE_HASH | MUTEX_LOCKING if mutexes else tdb.DEFAULT
        self.database = tdb.open(path, 0, flags, os.O_RDWR)
        self.mutexes = mutexes
        self.number, self.rng, self.counter = number, random.Random(number), 0

    def look_at(self, key):
        value = self.database.get(key)
        demand(value is None or value[:4] == digest(key, value[4:]), f"{key} is torn: {value}")

    def store(self, key, payload):
        self.database.store(key, digest(key, payload) + payload)

    def own_key(self, record):
        return b"debian %d %d" % (self.number, record)

    def transaction(self):
        self.database.transaction_start()
        for record in range(OWN_RECORDS):
            self.store(self.own_key(record), (self.counter + 1).to_bytes(8, "little"))
        self.database.transaction_commit()
        self.counter += 1

    def traverse(self):
        """libtdb keeps an fcntl lock on the record where it stands, and waits for the next chain's mutex; one that commits holds the mutexes and waits for that
        lock: two programs of libtdb alone stop each other so, and the kernel sees no deadlock. With everything locked there is none."""
        if self.mutexes:
            self.database.read_lock_all()
        for found in self.database:
            self.look_at(found)
        if self.mutexes:
            self.database.read_unlock_all()

    def step(self):
        key = b"shared %d" % self.rng.randrange(SHARED_RECORDS)
        dice = self.rng.random()
        if dice < 0.4:
            self.look_at(key)
        elif dice < 0.75:
            self.store(key, self.rng.randbytes(self.rng.randrange(500)))
        elif dice < 0.9:
            with contextlib.suppress(RuntimeError):  # it was not there
                self.database.delete(key)
        elif dice < 0.99:
            self.transaction()
        else:
            self.traverse()

    def verify(self):
        for record in range(OWN_RECORDS):
            value = self.database.get(self.own_key(record))
            seen = int.from_bytes(value[4:], "little") if value else 0
            demand(seen == self.counter, f"committed {self.counter}, the file has {seen}")


def main():
    worker = Worker(sys.argv[1], int(sys.argv[2]), "mutexes" in sys.argv[3:])
    done = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        worker.step()
        done += 1
    worker.verify()
    print(done)


if __name__ == "__main__":
    main()
