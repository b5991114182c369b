"""Let every token and app know who made it, who answers for it, and through which token it was made.

Why: a service token or an app went on when its maker was gone and nobody could list it; a token for a day could make one
for a year. What exists takes maker and parent from the trail: who issued it, and for what an app issued the app's token.
A child that would outlive its parent is cut to the parent's end; housekeeping writes that into the trail, which is hashed.
Deploy order: before the processes that use it. All columns may be empty, so the processes before it go on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_KNOWN_TO_BOTH = ("owner_id", "parent_id")
_READ = ("access_token", "oauth_app", "audit_event", "member")

_LINE_LIVES = """
CREATE FUNCTION ctx.line_lives(organization uuid, parent uuid) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  WITH RECURSIVE line AS (
    SELECT a.* FROM access_token AS a WHERE a.organization_id = organization AND a.id = parent
    UNION
    SELECT a.* FROM line JOIN access_token AS a ON a.organization_id = organization AND a.id = line.parent_id)
  SELECT coalesce(bool_and(
      line.revoked_at IS NULL AND m.deactivated_at IS NULL
      AND (line.expires_at IS NULL OR line.expires_at > clock_timestamp())
      AND (line.idle_s IS NULL
        OR coalesce(line.last_used_at, line.created_at) > clock_timestamp() - make_interval(secs => line.idle_s))), false)
  FROM line LEFT JOIN member AS m ON m.organization_id = organization AND m.id = line.member_id;
END
"""

# An app's act in the trail bears the id of its token, which is then the parent; a member's act does not say which token.
_FROM_TRAIL = (
    """
UPDATE access_token AS t SET
  maker_id = coalesce(m.id, t.maker_id), owner_id = CASE WHEN t.member_id IS NULL THEN m.id END, parent_id = p.id
FROM audit_event AS e
LEFT JOIN member AS m ON m.organization_id = e.organization_id AND m.id = e.actor_id AND e.actor_kind = 'MEMBER'
LEFT JOIN access_token AS p ON p.organization_id = e.organization_id AND p.id = e.actor_id AND e.actor_kind = 'APP'
WHERE e.organization_id = t.organization_id AND e.subject_id = t.id AND e.action = 'token:self:issue'
  AND t.kind IN ('PERSONAL', 'SERVICE', 'SESSION') AND (m.id IS NOT NULL OR p.id IS NOT NULL)
""",
    """
UPDATE oauth_app AS a SET parent_id = p.id
FROM audit_event AS e
JOIN access_token AS p ON p.organization_id = e.organization_id AND p.id = e.actor_id
WHERE e.organization_id = a.organization_id AND e.subject_id = a.id AND e.action = 'app:self:register'
  AND e.actor_kind = 'APP'
""",
    # Who answered for the first of a line answers for all of it.
    """
WITH RECURSIVE line AS (
  SELECT t.organization_id, t.id, t.maker_id FROM access_token AS t WHERE t.parent_id IS NULL AND t.maker_id IS NOT NULL
  UNION
  SELECT t.organization_id, t.id, line.maker_id FROM line
  JOIN access_token AS t ON t.organization_id = line.organization_id AND t.parent_id = line.id)
UPDATE access_token AS t SET maker_id = line.maker_id, owner_id = CASE WHEN t.member_id IS NULL THEN line.maker_id END
FROM line
WHERE t.organization_id = line.organization_id AND t.id = line.id AND t.parent_id IS NOT NULL
""",
    """
UPDATE oauth_app AS a SET member_id = p.maker_id FROM access_token AS p
WHERE p.organization_id = a.organization_id AND p.id = a.parent_id AND a.member_id IS NULL
""",
    "UPDATE oauth_app SET owner_id = member_id",
)
_CUT = (
    """
WITH RECURSIVE line AS (
  SELECT t.organization_id, t.id, least(t.expires_at, t.revoked_at) AS over FROM access_token AS t
  WHERE t.parent_id IS NULL
  UNION
  SELECT t.organization_id, t.id, least(t.expires_at, t.revoked_at, line.over) FROM line
  JOIN access_token AS t ON t.organization_id = line.organization_id AND t.parent_id = line.id)
UPDATE access_token AS t SET expires_at = line.over, cut_at = clock_timestamp() FROM line
WHERE t.organization_id = line.organization_id AND t.id = line.id AND t.parent_id IS NOT NULL AND t.revoked_at IS NULL
  AND line.over < coalesce(t.expires_at, 'infinity')
""",
    """
UPDATE oauth_app AS a SET expires_at = least(p.expires_at, p.revoked_at), cut_at = clock_timestamp()
FROM access_token AS p
WHERE p.organization_id = a.organization_id AND p.id = a.parent_id AND a.archived_at IS NULL
  AND least(p.expires_at, p.revoked_at) IS NOT NULL
""",
)


def _time(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.add_column("access_token", sa.Column("maker_id", sa.Uuid(), nullable=True))
    op.add_column("oauth_app", _time("expires_at"))
    for table in ("access_token", "oauth_app"):
        for name in _KNOWN_TO_BOTH:
            op.add_column(table, sa.Column(name, sa.Uuid(), nullable=True))
        op.add_column(table, _time("cut_at"))
        op.add_column(table, _time("cut_told_at"))
        for name in _KNOWN_TO_BOTH:
            where = sa.text(f"{name} IS NOT NULL")
            short = name.removesuffix("_id")
            op.create_index(f"{table}_{short}_idx", table, ["organization_id", name], postgresql_where=where)
    _fill()
    for name in ("maker_id", "owner_id"):
        _refer("access_token", name, "member")
    _refer("access_token", "parent_id", "access_token")
    _refer("oauth_app", "owner_id", "member")
    op.execute(_LINE_LIVES)


def _refer(table: str, column: str, target: str) -> None:
    op.create_foreign_key(
        op.f(f"{table}_organization_id_{column}_fkey"),
        table,
        target,
        ["organization_id", column],
        ["organization_id", "id"],
        ondelete="CASCADE" if column == "parent_id" else None,
    )


def _fill() -> None:
    """Fill what the trail tells. The owner of the tables stands behind their walls too, and steps out for this only."""
    for table in _READ:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    for statement in (*_FROM_TRAIL, *_CUT):
        op.execute(statement)
    for table in _READ:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.execute("DROP FUNCTION ctx.line_lives(uuid, uuid)")
    for table in ("oauth_app", "access_token"):
        for name in (*_KNOWN_TO_BOTH, "cut_at", "cut_told_at"):
            op.drop_column(table, name)
    op.drop_column("oauth_app", "expires_at")
    op.drop_column("access_token", "maker_id")
