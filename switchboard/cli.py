"""The command `switchboard`. Every command composes processes; what they do is in the modules that it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from switchboard import audit, running, up
from switchboard import documents as known_documents
from switchboard.database import DatabaseRefused
from switchboard.postgres import PostgresUnavailable

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
schema = typer.Typer(no_args_is_help=True, help="The GraphQL schema.")
app.add_typer(schema, name="schema")
trail = typer.Typer(no_args_is_help=True, help="The audit trail.")
app.add_typer(trail, name="audit")
documents = typer.Typer(no_args_is_help=True, help="The GraphQL documents that your organization's front ends send.")
app.add_typer(documents, name="documents")

Data = Annotated[Path, typer.Option("--data", help="Where database, secrets and logs are kept.", file_okay=False)]

Api = Annotated[str, typer.Option("--api", envvar="SWITCHBOARD_API", help="The address of the service.")]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file", help="A file with the token. Else SWITCHBOARD_TOKEN, else it is asked for.", dir_okay=False
    ),
]
Ids = Annotated[list[str] | None, typer.Argument(help="Ids of documents, as `list` shows them.")]
AppName = Annotated[str | None, typer.Option("--app", help="The app's name.")]
AppVersion = Annotated[str | None, typer.Option("--version", help="The app's version.")]
OUR_API = "http://127.0.0.1:8000"


@app.command("up")
def up_(
    data: Data = Path("var"),
    keep_database: Annotated[
        bool, typer.Option("--keep-database", help="Leave the embedded PostgreSQL running at the end.")
    ] = False,
    no_demo: Annotated[bool, typer.Option("--no-demo", help="Start without playing the demo day.")] = False,
) -> None:
    """Start everything on this machine and run until Ctrl-C: database, API, workers, stand-in platforms, demo day."""
    options = up.Options(data_dir=data, keep_database=keep_database, with_demo=not no_demo)
    _end(lambda: up.run(options, Console()))


@app.command()
def migrate(data: Data = Path("var"), revision: str = "head") -> None:
    """Bring the database to a revision, by default to the newest."""
    _finish(data, "alembic", "upgrade", revision, as_owner=True)


@app.command()
def migration(phrase: str, data: Data = Path("var")) -> None:
    """Draft a migration that brings the tables to what the models say; PHRASE says what it does."""
    _finish(data, "alembic", "revision", "--autogenerate", "-m", phrase, as_owner=True)


@app.command()
def doctor(
    data: Data = Path("var"),
    new_pepper: Annotated[
        bool, typer.Option("--new-pepper", help="Take a changed SWITCHBOARD_PEPPER as the database's from now on.")
    ] = False,
) -> None:
    """Say what a process checks at its start, and how database, bell, workers, broker and mail host are now."""
    more = ("--new-pepper",) if new_pepper else ()
    _end(lambda: running.run_as_service(data, "server.doctor", *more))


@schema.command("print")
def print_schema(
    check: Annotated[bool, typer.Option("--check", help="Only say whether the printed schema is current.")] = False,
) -> None:
    """Write the schema to frontend-contract/."""
    raise typer.Exit(running.run_without_database("server.schema.contract", *(["--check"] if check else [])))


@trail.command("verify")
def verify_trail(
    file: Annotated[Path, typer.Argument(help="An export of the audit trail.")],
    head: Annotated[str | None, typer.Option("--head", help="A hash of the chain that was noted earlier.")] = None,
    seq: Annotated[int | None, typer.Option("--seq", min=0, help="The number that was noted with it.")] = None,
) -> None:
    """Check an export offline: 0 if every link holds, 1 with the first broken link, 2 if it cannot be read."""
    raise typer.Exit(audit.run(file, audit.Noted(head, seq)))


@documents.command("register")
def register_documents(
    file: Annotated[Path, typer.Argument(help="The manifest: persisted-documents.json of your code generator.")],
    app_name: Annotated[str, typer.Option("--app", help="The app, as it names itself in X-Client-Name.")],
    version: Annotated[str, typer.Option("--version", help="Its version, as in X-Client-Version.")],
    token_file: TokenFile = None,
    api: Api = OUR_API,
) -> None:
    """Register what one version of an app sends; repeatable. Ends with 0, with 1 if refused, with 2 if it could not ask."""
    _speak(api, token_file, lambda target: [known_documents.register(target, file, app_name, version)])


@documents.command("withdraw")
def withdraw_documents(
    ids: Ids = None,
    app_name: AppName = None,
    version: AppVersion = None,
    token_file: TokenFile = None,
    api: Api = OUR_API,
) -> None:
    """Serve documents no more: those with these ids, or all of one version of an app. Exit codes as of `register`."""
    _speak(api, token_file, lambda target: [known_documents.withdraw(target, ids or [], app_name, version)])


@documents.command("list")
def list_documents(
    app_name: AppName = None,
    version: AppVersion = None,
    invalid: Annotated[bool, typer.Option("--invalid", help="Only those that the schema no longer serves.")] = False,
    withdrawn: Annotated[bool, typer.Option("--withdrawn", help="Withdrawn ones too.")] = False,
    token_file: TokenFile = None,
    api: Api = OUR_API,
) -> None:
    """Show what is registered, and how often each text was asked for. Exit codes as of `register`."""
    wanted = {"only_invalid": invalid, "with_withdrawn": withdrawn}
    _speak(api, token_file, lambda target: known_documents.lines_of(target, app_name, version, **wanted))


def _speak(api: str, token_file: Path | None, ask: Callable[[known_documents.Target], Iterable[str]]) -> None:
    """Ask the service and print what comes back, line by line; what does not work is said plainly."""
    try:
        for line in ask(known_documents.Target(api, _token(token_file))):
            typer.echo(line)
    except (known_documents.Unusable, known_documents.Refused) as problem:
        raise typer.Exit(known_documents.told(problem)) from problem


def _token(file: Path | None) -> str:
    """Return the token: never an argument, which every user of the machine could read."""
    if file is not None:
        return known_documents.read_token(file)
    given = os.environ.get("SWITCHBOARD_TOKEN")
    if given:
        return given
    if not sys.stdin.isatty():
        raise known_documents.Unusable("There is no token: set SWITCHBOARD_TOKEN, or give --token-file.")
    return str(typer.prompt("Token", hide_input=True))


def _finish(data: Path, module: str, *arguments: str, as_owner: bool = False) -> None:
    """Run a module against the database and end with its exit code."""
    _end(lambda: running.run_module(data, module, *arguments, as_owner=as_owner))


def _end(work: Callable[[], int]) -> None:
    """Do the work and end with its exit code; a database or a folder that cannot be used is said plainly."""
    try:
        status = work()
    except (PostgresUnavailable, DatabaseRefused) as problem:
        typer.secho(str(problem), err=True, fg=typer.colors.RED)
        status = 1
    except OSError as problem:
        typer.secho(_unusable(problem), err=True, fg=typer.colors.RED)
        status = 1
    raise typer.Exit(status)


def _unusable(problem: OSError) -> str:
    return (
        f"{problem.filename or 'A file'} cannot be used: {problem.strerror or problem}."
        " Name a folder that can be written to with --data, or mend its rights."
    )


if __name__ == "__main__":
    app()
