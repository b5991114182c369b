"""Passwords: which are accepted, and how they are kept.

Hashing takes tens of milliseconds and 19 MiB by design, so it happens on a few threads of its own: the event loop is never
blocked, and a flood of sign-ins queues up here instead of taking all memory.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import unicodedata
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn.matching import RANKED_DICTIONARIES

from server.auth.errors import PasswordUnfit
from server.kit.errors import DomainError

MIN_LENGTH = 12
"""Code points after NFKC. Lists of leaked passwords thin out fast beyond ten; what is common and longer is refused by what
it is made of (`_is_common`). NIST SP 800-63B-4 section 3.1.1.2 asks for 8 beside a second factor and advises 15 without."""
MAX_LENGTH = 256
"""Beyond any passphrase; it bounds what a stranger can make us hash."""

# OWASP Password Storage Cheat Sheet, "Argon2id" (2023): at least 19 MiB of memory, two passes, one lane.
_MEMORY_KIB = 19_456
_PASSES = 2
_LANES = 1
_HASH_BYTES = 32
_SALT_BYTES = 16
_THREADS = 4

_hasher = PasswordHasher(
    time_cost=_PASSES,
    memory_cost=_MEMORY_KIB,
    parallelism=_LANES,
    hash_len=_HASH_BYTES,
    salt_len=_SALT_BYTES,
    type=Type.ID,
)
_threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="argon2")

# Of zxcvbn only the lists are used: its estimate takes seconds for a text that was made to be slow.
_LISTS: tuple[Mapping[str, int], ...] = tuple(RANKED_DICTIONARIES.values())
"""The 30,000 passwords that leaks hold most often, and 60,000 words and names that people make theirs of; by rank."""
_OURS = frozenset({"switchboard"})
_WORD = re.compile(r"[^\W\d_]+")
_MIN_WORD = 3
_MIN_INSIDE = 4
_LEET = str.maketrans("0134578@$!", "oleastbasi")
_MIN_DISTINCT = 5
_FEW_WORDS = 2
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn",
    "1q2w3e4r5t6y7u8i9o0p",
)


def _unmatchable() -> str:
    salt, digest = (base64.b64encode(os.urandom(size)).decode().rstrip("=") for size in (_SALT_BYTES, _HASH_BYTES))
    return f"$argon2id$v=19$m={_MEMORY_KIB},t={_PASSES},p={_LANES}${salt}${digest}"


NOBODYS_HASH = _unmatchable()
"""A hash that no password has, with the costs of a real one: an unknown address is checked against it."""


class Work:
    """How many passwords this process has checked or hashed so far; a count for metrics."""

    def __init__(self) -> None:
        self.done = 0


WORK = Work()


def folded(password: str) -> str:
    """Return the form that is hashed: NFKC, as NIST SP 800-63B-4 section 3.1.1.2 asks, so that every keyboard fits."""
    return unicodedata.normalize("NFKC", password)


async def hash_of(password: str) -> str:
    """Hash a password that was found fit; takes tens of milliseconds on a thread."""
    WORK.done += 1
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, folded(password))


async def fits(stored: str | None, password: str) -> bool:
    """Say whether the password has this hash. Without a hash the same work is done, and the answer is no."""
    WORK.done += 1
    text = folded(password)
    if len(text) > MAX_LENGTH:
        text = ""  # it fits no hash of ours; the work stays the same
    return await asyncio.get_running_loop().run_in_executor(_threads, _fits, stored or NOBODYS_HASH, text)


def _fits(stored: str, text: str) -> bool:
    try:
        return _hasher.verify(stored, text)
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(stored: str) -> bool:
    """Say whether a hash was made with other costs than today's, so that it is made anew at the next sign-in."""
    return _hasher.check_needs_rehash(stored)


def problems_of(password: str, *, email: str, name: str, path: str = "password") -> list[DomainError]:
    """Return why a password is not accepted: its length, or that it is among the first that anybody would try."""
    text = folded(password)
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH:
        told = f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters. A few words in a row are good."
        return [PasswordUnfit(told, path=(path,))]
    if "\0" in text:
        return [PasswordUnfit("A password must not contain the character NUL.", path=(path,))]
    if _is_personal(text, email, name):
        return [
            PasswordUnfit(
                "Leave your name and e-mail address out of the password; use words that nobody knows you by.",
                path=(path,),
            )
        ]
    if _is_common(text):
        return [
            PasswordUnfit(
                "This password is too easy to guess. Take more words, ones that do not belong together.", path=(path,)
            )
        ]
    return []


def _letters(text: str) -> str:
    return "".join(one for one in text.casefold() if one.isalnum())


def _bare(text: str) -> str:
    """Return a text in small letters without accents, for comparisons that nobody should get round by one."""
    return "".join(one for one in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(one))


def _is_personal(text: str, email: str, name: str) -> bool:
    """Say whether a word of the person's name or address, its domain included, is in the password."""
    given = _bare(text)
    joined = {_letters(given), _letters(given.translate(_LEET))}
    alone = set(_WORD.findall(given))
    local, _, domain = _bare(email).rpartition("@")
    words = {_letters(one) for one in (local, _bare(name))}
    for written in (local, _bare(name), domain.rpartition(".")[0]):
        words.update(_WORD.findall(written))
    # Short names are parts of too many other words.
    return any(
        word in alone or (len(word) >= _MIN_INSIDE and any(word in one for one in joined))
        for word in words
        if len(word) >= _MIN_WORD
    )


def _is_common(text: str) -> bool:
    """Say whether few characters, a short pattern, digits, a row of keys, or one or two well-known words are all there is."""
    plain = text.casefold()
    bare = _letters(plain)
    if len(set(plain)) < _MIN_DISTINCT or re.fullmatch(r"(.{1,64})\1+.{0,5}", plain) or bare.isdigit():
        return True
    # People write 0 for o and add digits and signs at the ends; what is left is what is tried first.
    core = re.sub(r"^[^a-z]+|[^a-z]+$", "", plain)
    cores = {"".join(filter(str.isalpha, one)) for one in (core, core.translate(_LEET))}
    return any(bare in row or bare in row[::-1] for row in _ROWS) or any(
        _is_made_of(one, _FEW_WORDS) for one in {bare, *cores}
    )


def _is_made_of(text: str, most: int) -> bool:
    if not text:
        return True
    if most == 0:
        return False
    ends = range(_MIN_WORD, len(text) + 1)
    return any(_is_known(text[:end]) and _is_made_of(text[end:], most - 1) for end in ends)


def _is_known(word: str) -> bool:
    return word in _OURS or any(word in ranked for ranked in _LISTS)
