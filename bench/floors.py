"""What the whole stack is measured against, as small applications that uvicorn serves like the real one.

`floor_a`: bare Starlette, one SQL statement under the same role and row-level security, dictionaries, orjson.
`graphql_core`: graphql-core alone, on ready dictionaries, with default resolvers and the document parsed once.
`copy`: a COPY of the raw events of each body, committed before the 200; nothing is verified or de-duplicated.
"""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from graphql import build_schema, execute, parse
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.schema.nodes import Kind

PATH = "/"
POOL = 10
"""As many connections as the API has by default."""

_CONTEXT = """SELECT set_config('app.organization', %s, true), set_config('app.all_units', 'on', true),
 set_config('app.units', '{}', true), set_config('app.lineage', '{}', true),
 set_config('transaction_read_only', 'on', true)"""
_PAGE = """
SELECT c.id, c.status, c.folder, c.category, c.unread_count, c.revision, c.last_message_at,
  t.id, t.name, t.first_name, p.id, p.name, p.channel, p.external_id, a.id, a.name,
  m.id, m.direction, m.state, m.text, m.occurred_at,
  (SELECT json_agg(json_build_array(l.id, l.name, l.color) ORDER BY l.name, l.id) FROM conversation_label k
   JOIN label l ON l.organization_id = k.organization_id AND l.id = k.label_id
   WHERE k.organization_id = c.organization_id AND k.conversation_id = c.id)
FROM conversation c
LEFT JOIN contact t ON t.organization_id = c.organization_id AND t.id = c.contact_id
LEFT JOIN page p ON p.organization_id = c.organization_id AND p.id = c.page_id
LEFT JOIN member a ON a.organization_id = c.organization_id AND a.id = c.assignee_id
LEFT JOIN message m ON m.organization_id = c.organization_id AND m.id = c.last_message_id
WHERE c.organization_id = %s ORDER BY c.last_message_at DESC, c.id DESC LIMIT 51
"""
_LETTERS = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghjkmnpqrstvwxyz")


def _gid(kind: Kind, value: UUID) -> str:
    return f"{kind}_{base64.b32encode(bytes(4) + value.bytes)[6:].translate(_LETTERS).decode()}"


def _node(row: tuple[Any, ...]) -> dict[str, object]:
    return {
        "id": _gid(Kind.CONVERSATION, row[0]),
        "status": row[1],
        "folder": row[2],
        "category": row[3],
        "unreadCount": row[4],
        "revision": row[5],
        "lastMessageAt": row[6],
        "contact": {"id": _gid(Kind.CONTACT, row[7]), "name": row[8], "firstName": row[9]},
        "page": {"id": _gid(Kind.PAGE, row[10]), "name": row[11], "channel": row[12], "externalId": row[13]},
        "assignee": None if row[14] is None else {"id": _gid(Kind.MEMBER, row[14]), "name": row[15]},
        "labels": [
            {"id": _gid(Kind.LABEL, UUID(label[0])), "name": label[1], "color": label[2]} for label in row[21] or ()
        ],
        "lastMessage": {
            "id": _gid(Kind.MESSAGE, row[16]),
            "direction": row[17],
            "state": row[18],
            "text": row[19],
            "occurredAt": row[20],
        },
    }


def floor_a() -> Starlette:
    """Answer the inbox page of 50 by hand."""
    organization = os.environ["BENCH_ORGANIZATION"]
    set_json_loads(orjson.loads)
    pool = _pool()

    async def page(_request: Request) -> Response:
        async with pool.connection() as connection:
            await connection.execute(_CONTEXT, (organization,))
            rows = await (await connection.execute(_PAGE, (organization,))).fetchall()
        shown = rows[:50]
        last = ["0", str(shown[-1][6]), str(shown[-1][0])]
        end = base64.urlsafe_b64encode(orjson.dumps(last)).decode()
        told = {
            "data": {
                "conversations": {
                    "nodes": [_node(row) for row in shown],
                    "pageInfo": {"hasNextPage": len(rows) > 50, "endCursor": end},
                }
            }
        }
        return Response(orjson.dumps(told), media_type="application/json")

    return _application(page, pool)


def graphql_core() -> Starlette:
    """Answer the same selection with graphql-core, on dictionaries that are there already."""
    schema = build_schema(Path(os.environ["BENCH_SDL"]).read_text(), assume_valid=True)
    document = parse(Path(os.environ["BENCH_DOCUMENT"]).read_text())
    data = orjson.loads(Path(os.environ["BENCH_ANSWER"]).read_bytes())["data"]
    variables = {"first": 50}

    async def page(_request: Request) -> Response:
        result = execute(schema, document, data, variable_values=variables)
        assert not hasattr(result, "__await__")
        told = {"data": result.data}
        if result.errors:
            raise RuntimeError(str(result.errors[0]))
        return Response(orjson.dumps(told), media_type="application/json")

    return _application(page, None)


def copy() -> Starlette:
    """COPY the raw events of each body."""
    pool = _pool()

    async def receive(request: Request) -> Response:
        body = orjson.loads(await request.body())
        items = [orjson.dumps(item).decode() for entry in body["entry"] for item in entry["messaging"]]
        async with (
            pool.connection() as connection,
            connection.cursor() as cursor,
            cursor.copy("COPY bench_event (payload) FROM STDIN") as into,
        ):
            for item in items:
                await into.write_row((item,))
        return Response(b"{}", media_type="application/json")

    return _application(receive, pool)


def _pool() -> AsyncConnectionPool:
    return AsyncConnectionPool(os.environ["BENCH_DSN"], min_size=POOL, max_size=POOL, open=False)


def _application(endpoint: Any, pool: AsyncConnectionPool | None) -> Starlette:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        if pool is None:
            yield
            return
        async with pool:
            await pool.wait()
            yield

    return Starlette(routes=[Route(PATH, endpoint, methods=["POST"])], lifespan=lifespan)
