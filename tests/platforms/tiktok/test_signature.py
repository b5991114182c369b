"""Signatures over time and raw bytes (platforms.md 6.4)."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from server.platforms.port import SignatureInvalid
from tests.platforms.tiktok.factory import SECRET, a_body, a_connector, inbound

NOW = 1_789_814_497
BODY = a_body("im_receive_msg", inbound(type="text", text={"body": "Grüße"}))


def header(body: bytes = BODY, *, secret: str = SECRET, at: int | str = NOW) -> dict[str, str]:
    """The header as platforms.md describes it."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"tiktok-signature": f"t={at},s={digest}"}


def is_accepted(headers: dict[str, str], body: bytes = BODY, *, secret: str = SECRET) -> bool:
    try:
        a_connector(secret=secret, now_s=NOW).verify(headers, body)
    except SignatureInvalid:
        return False
    return True


@pytest.mark.parametrize("age", [0, 5, 299, 300, -299, -300])
def test_a_signature_of_the_last_five_minutes_is_accepted(age: int) -> None:
    assert is_accepted(header(at=NOW - age))


@pytest.mark.parametrize("age", [301, 3_600, -301, 10**9, -(10**11)])
def test_an_older_or_future_signature_is_a_replay(age: int) -> None:
    assert not is_accepted(header(at=NOW - age))


def test_the_time_is_signed_so_that_an_old_body_cannot_be_made_young() -> None:
    old = header(at=NOW - 3_600)["tiktok-signature"]

    assert not is_accepted({"tiktok-signature": old.replace(f"t={NOW - 3_600}", f"t={NOW}")})


def test_the_order_of_the_parts_and_blanks_between_them_do_not_matter() -> None:
    at, digest = header()["tiktok-signature"].split(",")

    assert is_accepted({"tiktok-signature": f"{digest}, {at}"})


@pytest.mark.parametrize(
    "value",
    [
        "",
        "t=",
        f"t={NOW}",
        f"t={NOW},s=",
        f"t={NOW},s={'0' * 64}",
        f"t={NOW},s={'z' * 64}",
        f"t=-1,s={'0' * 64}",
        f"t=1e9,s={'0' * 64}",
        f"t=\u0661\u0662,s={'0' * 64}",
        f"t={NOW},v1={'0' * 64}",
        "sha256=" + "0" * 64,
        header()["tiktok-signature"].upper(),
        header()["tiktok-signature"] + ",t=1",
    ],
)
def test_a_header_of_another_form_is_refused(value: str) -> None:
    assert not is_accepted({"tiktok-signature": value})


def test_a_body_without_a_header_or_of_another_secret_is_refused() -> None:
    assert not is_accepted({})
    assert not is_accepted(header(secret="another"))
    assert not is_accepted(header(BODY + b" "))


def test_while_the_secret_changes_both_verify_and_an_empty_one_never_does() -> None:
    assert is_accepted(header(secret="old"), secret="new,old")
    assert is_accepted(header(secret="new"), secret="new,old")
    assert not is_accepted(header(secret=""), secret="")
    assert not is_accepted(header(secret=""), secret="new,")
