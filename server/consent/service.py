"""Consent: topics, what people said about them, who must be left alone, and how long a page may write freely.

The send gate reads the same tables in its own statement (gate.py); nothing here decides about one message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.channels.service import PageRef
from server.consent import repository
from server.consent.errors import NoEvidence, UnknownTopic
from server.consent.models import (
    ConsentAction,
    ConsentEventRow,
    ConsentRow,
    ConsentSource,
    SuppressionReason,
    SuppressionRow,
    TopicRow,
    WindowRow,
)
from server.consent.repository import Reopened
from server.consent.rules import Facts, Refusal, may_send
from server.contacts import leaving
from server.contacts import service as contacts
from server.contacts.models import ContactRow
from server.kit.db import identity_of
from server.kit.errors import DomainError, InvalidInput, NotFound, Problems
from server.kit.ids import new_id
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.platforms.capabilities import catalogue
from server.tenants import service as tenants
from server.tenants.errors import AlreadyExists
from server.tenants.rules import MAX_NAME, Permission
from server.tenants.scope import ActorKind
from server.tenants.uow import UnitOfWork

MAX_TOPIC_KEY = 120
_REFUSED = {
    Refusal.SUPPRESSED: "Nothing may be sent to this person. Lift the suppression first, if they agree.",
    Refusal.WINDOW_CLOSED: "The time in which the page may answer is over. It opens when the person writes again.",
}
_NO_WINDOW = timedelta(days=36_525)


@dataclass(frozen=True, slots=True)
class _Word:
    """One yes or no as it arrived. `title` is the wording that the person saw."""

    page: PageRef
    contact_id: UUID
    topic_id: UUID | None
    action: ConsentAction
    source: ConsentSource
    at: datetime
    title: str | None
    event_id: UUID | None


# --------------------------------------------------------------------------- topics


async def create_topic(uow: UnitOfWork, unit_id: UUID, key: str, name: str) -> TopicRow:
    """Offer a topic at a unit and everything under it. `key` is the payload of the platform's opt-in request.

    Needs consent:write on the unit; raises AlreadyExists for a key that the unit has.
    """
    uow.scope.require(Permission.CONSENT_WRITE, unit_id)
    problems: list[DomainError] = []
    if not 1 <= len(key) <= MAX_TOPIC_KEY or not key.isprintable() or key != key.strip():
        problems.append(
            InvalidInput(f"A key has 1 to {MAX_TOPIC_KEY} printable characters, no space around it.", path=("key",))
        )
    if not name.strip() or len(name) > MAX_NAME:
        problems.append(InvalidInput(f"A name has 1 to {MAX_NAME} characters.", path=("name",)))
    if problems:
        raise Problems(problems)
    row = await repository.insert_topic(
        uow.session,
        {
            "organization_id": uow.scope.organization_id,
            "id": new_id(),
            "unit_id": unit_id,
            "key": key,
            "name": name,
        },
    )
    if row is None:
        raise AlreadyExists("The unit has a topic of this key.", path=("key",))
    await audit.record(uow, Action.TOPIC_CREATE, row.id, {"key": key, "unit": str(unit_id)})
    return row


async def topic(uow: UnitOfWork, topic_id: UUID) -> TopicRow:
    """Return one topic of the scope or above it; raise NotFound."""
    for row in await repository.topics_by_id(uow.session, uow.scope, [topic_id]):
        return row
    raise NotFound


async def topics_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, TopicRow]:
    """Return the topics with these ids that the scope sees, by id."""
    rows = await repository.topics_by_id(uow.session, uow.scope, ids)
    return {row.id: row for row in rows}


async def topics(uow: UnitOfWork, arguments: PageArguments, *, unit_id: UUID | None = None) -> Page[TopicRow]:
    """List topics by name; with `unit_id`, or NotFound, those that are offered there: its own and those from above."""
    if unit_id is not None:
        try:
            await tenants.unit(uow, unit_id)  # else what is offered above would tell that there is such a unit
        except NotFound as error:
            raise NotFound(path=("unitId",)) from error
    keyset = Keyset((SortKey(TopicRow.name, str), SortKey(TopicRow.id, UUID)), ["topics", unit_id])
    rows = await repository.list_topics(uow.session, uow.scope, keyset, arguments, unit_id)
    return keyset.page(rows, arguments, lambda row: (row.name, row.id))


# --------------------------------------------------------------------------- yes and no


async def opt_in(
    uow: UnitOfWork,
    page: PageRef,
    contact_id: UUID,
    topic_key: str,
    title: str | None,
    token: str | None,
    expires_at: datetime | None,
    at: datetime,
    source: ConsentSource,
    event_id: UUID | None,
) -> None:
    """Record that a person said yes to a topic at a page; it counts unless a later no stands.

    The topic is the one of that key nearest to the page's unit; raises UnknownTopic, and NoEvidence for a yes that an
    agent gives in the person's name. Repeating it adds a ledger entry and changes nothing else.
    """
    uow.scope.require(Permission.CONSENT_WRITE, page.unit_id)
    if source is ConsentSource.AGENT:
        raise NoEvidence
    found = await _topic_at(uow, page, topic_key)
    word = _Word(page, contact_id, found.id, ConsentAction.OPT_IN, source, at, title, event_id)
    entry = await _enter(uow, word)
    is_stopped = await repository.has_stopped_all_since(
        uow.session, uow.scope.organization_id, page.id, contact_id, entry.occurred_at
    )
    if not is_stopped:
        await _set(uow, word, entry, token, expires_at)
    await _audit(uow, word, entry)


async def opt_out(
    uow: UnitOfWork,
    page: PageRef,
    contact_id: UUID,
    topic_key: str | None,
    at: datetime,
    source: ConsentSource,
    event_id: UUID | None,
) -> None:
    """Record that a person stopped one topic at a page, or all of them (`topic_key` None), unless a later yes stands.

    Raises UnknownTopic for a key that is not offered: then nothing could be sent under it either.
    """
    uow.scope.require(Permission.CONSENT_WRITE, page.unit_id)
    topic_id = None if topic_key is None else (await _topic_at(uow, page, topic_key)).id
    word = _Word(page, contact_id, topic_id, ConsentAction.OPT_OUT, source, at, None, event_id)
    entry = await _enter(uow, word)
    if word.topic_id is not None:
        await _set(uow, word, entry, None, None)
    else:
        await repository.withdraw_all(
            uow.session, uow.scope.organization_id, page.id, contact_id, entry.occurred_at, entry.id
        )
    await _audit(uow, word, entry)


async def opt_out_topic(
    uow: UnitOfWork, page: PageRef, contact_id: UUID, topic_id: UUID, at: datetime, source: ConsentSource
) -> None:
    """Record that a person stopped a topic at a page, when the topic is known by its id; as `opt_out` otherwise."""
    uow.scope.require(Permission.CONSENT_WRITE, page.unit_id)
    word = _Word(page, contact_id, topic_id, ConsentAction.OPT_OUT, source, at, None, None)
    entry = await _enter(uow, word)
    await _set(uow, word, entry, None, None)
    await _audit(uow, word, entry)


async def _topic_at(uow: UnitOfWork, page: PageRef, key: str) -> TopicRow:
    found = await repository.nearest_topic(uow.session, uow.scope.organization_id, page.unit_id, key)
    if found is None:
        raise UnknownTopic(key)
    return found


async def _enter(uow: UnitOfWork, word: _Word) -> ConsentEventRow:
    await repository.lock_words(uow.session, uow.scope.organization_id, word.page.id, word.contact_id)
    actor = uow.scope.actor
    entry = ConsentEventRow(
        organization_id=uow.scope.organization_id,
        id=new_id(),
        unit_id=word.page.unit_id,
        page_id=word.page.id,
        contact_id=word.contact_id,
        topic_id=word.topic_id,
        action=word.action,
        source=word.source,
        # A clock that runs ahead must not make a word the last one for ever.
        occurred_at=min(word.at, await uow.now()),
        wording=word.title,
        platform_event_id=word.event_id,
        actor_id=None if actor.kind is ActorKind.WORKER else actor.id,
    )
    await repository.append_event(uow.session, entry)
    return entry


async def _set(
    uow: UnitOfWork, word: _Word, entry: ConsentEventRow, token: str | None, expires_at: datetime | None
) -> None:
    if word.topic_id is None:
        raise ValueError("a word on one topic names it")
    identity = _identity(uow.scope.organization_id, word.page.id, word.contact_id, word.topic_id)
    await repository.set_consent(
        uow.session,
        {
            "organization_id": uow.scope.organization_id,
            "page_id": word.page.id,
            "contact_id": word.contact_id,
            "topic_id": word.topic_id,
            "unit_id": word.page.unit_id,
            "is_opted_in": word.action is ConsentAction.OPT_IN,
            "occurred_at": entry.occurred_at,
            "expires_at": expires_at,
            "token_sealed": None if token is None else uow.keys.seal(token, identity),
            "event_id": entry.id,
        },
    )


async def _audit(uow: UnitOfWork, word: _Word, entry: ConsentEventRow) -> None:
    details = {
        "action": word.action.value,
        "source": word.source.value,
        "entry": str(entry.id),
        "page": str(word.page.id),
        "topic": None if word.topic_id is None else str(word.topic_id),
    }
    await audit.record(uow, Action.CONSENT_CHANGE, word.contact_id, details)
    uow.announce("contacts")


def _identity(organization_id: UUID, page_id: UUID, contact_id: UUID, topic_id: UUID) -> str:
    where = {"organization_id": organization_id, "page_id": page_id, "contact_id": contact_id, "topic_id": topic_id}
    return identity_of(ConsentRow, "token_sealed", **where)


def open_token(uow: UnitOfWork, row: ConsentRow) -> str | None:
    """Return the platform's token for paid messages under this consent; None if it came without one."""
    if row.token_sealed is None:
        return None
    identity = _identity(row.organization_id, row.page_id, row.contact_id, row.topic_id)
    return uow.keys.open(row.token_sealed, identity)


async def consents_of(uow: UnitOfWork, contact_id: UUID) -> Sequence[ConsentRow]:
    """Return the person's last word on each topic at each page of the scope, newest first."""
    return await repository.consents_of(uow.session, uow.scope.organization_id, contact_id)


async def ledger_of(uow: UnitOfWork, contact_id: UUID, arguments: PageArguments) -> Page[ConsentEventRow]:
    """List everything a person ever said about topics, newest first. Needs contact:read."""
    uow.scope.require_anywhere(Permission.CONTACT_READ)
    keyset = Keyset(
        (SortKey(ConsentEventRow.occurred_at, datetime, True), SortKey(ConsentEventRow.id, UUID, True)),
        ["consent ledger", contact_id],
    )
    rows = await repository.ledger(uow.session, uow.scope.organization_id, keyset, arguments, contact_id)
    return keyset.page(rows, arguments, lambda row: (row.occurred_at, row.id))


# --------------------------------------------------------------------------- window


async def note_action(uow: UnitOfWork, page: PageRef, contact_id: UUID, at: datetime) -> None:
    """Open the window of a person who acted at `at`, or extend it; a late event never moves it back."""
    await note_actions(uow, page, {contact_id: at})


async def note_actions(uow: UnitOfWork, page: PageRef, acted: Mapping[UUID, datetime]) -> None:
    """Open or extend the windows of people who last acted at these times, in the order of their ids, in one statement."""
    now = await uow.now()
    rules = catalogue.at(page.channel, now)
    windows: list[Reopened] = []
    for contact_id, at in acted.items():
        moment = min(at, now)
        closes_at = moment + (rules.window or _NO_WINDOW)
        tagged_until = max(closes_at, moment + (rules.human_agent_window or timedelta()))
        windows.append(Reopened(contact_id, moment, closes_at, tagged_until))
    if windows:
        await repository.extend_windows(uow.session, uow.scope.organization_id, page.id, page.unit_id, windows)


async def window(uow: UnitOfWork, page_id: UUID, contact_id: UUID) -> WindowRow | None:
    """Return the window of one person at one page; None if the person never acted there."""
    return await repository.window(uow.session, uow.scope.organization_id, page_id, contact_id)


@dataclass(frozen=True, slots=True)
class ReplyRefused:
    """Why a reply may not go out now. `closes_at` is when the window closed; None if it was never open."""

    code: Refusal
    message: str
    closes_at: datetime | None


async def may_reply(uow: UnitOfWork, page: PageRef, contact_id: UUID, human_agent: bool) -> ReplyRefused | None:
    """Say why the send gate would refuse a reply now, or None. Advice: the gate asks again when the send is claimed."""
    held = (await suppressions(uow, [contact_id])).get(contact_id)
    opened = await window(uow, page.id, contact_id)
    facts = Facts(
        is_marketing=False,
        is_human_agent=human_agent,
        suppression=None if held is None else held.reason,
        has_consent=False,
        consent_expires_at=None,
        window_closes_at=None if opened is None else opened.closes_at,
        human_agent_closes_at=None if opened is None else opened.human_agent_closes_at,
    )
    refusal = may_send(facts, await uow.now())
    if refusal is None:
        return None
    closes_at = facts.human_agent_closes_at if human_agent else facts.window_closes_at
    return ReplyRefused(refusal, _REFUSED.get(refusal, "This message may not be sent."), closes_at)


# --------------------------------------------------------------------------- suppression


async def suppress(uow: UnitOfWork, contact_id: UUID, reason: SuppressionReason) -> None:
    """Stop everything to a contact from every page of the organization. Repeating it changes nothing.

    What the person asked for replaces what we decided, so that lifting ours never undoes theirs. Needs consent:write.
    """
    person = await contacts.contact(uow, contact_id)
    uow.scope.require_on(Permission.CONSENT_WRITE, person.unit_id, read_with=Permission.CONTACT_READ)
    if reason is SuppressionReason.ERASED_BEFORE:
        raise InvalidInput("Only an erasure gives this reason. Give another one.", path=("reason",))
    changed = await repository.suppress(
        uow.session,
        {
            "organization_id": uow.scope.organization_id,
            "contact_id": contact_id,
            "unit_id": person.unit_id,
            "reason": reason,
        },
    )
    if changed:
        await audit.record(uow, Action.SUPPRESSION_SET, contact_id, {"reason": reason.value})
        uow.announce("contacts")


async def lift_suppression(uow: UnitOfWork, contact_id: UUID) -> None:
    """Let messages to a contact out again, also to one who was erased before. Needs consent:write.

    Does nothing if none are held.
    """
    person = await contacts.contact(uow, contact_id)
    uow.scope.require_on(Permission.CONSENT_WRITE, person.unit_id, read_with=Permission.CONTACT_READ)
    was_held = await repository.lift(uow.session, uow.scope.organization_id, contact_id)
    if await leaving.forgive(uow, contact_id) or was_held:
        await audit.record(uow, Action.SUPPRESSION_LIFT, contact_id)
        uow.announce("contacts")


async def suppressions(uow: UnitOfWork, contact_ids: Sequence[UUID]) -> Mapping[UUID, SuppressionRow]:
    """Return the suppressions of these contacts, by contact; ERASED_BEFORE has no row of its own."""
    rows = await repository.suppressions(uow.session, uow.scope.organization_id, contact_ids)
    came_back = {row.id: _erased_before(row) for row in await contacts.erased_before(uow, contact_ids)}
    return came_back | {row.contact_id: row for row in rows}


def _erased_before(person: ContactRow) -> SuppressionRow:
    return SuppressionRow(
        organization_id=person.organization_id,
        contact_id=person.id,
        unit_id=person.unit_id,
        reason=SuppressionReason.ERASED_BEFORE,
        created_at=person.created_at,
    )
