"""The one check of every process before it starts: all problems at once, each with its cure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec

import psycopg
from sqlalchemy import MetaData

from migrations import ground
from server.config import Settings
from server.kit.crypto import KeyRing, KeyRingInvalid
from server.startup import repository, rules, secrets
from server.startup.addresses import Address, addresses_of
from server.startup.functions import function_differences
from server.startup.problems import Part, Problem
from server.startup.repository import Connection, RoleFacts
from server.startup.sealed import sealed_kinds
from server.startup.walls import differences

_MOST_TABLES = 5
_PASSING = ("57P03", "53300", "57P01", "57P02")  # starting or stopping, full, ended by an administrator, crashed
_UNDO = "Undo what was changed by hand: only migrations put up walls."
_MIGRATE = "Run switchboard migrate with OWNER_DATABASE_URL set, then start again."


def check(config: Settings, metadata: MetaData) -> list[Problem]:
    """Return what is wrong with settings, libraries and database; keeps canaries of secrets that fit.

    Reads nothing of a tenant but, when there is no canary yet, one sealed value of each kind. Asks at every address that
    is used, through a pooler and past it; the connections are closed again.
    """
    problems = settings_problems(config)
    try:
        with ExitStack() as stack:
            opened = {
                address: stack.enter_context(repository.connect(address.dsn, is_pooled=address.is_pooled))
                for address in addresses_of(config.database)
            }
            # One by one: what was found before a failure is kept.
            for problem in _of_database(config, metadata, opened):
                problems.append(problem)
    except psycopg.Error as error:
        problems.append(unreachable(error))
    return problems


def settings_problems(config: Settings) -> list[Problem]:
    """Return what is wrong with settings and libraries, without asking the database."""
    return rules.problems_of(config, _has_module) + rules.library_problems(version)


def check_owner(dsn: str) -> list[Problem]:
    """Return why migrations must not run with this address: version of the server, power of the role."""
    try:
        with repository.connect(dsn) as connection:
            return [*_of_version(connection), *_of_owner(repository.role_of(connection))]
    except psycopg.Error as error:
        return [unreachable(error)]


def unreachable(error: psycopg.Error) -> Problem:
    """Return the problem of a database that does not let us in, or fails when it is looked at."""
    said = " ".join(str(error).split()) or type(error).__name__
    is_passing = isinstance(error, psycopg.OperationalError) and _may_heal(error.sqlstate, said)
    return Problem(
        Part.DATABASE,
        f"The database cannot be asked: {said}",
        "See that DATABASE_URL, SYSTEM_DATABASE_URL and the direct addresses, if there is a pooler, name a running server,"
        " a database there, and passwords that hold.",
        is_passing=is_passing,
    )


def _may_heal(sqlstate: str | None, said: str) -> bool:
    # libpq reports a refused sign-in without a state: psycopg knows it by its text alone.
    refused = ("authentication failed", "does not exist", "pg_hba.conf", "no password supplied", "permission denied")
    return sqlstate in _PASSING or (sqlstate is None and not any(one in said for one in refused))


def _has_module(name: str) -> bool:
    return find_spec(name) is not None


def _of_database(config: Settings, metadata: MetaData, opened: Mapping[Address, Connection]) -> Iterator[Problem]:
    app, system = (_kept(opened, role) for role in (ground.APP, ground.SYSTEM))
    yield from _of_version(opened[system])
    for address, connection in opened.items():
        with repository.looking(connection):
            role = repository.role_of(connection)
        yield from _of_role(address.setting, address.role, role)
    yield from _of_others(metadata, opened, system)
    behind = list(_of_revision(repository.applied_revisions(opened[system])))
    if behind:
        # Walls and canaries of another revision would only be told as so many things that are missing.
        yield from behind
        return
    yield from _of_walls(metadata, opened[system])
    yield from _of_secrets(config, metadata, opened[app], opened[system])


def _kept(opened: Mapping[Address, Connection], role: str) -> Address:
    return next(address for address in opened if address.role == role and address.is_kept)


def _of_others(metadata: MetaData, opened: Mapping[Address, Connection], home: Address) -> Iterator[Problem]:
    """Tell which addresses lead elsewhere than `home`, and what is wrong there.

    What leads to the same database has its version, revision and walls.
    """
    others = [(address, connection) for address, connection in opened.items() if address != home]
    with repository.marked(opened[home]) as mark:
        for address, connection in others:
            with repository.looking(connection):
                if repository.sees(connection, mark):
                    continue
                there, here = repository.database_of(connection), repository.database_of(opened[home])
                yield _apart(address.setting, there, home.setting, here)
                for problem in _of_stranger(metadata, address, connection):
                    yield replace(problem, what=f"At {address.setting}: {problem.what}")


def _of_stranger(metadata: MetaData, address: Address, connection: Connection) -> Iterator[Problem]:
    yield from _of_version(connection)
    if address.role == ground.SYSTEM:  # the application role may not see which migrations are applied
        yield from _of_revision(repository.applied_revisions(connection))
    yield from _of_walls(metadata, connection)


def _apart(setting: str, there: str, home: str, here: str) -> Problem:
    named = f"to {there}" if there != here else f"to a {there} of another server"
    return Problem(
        Part.SAME,
        f"{setting} leads {named}, {home} to {here}: what one writes, the other one does not see.",
        "Let every address of the database, through a pooler or past it, lead to one database of one primary server.",
    )


def _of_version(connection: Connection) -> Iterator[Problem]:
    problem = ground.version_problem(connection.info.server_version)
    if problem is not None:
        yield Problem(Part.VERSION, problem, "Update the server: an update within one major version keeps the data.")


def _of_role(setting: str, wanted: str, role: RoleFacts) -> Iterator[Problem]:
    cure = f"Sign in as {wanted}, made as docs/operations.md says; the name is fixed, grants and policies name it."
    if role.name != wanted:
        yield Problem(Part.ROLE, f"{setting} signs in as {role.name}, not as {wanted}.", cure)
    if role.signed_in_as != role.name:
        # Whoever set the role can set it back.
        yield Problem(Part.ROLE, f"{setting} signs in as {role.signed_in_as} and only acts as {role.name}.", cure)
    claims = (
        (role.is_superuser, "is a superuser: no wall between tenants binds it"),
        (role.bypasses_walls, "has BYPASSRLS: no wall between tenants binds it"),
        (role.has_power, "may make roles or databases, or replicate"),
        (bool(role.owns), f"owns {', '.join(role.owns[:_MOST_TABLES])}: an owner may take walls down"),
        (bool(role.member_of), f"is a member of {', '.join(role.member_of)}"),
        # A superuser may create everywhere; that is said above.
        (bool(role.creates_in) and not role.is_superuser, f"may create in the schemas {', '.join(role.creates_in)}"),
    )
    for is_so, what in claims:
        if is_so:
            yield Problem(Part.ROLE, f"The role {role.name} of {setting} {what}.", cure)


def _of_owner(role: RoleFacts) -> Iterator[Problem]:
    if role.is_superuser or role.bypasses_walls:
        yield Problem(
            Part.ROLE,
            f"The role {role.name} of OWNER_DATABASE_URL is a superuser or has BYPASSRLS: no wall would bind the owner.",
            "Give migrations a role of their own, without either, that may create in the schema public.",
        )


def _of_revision(applied: set[str] | None) -> Iterator[Problem]:
    newest = ground.newest_revisions()
    if applied == newest:
        return
    wanted = ", ".join(sorted(newest))
    if not applied:
        yield Problem(Part.REVISION, f"The database is not migrated to {wanted}.", _MIGRATE)
        return
    found = ", ".join(sorted(applied))
    if applied <= ground.known_revisions():
        yield Problem(Part.REVISION, f"The database is at revision {found}, this code needs {wanted}.", _MIGRATE)
    else:
        yield Problem(
            Part.REVISION,
            f"The database is at revision {found}, which this code does not know; its own is {wanted}.",
            "Start the code that brought the database there, or take the newer migrations back with that code.",
        )


def _of_walls(metadata: MetaData, system: Connection) -> Iterator[Problem]:
    owners = repository.owners_of(system, list(metadata.tables))
    for name, is_free in owners.items():
        if is_free:
            yield Problem(
                Part.ROLE,
                f"The tables belong to {name}, a superuser or a role with BYPASSRLS: no wall binds the owner.",
                f"ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS, or give the tables to a role without both.",
            )
    if len(owners) > 1:
        yield Problem(
            Part.WALLS, f"The tables belong to {', '.join(sorted(owners))}.", "Give all of them to one role, the owner."
        )
    found, owner = repository.walls_of(system), next(iter(owners), ground.OWNER)
    broken = {
        name: said for name, table in metadata.tables.items() if (said := differences(table, found.get(name), owner))
    }
    if broken:
        yield Problem(Part.WALLS, _described(broken), _UNDO)
    changed = function_differences(repository.functions_of(system), owner)
    if changed:
        yield Problem(Part.WALLS, f"A function of the walls was changed: {_few(changed)}.", _UNDO)
    yield from _of_strangers(metadata, system)


def _of_strangers(metadata: MetaData, system: Connection) -> Iterator[Problem]:
    strangers = repository.strangers_of(system, list(metadata.tables))
    if strangers:
        named = [f"the {'view' if is_view else 'table'} {name}" for name, is_view in strangers.items()]
        yield Problem(
            Part.WALLS,
            f"{ground.APP} may use what no migration put a wall before: {_few(named)}.",
            f"Take its rights away (REVOKE ALL ON … FROM {ground.APP}, PUBLIC); a view may have security_invoker instead.",
        )


def _few(said: list[str]) -> str:
    more = f", and {len(said) - _MOST_TABLES} more" if len(said) > _MOST_TABLES else ""
    return "; ".join(said[:_MOST_TABLES]) + more


def _described(broken: dict[str, list[str]]) -> str:
    shown = [f"{name} ({'; '.join(said)})" for name, said in sorted(broken.items())[:_MOST_TABLES]]
    more = f", and {len(broken) - len(shown)} more" if len(broken) > len(shown) else ""
    return f"Row-level security is not as declared on {', '.join(shown)}{more}."


def _of_secrets(config: Settings, metadata: MetaData, app: Connection, system: Connection) -> Iterator[Problem]:
    try:
        ring = KeyRing.parse(config.security.keys.get_secret_value())
    except KeyRingInvalid:
        return  # told among the settings
    given = secrets.Secrets(ring, config.security.pepper.get_secret_value(), app, system, sealed_kinds(metadata))
    trials: tuple[Callable[[secrets.Secrets], list[Problem]], ...] = (secrets.check_ring, secrets.check_pepper)
    for trial in trials:
        try:
            yield from trial(given)
        except (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.DiskFull) as error:
            yield Problem(
                Part.DATABASE,
                f"The database takes no write: {' '.join(str(error).split())}",
                "Point DATABASE_URL at the primary server, and see that its disk has room.",
            )
        except psycopg.errors.InsufficientPrivilege as error:
            yield Problem(Part.WALLS, f"A right is missing: {' '.join(str(error).split())}", _MIGRATE)


def take_pepper(config: Settings) -> None:
    """Take the pepper of these settings as that of the database. Raises psycopg.Error when that cannot be kept."""
    ring = KeyRing.parse(config.security.keys.get_secret_value())
    with repository.connect(config.database.system_dsn) as system, system.transaction():
        given = secrets.Secrets(ring, config.security.pepper.get_secret_value(), system, system, ())
        secrets.accept_pepper(given)
