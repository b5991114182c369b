"""The webhooks of the app: one address per event type, for all accounts that have granted it anything."""

from standin.jsonish import Json
from standin.tiktok.hooks import COMMENTS, MESSAGES
from standin.tiktok.wire import BAD_PARAMETER, Call, Refused


async def update(call: Call) -> Json:
    """Set the address of an event type."""
    kind = _kind(call)
    url = call.text("callback_url")
    if not url.startswith(("http://", "https://")):
        raise Refused(BAD_PARAMETER, "callback_url is not an address.")
    call.tiktok.memory.webhooks[kind] = url
    return _shown(call, kind)


async def listed(call: Call) -> Json:
    """Tell the address of an event type; it is missing where there is none."""
    return _shown(call, _kind(call))


async def delete(call: Call) -> Json:
    """Take the address of an event type away, for every account."""
    kind = _kind(call)
    if call.tiktok.memory.webhooks.pop(kind, None) is not None:
        call.tiktok.run.world.note_revocation("webhook", kind)
    return {"app_id": call.tiktok.key, "event_type": kind}


def _kind(call: Call) -> str:
    call.app("app_id", "secret")
    kind = call.text("event_type")
    if kind not in (MESSAGES, COMMENTS):
        raise Refused(BAD_PARAMETER, "event_type is not supported.")
    return kind


def _shown(call: Call, kind: str) -> Json:
    url = call.tiktok.memory.webhooks.get(kind)
    shown: Json = {"app_id": call.tiktok.key, "event_type": kind}
    return shown if url is None else shown | {"callback_url": url}
