"""A SLURM on this machine: munged, slurmctld and a slurmd for each node, without systemd and control groups. All that
they read and write is in one folder."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path

NODES = 4

# A requeued job waits for cred_expire; the default is two minutes.
CONFIG = """
ClusterName=graft
SlurmctldHost={host}(127.0.0.1)
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
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class CannotStart(Exception):
    """Why there is no cluster."""


class Cluster:
    """Entered: the nodes node0 to node3, of 2 CPUs each, are idle. Left: none of its processes is alive. `folder` is
    an empty folder of root."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.daemons = []
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}

    def __enter__(self):
        try:
            self._start()
        except TimeoutError:
            self.__exit__()
            raise CannotStart(f"no idle nodes after 30 s; {self._last_messages()}") from None
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with contextlib.suppress(subprocess.SubprocessError, TimeoutError):
            self.call("scancel", "--full", "--signal=KILL", "--user=root", timeout=10)
            self.wait(lambda: not self.call("squeue", "--noheader"), 10)
        for daemon in self.daemons:
            daemon.kill()
            daemon.wait()
        mine = os.fsencode(f"SLURM_CONF={self.environment['SLURM_CONF']}")
        for process in Path("/proc").glob("[0-9]*"):  # slurmstepd is no child of slurmd
            with contextlib.suppress(OSError):
                if mine in (process / "environ").read_bytes().split(b"\0"):
                    os.kill(int(process.name), signal.SIGKILL)

    def call(self, *command, timeout=60, **options):
        """What the command prints."""
        done = subprocess.run(
            command, env=self.environment, check=True, stdout=subprocess.PIPE, text=True, timeout=timeout, **options
        )
        return done.stdout.strip()

    def wait(self, is_true, seconds):
        end = time.monotonic() + seconds
        while not is_true():
            if time.monotonic() > end:
                raise TimeoutError
            time.sleep(0.1)

    def _start(self):
        folder, key = self.folder, self.folder / "munge.key"
        folder.chmod(0o755)
        (folder / "state").mkdir()
        key.touch(0o400)
        key.write_bytes(secrets.token_bytes(64))
        port, *ports = free_ports(1 + NODES)
        lines = [f"NodeName=node{i} NodeAddr=127.0.0.1 Port={ports[i]} CPUs=2" for i in range(NODES)]
        host = socket.gethostname().split(".")[0]
        config = CONFIG.format(folder=folder, port=port, host=host)
        (folder / "slurm.conf").write_text("\n".join([*lines, config]))
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        files = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "log", "seed")]
        self._daemon("munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *files)
        self.wait((folder / "munge.socket").exists, 30)
        self._daemon("slurmctld", "-D", "-i")
        for i in range(NODES):
            (folder / f"spool-node{i}").mkdir()
            self._daemon("slurmd", "-D", "-N", f"node{i}")
        self.wait(self._all_nodes_are_idle, 30)

    def _daemon(self, *command):
        """It ends with this process."""
        command = ("setpriv", "--pdeathsig", "KILL", *command)
        with open(self.folder / "daemons.log", "a") as output:
            self.daemons.append(subprocess.Popen(command, env=self.environment, stdout=output, stderr=output))

    def _all_nodes_are_idle(self):
        for daemon in self.daemons:
            if daemon.poll() is not None:
                raise CannotStart(f"{daemon.args[3]} ended; {self._last_messages()}")
        try:
            idle = self.call("sinfo", "--noheader", "--states=idle", "--format=%D", stderr=subprocess.DEVNULL)
        except subprocess.CalledProcessError:  # slurmctld is not ready
            return False
        return idle == str(NODES)

    def _last_messages(self):
        logs = {path.name: path.read_text().splitlines() for path in sorted(self.folder.glob("*.log"))}
        return "; ".join(f"{name}: {lines[-1]}" for name, lines in logs.items() if lines)


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
