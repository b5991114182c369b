"""Prints the schema: `python -m server.schema.export [--check]` keeps frontend-contract/schema.graphql true."""

from __future__ import annotations

import sys
from pathlib import Path

from server.schema.root import build

TARGET = Path(__file__).parent.parent.parent / "frontend-contract" / "schema.graphql"


def main(arguments: list[str]) -> int:
    """Write the SDL, or with --check compare it; return the exit status."""
    text = build(introspection=True, is_sorted=True).as_str().rstrip() + "\n"
    if "--check" in arguments:
        if TARGET.exists() and TARGET.read_text() == text:
            return 0
        sys.stderr.write(f"{TARGET.name} does not match the code; run: python -m server.schema.export\n")
        return 1
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
