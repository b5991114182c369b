"""Webhooks: registration with a real CRC, and the subscriptions of both generations (platforms.md 4.5)."""

import base64
import secrets
from urllib.parse import urlsplit

import httpx

from standin.jsonish import Json, as_dict
from standin.x import telling
from standin.x.bodies import iso
from standin.x.core import X
from standin.x.dialect import signed
from standin.x.errors import XError
from standin.x.oauth import LOOPBACK
from standin.x.state import Hook, Subscription, User
from standin.x.wire import Call, need_app_bearer, token_of

CRC_S = 10.0
DAY_MS = 86_400_000
PUBLIC_TYPES = frozenset({"post.mention.create", "post.reply.create", "post.create", "post.delete"})
TYPES = (
    *("dm.received", "dm.sent", "dm.read", "dm.indicate_typing", "chat.received", "chat.sent"),
    *("post.mention.create", "post.reply.create", "oauth.revoke"),
)


class Named(XError):
    """A refusal that the docs name."""

    def __init__(self, name: str, detail: str, status: int = 400) -> None:
        super().__init__(status, f"{name}: {detail}")
        self.name = name

    def label(self) -> str:
        """How the refusal is counted."""
        return f"{self.status}/{self.name}"


async def register(call: Call) -> Json:
    """POST /2/webhooks {url}: X asks for a CRC before it answers."""
    need_app_bearer(call)
    url, memory = call.text("url") or "", call.x.memory
    if not _may_be_called(url):
        raise Named("UrlValidationFailed", "The url must be https and must not name a port.")
    if any(hook.url == url for hook in memory.hooks.values()):
        raise Named("DuplicateUrlFailed", "The url is registered already.", 409)
    if sum(not hook.is_seeded for hook in memory.hooks.values()) >= memory.settings.webhook_limit:
        raise Named("WebhookLimitExceeded", "Your application has as many webhooks as it may.")
    if not await crc(call.x, url):
        raise Named("CrcValidationFailed", "The CRC request was not answered with the right response_token.")
    hook = Hook(call.x.new_id(), url, call.x.now_ms())
    memory.hooks[hook.id] = hook
    return {"data": _shown(hook)}


async def listed(call: Call) -> Json:
    """GET /2/webhooks."""
    need_app_bearer(call)
    hooks = [_shown(hook) for hook in call.x.memory.hooks.values()]
    return {"data": hooks, "meta": {"result_count": len(hooks)}}


async def validate(call: Call) -> Json:
    """PUT /2/webhooks/{id}: the CRC again."""
    need_app_bearer(call)
    hook = _hook(call)
    hook.is_valid = await crc(call.x, hook.url)
    if not hook.is_valid:
        raise Named("CrcValidationFailed", "The CRC request was not answered with the right response_token.")
    return {"data": {"valid": True}}


async def delete(call: Call) -> Json:
    """DELETE /2/webhooks/{id}, with its subscriptions."""
    need_app_bearer(call)
    hook = _hook(call)
    remove_hook(call.x, hook.id)
    return {"data": {"deleted": True}}


async def replay(call: Call) -> Json:
    """POST /2/webhooks/replay {webhook_id}: everything of the last 24 hours once more."""
    need_app_bearer(call)
    hook = call.x.memory.hooks.get(call.text("webhook_id") or "")
    if hook is None:
        raise Named("WebhookIdInvalid", "The webhook is not known.")
    count = telling.again(call.x, hook.url, call.x.now_ms() - DAY_MS)
    return {"data": {"job_id": call.x.new_id(), "events": count}}


async def subscribe_account(call: Call) -> Json:
    """POST /2/account_activity/webhooks/{id}/subscriptions/all, as the user."""
    user, _ = token_of(call, "dm.read", "dm.write")
    hook = _hook(call)
    if account_subscription(call.x, user.id, hook.id) is not None:
        raise Named("DuplicateSubscriptionFailed", "The subscription exists already.", 409)
    known = [sub for sub in call.x.memory.subscriptions.values() if sub.event_type is None]
    if len(known) >= call.x.memory.settings.account_subscription_limit:
        raise Named("SubscriptionLimitExceeded", "Your application has as many subscriptions as it may.")
    add(call.x, user, hook, None)
    return {"data": {"subscribed": True}}


async def is_subscribed(call: Call) -> Json:
    """GET /2/account_activity/webhooks/{id}/subscriptions/all, as the user."""
    user, _ = token_of(call, "dm.read")
    found = account_subscription(call.x, user.id, _hook(call).id)
    return {"data": {"subscribed": found is not None}}


async def unsubscribe_account(call: Call) -> Json:
    """DELETE /2/account_activity/webhooks/{id}/subscriptions/{user}/all, as the app."""
    need_app_bearer(call)
    found = account_subscription(call.x, call.part("user"), _hook(call).id)
    if found is None:
        raise XError(404, "The subscription does not exist.")
    _end(call.x, found)
    return {"data": {"subscribed": False}}


async def subscribe_activity(call: Call) -> Json:
    """POST /2/activity/subscriptions; private events need the token of the user they are about."""
    user, _ = token_of(call, "users.read")
    wanted = call.text("event_type") or ""
    about = (as_dict(call.fields.get("filter")) or {}).get("user_id")
    if wanted not in (*TYPES, *PUBLIC_TYPES) or not isinstance(about, str):
        raise XError(400, "`event_type` or `filter` is not valid.")
    if wanted not in PUBLIC_TYPES and about != user.id:
        raise XError(403, "Private events need the token of the user they are about.", kind="client-forbidden")
    hook = call.x.memory.hooks.get(call.text("webhook_id") or "")
    if hook is None:
        raise Named("WebhookIdInvalid", "The webhook is not known.")
    memory = call.x.memory
    newer = [sub for sub in memory.subscriptions.values() if sub.event_type is not None]
    if any((sub.user, sub.webhook, sub.event_type) == (about, hook.id, wanted) for sub in newer):
        raise Named("DuplicateSubscriptionFailed", "The subscription exists already.", 409)
    if len(newer) >= memory.settings.activity_subscription_limit:
        raise Named("SubscriptionLimitExceeded", "Your application has as many subscriptions as it may.")
    made = add(call.x, memory.user(about), hook, wanted, call.text("tag"))
    return {"data": _subscription(made), "meta": {"total_subscriptions": len(newer) + 1}}


async def activities(call: Call) -> Json:
    """GET /2/activity/subscriptions, as the app; in pages."""
    need_app_bearer(call)
    size = int(call.query.get("max_results", "1000"))
    every = [sub for sub in call.x.memory.subscriptions.values() if sub.event_type is not None]
    token = call.query.get("pagination_token")
    start = next((index for index, sub in enumerate(every) if sub.id == token), len(every)) if token else 0
    meta: Json = {"result_count": len(every[start : start + size])}
    if start + size < len(every):
        meta["next_token"] = every[start + size].id
    return {"data": [_subscription(sub) for sub in every[start : start + size]], "meta": meta}


async def unsubscribe_activity(call: Call) -> Json:
    """DELETE /2/activity/subscriptions/{id}, as the app."""
    need_app_bearer(call)
    found = call.x.memory.subscriptions.get(call.part("subscription"))
    if found is None or found.event_type is None:
        raise XError(404, "The subscription does not exist.")
    _end(call.x, found)
    return {"data": {"deleted": True}}


def add(x: X, user: User, hook: Hook, event_type: str | None, tag: str | None = None) -> Subscription:
    """Subscribe a user's events to a webhook."""
    made = Subscription(x.new_id(), user.id, hook.id, event_type, tag)
    x.memory.subscriptions[made.id] = made
    return made


def account_subscription(x: X, user: str, hook: str) -> Subscription | None:
    """The subscription of the older generation, if there is one."""
    every = x.memory.subscriptions.values()
    return next((sub for sub in every if (sub.user, sub.webhook, sub.event_type) == (user, hook, None)), None)


def remove_hook(x: X, hook_id: str) -> None:
    """Forget a webhook and everything that went there."""
    del x.memory.hooks[hook_id]
    gone = [sub.id for sub in x.memory.subscriptions.values() if sub.webhook == hook_id]
    for sub_id in gone:
        del x.memory.subscriptions[sub_id]


async def crc(x: X, url: str) -> bool:
    """Ask a server to prove that it knows the consumer secret; no redirects, ten seconds."""
    if not x.memory.settings.crc_check:
        return True
    token = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    try:
        answer = await x.posting.client.get(
            url, params={"crc_token": token, "nonce": secrets.token_hex(8)}, timeout=CRC_S
        )
        told = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return False
    wanted = signed(token.encode(), x.app("consumer_secret"))
    return answer.status_code == 200 and isinstance(told, dict) and told.get("response_token") == wanted


def _end(x: X, sub: Subscription) -> None:
    del x.memory.subscriptions[sub.id]
    x.run.world.note_revocation("x:subscription", sub.user)


def _may_be_called(url: str) -> bool:
    """https without a port; the loopback of tests is let in as it is."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return parts.hostname in LOOPBACK or (parts.scheme == "https" and port is None and bool(parts.hostname))


def _hook(call: Call) -> Hook:
    hook = call.x.memory.hooks.get(call.part("hook"))
    if hook is None:
        raise Named("WebhookIdInvalid", "The webhook is not known.")
    return hook


def _shown(hook: Hook) -> Json:
    return {"id": hook.id, "url": hook.url, "valid": hook.is_valid, "created_at": iso(hook.created_ms)}


def _subscription(sub: Subscription) -> Json:
    return {
        "subscription_id": sub.id,
        "event_type": sub.event_type,
        "filter": {"user_id": sub.user},
        "tag": sub.tag,
        "webhook_id": sub.webhook,
    }
