"""What a suite of smbtorture needs and what each server does on it: the files below torture/expected.

    expected/debian-4.17/SUITE/smb.conf        what the suite's smb.conf has besides the common lines of server.py. Every test at work has a share of
                                               its own, made like [share]; other sections are taken as they are
    expected/debian-4.17/SUITE/recording.json  what the suite needs, and what Debian's smbd did on each test in three runs
    expected/atoll/SUITE.txt                   what must pass on ours: `pass TEST`, or `fail TEST: the reason` for one that does not yet

recording.json has

    of           smbtorture's name of the suite when it is not SUITE: the same tests, or some of them, in another configuration
    only         a regular expression that the tests' names match from their beginning on; all when it is not there
    users        the accounts that exist; smbtorture logs on as the first
    logon        {test: user} for tests that log on as another one, when it is there
    namespace    "none", or "network": server and smbtorture run in a network namespace of their own, on port 445 (tests that block packets with
                 iptables, or that connect to the usual port)
    file_system  which kind of file system the shares are on, on a loop mount; the machine's when it is not there
    files        {path below the directory of shares: what}, made before the tests begin; those that begin with @SHARE@ anew for each test. `what` is the
                 content, or {"content": the content, "xattrs": {name: value}}, or of a directory {"mode": "0000"}
    options      smbtorture's command line
    parallel     how many tests run at once; seconds: the time-out of one
    races        {test: why} of tests whose outcome is decided beyond the server, by what the machine does between two steps of the client. Such a test
                 has RACES tries of RACE_SECONDS, and passes if one of them does
    tests        {test: {"is": pass, fail, skip, hang or flaky, "runs": the three outcomes, "reason", "seconds" when even the quickest took five or more}}

In smb.conf and options @SHARE@ is the share's name, @PATH@ its directory on the host, @USER2@ the second user's USER%PASSWORD.
"""

import json
import os
import pathlib
import pwd
import re
import shutil

import accounts
import isolation
import smbtorture
from server import Server, TOP

EXPECTED = TOP / "torture" / "expected"
DEBIAN = EXPECTED / "debian-4.17"
ATOLL = EXPECTED / "atoll"
LONG = 5  # seconds from which on a test is one that takes long
RACES, RACE_SECONDS = 4, 120
PATIENCE = 300  # seconds after which a test counts as hanging: some take two minutes where other suites run beside them


def parse_conf(text):
    """{section: {parameter: value}} of a plain smb.conf."""
    sections, current = {}, None
    for line in text.splitlines():
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        if line.startswith("["):
            current = sections.setdefault(line[1:-1], {})
            continue
        name, _, value = line.partition("=")
        current[name.strip()] = value.strip()
    return sections


class Suite:
    def __init__(self, name):
        self.name = name
        self.directory = DEBIAN / name
        self.conf = parse_conf((self.directory / "smb.conf").read_text())
        self.record = json.loads((self.directory / "recording.json").read_text())

    @staticmethod
    def all():
        return [Suite(path.parent.name) for path in sorted(DEBIAN.glob("*/recording.json"))]

    @property
    def users(self):
        return [accounts.ALL[name] for name in self.record["users"]]

    def logon(self, test):
        return accounts.ALL[self.record.get("logon", {}).get(test, self.record["users"][0])]

    @property
    def parallel(self):
        return self.record.get("parallel", 4)

    def list_tests(self):
        """The names of the suite's tests, as smbtorture takes them."""
        return [test for test in smbtorture.list_tests(self.record.get("of", self.name)) if re.match(self.record.get("only", ""), test)]

    def run(self, kind, tests, preset="release", seconds=None, keep=False):
        """Starts a server of that kind, in the namespaces that the suite wants, and runs the tests; results in the same order."""
        def work():
            with self.server(kind, preset, keep) as server:
                self.make_files(server, {path: what for path, what in self.record.get("files", {}).items() if not path.startswith("@SHARE@")})
                return smbtorture.run_many(tests, lambda test, worker: self.run_one(server, test, worker, seconds), self.parallel)

        return isolation.run(work, network=self.record["namespace"] == "network", mounts="file_system" in self.record)

    def server(self, kind, preset, keep):
        shares = {name: settings for name, settings in self.conf.items() if name not in ("global", "share")}
        for worker in range(self.parallel):
            shares[f"share{worker}"] = self.conf.get("share", {})
        return Server(kind, shares=shares, options=self.conf.get("global", {}), users=self.users, preset=preset, keep=keep,
                      file_system=self.record.get("file_system"), port=445 if self.record["namespace"] == "network" else None)

    def run_one(self, server, test, worker, seconds):
        if test not in self.record.get("races", {}):
            return self.try_one(server, test, worker, seconds)
        for _ in range(RACES):
            result = self.try_one(server, test, worker, RACE_SECONDS)
            if result.outcome == "pass":
                break
        return result

    def try_one(self, server, test, worker, seconds):
        share = f"share{worker}"
        self.empty(server.path(share))
        self.make_files(server, {path.replace("@SHARE@", share): what for path, what in self.record.get("files", {}).items() if path.startswith("@SHARE@")})
        replace = {"@SHARE@": share, "@PATH@": str(server.path(share)), "@USER2@": accounts.USER2.credentials}
        options = [re.sub(r"@\w+@", lambda m: replace.get(m.group(), m.group()), option) for option in self.record["options"]] + server.options_of(share)
        return smbtorture.run_one(test, server.port, share, self.logon(test), options, seconds or self.record.get("seconds", PATIENCE), server.host)

    def make_files(self, server, files):
        """Files of the first user; a directory gets its mode."""
        uid = pwd.getpwnam(self.users[0].name).pw_uid
        for name, what in files.items():
            path = server.top / "shares" / name
            made = [parent for parent in [path, *path.parents] if not parent.exists()]
            what = {"content": what} if isinstance(what, str) else what
            (path if "mode" in what else path.parent).mkdir(parents=True, exist_ok=True)
            if "mode" in what:
                path.chmod(int(what["mode"], 8))
            else:
                path.write_text(what["content"])
            for attribute, value in what.get("xattrs", {}).items():
                os.setxattr(path, attribute, value.encode())
            for new in made:
                os.chown(new, uid, -1)

    @staticmethod
    def empty(path):
        for entry in path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)

    def seconds(self):
        """{test: how long it takes on Debian's smbd} of those that take long."""
        return {test: result["seconds"] for test, result in self.record["tests"].items() if "seconds" in result}

    def passes_on_debian(self):
        """The tests that Debian's smbd passed in every recorded run."""
        return [test for test, result in self.record["tests"].items() if result["is"] == "pass"]


def read_expectations(name):
    """{test: None when it must pass, else the reason why it does not yet} of ours for that suite."""
    expected = {}
    path = ATOLL / f"{name}.txt"
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        verdict, _, rest = line.partition(" ")
        if verdict == "pass":
            expected[rest.strip()] = None
        elif verdict == "fail" and ": " in rest:
            test, _, reason = rest.partition(": ")
            expected[test.strip()] = reason.strip()
        else:
            raise accounts.HarnessError(f"{path}:{number}: neither `pass TEST` nor `fail TEST: reason`")
    return expected
