"""Boots the Linux kernel of linux-image-6.12-amd64 in QEMU to run a shell script whose mounts are the kernel's own SMB client's.

    status, console = Guest(tree=tarball).run(script, seconds=300)

The guest is an initramfs of static busybox, the modules that the client needs and a short /init. It sees the host's loopback as 10.0.2.2 and ends by
itself. The script runs with `sh -e`; what it prints is the console, its exit status is the guest's.
"""

import contextlib
import glob
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from accounts import HarnessError

HOST = "10.0.2.2"
RELEASE_PREFIX = "6.12"
# The client asks the kernel for its ciphers and hashes by name; with no module loader in the guest they are loaded before it.
MODULES = ["virtio_pci", "virtio_net", "nls_utf8", "md5", "hmac", "sha256_generic", "sha512_generic", "aes_generic", "cmac", "ecb", "ctr", "ccm", "gcm",
           "ghash_generic", "cifs"]
END = "guest: exit status "

INIT = f"""#!/bin/sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
while read module; do insmod /modules/$module || echo "guest: cannot load $module"; done </modules/order
ip link set lo up; ip link set eth0 up; ip addr add $(cat /address) dev eth0
sh -e /workload 2>&1
echo "{END}$?"
poweroff -f
"""

# Other kinds of root: this machine's own file system, read-only below a tmpfs. MACHINE: with systemd as its init and nothing started but what it takes;
# PROGRAMS: without an init, the script has the machine's programs.
MACHINE, PROGRAMS = "machine", "programs"
MACHINE_MODULES = ["9pnet_virtio", "9p", "overlay"]
ROOT_INIT = r"""#!/bin/sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
while read module; do insmod /modules/$module || echo "guest: cannot load $module"; done </modules/order
mkdir /machine /changes /new
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=1048576 machine /machine
mount -t tmpfs tmpfs /changes; mkdir /changes/upper /changes/work
mount -t overlay -o lowerdir=/machine,upperdir=/changes/upper,workdir=/changes/work overlay /new
cp -r /host/. /new/; mkdir -p /new/guest; cp /workload /new/guest/workload
"""
MACHINE_INIT = ROOT_INIT + f"""
rm -rf /new/etc/systemd/system/*.wants /new/etc/systemd/system/*.requires; : >/new/etc/fstab; mkdir -p /new/etc/network; : >/new/etc/network/interfaces
cat >/new/etc/systemd/system/guest.service <<-END
	[Unit]
	After=basic.target
	Requires=basic.target
	[Service]
	Type=oneshot
	ExecStart=/bin/sh -c 'sh -e /guest/workload 2>&1; echo "{END}\$\$?"; sync; poweroff -ff'
	StandardOutput=tty
	TTYPath=/dev/ttyS0
END
umount /proc /sys
exec switch_root /new /lib/systemd/systemd --unit=guest.service --show-status=0 --log-target=null
"""
PROGRAMS_INIT = ROOT_INIT + f"""
ip link set lo up; ip link set eth0 up; ip addr add $(cat /address) dev eth0
for kind in proc sysfs devtmpfs tmpfs; do mount -t $kind $kind /new/$(case $kind in sysfs) echo sys;; devtmpfs) echo dev;; tmpfs) echo run;; *) echo $kind;; esac); done
env PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot /new /bin/sh -e /guest/workload 2>&1
echo "{END}$?"
sync; poweroff -f
"""
INITS = {None: INIT, MACHINE: MACHINE_INIT, PROGRAMS: PROGRAMS_INIT}


def kernel():
    """(release, path) of the newest 6.12 kernel in /boot."""
    images = sorted(glob.glob(f"/boot/vmlinuz-{RELEASE_PREFIX}*"))
    if not images:
        raise HarnessError(f"no kernel /boot/vmlinuz-{RELEASE_PREFIX}* (package linux-image-6.12-amd64)")
    return os.path.basename(images[-1])[len("vmlinuz-"):], images[-1]


def module_files(release, more):
    """The modules' files in the order in which they can be loaded; what is built into the kernel is left out."""
    files = []
    for module in [*MODULES, *more]:
        listing = subprocess.run(["modprobe", "--set-version", release, "--show-depends", module], capture_output=True, text=True, timeout=60)
        if listing.returncode != 0:
            raise HarnessError(f"kernel {release} has no module {module}: {listing.stderr.strip()}")
        for line in listing.stdout.splitlines():
            words = line.split()
            if words and words[0] == "insmod" and words[1] not in files:
                files.append(words[1])
    return files


class Guest:
    """files: {name: bytes or path} that the guest finds in /host, or below /. cores: how many the guest has. modules: of the kernel, beside the client's.
    root: None, or MACHINE, where the script is a unit of systemd's, or PROGRAMS. ports: {of this machine's loopback: the guest's}. tap: (interface that
    exists, the guest's address on it), in place of QEMU's own network. more: arguments of QEMU."""

    def __init__(self, files=None, memory=768, cores=1, modules=(), root=None, ports=None, tap=None, more=()):
        self.files, self.memory, self.cores, self.root, self.ports, self.tap, self.more = files or {}, memory, cores, root, ports or {}, tap, list(more)
        self.modules = [*modules, *(MACHINE_MODULES if root else ())]
        for program in ("qemu-system-x86_64", "cpio", "modprobe"):
            if not shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
                raise HarnessError(f"{program} is not installed")

    def build(self, top, script):
        """Makes top/initramfs and returns the kernel's path."""
        release, image = kernel()
        root = top / "root"
        for name in ("bin", "proc", "sys", "dev", "modules", "host", "mnt", "tmp"):
            (root / name).mkdir(parents=True)
        shutil.copy("/bin/busybox", root / "bin" / "busybox")
        (root / "bin" / "sh").symlink_to("busybox")
        order = []
        for file in module_files(release, self.modules):
            name = re.sub(r"\.xz$", "", os.path.basename(file))
            data = pathlib.Path(file).read_bytes()
            (root / "modules" / name).write_bytes(lzma.decompress(data) if file.endswith(".xz") else data)
            order.append(name)
        (root / "modules" / "order").write_text("\n".join(order) + "\n")
        for name, content in self.files.items():
            (root / "host" / name).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                (root / "host" / name).write_bytes(content)
            else:
                shutil.copy(content, root / "host" / name)
        (root / "workload").write_text(script)
        (root / "address").write_text(self.tap[1] if self.tap else "10.0.2.15/24")
        (root / "init").write_text(INITS[self.root])
        (root / "init").chmod(0o755)
        names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*"))) + "\n"
        with open(top / "initramfs", "wb") as archive:
            subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], input=names.encode(), stdout=archive, cwd=root, check=True)
        shutil.rmtree(root)
        return image

    def command(self, top, image):
        network = "user,id=net" + "".join(f",hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:{to}" for port, to in self.ports.items())
        if self.tap:
            network = f"tap,id=net,ifname={self.tap[0]},script=no,downscript=no"
        command = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", str(self.cores), "-m", str(self.memory),
                   "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot", "-kernel", image, "-initrd", str(top / "initramfs"),
                   "-append", "console=ttyS0 quiet panic=-1 loglevel=3 no_timer_check", "-netdev", network, "-device", "virtio-net-pci,netdev=net"]
        if self.root:
            command += ["-virtfs", "local,path=/,mount_tag=machine,security_model=none,readonly=on,multidevs=remap"]
        return command + self.more

    def run(self, script, seconds):
        """(exit status of the script, console). The status is None when the guest did not come to its end."""
        with self.directory() as top:
            try:
                run = subprocess.run(self.command(top, self.build(top, script)), stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds)
                console, error = run.stdout, run.stderr
            except subprocess.TimeoutExpired as late:
                console, error = late.stdout or b"", f"\nguest: not at its end after {seconds} s".encode()
            text = (console + error).decode(errors="replace").replace("\r", "")
            ends = re.findall(rf"^{END}(\d+)$", text, re.MULTILINE)
            return (int(ends[-1]) if ends else None), text

    @contextlib.contextmanager
    def running(self, script):
        """The guest runs until the end of the context, when it is killed: (QEMU, the file with its console)."""
        with self.directory() as top:
            with open(top / "console", "wb") as out:
                process = subprocess.Popen(self.command(top, self.build(top, script)), stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            try:
                yield process, top / "console"
            finally:
                process.kill()
                process.wait()

    @staticmethod
    @contextlib.contextmanager
    def directory():
        top = pathlib.Path(tempfile.mkdtemp(prefix="atoll-guest-", dir=os.environ.get("ATOLL_TEST_DIR")))
        try:
            yield top
        finally:
            shutil.rmtree(top, ignore_errors=True)
