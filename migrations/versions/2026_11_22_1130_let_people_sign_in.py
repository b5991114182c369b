"""Let people sign in: accounts, second factors, sessions and throttles.

Why: access tokens were the only way in.
Deploy order: before the processes that use it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import system_rights, system_wall

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ALL = "SELECT, INSERT, UPDATE, DELETE"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    _add_accounts()
    _add_sessions()
    _add_tickets()
    _add_mail()
    _add_buckets()
    _bind_tokens_to_sessions()
    system_wall("user_account")
    system_rights("user_account", "SELECT, INSERT, UPDATE")
    for table in ("user_session", "sign_in_ticket", "user_mail", "rate_bucket"):
        system_wall(table)
        system_rights(table, _ALL)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.drop_index("access_token_session_idx", "access_token")
    op.drop_column("access_token", "idle_s")
    op.drop_column("access_token", "session_id")
    for table in ("rate_bucket", "user_mail", "sign_in_ticket", "user_session", "user_account"):
        op.drop_table(table)


def _add_accounts() -> None:
    op.create_table(
        "user_account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("password_changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("email_verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        _now("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("user_account_pkey")),
        sa.UniqueConstraint("email", name=op.f("user_account_email_key")),
    )


def _add_sessions() -> None:
    op.create_table(
        "user_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("methods", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("network_hash", sa.LargeBinary(), nullable=True),
        _now("created_at"),
        _now("last_seen_at"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        _of_person("user_session"),
        sa.PrimaryKeyConstraint("id", name=op.f("user_session_pkey")),
        sa.UniqueConstraint("token_hash", name=op.f("user_session_token_hash_key")),
    )
    op.create_index("user_session_person_idx", "user_session", ["user_id", "id"])


def _add_tickets() -> None:
    op.create_table(
        "sign_in_ticket",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("SECOND_FACTOR", "RESET", "VERIFY", name="ticketkind", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("methods", postgresql.JSONB(none_as_null=True), server_default="[]", nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        _now("created_at"),
        _of_person("sign_in_ticket"),
        sa.PrimaryKeyConstraint("id", name=op.f("sign_in_ticket_pkey")),
        sa.UniqueConstraint("token_hash", name=op.f("sign_in_ticket_token_hash_key")),
    )
    op.create_index("sign_in_ticket_person_idx", "sign_in_ticket", ["user_id", "kind"])


def _add_mail() -> None:
    op.create_table(
        "user_mail",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum("PASSWORD_RESET", "PASSWORD_CHANGED", name="mailpurpose", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum("OWED", "SENT", "GIVEN_UP", name="mailstate", native_enum=False, length=40),
            server_default="OWED",
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        _now("not_before"),
        _now("created_at"),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        _of_person("user_mail"),
        sa.PrimaryKeyConstraint("id", name=op.f("user_mail_pkey")),
    )
    op.create_index("user_mail_due_idx", "user_mail", ["not_before"], postgresql_where=sa.text("state = 'OWED'"))


def _add_buckets() -> None:
    op.create_table(
        "rate_bucket",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("level", sa.Double(), nullable=False),
        sa.Column("per_s", sa.Double(), nullable=False),
        sa.Column("capacity", sa.Double(), nullable=False),
        sa.Column("filled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_granted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("rate_bucket_pkey")),
    )


def _bind_tokens_to_sessions() -> None:
    op.add_column("access_token", sa.Column("session_id", sa.Uuid(), nullable=True))
    op.add_column("access_token", sa.Column("idle_s", sa.Integer(), nullable=True))
    op.create_index(
        "access_token_session_idx",
        "access_token",
        ["organization_id", "session_id"],
        postgresql_where=sa.text("session_id IS NOT NULL"),
    )


def _of_person(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f(f"{table}_user_id_fkey"))


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False)
