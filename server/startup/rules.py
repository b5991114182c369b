"""What settings and libraries must be like before a process starts: no I/O, every problem at once."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import SplitResult, unquote, urlsplit

from server.config import Environment, MailSettings, Settings, WebSettings
from server.kit.crypto import KeyRing, KeyRingInvalid
from server.kit.identity_providers import ProvidersInvalid, providers_of
from server.startup.problems import Part, Problem

BROKER_CLIENTS: Mapping[str, tuple[str, str]] = {
    "postgresql": ("dramatiq_postgres", "postgres"),
    "postgres": ("dramatiq_postgres", "postgres"),
    "amqp": ("pika", "rabbitmq"),
    "amqps": ("pika", "rabbitmq"),
    "redis": ("redis", "redis"),
    "rediss": ("redis", "redis"),
}
"""By the scheme of BROKER_URL: the module that must be installed, and the extra of this project that brings it."""

_HOST = re.compile(r"[0-9a-z.:-]+")
"""A name in ASCII, or an address of IPv4 or IPv6."""

LIBRARY_FLOORS: Mapping[str, tuple[int, ...]] = {"authlib": (1, 6, 9), "strawberry-graphql": (0, 314)}
"""Below these, tokens of others are accepted or a WebSocket gets in without its token."""

_FEWEST_DISTINCT = 8
_REPEATED = re.compile(r"(.{1,32}?)\1+.{0,31}", re.DOTALL)
_LOCAL = ("localhost", "localhost.localdomain", "")


def problems_of(config: Settings, has_module: Callable[[str], bool]) -> list[Problem]:
    """Return what is wrong with the settings. `has_module` says whether a Python module is installed."""
    return [
        *_of_providers(config),
        *_of_address(config.web.public_url),
        *_of_origins(config.web),
        *_of_platforms(config),
        *_of_keys(config.security.keys.get_secret_value()),
        *_of_pepper(config.security.pepper.get_secret_value()),
        *_of_mail(config.mail),
        *_of_broker(config, has_module),
        *_of_pooler(config),
    ]


def refuses(environment: Environment) -> bool:
    """Say whether a problem keeps a process from starting; elsewhere than in production it is a warning."""
    return environment is Environment.PRODUCTION


def refused(environment: Environment, problems: Sequence[Problem]) -> list[Problem]:
    """Return the problems that keep a process from starting here: all in production, elsewhere what it cannot run with."""
    return [problem for problem in problems if problem.is_fatal or refuses(environment)]


def library_problems(version_of: Callable[[str], str]) -> list[Problem]:
    """Return which libraries are older than the versions in which known holes are closed."""
    return [
        Problem(
            Part.LIBRARIES,
            f"{name} {version_of(name)} has known holes; {'.'.join(map(str, floor))} closes them.",
            "Install the versions of requirements.lock.",
        )
        for name, floor in LIBRARY_FLOORS.items()
        if _numbers(version_of(name)) < floor
    ]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _of_providers(config: Settings) -> Iterator[Problem]:
    try:
        providers_of(config)
    except ProvidersInvalid as error:
        yield Problem(
            Part.SETTINGS,
            f"OIDC_PROVIDERS cannot be used: {error}.",
            'Set it to a JSON list of {"name", "title", "issuer", "client_id", "client_secret"}, or leave it out.',
            is_fatal=True,
        )


def _of_address(public_url: str) -> Iterator[Problem]:
    if not _is_private(public_url):
        yield Problem(
            Part.ADDRESS,
            "SWITCHBOARD_PUBLIC_URL is no https:// address: cookies, links in mails and callbacks of platforms need one.",
            "Set it to the address at which people reach the API, such as https://switchboard.example.com.",
        )


def _is_private(url: str) -> bool:
    """Say whether what is sent to an address is read by its host alone."""
    parts = split(url)
    return (
        parts is not None
        and parts.scheme == "https"
        and "@" not in parts.netloc
        and _HOST.fullmatch(parts.hostname or "") is not None
    )


def _of_origins(web: WebSettings) -> Iterator[Problem]:
    # "null" is what browsers call a file, and a frame that any page may make.
    everybody = sorted({"*", "null"} & set(web.origins))
    if everybody:
        yield Problem(
            Part.ORIGINS,
            f"SWITCHBOARD_ALLOWED_ORIGINS has {', '.join(everybody)}: every page on the web might call the API and open sockets.",
            "Name the origins of your front ends with commas between them, such as https://app.example.com.",
        )


def _of_platforms(config: Settings) -> Iterator[Problem]:
    for concern in (config.messenger, config.instagram, config.x, config.linkedin, config.tiktok):
        for name, given in type(concern).model_fields.items():
            url = str(getattr(concern, name)) if name.endswith("_url") else None
            if url is None or _is_private(url):
                continue
            # The stand-in of a development machine listens on loopback, without TLS.
            if not refuses(config.web.environment) and _is_of_this_machine(url):
                continue
            yield Problem(
                Part.PLATFORMS,
                f"{given.alias} is no https:// address: tokens of pages and our app's secret would be sent in clear.",
                "Leave it out to reach the platform itself; only a stand-in for development has another address.",
            )


def _is_of_this_machine(url: str) -> bool:
    parts = split(url)
    host = (parts.hostname or "") if parts is not None and parts.scheme == "http" else ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _of_keys(text: str) -> Iterator[Problem]:
    cure = (
        "Set SWITCHBOARD_KEYS to name:base64 of 32 random bytes, such as"
        " k1:$(openssl rand -base64 32); keep the old keys behind it."
    )
    try:
        ring = KeyRing.parse(text)
    except KeyRingInvalid as error:
        yield Problem(Part.KEYS, f"SWITCHBOARD_KEYS cannot be read: {error}.", cure, is_fatal=True)
        return
    weak = [name for name, key in ring.keys if len(set(key)) < _FEWEST_DISTINCT]
    if weak:
        yield Problem(Part.KEYS, f"SWITCHBOARD_KEYS: {', '.join(weak)} is not made of random bytes.", cure)
    if len({key for _, key in ring.keys}) < len(ring.keys):
        yield Problem(Part.KEYS, "SWITCHBOARD_KEYS has one key under two names.", "Give each key one name.")


def _of_pepper(pepper: str) -> Iterator[Problem]:
    if len(set(pepper)) < _FEWEST_DISTINCT or _REPEATED.fullmatch(pepper):
        yield Problem(
            Part.PEPPER,
            "SWITCHBOARD_PEPPER can be guessed: it has few different characters or repeats itself.",
            "Set it to a random text, such as $(openssl rand -base64 48). A new pepper ends every token and session.",
        )


def _of_mail(mail: MailSettings) -> Iterator[Problem]:
    if not mail.host.strip():
        yield Problem(
            Part.MAIL,
            "SMTP_HOST is empty: invitations, links to sign in and warnings would never leave.",
            "Set SMTP_HOST, and SMTP_PORT, SMTP_USER, SMTP_PASSWORD and SMTP_STARTTLS if your mail server wants them.",
        )
    domain = mail.sender.rstrip("> ").rpartition("@")[2].strip().lower()
    if "@" not in mail.sender or domain in _LOCAL:
        yield Problem(
            Part.MAIL,
            "SMTP_SENDER is no address that mail can come from.",
            'Set it to an address of yours, such as "Switchboard <no-reply@example.com>".',
        )


def _of_broker(config: Settings, has_module: Callable[[str], bool]) -> Iterator[Problem]:
    if config.broker.url is None:
        return
    parts = split(config.broker.url.get_secret_value())
    cure = "Set BROKER_URL to postgresql://, amqp://, amqps://, redis:// or rediss://, or leave it out."
    if parts is None:
        yield Problem(Part.BROKER, "BROKER_URL is no address.", cure)
    elif parts.scheme not in BROKER_CLIENTS:
        yield Problem(Part.BROKER, f"BROKER_URL starts with {parts.scheme!r}, which is not offered.", cure)
    elif not parts.hostname and not parts.scheme.startswith("postgres"):
        yield Problem(Part.BROKER, "BROKER_URL names no host.", cure)
    elif not has_module(BROKER_CLIENTS[parts.scheme][0]):
        module, extra = BROKER_CLIENTS[parts.scheme]
        yield Problem(
            Part.BROKER,
            f"BROKER_URL needs the Python module {module}, which is not installed.",
            f"Install this project with its extra: pip install 'switchboard[{extra}]'.",
        )


def _of_pooler(config: Settings) -> Iterator[Problem]:
    database = config.database
    pairs = (
        ("DATABASE_URL", database.app, "DATABASE_DIRECT_URL", database.direct_app),
        ("SYSTEM_DATABASE_URL", database.system, "SYSTEM_DATABASE_DIRECT_URL", database.direct_system),
    )
    for name, pooled, direct_name, direct in pairs:
        if direct is not None and _user(pooled.get_secret_value()) != _user(direct.get_secret_value()):
            yield Problem(
                Part.ROLE,
                f"{name} and {direct_name} sign in with different roles.",
                "Give both the same role; only the way there may differ.",
            )


def split(url: str) -> SplitResult | None:
    """Return the parts of an address with a valid port; None if it is no address."""
    try:
        parts = urlsplit(url.strip().replace("postgresql+psycopg://", "postgresql://", 1))
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme else None


def _user(url: str) -> str | None:
    parts = split(url)
    return None if parts is None or parts.username is None else unquote(parts.username)
