"""Runs a module of the product once, with the environment that `switchboard up` would give it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from switchboard import environment, ledger, services
from switchboard.environment import Addresses
from switchboard.files import read_private_json

_ADDRESSES = ("DATABASE_URL", "SYSTEM_DATABASE_URL", "OWNER_DATABASE_URL")
_OF_SERVICES = _ADDRESSES[:2]


def run_module(data_dir: Path, module: str, *arguments: str, as_owner: bool = False) -> int:
    """Run `python -m module` against the database of this data directory; return its exit code.

    Where all three addresses of a database are set, the module gets the environment as it is: nothing is made or kept
    below `data_dir`. Else the embedded server is started when it does not run and stopped again afterwards; one that
    runs is left alone. `as_owner` adds the address of the role that may change tables.
    """
    if all(os.environ.get(name) for name in _ADDRESSES):
        return run_without_database(module, *arguments)
    opened = ledger.open_ledger(data_dir.absolute())
    try:
        told = environment.for_services(opened.urls, _addresses(data_dir), environment.secrets_of(data_dir))
        if as_owner:
            told = environment.for_migrations(told, opened.urls)
        return run_without_database(module, *arguments, told=told)
    finally:
        opened.close(keep=False)


def run_as_service(data_dir: Path, module: str, *arguments: str) -> int:
    """Run `python -m module` with the environment of a service, as it is where its addresses are set; return its exit code.

    Else the embedded server of this data directory is used, as by `run_module`.
    """
    if all(os.environ.get(name) for name in _OF_SERVICES):
        return run_without_database(module, *arguments)
    return run_module(data_dir, module, *arguments)


def run_without_database(module: str, *arguments: str, told: dict[str, str] | None = None) -> int:
    """Run `python -m module` in the project's directory; return its exit code."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, env=told, cwd=ledger.PROJECT, check=False).returncode


def _addresses(data_dir: Path) -> Addresses:
    noted = read_private_json(data_dir / environment.ADDRESSES)
    if noted is None:
        return services.addresses(services.API_PORT, services.STANDIN_PORT)
    return Addresses(noted["api"], noted["standin"])
