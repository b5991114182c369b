"""The real commands of production, each fault of an operator's day, and what they say (cases O1, O2, O6).

The embedded server is below the floor of versions and refused for it, always: a fault is seen beside that refusal.
"""

from __future__ import annotations

import psycopg
import pytest

from server.config import Settings
from server.models import metadata
from server.startup import service
from server.startup.problems import Part, told
from switchboard.postgres import Server
from tests.startup.commands import FLOOR, commands, production, ring, run, run_module

WRONG_PASSWORD = "postgresql://switchboard_system:no@/{name}?host={host}"
SEEN = "GRANT SELECT ON leak TO switchboard_app"
SEEN_MORE = "GRANT USAGE ON SCHEMA more TO switchboard_app; GRANT SELECT ON more.leak TO switchboard_app"
ANEW = "CREATE OR REPLACE FUNCTION"
OTHER = "nullif(current_setting('app.other', true), '')::uuid"
LIVES = "RETURNS boolean STABLE RETURN true"
NOTHING = "RETURNS void LANGUAGE sql"
DEFINED = "SECURITY DEFINER AS 'SELECT'"
Superuser = psycopg.Connection[tuple[object, ...]]


@pytest.mark.parametrize("name", list(commands()))
def test_every_process_refuses_all_that_is_wrong_at_once(name: str, postgres: Server, own_name: str) -> None:
    environment = production(
        postgres,
        own_name,
        OWNER_DATABASE_URL=postgres.superuser_url(own_name),
        DATABASE_URL=postgres.superuser_url(own_name),
        SWITCHBOARD_PUBLIC_URL="http://switchboard.example.com",
        SWITCHBOARD_PEPPER="a" * 40,
        SMTP_HOST=None,
        BROKER_URL="kafka://127.0.0.1",
        OIDC_PROVIDERS="{not json",
        MESSENGER_GRAPH_URL="http://graph.facebook.com",
        SWITCHBOARD_ALLOWED_ORIGINS="*",
    )

    ended = run(name, environment)

    parts = {problem.partition(":")[0] for problem in ended.problems}
    assert ended.status not in {0, None}
    assert parts >= {"settings", "address", "origins", "platforms", "pepper", "mail", "broker", "role", "version"}
    assert "Traceback" not in ended.text
    assert "is a superuser" in ended.text
    assert "a" * 40 not in ended.text


def test_a_healthy_production_has_nothing_but_the_version_against_it(postgres: Server, own_name: str) -> None:
    ended = run("bell", production(postgres, own_name))

    assert [problem[: len(FLOOR)] for problem in ended.problems] == [FLOOR]


def test_a_dead_broker_or_mail_host_keeps_nobody_from_starting(postgres: Server, own_name: str) -> None:
    environment = production(
        postgres, own_name, BROKER_URL="redis://127.0.0.1:1/0", SMTP_HOST="127.0.0.1", SMTP_PORT="1"
    )

    bell = run("bell", environment)
    doctor = run_module(("-m", "switchboard.cli", "doctor"), environment)

    assert bell.other_problems == []
    assert "warn    now/broker: unavailable" in doctor.text
    assert "warn    now/mail: unavailable" in doctor.text


@pytest.mark.parametrize(
    ("_case", "fault", "said"),
    [
        ("row security off", "ALTER TABLE page DISABLE ROW LEVEL SECURITY", "page (row-level security is off"),
        ("owner free", "ALTER TABLE page NO FORCE ROW LEVEL SECURITY", "page (row-level security does not bind"),
        ("a second policy", "CREATE POLICY more ON page USING (true)", "policy more lets more or other rows pass"),
        ("another policy", "ALTER POLICY tenant ON page USING (true)", "policy tenant is not as declared"),
        ("a right too many", "GRANT TRUNCATE ON page TO switchboard_app", "switchboard_app has TRUNCATE"),
        ("a right of all", "GRANT SELECT ON page TO PUBLIC", "PUBLIC has SELECT"),
        ("a right too few", "REVOKE INSERT ON page FROM switchboard_app", "switchboard_app lacks INSERT"),
        ("an owner", "ALTER TABLE page OWNER TO switchboard_app", "owns page"),
        ("a superuser's table", "ALTER TABLE page OWNER TO postgres", "no wall binds the owner"),
        ("no such table", "DROP TABLE write_probe", "write_probe (it is missing)"),
        ("an older revision", "UPDATE alembic_version SET version_num = '0001'", "is at revision 0001"),
        ("a newer revision", "UPDATE alembic_version SET version_num = 'later'", "which this code does not know"),
        ("no migrations", "DROP TABLE alembic_version", "is not migrated"),
        ("no rights", "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM switchboard_system", "is not migrated"),
        ("a view", f"CREATE VIEW leak AS TABLE page; {SEEN}", "before: the view leak"),
        ("a copy", f"CREATE MATERIALIZED VIEW leak AS TABLE page; {SEEN}", "before: the view leak"),
        ("a table", f"CREATE TABLE leak AS TABLE page; {SEEN}", "before: the table leak"),
        ("a column", "CREATE TABLE leak AS TABLE page; GRANT SELECT (id) ON leak TO PUBLIC", "before: the table leak"),
        ("revisions", "GRANT SELECT ON alembic_version TO switchboard_app", "before: the table alembic_version"),
        ("elsewhere", f"CREATE SCHEMA more; CREATE VIEW more.leak AS TABLE page; {SEEN_MORE}", "the view more.leak"),
        ("all units", f"{ANEW} ctx.all_units() RETURNS boolean STABLE RETURN true", "ctx.all_units() is not as"),
        ("a setting", f"{ANEW} ctx.organization() RETURNS uuid STABLE RETURN {OTHER}", "ctx.organization() is not as"),
        (
            "every token",
            f"{ANEW} ctx.line_lives(organization uuid, parent uuid) {LIVES}",
            "ctx.line_lives(uuid,uuid) is",
        ),
        ("whose", "ALTER FUNCTION ctx.units() OWNER TO postgres", "ctx.units() is not as declared"),
        (
            "a route",
            f"{ANEW} release_page_route(p_channel text, p_external_id text) {NOTHING} {DEFINED}",
            "release_page_route(text,text) is not as",
        ),
        ("a definer", f"{ANEW} peek() {NOTHING} {DEFINED}", "may call peek(), which no migration made"),
        ("takes no write", "ALTER DATABASE {name} SET default_transaction_read_only = on", "takes no write"),
    ],
)
def test_a_database_that_leaks_or_does_not_fit_is_refused(
    _case: str, fault: str, said: str, own_settings: Settings, own_name: str, superuser: Superuser
) -> None:
    superuser.execute(fault.format(name=own_name).encode())

    problems = service.check(own_settings, metadata)

    assert said in told(problems)


@pytest.mark.parametrize(
    ("_case", "change"),
    [
        (
            "a view that asks the walls",
            f"CREATE VIEW seen WITH (security_invoker) AS TABLE page; {SEEN.replace('leak', 'seen')}",
        ),
        ("a table of nobody", "CREATE TABLE notes (id int)"),
        (
            "a table in a schema that is closed",
            "CREATE SCHEMA shut; CREATE TABLE shut.t (); GRANT SELECT ON shut.t TO PUBLIC",
        ),
        ("a role's search path", "ALTER ROLE switchboard_system IN DATABASE {name} SET search_path = ctx"),
    ],
)
def test_what_opens_no_wall_is_not_refused(
    _case: str, change: str, own_settings: Settings, own_name: str, superuser: Superuser
) -> None:
    superuser.execute(change.format(name=own_name).encode())

    assert [problem for problem in service.check(own_settings, metadata) if problem.part is not Part.VERSION] == []


def test_an_empty_database_is_refused(postgres: Server, own_name: str, superuser: Superuser) -> None:
    superuser.execute("DROP SCHEMA public CASCADE")
    superuser.execute("CREATE SCHEMA public")

    ended = run("worker", production(postgres, own_name))

    assert [problem.partition(":")[0] for problem in ended.other_problems] == ["revision"]
    assert "switchboard migrate" in ended.text


@pytest.mark.parametrize(
    ("_case", "changes", "said"),
    [
        ("another ring", {"SWITCHBOARD_KEYS": ring("k9", 9)}, "was ever used with this database; its keys are k1"),
        ("another key of the name", {"SWITCHBOARD_KEYS": ring("k1", 9)}, "The key k1 of SWITCHBOARD_KEYS is not the key"),
        ("another pepper", {"SWITCHBOARD_PEPPER": "0f8Zr-another-pepper-altogether-Wq21x"}, "is not the one that this"),
        ("a setting missing", {"SWITCHBOARD_PEPPER": None}, "SWITCHBOARD_PEPPER: Field required"),
        ("a wrong password", {"SYSTEM_DATABASE_URL": WRONG_PASSWORD}, "cannot be asked"),
    ],
)  # fmt: skip
def test_secrets_that_are_not_the_databases_are_refused(
    _case: str, changes: dict[str, str | None], said: str, postgres: Server, own_name: str
) -> None:
    run("bell", production(postgres, own_name))  # keeps the canaries of the right ring and pepper
    fit = {
        name: value and value.replace("{name}", own_name).replace("{host}", str(postgres.socket_dir))
        for name, value in changes.items()
    }

    ended = run("bell", production(postgres, own_name, **fit))

    assert ended.status == 1
    assert said in ended.text
    assert "Traceback" not in ended.text


@pytest.mark.parametrize("environment", ["production", "development"])
def test_providers_that_are_not_json_end_the_start_with_a_cure(
    environment: str, postgres: Server, own_name: str
) -> None:
    given = production(postgres, own_name, OIDC_PROVIDERS="{not json", SWITCHBOARD_ENV=environment)

    api = run("api", given)
    doctor = run_module(("-m", "switchboard.cli", "doctor"), given)

    assert (api.status, "settings: OIDC_PROVIDERS cannot be used" in api.text) == (1, True)
    assert "Traceback" not in api.text
    assert (doctor.status, "refuse  settings: OIDC_PROVIDERS cannot be used" in doctor.text) == (1, True)


def test_a_changed_pepper_is_taken_when_somebody_says_that_it_was_meant(postgres: Server, own_name: str) -> None:
    run("bell", production(postgres, own_name))
    changed = production(postgres, own_name, SWITCHBOARD_PEPPER="0f8Zr-another-pepper-altogether-Wq21x")

    doctor = run_module(("-m", "switchboard.cli", "doctor", "--new-pepper"), changed)

    assert "ok      pepper" in doctor.text
    assert run("bell", changed).other_problems == []


def test_the_doctor_says_every_part_and_ends_with_1_when_something_refuses(postgres: Server, own_name: str) -> None:
    refused = run_module(("-m", "switchboard.cli", "doctor"), production(postgres, own_name, SMTP_HOST=None))
    warned = run_module(
        ("-m", "switchboard.cli", "doctor"), production(postgres, own_name, SWITCHBOARD_ENV="development")
    )

    assert refused.status == 1
    assert "refuse  mail: SMTP_HOST is empty" in refused.text
    assert {"ok      role", "ok      walls", "ok      keys", "ok      broker"} <= set(refused.text.splitlines())
    assert "warn    now/bell: missing" in refused.text
    assert (warned.status, "warn    version: PostgreSQL" in warned.text) == (0, True)
