"""A Kerberos realm of its own: Debian's krb5-kdc on a free port of loopback, its database, keytabs and credential caches below one directory.

    with Kdc("ATOLL.TEST") as kdc:
        kdc.add_user("alice", "secret")
        kdc.add_service("cifs/localhost", keytab)
        cache = kdc.tickets("alice", "secret")
        subprocess.run(command, env=kdc.environment(cache))

Caches can be changed so that a client believes what is not so: another time (shift_clock), a ticket that still is good (lengthen).
"""

import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

from accounts import HarnessError
from server import free_port

START_SECONDS = 15
CLOCK_SKEW = 5  # seconds; the rule is 300
ENCTYPES = "aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal aes256-cts-hmac-sha384-192:normal aes128-cts-hmac-sha256-128:normal"

KRB5_CONF = """[libdefaults]
    default_realm = {realm}
    dns_lookup_realm = false
    dns_lookup_kdc = false
    dns_canonicalize_hostname = false
    rdns = false
    udp_preference_limit = 1
    clockskew = {skew}
    {more}
[realms]
    {realm} = {{
        kdc = 127.0.0.1:{port}
    }}
[domain_realm]
    localhost = {realm}
    .{domain} = {realm}
"""
KDC_CONF = """[kdcdefaults]
    kdc_listen = 127.0.0.1:{port}
    kdc_tcp_listen = 127.0.0.1:{port}
[realms]
    {realm} = {{
        database_name = {top}/principal
        key_stash_file = {top}/stash
        acl_file = {top}/acl
        supported_enctypes = {enctypes}
        max_life = 1d
    }}
[logging]
    kdc = FILE:{top}/kdc.log
"""


class Kdc:
    """A realm with its KDC. `more`: further lines of [libdefaults]."""

    def __init__(self, realm="ATOLL.TEST", enctypes=ENCTYPES, more=""):
        self.realm, self.port, self.process = realm, free_port(), None
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="atoll-kdc-", dir=os.environ.get("ATOLL_TEST_DIR")))
        self.config = self.top / "krb5.conf"
        self.config.write_text(KRB5_CONF.format(realm=realm, port=self.port, skew=CLOCK_SKEW, domain=realm.lower(), more=more))
        (self.top / "kdc.conf").write_text(KDC_CONF.format(realm=realm, port=self.port, top=self.top, enctypes=enctypes))
        self.caches = 0

    def environment(self, cache=None):
        """What makes a program a client of this realm, with the tickets of a cache."""
        environment = dict(os.environ, KRB5_CONFIG=str(self.config), KRB5_KDC_PROFILE=str(self.top / "kdc.conf"))
        environment.pop("KRB5CCNAME", None)
        if cache:
            environment["KRB5CCNAME"] = f"FILE:{cache}"
        return environment

    def __enter__(self):
        try:
            self.run("kdb5_util", "create", "-r", self.realm, "-s", "-P", "master")
            with open(self.top / "output", "wb") as out:
                # setpriv: if the harness is killed the KDC is told to end.
                self.process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "krb5kdc", "-n", "-r", self.realm, "-P", str(self.top / "pid")],
                                                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, env=self.environment())
            self.wait()
            return self
        except BaseException:
            self.stop()
            raise

    def __exit__(self, kind, value, trace):
        self.stop()

    def wait(self):
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise HarnessError(f"the KDC does not start: {(self.top / 'output').read_text(errors='replace')}")
            time.sleep(0.02)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
        shutil.rmtree(self.top, ignore_errors=True)

    def run(self, *command, given=""):
        path = shutil.which(command[0], path="/usr/sbin:/usr/bin:/sbin:/bin")
        if not path:
            raise HarnessError(f"{command[0]} is not installed (krb5-kdc, krb5-admin-server, krb5-user)")
        done = subprocess.run([path, *command[1:]], input=given, text=True, capture_output=True, timeout=60, env=self.environment())
        if done.returncode != 0:
            raise HarnessError(f"{' '.join(command)}: {done.returncode} {done.stdout}{done.stderr}")
        return done.stdout

    # Principals and keys

    def add_user(self, name, password):
        self.run("kadmin.local", "-r", self.realm, "addprinc", "-pw", password, f"{name}@{self.realm}")

    def add_service(self, name, keytab):
        """A principal with random keys, which are added to the keytab. Once more: new keys."""
        if f"{name}@{self.realm}" not in self.run("kadmin.local", "-r", self.realm, "listprincs").split():
            self.run("kadmin.local", "-r", self.realm, "addprinc", "-randkey", f"{name}@{self.realm}")
        self.run("kadmin.local", "-r", self.realm, "ktadd", "-k", str(keytab), f"{name}@{self.realm}")

    # Credential caches

    def tickets(self, name, password, lifetime="1h", service=None):
        """A cache with the user's ticket for the KDC, and for a service if it is named. Its path."""
        self.caches += 1
        cache = self.top / f"cache{self.caches}"
        self.run("kinit", "-c", f"FILE:{cache}", "-l", lifetime, f"{name}@{self.realm}", given=password + "\n")
        if service:
            self.run("kvno", "-c", f"FILE:{cache}", f"{service}@{self.realm}")
        return cache


class _Reader:
    """A credential cache of version 4, as krb5's documentation describes the format ("Credential cache file format")."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        value, = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def counted(self):
        length = self.number(">I")
        self.at += length

    def principal(self):
        self.at += 4
        components = self.number(">I")
        for _ in range(components + 1):
            self.counted()

    def typed_list(self):
        for _ in range(self.number(">I")):
            self.at += 2
            self.counted()


def shift_clock(cache, seconds):
    """Whoever uses the cache believes that the KDC's clock is so far ahead of its own."""
    data = cache.read_bytes()
    length, = struct.unpack_from(">H", data, 2)
    header = struct.pack(">HHii", 1, 8, seconds, 0)
    cache.write_bytes(data[:2] + struct.pack(">H", len(header)) + header + data[4 + length:])


def lengthen(cache, seconds):
    """Whoever uses the cache believes that its tickets are good so much longer: the ends that stand beside the tickets are changed."""
    reader = _Reader(bytearray(cache.read_bytes()))
    reader.at = 2
    length = reader.number(">H")
    reader.at += length
    reader.principal()
    while reader.at < len(reader.data):
        reader.principal()
        reader.principal()
        reader.at += 2
        reader.counted()
        end, = struct.unpack_from(">I", reader.data, reader.at + 8)
        if end:
            struct.pack_into(">I", reader.data, reader.at + 8, end + seconds)
        reader.at += 16 + 1 + 4
        reader.typed_list()
        reader.typed_list()
        reader.counted()
        reader.counted()
    cache.write_bytes(reader.data)
