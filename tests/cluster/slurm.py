"""A SLURM on this machine: munged, slurmctld and one slurmd a node, without systemd, in a folder of their own."""

import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

NODES = 4
PORT = 23817  # of slurmctld; the nodes' ports follow
DAEMONS = ("munged", "slurmctld", "slurmd")

CONFIG = """
ClusterName=graft
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=100000,bf_interval=1
ReturnToService=2
KillWait=2
SlurmdTimeout=20
MessageTimeout=20
MpiDefault=none
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class CannotStart(Exception):
    """Why no cluster can be started here."""


class Cluster:
    """Entered: the nodes node0 to node3 with 2 CPUs each are idle. Left: no process of it runs."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.daemons = []
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}

    def __enter__(self):
        if os.getuid() != 0:
            raise CannotStart("the daemons of SLURM need root")
        search = os.environ["PATH"] + ":/usr/sbin"
        for program in (*DAEMONS, "sbatch"):
            if not shutil.which(program, path=search):
                raise CannotStart(f"there is no {program}; run tools/install_deps.sh system")
        self.environment["PATH"] = search
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.call("scancel", "--full", "--signal=KILL", "--user=root")
            self.wait(lambda: not self.call("squeue", "--noheader"), 10)
        except (subprocess.SubprocessError, OSError, TimeoutError):
            pass
        for daemon in self.daemons:
            daemon.kill()
            daemon.wait()
        mine = b"SLURM_CONF=%s" % self.environment["SLURM_CONF"].encode()
        for process in Path("/proc").glob("[0-9]*"):  # slurmstepd is no child of slurmd
            try:
                if mine in (process / "environ").read_bytes().split(b"\0"):
                    os.kill(int(process.name), signal.SIGKILL)
            except OSError:
                pass

    def call(self, *command, **options):
        """What a command prints."""
        return subprocess.run(command, env=self.environment, check=True, stdout=subprocess.PIPE, text=True, timeout=120, **options).stdout.strip()

    def _start(self):
        folder = self.folder
        folder.chmod(0o755)
        (folder / "state").mkdir()
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(64))
        key.chmod(0o400)
        lines = [f"NodeName=node{i} NodeHostname=localhost NodeAddr=127.0.0.1 Port={PORT + 1 + i} CPUs=2" for i in range(NODES)]
        (folder / "slurm.conf").write_text("\n".join([*lines, CONFIG.format(folder=folder, port=PORT)]))
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        self._daemon("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed")
        try:
            self.wait((folder / "munge.socket").exists, 10)
            self._daemon("slurmctld", "-D", "-i")
            for i in range(NODES):
                (folder / f"spool-node{i}").mkdir()
                self._daemon("slurmd", "-D", "-N", f"node{i}")
            self.wait(self._all_nodes_idle, 30)
        except TimeoutError:
            raise CannotStart(f"it is not ready after 30 s: {self._last_lines('')}") from None

    def _daemon(self, *command):
        with open(self.folder / f"{len(self.daemons)}-{command[0]}.out", "w") as output:
            self.daemons.append(subprocess.Popen(command, env=self.environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL))

    def wait(self, ready, seconds):
        """Waits until ready() is true."""
        end = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > end:
                raise TimeoutError
            time.sleep(0.1)

    def _all_nodes_idle(self):
        for daemon in self.daemons:
            if daemon.poll() is not None:
                raise CannotStart(f"{daemon.args[0]} ended: {self._last_lines(daemon.args[0])}")
        try:
            return self.call("sinfo", "--noheader", "--states=idle", "--format=%D", stderr=subprocess.DEVNULL) == str(NODES)
        except subprocess.SubprocessError:
            return False

    def _last_lines(self, name):
        paths = sorted(self.folder.glob(f"*{name}*.log")) + sorted(self.folder.glob(f"*{name}*.out"))
        return " | ".join(f"{p.name}: " + " / ".join(p.read_text().splitlines()[-3:]) for p in paths)
