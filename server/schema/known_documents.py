"""From a request's `documentId` or text to the document that is served: the shipped ones, then the caller's organization's.

Called after authentication. What another organization registered, what was withdrawn and what never existed are one and the
same: nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from server.config import DocumentMode
from server.documents import service as documents
from server.documents.counting import UseCounter
from server.documents.rules import ClientBuild, digest_in, digest_of, document_id
from server.kit.clock import monotonic_s
from server.kit.db import Database
from server.schema.errors import DocumentNotAllowed, DocumentNotFound
from server.tenants.scope import Scope
from server.tenants.uow import begin_read

KEPT_S = 5.0
"""How long this process serves a document after it was withdrawn, at most."""
_CACHED = 1_000


@dataclass(frozen=True, slots=True)
class Served:
    """What is run. `document_id` None: a text that was not looked up, whose use is not counted."""

    text: str
    document_id: str | None


class KnownDocuments:
    """The documents that one process serves by id. `shipped` are those of frontend-contract/, by id, for everybody."""

    def __init__(
        self, database: Database, shipped: Mapping[str, str], uses: UseCounter, *, kept_s: float = KEPT_S
    ) -> None:
        self._database = database
        self._shipped = shipped
        self._uses = uses
        self._kept_s = kept_s
        self._known: OrderedDict[tuple[UUID, bytes], tuple[str, float]] = OrderedDict()

    async def served(self, scope: Scope | None, mode: DocumentMode, query: str | None, given_id: str | None) -> Served:
        """Return what to run for a request's `query` and `documentId`, of which at least one is given.

        Raises DocumentNotFound for an id that stands for nothing here, or beside a text for anything but that text; and in
        known mode DocumentNotAllowed for a text that is not byte for byte a document which the caller could name by id.
        """
        if query is None:
            found = None if given_id is None else await self.text_of(scope, given_id)
            if found is None:
                raise DocumentNotFound
            return Served(found, given_id)
        own_id = document_id(digest_of(query))
        if given_id is not None and given_id != own_id:
            raise DocumentNotFound
        if mode is DocumentMode.OPEN:
            return Served(query, None)
        if await self.text_of(scope, own_id) is None:
            raise DocumentNotAllowed
        return Served(query, own_id)

    async def text_of(self, scope: Scope | None, given_id: str) -> str | None:
        """Return the text behind an id: a shipped document for anybody, else one of the caller's organization. None: neither.

        At most one statement, none for callers who are not known, and none while the document is remembered.
        """
        shipped = self._shipped.get(given_id)
        digest = digest_in(given_id)
        if shipped is not None or scope is None or digest is None:
            return shipped
        key, now = (scope.organization_id, digest), monotonic_s()
        text, until = self._known.get(key, ("", 0.0))
        if now < until:
            self._known.move_to_end(key)
            return text
        async with begin_read(self._database, scope) as uow:
            found = await documents.find(uow, digest)
        self._remember(key, found, now + self._kept_s)
        return found

    def note_use(self, organization_id: UUID, given_id: str, operation_name: str, build: ClientBuild) -> None:
        """Count a use of a document that was served, for its organization. Costs no I/O; see counting.py."""
        digest = digest_in(given_id)
        if digest is not None:
            self._uses.note(organization_id, digest, operation_name, build)

    def _remember(self, key: tuple[UUID, bytes], text: str | None, until: float) -> None:
        # What was not found is not remembered: a document that was registered a moment ago is found at once.
        self._known.pop(key, None)
        if text is not None:
            self._known[key] = (text, until)
            if len(self._known) > _CACHED:
                self._known.popitem(last=False)
