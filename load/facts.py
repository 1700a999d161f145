"""What a figure is worth nothing without: the machine, the versions, the settings."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil

from options import Probe
from own import PARTS, RAISED

_CPU_INFO: Final = Path("/proc/cpuinfo")


def of(probe: Probe) -> Mapping[str, str]:
    """By name, in the order in which they are shown."""
    plan = probe.plan
    objective = plan.objective
    found = {
        "scenario": probe.scenario,
        "ramp": f"{plan.steps[0].rate:g} to {plan.steps[-1].rate:g} actions/s in {len(plan.steps)} steps,"
        f" {plan.steps[0].warm_up_s:g} s warm-up and {plan.steps[0].measure_s:g} s measured each",
        "objective": f"p99 at most {objective.p99_ms:g} ms from due to done, errors at most {objective.error_share:.1%},"
        f" at least {objective.follow:.0%} of what is offered done",
        "players": f"{probe.users}, so many actions at once; arrivals are Poisson, the seed is {probe.seed}",
        "workers": f"{probe.workers} here, {probe.expected} from elsewhere",
        "machine": f"{os.cpu_count()} cores ({_processor()}), {psutil.virtual_memory().total / 2**30:.0f} GiB,"
        f" {platform.system()} {platform.release()}",
        "versions": f"Python {platform.python_version()}, Locust {version('locust')}, grpcio {version('grpcio')},"
        f" revision {revision() or 'unknown'}",
        "load average before": " ".join(f"{each:.2f}" for each in os.getloadavg()),
    }
    if probe.target is None:
        found["platform"] = (
            f"{', '.join(PARTS)}: one process each, real programs ({os.environ.get('SEATRIAL_BOOT', 'cold')} boot), on an"
            " embedded Valkey and PostgreSQL (fsync off). All of it, and the workers here, share this machine's cores"
        )
        found["limits"] = ", ".join(f"GATEWAY_{name}={value}" for name, value in RAISED.items())
    return found


def revision() -> str | None:
    """The checkout's commit, with `+` behind it for uncommitted changes; None where there is no git."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _processor() -> str:
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )
