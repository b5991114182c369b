"""`python -m server.seed --file FILE`: makes organizations with units, people and tokens, as an operator would.

Nobody signs up unasked, so this is how the first people come in; they invite the others. FILE (`-` for standard input)
describes them; the ids and the tokens, which are shown only now, are written to standard output as JSON. An organization
is made as a whole or not at all. Running it again makes other organizations.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from server.auth import service as auth
from server.config import SecuritySettings, Settings, settings
from server.kit import log
from server.kit.crypto import KeyRing
from server.kit.db import Database
from server.kit.errors import DomainError, Problems, Unavailable
from server.kit.ids import encode, new_id
from server.tenants import service as tenants
from server.tenants.rules import OrganizationKind, Role, UnitKind
from server.tenants.scope import worker_scope
from server.tenants.uow import UnitOfWork, begin

ROOT = "root"
"""The key of an organization's HEADQUARTERS in FILE."""


class _Described(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Grant(_Described):
    """One role on a unit and everything under it."""

    role: Role
    unit: str = ROOT


class PersonPlan(_Described):
    """One person. `token` false leaves out the personal token.

    With a `password` the person can sign in: an account is made for the address, or the one that it has is linked; an
    account that is there already keeps its own password.
    """

    key: str
    name: str
    email: str
    roles: list[Grant] = Field(min_length=1)
    token: bool = True
    password: SecretStr | None = None


class UnitPlan(_Described):
    """One unit; its parent stands earlier in the list."""

    key: str
    kind: UnitKind
    name: str
    parent: str = ROOT
    code: str | None = None
    attributes: dict[str, str] = Field(default_factory=dict)


class OrganizationPlan(_Described):
    """One organization."""

    key: str
    kind: OrganizationKind
    name: str
    time_zone: str = "UTC"
    units: list[UnitPlan] = Field(default_factory=list)
    people: list[PersonPlan] = Field(min_length=1)


class Plan(_Described):
    """What FILE says."""

    organizations: list[OrganizationPlan] = Field(min_length=1)


async def seed(database: Database, security: SecuritySettings, plan: Plan) -> dict[str, object]:
    """Make every organization of the plan, each in one transaction; return ids and tokens by the plan's keys.

    Accounts are made before, each by itself: they belong to no organization, and running it again links them.
    Raises ValueError for a key that no unit has, and what the services raise for names, places and addresses.
    """
    made: dict[str, object] = {}
    for wanted in plan.organizations:
        accounts = {person.key: await _account(database, person) for person in wanted.people}
        async with begin(database, worker_scope(new_id())) as uow:
            made[wanted.key] = await _organization(uow, security, wanted, accounts)
    return {"organizations": made}


async def _account(database: Database, person: PersonPlan) -> UUID | None:
    if person.password is None:
        return None
    found = await auth.account_of(database, person.email)
    new = auth.NewAccount(person.email, person.name, person.password.get_secret_value())
    return found or await auth.create_account(database, new)


async def _organization(
    uow: UnitOfWork, security: SecuritySettings, wanted: OrganizationPlan, accounts: dict[str, UUID | None]
) -> dict[str, object]:
    root = await tenants.create_organization(uow, wanted.kind, wanted.name, wanted.time_zone)
    units = {ROOT: root.id}
    for unit in wanted.units:
        row = await tenants.create_unit(
            uow,
            parent_id=_unit(units, unit.parent),
            kind=unit.kind,
            name=unit.name,
            external_code=unit.code,
            attributes=unit.attributes,
        )
        units[unit.key] = row.id
    people = {person.key: await _person(uow, security, person, units, accounts[person.key]) for person in wanted.people}
    return {
        "id": encode("org", uow.scope.organization_id),
        "units": {key: encode("unit", value) for key, value in units.items()},
        "people": people,
    }


async def _person(
    uow: UnitOfWork, security: SecuritySettings, person: PersonPlan, units: dict[str, UUID], user_id: UUID | None
) -> dict[str, object]:
    member = await tenants.create_member(uow, name=person.name, email=person.email, user_id=user_id)
    for grant in person.roles:
        await tenants.grant_role(uow, member.id, _unit(units, grant.unit), grant.role)
    told: dict[str, object] = {"id": encode("mem", member.id), "name": person.name, "token": None}
    if person.token:
        _, told["token"] = await auth.issue_personal_token(uow, security, member_id=member.id, name="first token")
    return told


def _unit(units: dict[str, UUID], key: str) -> UUID:
    if key not in units:
        raise ValueError(f"no unit before it has the key {key}")
    return units[key]


async def _run(plan: Plan, config: Settings) -> dict[str, object]:
    database = Database(config.database, KeyRing.parse(config.security.keys.get_secret_value()))
    try:
        return await seed(database, config.security, plan)
    finally:
        await database.aclose()


def main(arguments: list[str]) -> int:
    """Read FILE, make what it describes, write the result; return the exit status: 2 for a FILE that says nothing usable."""
    parser = argparse.ArgumentParser(prog="python -m server.seed", description="Make organizations, people and tokens.")
    parser.add_argument("--file", required=True, help="the description as JSON; - reads standard input")
    source = parser.parse_args(arguments).file
    log.configure()
    try:
        text = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        made = asyncio.run(_run(Plan.model_validate_json(text), settings()))
    except (OSError, ValueError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    except Problems as many:
        sys.stderr.write("".join(f"{'.'.join(one.path)}: {one.message}\n" for one in many.problems))
        return 1
    except DomainError as one:
        sys.stderr.write(f"{'.'.join(one.path)}: {one.message}\n")
        return 1
    except Unavailable as outage:
        sys.stderr.write(f"{outage}\n")
        return 1
    sys.stdout.buffer.write(orjson.dumps(made, option=orjson.OPT_INDENT_2) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
