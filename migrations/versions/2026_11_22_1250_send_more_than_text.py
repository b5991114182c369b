"""Send more than text: media, buttons, replies to comments; and count quotas.

Why: issue 4.
Deploy order: before the processes that use it. Sends that older processes queue get the defaults, which mean plain messages.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import departed_wall, hash_unit_sets, system_rights, system_wall, unit_wall

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_KINDS = ("MESSAGE", "PRIVATE_REPLY", "COMMENT_REPLY", "UTILITY", "MARKETING")
_ACTS = ("SEND", "SEND_MEDIA", "PRIVATE_REPLY", "COMMENT_REPLY", "LIST")
_UNSENDS = ("REQUESTED", "DONE", "FAILED")
_OF_SENDS = (
    "kind",
    "comment_id",
    "commented_at",
    "thread_external_id",
    "reply_to_message_id",
    "media",
    "quick_replies",
    "buttons",
    "utility",
)
_OF_MESSAGES = ("unsend", "unsend_detail")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.add_column("send_intent", sa.Column("kind", _enum("outgoingkind", *_KINDS), server_default="MESSAGE", nullable=False))
    op.add_column("send_intent", sa.Column("comment_id", sa.String(), nullable=True))
    op.add_column("send_intent", sa.Column("commented_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("send_intent", sa.Column("thread_external_id", sa.String(), nullable=True))
    op.add_column("send_intent", sa.Column("reply_to_message_id", sa.String(), nullable=True))
    for name in ("media", "quick_replies", "buttons"):
        op.add_column("send_intent", sa.Column(name, postgresql.JSONB(), server_default="[]", nullable=False))
    op.add_column("send_intent", sa.Column("utility", postgresql.JSONB(), nullable=True))
    op.add_column("contact_identity", sa.Column("thread_external_id", sa.String(), nullable=True))
    op.add_column("message", sa.Column("unsend", _enum("unsendstate", *_UNSENDS), nullable=True))
    op.add_column("message", sa.Column("unsend_detail", sa.String(), nullable=True))
    _add_page_media()
    _add_quotas()
    hash_unit_sets()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.drop_table("quota_use")
    op.drop_table("page_media")
    for name in _OF_MESSAGES:
        op.drop_column("message", name)
    op.drop_column("contact_identity", "thread_external_id")
    for name in _OF_SENDS:
        op.drop_column("send_intent", name)


def _add_page_media() -> None:
    op.create_table(
        "page_media",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("platform_media_id", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "page_id"],
            ["page.organization_id", "page.id"],
            name=op.f("page_media_organization_id_page_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "file_id"],
            ["stored_file.organization_id", "stored_file.id"],
            name=op.f("page_media_organization_id_file_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "page_id", "file_id", name=op.f("page_media_pkey")),
    )
    op.create_index("page_media_file_idx", "page_media", ["organization_id", "file_id"])
    unit_wall("page_media")
    departed_wall("page_media")


def _add_quotas() -> None:
    op.create_table(
        "quota_use",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("act", _enum("act", *_ACTS), nullable=False),
        sa.Column("window_s", sa.Integer(), nullable=False),
        sa.Column("open", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("done", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("waiting", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("remaining", sa.Integer(), nullable=True),
        sa.Column("resets_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("subject", "act", "window_s", name=op.f("quota_use_pkey")),
    )
    system_wall("quota_use")
    system_rights("quota_use", "SELECT, INSERT, UPDATE, DELETE")


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, length=40)
