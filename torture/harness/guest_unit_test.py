#!/usr/bin/env python3
"""The systemd unit, as it stands, under systemd: the guest's root is this machine's own file system below a tmpfs, and systemd is its init.

    guest_unit_test.py [--preset release]

It starts, serves, hands a durable handle over when it is restarted, goes on with another main process after a reload, comes back when its main process is
killed, and leaves nothing behind when it is stopped. What the guest changes is gone with it.
"""

import argparse
import re
import sys

import report
from guest import Guest, MACHINE
from report import require
from server import TOP

SECONDS = 400
PASSWORD = "Unit-1-under-systemd"
SMB_CONF = """[global]
    server role = standalone server
    map to guest = never
    log level = 1
[share]
    path = /unit-test/share
    read only = no
    posix locking = no
    kernel share modes = no
    kernel oplocks = no
"""

# Runs as a unit of the guest's; each step prints its name when it is done.
WORKLOAD = r"""
BIN=@BIN@
done_with() { echo "guest: done $*"; }
fail() { echo "guest: FAILED $*"; systemctl status --no-pager atoll.service; journalctl --no-pager -n 40 -u atoll.service; exit 1; }
same() { [ "$1" = "$2" ] || fail "$3: is '$1', not '$2'"; }
shown() { systemctl show -P "$1" atoll.service; }
until_shown() { for i in $(seq 100); do [ "$(shown "$1")" = "$2" ] && return; sleep 0.2; done; fail "$1: is '$(shown $1)', not '$2'"; }
client() { smbclient //127.0.0.1/share -U root%@PASSWORD@ -c "$1" || fail "smbclient: $1"; }

mkdir -p /unit-test/share /var/lib/atoll/private
printf '@PASSWORD@\n@PASSWORD@\n' | $BIN/smbpasswd -s -a root || fail "smbpasswd"
systemctl start atoll.service || fail "start"
same "$(shown ActiveState) $(shown SubState) $(shown Type)" "active running notify" "the unit"
echo content >/unit-test/local; client "put /unit-test/local there"
same "$(cat /unit-test/share/there)" content "what was put"
done_with start

mkfifo /unit-test/in; $BIN/smbhold //127.0.0.1/share -U root%@PASSWORD@ --client-guid unit </unit-test/in >/unit-test/out & holder=$!
exec 3>/unit-test/in
echo "open kept access=12019f share=7 lease2=7 durable2=60000" >&3; echo id >&3; echo "lock 0 10 exclusive" >&3
for i in $(seq 100); do [ "$(wc -l </unit-test/out)" = 4 ] && break; sleep 0.2; done
same "$(sed -n '1p;2p;4p' /unit-test/out | sort -u)" NT_STATUS_OK "an open, its id, a lock"
ids=$(sed -n 3p /unit-test/out)
before=$(shown MainPID)
systemctl restart atoll.service || fail "restart"
exec 3>&-; wait $holder
[ "$(shown MainPID)" != "$before" ] || fail "the same process after a restart"
same "$(echo "again kept $ids access=12019f share=7 lease2=7" | $BIN/smbhold //127.0.0.1/share -U root%@PASSWORD@ --client-guid unit | tail -1)" NT_STATUS_OK "the handle after a restart"
done_with restart

before=$(shown MainPID)
systemctl reload atoll.service || fail "reload"
[ "$(shown MainPID)" != "$before" ] || fail "the same main process after a reload"
same "$(shown ActiveState) $(shown NRestarts)" "active 0" "the unit after a reload"
client ls
done_with reload

before=$(shown MainPID)
kill -9 $before
until_shown NRestarts 1; until_shown ActiveState active
[ "$(shown MainPID)" != "$before" ] || fail "the main process is said to be one that was killed"
client ls
done_with kill

systemctl stop atoll.service || fail "stop"
same "$(shown ActiveState) $(shown Result)" "inactive success" "the unit after a stop"
same "$(ps ax | grep -c '[s]mbd')" 0 "processes after a stop"
done_with stop
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="release")
    arguments = parser.parse_args()
    tally = report.Tally("unit under systemd")
    build = TOP / "build" / arguments.preset
    with tally.guard("the guest"):
        script = WORKLOAD.replace("@BIN@", str(build / "bin")).replace("@PASSWORD@", PASSWORD)
        guest = Guest(files={"etc/systemd/system/atoll.service": build / "units" / "atoll.service", "etc/atoll/smb.conf": SMB_CONF.encode()}, memory=2048, cores=2,
                      root=MACHINE)
        status, console = guest.run(script, seconds=SECONDS)
        reached = re.findall(r"^guest: done (\w+)$", console, re.M)
        for step in ("start", "restart", "reload", "kill", "stop"):
            with tally.case(f"the unit under systemd: {step}"):
                require(step in reached, "not reached")
        if status != 0:
            print(f"# the guest ended with {status}:\n{console[-4000:]}", flush=True)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
