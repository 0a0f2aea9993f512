"""The UNIX accounts that the tests log on as.

SMB users of both servers are UNIX users, so the tests need real ones. They are locked (no shell, no UNIX password), are made on first use when the
harness runs as root, and stay: their numbers then mean the same from run to run.
"""

import fcntl
import os
import pwd
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class User:
    """An account and its SMB password. `admin` users are named in `admin users` by the configurations that want one."""
    name: str
    password: str
    admin: bool = False

    @property
    def credentials(self):
        """USER%PASSWORD, as smbclient's and smbtorture's -U takes it."""
        return f"{self.name}%{self.password}"


USER1 = User("atolltest1", "first-Light1")
USER2 = User("atolltest2", "second-Light2")
ADMIN = User("atolladmin", "admin-Light3", admin=True)
ALL = {user.name: user for user in (USER1, USER2, ADMIN)}


class HarnessError(Exception):
    """The test could not be made: something about the machine or the harness, not about the server under test."""


def exists(user):
    try:
        pwd.getpwnam(user.name)
        return True
    except KeyError:
        return False


def ensure(users):
    """Makes the UNIX accounts that are missing. Two harnesses may do this at once."""
    with open("/tmp/.atoll-harness-accounts.lock" if os.getuid() else "/run/atoll-harness-accounts.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for user in users:
            if exists(user):
                continue
            if os.getuid() != 0:
                raise HarnessError(f"the account {user.name} is missing and only root can make it")
            subprocess.run(["useradd", "--no-create-home", "--home-dir", "/nonexistent", "--no-user-group",
                            "--shell", "/usr/sbin/nologin", "--comment", "Atoll test account", user.name],
                           check=True, capture_output=True)
