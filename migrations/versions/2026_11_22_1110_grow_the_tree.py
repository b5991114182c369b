"""Grow the tree: groups, settings, uploads and operations.

Why: units can be moved, archived, grouped, imported and given settings.
Deploy order: before the processes that use it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import unit_wall

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.add_column(
        "stored_file", sa.Column("permission", sa.String(length=40), server_default="unit:manage", nullable=False)
    )
    op.alter_column("stored_file", "permission", server_default=None)
    _add_groups()
    _add_imports()
    for table in ("location_group", "location_group_unit", "unit_import_row"):
        unit_wall(table)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    for table in ("unit_import_row", "location_group_unit", "location_group"):
        op.drop_table(table)
    op.drop_column("stored_file", "permission")


def _add_groups() -> None:
    op.create_table(
        "location_group",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "unit_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("location_group_organization_id_unit_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("location_group_pkey")),
        sa.UniqueConstraint(
            "organization_id", "unit_id", "name", name=op.f("location_group_organization_id_unit_id_name_key")
        ),
    )
    op.create_table(
        "location_group_unit",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "group_id"],
            ["location_group.organization_id", "location_group.id"],
            name=op.f("location_group_unit_organization_id_group_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "location_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("location_group_unit_organization_id_location_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "group_id", "location_id", name=op.f("location_group_unit_pkey")),
    )
    op.create_index("location_group_unit_location_idx", "location_group_unit", ["organization_id", "location_id"])


def _add_imports() -> None:
    op.create_table(
        "unit_import_row",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("external_code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=True),
        sa.Column("parent_code", sa.String(), nullable=True),
        sa.Column("attributes", postgresql.JSONB(), nullable=False),
        sa.Column("is_sound", sa.Boolean(), nullable=False),
        sa.Column("is_new", sa.Boolean(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id", "operation_id"],
            ["operation.organization_id", "operation.id"],
            name=op.f("unit_import_row_organization_id_operation_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "operation_id", "line", name=op.f("unit_import_row_pkey")),
    )
    op.create_index(
        "unit_import_row_code_idx", "unit_import_row", ["organization_id", "operation_id", "external_code"]
    )
    op.create_index("unit_import_row_target_idx", "unit_import_row", ["organization_id", "operation_id", "target_id"])
    op.create_index("unit_import_row_parent_idx", "unit_import_row", ["organization_id", "operation_id", "parent_id"])
