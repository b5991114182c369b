"""Keep public comments, mentions and reviews, and our replies to them.

Why: on some networks the public comment is the only way in; each may be answered once in private.
Deploy order: before the processes that use it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.walls import departed_wall, hash_unit_sets, unit_wall

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def _key(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id", column],
        [f"{target}.organization_id", f"{target}.id"],
        name=op.f(f"{table}_organization_id_{column}_fkey"),
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.create_table(
        "public_comment",
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=False),
        sa.Column("platform_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("post_id", sa.String(), nullable=True),
        sa.Column("parent_id", sa.String(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("person_name", sa.String(), nullable=True),
        sa.Column("is_own", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("recommendation", sa.String(), nullable=True),
        sa.Column("visibility", sa.String(length=40), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_edited", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("text_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("handled_by", sa.Uuid(), nullable=True),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        _key("public_comment", "unit_id", "unit"),
        _key("public_comment", "page_id", "page"),
        _key("public_comment", "contact_id", "contact"),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("public_comment_pkey")),
        sa.UniqueConstraint(
            "organization_id", "page_id", "platform_id", name=op.f("public_comment_organization_id_page_id_platform_id_key")
        ),
    )
    op.create_index("public_comment_latest_idx", "public_comment", ["organization_id", "occurred_at", "id"])
    op.create_index("public_comment_unit_latest_idx", "public_comment", ["organization_id", "unit_id", "occurred_at", "id"])
    op.create_index("public_comment_contact_idx", "public_comment", ["organization_id", "contact_id"])
    op.create_table(
        "comment_reply",
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("comment_id", sa.Uuid(), nullable=False),
        sa.Column("send_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("is_private", sa.Boolean(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        _key("comment_reply", "comment_id", "public_comment"),
        _key("comment_reply", "send_id", "send_intent"),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("comment_reply_pkey")),
    )
    op.create_index("comment_reply_comment_idx", "comment_reply", ["organization_id", "comment_id", "id"])
    op.create_index(
        "comment_reply_private_key",
        "comment_reply",
        ["organization_id", "comment_id"],
        unique=True,
        postgresql_where=sa.text("is_private"),
    )
    for table in ("public_comment", "comment_reply"):
        unit_wall(table)
        departed_wall(table)
    hash_unit_sets()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.drop_table("comment_reply")
    op.drop_table("public_comment")
