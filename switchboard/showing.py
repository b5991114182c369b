"""What the terminal shows once everything runs: addresses, who can sign in, and queries to begin with.

The demo day leaves them in `demo.json`: `{"people": [{"name", "role", "token", "email", "password"}], "queries": [{"title",
"url"}]}`; address and password are empty for who only has a token.
"""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from switchboard.environment import Addresses


def show_what_to_open(console: Console, known: Addresses, data_dir: Path) -> None:
    """Print the addresses and, when the demo day was played, its people with their tokens and its ready-made queries."""
    console.print(
        f"GraphiQL   {known.api}/graphql",
        f"sign-in    {known.api}/sign-in",
        f"mail       {known.api}/dev/mail",
        f"stand-in   {known.standin}",
        sep="\n",
        highlight=False,
    )
    path = data_dir / "demo.json"
    if not path.exists():
        return
    told = json.loads(path.read_text())
    console.print("\nHeader: Authorization: Bearer <token>")
    for person in told.get("people", []):  # a line each, never cut: they are there to be copied
        lines = [f"{person['name']}, {person['role']}", f"  {person['token']}"]
        if person.get("password"):
            lines.append(f"  signs in as {person['email']} with {person['password']}")
        console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    console.print()
    for query in told.get("queries", []):
        console.print(f"{query['title']}\n  {query['url']}", markup=False, highlight=False, soft_wrap=True)
