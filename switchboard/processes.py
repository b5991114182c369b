"""Who a process is, beyond its number: numbers are reused, so nothing is signalled before its start time was compared."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Process:
    """One process of this machine: its number and when it started, as the kernel tells it."""

    pid: int
    started: str

    def is_alive(self) -> bool:
        """Say whether this very process still runs; a later process with the same number does not count."""
        return started_at(self.pid) == self.started


def this_process() -> Process:
    """Return the calling process."""
    return Process(os.getpid(), started_at(os.getpid()) or "")


def find(pid: int) -> Process | None:
    """Return the living process with this number, or None."""
    started = started_at(pid)
    return None if started is None else Process(pid, started)


def started_at(pid: int) -> str | None:
    """Return a text that is equal only for the same process of the same boot; None when it is gone or a zombie."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            return None
        # proc(5): field 3 is the state, field 22 the start time in clock ticks after boot.
        return None if fields[0] in "ZX" else f"{_boot()}:{fields[19]}"
    return _started_at_by_ps(pid)


def _boot() -> str:
    boot_id = Path("/proc/sys/kernel/random/boot_id")
    return boot_id.read_text().strip() if boot_id.exists() else ""


def _started_at_by_ps(pid: int) -> str | None:
    ps = shutil.which("ps")
    if ps is None:
        return None
    shown = subprocess.run([ps, "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = shown.stdout.strip().partition(" ")
    return started.strip() if shown.returncode == 0 and not state.startswith("Z") else None


def end_groups(leaders: list[Process], grace_s: float) -> None:
    """End the process groups of these leaders: TERM, and KILL for what is left after `grace_s` seconds."""
    living = [leader for leader in leaders if leader.is_alive()]
    for leader in living:
        signal_group(leader.pid, signal.SIGTERM)
    quiet = threading.Event()
    for _ in range(round(grace_s / _POLL_S)):
        if not any(leader.is_alive() for leader in living):
            break
        quiet.wait(_POLL_S)
    for leader in living:
        signal_group(leader.pid, signal.SIGKILL)


def signal_group(leader_pid: int, number: signal.Signals) -> None:
    """Send a signal to every process of a group; an empty group is fine."""
    try:
        os.killpg(leader_pid, number)
    except (ProcessLookupError, PermissionError):
        # macOS answers EPERM for a group in which only zombies are left.
        return
