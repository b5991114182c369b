"""What settings are refused, without a database."""

from __future__ import annotations

import base64
import json
from copy import copy

import pytest
from pydantic import SecretStr

from server.config import BrokerSettings, Environment, MailSettings, Settings
from server.startup import rules
from server.startup.problems import Part, told
from tests.startup.commands import PEPPER, PLATFORM_ADDRESSES, ring

PROVIDER = {"name": "x", "title": "X", "issuer": "https://x.test", "client_id": "c", "client_secret": "very secret"}


@pytest.fixture
def healthy(settings: Settings) -> Settings:
    """The settings of this test process with what production asks for."""
    made = copy(settings)
    made.web = settings.web.model_copy(update={"public_url": "https://switchboard.example.com"})
    keys = {"keys": SecretStr(ring()), "pepper": SecretStr(PEPPER)}
    made.security = settings.security.model_copy(update=keys)
    made.sign_in = settings.sign_in.model_copy(update={"providers": SecretStr("[]")})
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


@pytest.mark.parametrize("origins", ["*", "https://app.example.com, *", "null"])
def test_origins_that_mean_every_page_on_the_web_are_refused(origins: str, healthy: Settings) -> None:
    healthy.web = healthy.web.model_copy(update={"allowed_origins": origins})

    assert parts_of(healthy) == ["origins"]


def test_origins_of_front_ends_are_not_refused(healthy: Settings) -> None:
    healthy.web = healthy.web.model_copy(update={"allowed_origins": "https://app.example.com, http://localhost:5173"})

    assert parts_of(healthy) == []


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("http://graph.facebook.com", Environment.PRODUCTION, ["platforms"]),
        ("http://127.0.0.1:8100", Environment.PRODUCTION, ["platforms"]),
        ("https://token@graph.facebook.com", Environment.PRODUCTION, ["platforms"]),
        ("https://graph.facebook.com", Environment.PRODUCTION, []),
        ("http://graph.facebook.com", Environment.DEVELOPMENT, ["platforms"]),
        ("http://127.0.0.1.example.com", Environment.DEVELOPMENT, ["platforms"]),
        ("http://127.0.0.1:8100", Environment.DEVELOPMENT, []),
        ("http://[::1]:8100", Environment.TEST, []),
        ("http://localhost:8100", Environment.TEST, []),
    ],
)
def test_a_platform_without_tls_is_refused_unless_a_stand_in_of_development(
    url: str, environment: Environment, expected: list[str], healthy: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PLATFORM_ADDRESSES:
        monkeypatch.delenv(name, raising=False)
    fresh = Settings()
    fresh.web = healthy.web.model_copy(update={"environment": environment})
    fresh.security, fresh.mail, fresh.broker = healthy.security, healthy.mail, healthy.broker

    for name in PLATFORM_ADDRESSES:
        with monkeypatch.context() as patched:
            patched.setenv(name, url)
            given = Settings()
        fresh.messenger, fresh.instagram, fresh.x = given.messenger, given.instagram, given.x
        fresh.linkedin, fresh.tiktok = given.linkedin, given.tiktok
        assert parts_of(fresh) == expected, name


@pytest.mark.parametrize(
    "providers", ["{not json", "{}", '["x"]', '[{"name": "x"}]', json.dumps([PROVIDER | {"issuer": "https://[x"}])]
)
@pytest.mark.parametrize("environment", [Environment.PRODUCTION, Environment.DEVELOPMENT])
def test_providers_that_cannot_be_read_are_refused_wherever_the_process_runs(
    environment: Environment, providers: str, healthy: Settings
) -> None:
    healthy.sign_in = healthy.sign_in.model_copy(update={"providers": SecretStr(providers)})

    problems = rules.problems_of(healthy, lambda _name: True)

    assert [(problem.part, problem.is_fatal) for problem in problems] == [(Part.SETTINGS, True)]
    assert rules.refused(environment, problems) == problems
    assert "very secret" not in told(problems)


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
