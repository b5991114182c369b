"""Know documents: what each organization's clients registered, and how often it is asked for.

Why: in production an organization's front ends send documents that were registered before, and nothing else.
Deploy order: before the processes that use it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.walls import headquarters_wall, narrow_rights, organization_wall, system_rights

revision = "0018"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.create_table(
        "known_document",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("operation_name", sa.String(), nullable=False),
        sa.Column("operation_type", sa.String(length=40), nullable=False),
        sa.Column("app", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("registered_by", sa.Uuid(), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.Uuid(), nullable=True),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("known_document_pkey")),
    )
    op.create_index(
        "known_document_live_idx",
        "known_document",
        ["organization_id", "digest", "app", "version"],
        unique=True,
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )
    organization_wall("known_document")
    narrow_rights("known_document", "SELECT, INSERT, DELETE, UPDATE (withdrawn_at, withdrawn_by)")
    op.create_table(
        "document_use",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("operation_name", sa.String(), nullable=False),
        sa.Column("app", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "organization_id", "digest", "day", "operation_name", "app", "version", name=op.f("document_use_pkey")
        ),
    )
    op.create_index("document_use_day_idx", "document_use", ["organization_id", "day"])
    headquarters_wall("document_use")
    system_rights("document_use", "SELECT, INSERT, UPDATE")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.drop_table("document_use")
    op.drop_table("known_document")
