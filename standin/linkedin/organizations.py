"""Organisations, what happened on their posts, and who has subscribed that (platforms page, 5.2 and 5.4)."""

from urllib.parse import unquote, urlsplit

from starlette.responses import Response

from standin.jsonish import Json
from standin.linkedin.notices import TYPE, Notices, told_since
from standin.linkedin.oauth import LOOPBACK
from standin.linkedin.state import Subscription
from standin.linkedin.wire import (
    Call,
    Refusal,
    authorized,
    denied,
    listed,
    need_scope,
    respond,
    rest_list,
    rest_record,
)

ADMINISTRATOR = {"ADMINISTRATOR"}
KEY_PARTS = {"developerApplication", "user", "entity", "eventType"}


async def acls(call: Call) -> Response:
    """GET /rest/organizationalEntityAcls?q=roleAssignee: the person's roles, one element per role."""
    token = authorized(call)
    need_scope(token, "rw_organization_admin")
    if call.param("q") != "roleAssignee":
        raise Refusal(400, "Unknown finder", "INVALID_VALUE")
    role = call.query.get("role")
    rows: list[Json] = [
        {
            "role": held,
            "organizationalTarget": organization.id,
            "roleAssignee": token.person,
            "state": "APPROVED",
        }
        for organization in call.net.kept.organizations.values()
        for held in organization.roles.get(token.person, [])
        if role in (None, held)
    ]
    return listed(rows, call)


async def organization(call: Call) -> Response:
    """GET /rest/organizations/{id}, by number."""
    token = authorized(call)
    found = call.net.kept.organizations.get(f"urn:li:organization:{call.segment('id')}")
    if found is None:
        raise Refusal(404, "Organization not found", "NOT_FOUND")
    if token.person not in found.roles:
        raise denied("The member has no role on this organization")
    return respond({"id": int(call.segment("id")), "localizedName": found.name, "vanityName": found.name.lower()})


async def notifications(call: Call) -> Response:
    """GET /rest/organizationalEntityNotifications?q=criteria."""
    token = authorized(call)
    need_scope(token, "rw_organization_admin")
    if call.param("q") != "criteria":
        raise Refusal(400, "Unknown finder", "INVALID_VALUE")
    about = call.param("organizationalEntity")
    if ":" in about:
        raise Refusal(400, "organizationalEntity is not percent-encoded", "INVALID_VALUE")
    entity = unquote(about)
    if not call.net.may(token.person, entity, ADMINISTRATOR):
        raise denied("The member is not an administrator of the organization")
    actions = rest_list(call.param("actions"))
    times = _times(call.query.get("timeRange", "()"))
    rows = told_since(call.net, entity, actions, times.get("start", 0), times.get("end", call.net.now_ms()))
    return listed([{**row, "subscriber": token.person} for row in rows], call)


def entity_of(call: Call) -> tuple[str | None, str | None]:
    """Whose page a list or a subscription is about, for the fault plan."""
    if "organizationalEntity" in call.query:
        return unquote(call.query["organizationalEntity"]), None
    raw = unquote(call.request.url.path)
    found = raw.partition("entity:")[2].partition(",")[0]
    return found or None, None


async def subscribe(call: Call, notices: Notices) -> Response:
    """PUT /rest/eventSubscriptions/(…) with the callback: makes or renews a subscription."""
    key = _key(call)
    webhook = call.object().get("webhook")
    parts = urlsplit(webhook if isinstance(webhook, str) else "")
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise Refusal(400, "The webhook must be an https URL", "INVALID_VALUE")
    if not call.net.may(key["user"], key["entity"], ADMINISTRATOR):
        raise denied("The member is not an administrator of the organization")
    url = str(webhook)
    subscribed(call, notices, key, url)
    return respond(None, 204)


def subscribed(call: Call, notices: Notices, key: dict[str, str], url: str) -> None:
    """Write a subscription down; its callback is validated from now on."""
    net = call.net
    expires_ms = net.now_ms() + net.settings.subscription_s * 1000
    found = Subscription(key["developerApplication"], key["user"], key["entity"], url, expires_ms)
    net.kept.subscriptions[found.key] = found
    notices.watch(url)


async def subscription(call: Call) -> Response:
    """GET /rest/eventSubscriptions/(…)."""
    return respond(_shown(_existing(call)))


async def unsubscribe(call: Call) -> Response:
    """DELETE /rest/eventSubscriptions/(…)."""
    found = _existing(call)
    call.net.kept.subscriptions.pop(found.key)
    call.net.run.world.note_revocation("eventSubscriptions", found.entity)
    return respond(None, 204)


async def subscriptions(call: Call) -> Response:
    """GET /rest/eventSubscriptions?q=subscriberAndEventType: all of the member's."""
    token = authorized(call)
    need_scope(token, "rw_organization_admin")
    rows = [one for one in call.net.kept.subscriptions.values() if one.user == token.person]
    return listed([_shown(one) for one in rows if one.expires_ms > call.net.now_ms()], call)


def _existing(call: Call) -> Subscription:
    key = _key(call)
    name = f"{key['developerApplication']},{key['user']},{key['entity']}"
    found = call.net.kept.subscriptions.get(name)
    if found is None or found.expires_ms <= call.net.now_ms():
        raise Refusal(404, "Subscription not found", "NOT_FOUND")
    return found


def _key(call: Call) -> dict[str, str]:
    """The compound key of the path: our app, the token's member, an organisation; 400 or 403 otherwise."""
    token = authorized(call)
    need_scope(token, "rw_organization_admin")
    raw = call.request.scope.get("raw_path", b"").decode("latin-1")
    key = rest_record(raw.rpartition("/")[2])
    if key.keys() != KEY_PARTS or key["eventType"] != TYPE:
        raise Refusal(400, "The key of an event subscription is not complete", "INVALID_VALUE")
    if key["developerApplication"] != call.net.app.get("application_urn"):
        raise denied("The developer application is not the one of the token")
    if key["user"] != token.person:
        raise denied("The member is not the one of the token")
    return key


def _shown(found: Subscription) -> Json:
    return {
        "developerApplication": found.application,
        "user": found.user,
        "entity": found.entity,
        "eventType": TYPE,
        "webhook": found.webhook,
        "expiresAt": found.expires_ms,
    }


def _times(value: str) -> dict[str, int]:
    return {name: int(text) for name, text in rest_record(value).items() if text.isdecimal()}
