"""Calls that read: the account, its conversations, the newest messages of one, and what may be sent."""

import orjson

from standin.jsonish import Json
from standin.ordering import newest_first
from standin.tiktok.hooks import parties
from standin.tiktok.state import Account, Conversation, Message
from standin.tiktok.wire import BAD_PARAMETER, Call, Refused

NEWEST = 20
MOST_CONVERSATIONS = 100
KEPT_MS = 90 * 86_400_000
TYPES = ("SINGLE", "STRANGER")


async def business(call: Call) -> Json:
    """Name and picture of the account."""
    account = call.account("user.info.basic")
    told: Json = {
        "username": account.username,
        "display_name": account.display_name,
        "profile_image": f"https://p16.example/{account.username}.jpeg?x-expires=1",
    }
    wanted = _json_list(call.maybe("fields")) or ["display_name", "profile_image"]
    return {name: value for name, value in told.items() if name in wanted}


async def conversations(call: Call) -> Json:
    """Those of one type, the newest first, of the last 90 days."""
    account = call.account("message.list.read", "list")
    kind = _type(call)
    limit, cursor = _number(call, "limit", MOST_CONVERSATIONS), _number(call, "cursor", 0)
    if not 1 <= limit <= MOST_CONVERSATIONS:
        raise Refused(BAD_PARAMETER, "limit must be 1 to 100.")
    oldest = call.tiktok.now_ms() - KEPT_MS
    found = [
        thread
        for thread in account.conversations.values()
        if type_of(thread) == kind and thread.messages and thread.updated_ms >= oldest
    ]
    found.sort(key=lambda thread: (thread.updated_ms, thread.moved), reverse=True)
    chosen = found[cursor : cursor + limit]
    return {
        "conversations": [{"conversation_id": one.id, "update_time": one.updated_ms} for one in chosen],
        "has_more": cursor + limit < len(found),
        "cursor": cursor + len(chosen),
    }


async def contents(call: Call) -> Json:
    """The newest 20 messages of a conversation, the newest first, and who takes part."""
    account = call.account("message.list.read", "list")
    thread = call.conversation(account, call.text("conversation_id"))
    person = account.person(thread.person)
    newest = newest_first(thread.messages, lambda message: message.timestamp)[:NEWEST]
    return {
        "participants": [
            {"role": "BUSINESS_ACCOUNT", "id": account.id, "display_name": account.display_name, "profile_image": ""},
            {
                "role": "PERSONAL_ACCOUNT",
                "id": person.id,
                "display_name": person.username,
                "profile_image": "",
                "is_follower": person.is_follower,
            },
        ],
        "messages": [_listed(account, thread, message) for message in newest],
    }


async def capabilities(call: Call) -> Json:
    """Whether pictures may be sent; about a conversation if one is named, else about the account."""
    account = call.account("message.list.read")
    wanted = _json_list(call.maybe("capability_types"))
    if wanted != ["IMAGE_SEND"]:
        raise Refused(BAD_PARAMETER, "capability_types must be a list of IMAGE_SEND.")
    if call.maybe("conversation_id") is not None:
        thread = call.conversation(account, call.maybe("conversation_id"))
        if _type(call) != type_of(thread):
            raise Refused(BAD_PARAMETER, "conversation_type is not that of the conversation.")
    return {"capability_infos": [{"capability_type": "IMAGE_SEND", "capability_result": account.images}]}


def type_of(thread: Conversation) -> str:
    """SINGLE once the account has answered."""
    return "SINGLE" if thread.is_single else "STRANGER"


def _listed(account: Account, thread: Conversation, message: Message) -> Json:
    told = parties(account, account.person(thread.person), from_account=message.from_account)
    shown: Json = {
        "message_id": message.id,
        "conversation_id": thread.id,
        "sender": told["from"],
        "recipient": told["to"],
        "from_user": _loud(told["from_user"]),
        "to_user": _loud(told["to_user"]),
        "timestamp": message.timestamp,
        "message_type": message.type.upper(),
        message.type: message.block,
        "message_tag": {"source": message.source},
    }
    if message.referenced is not None:
        shown["referenced_message_info"] = {"referenced_message_id": message.referenced}
    if message.reactions:
        shown["reactions"] = [
            {
                "type": "EMOJI",
                "emoji": one.emoji,
                "unique_identifier": one.unique_identifier,
                "timestamp": one.timestamp,
            }
            for one in message.reactions
        ]
    return shown


def _loud(user: object) -> object:
    """Roles are lower case in webhooks and upper case here."""
    return user | {"role": str(user["role"]).upper()} if isinstance(user, dict) else user


def _type(call: Call) -> str:
    kind = call.text("conversation_type")
    if kind not in TYPES:
        raise Refused(BAD_PARAMETER, "conversation_type must be SINGLE or STRANGER.")
    return kind


def _number(call: Call, name: str, default: int) -> int:
    value = call.maybe(name)
    if value is None:
        return default
    if not value.isdecimal():
        raise Refused(BAD_PARAMETER, f"{name} must be a number.")
    return int(value)


def _json_list(value: str | None) -> list[str]:
    if value is None:
        return []
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        raise Refused(BAD_PARAMETER, "A JSON list is required.") from None
    return [str(one) for one in found] if isinstance(found, list) else []
