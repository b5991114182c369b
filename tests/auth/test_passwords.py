"""Which passwords are accepted, and that checking one costs the same whoever asks."""

from __future__ import annotations

import asyncio

import pytest

from server.auth import passwords

COMMON = [
    "passwordpassword",
    "Password1234!",
    "p@ssw0rd2024!",
    "qwertyuiop123",
    "QwertzuiopAsdf",
    "1qaz2wsx3edc",
    "iloveyou1234!",
    "ilovemonkey99",
    "123456789012",
    "314159265358",
    "abcabcabcabc",
    "aaaaaaaaaaaa",
    "abcdefghijklm",
    "Summer2026!!!!",
    "switchboard123",
    "administrator!",
    "            ",
    "trustno1trustno1",
    "Welcome2Switchboard",
    "changeme-please!",
    "liverpoolfc1892",
    "Correct Horse 1",
    "Montgomery-Sunshine",
]
FINE = [
    "tall kettle under ice",
    "Wacholder-Fahrrad-7",
    "vK3#pLq9!zRt",
    "zwölf müde Igel",
    "password for the small boat",
    "x7yrlqpwmznt",
    "correct horse battery staple",
    "a cat, a hat, and what is that? " * 4 + "It is a very long passphrase.",
]


@pytest.mark.parametrize("password", COMMON)
def test_what_anybody_would_try_first_is_refused(password: str) -> None:
    assert passwords.problems_of(password, email="ada@example.test", name="Ada Byron")


@pytest.mark.parametrize("password", FINE)
def test_words_that_do_not_belong_together_are_accepted(password: str) -> None:
    assert passwords.problems_of(password, email="ada@example.test", name="Ada Byron") == []


@pytest.mark.parametrize(
    ("length", "is_fit"), [(11, False), (12, True), (256, True), (257, False), (0, False), (100_000, False)]
)
def test_a_password_has_twelve_to_256_characters(length: int, is_fit: bool) -> None:
    password = ("k3Q!vbzt9#mw" * 10_000)[:length][::-1].replace("k", "K", 1)
    unlike = "".join(chr(ord(one) + place // 12 % 7) for place, one in enumerate(password))

    problems = passwords.problems_of(unlike, email="ada@example.test", name="Ada Byron")

    assert (problems == []) is is_fit


@pytest.mark.parametrize(
    "password",
    [
        "ada.byron@example.test",
        "Ada.Byron@Example.Test",
        "AdaMarieByron",
        "ada marie byron",
        "adamariebyron1",
        "tall kettle ada.byron",
        "tall kettle b\u00fdron ice",
        "tall-byr0n-kettle",
        "kettle of marie under ice",
        "example kettle under ice",
        "the-ada-of-tall-kettles",
    ],
)
def test_a_password_holds_no_word_of_the_persons_own_name_or_address(password: str) -> None:
    assert passwords.problems_of(password, email="ada.byron@example.test", name="Ada Marie Byron")


@pytest.mark.parametrize(("name", "email"), [("Al Ng", "al@al.test"), ("", "a@b.c"), ("Ada Byron", "")])
def test_a_name_that_is_part_of_many_words_does_not_forbid_them(name: str, email: str) -> None:
    assert passwords.problems_of("canada kettle alongside ice", email=email, name=name) == []


async def test_a_password_fits_its_hash_however_the_keyboard_composes_its_letters() -> None:
    stored = await passwords.hash_of("zwo\u0308lf mu\u0308de Igel")

    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.fits(stored, "zw\u00f6lf m\u00fcde Igel")
    assert not await passwords.fits(stored, "zwolf mude Igel")
    assert not await passwords.fits(stored, "")
    assert not await passwords.fits(stored, "x" * 100_000)


async def test_without_a_hash_the_same_work_is_done_and_nothing_fits() -> None:
    before = passwords.WORK.done

    answers = [await passwords.fits(None, one) for one in ("", "tall kettle under ice")]

    assert answers == [False, False]
    assert passwords.WORK.done - before == len(answers)
    assert not passwords.is_outdated(passwords.NOBODYS_HASH)


async def test_a_broken_hash_fits_nothing_and_an_old_one_is_told() -> None:
    old = "$argon2id$v=19$m=8192,t=1,p=1$c2FsdHNhbHRzYWx0$" + "A" * 43

    assert not await passwords.fits("not a hash", "tall kettle under ice")
    assert passwords.is_outdated(old)


async def test_the_loop_goes_on_while_passwords_are_hashed() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await asyncio.gather(*(passwords.hash_of("tall kettle under ice") for _ in range(8)))
    counting.cancel()

    assert turns > 100
