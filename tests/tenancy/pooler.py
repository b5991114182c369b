"""PgBouncer before the tests' PostgreSQL: found, or fetched from the distribution's packages without installing them.

Nothing of the machine changes: packages are unpacked into a cache folder, the program runs as the server's user (it
refuses root), listens on a unix socket of its own and ends with the test.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from switchboard.files import write_private
from switchboard.postgres import APP, SYSTEM, Server
from switchboard.postgres_binaries import RunAs, root_owned_directory

PORT = 6432
SERVER_CONNECTIONS = 4
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin")
_ADVICE = "Install PgBouncer (Debian, Ubuntu: apt-get install pgbouncer) or name its program in PGBOUNCER."


class NoPooler(RuntimeError):
    """There is no PgBouncer here and none could be fetched; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Program:
    """A PgBouncer, and the folder of the libraries that came with it."""

    path: Path
    libraries: Path | None = None


@dataclass(frozen=True, slots=True)
class Pooled:
    """A running PgBouncer and how to reach a database through it."""

    server: Server
    folder: Path

    def url(self, dbname: str, role: str) -> str:
        """Return SQLAlchemy's address of a database through the pooler."""
        host = quote(str(self.folder), safe="/")
        return f"postgresql+psycopg://{role}:{self.server.passwords[role]}@/{dbname}?host={host}&port={PORT}"


@asynccontextmanager
async def pooling(server: Server) -> AsyncIterator[Pooled]:
    """Run a PgBouncer that lends four connections for a transaction at a time, and end it."""
    program = find_program()
    folder = Path(tempfile.mkdtemp(prefix="sb-pool-", dir="/tmp"))
    server.user.own(folder)
    configuration = _write_configuration(server, folder)
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    if program.libraries is not None:
        environment["LD_LIBRARY_PATH"] = str(program.libraries)
    process = _start([str(program.path), str(configuration)], server.user, environment, folder / "output")
    try:
        await _listening(process, folder)
        yield Pooled(server, folder)
    finally:
        process.terminate()
        process.wait(timeout=10)
        shutil.rmtree(folder, ignore_errors=True)


def _start(command: list[str], user: RunAs, environment: dict[str, str], told: Path) -> subprocess.Popen[bytes]:
    with told.open("wb") as output:
        return subprocess.Popen(
            command,
            user=user.uid,
            group=user.gid,
            extra_groups=None if user.uid is None else [],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


async def _listening(process: subprocess.Popen[bytes], folder: Path) -> None:
    async with asyncio.timeout(10):
        while not (folder / f".s.PGSQL.{PORT}").exists():
            if process.poll() is not None:
                raise NoPooler(f"PgBouncer does not start: {(folder / 'output').read_text(errors='replace')}")
            await asyncio.sleep(0.02)


def _write_configuration(server: Server, folder: Path) -> Path:
    users = folder / "users.txt"
    configuration = folder / "pgbouncer.ini"
    write_private(users, "".join(f'"{role}" "{server.passwords[role]}"\n' for role in (APP, SYSTEM)))
    settings = {
        "unix_socket_dir": folder,
        "unix_socket_mode": "0700",
        "listen_port": PORT,
        "auth_type": "scram-sha-256",
        "auth_file": users,
        "pool_mode": "transaction",
        "default_pool_size": SERVER_CONNECTIONS,
        "max_client_conn": 100,
    }
    lines = [f"{name} = {value}" for name, value in settings.items()]
    write_private(configuration, "\n".join(["[databases]", f"* = host={server.socket_dir}", "[pgbouncer]", *lines, ""]))
    if server.user.uid is not None and server.user.gid is not None:
        for file in (users, configuration):
            os.chown(file, server.user.uid, server.user.gid)
    return configuration


def find_program() -> Program:
    """Return PGBOUNCER, else the machine's, else one unpacked from its package sources; raise NoPooler with advice."""
    given = (
        os.environ.get("PGBOUNCER") or shutil.which("pgbouncer") or shutil.which("pgbouncer", path=":".join(_PLACES))
    )
    return Program(Path(given)) if given else _fetched()


def _fetched() -> Program:
    cache = _cache()
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unpacked = cache / "pgbouncer"
        if not unpacked.exists():
            with tempfile.TemporaryDirectory(prefix="draft-", dir=cache) as draft:
                Path(draft).chmod(0o755)
                _unpack(Path(draft)).rename(unpacked)
    program = unpacked / "usr" / "sbin" / "pgbouncer"
    return Program(program, next(iter(sorted(unpacked.glob("usr/lib/*-linux-*"))), None))


def _cache() -> Path:
    if os.geteuid() == 0:
        cache = Path("/var/cache/switchboard")
        root_owned_directory(cache)
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "switchboard"
        cache.mkdir(parents=True, exist_ok=True)
    return cache


def _unpack(draft: Path) -> Path:
    """Download PgBouncer and what it misses here, as any user may, and unpack it below `draft`."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise NoPooler(f"There is no PgBouncer here, and no apt-get to fetch it with. {_ADVICE}")
    archives, lists, tree = draft / "archives", draft / "lists", draft / "tree"
    for folder in (archives / "partial", lists / "partial", tree):
        folder.mkdir(parents=True)
    apt = ["apt-get", "-qq", "-o", f"Dir::Cache={draft}", "-o", f"Dir::Cache::archives={archives}"]
    apt += ["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"]
    install = ["--no-install-recommends", "--download-only", "--yes", "install", "pgbouncer"]
    known = _run([*apt, *install])
    if known.returncode != 0:
        # A machine that never asked, or long ago, knows no packages; ours to ask are lists of our own.
        fresh = [*apt, "-o", f"Dir::State::lists={lists}"]
        _run([*fresh, "update"])
        known = _run([*fresh, *install])
    packages = sorted(archives.glob("*.deb"))
    if known.returncode != 0 or not any(one.name.startswith("pgbouncer_") for one in packages):
        raise NoPooler(f"PgBouncer could not be fetched: {known.stderr.strip()} {_ADVICE}")
    for one in packages:
        unpacked = _run(["dpkg", "-x", str(one), str(tree)])
        if unpacked.returncode != 0:
            raise NoPooler(f"{one.name} could not be unpacked: {unpacked.stderr.strip()} {_ADVICE}")
    return tree


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False
    )
