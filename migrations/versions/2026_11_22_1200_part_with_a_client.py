"""Part with a client: off-boarding, exports and erasure.

Why: a client that leaves takes its data along, and a person who asks to be forgotten is.
Deploy order: before the processes that use it. Older processes set no departed units; none exist before the new ones run.
The new indexes serve the foreign keys that an erasure checks. They are built inside of the transaction: on large tables
build them CONCURRENTLY under the same names first.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import (
    DEPARTED_UP,
    departed_wall,
    erasure_wall,
    organization_wall,
    system_rights,
    unit_wall,
)

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_CHANNELS = ("MESSENGER", "INSTAGRAM", "X", "LINKEDIN", "TIKTOK")
_SEND_STATES = ("QUEUED", "CLAIMED", "SENT", "NOT_SENT", "SKIPPED", "CANCELLED", "UNKNOWN", "NEEDS_HUMAN")
_DELIVERIES = ("NONE", "ACCEPTED", "DELIVERED", "READ", "FAILED")
_INDEXES = (
    ("conversation_contact_idx", "conversation", ("organization_id", "contact_id")),
    ("assignment_conversation_idx", "assignment", ("organization_id", "conversation_id")),
    ("pending_change_contact_idx", "pending_change", ("organization_id", "contact_id")),
    ("messaging_window_contact_idx", "messaging_window", ("organization_id", "contact_id")),
    ("marketing_use_contact_idx", "marketing_use", ("organization_id", "contact_id")),
    ("consent_contact_idx", "consent", ("organization_id", "contact_id")),
    ("send_intent_person_idx", "send_intent", ("organization_id", "contact_id")),
    ("receipt_mark_contact_idx", "receipt_mark", ("organization_id", "contact_id")),
    ("campaign_recipient_contact_idx", "campaign_recipient", ("organization_id", "contact_id")),
    ("connected_account_person_idx", "connected_account", ("channel", "external_id")),
)
_OUTLIVES_UNIT = frozenset({"legal_access", "legal_hold"})
_ERASABLE = {
    "cost": ("unit_id",),
    "approval_decision": ("unit_id",),
    "consent_event": ("unit_id", "contact_id"),
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    for statement in DEPARTED_UP:
        op.execute(statement)
    _add_departures()
    _add_traces()
    _add_offboardings()
    for name, table, columns in _INDEXES:
        op.create_index(name, table, list(columns))
    for table, columns in _ERASABLE.items():
        erasure_wall(table, *columns)
    for table in _of_units():
        departed_wall(table, column="id" if table == "unit" else "unit_id")
    system_rights("connected_account", "SELECT (organization_id, unit_id, channel, external_id)")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.execute("DROP POLICY system_access ON connected_account")
    op.execute("REVOKE ALL (organization_id, unit_id, channel, external_id) ON connected_account FROM switchboard_system")
    for table in _of_units():
        op.execute(f"DROP POLICY IF EXISTS departed ON {table}")
    for table in _ERASABLE:
        op.execute(f"DROP POLICY erasure ON {table}")
        op.execute(f"REVOKE DELETE ON {table} FROM switchboard_app")
    for name, table, _ in _INDEXES:
        op.drop_index(name, table)
    for table in ("platform_revocation", "offboarding_step", "offboarding", "carried_cost", "send_tally"):
        op.drop_table(table)
    op.drop_table("erased_identity")
    op.drop_table("departure")
    op.drop_column("contact", "was_erased")
    op.drop_column("pending_change", "contact_id")
    op.drop_column("early_receipt", "contact_id")
    op.execute("DROP FUNCTION ctx.departed()")


def _of_units() -> list[str]:
    """Return every table whose rows are hidden with their unit; offline there is no catalogue to ask."""
    found = op.get_bind().execute(
        sa.text(
            "SELECT c.relname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND NOT a.attisdropped"
            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'"
            " AND a.attname = CASE c.relname WHEN 'unit' THEN 'id' ELSE 'unit_id' END ORDER BY 1"
        )
    )
    return [str(name) for (name,) in found if name not in _OUTLIVES_UNIT]


def _add_departures() -> None:
    op.create_table(
        "departure",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("kind", _enum("departurekind", "UNIT", "CONTACT"), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        _created_at(),
        sa.PrimaryKeyConstraint("organization_id", "subject_id", name=op.f("departure_pkey")),
    )
    organization_wall("departure")
    op.create_table(
        "erased_identity",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("identity_hash", sa.LargeBinary(), nullable=False),
        _created_at(),
        sa.PrimaryKeyConstraint("organization_id", "identity_hash", name=op.f("erased_identity_pkey")),
    )
    organization_wall("erased_identity")
    op.add_column("contact", sa.Column("was_erased", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("pending_change", sa.Column("contact_id", sa.Uuid(), nullable=True))
    op.add_column("early_receipt", sa.Column("contact_id", sa.Uuid(), nullable=True))


def _add_traces() -> None:
    op.create_table(
        "carried_cost",
        *_row_head(),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("left_unit_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("origin", _enum("origin", "REPLY", "CAMPAIGN"), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("delivered", sa.BigInteger(), nullable=False),
        _created_at(),
        _of_unit("carried_cost"),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("carried_cost_pkey")),
    )
    op.create_index("carried_cost_unit_idx", "carried_cost", ["organization_id", "unit_id", "month"])
    unit_wall("carried_cost")
    op.create_table(
        "send_tally",
        *_row_head(),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("state", _enum("sendstate", *_SEND_STATES), nullable=False),
        sa.Column("delivery", _enum("delivery", *_DELIVERIES), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        _created_at(),
        sa.ForeignKeyConstraint(
            ["organization_id", "batch_id"],
            ["send_batch.organization_id", "send_batch.id"],
            name=op.f("send_tally_organization_id_batch_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("send_tally_pkey")),
    )
    op.create_index("send_tally_batch_idx", "send_tally", ["organization_id", "batch_id"])
    unit_wall("send_tally")


def _add_offboardings() -> None:
    op.create_table(
        "offboarding",
        *_row_head(),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("left_unit_id", sa.Uuid(), nullable=False),
        sa.Column("left_unit_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("page_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("policy", _enum("policy", "ERASE", "RETAIN"), nullable=False),
        sa.Column("retained_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", _enum("offboardingstate", "RUNNING", "ON_HOLD", "RETAINED", "DONE"), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("actor_name", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("export_file_id", sa.Uuid(), nullable=True),
        sa.Column("manifest_file_id", sa.Uuid(), nullable=True),
        sa.Column("certificate_file_id", sa.Uuid(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        _created_at(),
        _of_unit("offboarding"),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("offboarding_pkey")),
    )
    op.create_index("offboarding_newest_idx", "offboarding", ["organization_id", "unit_id", "id"])
    op.create_index("offboarding_left_idx", "offboarding", ["organization_id", "left_unit_id"], unique=True)
    unit_wall("offboarding")
    _add_steps()


def _add_steps() -> None:
    steps = ("FREEZE", "EXPORT", "REVOKE", "STAFF", "ERASE", "CERTIFICATE")
    op.create_table(
        "offboarding_step",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("offboarding_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("name", _enum("stepname", *steps), nullable=False),
        sa.Column("state", _enum("stepstate", "WAITING", "RUNNING", "DONE"), nullable=False),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("facts", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        _of_offboarding("offboarding_step"),
        sa.PrimaryKeyConstraint(
            "organization_id", "offboarding_id", "position", name=op.f("offboarding_step_pkey")
        ),
    )
    unit_wall("offboarding_step")
    outcomes = ("WAITING", "DONE", "REFUSED", "UNREACHABLE", "SHARED", "VOID")
    op.create_table(
        "platform_revocation",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("offboarding_id", sa.Uuid(), nullable=False),
        sa.Column("target", _enum("target", "PAGE", "GRANT"), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("channel", _enum("channel", *_CHANNELS), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("outcome", _enum("revocation", *outcomes), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("detail", sa.String(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        _of_offboarding("platform_revocation"),
        sa.PrimaryKeyConstraint(
            "organization_id", "offboarding_id", "target", "subject_id", name=op.f("platform_revocation_pkey")
        ),
    )
    unit_wall("platform_revocation")


def _row_head() -> tuple[sa.Column[object], sa.Column[object]]:
    return sa.Column("organization_id", sa.Uuid(), nullable=False), sa.Column("id", sa.Uuid(), nullable=False)


def _created_at() -> sa.Column[object]:
    return sa.Column(
        "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
    )


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, length=40)


def _of_unit(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id", "unit_id"],
        ["unit.organization_id", "unit.id"],
        name=op.f(f"{table}_organization_id_unit_id_fkey"),
    )


def _of_offboarding(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id", "offboarding_id"],
        ["offboarding.organization_id", "offboarding.id"],
        name=op.f(f"{table}_organization_id_offboarding_id_fkey"),
    )
