"""What the figures were measured on."""

import os
import platform
from datetime import datetime, timezone
from pathlib import Path

# bench_rounds' names of vector units, widest first, with the processor's flags that each needs.
ISAS = {"avx512": ("avx512f", "avx512bw", "avx512dq", "avx512vl"), "avx2": ("avx2", "fma")}


def cpu_info() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo."""
    first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def isas(flags: str) -> list[str]:
    """Each of graft's vector units that this processor has, widest first; "portable" when it has none."""
    present = set(flags.split())
    return [name for name, needed in ISAS.items() if present.issuperset(needed)] or ["portable"]


def cores() -> int:
    return len(os.sched_getaffinity(0))


def busy_seconds() -> float:
    """Time that all cores together have worked since the machine started."""
    user, nice, system, _, _, interrupts, soft, stolen = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")


def driver_version(said: Path = Path("/sys/module/nvidia/version")) -> str:
    """That of the GPU's driver, as the kernel tells it; "unknown" where it does not."""
    try:
        return said.read_text().strip()
    except OSError:
        return "unknown"


def describe() -> dict[str, object]:
    info = cpu_info()
    family, model = info.get("cpu family", "?"), info.get("model", "?")
    return {
        "processor": f"{info.get('model name', platform.machine())} (family {family}, model {model})",
        "cores": cores(),
        "isas": isas(info.get("flags", "")),
        "system": platform.platform(),
        "python": platform.python_version(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "load_at_start": os.getloadavg()[0],
    }
