"""What child processes are told: addresses of the database, of each other, and secrets made once per data directory."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from switchboard.database import Urls
from switchboard.files import read_private_json, write_private_json

ADDRESSES = "addresses.json"
_SECRETS = "secrets.json"
_DIRECT = ("DATABASE_DIRECT_URL", "SYSTEM_DATABASE_DIRECT_URL")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the API and the stand-in platforms listen."""

    api: str
    standin: str


def secrets_of(data_dir: Path) -> dict[str, str]:
    """Return the secrets of this data directory, making those that are missing; the file is ours alone (0600)."""
    path = data_dir / _SECRETS
    known = read_private_json(path) or {}
    fresh = {
        "SWITCHBOARD_KEYS": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "SWITCHBOARD_PEPPER": secrets.token_urlsafe(48),
        "MESSENGER_APP_ID": str(10**14 + secrets.randbelow(9 * 10**14)),
        "MESSENGER_APP_SECRET": secrets.token_hex(16),
        "MESSENGER_VERIFY_TOKEN": secrets.token_urlsafe(24),
        "INSTAGRAM_APP_ID": str(10**14 + secrets.randbelow(9 * 10**14)),
        "INSTAGRAM_APP_SECRET": secrets.token_hex(16),
        "INSTAGRAM_VERIFY_TOKEN": secrets.token_urlsafe(24),
        "X_CLIENT_ID": secrets.token_urlsafe(24),
        "X_CLIENT_SECRET": secrets.token_urlsafe(32),
        "X_CONSUMER_SECRET": secrets.token_urlsafe(32),
        "X_BEARER_TOKEN": secrets.token_urlsafe(48),
        "LINKEDIN_CLIENT_ID": secrets.token_hex(7),
        "LINKEDIN_CLIENT_SECRET": secrets.token_urlsafe(16),
        "LINKEDIN_APPLICATION_URN": f"urn:li:developerApplication:{10**8 + secrets.randbelow(10**8)}",
        "TIKTOK_CLIENT_KEY": secrets.token_hex(9),
        "TIKTOK_CLIENT_SECRET": secrets.token_hex(16),
    }
    if fresh.keys() - known.keys():
        data_dir.mkdir(parents=True, exist_ok=True)
        known = fresh | known
        write_private_json(path, known)
    return known


def for_services(urls: Urls, addresses: Addresses, known_secrets: dict[str, str]) -> dict[str, str]:
    """Return the environment of the API and the workers. What the user set stays, but for the database's addresses.

    The owner's address is left out: services must not be able to change tables.
    """
    environment = known_secrets | {
        "SWITCHBOARD_ENV": "development",
        "SWITCHBOARD_PUBLIC_URL": addresses.api,
        "SWITCHBOARD_MEDIA_HOSTS": addresses.standin.partition("//")[2],
        "MESSENGER_GRAPH_URL": addresses.standin,
        "MESSENGER_DIALOG_URL": addresses.standin,
        **{f"INSTAGRAM_{what}_URL": f"{addresses.standin}/instagram" for what in ("GRAPH", "TOKEN", "DIALOG")},
        **{
            f"{platform.upper()}_{what}_URL": f"{addresses.standin}/{platform}"
            for platform in ("x", "linkedin", "tiktok")
            for what in ("API", "DIALOG")
        },
    }
    environment |= os.environ
    environment |= {"DATABASE_URL": urls.app, "SYSTEM_DATABASE_URL": urls.system, "PYTHONUNBUFFERED": "1"}
    # Seven processes that each compile their libraries at every start would make it six times as slow.
    environment["PYTHONDONTWRITEBYTECODE"] = ""
    for name in ("OWNER_DATABASE_URL", "DATABASE_POOLER", *_DIRECT):
        environment.pop(name, None)
    return environment


def for_migrations(services: dict[str, str], urls: Urls) -> dict[str, str]:
    """Return the environment of Alembic and of commands that act as the owner."""
    return services | {"OWNER_DATABASE_URL": urls.owner}


def for_standin(services: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the stand-in: nothing of the database and none of our keys."""
    hidden = ("DATABASE_URL", "SYSTEM_DATABASE_URL", "BROKER_URL", "SWITCHBOARD_KEYS", "SWITCHBOARD_PEPPER", *_DIRECT)
    return {name: value for name, value in services.items() if name not in hidden}


def apps_of_standin(services: Mapping[str, str], api: str) -> str:
    """Return what the stand-in is told of our further apps, as JSON: the same secrets that the services have.

    An app that was not configured is left out.
    """
    names = {
        "instagram": ("app_id", "app_secret", "verify_token"),
        "x": ("client_id", "client_secret", "consumer_secret", "bearer_token"),
        "linkedin": ("client_id", "client_secret", "application_urn"),
        "tiktok": ("client_key", "client_secret"),
    }
    apps = {
        platform: {name: services[f"{platform}_{name}".upper()] for name in known}
        | {"callback_url": f"{api}/webhooks/{platform}"}
        for platform, known in names.items()
        if all(f"{platform}_{name}".upper() in services for name in known)
    }
    return json.dumps(apps)
