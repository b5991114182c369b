"""What settings are refused, without a database."""

from __future__ import annotations

import base64
from copy import copy

import pytest
from pydantic import SecretStr

from server.config import BrokerSettings, MailSettings, Settings
from server.startup import rules
from tests.startup.commands import PEPPER, ring


@pytest.fixture
def healthy(settings: Settings) -> Settings:
    """The settings of this test process with what production asks for."""
    made = copy(settings)
    made.web = settings.web.model_copy(update={"public_url": "https://switchboard.example.com"})
    keys = {"keys": SecretStr(ring()), "pepper": SecretStr(PEPPER)}
    made.security = settings.security.model_copy(update=keys)
    made.mail = MailSettings.model_validate({"SMTP_HOST": "mail.example.com", "SMTP_SENDER": "no-reply@example.com"})
    return made


def parts_of(settings: Settings, *, installed: bool = True) -> list[str]:
    return [problem.part.value for problem in rules.problems_of(settings, lambda _name: installed)]


def test_healthy_settings_have_no_problem(healthy: Settings) -> None:
    assert parts_of(healthy) == []


@pytest.mark.parametrize(
    "address",
    [
        "http://a.example",
        "https://",
        "a.example",
        "",
        "ftp://a.example",
        "https://[a",
        "https://a:99999",
        "https:// a",
        "https://u:p@a",
    ],
)
def test_an_address_without_tls_is_refused(address: str, healthy: Settings) -> None:
    healthy.web = healthy.web.model_copy(update={"public_url": address})

    assert parts_of(healthy) == ["address"]


@pytest.mark.parametrize("pepper", ["a" * 40, "ab" * 20, "secret" * 7, "0123456789abcdef" * 2, "abcdefg" + "a" * 30])
def test_a_pepper_that_can_be_guessed_is_refused(pepper: str, healthy: Settings) -> None:
    healthy.security = healthy.security.model_copy(update={"pepper": SecretStr(pepper)})

    assert parts_of(healthy) == ["pepper"]


@pytest.mark.parametrize(
    "keys", ["", "k1", "k1:short", "k1:" + base64.b64encode(b"k" * 32).decode(), f"{ring('k1')},{ring('k2')}"]
)
def test_keys_that_are_none_are_refused(keys: str, healthy: Settings) -> None:
    healthy.security = healthy.security.model_copy(update={"keys": SecretStr(keys)})

    assert parts_of(healthy) == ["keys"]


@pytest.mark.parametrize(
    ("host", "sender"), [("", "a@example.com"), (" ", "a@example.com"), ("h", "no-reply@localhost"), ("h", "nobody")]
)
def test_mail_that_cannot_leave_is_refused(host: str, sender: str, healthy: Settings) -> None:
    healthy.mail = MailSettings.model_validate({"SMTP_HOST": host, "SMTP_SENDER": sender})

    assert parts_of(healthy) == ["mail"]


@pytest.mark.parametrize(
    ("url", "is_installed", "expected"),
    [
        ("redis://broker:6379/0", True, []),
        ("amqps://a:b@broker/x", True, []),
        ("postgresql+psycopg://a:b@/d?host=/s", True, []),
        ("redis://broker", False, ["broker"]),
        ("kafka://broker", True, ["broker"]),
        ("redis://broker:port", True, ["broker"]),
        ("redis://", True, ["broker"]),
        ("broker:6379", True, ["broker"]),
        ("", True, ["broker"]),
    ],
)
def test_a_broker_that_cannot_be_rung_is_refused(
    url: str, is_installed: bool, expected: list[str], healthy: Settings
) -> None:
    healthy.broker = BrokerSettings.model_validate({"BROKER_URL": url})

    assert parts_of(healthy, installed=is_installed) == expected


@pytest.mark.parametrize(
    ("_case", "versions", "count"),
    [
        ("at the floors", {"authlib": "1.6.9", "strawberry-graphql": "0.314.0"}, 0),
        ("above", {"authlib": "1.10.0", "strawberry-graphql": "1.0"}, 0),
        ("one below", {"authlib": "1.6.8", "strawberry-graphql": "0.314"}, 1),
        ("both below", {"authlib": "1.5", "strawberry-graphql": "0.99.9"}, 2),
    ],
)
def test_libraries_with_known_holes_are_refused(_case: str, versions: dict[str, str], count: int) -> None:
    assert len(rules.library_problems(versions.__getitem__)) == count
