"""Starts and stops an SMB server, Debian's or ours, from one description.

    with Server("atoll", shares={"share": {}}, users=[USER1]) as server:
        server.port, server.path("share"), server.processes()

Both get the same smb.conf, save for the handful of lines that say where they keep their own files. Everything a server writes is below one temporary
directory and everything it starts is one session of processes: leaving the `with` ends them all, gathers what they logged, and raises ServerFailed if
any of them crashed, failed an assertion or was reported by a sanitizer.
"""

import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import accounts
import isolation
from accounts import HarnessError
from wire import answers_negotiate

TOP = pathlib.Path(__file__).resolve().parents[2]
KINDS = ("debian", "atoll")
START_SECONDS = 30
STOP_SECONDS = 10
FILE_SYSTEM_BYTES = 1 << 30

# What a crash looks like in the logs and on standard error of either server.
CRASH = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|UndefinedBehaviorSanitizer|runtime error:|PANIC|INTERNAL ERROR|"
                   r"[Aa]ssertion .*failed|ATOLL_ASSERT|core dumped|terminate called|killed by signal (4|6|7|8|11)\b|died of signal (4|6|7|8|11)\b|SIGSEGV|SIGABRT")


class ServerFailed(Exception):
    """The server did not start, or crashed while it served."""


def free_port():
    """A port on loopback that nobody listens on, below the range from which the kernel picks ports for clients."""
    for _ in range(200):
        port = random.randint(20000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise HarnessError("no free port on loopback")


def session_processes(session):
    """{pid: command line} of every living process of that UNIX session."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="latin-1") as stat:
                fields = stat.read().rpartition(")")[2].split()
            with open(f"/proc/{entry}/cmdline", encoding="latin-1") as cmdline:
                command = cmdline.read().replace("\0", " ").strip()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found[int(entry)] = command
    return found


class Server:
    """One running server.

    kind      "debian" or "atoll"
    shares    {share name: {parameter: value}}; `path` is made below the server's own directory unless it is given
    options   parameters of [global] besides the common ones
    users     accounts that exist for the server
    preset    which build of ours
    smb_conf  the whole text instead of shares and options, with @TOP@ and @PORT@ in it; for tests of what a bad one does
    keep      leave the directory behind
    more_environment  what its programs find in their environment besides (KRB5_CONFIG)
    host, prefix  where it answers, and what its programs are started by, if it is on a machine of its own (public_cluster.Machine)
    file_system  a kind of file system: the shares are on a new one, on a loop mount. To be used inside isolation.run(mounts=True)
    """

    def __init__(self, kind, shares=None, options=None, users=(), preset="release", smb_conf=None, keep=False, port=None, file_system=None,
                 more_environment=None, host="127.0.0.1", prefix=()):
        if kind not in KINDS:
            raise HarnessError(f"no such server: {kind}")
        self.kind, self.shares, self.options, self.users = kind, dict(shares or {}), dict(options or {}), list(users)
        self.preset, self.keep, self.smb_conf_text = preset, keep, smb_conf
        self.port = port or free_port()
        self.file_system = file_system
        self.more_environment = dict(more_environment or {})
        self.host, self.prefix = host, list(prefix)
        self.process = None
        self.top = pathlib.Path(tempfile.mkdtemp(prefix=f"atoll-{kind}-", dir=os.environ.get("ATOLL_TEST_DIR")))
        self.top.chmod(0o755)
        self.conf = self.top / "smb.conf"
        self.log = self.top / "log" / "smbd.log"
        self.stderr = self.top / "log" / "stderr"

    # Where things are

    def program(self, name):
        if self.kind == "debian":
            path = shutil.which(name, path="/usr/sbin:/usr/bin")
        else:
            path = TOP / "build" / self.preset / "bin" / name
        if not path or not os.access(path, os.X_OK):
            raise HarnessError(f"{self.kind}'s {name} is not there" + (f" ({path}): build preset {self.preset} first" if path else ""))
        return str(path)

    def path(self, share):
        return pathlib.Path(self.shares[share].get("path", self.top / "shares" / share))

    def options_of(self, share):  # of smbtorture
        del share
        return []

    def environment(self):
        reports = self.top / "reports"
        return dict(os.environ,
                    # Leaks are looked for in the unit tests: LeakSanitizer cannot stop threads of a process that changed its user.
                    ASAN_OPTIONS=f"log_path={reports}/asan:detect_leaks=0:abort_on_error=0:exitcode=99:handle_abort=1",
                    UBSAN_OPTIONS=f"log_path={reports}/ubsan:print_stacktrace=1",
                    TSAN_OPTIONS=f"log_path={reports}/tsan:second_deadlock_stack=1", **self.more_environment)

    # smb.conf

    def write_conf(self):
        for name in ("lock", "state", "cache", "private", "pid", "log", "ncalrpc", "shares", "reports"):
            (self.top / name).mkdir(exist_ok=True)
        (self.top / "private").chmod(0o700)
        (self.top / "reports").chmod(0o1777)
        for share in self.shares:
            path = self.path(share)
            if not path.exists():
                path.mkdir(parents=True)
                path.chmod(0o777)
        self.conf.write_text(self.render())

    def render(self):
        if self.smb_conf_text is not None:
            return self.smb_conf_text.replace("@TOP@", str(self.top)).replace("@PORT@", str(self.port))
        parameters = {
            "workgroup": "ATOLL", "server role": "standalone server", "map to guest": "never",
            "smb ports": self.port, "interfaces": "lo", "bind interfaces only": "yes", "disable netbios": "yes",
            "load printers": "no", "disable spoolss": "yes", "log level": 1, "max log size": 0, "log file": self.log,
            "lock directory": self.top / "lock", "state directory": self.top / "state", "cache directory": self.top / "cache",
            "pid directory": self.top / "pid", "private dir": self.top / "private", "ncalrpc dir": self.top / "ncalrpc",
        }
        parameters.update(self.options)
        lines = ["[global]"] + [f"    {name} = {value}" for name, value in parameters.items()]
        for share in self.shares:
            settings = {"path": self.path(share), "read only": "no"}
            settings.update(self.shares[share])
            lines += ["", f"[{share}]"] + [f"    {name} = {value}" for name, value in settings.items()]
        return "\n".join(lines) + "\n"

    # Life

    def __enter__(self):
        try:
            self.prepare()
            self.start()
            return self
        except BaseException:
            self.kill()
            self.remove()
            raise

    def __exit__(self, kind, value, trace):
        self.kill()
        problems = self.problems()
        if problems and kind is None:
            self.keep = True
        self.remove()
        if problems and kind is None:
            raise ServerFailed("\n".join(problems))

    def prepare(self):
        """Writes smb.conf and the accounts, without starting anything."""
        accounts.ensure(self.users)
        if self.file_system:
            isolation.loop_mount(self.file_system, self.top / "image", self.top / "shares", FILE_SYSTEM_BYTES)
        self.write_conf()
        for user in self.users:
            self.add_user(user)

    def add_user(self, user):
        run = subprocess.run([self.program("smbpasswd"), "-c", str(self.conf), "-s", "-a", user.name],
                             input=f"{user.password}\n{user.password}\n", text=True, capture_output=True, timeout=60, env=self.environment())
        if run.returncode != 0:
            raise ServerFailed(f"smbpasswd -a {user.name}: {run.returncode} {run.stdout}{run.stderr}")

    def command(self):
        command = [self.program("smbd"), "-F", "-s", str(self.conf)]
        return command + ["--no-process-group"] if self.kind == "debian" else command

    def launch(self):
        """Starts the server in a session of its own, and does not wait."""
        self.log.parent.mkdir(exist_ok=True)
        with open(self.stderr, "ab") as out:
            # setpriv: if the harness is killed the server is told to end.
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM"] + self.prefix + self.command(), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            start_new_session=True, cwd=self.top, env=self.environment())

    def start(self):
        """Starts the server and waits until it answers a NEGOTIATE."""
        self.launch()
        deadline = time.monotonic() + START_SECONDS
        while not answers_negotiate(self.host, self.port):
            if self.process.poll() is not None:
                raise ServerFailed(f"{self.kind}'s smbd ended with {self.process.returncode}: {self.output()[-2000:]}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"{self.kind}'s smbd does not answer on port {self.port}: {self.output()[-2000:]}")
            time.sleep(0.05)

    def processes(self):
        """{pid: command line} of the server's processes."""
        return session_processes(self.process.pid) if self.process else {}

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def kill(self):
        """Ends every process that the server started."""
        if not self.process:
            return
        if self.process.poll() is None:
            self.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while self.processes() and time.monotonic() < deadline:
            self.process.poll()
            time.sleep(0.02)
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def remove(self):
        if self.keep:
            print(f"# left behind: {self.top}", flush=True)
        else:
            if self.file_system:
                subprocess.run(["umount", str(self.top / "shares")], check=False)
            shutil.rmtree(self.top, ignore_errors=True)

    # What it said

    def output(self):
        text = []
        for path in [self.stderr] + sorted((self.top / "log").glob("*smbd*")):
            if path.exists():
                text.append(path.read_text(errors="replace"))
        return "\n".join(text)

    def problems(self):
        """Crashes and sanitizer reports, one text each; empty when all is well."""
        found = [f"{report.name}:\n{report.read_text(errors='replace')[:6000]}" for report in sorted((self.top / "reports").glob("*"))]
        found += [f"log: {line}" for line in self.output().splitlines() if CRASH.search(line)][:20]
        return found
