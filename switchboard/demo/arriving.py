"""Scene b: published and generated messages arrive as signed webhooks, doubled and out of order, and count exactly once."""

from __future__ import annotations

from pathlib import Path

from switchboard.demo.api import Api, Json
from switchboard.demo.cast import PUBLISHED_PAGES, Cast
from switchboard.demo.crowd import Customer, everybody, expected, introduce, write
from switchboard.demo.outside import Outside
from switchboard.demo.telling import NotSo, Stage, until

BODIES = Path(__file__).resolve().parent.parent / "demo_bodies"
_ORDER = ("message-text", "message-echo", "message-image", "delivery", "read", "rating-added", "feed-comments-batch")
_FAULTS = {"seed": 7, "webhooks": {"duplicate_probability": 0.3, "reorder": True, "reorder_ms": 200}}

_IN_PUBLIC = ("user_1", "user_2", "705955836155788")
"""Who wrote in the published bodies only in public: below a post, or as a review."""
_SAID_IN_PUBLIC = (
    ("COMMENT", "REMOVED", None),
    ("COMMENT", "VISIBLE", "Edited text"),
    ("COMMENT", "VISIBLE", "Our reply"),
    ("REVIEW", "VISIBLE", "Ja ziemlich coole Sache"),
)
_TRANSCRIPTS = 25
_LOOK_EVERY_S = 1.0
_PATIENCE_S = 180.0
"""A busy machine is slow, not wrong."""

Said = dict[tuple[str, str], list[str | None]]


async def play(stage: Stage, api: Api, outside: Outside, cast: Cast) -> list[Customer]:
    """Let it rain, then compare every conversation with what the platform knows; return the customers."""
    people = everybody(cast)
    before = (await outside.control("webhooks", method="GET"))["posts"]
    await introduce(outside, people, phones(people))
    await _published(stage, outside, cast)
    await outside.control("faults", _FAULTS, method="PUT")
    await write(outside, people)
    await until("every webhook delivered", outside.is_quiet)
    since = before[-1]["seq"] if before else 0
    posts = await outside.control(f"webhooks?since={since}", method="GET")
    await outside.control("faults", method="DELETE")
    count = sum(len(one.says) for one in people)
    stage.step(f"{len(people)} customers wrote {count} messages; a third came twice, all of them shuffled")
    wanted = await expected(outside, cast, people)
    await until("all messages in the inbox", lambda: _has_all(api, cast, wanted), _PATIENCE_S, _LOOK_EVERY_S)
    await exactly_once(stage, api, cast, wanted)
    stage.step("each of them became one contact, one conversation, and its messages in order, once")
    stage.fact("signed webhooks posted, several messages in one", len(posts["posts"]))
    stage.fact("contacts and conversations", len(wanted))
    stage.fact("inbound messages, each exactly once", sum(len(texts) for texts in wanted.values()))
    return people


def phones(people: list[Customer]) -> dict[str, Json]:
    """Return whose phone is special: the first reads when the scene says so, three never say that they read."""
    return {one.psid: {"read_ms": None} for one in [people[0], *people[10:13]]}


async def _published(stage: Stage, outside: Outside, cast: Cast) -> None:
    for name in _ORDER:
        body = (BODIES / f"{name}.json").read_text()
        for place in cast.clients:
            body = body.replace(PUBLISHED_PAGES[place.key], place.external_id)
        told = await outside.control("webhooks/replay", {"body": body, "times": 2})
        stage.equal(f"answers to {name}", told["answers"], [200, 200])
    forged = await outside.control("webhooks/replay", {"body": body, "signature": "bad"})
    stage.true("a forged signature is refused", forged["answers"][0] in {401, 403})
    stage.step(f"{len(_ORDER)} published bodies arrived twice each; one with a forged signature was refused")


async def _has_all(api: Api, cast: Cast, wanted: Said) -> bool:
    texts: set[str | None] = set()
    for person in (cast.admin, cast.brand):
        for conversation in await api.all(person, "Inbox"):
            texts.add((conversation["lastMessage"] or {}).get("text"))
    return {said[-1] for said in wanted.values()} <= texts


async def exactly_once(stage: Stage, api: Api, cast: Cast, wanted: Said) -> None:
    """Raise NotSo unless contacts, conversations and inbound messages are those that the platform knows."""
    found: Said = {}
    for person in (cast.admin, cast.brand):
        for conversation in await api.all(person, "Transcripts", {"first": _TRANSCRIPTS}):
            identities = conversation["contact"]["identities"]
            stage.equal("identities of a contact", len(identities), 1)
            key = identities[0]["page"]["externalId"], identities[0]["externalId"]
            if key in found:
                raise NotSo(f"two conversations of one person: {key}")
            messages = conversation["messages"]["nodes"]
            found[key] = [one["text"] for one in messages if one["direction"] == "INBOUND"]
    contacts = [len(await api.all(person, "Contacts")) for person in (cast.admin, cast.brand)]
    stage.equal("contacts", sum(contacts), len(wanted) + len(_IN_PUBLIC))
    public = await api.all(cast.admin, "PublicComments")
    told = sorted(((one["kind"], one["visibility"], one["text"]) for one in public), key=str)
    stage.equal("what was said in public", told, sorted(_SAID_IN_PUBLIC, key=str))
    stage.equal("who wrote", sorted(found), sorted(wanted))
    for key, texts in wanted.items():
        stage.equal(f"messages of {key}", found[key], texts)
