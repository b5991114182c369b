"""Tell groups from conversations of two people, and who of a group wrote what.

Why: on X a conversation may have up to 50 people; their messages looked as if one person had written them all.
Deploy order: before the processes that use it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.walls import departed_wall, hash_unit_sets, unit_wall

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.add_column("conversation", sa.Column("kind", sa.String(length=40), server_default="DIRECT", nullable=False))
    op.add_column("message", sa.Column("writer_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("message_organization_id_writer_id_fkey"),
        "message",
        "contact",
        ["organization_id", "writer_id"],
        ["organization_id", "id"],
    )
    op.create_index(
        "message_writer_idx",
        "message",
        ["organization_id", "writer_id"],
        postgresql_where=sa.text("writer_id IS NOT NULL"),
    )
    op.create_table(
        "participant",
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "group_id"],
            ["contact.organization_id", "contact.id"],
            name=op.f("participant_organization_id_group_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contact.organization_id", "contact.id"],
            name=op.f("participant_organization_id_contact_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("participant_pkey")),
        sa.UniqueConstraint(
            "organization_id",
            "group_id",
            "contact_id",
            name=op.f("participant_organization_id_group_id_contact_id_key"),
        ),
    )
    op.create_index("participant_contact_idx", "participant", ["organization_id", "contact_id"])
    unit_wall("participant")
    departed_wall("participant")
    hash_unit_sets()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.drop_table("participant")
    op.drop_index("message_writer_idx", "message")
    op.drop_column("message", "writer_id")
    op.drop_column("conversation", "kind")
