"""Bind reads to the actor: who acts is told to row-level security, tokens reach several units, roles may be custom.

Why: people, tokens and the trail were visible to the whole organization; long work and files had no place.
Deploy order: before the processes that use it. Older processes set no actor and then see no tokens or people of a unit's
scope; so stop them first.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import (
    ACTOR_UP,
    actor_wall,
    drop_wall,
    headquarters_wall,
    lineage_wall,
    organization_wall,
    own_wall,
    people_wall,
    system_rights,
    system_wall,
    unit_wall,
)

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    for statement in ACTOR_UP:
        op.execute(statement)
    _add_roles()
    _let_tokens_reach_units()
    _add_operations()
    _add_files()
    _add_dev_mail()
    _raise_walls()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.execute("DROP POLICY system_access ON member")
    op.execute("REVOKE ALL ON member FROM switchboard_system")
    for table in ("access_token", "audit_event", "dead_letter", "idempotency", "member", "membership"):
        drop_wall(table)
        organization_wall(table, append_only=table == "audit_event")
    for table in ("dev_mail", "stored_file_part", "stored_file", "operation_problem", "operation"):
        op.drop_table(table)
    _let_tokens_reach_one_unit()
    op.execute("DELETE FROM membership WHERE role IS NULL")
    op.drop_constraint(op.f("membership_one_role_check"), "membership")
    op.drop_index("membership_unit_idx", "membership")
    op.drop_column("membership", "custom_role_id")
    op.alter_column("membership", "role", nullable=False)
    op.drop_table("custom_role")
    op.execute("DROP FUNCTION ctx.actor()")


def _add_roles() -> None:
    op.create_table(
        "custom_role",
        *_row_head(),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("permissions", postgresql.JSONB(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        _created_at(),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.organization_id"], name=op.f("custom_role_organization_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("custom_role_pkey")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("custom_role_organization_id_name_key")),
    )
    op.add_column("membership", sa.Column("custom_role_id", sa.Uuid(), nullable=True))
    op.alter_column("membership", "role", nullable=True)
    op.create_foreign_key(
        "membership_organization_id_custom_role_id_fkey",
        "membership",
        "custom_role",
        ["organization_id", "custom_role_id"],
        ["organization_id", "id"],
    )
    op.create_unique_constraint(
        "membership_organization_id_member_id_unit_id_custom_role_id_key",
        "membership",
        ["organization_id", "member_id", "unit_id", "custom_role_id"],
    )
    op.create_check_constraint(op.f("membership_one_role_check"), "membership", "(role IS NULL) <> (custom_role_id IS NULL)")
    op.create_index("membership_unit_idx", "membership", ["organization_id", "unit_id", "member_id"])


def _let_tokens_reach_units() -> None:
    op.add_column("access_token", sa.Column("unit_ids", postgresql.ARRAY(sa.Uuid()), nullable=True))
    op.execute("UPDATE access_token SET unit_ids = ARRAY[unit_id] WHERE unit_id IS NOT NULL")
    op.drop_column("access_token", "unit_id")
    op.execute("UPDATE access_token SET permissions = NULL WHERE permissions = 'null'")
    # What was nobody's or without limits was never accepted.
    op.execute(
        "DELETE FROM access_token WHERE member_id IS NULL AND (unit_ids IS NULL OR permissions IS NULL)"
    )
    op.create_check_constraint(op.f("access_token_app_is_limited_check"),
        "access_token",
        "member_id IS NOT NULL OR (unit_ids IS NOT NULL AND permissions IS NOT NULL)",
    )
    op.create_check_constraint(op.f("access_token_some_units_check"), "access_token", "cardinality(unit_ids) > 0")


def _let_tokens_reach_one_unit() -> None:
    op.drop_constraint(op.f("access_token_some_units_check"), "access_token")
    op.drop_constraint(op.f("access_token_app_is_limited_check"), "access_token")
    op.add_column("access_token", sa.Column("unit_id", sa.Uuid(), nullable=True))
    op.execute("UPDATE access_token SET unit_id = unit_ids[1]")
    op.drop_column("access_token", "unit_ids")
    op.create_foreign_key(
        "access_token_organization_id_unit_id_fkey",
        "access_token",
        "unit",
        ["organization_id", "unit_id"],
        ["organization_id", "id"],
    )


def _add_operations() -> None:
    op.create_table(
        "operation",
        *_row_head(),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "UNIT_IMPORT",
                "AUDIT_EXPORT",
                "CLIENT_OFFBOARDING",
                "CONTACT_ERASURE",
                name="operationkind",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum("QUEUED", "RUNNING", "SUCCEEDED", "FAILED", name="operationstate", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("is_dry_run", sa.Boolean(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("actor_name", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("result", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        _created_at(),
        _of_unit("operation"),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("operation_pkey")),
    )
    op.create_index("operation_newest_idx", "operation", ["organization_id", "unit_id", "id"])
    op.create_table(
        "operation_problem",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("path", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "operation_id"],
            ["operation.organization_id", "operation.id"],
            name=op.f("operation_problem_organization_id_operation_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "operation_id", "line", "seq", name=op.f("operation_problem_pkey")),
    )


def _add_files() -> None:
    op.create_table(
        "stored_file",
        *_row_head(),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        _created_at(),
        _of_unit("stored_file"),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("stored_file_pkey")),
    )
    op.create_index("stored_file_expiry_idx", "stored_file", ["organization_id", "expires_at"])
    op.create_table(
        "stored_file_part",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "file_id"],
            ["stored_file.organization_id", "stored_file.id"],
            name=op.f("stored_file_part_organization_id_file_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "file_id", "seq", name=op.f("stored_file_part_pkey")),
    )


def _add_dev_mail() -> None:
    op.create_table(
        "dev_mail",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        _created_at(),
        sa.PrimaryKeyConstraint("id", name=op.f("dev_mail_pkey")),
    )
    system_wall("dev_mail")
    system_rights("dev_mail", "SELECT, INSERT, DELETE")


def _raise_walls() -> None:
    organization_wall("custom_role")
    for table in ("operation", "operation_problem", "stored_file", "stored_file_part"):
        unit_wall(table)
    for table in ("access_token", "audit_event", "dead_letter", "idempotency", "member", "membership"):
        drop_wall(table)
    own_wall("access_token")
    headquarters_wall("audit_event", append_only=True)
    headquarters_wall("dead_letter")
    actor_wall("idempotency")
    lineage_wall("membership")
    people_wall()
    system_rights("member", "SELECT")


def _row_head() -> tuple[sa.Column[object], sa.Column[object]]:
    return (
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
    )


def _created_at() -> sa.Column[object]:
    return sa.Column(
        "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
    )


def _of_unit(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id", "unit_id"],
        ["unit.organization_id", "unit.id"],
        name=op.f(f"{table}_organization_id_unit_id_fkey"),
    )
