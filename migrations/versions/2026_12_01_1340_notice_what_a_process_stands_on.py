"""Let a process notice at its start that keys, pepper or revision are not those of the database.

Why: production started with the wrong key ring, without migrations and on a server that takes no write, and said nothing.
Deploy order: before the processes that use it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.walls import SYSTEM, system_rights, system_wall

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.create_table(
        "start_canary",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("start_canary_pkey")),
    )
    op.create_table(
        "write_probe",
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("slot", name=op.f("write_probe_pkey")),
    )
    system_wall("start_canary")
    system_rights("start_canary", "SELECT, INSERT, DELETE")
    system_wall("write_probe")
    system_rights("write_probe", "SELECT, INSERT, UPDATE")
    op.execute(f"GRANT SELECT ON alembic_version TO {SYSTEM}")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.execute(f"REVOKE SELECT ON alembic_version FROM {SYSTEM}")
    op.drop_table("write_probe")
    op.drop_table("start_canary")
