#!/usr/bin/env python3
"""Log-on with Kerberos, with a KDC of its own (kdc.py): Debian's smbclient and our smbtorture, and everything that is to be refused: another realm, tickets that
have expired, clocks that differ, keys that do not fit, users without an account. NTLM works beside it."""

import argparse
import dataclasses
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import isolation
import kdc as kerberos
import report
import smbtorture
from accounts import USER1, USER2
from kdc import CLOCK_SKEW, Kdc
from report import require
from server import TOP, Server
from smbclient_test import sha256

HOST = "fileserver.atoll.test"  # smbclient has no Kerberos for localhost
SERVICE = f"cifs/{HOST}"
PASSWORD = "in-The-Realm1"
STRANGER = "stranger"
MAPPED = "known-elsewhere"
LOGON, TIME, DISABLED = "NT_STATUS_LOGON_FAILURE", "NT_STATUS_TIME_DIFFERENCE_AT_DC", "NT_STATUS_ACCOUNT_DISABLED"
SHORT = 3  # seconds that a ticket lives which is to be old
SUITE = "atoll.kerberos"
EXPIRIES = ("expire1n", "expire1s", "expire1e", "expire2s", "expire2e", "expire_disconnect")


class Realm:
    """The KDC, the server's keytab, and smbclient and smbtorture as users of the realm."""

    def __init__(self, kdc, work, preset):
        self.kdc, self.work, self.preset = kdc, work, preset
        self.keytab = work / "keytab"
        for name in (USER1.name, USER2.name, STRANGER, MAPPED):
            kdc.add_user(name, PASSWORD)
        for service in (SERVICE, "cifs/localhost"):
            kdc.add_service(service, self.keytab)
        self.server = None

    def tickets(self, name=USER1.name, lifetime="1h", service=SERVICE):
        return self.kdc.tickets(name, PASSWORD, lifetime, service)

    def smbclient(self, commands, cache=None, kdc=None, options=(), ok=True):
        who = [f"--use-krb5-ccache=FILE:{cache}", "--use-kerberos=required"] if cache else []
        run = subprocess.run(["smbclient", f"//{HOST}/share", "-I", "127.0.0.1", "-p", str(self.server.port), *who, *options, "-c", commands], cwd=self.work,
                             env=(kdc or self.kdc).environment(cache), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, errors="replace")
        text = run.stdout + run.stderr
        if ok:
            require(run.returncode == 0 and "NT_STATUS_" not in text, f"'{commands}' {options}: exit {run.returncode}: {text}")
        return text

    def refused(self, status, cause, cache, kdc=None):
        """smbclient does not get in, and the log says why."""
        said = len(self.server.output())
        text = self.smbclient("ls", cache, kdc, ok=False)
        require(status in text, f"smbclient does not say {status}: {text}")
        self.logged(cause, said)

    def logged(self, cause, since=0):
        deadline = time.monotonic() + 5
        while cause not in self.server.output()[since:]:
            require(time.monotonic() < deadline, f"the log does not say '{cause}': {self.server.output()[since:][-1500:]}")
            time.sleep(0.05)

    def torture(self, test, cache):
        path = TOP / "build" / self.preset / "bin" / "smbtorture"
        require(path.exists(), f"{path} is not there: build preset {self.preset} first")
        run = subprocess.run([str(path), "//localhost/share", "-p", str(self.server.port), "-U", USER1.credentials, "--use-kerberos=required",
                              f"--use-krb5-ccache=FILE:{cache}", test], env=self.kdc.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             timeout=120, errors="replace")
        return smbtorture.parse(run.stdout), run.stdout + run.stderr


def options(realm, keytab, work):
    (work / "users.map").write_text(f"{USER2.name} = {MAPPED}@{realm}\n")
    return {"realm": realm, "kerberos method": "dedicated keytab", "dedicated keytab file": keytab, "username map": work / "users.map"}


def everyday(realm, tally):
    """Log on, list, put, get, in each dialect and protection."""
    cache = realm.tickets(service=None)
    source = realm.work / "source"
    source.write_bytes(os.urandom(3 << 20))
    for dialect, protection in (("SMB2_02", "sign"), ("SMB2_10", "sign"), ("SMB3_00", "encrypt"), ("SMB3_11", "off"), ("SMB3_11", "sign"), ("SMB3_11", "encrypt")):
        with tally.case(f"smbclient {dialect} {protection}"):
            more = (f"--option=client min protocol={dialect}", f"--option=client max protocol={dialect}", f"--client-protection={protection}")
            listing = realm.smbclient("put source there; ls; get there back; del there", cache, options=more)
            require("there" in listing, f"ls does not show the file: {listing}")
            require(sha256(source) == sha256(realm.work / "back"), "the file came back different")
    with tally.case("smbclient with a cipher of 256 bits"):
        more = ("--client-protection=encrypt", "--option=client smb3 encryption algorithms=AES-256-GCM")
        realm.smbclient("put source there; get there back; del there", cache, options=more)


def beside(realm, tally):
    with tally.case("NTLM beside Kerberos"):
        realm.smbclient("ls", options=("-U", USER1.credentials, "--use-kerberos=off"))
        text = realm.smbclient("ls", options=("-U", f"{USER1.name}%wrong", "--use-kerberos=off"), ok=False)
        require(LOGON in text, f"a wrong password: {text}")
    with tally.case("a client without tickets falls back to NTLM"):
        realm.smbclient("ls", options=("-U", USER1.credentials, "--use-kerberos=desired"))


def refusals(realm, tally):
    stale = realm.tickets(lifetime=f"{SHORT}s")
    stale_here = realm.tickets(lifetime=f"{SHORT}s", service="cifs/localhost")
    old_enough = time.monotonic() + SHORT + CLOCK_SKEW + 2
    with tally.case("a user without an account"):
        realm.refused(LOGON, "there is no such account", realm.tickets(STRANGER))
    with tally.case("a user whom the username map knows by his realm"):
        realm.smbclient("put source mapped", realm.tickets(MAPPED))
        require((realm.server.path("share") / "mapped").owner() == USER2.name, "the file belongs to somebody else")
    with tally.case("a disabled account"):
        smbpasswd = [realm.server.program("smbpasswd"), "-c", str(realm.server.conf)]
        subprocess.run([*smbpasswd, "-d", USER2.name], check=True, capture_output=True, timeout=60, env=realm.server.environment())
        text = realm.smbclient("ls", realm.tickets(USER2.name), ok=False)
        require(DISABLED in text, f"not {DISABLED}: {text}")
    with tally.case("a keytab that has got another service's key"):
        realm.kdc.add_service(f"http/{HOST}", realm.keytab)
        realm.smbclient("ls", realm.tickets())
    with tally.case("a clock that is twenty minutes ahead"):
        cache = realm.tickets(service="cifs/localhost")
        kerberos.shift_clock(cache, 1200)
        said = len(realm.server.output())
        results, text = realm.torture(f"{SUITE}.log_on", cache)
        require(results and TIME in text and "Clock skew too great" in text, f"smbtorture does not say {TIME}: {text}")
        realm.logged("Clock skew too great", said)
    time.sleep(max(0.0, old_enough - time.monotonic()))
    with tally.case("an expired ticket"):
        kerberos.lengthen(stale, 86400)
        realm.refused(LOGON, "Ticket expired", stale)
    with tally.case("an expired ticket, of which the client knows"):
        results, text = realm.torture(f"{SUITE}.log_on", stale_here)
        require(results and "NT_STATUS_NO_SUCH_LOGON_SESSION" in text and "expired" in text, f"smbtorture does not say why: {text}")


def other_realms(realm, tally):
    with Kdc("ELSEWHERE.TEST") as elsewhere:
        elsewhere.add_user(USER1.name, PASSWORD)
        elsewhere.add_service(SERVICE, realm.work / "elsewhere")
        with tally.case("another realm's ticket"):
            realm.refused(LOGON, "ELSEWHERE.TEST", elsewhere.tickets(USER1.name, PASSWORD, service=SERVICE), elsewhere)
        with tally.case("another realm's user, where the keytab has its keys"):
            elsewhere.add_service(SERVICE, realm.keytab)
            realm.refused(LOGON, "its realm is not that of", elsewhere.tickets(USER1.name, PASSWORD, service=SERVICE), elsewhere)


def changed_keys(realm, tally):
    with tally.case("a keytab without the newest key, and then with it"):
        fresh = realm.work / "fresh"
        realm.kdc.add_service(SERVICE, fresh)
        cache = realm.tickets()
        realm.refused(LOGON, "keytab is likely out of date", cache)
        realm.keytab.write_bytes(fresh.read_bytes())
        realm.smbclient("ls", realm.tickets())


def suite(realm, tally):
    cache = realm.tickets(service=None)
    results, text = realm.torture(SUITE, cache)
    require(results, f"no result: {text}")
    for name, outcome, reason in results:
        if outcome == "pass":
            tally.passed(f"pass {name}")
        else:
            tally.failed(f"{name}: {outcome} {reason}")


class Expiries:
    """Debian's smb2.session.expire*, beside everything else: they wait for the end of their tickets. They need the server's name, which /etc/hosts tells them,
    and a share each: they watch its top."""

    def __init__(self, realm):
        self.realm, self.results = realm, []
        self.thread = threading.Thread(target=lambda: isolation.run(self.work, mounts=True))
        self.thread.start()

    def work(self):
        hosts = self.realm.work / "hosts"
        hosts.write_text(f"127.0.0.1 localhost {HOST}\n")
        subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)
        kdc = self.realm.kdc
        user = dataclasses.replace(USER1, name=f"{USER1.name}@{kdc.realm}", password=PASSWORD)
        options = ["--use-kerberos=required", f"--option=realm={kdc.realm}"]
        self.results = smbtorture.run_many([f"smb2.session.{name}" for name in EXPIRIES],
                                           lambda test, _: smbtorture.run_one(test, self.realm.server.port, test.split(".")[-1], user, options, host=HOST, env=kdc.environment()),
                                           len(EXPIRIES))

    def judge(self, tally):
        self.thread.join()
        for name in EXPIRIES:
            with tally.case(f"Debian's smb2.session.{name}"):
                result = next((r for r in self.results if r.test.endswith(f".{name}")), None)
                require(result and result.outcome == "pass", str(result))


def start_errors(tally, work, preset, realm):
    """What smb.conf says wrongly stops the server, with one line."""
    weak = work / "weak"
    with Kdc("WEAK.TEST", enctypes="arcfour-hmac:normal") as old:
        old.add_service(SERVICE, weak)
    other = work / "other"
    realm.kdc.add_service("ldap/" + HOST, other)
    for what, settings, parts in (
            ("no realm", {"kerberos method": "system keytab"}, ["needs 'realm'"]),
            ("no keytab named", {"realm": "R", "kerberos method": "dedicated keytab"}, ["dedicated keytab file"]),
            ("a keytab that is not there", {"realm": "R", "kerberos method": "dedicated keytab", "dedicated keytab file": work / "nothing"}, [work / "nothing", "No such file"]),
            ("a keytab of another service", {"realm": "R", "kerberos method": "dedicated keytab", "dedicated keytab file": other}, [other, "no key for cifs/HOST"]),
            ("a keytab with RC4 keys only", {"realm": "R", "kerberos method": "dedicated keytab", "dedicated keytab file": weak}, [weak, "not AES"]),
            ("secrets only", {"realm": "R", "kerberos method": "secrets only"}, ["cannot join a domain yet"]),
            ("secrets and keytab", {"realm": "R", "kerberos method": "secrets and keytab"}, ["cannot join a domain yet"])):
        with tally.case(f"at the start: {what}"):
            server = Server("atoll", shares={"share": {}}, options=settings, preset=preset)
            try:
                server.prepare()
                run = subprocess.run(server.command(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, env=server.environment())
                require(run.returncode > 0 and all(str(part) in run.stderr for part in parts), f"exit {run.returncode}: {run.stderr}")
                require(len(run.stderr.strip().splitlines()) == 1, f"not one line: {run.stderr}")
            finally:
                server.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release", help="which build of the server and of smbtorture")
    arguments = parser.parse_args()
    tally = report.Tally("kerberos")
    with tally.guard("the realm"), tempfile.TemporaryDirectory(prefix="atoll-kerberos-", dir=os.environ.get("ATOLL_TEST_DIR")) as directory, Kdc() as kdc:
        work = pathlib.Path(directory)
        realm = Realm(kdc, work, arguments.preset)
        with Server("atoll", shares={share: {} for share in ("share", *EXPIRIES)}, options=options(kdc.realm, realm.keytab, work), users=[USER1, USER2], preset=arguments.preset,
                    more_environment={"KRB5_CONFIG": str(kdc.config)}) as server:
            realm.server = server
            expiries = Expiries(realm)
            everyday(realm, tally)
            beside(realm, tally)
            suite(realm, tally)
            refusals(realm, tally)
            other_realms(realm, tally)
            expiries.judge(tally)
            changed_keys(realm, tally)
        start_errors(tally, work, arguments.preset, realm)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
