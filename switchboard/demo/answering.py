"""Scene c: an agent reads the inbox, answers with a shared template, and watches the receipts come in live."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

from switchboard.demo.api import Api, Json, Person
from switchboard.demo.cast import Cast
from switchboard.demo.crowd import Customer
from switchboard.demo.outside import Outside
from switchboard.demo.telling import NotSo, Stage, until

_BODY = 'Hi {{ contact.first_name | default: "there" }}, {{ unit.name }} keeps it until {{ custom.until }}. {{ agent.name }}'
_RANK = {"QUEUED": 0, "SENT": 1, "DELIVERED": 2, "READ": 3}


async def play(stage: Stage, api: Api, outside: Outside, cast: Cast, customer: Customer) -> None:
    """Answer one customer of the first client."""
    template_id = await _shared_template(api, cast)
    stage.step("the agency released a reply template to its clients")
    cursor = await api.ask(cast.agent, "InboxCursor")
    conversation = await _open(stage, api, cast, customer)
    values = [{"name": "custom.until", "value": "six"}]
    preview = {"unitId": cast.linden.unit_id, "templateId": template_id, "variables": _preview_values(cast)}
    text = (await api.ask(cast.agent, "TemplatePreview", preview))["text"]
    reply = {
        "conversationId": conversation["id"],
        "lastMessageSeenId": conversation["messages"]["nodes"][-1]["id"],
        "templateId": template_id,
        "variables": values,
    }
    changes = {"after": cursor, "unitId": cast.linden.unit_id}
    async with api.subscribed(cast.agent, "InboxChanges", changes) as live:
        key = str(uuid.uuid4())
        first = await api.ask(cast.agent, "ConversationReply", {"input": reply, "key": key})
        again = await api.ask(cast.agent, "ConversationReply", {"input": reply, "key": key})
        stage.equal("the same key gives the same message", again["message"]["id"], first["message"]["id"])
        stage.equal("the text of the template", first["message"]["text"], text)
        async with asyncio.timeout(30):
            states = await _states(live, first["message"]["id"], lambda: outside.does(*customer.key, "read"))
    stage.equal("the last state", states[-1], "READ")
    stage.true("states only move forward", states == sorted(states, key=_RANK.__getitem__))
    stage.true("delivered was seen before read", "DELIVERED" in states)
    stage.step(f"the reply went {' → '.join(states).lower()}, told live")
    await _arrived_once(stage, outside, customer, text)
    await _finish(stage, api, cast, conversation["id"])
    stage.fact("states of the reply, told live", " → ".join(states))


def _preview_values(cast: Cast) -> list[Json]:
    return [{"name": "custom.until", "value": "six"}, {"name": "agent.name", "value": cast.agent.name}]


async def _shared_template(api: Api, cast: Cast) -> str:
    root = cast.agency_units["root"]
    wanted = {"unitId": root, "name": "We keep it for you", "purpose": "REPLY", "body": _BODY}
    made = await api.ask(cast.admin, "TemplateCreate", {"input": wanted})
    template_id: str = made["template"]["id"]
    # Headquarters has no location below it, so it is one of those that say it.
    await released(api, cast.admin, template_id, root, len(cast.clients) + 1)
    return template_id


async def released(api: Api, person: Person, template_id: str, unit_id: str, units: int) -> Json:
    """Release the newest version to the units below and wait until it is in force at all of them."""
    begun = await api.ask(person, "TemplateRelease", {"input": {"templateId": template_id, "unitId": unit_id}})

    async def done() -> Json | None:
        template = await api.ask(person, "Template", {"id": template_id})
        (release,) = [one for one in template["releases"]["nodes"] if one["id"] == begun["release"]["id"]]
        return release if release["finishedAt"] is not None else None

    release = await until("the release placed everywhere", done)
    if (release["total"], release["placed"]) != (units, units):
        raise NotSo(f"the release reached {release['placed']} of {release['total']} units, wanted {units}")
    return release


async def _open(stage: Stage, api: Api, cast: Cast, customer: Customer) -> Json:
    inbox = await api.all(cast.agent, "Inbox", {"filter": {"unitId": cast.linden.unit_id}})
    (listed,) = [one for one in inbox if (one["lastMessage"] or {}).get("text") == customer.says[-1]]
    conversation: Json = await api.ask(cast.agent, "Conversation", {"id": listed["id"], "last": 50})
    texts = [message["text"] for message in conversation["messages"]["nodes"]]
    stage.equal("the opened conversation", texts, customer.says)
    stage.equal("unread messages", conversation["unreadCount"], len(customer.says))
    stage.step(f"the agent opened one of {len(inbox)} conversations of {cast.linden.name}")
    return conversation


async def _states(live: AsyncIterator[Json], message_id: str, read: Callable[[], Awaitable[object]]) -> list[str]:
    """Return the states of a message in the order in which they were told; the customer reads once it is delivered."""
    states: list[str] = []
    async for change in live:
        message = change["conversation"]["lastMessage"]
        if message is None or message["id"] != message_id or states[-1:] == [message["state"]]:
            continue
        states.append(message["state"])
        if message["state"] == "DELIVERED":
            await read()
        elif message["state"] == "READ":
            break
    return states


async def _arrived_once(stage: Stage, outside: Outside, customer: Customer, text: str) -> None:
    seen = await outside.sees(*customer.key)
    stage.equal("what the customer got", [one["text"] for one in seen["messages"] if one["from_page"]], [text])


async def _finish(stage: Stage, api: Api, cast: Cast, conversation_id: str) -> None:
    which = {"conversationId": conversation_id}
    note = await api.ask(cast.agent, "NoteCreate", {"input": which | {"text": "Parcel is behind the counter."}})
    stage.equal("the note", note["note"]["text"], "Parcel is behind the counter.")
    read = await api.ask(cast.agent, "ConversationMarkRead", {"input": which})
    stage.equal("unread after reading", read["conversation"]["unreadCount"], 0)
    early = await api.refusal(cast.agent, "ConversationSetStatus", {"input": which | {"status": "RESOLVED"}})
    stage.equal("resolving without a category", early, "INBOX_CATEGORY_MISSING")
    filed = await api.ask(cast.agent, "ConversationSetCategory", {"input": which | {"category": "INQUIRY"}})
    resolved = which | {"status": "RESOLVED", "expectedRevision": filed["conversation"]["revision"]}
    done = await api.ask(cast.agent, "ConversationSetStatus", {"input": resolved})
    stage.equal("the status", done["conversation"]["status"], "RESOLVED")
    after = await api.ask(cast.agent, "Conversation", {"id": conversation_id, "last": 50})
    stage.equal("messages after the reply", len(after["messages"]["nodes"]), 3)
    stage.step("noted, read, filed and resolved")
