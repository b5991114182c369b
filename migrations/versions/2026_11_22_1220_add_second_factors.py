"""Add second factors: TOTP, recovery codes, passkeys, and identities that other providers vouch for.

Why: a password alone was enough to sign in.
Deploy order: before the processes that use it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import system_rights, system_wall

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TABLES = ("user_totp", "user_recovery_code", "user_passkey", "user_identity", "sign_in_challenge")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    _add_totp()
    _add_recovery_codes()
    _add_passkeys()
    _add_identities()
    _add_challenges()
    op.add_column("sign_in_ticket", sa.Column("attempts", sa.Integer(), server_default="0", nullable=False))
    for table in _TABLES:
        system_wall(table)
        system_rights(table, "SELECT, INSERT, UPDATE, DELETE")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.drop_column("sign_in_ticket", "attempts")
    for table in reversed(_TABLES):
        op.drop_table(table)


def _add_totp() -> None:
    op.create_table(
        "user_totp",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=True),
        _now("created_at"),
        _of_person("user_totp"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("user_totp_pkey")),
    )


def _add_recovery_codes() -> None:
    op.create_table(
        "user_recovery_code",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        _now("created_at"),
        _of_person("user_recovery_code"),
        sa.PrimaryKeyConstraint("id", name=op.f("user_recovery_code_pkey")),
        sa.UniqueConstraint("user_id", "code_hash", name=op.f("user_recovery_code_user_id_code_hash_key")),
    )


def _add_passkeys() -> None:
    op.create_table(
        "user_passkey",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("transports", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        _now("created_at"),
        _of_person("user_passkey"),
        sa.PrimaryKeyConstraint("id", name=op.f("user_passkey_pkey")),
        sa.UniqueConstraint("credential_id", name=op.f("user_passkey_credential_id_key")),
    )
    op.create_index("user_passkey_person_idx", "user_passkey", ["user_id", "id"])


def _add_identities() -> None:
    op.create_table(
        "user_identity",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        _now("created_at"),
        _of_person("user_identity"),
        sa.PrimaryKeyConstraint("id", name=op.f("user_identity_pkey")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("user_identity_issuer_subject_key")),
    )
    op.create_index("user_identity_person_idx", "user_identity", ["user_id"])


def _add_challenges() -> None:
    op.create_table(
        "sign_in_challenge",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "PASSKEY_REGISTER",
                "PASSKEY_SIGN_IN",
                "OIDC",
                "OIDC_LINK",
                name="challengekind",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("browser_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("issuer", sa.String(), nullable=True),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        _now("created_at"),
        _of_person("sign_in_challenge"),
        sa.PrimaryKeyConstraint("id", name=op.f("sign_in_challenge_pkey")),
        sa.UniqueConstraint("token_hash", name=op.f("sign_in_challenge_token_hash_key")),
    )
    op.create_index("sign_in_challenge_expiry_idx", "sign_in_challenge", ["expires_at"])


def _of_person(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f(f"{table}_user_id_fkey"))


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False)
