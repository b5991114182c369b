"""The composition of the API process: the only place where its parts meet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from server.config import Settings
from server.documents.counting import UseCounter
from server.kit import log
from server.kit.admission import Admission
from server.kit.budgets import Budgets
from server.kit.crypto import KeyRing
from server.kit.db import Database
from server.kit.live import Listener
from server.models import metadata
from server.platforms import registry
from server.schema import transport
from server.schema.context import Services
from server.schema.known_documents import KnownDocuments
from server.schema.root import build
from server.startup import guard
from server.web import (
    attachments,
    authorization,
    callbacks,
    dev_mail,
    files,
    health,
    invitations,
    media,
    middleware,
    oauth,
    oidc,
    passkeys,
    passwords,
    sign_in,
    verify,
    webhooks,
)
from server.web.answers import answer_http_exception
from server.web.dependencies import WebDependencies

_WEBHOOK_CONNECTIONS = 2
_DOCUMENTS = Path(__file__).parent.parent / "frontend-contract" / "persisted-documents.json"


def create_app(config: Settings | None = None) -> Starlette:
    """Build the application; its connections open with the lifespan.

    Without settings this is the start of a process, as `server.serve` does it: they are read and checked, and
    SystemExit says what is wrong.
    """
    log.configure()
    config = config or guard.begin(metadata)
    database = Database(config.database, KeyRing.parse(config.security.keys.get_secret_value()))
    connectors = registry.build(config)
    listener = Listener(config.database.app_dsn)
    budgets = Budgets(database, config.security.pepper.get_secret_value())
    uses = UseCounter(database)
    known = KnownDocuments(database, shipped_documents(), uses)
    admission = Admission(config.admission, config.database)
    services = Services(database, connectors, config, listener, admission, budgets, known)
    webhooks = Database(config.database.model_copy(update={"pool_size": _WEBHOOK_CONNECTIONS}), database.keys)
    shell = WebDependencies(database, connectors, config, admission, webhooks)
    schema = build(introspection=config.web.is_open_for_development, max_price=config.operations.max_price)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        listener.start()
        uses.start()
        yield
        await listener.aclose()
        await uses.aclose()
        await budgets.aclose()
        await shell.intake.aclose()
        await connectors.aclose()
        await webhooks.aclose()
        await database.aclose()

    return Starlette(
        routes=[*transport.routes(schema, services), *_web_routes(shell)],
        middleware=middleware.stack(config.web),
        exception_handlers={HTTPException: answer_http_exception},
        lifespan=lifespan,
    )


def _web_routes(shell: WebDependencies) -> list[BaseRoute]:
    """Return every route beside GraphQL."""
    return [
        *webhooks.routes(shell),
        *oauth.routes(shell),
        *callbacks.routes(shell),
        *authorization.routes(shell),
        *oidc.routes(shell),
        *passkeys.routes(shell),
        *verify.routes(shell),
        *sign_in.routes(shell),
        *passwords.routes(shell),
        *invitations.routes(shell),
        *dev_mail.routes(shell),
        *files.routes(shell),
        *attachments.routes(shell),
        *media.routes(shell),
        *health.routes(shell),
    ]


def shipped_documents() -> dict[str, str]:
    """Read the documents that every front end may name by id."""
    documents: dict[str, str] = orjson.loads(_DOCUMENTS.read_bytes()) if _DOCUMENTS.exists() else {}
    return documents
