"""One franchise organization of 10,000 locations in 50 regions, with conversations that are spread unevenly over them.

Locations have ranks: the lower the rank, the more conversations, from about a thousand down to five. Ranks are dealt over
the regions, so that every region has busy and quiet ones. The quieter a location, the longer ago it was last written to.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from bench import data
from bench.data import Connection

REGIONS = 50
EACH = 200
LOCATIONS = REGIONS * EACH
CONVERSATIONS = 100_000
MEMBERS = 400
_STRIDE = 37
"""Odd and no multiple of 5, so that rank * _STRIDE modulo 10,000 reaches every location once."""
_REGION, _LOCATION = 2_000, 10_000
"""Where the numbers of the regions' and the locations' units begin."""

_TREE = f"""
INSERT INTO organization (organization_id, kind, name) VALUES (uid({data.ORGANIZATION}, 0), 'FRANCHISOR', 'Franchise');
INSERT INTO unit (organization_id, id, parent_id, kind, name)
VALUES (uid({data.ORGANIZATION}, 0), uid({data.UNIT}, 0), NULL, 'HEADQUARTERS', 'Franchise');
INSERT INTO unit (organization_id, id, parent_id, kind, name)
SELECT uid({data.ORGANIZATION}, 0), uid({data.UNIT}, 0, {_REGION} + r), uid({data.UNIT}, 0), 'REGION', 'Region ' || r
FROM generate_series(0, {REGIONS} - 1) r;
INSERT INTO unit (organization_id, id, parent_id, kind, name, external_code)
SELECT uid({data.ORGANIZATION}, 0), uid({data.UNIT}, 0, {_LOCATION} + n), uid({data.UNIT}, 0, {_REGION} + n / {EACH}),
  'LOCATION', 'Location ' || n, 'L' || n FROM generate_series(0, {LOCATIONS} - 1) n;
INSERT INTO unit_closure (organization_id, ancestor_id, descendant_id, depth)
SELECT organization_id, id, id, 0 FROM unit
UNION ALL SELECT organization_id, parent_id, id, 1 FROM unit WHERE parent_id IS NOT NULL
UNION ALL SELECT organization_id, uid({data.UNIT}, 0), id, 2 FROM unit WHERE kind = 'LOCATION';
INSERT INTO member (organization_id, id, user_id, name, email)
SELECT uid({data.ORGANIZATION}, 0), uid({data.MEMBER}, 0, n), uid({data.MEMBER}, 0, n), 'Member ' || n,
  'm' || n || '@example.test' FROM generate_series(0, {MEMBERS} - 1) n;
"""

_PAGES = f"""
INSERT INTO connected_account
  (organization_id, id, unit_id, channel, external_id, name, token_sealed, scopes, health, connected_by)
SELECT u.organization_id, uid({data.ACCOUNT}, 0, n), u.id, 'MESSENGER', 'account-' || n, 'Ada', '', '[]', 'HEALTHY',
  uid({data.MEMBER}, 0, 1)
FROM generate_series(0, {LOCATIONS} - 1) n JOIN unit u ON u.id = uid({data.UNIT}, 0, {_LOCATION} + n);
INSERT INTO page (organization_id, id, unit_id, account_id, channel, external_id, name, token_sealed, health)
SELECT a.organization_id, uid({data.PAGE}, 0, n), a.unit_id, a.id, a.channel, (1000000 + n)::text, 'Bakery ' || n, '',
  'HEALTHY'
FROM generate_series(0, {LOCATIONS} - 1) n JOIN connected_account a ON a.id = uid({data.ACCOUNT}, 0, n);
INSERT INTO label (organization_id, id, unit_id, name, color)
SELECT uid({data.ORGANIZATION}, 0), uid({data.LABEL}, 0, n), uid({data.UNIT}, 0), 'label ' || n, '#ffcc00'
FROM generate_series(1, {data.LABELS}) n;
"""

# floor(10,000 u²) of an even u makes 1,000 (√(r + 1) - √r) conversations of rank r.
_SPREAD = f"""
CREATE TEMP TABLE spread AS
SELECT n, p.organization_id, p.unit_id, p.id AS page_id, r.rank,
  timestamptz '2026-11-01 12:00:00.123456+00' - make_interval(secs => (n * 7919) %% 100003 + rank * 100) AS at
FROM generate_series(0, {CONVERSATIONS} - 1) n,
  LATERAL (SELECT floor({LOCATIONS} * power(((n::bigint * 6007) %% {CONVERSATIONS}) / {CONVERSATIONS}.0, 2))::int AS rank) r
  JOIN page p ON p.id = uid({data.PAGE}, 0, (r.rank * {_STRIDE}) %% {LOCATIONS});
INSERT INTO contact (organization_id, id, unit_id, name, first_name)
SELECT organization_id, uid({data.CONTACT}, 0, n), unit_id, 'Grace Hopper ' || n, 'Grace' FROM spread ORDER BY n;
INSERT INTO conversation (organization_id, id, unit_id, page_id, contact_id, status, folder, category, assignee_id,
  last_message_id, last_message_at, last_inbound_at, unread_count, next_seq, revision)
SELECT organization_id, uid({data.CONVERSATION}, 0, n), unit_id, page_id, uid({data.CONTACT}, 0, n),
  (ARRAY['OPEN', 'PENDING', 'RESOLVED'])[1 + n %% 3], 'PRIMARY', (ARRAY['INQUIRY', 'SUPPORT', NULL])[1 + n %% 3],
  CASE WHEN n %% 4 > 0 THEN uid({data.MEMBER}, 0, 1 + n %% {data.MEMBERS}) END,
  uid({data.MESSAGE}, 0, n), at, at, n %% 4, 2, 1 + n %% 7
FROM spread ORDER BY n;
INSERT INTO message (organization_id, id, unit_id, page_id, conversation_id, seq, direction, state, text,
  platform_message_id, occurred_at)
SELECT organization_id, uid({data.MESSAGE}, 0, n), unit_id, page_id, uid({data.CONVERSATION}, 0, n), 1, 'INBOUND',
  'RECEIVED', 'Hello, are you open on Sunday? This is message ' || n, 'm_' || n, at FROM spread ORDER BY n;
INSERT INTO conversation_label (organization_id, conversation_id, label_id, unit_id)
SELECT organization_id, uid({data.CONVERSATION}, 0, n), uid({data.LABEL}, 0, 1 + (n / 2 + j) %% {data.LABELS}), unit_id
FROM spread, generate_series(0, 2) j WHERE j < n %% 4;
DROP TABLE spread;
"""


def fill(connection: Connection) -> None:
    """Make the organization, its tree, one page per location and the conversations."""
    fill_tree(connection)
    for script in (_PAGES, _SPREAD):
        data.run(connection, script)


def fill_tree(connection: Connection) -> None:
    """Make the organization, its tree and some members."""
    data.define_uid(connection)
    data.run(connection, _TREE)


def root() -> UUID:
    """Return headquarters."""
    return data.uid(data.UNIT, 0)


def region(number: int) -> UUID:
    """Return the unit of a region."""
    return data.uid(data.UNIT, 0, _REGION + number)


def location_of_rank(rank: int) -> UUID:
    """Return the location with the rank; rank 0 is the busiest."""
    return data.uid(data.UNIT, 0, _LOCATION + rank * _STRIDE % LOCATIONS)


def grant(connection: Connection, member: int, units: Sequence[UUID]) -> UUID:
    """Let a member operate these units and nothing else; return the member's id."""
    own, member_id = data.uid(data.ORGANIZATION, 0), data.uid(data.MEMBER, 0, member)
    connection.execute("DELETE FROM membership WHERE member_id = %s", (member_id,))
    connection.execute(
        "INSERT INTO membership (organization_id, id, member_id, unit_id, role)"
        " SELECT %s, gen_random_uuid(), %s, unit_id, 'OPERATOR' FROM unnest(%s::uuid[]) unit_id",
        (own, member_id, list(units)),
    )
    return member_id


def newest(connection: Connection, units: Sequence[UUID], count: int) -> list[str]:
    """Return the last message of the newest conversations at or under these units, found without any index of theirs."""
    rows = connection.execute(
        "SELECT m.text FROM (SELECT DISTINCT descendant_id FROM unit_closure WHERE ancestor_id = ANY(%s)) d"
        " JOIN conversation c ON c.unit_id = d.descendant_id JOIN message m ON m.conversation_id = c.id"
        " ORDER BY c.last_message_at DESC, c.id DESC LIMIT %s",
        (list(units), count),
    )
    return [str(row[0]) for row in rows]
