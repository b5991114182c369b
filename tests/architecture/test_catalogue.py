"""The walls as PostgreSQL has them: what the migrations built is what the models declare, for every table there is."""

from __future__ import annotations

import pytest

from migrations.ground import APP, OWNER, SYSTEM
from server.kit.db import Wall
from server.startup import repository
from server.startup.functions import expected_functions
from server.startup.walls import Grant, expected_grants, expected_policies
from tests.architecture import catalogue
from tests.architecture.catalogue import Connection

TABLES = sorted(catalogue.tables())

WITHOUT_ORGANIZATION = {
    "page_route": "finds the organization by the platform's page id",
    "dev_mail": "what a development machine would have sent, to people of any organization",
    "quota_use": "calls to a platform, counted for a page or an app that all organizations share",
    "platform_request": "a platform's callback about a person who may serve several organizations; it names none",
    "rate_bucket": "what is counted may have no organization, such as a sign-in that names nobody",
    "sign_in_challenge": "what a browser brings back before anybody is known",
    "sign_in_ticket": "a step of a person on the way to a session",
    "user_account": "one person, who may work for several organizations",
    "user_identity": "a person as an OpenID provider knows them, for all of their organizations",
    "user_passkey": "a key of a person, for all of their organizations",
    "user_recovery_code": "a code of a person, for all of their organizations",
    "user_totp": "the authenticator app of a person, for all of their organizations",
    "user_mail": "mail to a person, who may work for several organizations",
    "user_session": "one sign-in of a person, for all of their organizations",
    "start_canary": "the key ring and the pepper serve every organization",
    "write_probe": "asks whether the server takes a write, for nobody in particular",
    "stray_event": "belongs to no organization that could be named",
}
NOT_OURS = {"alembic_version"}

DEFINERS = {"claim_page_route(text,text,uuid)", "release_page_route(text,text)"}


def test_the_database_has_exactly_the_tables_that_the_models_declare(owner: Connection) -> None:
    found = catalogue.column_of(
        owner, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    )

    assert set(found) == set(TABLES) | NOT_OURS


@pytest.mark.parametrize("table", TABLES)
def test_row_level_security_is_on_and_binds_the_owner_too(owner: Connection, table: str) -> None:
    row = owner.execute(
        "SELECT relrowsecurity, relforcerowsecurity, pg_get_userbyid(relowner) FROM pg_class WHERE oid = %s::regclass",
        (f"public.{table}",),
    ).fetchone()

    assert row == (True, True, OWNER)


@pytest.mark.parametrize("table", TABLES)
def test_the_policies_are_those_of_the_declared_wall_and_no_others(owner: Connection, table: str) -> None:
    assert catalogue.policies(owner, table) == expected_policies(catalogue.tables()[table], OWNER)


@pytest.mark.parametrize("table", TABLES)
def test_our_roles_have_the_declared_rights_and_nobody_else_has_any(owner: Connection, table: str) -> None:
    assert catalogue.grants(owner, table) == expected_grants(catalogue.tables()[table])


def test_only_the_system_role_may_read_which_migrations_are_applied(owner: Connection) -> None:
    assert catalogue.grants(owner, "alembic_version") == {Grant(SYSTEM, "SELECT")}


def test_every_tenant_table_has_an_organization_that_cannot_be_missing() -> None:
    lacking = [
        name
        for name, table in catalogue.tables().items()
        if name not in WITHOUT_ORGANIZATION
        if "organization_id" not in table.columns or table.columns["organization_id"].nullable
    ]

    assert lacking == []


def test_every_table_with_a_unit_wall_has_the_unit_that_the_wall_asks_for() -> None:
    lacking = [
        name
        for name, table in catalogue.tables().items()
        if table.info["wall"] in {Wall.UNIT, Wall.LINEAGE} and name != "unit" and "unit_id" not in table.columns
    ]

    assert lacking == []


def test_a_table_with_a_unit_has_a_wall_that_reads_it() -> None:
    walls = {name: table.info["wall"] for name, table in catalogue.tables().items() if "unit_id" in table.columns}

    assert {name for name, wall in walls.items() if wall is Wall.ORGANIZATION} == set()


def test_every_key_starts_with_the_organization(owner: Connection) -> None:
    rows = owner.execute(
        """
        SELECT c.conrelid::regclass::text, c.conname, a.attname, f.attname FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        LEFT JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = c.confkey[1]
        WHERE c.connamespace = 'public'::regnamespace AND c.contype IN ('p', 'u', 'f', 'x')
        """
    ).fetchall()
    strangers = {
        f"{table}.{name}"
        for table, name, first, referenced in rows
        if table not in NOT_OURS | WITHOUT_ORGANIZATION.keys()
        if first != "organization_id" or referenced not in {None, "organization_id"}
    }

    assert len(rows) > len(TABLES)
    assert strangers == set()


def test_every_unique_index_starts_with_the_organization(owner: Connection) -> None:
    strangers = catalogue.column_of(
        owner,
        """
        SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
        LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique AND c.relname <> ALL (%(exceptions)s)
          AND a.attname IS DISTINCT FROM 'organization_id'
        """,
        exceptions=[*NOT_OURS, *WITHOUT_ORGANIZATION],
    )

    assert strangers == []


@pytest.mark.parametrize("role", [APP, SYSTEM])
def test_a_role_of_ours_has_no_power_besides_its_grants(owner: Connection, role: str) -> None:
    row = owner.execute(
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles WHERE rolname = %s",
        (role,),
    ).fetchone()
    member_of = catalogue.column_of(
        owner, "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %(role)s::regrole", role=role
    )
    owned = catalogue.column_of(
        owner,
        "SELECT classid::regclass || ' ' || objid FROM pg_shdepend"
        " WHERE refobjid = %(role)s::regrole AND refclassid = 'pg_authid'::regclass AND deptype = 'o'",
        role=role,
    )
    creates = catalogue.column_of(
        owner,
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND has_schema_privilege(%(role)s, oid, 'CREATE')",
        role=role,
    )
    in_database = owner.execute(
        "SELECT has_database_privilege(%(role)s, current_database(), 'CREATE'),"
        " has_database_privilege(%(role)s, current_database(), 'TEMPORARY')",
        {"role": role},
    ).fetchone()

    assert row == (False, False, False, False, False)
    assert (member_of, owned, creates, in_database) == ([], [], [], (False, False))


def test_the_owner_of_the_tables_cannot_look_over_the_walls_either(owner: Connection) -> None:
    row = owner.execute("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user").fetchone()

    assert row == (False, False)


def test_the_application_role_does_not_reach_the_broker(owner: Connection) -> None:
    row = owner.execute("SELECT has_schema_privilege(%s, 'dramatiq', 'USAGE')", (APP,)).fetchone()

    assert row == (False,)


def test_nothing_looks_over_a_wall_besides_the_two_declared_functions(owner: Connection) -> None:
    views = catalogue.column_of(
        owner,
        "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('v', 'm', 'f')"
        " AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)'",
    )
    rules_and_triggers = catalogue.column_of(
        owner,
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
        " UNION ALL SELECT rulename FROM pg_rewrite WHERE ev_class::regclass::text !~ '^(pg_|information_schema)'",
    )
    definers = owner.execute(
        "SELECT replace(oid::regprocedure::text, ' ', ''), array_to_string(proconfig, ','), pg_get_userbyid(proowner),"
        " has_function_privilege(%s, oid, 'EXECUTE'), has_function_privilege(%s, oid, 'EXECUTE'),"
        " proacl::text ~ '[{,]='"
        " FROM pg_proc WHERE prosecdef AND pronamespace::regnamespace::text !~ '^(pg_|information_schema)'",
        (APP, SYSTEM),
    ).fetchall()

    assert (views, rules_and_triggers) == ([], [])
    assert {row[0] for row in definers} == DEFINERS
    assert {row[1:] for row in definers} == {('search_path=""', OWNER, True, False, False)}


def test_the_functions_are_those_that_the_start_expects(owner: Connection) -> None:
    assert repository.functions_of(owner) == expected_functions(OWNER)


def test_what_a_policy_calls_is_stable_so_that_an_index_is_used(owner: Connection) -> None:
    rows = owner.execute(
        "SELECT proname, provolatile, proparallel FROM pg_proc WHERE pronamespace = 'ctx'::regnamespace"
    )

    assert {(name, volatility, parallel) for name, volatility, parallel in rows} == {
        (name, "s", "s")
        # The last is called by the statement that resolves a token, not by a policy.
        for name in ("organization", "actor", "all_units", "units", "lineage", "departed", "line_lives")
    }
