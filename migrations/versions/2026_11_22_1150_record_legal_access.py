"""Record legal access: requests, four eyes, time limits and holds; let nobody set the end of a trail's chain back.

Why: access under a legal basis needs a record and an end, a read by a privileged person a trace.
Deploy order: before the processes that use it. Processes of the release before need no right that is taken away.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.walls import actor_wall, lineage_wall, narrow_rights, unit_wall

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_BASES = ("COURT_ORDER", "LAW_ENFORCEMENT", "SAFETY", "DATA_SUBJECT", "REGULATOR", "LITIGATION")
_STATES = ("REQUESTED", "GRANTED", "REFUSED", "ENDED", "WITHDRAWN")
_DECIDED = (
    "state, decided_by, decided_by_user_id, decided_by_name, decided_at, comment, expires_at, ended_by_name, ended_at"
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.create_unique_constraint(
        op.f("audit_event_organization_id_previous_hash_key"), "audit_event", ["organization_id", "previous_hash"]
    )
    narrow_rights("audit_head", "SELECT, INSERT, UPDATE (seq, hash)")
    _add_legal_access()
    _add_legal_hold()
    _add_read_trace()
    unit_wall("legal_access")
    narrow_rights("legal_access", f"SELECT, INSERT, UPDATE ({_DECIDED})")
    lineage_wall("legal_hold")
    narrow_rights("legal_hold", "SELECT, INSERT, UPDATE (lifted_by_name, lifted_at, lift_reason)")
    actor_wall("read_trace")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    for table in ("read_trace", "legal_hold", "legal_access"):
        op.drop_table(table)
    narrow_rights("audit_head", "SELECT, INSERT, UPDATE, DELETE")
    op.drop_constraint(op.f("audit_event_organization_id_previous_hash_key"), "audit_event")


def _add_legal_access() -> None:
    op.create_table(
        "legal_access",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("conversation_id", sa.Uuid(), nullable=True),
        sa.Column("basis", sa.Enum(*_BASES, name="legalbasis", native_enum=False, length=40), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("secret_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("requester_id", sa.Uuid(), nullable=False),
        sa.Column("requester_user_id", sa.Uuid(), nullable=False),
        sa.Column("requester_name", sa.String(), nullable=False),
        sa.Column("state", sa.Enum(*_STATES, name="legalaccessstate", native_enum=False, length=40), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_by_user_id", sa.Uuid(), nullable=True),
        sa.Column("decided_by_name", sa.String(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("comment", sa.String(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by_name", sa.String(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "num_nonnulls(contact_id, conversation_id) = 1", name=op.f("legal_access_one_subject_check")
        ),
        sa.CheckConstraint(
            "decided_by <> requester_id AND decided_by_user_id <> requester_user_id",
            name=op.f("legal_access_four_eyes_check"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("legal_access_pkey")),
    )
    op.create_index("legal_access_newest_idx", "legal_access", ["organization_id", "unit_id", "id"])


def _add_legal_hold() -> None:
    op.create_table(
        "legal_hold",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("basis", sa.Enum(*_BASES, name="legalbasis", native_enum=False, length=40), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("set_by_name", sa.String(), nullable=False),
        sa.Column("lifted_by_name", sa.String(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lift_reason", sa.String(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("legal_hold_pkey")),
    )
    op.create_index("legal_hold_unit_idx", "legal_hold", ["organization_id", "unit_id", "id"])
    op.create_index("legal_hold_contact_idx", "legal_hold", ["organization_id", "contact_id"])


def _add_read_trace() -> None:
    op.create_table(
        "read_trace",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("traced_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "actor_id", "subject_id", name=op.f("read_trace_pkey")),
    )
    op.create_index("read_trace_age_idx", "read_trace", ["organization_id", "traced_at"])
