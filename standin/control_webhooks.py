"""The control API's part that looks at and forces webhooks: handshake, replay of given bodies, arbitrary events."""

import secrets
from dataclasses import asdict

import httpx
from starlette.requests import Request

from standin.jsonish import BadBody, Json, as_dict, as_list, text, text_or_none, whole_or_none
from standin.meta_signing import escaped, signatures
from standin.runtime import Runtime
from standin.state import Page


async def handshake(run: Runtime, _request: Request, _body: object) -> Json:
    """Ask the callback to echo a challenge, as Meta does when an app subscribes."""
    config = run.world.config
    if config.callback_url is None:
        raise BadBody("callback_url is not set")
    challenge = str(secrets.randbelow(10**10))
    query = {"hub.mode": "subscribe", "hub.verify_token": config.verify_token, "hub.challenge": challenge}
    try:
        answer = await run.webhooks.get(config.callback_url, query)
    except httpx.HTTPError:
        return {"verified": False, "status": 0}
    verified = answer.status_code == 200 and answer.text == challenge
    return {"verified": verified, "status": answer.status_code}


async def posts(run: Runtime, request: Request, _body: object) -> Json:
    """The recorded attempts, oldest first."""
    since = request.query_params.get("since", "0")
    if not since.isdecimal():
        raise BadBody("since must be a number")
    return {"posts": [asdict(item) for item in run.webhooks.posts if item.seq > int(since)]}


async def replay(run: Runtime, _request: Request, body: object) -> Json:
    """Post the given body as it is, signed as asked."""
    given = as_dict(body)
    if given is None:
        raise BadBody("an object is required")
    url = text_or_none(given, "url") or run.world.config.callback_url
    if url is None:
        raise BadBody("url is required, callback_url is not set")
    raw = _raw(given)
    kind = text(given, "signature", "good")
    if kind not in ("good", "bad", "none"):
        raise BadBody("signature must be good, bad or none")
    headers = signatures(run.world.config.app_secret, raw if kind == "good" else raw + b" ") if kind != "none" else {}
    times = whole_or_none(given, "times")
    return {"answers": [await run.webhooks.post(url, raw, headers) for _ in range(1 if times is None else times)]}


def page_events(run: Runtime, page: Page, deed: str, given: Json) -> Json:
    """A policy notice, or any items as given, from the page."""
    if deed == "policy":
        notice: Json = {"action": text(given, "action", "warning"), "reason": text(given, "reason", "Policy")}
        item: Json = {
            "recipient": {"id": page.id},
            "timestamp": run.world.now_ms(),
            "policy_enforcement": notice,
        }
        run.webhooks.emit(page, "messaging_policy_enforcement", item)
        return {"sent": 1}
    url = page.callback_url or run.world.config.callback_url
    if url is None:
        raise BadBody("callback_url is not set")
    sent = 0
    for key in ("messaging", "changes"):
        items = as_list(given.get(key)) or []
        if items:
            run.webhooks.emit_as_given(page, key, items, url)
            sent += len(items)
    return {"sent": sent}


def _raw(given: Json) -> bytes:
    raw = given.get("raw", given.get("body"))
    if raw is None:
        raise BadBody("body is required")
    return raw.encode() if isinstance(raw, str) else escaped(raw)
