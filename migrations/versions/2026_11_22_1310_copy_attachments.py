"""Copy attachments before the platforms' addresses of them expire.

Why: an address of inbound media works for hours or days, a conversation is read for years.
Deploy order: before the processes that use it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.walls import departed_wall, hash_unit_sets, unit_wall

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.create_table(
        "message_media",
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "message_id"],
            ["message.organization_id", "message.id"],
            name=op.f("message_media_organization_id_message_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("message_media_pkey")),
        sa.UniqueConstraint(
            "organization_id", "message_id", "position", name=op.f("message_media_organization_id_message_id_position_key")
        ),
    )
    unit_wall("message_media")
    departed_wall("message_media")
    hash_unit_sets()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.drop_table("message_media")
