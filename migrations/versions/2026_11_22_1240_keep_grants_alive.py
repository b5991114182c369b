"""Keep grants alive: refresh them, watch them, and prove what came in.

Why: tokens of three networks end or rotate, people take rights back at the platform, and webhooks get lost. `connected_account`
holds what a renewal needs and who carries it out now; `page` says since when it ails and whom to ask; `page_sync` says up to
when the messages of a page are complete; `platform_request` remembers what platforms asked us to forget.
Deploy order: before the processes that use it. All columns have a default, so the processes before it go on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import departed_wall, hash_unit_sets, system_rights, system_wall, unit_wall

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_NOW = sa.text("clock_timestamp()")
_CHANNEL = sa.Enum("MESSENGER", "INSTAGRAM", "X", "LINKEDIN", "TIKTOK", name="channel", native_enum=False, length=40)


def _login() -> sa.Column[object]:
    # Whoever is connected so far came through Facebook's dialogue: that is what stands in their rows.
    kind = sa.Enum("DIRECT", "FACEBOOK", name="login", native_enum=False, length=40)
    return sa.Column("login", kind, server_default="FACEBOOK", nullable=False)


def _time(name: str, *, now: bool = False) -> sa.Column[object]:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=_NOW if now else None, nullable=not now
    )


def _flag(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Boolean(), server_default="false", nullable=False)


def _count(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Integer(), server_default="0", nullable=False)


def _columns() -> dict[str, tuple[sa.Column[object], ...]]:
    return {
        "channel_connection": (
            _login(),
            sa.Column("verifier_sealed", sa.LargeBinary(), nullable=True),
        ),
        "connected_account": (
            _login(),
            sa.Column("refresh_token_sealed", sa.LargeBinary(), nullable=True),
            _time("refresh_expires_at"),
            _flag("is_refreshable"),
            _time("health_since", now=True),
            _time("tokens_at", now=True),
            _count("token_version"),
            _flag("was_forced"),
            sa.Column("refresh_lease", sa.Uuid(), nullable=True),
            _time("refresh_lease_until"),
            _flag("was_interrupted"),
            _count("refresh_failures"),
            _time("refresh_not_before"),
            _time("refresh_wanted_at"),
            _time("checked_at"),
        ),
        "page": (
            sa.Column("parent_external_id", sa.String(), nullable=True),
            sa.Column("missing_permissions", postgresql.JSONB(), server_default="[]", nullable=False),
            _time("health_since", now=True),
            _flag("is_ill_by_grant"),
            _time("tokens_at", now=True),
            sa.Column("connected_by", sa.Uuid(), nullable=True),
            _time("subscription_checked_at"),
        ),
    }


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(table, column)
    for table in ("channel_connection", "connected_account"):
        op.alter_column(table, "login", server_default="DIRECT")
    op.execute("GRANT SELECT (id, login) ON connected_account TO switchboard_system")
    _add_page_sync()
    _add_platform_request()
    hash_unit_sets()


def _add_page_sync() -> None:
    op.create_table(
        "page_sync",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        _time("since"),
        _time("complete_until"),
        _time("checked_at"),
        _count("gaps_filled"),
        _time("last_gap_at"),
        sa.Column("note", sa.String(), nullable=True),
        _count("failures"),
        sa.ForeignKeyConstraint(
            ["organization_id", "page_id"],
            ["page.organization_id", "page.id"],
            name=op.f("page_sync_organization_id_page_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "page_id", name=op.f("page_sync_pkey")),
    )
    unit_wall("page_sync")
    departed_wall("page_sync")


def _add_platform_request() -> None:
    op.create_table(
        "platform_request",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel", _CHANNEL, nullable=False),
        sa.Column(
            "kind",
            sa.Enum("DEAUTHORIZE", "DELETION", name="callbackkind", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        _time("done_at"),
        _time("created_at", now=True),
        sa.PrimaryKeyConstraint("id", name=op.f("platform_request_pkey")),
        sa.UniqueConstraint("code_hash", name=op.f("platform_request_code_hash_key")),
    )
    system_wall("platform_request")
    system_rights("platform_request", "SELECT, INSERT, UPDATE")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.drop_table("platform_request")
    op.drop_table("page_sync")
    op.execute("REVOKE SELECT (id, login) ON connected_account FROM switchboard_system")
    for table, columns in _columns().items():
        for column in reversed(columns):
            op.drop_column(table, column.name)
