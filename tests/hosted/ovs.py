"""Open vSwitch with DPDK's vhost ports: database, switch and sockets of our own below one folder."""

import functools
import os
import subprocess
from pathlib import Path

from hosted import LIMIT
from ringzero import BUILD, wait_until

ROOTS = [BUILD / "ovs", Path("/")]
SWITCHD = "usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
SERVER, TOOL = "usr/sbin/ovsdb-server", "usr/bin/ovsdb-tool"
SCHEMA = "usr/share/openvswitch/vswitch.ovsschema"
MEMORY = 256  # MiB


@functools.cache
def lacking():
    """What there is none of, None when Open vSwitch can be run."""
    if not root():
        return "Open vSwitch with DPDK (tools/ovs.sh fetches it)"
    libraries = subprocess.run(["ldd", root() / SWITCHD, root() / SERVER], capture_output=True,
                               text=True, timeout=20, check=False).stdout
    missing = {line.split()[0] for line in libraries.splitlines() if "not found" in line}
    return f"libraries of Open vSwitch: {' '.join(sorted(missing))}" if missing else None


@functools.cache
def root():
    return next((r for r in ROOTS if (r / SWITCHD).exists() and (r / SERVER).exists()), None)


class Ovs:
    """A bridge, br0, whose own port is a tap in the namespace, and vhost ports.

    listening   names of ports with a socket that front ends connect to
    connecting  names of ports that connect to front ends, which listen
    .socket(name) is where.
    """

    def __init__(self, folder, netns, listening=(), connecting=()):
        self.folder, self.netns, self.switch = folder, netns, None
        self.environment = {**os.environ, "OVS_RUNDIR": str(folder), "OVS_LOGDIR": str(folder),
                            "OVS_DBDIR": str(folder), "OVS_SYSCONFDIR": str(folder),
                            "OVS_PKGDATADIR": str((root() / SCHEMA).parent)}
        self.run(TOOL, "create", folder / "conf.db", root() / SCHEMA)
        self.database = self.start(SERVER, "ovsdb", folder / "conf.db", f"--remote=punix:{folder}/db")
        wait_until((folder / "db").exists, LIMIT, "ovsdb-server")
        dpdk = f"--no-pci --no-huge --legacy-mem -m {MEMORY} --iova-mode=va --no-telemetry " \
               f"--file-prefix=ringzero-ovs-{os.getpid()}"
        self.set("--no-wait", "init", "--", "set", "Open_vSwitch", ".", "other_config:dpdk-init=true",
                 f'other_config:dpdk-extra="{dpdk}"', "other_config:dpdk-lcore-mask=1",
                 "other_config:pmd-cpu-mask=2", "other_config:pmd-maxsleep=50",
                 "other_config:per-port-memory=true")
        self.start_switch()
        self.set("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev")
        for names, kind in ((listening, "dpdkvhostuser"), (connecting, "dpdkvhostuserclient")):
            for name in names:
                self.set("add-port", "br0", name, "--", "set", "Interface", name, f"type={kind}",
                         f"options:vhost-server-path={self.socket(name)}")
        netns.run("sysctl", "-qw", "net.ipv6.conf.br0.disable_ipv6=1")
        netns.run("ip", "link", "set", "br0", "up")

    def socket(self, name):
        return str(self.folder / name)

    def run(self, program, *arguments):
        subprocess.run([root() / program, *arguments], env=self.environment, check=True,
                       timeout=LIMIT, capture_output=True)

    def set(self, *arguments):
        self.run("usr/bin/ovs-vsctl", f"--db=unix:{self.folder}/db", f"--timeout={LIMIT}", *arguments)

    def start(self, program, name, *arguments):
        command = ["ip", "netns", "exec", self.netns.name, root() / program, *arguments,
                   f"--pidfile={self.folder}/{name}.pid", f"--unixctl={self.folder}/{name}.ctl",
                   f"--log-file={self.folder}/{name}.log"]
        with open(self.folder / f"{name}.out", "ab") as out:
            return subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL,
                                    stdout=out, stderr=subprocess.STDOUT)

    def start_switch(self):
        self.switch = self.start(SWITCHD, "vswitchd", f"unix:{self.folder}/db")

    def text(self):
        return (self.folder / "vswitchd.log").read_text(errors="replace")

    def stop_switch(self, kill=False):
        """As an administrator does, who restarts it, or by SIGKILL."""
        if kill:
            self.switch.kill()
        else:
            self.switch.terminate()
        self.switch.wait(LIMIT)

    def wait_tap(self):
        """br0 is there again."""
        def up():
            try:
                self.netns.run("ip", "link", "set", "br0", "up")
                return True
            except subprocess.CalledProcessError:
                return False
        wait_until(up, LIMIT, f"br0 of {self.text()[-1000:]}")

    def close(self):
        for process in (self.switch, self.database):
            if process and process.poll() is None:
                process.terminate()
                try:
                    process.wait(LIMIT)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(LIMIT)
