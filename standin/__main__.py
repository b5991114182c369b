"""Command line of the stand-in: `python -m standin --help`."""

import argparse
import json
import os
from pathlib import Path

from standin.app import create_app
from standin.config import StandinConfig
from standin.jsonish import Json
from standin.serve import Place, serve


def _apps(parser: argparse.ArgumentParser, text: str) -> dict[str, Json]:
    try:
        apps = json.loads(text)
    except ValueError:
        apps = None
    if not isinstance(apps, dict) or not all(isinstance(app, dict) for app in apps.values()):
        parser.error("--apps must be a JSON object of objects")
    return apps


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="standin", description="A local Messenger/Graph for tests and demos.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--fd", type=int, help="a socket that listens and was handed down, instead of host and port")
    parser.add_argument("--app-id", required=True)
    parser.add_argument("--app-secret", required=True)
    parser.add_argument("--verify-token", required=True)
    parser.add_argument("--callback-url")
    parser.add_argument("--redirect-uri", action="append", default=[])
    parser.add_argument("--ledger", type=Path)
    parser.add_argument("--state", type=Path, help="keep the world in this file over restarts")
    parser.add_argument(
        "--apps",
        default=os.environ.get("STANDIN_APPS", "{}"),
        help="JSON: the apps of the other platforms by name; also STANDIN_APPS, where other users of the machine see no secret",
    )
    given = parser.parse_args()
    if given.state is not None and (given.state.is_dir() or not given.state.parent.is_dir()):
        parser.error("--state must name a file in a directory that exists")
    config = StandinConfig(
        app_id=given.app_id,
        app_secret=given.app_secret,
        verify_token=given.verify_token,
        callback_url=given.callback_url,
        redirect_uris=given.redirect_uri,
        ledger_file=given.ledger,
        state_file=given.state,
        apps=_apps(parser, given.apps),
    )
    place = Place(given.host, given.port, given.fd, os.environ.get("SWITCHBOARD_READY_NONCE", ""))
    serve(create_app(config), place)


if __name__ == "__main__":
    main()
