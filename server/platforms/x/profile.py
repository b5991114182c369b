"""A person's name: GET /2/users/{id} (platforms.md 4.2). It tells `receives_your_dm` as well; a send that it forbids ends
as 349, PRIVACY_BLOCKED."""

from __future__ import annotations

from server.platforms.port import PageCredentials, Profile
from server.platforms.wire.http import path
from server.platforms.wire.reading import identifier, mapping, text
from server.platforms.x.asking import failure_of, reach
from server.platforms.x.client import XCall, XClient
from server.platforms.x.names import is_person
from server.platforms.x.oauth import user

_FIELDS = {"user.fields": "id,name,username,receives_your_dm"}


async def read_profile(client: XClient, page: PageCredentials, person: str) -> Profile | None:
    """Return the person's name, or None for a group and for whom X does not know any more; raise PlatformCallFailed."""
    if not is_person(person):
        return None
    call = XCall("GET", path("2", "users", person), user(page.page_token), _FIELDS)
    answer = await reach(client, call)
    if answer.status in (400, 404):
        return None
    body = answer.json()
    if not answer.is_success or not body:
        raise failure_of(answer)
    data = mapping(body.get("data"))
    if identifier(data.get("id")) is None:
        return None
    return Profile(text(data.get("name")) or text(data.get("username")), None)
