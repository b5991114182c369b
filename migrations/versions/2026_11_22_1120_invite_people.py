"""Invite people: invitations and conflict walls.

Why: people come in by an e-mail link; competing clients share no staff.
Deploy order: before the processes that use it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.walls import headquarters_wall, unit_wall

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    _add_invitations()
    _add_conflicts()
    _add_exceptions()
    unit_wall("invitation")
    for table in ("unit_conflict", "conflict_exception", "conflict_exception_grant"):
        headquarters_wall(table)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    for table in ("conflict_exception_grant", "conflict_exception", "unit_conflict", "invitation"):
        op.drop_table(table)


def _add_invitations() -> None:
    op.create_table(
        "invitation",
        *_row_head(),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "OWNER",
                "ADMIN",
                "MANAGER",
                "OPERATOR",
                "APPROVER",
                "ANALYST",
                name="role",
                native_enum=False,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("custom_role_id", sa.Uuid(), nullable=True),
        sa.Column("invited_by", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=True),
        sa.Column("mails", sa.Integer(), nullable=False),
        *(_moment(name) for name in ("mailed_at", "bounced_at")),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        _moment("accepted_at"),
        sa.Column("member_id", sa.Uuid(), nullable=True),
        _moment("revoked_at"),
        _created_at(),
        _reference("invitation", "unit_id", "unit"),
        _reference("invitation", "custom_role_id", "custom_role"),
        _reference("invitation", "invited_by", "member"),
        _reference("invitation", "member_id", "member"),
        sa.CheckConstraint("(role IS NULL) <> (custom_role_id IS NULL)", name=op.f("invitation_one_role_check")),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("invitation_pkey")),
        sa.UniqueConstraint("organization_id", "token_hash", name=op.f("invitation_organization_id_token_hash_key")),
    )
    op.create_index("invitation_unit_idx", "invitation", ["organization_id", "unit_id", "id"])
    op.create_index("invitation_inviter_idx", "invitation", ["organization_id", "invited_by", "created_at"])


def _add_conflicts() -> None:
    op.create_table(
        "unit_conflict",
        *_row_head(),
        sa.Column("first_unit_id", sa.Uuid(), nullable=False),
        sa.Column("second_unit_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("flagged_by", sa.String(), nullable=False),
        _moment("lifted_at"),
        _created_at(),
        _reference("unit_conflict", "first_unit_id", "unit"),
        _reference("unit_conflict", "second_unit_id", "unit"),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("unit_conflict_pkey")),
    )
    op.create_index(
        "unit_conflict_open_key",
        "unit_conflict",
        ["organization_id", "first_unit_id", "second_unit_id"],
        unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
    )


def _add_exceptions() -> None:
    op.create_table(
        "conflict_exception",
        *_row_head(),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("first_unit_id", sa.Uuid(), nullable=False),
        sa.Column("second_unit_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        *(_moment(name) for name in ("granted_at", "withdrawn_at")),
        _created_at(),
        _reference("conflict_exception", "member_id", "member"),
        _reference("conflict_exception", "first_unit_id", "unit"),
        _reference("conflict_exception", "second_unit_id", "unit"),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("conflict_exception_pkey")),
    )
    op.create_index(
        "conflict_exception_open_key",
        "conflict_exception",
        ["organization_id", "member_id", "first_unit_id", "second_unit_id"],
        unique=True,
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )
    op.create_table(
        "conflict_exception_grant",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("exception_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        _created_at(),
        _reference("conflict_exception_grant", "exception_id", "conflict_exception"),
        _reference("conflict_exception_grant", "member_id", "member"),
        sa.PrimaryKeyConstraint(
            "organization_id", "exception_id", "member_id", name=op.f("conflict_exception_grant_pkey")
        ),
    )


def _row_head() -> tuple[sa.Column[object], sa.Column[object]]:
    return (
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
    )


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def _created_at() -> sa.Column[object]:
    return sa.Column(
        "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
    )


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id", column],
        [f"{target}.organization_id", f"{target}.id"],
        name=op.f(f"{table}_organization_id_{column}_fkey"),
    )
