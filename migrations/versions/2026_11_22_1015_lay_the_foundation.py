"""Lay the foundation: every table of the first release, behind its walls.

Why: the main job end to end needs them all; nothing exists before.
Deploy order: before the first process starts. The roles switchboard_app and switchboard_system must exist.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import (
    APP,
    CONTEXT_UP,
    SYSTEM,
    lineage_wall,
    organization_wall,
    system_rights,
    system_wall,
    unit_wall,
)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    for statement in CONTEXT_UP:
        op.execute(statement)
    op.create_table(
        "audit_event",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("actor_name", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("audit_event_pkey")),
        sa.UniqueConstraint("organization_id", "seq", name=op.f("audit_event_organization_id_seq_key")),
    )
    op.create_index("audit_event_subject_idx", "audit_event", ["organization_id", "subject_id", "seq"], unique=False)
    op.create_table(
        "audit_head",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("audit_head_pkey")),
    )
    op.create_table(
        "dead_letter",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "source", sa.Enum("EVENT", "JOB", name="deadlettersource", native_enum=False, length=40), nullable=False
        ),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("dead_letter_pkey")),
        sa.UniqueConstraint(
            "organization_id", "source", "subject_id", name=op.f("dead_letter_organization_id_source_subject_id_key")
        ),
    )
    op.create_index("dead_letter_newest_idx", "dead_letter", ["organization_id", "created_at", "id"], unique=False)
    op.create_table(
        "early_receipt",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=False),
        sa.Column("platform_message_id", sa.String(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column(
            "delivery",
            sa.Enum("NONE", "ACCEPTED", "DELIVERED", "READ", "FAILED", name="delivery", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("organization_id", "page_id", "platform_message_id", name=op.f("early_receipt_pkey")),
    )
    op.create_table(
        "idempotency",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("organization_id", "actor_id", "key", name=op.f("idempotency_pkey")),
    )
    op.create_index("idempotency_age_idx", "idempotency", ["organization_id", "created_at"], unique=False)
    op.create_table(
        "job",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column(
            "queue",
            sa.Enum("replies", "campaigns", "events", "housekeeping", name="queue", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("dedupe_key", sa.String(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("QUEUED", "CLAIMED", "DEAD", name="jobstate", native_enum=False, length=40),
            server_default="QUEUED",
            nullable=False,
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("rung_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), server_default="0", nullable=False),
        sa.Column("claimed_by", sa.Uuid(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("job_pkey")),
        sa.UniqueConstraint(
            "organization_id", "kind", "dedupe_key", name=op.f("job_organization_id_kind_dedupe_key_key")
        ),
    )
    op.create_index("job_claimed_idx", "job", ["claimed_at"], unique=False, postgresql_where="state = 'CLAIMED'")
    op.create_index("job_due_idx", "job", ["queue", "due_at"], unique=False, postgresql_where="state = 'QUEUED'")
    op.create_table(
        "organization",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("AGENCY", "FRANCHISOR", "BUSINESS", name="organizationkind", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("time_zone", sa.String(), server_default="UTC", nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("organization_pkey")),
    )
    op.create_table(
        "page_route",
        sa.Column(
            "channel",
            sa.Enum("MESSENGER", "INSTAGRAM", "X", "LINKEDIN", "TIKTOK", name="channel", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "external_id", name=op.f("page_route_pkey")),
    )
    op.create_table(
        "pending_change",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=False),
        sa.Column("platform_message_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("edit_number", sa.Integer(), server_default="0", nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pending_change_pkey")),
    )
    op.create_index(
        "pending_change_message_idx",
        "pending_change",
        ["organization_id", "page_id", "platform_message_id"],
        unique=False,
    )
    op.create_table(
        "platform_event",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=False),
        sa.Column(
            "channel",
            sa.Enum("MESSENGER", "INSTAGRAM", "X", "LINKEDIN", "TIKTOK", name="channel", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("mailbox", sa.String(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "state",
            sa.Enum("STORED", "HANDLED", "DEAD", name="eventstate", native_enum=False, length=40),
            server_default="STORED",
            nullable=False,
        ),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("platform_event_pkey")),
        sa.UniqueConstraint(
            "organization_id",
            "page_id",
            "kind",
            "external_id",
            name=op.f("platform_event_organization_id_page_id_kind_external_id_key"),
        ),
    )
    op.create_index(
        "platform_event_mailbox_idx",
        "platform_event",
        ["organization_id", "page_id", "mailbox", "occurred_at", "id"],
        unique=False,
        postgresql_where="state = 'STORED'",
    )
    op.create_table(
        "send_batch",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("RUNNING", "PAUSED", "STOPPED", name="batchstate", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("approved_digest", sa.LargeBinary(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("send_batch_pkey")),
    )
    op.create_table(
        "stray_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "channel",
            sa.Enum("MESSENGER", "INSTAGRAM", "X", "LINKEDIN", "TIKTOK", name="channel", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("stray_event_pkey")),
        sa.UniqueConstraint("channel", "digest", name=op.f("stray_event_channel_digest_key")),
    )
    op.create_table(
        "member",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("deactivated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.organization_id"], name=op.f("member_organization_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("member_pkey")),
        sa.UniqueConstraint("organization_id", "email", name=op.f("member_organization_id_email_key")),
        sa.UniqueConstraint("organization_id", "user_id", name=op.f("member_organization_id_user_id_key")),
    )
    op.create_table(
        "unit",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column(
            "kind",
            sa.Enum(
                "HEADQUARTERS", "BRAND", "REGION", "CLIENT", "LOCATION", name="unitkind", native_enum=False, length=40
            ),
            nullable=False,
        ),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("external_code", sa.String(), nullable=True),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "parent_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("unit_organization_id_parent_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.organization_id"], name=op.f("unit_organization_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("unit_pkey")),
        sa.UniqueConstraint("organization_id", "external_code", name=op.f("unit_organization_id_external_code_key")),
    )
    op.create_index("unit_parent_idx", "unit", ["organization_id", "parent_id", "name", "id"], unique=False)
    op.create_table(
        "access_token",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind", sa.Enum("PERSONAL", "SERVICE", name="tokenkind", native_enum=False, length=40), nullable=False
        ),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=True),
        sa.Column("unit_id", sa.Uuid(), nullable=True),
        sa.Column("permissions", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "member_id"],
            ["member.organization_id", "member.id"],
            name=op.f("access_token_organization_id_member_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "unit_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("access_token_organization_id_unit_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("access_token_pkey")),
        sa.UniqueConstraint("organization_id", "token_hash", name=op.f("access_token_organization_id_token_hash_key")),
    )
    op.create_table(
        "approval_request",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("summary", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "state",
            sa.Enum("PENDING", "APPROVED", "REJECTED", "VOIDED", name="approvalstate", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("quorum", sa.Integer(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("author_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "unit_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("approval_request_organization_id_unit_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("approval_request_pkey")),
    )
    op.create_index(
        "approval_request_pending_key",
        "approval_request",
        ["organization_id", "subject_id"],
        unique=True,
        postgresql_where="state = 'PENDING'",
    )
    op.create_index(
        "approval_request_subject_idx",
        "approval_request",
        ["organization_id", "subject_id", "created_at"],
        unique=False,
    )
    op.create_table(
        "channel_connection",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column(
            "channel",
            sa.Enum("MESSENGER", "INSTAGRAM", "X", "LINKEDIN", "TIKTOK", name="channel", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum("STARTED", "GRANTED", "FINISHED", "REFUSED", name="connectionstate", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("state_hash", sa.LargeBinary(), nullable=False),
        sa.Column("completion_hash", sa.LargeBinary(), nullable=True),
        sa.Column("return_url", sa.String(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("found_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failure", sa.String(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "unit_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("channel_connection_organization_id_unit_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("channel_connection_pkey")),
        sa.UniqueConstraint(
            "organization_id", "state_hash", name=op.f("channel_connection_organization_id_state_hash_key")
        ),
    )
    op.create_table(
        "connected_account",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column(
            "channel",
            sa.Enum("MESSENGER", "INSTAGRAM", "X", "LINKEDIN", "TIKTOK", name="channel", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("token_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("token_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "health",
            sa.Enum(
                "HEALTHY",
                "EXPIRING",
                "RECONNECT_NEEDED",
                "RESTRICTED",
                "MISSING_PERMISSION",
                name="health",
                native_enum=False,
                length=40,
            ),
            server_default="HEALTHY",
            nullable=False,
        ),
        sa.Column("health_reason", sa.String(), nullable=True),
        sa.Column("connected_by", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "unit_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("connected_account_organization_id_unit_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("connected_account_pkey")),
        sa.UniqueConstraint(
            "organization_id",
            "channel",
            "external_id",
            "unit_id",
            name=op.f("connected_account_organization_id_channel_external_id_unit_id_key"),
        ),
    )
    op.create_table(
        "contact",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("first_name", sa.String(), nullable=True),
        sa.Column("locale", sa.String(), nullable=True),
        sa.Column("time_zone", sa.String(), nullable=True),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("profile_read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "unit_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("contact_organization_id_unit_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("contact_pkey")),
    )
    op.create_index("contact_newest_idx", "contact", ["organization_id", "unit_id", "id"], unique=False)
    op.create_table(
        "cost",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=False),
        sa.Column("origin", sa.Enum("REPLY", "CAMPAIGN", name="origin", native_enum=False, length=40), nullable=False),
        sa.Column("origin_id", sa.Uuid(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("delivered", sa.Integer(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source_reference", sa.String(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "unit_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("cost_organization_id_unit_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("cost_pkey")),
        sa.UniqueConstraint(
            "organization_id", "source_reference", name=op.f("cost_organization_id_source_reference_key")
        ),
    )
    op.create_index("cost_origin_idx", "cost", ["organization_id", "origin", "origin_id"], unique=False)
    op.create_table(
        "label",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("color", sa.String(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "unit_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("label_organization_id_unit_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("label_pkey")),
        sa.UniqueConstraint("organization_id", "unit_id", "name", name=op.f("label_organization_id_unit_id_name_key")),
    )
    op.create_table(
        "membership",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
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
            nullable=False,
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "member_id"],
            ["member.organization_id", "member.id"],
            name=op.f("membership_organization_id_member_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "unit_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("membership_organization_id_unit_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("membership_pkey")),
        sa.UniqueConstraint(
            "organization_id",
            "member_id",
            "unit_id",
            "role",
            name=op.f("membership_organization_id_member_id_unit_id_role_key"),
        ),
    )
    op.create_table(
        "reply_template",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum("REPLY", "MARKETING", name="templatepurpose", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("latest_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "unit_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("reply_template_organization_id_unit_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("reply_template_pkey")),
        sa.UniqueConstraint(
            "organization_id", "unit_id", "name", name=op.f("reply_template_organization_id_unit_id_name_key")
        ),
    )
    op.create_table(
        "topic",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "unit_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("topic_organization_id_unit_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("topic_pkey")),
        sa.UniqueConstraint("organization_id", "unit_id", "key", name=op.f("topic_organization_id_unit_id_key_key")),
    )
    op.create_table(
        "unit_closure",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("ancestor_id", sa.Uuid(), nullable=False),
        sa.Column("descendant_id", sa.Uuid(), nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "ancestor_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("unit_closure_organization_id_ancestor_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "descendant_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("unit_closure_organization_id_descendant_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "ancestor_id", "descendant_id", name=op.f("unit_closure_pkey")),
    )
    op.create_index(
        "unit_closure_upward_idx", "unit_closure", ["organization_id", "descendant_id", "depth"], unique=False
    )
    op.create_table(
        "approval_decision",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column(
            "verdict", sa.Enum("APPROVE", "REJECT", name="verdict", native_enum=False, length=40), nullable=False
        ),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "request_id"],
            ["approval_request.organization_id", "approval_request.id"],
            name=op.f("approval_decision_organization_id_request_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("approval_decision_pkey")),
        sa.UniqueConstraint(
            "organization_id",
            "request_id",
            "member_id",
            name=op.f("approval_decision_organization_id_request_id_member_id_key"),
        ),
    )
    op.create_table(
        "consent_event",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("topic_id", sa.Uuid(), nullable=True),
        sa.Column(
            "action", sa.Enum("OPT_IN", "OPT_OUT", name="consentaction", native_enum=False, length=40), nullable=False
        ),
        sa.Column(
            "source",
            sa.Enum(
                "PLATFORM_OPT_IN",
                "PLATFORM_STOP",
                "MESSAGE_KEYWORD",
                "AGENT",
                name="consentsource",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wording", sa.String(), nullable=True),
        sa.Column("platform_event_id", sa.Uuid(), nullable=True),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contact.organization_id", "contact.id"],
            name=op.f("consent_event_organization_id_contact_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("consent_event_pkey")),
    )
    op.create_index(
        "consent_event_contact_idx",
        "consent_event",
        ["organization_id", "contact_id", "occurred_at", "id"],
        unique=False,
    )
    op.create_table(
        "contact_label",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("label_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contact.organization_id", "contact.id"],
            name=op.f("contact_label_organization_id_contact_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "label_id"],
            ["label.organization_id", "label.id"],
            name=op.f("contact_label_organization_id_label_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "contact_id", "label_id", name=op.f("contact_label_pkey")),
    )
    op.create_index("contact_label_label_idx", "contact_label", ["organization_id", "label_id"], unique=False)
    op.create_table(
        "marketing_use",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("send_id", sa.Uuid(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("previous_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contact.organization_id", "contact.id"],
            name=op.f("marketing_use_organization_id_contact_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "page_id", "contact_id", name=op.f("marketing_use_pkey")),
    )
    op.create_table(
        "page",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column(
            "channel",
            sa.Enum("MESSENGER", "INSTAGRAM", "X", "LINKEDIN", "TIKTOK", name="channel", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("token_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("ad_account_id", sa.String(), nullable=True),
        sa.Column(
            "health",
            sa.Enum(
                "HEALTHY",
                "EXPIRING",
                "RECONNECT_NEEDED",
                "RESTRICTED",
                "MISSING_PERMISSION",
                name="health",
                native_enum=False,
                length=40,
            ),
            server_default="HEALTHY",
            nullable=False,
        ),
        sa.Column("health_reason", sa.String(), nullable=True),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("subscribed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disconnected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "account_id"],
            ["connected_account.organization_id", "connected_account.id"],
            name=op.f("page_organization_id_account_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "unit_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("page_organization_id_unit_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("page_pkey")),
        sa.UniqueConstraint(
            "organization_id", "channel", "external_id", name=op.f("page_organization_id_channel_external_id_key")
        ),
    )
    op.create_index("page_unit_idx", "page", ["organization_id", "unit_id", "name", "id"], unique=False)
    op.create_table(
        "receipt_mark",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("delivered_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contact.organization_id", "contact.id"],
            name=op.f("receipt_mark_organization_id_contact_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "page_id", "contact_id", name=op.f("receipt_mark_pkey")),
    )
    op.create_table(
        "suppression",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column(
            "reason",
            sa.Enum(
                "BLOCKED_BY_CONTACT",
                "ASKED_TO_STOP",
                "UNREACHABLE",
                "MANUAL",
                name="suppressionreason",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contact.organization_id", "contact.id"],
            name=op.f("suppression_organization_id_contact_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "contact_id", name=op.f("suppression_pkey")),
    )
    op.create_table(
        "template_override",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column("base_version_id", sa.Uuid(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("variables", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "template_id"],
            ["reply_template.organization_id", "reply_template.id"],
            name=op.f("template_override_organization_id_template_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "unit_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("template_override_organization_id_unit_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("template_override_pkey")),
        sa.UniqueConstraint(
            "organization_id",
            "unit_id",
            "template_id",
            name=op.f("template_override_organization_id_unit_id_template_id_key"),
        ),
    )
    op.create_index(
        "template_override_template_idx",
        "template_override",
        ["organization_id", "template_id", "unit_id"],
        unique=False,
    )
    op.create_table(
        "template_version",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("variables", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "template_id"],
            ["reply_template.organization_id", "reply_template.id"],
            name=op.f("template_version_organization_id_template_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("template_version_pkey")),
        sa.UniqueConstraint(
            "organization_id",
            "template_id",
            "number",
            name=op.f("template_version_organization_id_template_id_number_key"),
        ),
    )
    op.create_table(
        "campaign",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "DRAFT",
                "IN_REVIEW",
                "REJECTED",
                "SCHEDULED",
                "RUNNING",
                "PAUSED",
                "DONE",
                "CANCELLED",
                name="campaignstate",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("topic_id", sa.Uuid(), nullable=False),
        sa.Column("template_version_id", sa.Uuid(), nullable=False),
        sa.Column("fallbacks", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("label_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("everybody_reason", sa.Text(), nullable=True),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("editor_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("content_digest", sa.LargeBinary(), nullable=True),
        sa.Column("audience_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("expansion_cursor", sa.Uuid(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "template_version_id"],
            ["template_version.organization_id", "template_version.id"],
            name=op.f("campaign_organization_id_template_version_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "topic_id"],
            ["topic.organization_id", "topic.id"],
            name=op.f("campaign_organization_id_topic_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "unit_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("campaign_organization_id_unit_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("campaign_pkey")),
    )
    op.create_index("campaign_newest_idx", "campaign", ["organization_id", "unit_id", "id"], unique=False)
    op.create_table(
        "consent",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("topic_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("is_opted_in", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contact.organization_id", "contact.id"],
            name=op.f("consent_organization_id_contact_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "page_id"],
            ["page.organization_id", "page.id"],
            name=op.f("consent_organization_id_page_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "topic_id"],
            ["topic.organization_id", "topic.id"],
            name=op.f("consent_organization_id_topic_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "page_id", "contact_id", "topic_id", name=op.f("consent_pkey")),
    )
    op.create_index("consent_topic_idx", "consent", ["organization_id", "topic_id", "contact_id"], unique=False)
    op.create_table(
        "contact_identity",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contact.organization_id", "contact.id"],
            name=op.f("contact_identity_organization_id_contact_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "page_id"],
            ["page.organization_id", "page.id"],
            name=op.f("contact_identity_organization_id_page_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("contact_identity_pkey")),
        sa.UniqueConstraint(
            "organization_id",
            "page_id",
            "external_id",
            name=op.f("contact_identity_organization_id_page_id_external_id_key"),
        ),
    )
    op.create_index("contact_identity_contact_idx", "contact_identity", ["organization_id", "contact_id"], unique=False)
    op.create_table(
        "conversation",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status",
            sa.Enum("OPEN", "PENDING", "SNOOZED", "RESOLVED", name="conversationstatus", native_enum=False, length=40),
            server_default="OPEN",
            nullable=False,
        ),
        sa.Column(
            "folder",
            sa.Enum("PRIMARY", "REQUEST", "SPAM", name="folder", native_enum=False, length=40),
            server_default="PRIMARY",
            nullable=False,
        ),
        sa.Column(
            "category",
            sa.Enum(
                "INQUIRY",
                "FEEDBACK",
                "COMPLAINT",
                "REVIEW",
                "SUPPORT",
                "PRIVATE_INFORMATION",
                "INFLUENCER",
                name="category",
                native_enum=False,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("assignee_id", sa.Uuid(), nullable=True),
        sa.Column("last_message_id", sa.Uuid(), nullable=True),
        sa.Column("last_message_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_inbound_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unread_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_seq", sa.Integer(), server_default="1", nullable=False),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column(
            "change_xid",
            sa.BigInteger(),
            server_default=sa.text("(pg_current_xact_id()::text::bigint)"),
            nullable=False,
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "assignee_id"],
            ["member.organization_id", "member.id"],
            name=op.f("conversation_organization_id_assignee_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contact.organization_id", "contact.id"],
            name=op.f("conversation_organization_id_contact_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "page_id"],
            ["page.organization_id", "page.id"],
            name=op.f("conversation_organization_id_page_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "unit_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("conversation_organization_id_unit_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("conversation_pkey")),
        sa.UniqueConstraint(
            "organization_id", "page_id", "contact_id", name=op.f("conversation_organization_id_page_id_contact_id_key")
        ),
    )
    op.create_index("conversation_change_idx", "conversation", ["organization_id", "change_xid", "id"], unique=False)
    op.create_index(
        "conversation_latest_idx", "conversation", ["organization_id", "last_message_at", "id"], unique=False
    )
    op.create_index(
        "conversation_unit_latest_idx",
        "conversation",
        ["organization_id", "unit_id", "last_message_at", "id"],
        unique=False,
    )
    op.create_table(
        "messaging_window",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("last_action_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("human_agent_closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contact.organization_id", "contact.id"],
            name=op.f("messaging_window_organization_id_contact_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "page_id"],
            ["page.organization_id", "page.id"],
            name=op.f("messaging_window_organization_id_page_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "page_id", "contact_id", name=op.f("messaging_window_pkey")),
    )
    op.create_table(
        "send_intent",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("recipient_external_id", sa.String(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("topic_id", sa.Uuid(), nullable=True),
        sa.Column(
            "purpose",
            sa.Enum("CONVERSATIONAL", "MARKETING", name="purpose", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("human_agent", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("content_digest", sa.LargeBinary(), nullable=True),
        sa.Column("platform_campaign_id", sa.String(), nullable=True),
        sa.Column("dedupe_key", sa.String(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column(
            "not_before", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "state",
            sa.Enum(
                "QUEUED",
                "CLAIMED",
                "SENT",
                "NOT_SENT",
                "SKIPPED",
                "CANCELLED",
                "UNKNOWN",
                "NEEDS_HUMAN",
                name="sendstate",
                native_enum=False,
                length=40,
            ),
            server_default="QUEUED",
            nullable=False,
        ),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("detail", sa.String(), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("claimed_by", sa.Uuid(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_absent", sa.Integer(), server_default="0", nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("platform_message_id", sa.String(), nullable=True),
        sa.Column("platform_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "delivery",
            sa.Enum("NONE", "ACCEPTED", "DELIVERED", "READ", "FAILED", name="delivery", native_enum=False, length=40),
            server_default="NONE",
            nullable=False,
        ),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("consent_event_id", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "batch_id"],
            ["send_batch.organization_id", "send_batch.id"],
            name=op.f("send_intent_organization_id_batch_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contact.organization_id", "contact.id"],
            name=op.f("send_intent_organization_id_contact_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "page_id"],
            ["page.organization_id", "page.id"],
            name=op.f("send_intent_organization_id_page_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("send_intent_pkey")),
        sa.UniqueConstraint("organization_id", "dedupe_key", name=op.f("send_intent_organization_id_dedupe_key_key")),
    )
    op.create_index(
        "send_intent_batch_idx", "send_intent", ["organization_id", "batch_id", "state", "delivery"], unique=False
    )
    op.create_index(
        "send_intent_contact_idx",
        "send_intent",
        ["organization_id", "page_id", "contact_id", "platform_at"],
        unique=False,
    )
    op.create_index(
        "send_intent_due_idx",
        "send_intent",
        ["organization_id", "page_id", "purpose", "not_before", "id"],
        unique=False,
        postgresql_where="state = 'QUEUED'",
    )
    op.create_index(
        "send_intent_message_idx", "send_intent", ["organization_id", "page_id", "platform_message_id"], unique=False
    )
    op.create_index(
        "send_intent_open_idx",
        "send_intent",
        ["organization_id", "page_id", "claimed_at"],
        unique=False,
        postgresql_where="state IN ('CLAIMED', 'UNKNOWN')",
    )
    op.create_table(
        "template_release",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("RUNNING", "DONE", "ROLLED_BACK", name="releasestate", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("placed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("kept_overrides", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cursor", sa.Uuid(), nullable=True),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "template_id"],
            ["reply_template.organization_id", "reply_template.id"],
            name=op.f("template_release_organization_id_template_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "version_id"],
            ["template_version.organization_id", "template_version.id"],
            name=op.f("template_release_organization_id_version_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("template_release_pkey")),
    )
    op.create_table(
        "assignment",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("assignee_id", sa.Uuid(), nullable=True),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "conversation_id"],
            ["conversation.organization_id", "conversation.id"],
            name=op.f("assignment_organization_id_conversation_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("assignment_pkey")),
    )
    op.create_table(
        "campaign_page",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("platform_campaign_id", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id", "campaign_id"],
            ["campaign.organization_id", "campaign.id"],
            name=op.f("campaign_page_organization_id_campaign_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "page_id"],
            ["page.organization_id", "page.id"],
            name=op.f("campaign_page_organization_id_page_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "campaign_id", "page_id", name=op.f("campaign_page_pkey")),
    )
    op.create_table(
        "campaign_recipient",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=False),
        sa.Column("recipient_external_id", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("skip_reason", sa.String(), nullable=True),
        sa.Column("send_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id", "campaign_id"],
            ["campaign.organization_id", "campaign.id"],
            name=op.f("campaign_recipient_organization_id_campaign_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contact.organization_id", "contact.id"],
            name=op.f("campaign_recipient_organization_id_contact_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "campaign_id", "contact_id", name=op.f("campaign_recipient_pkey")),
    )
    op.create_table(
        "conversation_label",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("label_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "conversation_id"],
            ["conversation.organization_id", "conversation.id"],
            name=op.f("conversation_label_organization_id_conversation_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "label_id"],
            ["label.organization_id", "label.id"],
            name=op.f("conversation_label_organization_id_label_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "conversation_id", "label_id", name=op.f("conversation_label_pkey")),
    )
    op.create_table(
        "message",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("page_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column(
            "direction", sa.Enum("INBOUND", "OUTBOUND", name="direction", native_enum=False, length=40), nullable=False
        ),
        sa.Column(
            "state",
            sa.Enum(
                "RECEIVED",
                "QUEUED",
                "SENT",
                "DELIVERED",
                "READ",
                "FAILED",
                "SKIPPED",
                "UNKNOWN",
                name="messagestate",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("state_reason", sa.String(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("attachments", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("platform_message_id", sa.String(), nullable=True),
        sa.Column("reply_to_platform_id", sa.String(), nullable=True),
        sa.Column("send_id", sa.Uuid(), nullable=True),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("template_version_id", sa.Uuid(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("edit_number", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reaction", sa.String(), nullable=True),
        sa.Column("reaction_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unsent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "author_id"],
            ["member.organization_id", "member.id"],
            name=op.f("message_organization_id_author_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "conversation_id"],
            ["conversation.organization_id", "conversation.id"],
            name=op.f("message_organization_id_conversation_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("message_pkey")),
        sa.UniqueConstraint(
            "organization_id", "conversation_id", "seq", name=op.f("message_organization_id_conversation_id_seq_key")
        ),
        sa.UniqueConstraint(
            "organization_id",
            "page_id",
            "platform_message_id",
            name=op.f("message_organization_id_page_id_platform_message_id_key"),
        ),
        sa.UniqueConstraint("organization_id", "send_id", name=op.f("message_organization_id_send_id_key")),
    )
    op.create_index(
        "message_order_idx", "message", ["organization_id", "conversation_id", "occurred_at", "id"], unique=False
    )
    op.create_table(
        "note",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "conversation_id"],
            ["conversation.organization_id", "conversation.id"],
            name=op.f("note_organization_id_conversation_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("note_pkey")),
    )
    op.create_index("note_order_idx", "note", ["organization_id", "conversation_id", "id"], unique=False)
    op.create_table(
        "send_attempt",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("send_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("worker_id", sa.Uuid(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column(
            "finished_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "send_id"],
            ["send_intent.organization_id", "send_intent.id"],
            name=op.f("send_attempt_organization_id_send_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "send_id", "attempt", name=op.f("send_attempt_pkey")),
    )
    op.create_table(
        "template_placement",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column("release_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "release_id"],
            ["template_release.organization_id", "template_release.id"],
            name=op.f("template_placement_organization_id_release_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "unit_id"],
            ["unit.organization_id", "unit.id"],
            name=op.f("template_placement_organization_id_unit_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "version_id"],
            ["template_version.organization_id", "template_version.id"],
            name=op.f("template_placement_organization_id_version_id_fkey"),
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "unit_id", "template_id", "release_id", name=op.f("template_placement_pkey")
        ),
    )
    _build_walls()
    _build_routes()
    _build_broker()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.execute("DROP SCHEMA dramatiq CASCADE")
    op.execute("DROP FUNCTION claim_page_route(text, text, uuid)")
    op.execute("DROP FUNCTION release_page_route(text, text)")
    op.drop_table("template_placement")
    op.drop_table("send_attempt")
    op.drop_index("note_order_idx", table_name="note")
    op.drop_table("note")
    op.drop_index("message_order_idx", table_name="message")
    op.drop_table("message")
    op.drop_table("conversation_label")
    op.drop_table("campaign_recipient")
    op.drop_table("campaign_page")
    op.drop_table("assignment")
    op.drop_table("template_release")
    op.drop_index("send_intent_open_idx", table_name="send_intent", postgresql_where="state IN ('CLAIMED', 'UNKNOWN')")
    op.drop_index("send_intent_message_idx", table_name="send_intent")
    op.drop_index("send_intent_due_idx", table_name="send_intent", postgresql_where="state = 'QUEUED'")
    op.drop_index("send_intent_contact_idx", table_name="send_intent")
    op.drop_index("send_intent_batch_idx", table_name="send_intent")
    op.drop_table("send_intent")
    op.drop_table("messaging_window")
    op.drop_index("conversation_unit_latest_idx", table_name="conversation")
    op.drop_index("conversation_latest_idx", table_name="conversation")
    op.drop_index("conversation_change_idx", table_name="conversation")
    op.drop_table("conversation")
    op.drop_index("contact_identity_contact_idx", table_name="contact_identity")
    op.drop_table("contact_identity")
    op.drop_index("consent_topic_idx", table_name="consent")
    op.drop_table("consent")
    op.drop_index("campaign_newest_idx", table_name="campaign")
    op.drop_table("campaign")
    op.drop_table("template_version")
    op.drop_index("template_override_template_idx", table_name="template_override")
    op.drop_table("template_override")
    op.drop_table("suppression")
    op.drop_table("receipt_mark")
    op.drop_index("page_unit_idx", table_name="page")
    op.drop_table("page")
    op.drop_table("marketing_use")
    op.drop_index("contact_label_label_idx", table_name="contact_label")
    op.drop_table("contact_label")
    op.drop_index("consent_event_contact_idx", table_name="consent_event")
    op.drop_table("consent_event")
    op.drop_table("approval_decision")
    op.drop_index("unit_closure_upward_idx", table_name="unit_closure")
    op.drop_table("unit_closure")
    op.drop_table("topic")
    op.drop_table("reply_template")
    op.drop_table("membership")
    op.drop_table("label")
    op.drop_index("cost_origin_idx", table_name="cost")
    op.drop_table("cost")
    op.drop_index("contact_newest_idx", table_name="contact")
    op.drop_table("contact")
    op.drop_table("connected_account")
    op.drop_table("channel_connection")
    op.drop_index("approval_request_subject_idx", table_name="approval_request")
    op.drop_index("approval_request_pending_key", table_name="approval_request", postgresql_where="state = 'PENDING'")
    op.drop_table("approval_request")
    op.drop_table("access_token")
    op.drop_index("unit_parent_idx", table_name="unit")
    op.drop_table("unit")
    op.drop_table("member")
    op.drop_table("stray_event")
    op.drop_table("send_batch")
    op.drop_index("platform_event_mailbox_idx", table_name="platform_event", postgresql_where="state = 'STORED'")
    op.drop_table("platform_event")
    op.drop_index("pending_change_message_idx", table_name="pending_change")
    op.drop_table("pending_change")
    op.drop_table("page_route")
    op.drop_table("organization")
    op.drop_index("job_due_idx", table_name="job", postgresql_where="state = 'QUEUED'")
    op.drop_index("job_claimed_idx", table_name="job", postgresql_where="state = 'CLAIMED'")
    op.drop_table("job")
    op.drop_index("idempotency_age_idx", table_name="idempotency")
    op.drop_table("idempotency")
    op.drop_table("early_receipt")
    op.drop_index("dead_letter_newest_idx", table_name="dead_letter")
    op.drop_table("dead_letter")
    op.drop_table("audit_head")
    op.drop_index("audit_event_subject_idx", table_name="audit_event")
    op.drop_table("audit_event")
    op.execute("DROP SCHEMA ctx CASCADE")


def _build_walls() -> None:
    organization_wall("audit_event", append_only=True)
    organization_wall("audit_head")
    organization_wall("dead_letter")
    unit_wall("early_receipt")
    organization_wall("idempotency")
    organization_wall("job")
    system_rights("job", "SELECT, INSERT, UPDATE")
    organization_wall("organization")
    system_rights("organization", "SELECT")
    system_wall("page_route")
    system_rights("page_route", "SELECT, INSERT, DELETE")
    unit_wall("pending_change")
    organization_wall("platform_event")
    system_rights("platform_event", "SELECT, INSERT")
    unit_wall("send_batch")
    system_wall("stray_event")
    system_rights("stray_event", "SELECT, INSERT, DELETE")
    organization_wall("member")
    lineage_wall("unit", column="id")
    organization_wall("access_token")
    unit_wall("approval_request")
    unit_wall("channel_connection")
    unit_wall("connected_account")
    unit_wall("contact")
    unit_wall("cost", append_only=True)
    lineage_wall("label")
    organization_wall("membership")
    lineage_wall("reply_template")
    lineage_wall("topic")
    organization_wall("unit_closure")
    unit_wall("approval_decision", append_only=True)
    unit_wall("consent_event", append_only=True)
    unit_wall("contact_label")
    unit_wall("marketing_use")
    unit_wall("page")
    unit_wall("receipt_mark")
    unit_wall("suppression")
    unit_wall("template_override")
    lineage_wall("template_version")
    unit_wall("campaign")
    unit_wall("consent")
    unit_wall("contact_identity")
    unit_wall("conversation")
    unit_wall("messaging_window")
    unit_wall("send_intent")
    system_rights("send_intent", "SELECT (organization_id, page_id, state, purpose, not_before, claimed_at)")
    lineage_wall("template_release")
    unit_wall("assignment")
    unit_wall("campaign_page")
    unit_wall("campaign_recipient")
    unit_wall("conversation_label")
    unit_wall("message")
    unit_wall("note")
    unit_wall("send_attempt")
    unit_wall("template_placement")


_CLAIM_ROUTE = """
CREATE FUNCTION claim_page_route(p_channel text, p_external_id text, p_page uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE org uuid := ctx.organization();
BEGIN
  IF org IS NULL THEN RAISE EXCEPTION 'no organization in this transaction'; END IF;
  INSERT INTO public.page_route (channel, external_id, organization_id, page_id)
    VALUES (p_channel, p_external_id, org, p_page) ON CONFLICT (channel, external_id) DO NOTHING;
  RETURN EXISTS (SELECT FROM public.page_route WHERE channel = p_channel AND external_id = p_external_id
    AND organization_id = org AND page_id = p_page);
END $$
"""

_RELEASE_ROUTE = """
CREATE FUNCTION release_page_route(p_channel text, p_external_id text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
  DELETE FROM public.page_route
  WHERE channel = p_channel AND external_id = p_external_id AND organization_id = ctx.organization()
$$
"""

# The tables of the default broker, as dramatiq-postgres 1.4 defines them; it carries ids only.
_BROKER = (
    "CREATE SCHEMA dramatiq",
    "CREATE TYPE dramatiq.state AS ENUM ('queued', 'consumed', 'rejected')",
    "CREATE TABLE dramatiq.queue (message_id uuid PRIMARY KEY, queue_name text NOT NULL DEFAULT 'default',"
    " state dramatiq.state, mtime timestamptz DEFAULT now(), message jsonb,"
    " position bigint GENERATED BY DEFAULT AS IDENTITY, available_at timestamptz NOT NULL DEFAULT now(),"
    " worker_id uuid, consumed_at timestamptz)",
    "CREATE INDEX ON dramatiq.queue (queue_name, available_at, position) WHERE state = 'queued'",
    "CREATE INDEX ON dramatiq.queue (state, mtime)",
    "CREATE TABLE dramatiq.worker (worker_id uuid PRIMARY KEY, heartbeat_at timestamptz NOT NULL)",
    "CREATE TABLE dramatiq.result (message_id uuid PRIMARY KEY, result jsonb, expires_at timestamptz)",
    f"GRANT USAGE ON SCHEMA dramatiq TO {SYSTEM}",
    f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA dramatiq TO {SYSTEM}",
    f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA dramatiq TO {SYSTEM}",
)


def _build_routes() -> None:
    # A page may have one owner over all organizations; these functions answer uniformly and never name the other one
    # (reliability.md 1.6, row 5).
    op.execute(_CLAIM_ROUTE)
    op.execute(_RELEASE_ROUTE)
    for function in ("claim_page_route(text, text, uuid)", "release_page_route(text, text)"):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {APP}")


def _build_broker() -> None:
    for statement in _BROKER:
        op.execute(statement)
