"""Keep scopes fast: policies look the unit of a row up in a hash.

Why: along an array of 2,000 units each row cost up to 2,000 comparisons, and a page of the inbox half a second.
Deploy order: any; what the policies let through stays the same.
"""

from __future__ import annotations

from alembic import op

from migrations.walls import hash_unit_sets, probe_unit_sets

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    hash_unit_sets()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    probe_unit_sets()
