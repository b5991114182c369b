"""An account's webhooks to our app, for both logins (platforms.md 1.4 and 3.4)."""

from __future__ import annotations

from server.platforms.instagram.hosts import Hosts, node
from server.platforms.meta import subscribing
from server.platforms.meta.subscribing import INSTAGRAM_FIELDS, Place
from server.platforms.port import FailureReason, Login, PageCredentials, PlatformCallFailed

FIELDS = (
    "messages",
    "message_reactions",
    "message_edit",
    "messaging_seen",
    "messaging_postbacks",
    "messaging_referral",
    "messaging_optins",
    "messaging_handover",
    "standby",
    "comments",
    "live_comments",
    "mentions",
)
# The pages of the documentation differ by one letter; what one app refuses another one wants.
_SPELT_OTHERWISE = {"messaging_referral": "messaging_referrals"}


async def subscribe(hosts: Hosts, page: PageCredentials) -> None:
    """Subscribe the account's webhooks; doing it again changes nothing; raise PlatformCallFailed."""
    place = _place(hosts, page)
    if page.login is Login.FACEBOOK:
        await subscribing.join(place, INSTAGRAM_FIELDS)
        return
    try:
        await subscribing.subscribe(place, FIELDS)
    except PlatformCallFailed as problem:
        if problem.reason is not FailureReason.BAD_CONTENT:
            raise
        await subscribing.subscribe(place, [_SPELT_OTHERWISE.get(name, name) for name in FIELDS])


async def is_subscribed(hosts: Hosts, page: PageCredentials) -> bool:
    """Say whether our app has the account's webhooks; raise PlatformCallFailed."""
    fields = INSTAGRAM_FIELDS if page.login is Login.FACEBOOK else ()
    return await subscribing.is_subscribed(_place(hosts, page), fields)


async def unsubscribe(hosts: Hosts, page: PageCredentials) -> None:
    """End the account's webhooks; doing it again changes nothing; raise PlatformCallFailed.

    A Facebook page that serves Messenger as well keeps what Messenger needs.
    """
    if page.login is Login.FACEBOOK:
        await subscribing.leave(_place(hosts, page), INSTAGRAM_FIELDS)
    else:
        await subscribing.unsubscribe(_place(hosts, page))


def _place(hosts: Hosts, page: PageCredentials) -> Place:
    return Place(hosts.of_page(page), node(page), page.page_token, hosts.app(page.login).id)
