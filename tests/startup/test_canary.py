"""The ring is tried on what is sealed before a canary is kept, and a key may leave when nothing needs it any more."""

from __future__ import annotations

from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import LargeBinary

from server.config import Settings
from server.kit.crypto import KeyRing
from server.kit.ids import new_id
from server.models import metadata
from server.startup import service
from server.startup.problems import told
from server.startup.sealed import SealedKind, sealed_kinds
from tests.startup.commands import ring

Superuser = psycopg.Connection[tuple[object, ...]]

NOT_SEALED = ("hash", "digest", "fingerprint", "sha256")
OPEN = {
    "user_passkey.credential_id": "a public name of a key",
    "user_passkey.public_key": "public",
    "stray_event.body": "what a platform posted",
    "message_media.content": "a file of a message",
    "stored_file_part.content": "a part of a file",
    "rate_bucket.key": "a keyed hash",
    "start_canary.value": "tried by itself",
}


def with_keys(settings: Settings, keys: str) -> Settings:
    settings.security = settings.security.model_copy(update={"keys": SecretStr(keys)})
    return settings


def seal_a_secret(superuser: Superuser, keys: str) -> None:
    """Give a person an authenticator app, sealed with the first key of a ring."""
    person = new_id()
    superuser.execute(
        "INSERT INTO user_account (id, email, name) VALUES (%s, %s, 'Ada')", (person, f"{person}@example.test")
    )
    sealed = KeyRing.parse(keys).seal("secret", f"user_totp|secret|{person}")
    superuser.execute("INSERT INTO user_totp (user_id, secret) VALUES (%s, %s)", (person, sealed))


def keys_told(settings: Settings) -> str:
    return told(one for one in service.check(settings, metadata) if one.part == "keys")


def test_every_column_of_bytes_is_sealed_or_known_to_hold_no_secret() -> None:
    sealed = {f"{kind.table}.{kind.column}" for kind in sealed_kinds(metadata)}
    columns = {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary) and not column.name.endswith(NOT_SEALED)
    }

    assert columns - sealed == OPEN.keys()


def test_a_database_without_a_canary_keeps_one_only_when_its_sealed_values_open(
    own_settings: Settings, superuser: Superuser
) -> None:
    seal_a_secret(superuser, ring("k1", 5))

    refused = keys_told(own_settings)
    kept = superuser.execute("SELECT name FROM start_canary WHERE name LIKE 'key:%'").fetchall()

    assert "does not open what is sealed in user_totp.secret" in refused
    assert kept == []
    assert keys_told(with_keys(own_settings, ring("k1", 5))) == ""
    assert superuser.execute("SELECT name FROM start_canary ORDER BY 1").fetchall() == [("key:k1",), ("pepper",)]


def test_a_key_leaves_the_ring_when_nothing_is_sealed_with_it(own_settings: Settings, superuser: Superuser) -> None:
    old, new = ring("k1"), ring("k2", 2)
    assert keys_told(own_settings) == ""
    assert keys_told(with_keys(own_settings, f"{new},{old}")) == ""
    seal_a_secret(superuser, old)

    too_early = keys_told(with_keys(own_settings, new))
    superuser.execute("DELETE FROM user_totp")
    in_time = keys_told(own_settings)

    assert "The key k1 is not in SWITCHBOARD_KEYS, but sealed what is in user_totp.secret" in too_early
    assert in_time == ""
    assert superuser.execute("SELECT name FROM start_canary WHERE name LIKE 'key:%'").fetchall() == [("key:k2",)]


@pytest.mark.parametrize("kind", sealed_kinds(metadata), ids=lambda kind: f"{kind.table}.{kind.column}")
def test_one_value_of_every_kind_is_opened_before_a_canary_is_kept(
    kind: SealedKind, own_settings: Settings, superuser: Superuser
) -> None:
    organization_id = new_id()
    superuser.execute(
        "INSERT INTO organization (organization_id, name, kind) VALUES (%s, 'A', 'AGENCY')", (organization_id,)
    )
    seal_into(superuser, kind, organization_id, ring("k1", 5))

    refused = keys_told(own_settings)

    assert f"does not open what is sealed in {kind.table}.{kind.column}" in refused
    assert keys_told(with_keys(own_settings, ring("k1", 5))) == ""


def seal_into(superuser: Superuser, kind: SealedKind, organization_id: UUID, keys: str) -> None:
    """Write a row whose every sealed value is sealed with the first key of a ring, and whose other values are anything."""
    values: dict[str, object] = {
        str(name): organization_id if name == "organization_id" else _any_of(str(type_))
        for name, type_ in superuser.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
            " AND table_name = %s AND is_nullable = 'NO' AND column_default IS NULL",
            (kind.table,),
        )
    }
    for own in sealed_kinds(metadata):
        if own.table == kind.table and (own == kind or own.column in values):
            values[own.column] = KeyRing.parse(keys).seal("secret", own.identity.format(**values))
    superuser.execute("SET session_replication_role = replica")  # rows that are named need not exist
    superuser.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(kind.table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
        ),
        list(values.values()),
    )


def _any_of(type_: str) -> object:
    made: dict[str, object] = {
        "uuid": new_id(),
        "boolean": False,
        "jsonb": "[]",
        "timestamp with time zone": "2026-12-01Z",
    }
    return made.get(type_, "1")
