"""Manifests of front ends, and what the schema says about them."""

from __future__ import annotations

from collections.abc import Sequence

from server.documents import service as documents
from server.documents.rules import ClientBuild, NewDocument, OperationType, Reading, digest_of, document_id
from server.documents.service import Registered
from server.kit.db import Database
from server.tenants.scope import Scope
from server.tenants.uow import begin

WEB_1 = ClientBuild("web", "1.0.0")
WEB_2 = ClientBuild("web", "2.0.0")


def a_text(name: str) -> str:
    """A valid document whose operation has this name."""
    return f"query {name} {{ viewer {{ name }} }}"


def the_id_of(text: str) -> str:
    """The id that a client sends for a text."""
    return document_id(digest_of(text))


def as_new(text: str) -> NewDocument:
    """An entry of a manifest, a named query with which the schema is said to have no problem."""
    return NewDocument(the_id_of(text), text, Reading(text.split()[1], OperationType.QUERY, (), None))


def as_input(*texts: str) -> list[dict[str, str]]:
    """A manifest as documentsRegister takes it."""
    return [{"documentId": the_id_of(one), "text": one} for one in texts]


async def registered(database: Database, scope: Scope, build: ClientBuild, texts: Sequence[str]) -> Registered:
    """Register texts as one build."""
    async with begin(database, scope) as uow:
        return await documents.register(uow, build, [as_new(one) for one in texts])
