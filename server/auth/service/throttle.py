"""How many attempts are answered: each one is counted before anything about it is looked at.

An attempt is drawn from four buckets, from the tightest to the widest, and the first that is empty refuses it; a refused one
costs the wider ones nothing, so one network cannot empty what belongs to everybody. The bucket of an address alone stops
guesses from many networks; it does not hold for networks from which its person has signed in before, so nobody can be
locked out of the places they work at.
"""

from __future__ import annotations

import ipaddress
from math import ceil

from server.auth.errors import TooManyAttempts
from server.auth.repository import accounts as repository
from server.config import Settings
from server.kit import ratelimit
from server.kit.crypto import keyed_hash
from server.kit.db import Database
from server.kit.ratelimit import Bucket
from server.tenants.uow import system_scope

PAIR = Bucket("sign-in.pair", capacity=10, per_s=1 / 60)
"""One address from one network."""
NETWORK = Bucket("sign-in.network", capacity=100, per_s=1 / 6)
ADDRESS = Bucket("sign-in.address", capacity=50, per_s=1 / 300)
"""One address from all networks: 288 guesses a day beyond the first fifty."""
GLOBAL = Bucket("sign-in.global", capacity=500, per_s=20)
"""What the threads that hash can take."""

MAIL = Bucket("sign-in.mail", capacity=3, per_s=1 / 1200)
"""Mails that one address is sent."""

EVERYBODY = "everybody"


def network_of(host: str | None) -> str:
    """Return the network that a client's address stands for: an IPv4 address, or the /64 of an IPv6 one.

    A /64 is what one household is given (RFC 6177 section 2), so its addresses are free to whoever has one.
    """
    try:
        address = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


async def count_attempt(database: Database, settings: Settings, *, subject: str, network: str) -> None:
    """Count one attempt, in a transaction of its own; raise TooManyAttempts if it must not be made.

    `subject` is a folded e-mail address, or whatever else names whom the attempt is about.
    """
    pepper = settings.security.pepper.get_secret_value()
    async with system_scope(database) as session:
        place = keyed_hash(pepper, f"network:{network}")
        is_known = await repository.has_been_at(session, subject, place)
        draws = [(PAIR, f"{subject} {network}"), (NETWORK, network), (ADDRESS, subject), (GLOBAL, EVERYBODY)]
        for bucket, key in draws:
            if bucket is ADDRESS and is_known:
                continue
            wait_s = await ratelimit.take(session, pepper, bucket, key)
            if wait_s > 0:
                break
    if wait_s > 0:
        raise TooManyAttempts(ceil(wait_s))


async def count_mail(database: Database, settings: Settings, *, address: str, network: str) -> None:
    """Count one mail that a stranger asks for; raise TooManyAttempts alike for addresses that we know and others."""
    pepper = settings.security.pepper.get_secret_value()
    async with system_scope(database) as session:
        for bucket, key in ((NETWORK, network), (MAIL, address), (GLOBAL, EVERYBODY)):
            wait_s = await ratelimit.take(session, pepper, bucket, key)
            if wait_s > 0:
                break
    if wait_s > 0:
        raise TooManyAttempts(ceil(wait_s))


async def count_guess(database: Database, settings: Settings, *, network: str) -> None:
    """Count one try with a link or a ticket, which names nobody."""
    pepper = settings.security.pepper.get_secret_value()
    async with system_scope(database) as session:
        wait_s = await ratelimit.take(session, pepper, NETWORK, network)
    if wait_s > 0:
        raise TooManyAttempts(ceil(wait_s))
