"""Whether key ring and pepper are those of the database: tried on canaries, and at first on what is sealed there."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from server.kit.crypto import KeyRing, SealBroken, keyed_hash
from server.startup import repository
from server.startup.problems import Part, Problem
from server.startup.repository import Connection
from server.startup.sealed import SealedKind

PEPPER = "pepper"
_KEY = "key:"
_WORD = "canary"


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets of a process, the two connections of its start, and where sealed values stand."""

    ring: KeyRing
    pepper: str
    app: Connection
    system: Connection
    kinds: Sequence[SealedKind]


def check_ring(secrets: Secrets) -> list[Problem]:
    """Return why the ring is not the database's; keep a canary for each key that has none once the ring is known to fit.

    Without a canary one sealed value of each kind must open first. A key that left the ring is forgotten when nothing
    is sealed with it any more.
    """
    known = {name.removeprefix(_KEY): value for name, value in _keys(secrets)}
    if not known:
        problems = [
            _unopened(f"{kind.table}.{kind.column}")
            for kind, value, identity in _samples(secrets)
            if not _opens(secrets.ring, value, identity)
        ]
    else:
        problems = [
            *_wrong_keys(secrets.ring, known),
            *_left_keys(secrets, known),
        ]
    if not problems:
        problems = _keep_keys(secrets, known)
    return problems


def check_pepper(secrets: Secrets) -> list[Problem]:
    """Return that the pepper is not the database's; a database without a canary gets one."""
    own = keyed_hash(secrets.pepper, f"start_{_WORD}")
    repository.add_canary(secrets.system, PEPPER, own)
    if hmac.compare_digest(repository.canaries(secrets.system).get(PEPPER, b""), own):
        return []
    return [
        Problem(
            Part.PEPPER,
            "SWITCHBOARD_PEPPER is not the one that this database was used with: no token or session would be known.",
            "Put the old one back. If it was changed on purpose, which ends every token and session,"
            " say so once: switchboard doctor --new-pepper.",
        )
    ]


def accept_pepper(secrets: Secrets) -> None:
    """Take the pepper of this process as that of the database; what was hashed with another one stays unknown."""
    repository.drop_canary(secrets.system, PEPPER)
    repository.add_canary(secrets.system, PEPPER, keyed_hash(secrets.pepper, f"start_{_WORD}"))


def _keys(secrets: Secrets) -> Iterator[tuple[str, bytes]]:
    return ((name, value) for name, value in repository.canaries(secrets.system).items() if name.startswith(_KEY))


def _identity(name: str) -> str:
    return f"start_canary.value:{_KEY}{name}"


def _opens(ring: KeyRing, value: bytes, identity: str) -> bool:
    try:
        ring.open(value, identity)
    except SealBroken:
        return False
    return True


def _wrong_keys(ring: KeyRing, known: dict[str, bytes]) -> Iterator[Problem]:
    names = {name for name, _ in ring.keys}
    for name in sorted(names & known.keys()):
        if not _opens(ring, known[name], _identity(name)):
            yield Problem(
                Part.KEYS,
                f"The key {name} of SWITCHBOARD_KEYS is not the key of this name that sealed values of this database.",
                f"Put the former {name} back, and give a new key a name of its own in front of it.",
            )
    if not names & known.keys():
        yield Problem(
            Part.KEYS,
            "No key of SWITCHBOARD_KEYS was ever used with this database; its keys are "
            + ", ".join(sorted(known))
            + ".",
            "Set SWITCHBOARD_KEYS to the ring of this database, or DATABASE_URL to the database of this ring.",
        )


def _left_keys(secrets: Secrets, known: dict[str, bytes]) -> Iterator[Problem]:
    for name in sorted(known.keys() - {name for name, _ in secrets.ring.keys}):
        places = [f"{kind.table}.{kind.column}" for kind, _, _ in _samples(secrets, name)]
        if places:
            yield Problem(
                Part.KEYS,
                f"The key {name} is not in SWITCHBOARD_KEYS, but sealed what is in {', '.join(places)}.",
                f"Put {name} behind the other keys again; it may go when nothing is sealed with it any more.",
            )


def _unopened(place: str) -> Problem:
    return Problem(
        Part.KEYS,
        f"SWITCHBOARD_KEYS does not open what is sealed in {place}.",
        "Set SWITCHBOARD_KEYS to the ring of this database, or DATABASE_URL to the database of this ring.",
    )


def _keep_keys(secrets: Secrets, known: dict[str, bytes]) -> list[Problem]:
    """Bring the canaries to the ring; another process may have kept those of another ring meanwhile, so look again."""
    names = {name for name, _ in secrets.ring.keys}
    for name, key in secrets.ring.keys:
        if name not in known:
            value = KeyRing(((name, key),)).seal(_WORD, _identity(name))
            repository.add_canary(secrets.system, _KEY + name, value)
    for name in known.keys() - names:
        repository.drop_canary(secrets.system, _KEY + name)
    return list(_wrong_keys(secrets.ring, {name.removeprefix(_KEY): value for name, value in _keys(secrets)}))


def _samples(secrets: Secrets, key: str | None = None) -> Iterator[tuple[SealedKind, bytes, str]]:
    """Yield one sealed value of each kind there is, looking through the organizations until every kind was found."""
    wanted = {kind for kind in secrets.kinds if kind.is_of_organization}
    for kind in secrets.kinds:
        if kind not in wanted and (found := repository.sealed_value(secrets.system, kind, None, key)):
            yield kind, *found
    for organization_id in repository.organizations(secrets.system):
        for kind in list(wanted):
            if found := repository.sealed_value(secrets.app, kind, organization_id, key):
                wanted.discard(kind)
                yield kind, *found
        if not wanted:
            return
