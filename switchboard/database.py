"""A real PostgreSQL, given by DATABASE_URL: checks that it may hold the ledger and makes our roles in it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from migrations.ground import APP, FLOORS, OWNER, SYSTEM, version_problem
from switchboard import postgres_roles
from switchboard.files import read_private_json, write_private_json

_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")

_Connection = psycopg.Connection[tuple[object, ...]]


class DatabaseRefused(RuntimeError):
    """The given database cannot be used; the message says what to do and holds no password."""


@dataclass(frozen=True, slots=True)
class Urls:
    """SQLAlchemy's addresses of one database, by role."""

    app: str = field(repr=False)
    system: str = field(repr=False)
    owner: str = field(repr=False)


def prepare(admin_url: str, data_dir: Path, floors: Mapping[int, int] = FLOORS) -> Urls:
    """Make our roles and grants in a real database, as often as wanted; create the database if it is missing.

    The role of `admin_url` must be allowed to create roles, or SYSTEM_DATABASE_URL and OWNER_DATABASE_URL must name
    roles that exist; then `admin_url` is the application's. A superuser gets a separate owner; any other role owns the
    tables itself. Passwords are kept in `data_dir`/database.json (0600). Raise DatabaseRefused otherwise.
    """
    given = _given_urls(admin_url)
    if given is not None:
        with _open(given.app) as connection:
            refuse_unsafe(connection, floors)
            _refuse_power(connection)
        return given
    with _open(admin_url) as connection:
        refuse_unsafe(connection, floors)
        return _with_roles(connection, admin_url, data_dir)


def refuse_unsafe(connection: _Connection, floors: Mapping[int, int] = FLOORS) -> None:
    """Raise DatabaseRefused for a server below the versions in which row security holds."""
    problem = version_problem(connection.info.server_version, floors)
    if problem is not None:
        raise DatabaseRefused(problem)


def with_role(url: str, role: str | None = None, password: str | None = None, dbname: str | None = None) -> str:
    """Return the address in SQLAlchemy's form, for another role or another database of the same server."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise DatabaseRefused("DATABASE_URL must begin with postgresql://")
    netloc = parts.netloc
    if role is not None:
        netloc = f"{quote(role, safe='')}:{quote(password or '', safe='')}@{netloc.rpartition('@')[2]}"
    path = parts.path if dbname is None else f"/{quote(dbname, safe='')}"
    return urlunsplit(("postgresql+psycopg", netloc or "@", path, parts.query, ""))


def libpq(url: str) -> str:
    """Return SQLAlchemy's address in libpq's form."""
    return url.replace("postgresql+psycopg:", "postgresql:", 1)


def _given_urls(app_url: str) -> Urls | None:
    system, owner = os.environ.get("SYSTEM_DATABASE_URL"), os.environ.get("OWNER_DATABASE_URL")
    if not system and not owner:
        return None
    if not system or not owner:
        raise DatabaseRefused("Set both SYSTEM_DATABASE_URL and OWNER_DATABASE_URL beside DATABASE_URL, or neither.")
    return Urls(with_role(app_url), with_role(system), with_role(owner))


def _open(url: str) -> _Connection:
    """Connect, creating the database when only that is missing."""
    name = unquote(urlsplit(url).path.lstrip("/"))
    if not name:
        raise DatabaseRefused("DATABASE_URL names no database.")
    try:
        return _connect(with_role(url))
    except psycopg.OperationalError as problem:
        if "does not exist" not in str(problem):
            raise DatabaseRefused(f"DATABASE_URL does not answer: {problem}") from None
    try:
        with _connect(with_role(url, dbname="postgres")) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
        return _connect(with_role(url))
    except psycopg.Error as problem:
        raise DatabaseRefused(f"The database {name} does not exist and cannot be created: {problem}") from None


def _connect(url: str) -> _Connection:
    return psycopg.connect(libpq(url), autocommit=True, connect_timeout=10)


def _refuse_power(connection: _Connection) -> None:
    row = connection.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user").fetchone()
    if row is not None and row[0]:
        raise DatabaseRefused("The role of DATABASE_URL bypasses row-level security; the application must not.")


def _with_roles(connection: _Connection, admin_url: str, data_dir: Path) -> Urls:
    asked = connection.execute("SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user").fetchone()
    is_super, may_create = (bool(asked[0]), bool(asked[1])) if asked is not None else (False, False)
    wanted = [OWNER, APP, SYSTEM] if is_super else [APP, SYSTEM]
    known = _known_passwords(data_dir)
    rows = connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (wanted,))
    present = {str(row[0]) for row in rows}
    _refuse_if_stuck(wanted, present, set(known), is_super or may_create)
    for role in wanted:
        known.setdefault(role, secrets.token_hex(24))
    data_dir.mkdir(parents=True, exist_ok=True)
    write_private_json(data_dir / "database.json", known)
    for role in wanted:
        if role not in present:
            postgres_roles.create_role(connection, role, known[role])
    _grant(connection, is_super)
    urls = Urls(
        app=with_role(admin_url, APP, known[APP]),
        system=with_role(admin_url, SYSTEM, known[SYSTEM]),
        owner=with_role(admin_url, OWNER, known[OWNER]) if is_super else with_role(admin_url),
    )
    _try_passwords(urls)
    return urls


def _known_passwords(data_dir: Path) -> dict[str, str]:
    return read_private_json(data_dir / "database.json") or {}


def _refuse_if_stuck(wanted: list[str], present: set[str], known: set[str], may_create: bool) -> None:
    missing = [role for role in wanted if role not in present]
    if missing and not may_create:
        raise DatabaseRefused(
            f"The role of DATABASE_URL may not create the roles {', '.join(missing)}. Give one that may (CREATEROLE), "
            "or create them, by exactly these names, and set DATABASE_URL, SYSTEM_DATABASE_URL and OWNER_DATABASE_URL."
        )
    strangers = [role for role in wanted if role in present and role not in known]
    if strangers:
        raise DatabaseRefused(
            f"The server already has {', '.join(strangers)}, made by another installation. Bring its var/database.json "
            "here, or set DATABASE_URL, SYSTEM_DATABASE_URL and OWNER_DATABASE_URL, or drop these roles."
        )


def _grant(connection: _Connection, is_super: bool) -> None:
    database = sql.Identifier(connection.info.dbname)
    roles = sql.SQL("{}, {}").format(sql.Identifier(APP), sql.Identifier(SYSTEM))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, roles))
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(roles))
    if is_super:
        owner = sql.Identifier(OWNER)
        connection.execute(sql.SQL("GRANT CONNECT, CREATE ON DATABASE {} TO {}").format(database, owner))
        connection.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(owner))


def _try_passwords(urls: Urls) -> None:
    for url in (urls.app, urls.system, urls.owner):
        try:
            _connect(url).close()
        except psycopg.OperationalError as problem:
            raise DatabaseRefused(f"A role made earlier cannot log in; see var/database.json. {problem}") from None
