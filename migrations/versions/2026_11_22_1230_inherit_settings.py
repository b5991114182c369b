"""Inherit settings: what is set on a unit holds for everything under it.

Why: headquarters sets limits that a location may tighten.
Deploy order: before the processes that use it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import departed_wall, hash_unit_sets, lineage_wall

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.create_table(
        "unit_setting",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", postgresql.JSONB(), nullable=False),
        sa.Column("set_by", sa.Uuid(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "unit_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("unit_setting_organization_id_unit_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "unit_id", "name", name=op.f("unit_setting_pkey")),
    )
    lineage_wall("unit_setting")
    departed_wall("unit_setting")
    hash_unit_sets()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    # No other policy was rewritten: the revision before leaves none that looks along an array.
    op.drop_table("unit_setting")
