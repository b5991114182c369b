"""Deterministic data by INSERT … SELECT: the same rows in every run, made by the superuser in a few seconds."""

from __future__ import annotations

from uuid import UUID

import psycopg

from server.channels.service.pages import account_token_identity, page_token_identity
from server.kit.crypto import KeyRing

Connection = psycopg.Connection[tuple[object, ...]]
ORGANIZATIONS = 20
CLIENTS = 5
MEMBERS = 5
PAGES = 10
LABELS = 6
PER_CONVERSATION = 5
_WIDTH = 1_000_000
"""Rows of one kind are numbered organization * _WIDTH + n, so that ids of all kinds can be computed."""

ORGANIZATION, UNIT, MEMBER, ACCOUNT, PAGE, LABEL, CONTACT, CONVERSATION, MESSAGE, OTHER = range(1, 11)


def uid(kind: int, organization: int, number: int = 0) -> UUID:
    """Return the id of a row; ids of one kind ascend, as UUIDv7 do."""
    return UUID(f"0190{kind:04x}-0000-7000-8000-{organization * _WIDTH + number:012x}")


_UID = f"""
CREATE OR REPLACE FUNCTION uid(kind int, organization int, number int DEFAULT 0) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT ('0190' || lpad(to_hex(kind), 4, '0') || '-0000-7000-8000-'
          || lpad(to_hex(organization::bigint * {_WIDTH} + number), 12, '0'))::uuid
$$
"""

_SPINE = f"""
INSERT INTO organization (organization_id, kind, name)
SELECT uid({ORGANIZATION}, o), 'AGENCY', 'Agency ' || o FROM generate_series(0, %(last)s) o;
INSERT INTO unit (organization_id, id, parent_id, kind, name)
SELECT uid({ORGANIZATION}, o), uid({UNIT}, o), NULL, 'HEADQUARTERS', 'Agency ' || o FROM generate_series(0, %(last)s) o;
INSERT INTO unit (organization_id, id, parent_id, kind, name)
SELECT uid({ORGANIZATION}, o), uid({UNIT}, o, n), uid({UNIT}, o), 'CLIENT', 'Client ' || n
FROM generate_series(0, %(last)s) o, generate_series(1, {CLIENTS}) n;
INSERT INTO unit_closure (organization_id, ancestor_id, descendant_id, depth)
SELECT organization_id, id, id, 0 FROM unit
UNION ALL SELECT organization_id, parent_id, id, 1 FROM unit WHERE parent_id IS NOT NULL;
INSERT INTO member (organization_id, id, user_id, name, email)
SELECT uid({ORGANIZATION}, o), uid({MEMBER}, o, n), uid({MEMBER}, o, n), 'Member ' || n, 'm' || n || '@example.test'
FROM generate_series(0, %(last)s) o, generate_series(1, {MEMBERS}) n;
INSERT INTO membership (organization_id, id, member_id, unit_id, role)
SELECT organization_id, id, id, uid({UNIT}, o), 'OWNER' FROM member, generate_series(0, %(last)s) o
WHERE organization_id = uid({ORGANIZATION}, o);
INSERT INTO connected_account
  (organization_id, id, unit_id, channel, external_id, name, token_sealed, scopes, health, connected_by)
SELECT uid({ORGANIZATION}, o), uid({ACCOUNT}, o, n), uid({UNIT}, o, 1 + n %% {CLIENTS}), 'MESSENGER',
  'account-' || o || '-' || n, 'Ada', '', '["pages_messaging"]', 'HEALTHY', uid({MEMBER}, o, 1)
FROM generate_series(0, %(last)s) o, generate_series(0, {PAGES} - 1) n;
INSERT INTO page (organization_id, id, unit_id, account_id, channel, external_id, name, token_sealed, ad_account_id, health)
SELECT organization_id, uid({PAGE}, o, n), unit_id, id, channel, (1000000 + o * 100 + n)::text, 'Bakery ' || n, '',
  'act_' || n, 'HEALTHY'
FROM connected_account, generate_series(0, %(last)s) o, generate_series(0, {PAGES} - 1) n WHERE id = uid({ACCOUNT}, o, n);
INSERT INTO page_route (channel, external_id, organization_id, page_id)
SELECT channel, external_id, organization_id, id FROM page;
INSERT INTO label (organization_id, id, unit_id, name, color)
SELECT uid({ORGANIZATION}, o), uid({LABEL}, o, n), uid({UNIT}, o), 'label ' || n, '#ffcc00'
FROM generate_series(0, %(last)s) o, generate_series(1, {LABELS}) n;
"""

_PEOPLE = f"""
INSERT INTO contact (organization_id, id, unit_id, name, first_name)
SELECT p.organization_id, uid({CONTACT}, o, n), p.unit_id, 'Grace Hopper ' || n, 'Grace'
FROM generate_series(0, %(last)s) o, generate_series(0, %(people)s - 1) n,
  LATERAL (SELECT * FROM page WHERE id = uid({PAGE}, o, n %% {PAGES})) p;
INSERT INTO contact_identity (organization_id, id, unit_id, contact_id, page_id, external_id)
SELECT c.organization_id, c.id, c.unit_id, c.id, uid({PAGE}, o, n %% {PAGES}), 'psid-' || n
FROM generate_series(0, %(last)s) o, generate_series(0, %(people)s - 1) n,
  LATERAL (SELECT * FROM contact WHERE id = uid({CONTACT}, o, n) AND organization_id = uid({ORGANIZATION}, o)) c;
"""

_INBOX = f"""
INSERT INTO conversation (organization_id, id, unit_id, page_id, contact_id, status, folder, category, assignee_id,
  last_message_id, last_message_at, last_inbound_at, unread_count, next_seq, revision)
SELECT i.organization_id, uid({CONVERSATION}, o, n), i.unit_id, i.page_id, i.contact_id,
  (ARRAY['OPEN', 'PENDING', 'RESOLVED'])[1 + n %% 3], 'PRIMARY', (ARRAY['INQUIRY', 'SUPPORT', NULL])[1 + n %% 3],
  CASE WHEN n %% 4 > 0 THEN uid({MEMBER}, o, 1 + n %% {MEMBERS}) END,
  uid({MESSAGE}, o, n * {PER_CONVERSATION} + {PER_CONVERSATION} - 1), at, at, n %% 4, {PER_CONVERSATION} + 1, 1 + n %% 7
FROM generate_series(0, %(last)s) o, generate_series(0, %(people)s - 1) n,
  LATERAL (SELECT timestamptz '2026-11-01 12:00:00.123456+00' - make_interval(secs => (n * 7919) %% 1000003) AS at) t,
  LATERAL (SELECT * FROM contact_identity WHERE organization_id = uid({ORGANIZATION}, o) AND id = uid({CONTACT}, o, n)) i;
INSERT INTO message (organization_id, id, unit_id, page_id, conversation_id, seq, direction, state, text,
  platform_message_id, occurred_at)
SELECT c.organization_id, uid({MESSAGE}, o, n * {PER_CONVERSATION} + k), c.unit_id, c.page_id, c.id, k + 1,
  (ARRAY['INBOUND', 'OUTBOUND'])[1 + k %% 2], (ARRAY['RECEIVED', 'READ'])[1 + k %% 2],
  'Hello, are you open on Sunday? This is message ' || k || ' of conversation ' || n,
  'm_' || o || '_' || n || '_' || k, c.last_message_at - make_interval(mins => {PER_CONVERSATION} - 1 - k)
FROM generate_series(0, %(last)s) o, generate_series(0, %(people)s - 1) n, generate_series(0, {PER_CONVERSATION} - 1) k,
  LATERAL (SELECT * FROM conversation
           WHERE organization_id = uid({ORGANIZATION}, o) AND id = uid({CONVERSATION}, o, n)) c;
INSERT INTO conversation_label (organization_id, conversation_id, label_id, unit_id)
SELECT c.organization_id, c.id, uid({LABEL}, o, 1 + (n / 2 + j) %% {LABELS}), c.unit_id
FROM generate_series(0, %(last)s) o, generate_series(0, %(people)s - 1) n, generate_series(0, 2) j,
  LATERAL (SELECT * FROM conversation
           WHERE organization_id = uid({ORGANIZATION}, o) AND id = uid({CONVERSATION}, o, n)) c
WHERE j < n %% 4;
"""


def define_uid(connection: Connection) -> None:
    """Let SQL compute ids as `uid` does."""
    connection.execute(_UID)


def fill_spine(connection: Connection, organizations: int = ORGANIZATIONS) -> None:
    """Make organizations with 5 clients, 5 people, 10 pages and 6 labels each."""
    define_uid(connection)
    run(connection, _SPINE, last=organizations - 1)


def fill_people(connection: Connection, each: int, organizations: int = ORGANIZATIONS) -> None:
    """Let `each` people per organization be known, spread over its pages."""
    run(connection, _PEOPLE, last=organizations - 1, people=each)


def fill_inbox(connection: Connection, each: int, organizations: int = ORGANIZATIONS) -> None:
    """Give each of these people a conversation of 5 messages and 0 to 3 labels."""
    run(connection, _INBOX, last=organizations - 1, people=each)


def fill_locations(connection: Connection, count: int, organization: int = 0) -> None:
    """Put locations under the organization's root."""
    run(
        connection,
        f"""
        INSERT INTO unit (organization_id, id, parent_id, kind, name, external_code)
        SELECT uid({ORGANIZATION}, %(o)s), uid({UNIT}, %(o)s, 1000 + n), uid({UNIT}, %(o)s), 'LOCATION',
          'Location ' || n, 'L' || n FROM generate_series(1, %(count)s) n;
        INSERT INTO unit_closure (organization_id, ancestor_id, descendant_id, depth)
        SELECT organization_id, unnest(ARRAY[id, parent_id]), id, unnest(ARRAY[0, 1]) FROM unit
        WHERE kind = 'LOCATION' AND organization_id = uid({ORGANIZATION}, %(o)s);
        """,
        o=organization,
        count=count,
    )


def seal_tokens(connection: Connection, keys: KeyRing, organization: int = 0) -> None:
    """Give the organization's pages and accounts tokens that open."""
    own = uid(ORGANIZATION, organization)
    for number in range(PAGES):
        page, account = uid(PAGE, organization, number), uid(ACCOUNT, organization, number)
        for table, row, identity in (
            ("page", page, page_token_identity(own, page)),
            ("connected_account", account, account_token_identity(own, account)),
        ):
            sealed = keys.seal(f"token-{number}", identity)
            statement = f"UPDATE {table} SET token_sealed = %s WHERE organization_id = %s AND id = %s"
            connection.execute(statement.encode(), (sealed, own, row))


def run(connection: Connection, script: str, **values: int) -> None:
    """Execute statements one by one, since a parameter list allows only one at a time, and read statistics."""
    for statement in filter(str.strip, script.split(";\n")):
        connection.execute(statement.encode(), values)
    connection.execute("ANALYZE")
