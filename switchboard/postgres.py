"""The embedded PostgreSQL: a server of our own on a unix socket, for `make run` and for tests.

    server = ensure_running(Path("var/postgres"))          # or durable=False for tests: no fsync
    server.create_database("switchboard")                  # nothing happens when it exists
    server.create_database("sb_gw0", template="sb_template")
    server.drop_database("sb_gw0")                         # ends its clients; nothing happens when it does not exist
    server.owner_url("switchboard")      # postgresql+psycopg://switchboard_owner:…@/switchboard?host=/…  (migrations)
    server.app_url("switchboard")        # DATABASE_URL
    server.system_url("switchboard")     # SYSTEM_DATABASE_URL
    server.superuser_url("postgres")
    server.dsn("switchboard", APP)       # postgresql://switchboard_app:…@/switchboard?host=/…  (psycopg, libpq)
    server.stop()                        # only if this process started it, or adopted it from a starter that died
    server.stop(keep=True)               # leaves it running for the next start
    server.destroy()                     # for tests: stop it whoever started it, and remove the cluster

`data_dir` is the home of one cluster: `credentials.json` (0600), `lock`, `cluster/` (0700), `socket/`. When we are root
and the server's user cannot reach `data_dir` (say, below a 0700 home), cluster and socket live under
/var/lib/switchboard instead and are swept once `data_dir` is gone. All functions block and may be called from any
thread. They raise PostgresUnavailable with what to do.

Every process may call `ensure_running` with the same directory at the same time: one starts, the others reuse. With
several test processes let one of them own the server and call `stop`, or `destroy`.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shlex
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from migrations.ground import APP, OWNER, SYSTEM
from switchboard import postgres_binaries, postgres_roles
from switchboard.files import read_private_json, write_private, write_private_json
from switchboard.postgres_binaries import PostgresUnavailable, RunAs
from switchboard.postgres_roles import SUPERUSER
from switchboard.processes import Process, find, this_process

__all__ = ["APP", "OWNER", "SUPERUSER", "SYSTEM", "PostgresUnavailable", "Server", "ensure_running"]

_ELSEWHERE = Path("/var/lib/switchboard")
_LONGEST_SOCKET_DIR = 80  # bytes; sun_path holds 104 on macOS and 108 on Linux, ".s.PGSQL.5432.lock" is appended
_START_ATTEMPTS = 10
_ATTEMPT_PAUSE_S = 0.3
_START_TIMEOUT_S = 120
_ANSWER_PAUSE_S = 0.1
_COPY_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Server:
    """A running cluster, how to reach it, and whether this process is the one that has to end it."""

    data_dir: Path
    cluster: Path
    socket_dir: Path
    passwords: dict[str, str]
    started_here: bool
    binaries: Path
    user: RunAs

    def dsn(self, dbname: str, role: str = SUPERUSER) -> str:
        """Return the address in libpq's form."""
        host = quote(str(self.socket_dir), safe="/")
        return f"postgresql://{role}:{self.passwords[role]}@/{dbname}?host={host}"

    def superuser_url(self, dbname: str) -> str:
        """Return SQLAlchemy's address for the superuser."""
        return self._url(dbname, SUPERUSER)

    def owner_url(self, dbname: str) -> str:
        """Return SQLAlchemy's address for the role that owns databases and runs migrations."""
        return self._url(dbname, OWNER)

    def app_url(self, dbname: str) -> str:
        """Return SQLAlchemy's address for the role that sees one organization at a time."""
        return self._url(dbname, APP)

    def system_url(self, dbname: str) -> str:
        """Return SQLAlchemy's address for the role that sees what crosses organizations."""
        return self._url(dbname, SYSTEM)

    def _url(self, dbname: str, role: str) -> str:
        return self.dsn(dbname, role).replace("postgresql:", "postgresql+psycopg:", 1)

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create a database owned by the owner role that only our roles may enter; do nothing when it exists."""
        with self._connect() as connection:
            # Held until the connection closes, so that of several callers one creates and the others find.
            connection.execute("SELECT pg_advisory_lock(hashtext(%s))", (f"create {name}",))
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None:
                return
            statement = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(OWNER))
            if template is not None:
                statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
            _create_while_template_is_busy(connection, statement)
            postgres_roles.close_to_others(connection, name)

    def drop_database(self, name: str) -> None:
        """Drop a database and end its clients; do nothing when it does not exist."""
        with self._connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def postmaster(self) -> Process | None:
        """Return the server's main process, None when it does not run."""
        return _postmaster(self.cluster)

    def stop(self, keep: bool = False) -> None:
        """End the server if this process has to, within a second or so; `keep` leaves it for the next start."""
        with _locked(self.data_dir):
            if keep:
                _starter_file(self.data_dir).unlink(missing_ok=True)
            elif self.started_here:
                self._stop("fast")

    def destroy(self) -> None:
        """End the server, whoever started it, and remove its data. For tests."""
        with _locked(self.data_dir):
            self._stop("immediate")
            elsewhere = [] if self.cluster.parent == self.data_dir else [self.cluster.parent]
            for directory in (self.cluster, self.socket_dir, *elsewhere):
                shutil.rmtree(directory, ignore_errors=True)
            _credentials_file(self.data_dir).unlink(missing_ok=True)

    def _stop(self, mode: str) -> None:
        self.user.run([str(self.binaries / "pg_ctl"), "stop", "-D", str(self.cluster), "-m", mode, "-w", "-t", "60"])
        _starter_file(self.data_dir).unlink(missing_ok=True)

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.dsn("postgres"), autocommit=True, connect_timeout=10)


def ensure_running(data_dir: Path, *, durable: bool = True) -> Server:
    """Start the cluster of this directory, or reuse it when it runs; create it on the first call.

    `durable=False` turns fsync off, which only a test may want: what was committed survives every killed process, but
    not a power failure. A server whose starter died without stopping it is
    adopted: `stop` of the returned server ends it.
    """
    data_dir = data_dir.absolute()
    data_dir.mkdir(parents=True, exist_ok=True)
    user = postgres_binaries.server_user()
    with _locked(data_dir):
        identity, passwords = _credentials(data_dir)
        place = _place(data_dir, identity, user)
        socket_dir = _socket_dir(place, identity)
        user.own(socket_dir)
        _refuse_foreign(socket_dir, user)
        binaries = postgres_binaries.find_binaries(user)
        cluster = place / "cluster"
        server = Server(data_dir, cluster, socket_dir, passwords, _must_stop(data_dir), binaries, user)
        if not (cluster / "PG_VERSION").exists():
            _initialise(server, durable)
        for _ in range(_START_ATTEMPTS):
            server = _started(server, durable)
            connection = _first_answer(server)
            if connection is not None:
                with connection:
                    postgres_roles.ensure_roles(connection, passwords)
                return server
        raise PostgresUnavailable(f"PostgreSQL in {cluster} is started and ends again; see {cluster / 'server.log'}.")


def _started(server: Server, durable: bool) -> Server:
    """Start the server if it does not run, and note who has to stop it."""
    if _postmaster(server.cluster) is None:
        _forget_reused_pid(server.cluster)
        _start(server, durable)
        server = replace(server, started_here=True)
    if server.started_here:
        _remember_starter(server.data_dir)
    return server


def _credentials_file(data_dir: Path) -> Path:
    return data_dir / "credentials.json"


def _starter_file(data_dir: Path) -> Path:
    return data_dir / "started_by.json"


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _credentials(data_dir: Path) -> tuple[str, dict[str, str]]:
    known = read_private_json(_credentials_file(data_dir))
    if known is None:
        if (data_dir / "cluster" / "PG_VERSION").exists():
            raise PostgresUnavailable(
                f"{data_dir} holds a database but no credentials.json. Put that file back, or remove the directory."
            )
        known = {"cluster": secrets.token_hex(6)}
        known |= {role: secrets.token_hex(24) for role in (SUPERUSER, OWNER, APP, SYSTEM)}
        write_private_json(_credentials_file(data_dir), known)
    return known["cluster"], {role: known[role] for role in (SUPERUSER, OWNER, APP, SYSTEM)}


def _place(data_dir: Path, identity: str, user: RunAs) -> Path:
    if user.can_enter(data_dir):
        return data_dir
    postgres_binaries.root_owned_directory(_ELSEWHERE)
    _sweep_orphans(user)
    place = _ELSEWHERE / identity
    place.mkdir(mode=0o755, exist_ok=True)
    place.chmod(0o755)
    write_private(place / "home", str(_credentials_file(data_dir)))
    return place


def _sweep_orphans(user: RunAs) -> None:
    """Remove clusters whose home directory was deleted: nobody knows their passwords any more."""
    for home in _ELSEWHERE.glob("*/home"):
        try:
            known = read_private_json(Path(home.read_text()))
        except FileNotFoundError:
            continue
        if known is not None and known.get("cluster") == home.parent.name:
            continue
        cluster = home.parent / "cluster"
        if _postmaster(cluster) is not None:
            pg_ctl = postgres_binaries.find_binaries(user) / "pg_ctl"
            user.run([str(pg_ctl), "stop", "-D", str(cluster), "-m", "immediate"])
        shutil.rmtree(home.parent, ignore_errors=True)


def _socket_dir(place: Path, identity: str) -> Path:
    beside = place / "socket"
    # The short name holds the cluster's random id, so that nobody can take it beforehand.
    return beside if len(os.fsencode(beside)) <= _LONGEST_SOCKET_DIR else Path("/tmp") / f"sb-{identity}"  # noqa: S108


def _refuse_foreign(directory: Path, user: RunAs) -> None:
    status = directory.lstat()
    if status.st_uid != (os.geteuid() if user.uid is None else user.uid):
        raise PostgresUnavailable(f"{directory} belongs to somebody else.")


def _initialise(server: Server, durable: bool) -> None:
    draft = server.cluster.with_name("cluster.draft")
    shutil.rmtree(draft, ignore_errors=True)
    server.user.own(draft)
    pwfile = server.socket_dir / "pwfile"
    write_private(pwfile, server.passwords[SUPERUSER])
    if server.user.uid is not None and server.user.gid is not None:
        os.chown(pwfile, server.user.uid, server.user.gid)
    locale = ["--locale=C.UTF-8"]
    if postgres_binaries.major_version(server.binaries, server.user) >= 17:
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    command = [str(server.binaries / "initdb"), "-D", str(draft), "-U", SUPERUSER, f"--pwfile={pwfile}"]
    command += ["-A", "scram-sha-256", "-E", "UTF8", *locale, *([] if durable else ["--no-sync"])]
    made = server.user.run(command)
    pwfile.unlink()
    if made.returncode != 0:
        raise PostgresUnavailable(f"initdb failed: {(made.stderr or made.stdout).strip()}")
    draft.rename(server.cluster)


def _start(server: Server, durable: bool) -> None:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": f'"{server.socket_dir}"',
        "unix_socket_permissions": "0700",
        "shared_buffers": "64MB",
        "max_connections": "120",
    }
    if not durable:
        # synchronous_commit stays on: a killed server must still have what it had confirmed.
        settings |= {"fsync": "off", "full_page_writes": "off"}
    options = " ".join(f"-c {name}={shlex.quote(value)}" for name, value in settings.items())
    log = server.cluster / "server.log"
    command = [str(server.binaries / "pg_ctl"), "start", "-D", str(server.cluster), "-l", str(log), "-w"]
    command += ["-t", str(_START_TIMEOUT_S), "-o", options]
    for _ in range(_START_ATTEMPTS):
        started = server.user.run(command, timeout_s=_START_TIMEOUT_S + 30)
        if started.returncode == 0:
            return
        if "another server might be running" not in started.stdout + started.stderr:
            break
        # Clients of a killed postmaster still hold its shared memory; they notice within a second or two.
        threading.Event().wait(_ATTEMPT_PAUSE_S)
    lines = log.read_text(errors="replace").splitlines()[-8:] if log.exists() else []
    raise PostgresUnavailable("\n".join([f"PostgreSQL does not start: {started.stderr.strip()}", *lines]))


def _first_answer(server: Server) -> psycopg.Connection[tuple[object, ...]] | None:
    """Connect as superuser, waiting while the server recovers; None when it ended meanwhile, as a killed one does."""
    patience = threading.Event()
    for _ in range(round(_START_TIMEOUT_S / _ANSWER_PAUSE_S)):
        try:
            return psycopg.connect(server.dsn("postgres"), autocommit=True, connect_timeout=10)
        except psycopg.OperationalError as problem:
            if "password authentication failed" in str(problem):
                raise PostgresUnavailable(f"PostgreSQL in {server.cluster} does not let us in: {problem}") from None
            if _postmaster(server.cluster) is None:
                return None
        patience.wait(_ANSWER_PAUSE_S)
    raise PostgresUnavailable(f"PostgreSQL in {server.cluster} runs but does not answer.")


def _postmaster(cluster: Path) -> Process | None:
    pid = _noted_pid(cluster)
    process = None if pid is None else find(pid)
    return process if process is not None and _works_in(process.pid, cluster) is not False else None


def _noted_pid(cluster: Path) -> int | None:
    try:
        first = (cluster / "postmaster.pid").read_text().partition("\n")[0]
    except FileNotFoundError:
        return None
    return int(first) if first.isdigit() else None


def _works_in(pid: int, cluster: Path) -> bool | None:
    """Say whether a process has the cluster as its working directory, as all of PostgreSQL's have; None: unknown."""
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == cluster.resolve()
    except (OSError, RuntimeError):
        return None


def _forget_reused_pid(cluster: Path) -> None:
    """Remove a stale postmaster.pid whose number now belongs to a stranger: PostgreSQL would take it for itself."""
    pid = _noted_pid(cluster)
    if pid is None or find(pid) is None:
        return
    processes = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    if not any(_works_in(process, cluster) for process in processes):
        (cluster / "postmaster.pid").unlink(missing_ok=True)


def _remember_starter(data_dir: Path) -> None:
    write_private_json(_starter_file(data_dir), {key: str(value) for key, value in asdict(this_process()).items()})


def _must_stop(data_dir: Path) -> bool:
    """Say whether a running server is ours to end: we started it, or its starter died before it could."""
    starter = read_private_json(_starter_file(data_dir))
    if starter is None:
        return False
    noted = Process(int(starter["pid"]), starter["started"])
    return noted == this_process() or not noted.is_alive()


def _create_while_template_is_busy(connection: psycopg.Connection[tuple[object, ...]], statement: sql.Composed) -> None:
    patience = threading.Event()
    for attempt in range(_COPY_ATTEMPTS):
        try:
            connection.execute(statement)
        except psycopg.errors.ObjectInUse:
            if attempt == _COPY_ATTEMPTS - 1:
                raise
            patience.wait(_ATTEMPT_PAUSE_S)
        else:
            return
