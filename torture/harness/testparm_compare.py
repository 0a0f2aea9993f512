#!/usr/bin/env python3
"""Compares our testparm with Debian's: the same smb.conf must give the same standard output, byte by byte, and the same exit code.

    testparm_compare.py [--ours build/debug/bin/testparm] [--debian /usr/bin/testparm] [smb.conf...]

Compared are the cases below, every parameter and enumeration value that Debian's testparm knows (--show-all-parameters), the dump of
all defaults (-v) but for the documented differences, and decisions on hosts. Exit code: 0 equal, 1 different, 77 Debian's testparm is missing.
"""

import argparse
import difflib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]

# Defaults that are meant to differ (docs/testparm.md): places of our own, no commands of Samba's, and a parameter that Samba lacks.
DEFAULTS_THAT_DIFFER = {
    "binddns dir", "cache directory", "lock directory", "ncalrpc dir", "ntp signd socket directory", "pid directory", "private dir",
    "smb passwd file", "state directory", "usershare path", "server string",
    "dns update command", "gpo update command", "samba kcc command", "spn update command",
}
PARAMETERS_OF_OURS = {"continuous availability", "persistent handles"}

# One file each. In [s] the path is given unless the case is about it.
GLOBAL_LINES = """
deadtime = 12x|deadtime =|deadtime = -5|deadtime = 0x10|deadtime= 010|create mask = 12345|create mask=0x1ff|max log size = 12K
max log size = 2 M|smb2 max read = 1g|mangling char=xy|read only = ON|server signing = off|smb ports = 1,2
server services = -dns|server services = +dns, +foo|server services = +smb -s3fs|server services=a, +b, -c|server services=a b,c;d "e f"
server services=+a\nserver services=+b|netbios name = abc|workgroup="a b"|realm = foo.bar|server string = a  b   c|comment = a  b
path =  /a  b/c |path = /a/|path = /a//b|path=%H/|writeable=yes|public=yes|browsable=no|log level=3|debuglevel=3|guest account=
vfs objects =|valid users = "a b", c|valid users = a,,b|valid users = 'a b'|veto files=/x|security=auto|security=user|printing = bsd
lpq command=x|print command=%p %j|interfaces = eth0, lo|interfaces = lo "eth0;speed=10"|server smb3 signing algorithms=HMAC-SHA256
server smb3 signing algorithms=-AES-128-GMAC|server smb3 encryption algorithms=+FOO|ldap ssl=off|include=|include=/nonexistent/%h.%m.%L.conf
config file=/nonexistent|acl:foo = |a:b=1\na:b=2|A : B = 1\na:b=2|a:b=1\nc:d=2\na:b=3|:b = 1|a: = 1|idmap uid=1-2|idmap backend=ad
winbind uid=3-4|idmap gid=5-9|idmap config FOO:range = 3-4|root = /x|winbind separator=+|usershare path=|volume serial number=0x1234
volume serial number=0x89abcdef|kerberos method=secretsonly|passwd chat=x\\ny|log file=|enable spoolss=no|disable spoolss=yes
directory=/x|group=g|preload=a b|passdb backend=lmdb|protocol=SMB2|max protocol=SMB3_11|min protocol=NT1|server max protocol=default
server min protocol=SMB3_11\nserver max protocol=SMB2|rpc server dynamic port range=1024-1030|printcap=cups|shadow:foo =   a   b  
  read   only=no|readonly=no|READ ONLY=NO|read-only=no|r e a d only=no|max connections=-1|min receivefile size=1k|unicode=no
prefork children : smb = 4|workgroup = a # b\ncomment=x ; y|workgroup = a\\\nbc\n # comment \\\ndeadtime = 4|nonsense line\nworkgroup = x
workgroup|workgroup =|netbios name=a\nworkgroup=A|hosts allow=a;b"c d" e|hosts allow="a|hosts allow=a"b c"d e|dos charset=
logon home=|template shell=|allow insecure wide links=yes\nwide links=yes|encrypt passwords=no|writeable=yes\nread only=no
read only=no\nwriteable=yes|client max protocol=SMB2\nclient min protocol=SMB3|idmap config * : range=10-20\nidmap config X : range=15-30
workgroup=x\n[Global]\nworkgroup=|comment=é|socket options=TCP_NODELAY IPTOS_LOWDELAY|wins server=1.2.3.4 5.6.7.8
client lanman auth=yes|client NTLMv2 auth=no\nclient lanman auth=yes\nclient plaintext auth=yes|name resolve order=bcast host
printing=lprng
deadtime = 99999|server signing=mandatory|client min protocol=default|allow nt4 crypto=yes|server schannel=Auto|netbios aliases = a b
"""
SHARE_LINES = """
writeable=yes|foo:bar=3\na:b=4\nfoo : Bar=4|path = "/a b"|path=/a/|comment = "x y"|comment = x   y|include=/nonexistent|config file=/x
workgroup=x|available=no|printable=yes|printable=yes\nguest ok=yes|volume serial number=12|directory=/tmp/|vfs objects=a\nvfs objects=b
vfs objects=+a|hosts allow=1.2.3.\nallow hosts=4.|path=|path=foo|comment=a\\|comment=a\\ \nb|comment = a\\\n\\\nb|comment = "
comment=a;b|comment=;b|#comment=d|read only=no\nwriteable=no|kernel oplocks=yes\nkernel share modes=yes|max connections=5
root preexec=/bin/x %u|smb encrypt=off|guest only=yes|force group=+x|csc policy=documents|inherit owner=yes|create mask=1777
name:with:two = c|name :x = "q"|comment=a\\\n# foo|comment=a\\\n   foo  \\\n\n bar=2|com\\\nment=a|comment=\ta\t\tb|\\\ncomment=a
comment =\\\n  x|comment=a\\b|  [t]\npath=/b|comment==b=c|printer name=x y|msdfs root=yes\nmsdfs proxy=\\\\a\\b|comment=|max connections=0
"""
FILES = [
    "[s]\npath=/a\nfoo:bar=1\nread only=no\n[S]\ncomment=q\n", "[s]\npath=/a\n[S]\npath=/b\ncomment=q\n", "[ s  t ]\npath=/a\n", "[s]x\npath=/a\n",
    "[s] # c\npath=/a\n", "[s\\\n t]\npath=/a\n", "[s]\npath=/a\n[global]\nworkgroup=foo\nread only=no\n[t]\npath=/b\n",
    "[ipc$]\npath=/a\n[print$]\npath=/p\n[global2]\npath=/x\n", "[a/b]\npath=/a\n[a%c]\npath=/c\n",
    "[a]\npath=/a\nfoo:bar=1\n[b]\ncopy=a\npath=/b\nfoo:baz=2\n[c]\nx:y=1\ncopy=b\n[d]\ncomment=no\nread only=no\ncopy=a\n",
    "[verylongsharename012345678901234567890123456789012345678901234567890123456789]\npath=/a\n",
    "[global]\nnetbios name=foo\n[foo]\npath=/a\n[homes]\n[nobody]\npath=/\n", "\ufeff[global]\nworkgroup=foo\n",
    "[global]\r\nworkgroup=foo\r\n[s]\r\npath=/a\r\n", "[global]\nworkgroup=foo", "workgroup = abc\n[s]\npath=/tmp\n", "",
    "[global]\nmap archive = yes\n[s]\nstore dos attributes=no\npath=/x\nmap archive=yes\nread only=yes\n",
    "[global]\nread only=no\nguest ok=yes\n[s]\npath=/t\nread only=yes\nguest ok=yes\n", "[homes]\npublic=yes\nbrowsable=no\nvalid users=%S\n",
    "[homes]\npath=\nread only=no\n", "[homes]\nbrowseable=yes\n", "[homes ]\n", "[printers]\nprintable=no\npath=/tmp\n", "[printers]\ncomment=x\n",
    "[p]\nprintable=yes\npath=/x\nread only=no\n[printers]\npath=/s\nread only=no\nbrowseable=yes\n",
    "[global]\nbrowseable=no\n[s]\npath=/x\n[homes]\n[printers]\npath=/y\n", "[globals]\nworkgroup=a\n", "[GLOBAL]\n",
    "[a]\npath=/a\nread only=no\n[b]\npath=/b\ncopy=a\n", "[global]\nread only=no\n[a]\npath=/a\n[global]\nread only=yes\n[b]\ncopy=a\n",
    "[global]\nfoo:bar=1\n[s]\npath=/a\nfoo:bar=1\n", "[global]\nfoo:x=1\n[s]\npath=/a\n[global]\nfoo:y=2\n",
    "[a]\npath=/a\n[b]\ncomment=x\ncopy=a\ncopy=a\n[a]\ncomment=new\n", "[homes]\ncomment=h\n[b]\npath=/b\ncopy=homes\n",
    "[a]\npath=/a\navailable=no\n[b]\npath=/b\ncopy=a\n", "[global]\nhosts allow=x\n[s]\npath=/a\nhosts allow=\n", "[global]\npath=/def\n[s]\n",
    "[global]\ncomment=x\n[s]\npath=/a\ncomment=\n", "[s]\npath=/a\ninclude={dir}/included.conf\ncomment=after\n",
    "[global]\ninclude={dir}/included.conf\nread only=no\nworkgroup=q\n", "[global]\nconfig file={dir}/included.conf\n[s]\npath=/a\n",
    "[global]\nserver string = %h server\nlog file = /var/log/samba/log.%m\nmax log size = 1000\nlogging = file\npanic action = /x %d\n"
    "server role = standalone server\nobey pam restrictions = yes\nunix password sync = no\npam password change = yes\nmap to guest = bad user\n"
    "usershare allow guests = yes\n[homes]\ncomment = Home Directories\nbrowseable = no\nread only = yes\ncreate mask = 0700\ndirectory mask = 0700\n"
    "valid users = %S\n[printers]\ncomment = All Printers\nbrowseable = no\npath = /var/tmp\nprintable = yes\nguest ok = no\nread only = yes\n"
    "create mask = 0700\n[print$]\ncomment = Printer Drivers\npath = /var/lib/samba/printers\n",
    # what Debian refuses, so must we
    "[global\nfoo\n", "[global]\n= 3\n", "[]\npath=/x\n", "[s\npath=/a\n", "[global]\nsmb2 leases = maybe\n", "[global]\ncreate mask = 999\n",
    "[global]\ncreate mask = abc\n", "[global]\ncreate mask=\n", "[global]\nmax log size = 12X\n", "[global]\nmax log size=abc\n",
    "[global]\nsmb2 max read=8T\n", "[global]\nsmb2 max read=2g\n", "[global]\nmax disk size=-1\n", "[global]\nmax disk size=1.5k\n",
    "[global]\nmax disk size=0x10\n", "[global]\nmax disk size=1kb\n", "[global]\nmap to guest = foo\n", "[global]\nmap to guest=\n",
    "[global]\nread only = t\n", "[global]\nread only =\n", "[global]\nstrict locking = on\n", "[global]\ncase sensitive = off\n",
    "[global]\nserver signing=2\n", "[global]\nldap ssl=bad\n", "[global]\nrpc server dynamic port range=abc\n", "[global]\ncopy=foo\n",
    "[global]\nsecurity = share\n", "[global]\nname resolve order = dns\n", "[s]\npath=/a\ncopy=nosuch\n", "[s]\npath=/a\ncopy = s\n", "[a]\npath=/x\ncopy=b\n[b]\npath=/y\n",
    "[global]\ninclude={file}\n", "[global]\nwins support=yes\nwins server=1.2.3.4\n", "[global]\nstate directory=/nonexistent\n",
    "[global]\nwinbind separator=++\n",
]
OPTION_CASES = [
    ["--section-name=s"], ["--section-name=S", "-v"], ["--section-name=global"], ["--section-name=nosuch"],
    ["--parameter-name=workgroup"], ["--parameter-name=foo:bar"], ["--parameter-name=foo:nosuch"], ["--parameter-name=nosuch"],
    ["--parameter-name=read only", "--section-name=s"], ["--parameter-name=writeable", "--section-name=s"], ["--parameter-name=read only"],
    ["--parameter-name=workgroup", "--section-name=s"], ["--parameter-name=foo:bar", "--section-name=s"], ["--parameter-name=log level"],
    ["--parameter-name=map to guest"], ["--parameter-name=hosts allow"], ["--parameter-name=server services"], ["--parameter-name=create mask"],
    ["--parameter-name=idmap config * : backend"], ["--parameter-name=smb encrypt", "--section-name=s"], ["--option=workgroup=zz"],
    ["--option=a:b=3"], ["--option=read only=no"], ["--option=nosuch=1"], ["-l"], ["-d", "1"], ["--nosuchoption"],
]
OPTION_FILE = """[global]
workgroup = abc
foo:bar = 7
log level = 3
map to guest = bad user
hosts allow = a b "c d"
[s]
path = /a
read only = no
foo:bar = 8
smb encrypt = required
[t]
path = /t
"""
HOST_LISTS = [
    ("", ""), ("192.168.1.", ""), ("", "10."), ("", "ALL"), ("127.0.0.1", ""), ("192.168.1.7", "ALL"), ("ALL EXCEPT 192.168.1.7", ""),
    ("", "ALL EXCEPT 192.168.1."), ("192.168.1.0/24", "ALL"), ("192.168.1.0/255.255.255.0", ""), ("10.0.0.0/8 192.168.", "192.168.1."),
    ("foo", ""), (".example.org", ""), ("LOCAL", ""), ("", "LOCAL"), ("", "127.0.0.1"), ("127.", "ALL"), ("", "0.0.0.0/0"),
    ("2001:db8::/32", ""), ("", "2001:db8::1"), ("ALL", "ALL"), ("FOO", ""), ("192.168.1", ""), ("ALL EXCEPT 10. EXCEPT 10.1.1.1", ""),
    ("192.168.1.0/33", ""), ("", "::/0"),
]
HOSTS = [("foo", "192.168.1.7"), ("bar.example.org", "192.168.1.8"), ("foo", "10.1.1.1"), ("localhost", "127.0.0.1"), ("v6.example.org", "2001:db8::1"),
         ("localhost", "::1"), ("x.y", "127.0.0.2")]
SAMPLES = {"P_STRING": "some text", "P_USTRING": "some Text", "P_BOOL": None, "P_INTEGER": "12", "P_BYTES": "34K", "P_OCTAL": "0123", "P_CHAR": "x",
           "P_CMDLIST": 'one, "two three"', "P_LIST": 'one, "two three"'}
# These have cases of their own, or (the registry, the cluster) look for things that are not there.
NOT_SAMPLED = {"copy", "include", "config file", "config backend", "-valid", "smb ports", "rpc server dynamic port range", "name resolve order",
               "registry shares", "clustering"}
# Where the two are meant to differ (docs/testparm.md).
KNOWN_HOSTS = {("v6.example.org", "LOCAL")}  # Debian takes every IPv6 address for a name without a dot
KNOWN_VALUES = {"printing", "smb encrypt"}   # print commands by printing system; Debian shows the synonym in [global] only with -v
ROLES = {"security", "server role", "domain logons"}  # change what other parameters mean in Debian's checks


class Compare:
    def __init__(self, ours, debian, work):
        self.ours, self.debian, self.work = ours, debian, work
        self.count = 0
        self.failures = []

    def run(self, program, arguments):
        # LANG: messages; stdin: nothing to wait for.
        return subprocess.run([program, *arguments], capture_output=True, stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C.UTF-8"}, check=False)

    def write(self, text):
        path = self.work / "smb.conf"
        text = text.replace("{dir}", str(self.work)).replace("{file}", str(path))
        path.write_bytes(text.encode())
        return str(path)

    def fail(self, title, theirs, ours):
        self.failures.append(title)
        lines = [str(text).splitlines() for text in (theirs, ours)]
        print(f"DIFFERENT: {title!r}", *difflib.unified_diff(*lines, "debian", "ours", lineterm="", n=0), sep="\n")

    def same(self, title, arguments):
        """Standard output and success are the same."""
        self.count += 1
        theirs, ours = self.run(self.debian, arguments), self.run(self.ours, arguments)
        if (theirs.returncode == 0) != (ours.returncode == 0):
            self.fail(title, f"exit {theirs.returncode} {theirs.stderr.decode(errors='replace')}", f"exit {ours.returncode} {ours.stderr.decode(errors='replace')}")
        elif theirs.stdout != ours.stdout:
            self.fail(title, theirs.stdout.decode(errors="replace"), ours.stdout.decode(errors="replace"))

    def text(self, text, arguments=("-s",)):
        self.same(text, [*arguments, self.write(text)])

    def cases(self):
        (self.work / "included.conf").write_text("comment=included\ndeadtime=15\n[t]\npath=/t\n")
        for block, head in ((GLOBAL_LINES, "[global]\n"), (SHARE_LINES, "[s]\npath=/a\n")):
            for case in block.strip("\n").replace("\n", "|").split("|"):
                lines = re.sub(r"\\(\\|n|t)", lambda m: {"\\": "\\", "n": "\n", "t": "\t"}[m.group(1)], case)
                self.text(head + lines + "\n")
        for text in FILES:
            self.text(text)
        path = self.write(OPTION_FILE)
        for options in OPTION_CASES:
            self.same(" ".join(options), ["-s", *options, path])
        self.same("a missing file", ["-s", str(self.work / "missing")])
        self.same("a host without an address", ["-s", path, "foo"])

    def parameters(self):
        """name -> (is a share's, kind, enumeration values); synonyms too."""
        out, share = {}, False
        for line in self.run(self.debian, ["--show-all-parameters"]).stdout.decode().splitlines():
            if line.startswith("["):
                share = line == "[local]"
                continue
            name, kind, rest = re.match(r"(.*?)=(P_\w+),(.*)", line).groups()
            out[name] = (share, kind, rest.split(",")[0].split("|") if kind == "P_ENUM" else [])
        return out

    def every_parameter(self):
        parameters = {n: p for n, p in self.parameters().items() if n not in NOT_SAMPLED | ROLES | KNOWN_VALUES}
        for value in ("yes", "no"):
            for section in ("[global]\n", "[s]\npath=/a\n"):
                lines = [f"{name} = {value}\n" for name, (share, kind, _) in parameters.items() if kind in ("P_BOOL", "P_BOOLREV") and (share or section[1] == "g")]
                self.text(section + "".join(lines), ("-s", "-l"))
        for section in ("[global]\n", "[s]\npath=/a\n"):
            lines = [f"{name} = {SAMPLES[kind]}\n" for name, (share, kind, _) in parameters.items() if SAMPLES.get(kind) and (share or section[1] == "g")]
            self.text(section + "".join(lines), ("-s", "-l"))
            self.text(section + "".join(reversed(lines)), ("-s", "-l"))
        for name, (share, kind, values) in parameters.items():
            for value in values:
                self.text(f"[global]\n{name} = {value.swapcase()}\n", ("-s", "-l"))
                if share:
                    self.text(f"[s]\npath = /a\n{name} = {value}\n", ("-s", "-l"))

    def defaults(self):
        self.count += 1
        def dump(program):
            lines = self.run(program, ["-s", "-v", "/dev/null"]).stdout.decode().splitlines()
            return [line for line in lines if line.split(" = ")[0].rstrip(" =").strip() not in PARAMETERS_OF_OURS]
        theirs, ours = dump(self.debian), dump(self.ours)
        name = lambda line: re.sub(r" =.*", "", line).strip()
        if [name(line) for line in theirs] != [name(line) for line in ours]:
            self.fail("names and order of -v", set(map(name, theirs)) - set(map(name, ours)), set(map(name, ours)) - set(map(name, theirs)))
        differ = {name(a) for a, b in zip(theirs, ours) if a != b}
        if differ != DEFAULTS_THAT_DIFFER:
            self.fail("defaults of -v", sorted(DEFAULTS_THAT_DIFFER - differ), sorted(differ - DEFAULTS_THAT_DIFFER))

    def hosts(self):
        """Debian's testparm prints its decisions among its log lines on standard error."""
        decisions = lambda result: [line for line in result.stderr.decode().splitlines() if re.match(r"(Allow|Deny) connection from", line)]
        text = "[global]\n" + "".join(f"[s{i}]\npath=/a\nhosts allow={allow}\nhosts deny={deny}\n" for i, (allow, deny) in enumerate(HOST_LISTS))
        path = self.write(text)
        for name, address in HOSTS:
            self.count += len(HOST_LISTS)
            theirs, ours = (decisions(self.run(program, ["-s", path, name, address])) for program in (self.debian, self.ours))
            for i, lists in enumerate(HOST_LISTS):
                if any((name, item) in KNOWN_HOSTS for item in lists):
                    continue
                pick = lambda lines: [line for line in lines if line.endswith(f" to s{i}")]
                if pick(theirs) != pick(ours) or len(pick(ours)) != 1:
                    self.fail(f"{name} {address} with allow, deny = {lists}", pick(theirs), pick(ours))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default=str(TOP / "build/debug/bin/testparm"))
    parser.add_argument("--debian", default="/usr/bin/testparm")
    parser.add_argument("files", nargs="*", help="more smb.conf files to compare")
    arguments = parser.parse_args()
    if not shutil.which(arguments.debian):
        print(f"{arguments.debian} is missing: install samba-common-bin")
        return 77
    with tempfile.TemporaryDirectory() as work:
        compare = Compare(os.path.abspath(arguments.ours), arguments.debian, pathlib.Path(work))
        compare.cases()
        compare.defaults()
        compare.hosts()
        compare.every_parameter()
        for file in arguments.files:
            compare.same(file, ["-s", file])
    print(f"{compare.count} comparisons, {len(compare.failures)} different")
    return 1 if compare.failures else 0


if __name__ == "__main__":
    sys.exit(main())
