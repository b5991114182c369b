"""The command `switchboard`. Every command composes processes; what they do is in the modules that it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from switchboard import audit, running, up
from switchboard.database import DatabaseRefused
from switchboard.postgres import PostgresUnavailable

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
schema = typer.Typer(no_args_is_help=True, help="The GraphQL schema.")
app.add_typer(schema, name="schema")
trail = typer.Typer(no_args_is_help=True, help="The audit trail.")
app.add_typer(trail, name="audit")

Data = Annotated[Path, typer.Option("--data", help="Where database, secrets and logs are kept.", file_okay=False)]


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
    raise typer.Exit(up.run(options, Console()))


@app.command()
def migrate(data: Data = Path("var"), revision: str = "head") -> None:
    """Bring the database to a revision, by default to the newest."""
    _finish(data, "alembic", "upgrade", revision, as_owner=True)


@app.command()
def migration(phrase: str, data: Data = Path("var")) -> None:
    """Draft a migration that brings the tables to what the models say; PHRASE says what it does."""
    _finish(data, "alembic", "revision", "--autogenerate", "-m", phrase, as_owner=True)


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


def _finish(data: Path, module: str, *arguments: str, as_owner: bool = False) -> None:
    """Run a module against the database and end with its exit code; a database that cannot be used is said plainly."""
    try:
        status = running.run_module(data, module, *arguments, as_owner=as_owner)
    except (PostgresUnavailable, DatabaseRefused) as problem:
        typer.secho(str(problem), err=True, fg=typer.colors.RED)
        status = 1
    raise typer.Exit(status)


if __name__ == "__main__":
    app()
