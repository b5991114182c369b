"""Authorize apps: registered clients, grants, codes, refresh tokens and devices.

Why: front ends of third parties need tokens of their users.
Deploy order: before the processes that use it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import headquarters_wall, own_wall

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    _add_apps()
    _add_grants()
    _add_credentials()
    for name, target in (("app_id", "oauth_app"), ("grant_id", "oauth_grant")):
        op.add_column("access_token", sa.Column(name, sa.Uuid(), nullable=True))
        op.create_foreign_key(
            f"access_token_organization_id_{name}_fkey",
            "access_token",
            target,
            ["organization_id", name],
            ["organization_id", "id"],
        )
    own_wall("oauth_app")
    own_wall("oauth_grant")
    for table in ("oauth_code", "oauth_refresh_token", "oauth_device"):
        headquarters_wall(table)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.execute("DELETE FROM access_token WHERE kind = 'OAUTH'")
    for name in ("grant_id", "app_id"):
        op.drop_constraint(f"access_token_organization_id_{name}_fkey", "access_token")
        op.drop_column("access_token", name)
    for table in ("oauth_device", "oauth_refresh_token", "oauth_code", "oauth_grant", "oauth_app"):
        op.drop_table(table)


def _add_apps() -> None:
    op.create_table(
        "oauth_app",
        *_row_head(),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "kind", sa.Enum("PUBLIC", "CONFIDENTIAL", name="appkind", native_enum=False, length=40), nullable=False
        ),
        sa.Column("member_id", sa.Uuid(), nullable=True),
        sa.Column("unit_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("permissions", postgresql.JSONB(), nullable=False),
        sa.Column("redirect_uris", postgresql.JSONB(), nullable=False),
        sa.Column("grant_types", postgresql.JSONB(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=True),
        sa.Column("former_secret_hash", sa.LargeBinary(), nullable=True),
        sa.Column("former_secret_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        _created_at(),
        _refers("oauth_app", "member_id", "member"),
        sa.CheckConstraint("cardinality(unit_ids) > 0", name=op.f("oauth_app_some_units_check")),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("oauth_app_pkey")),
    )


def _add_grants() -> None:
    op.create_table(
        "oauth_grant",
        *_row_head(),
        sa.Column("app_id", sa.Uuid(), nullable=False),
        sa.Column("app_name", sa.String(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("unit_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("permissions", postgresql.JSONB(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        _created_at(),
        _refers("oauth_grant", "app_id", "oauth_app"),
        _refers("oauth_grant", "member_id", "member"),
        sa.CheckConstraint("cardinality(unit_ids) > 0", name=op.f("oauth_grant_some_units_check")),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("oauth_grant_pkey")),
    )
    op.create_index("oauth_grant_person_idx", "oauth_grant", ["organization_id", "member_id", "id"])


def _add_credentials() -> None:
    op.create_table(
        "oauth_code",
        *_row_head(),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("redirect_uri", sa.String(), nullable=False),
        sa.Column("code_challenge", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        _created_at(),
        _refers("oauth_code", "grant_id", "oauth_grant"),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("oauth_code_pkey")),
        sa.UniqueConstraint("organization_id", "code_hash", name=op.f("oauth_code_organization_id_code_hash_key")),
    )
    op.create_table(
        "oauth_refresh_token",
        *_row_head(),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replaced_by", sa.Uuid(), nullable=True),
        _created_at(),
        _refers("oauth_refresh_token", "grant_id", "oauth_grant"),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("oauth_refresh_token_pkey")),
        sa.UniqueConstraint(
            "organization_id", "token_hash", name=op.f("oauth_refresh_token_organization_id_token_hash_key")
        ),
    )
    op.create_table(
        "oauth_device",
        *_row_head(),
        sa.Column("app_id", sa.Uuid(), nullable=False),
        sa.Column("device_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("permissions", postgresql.JSONB(), nullable=False),
        sa.Column("interval_s", sa.Integer(), nullable=False),
        sa.Column("polled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("grant_id", sa.Uuid(), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        _created_at(),
        _refers("oauth_device", "app_id", "oauth_app"),
        _refers("oauth_device", "grant_id", "oauth_grant"),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("oauth_device_pkey")),
        sa.UniqueConstraint(
            "organization_id", "device_hash", name=op.f("oauth_device_organization_id_device_hash_key")
        ),
        sa.UniqueConstraint(
            "organization_id", "user_code_hash", name=op.f("oauth_device_organization_id_user_code_hash_key")
        ),
    )


def _row_head() -> tuple[sa.Column[object], sa.Column[object]]:
    return (
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
    )


def _created_at() -> sa.Column[object]:
    return sa.Column(
        "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
    )


def _refers(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id", column],
        [f"{target}.organization_id", f"{target}.id"],
        name=op.f(f"{table}_organization_id_{column}_fkey"),
    )
