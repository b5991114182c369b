"""Hostile GraphQL requests, by name: what somebody sends who wants an API to work for nothing. Each is at most 100 kB.

The kinds are those of reliability.md (G31) and of graphql-cop, and what broke this API once. Used by tests, which look at the
answers, and by the benchmark, which looks at the CPU.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CONTRACT = Path(__file__).parent.parent / "frontend-contract"
UNUSED = {
    "an object 470 times": "fragment U on Viewer{" + "organization{id} " * 470 + "}",
    "two levels 180 times": "fragment U on Viewer{" + "organization{root{id name}} " * 180 + "}",
    "eight levels 70 times": "fragment U on Viewer{" + "a{a{a{a{a{a{a{a{b}}}}}}}} " * 70 + "}",
    "a circle of 200": " ".join(f"fragment U{n} on Viewer{{...U{(n + 1) % 200}}}" for n in range(200)),
    "a leaf 1,900 times": "fragment U on Viewer{" + "name " * 1900 + "}",
    "one hidden by its namesake": "fragment U on Viewer{" + "organization{id} " * 460 + "} fragment U on Viewer{name}",
    "an alias 600 times": "fragment U on Viewer{" + "a:name " * 600 + "}",
}
"""Fragments that nothing spreads, or that a namesake hides: validation compares their fields all the same."""
SIGN_IN = 'sessionCreate(input: {email: "a@b.example", password: "x"})'
TYPES = tuple(re.findall(r"^type (\w+)", (CONTRACT / "schema.graphql").read_text(), re.MULTILINE))
"""The object types of our schema, which anybody may know."""


@dataclass(frozen=True, slots=True)
class Hostile:
    """One request. `text` is the document; `more` replaces other members of the body."""

    name: str
    text: str
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        """Return the body to send as JSON."""
        return {"query": self.text, **self.more}


def every() -> list[Hostile]:
    """Return all of them, each name once."""
    return [
        *_repeated(),
        *_nested(),
        *_fragments(),
        *_circles(),
        *_spreads(),
        *_on_many_types(),
        *(Hostile(f"unused: {name}", f"{text} {{viewer{{name}}}}") for name, text in UNUSED.items()),
        *_lists(),
        *_literals(),
        *_variables(),
        *_names(),
        *_odd(),
    ]


def _repeated() -> Iterator[Hostile]:
    yield Hostile("S2: a payload's list 440 times", f"mutation{{{SIGN_IN}{{{'affiliations{memberId} ' * 440}}}}}")
    yield Hostile("S2: an object 480 times", f"{{viewer{{{'organization{id} ' * 480}}}}}")
    yield Hostile("one leaf 1,900 times", f"{{viewer{{{'name ' * 1900}}}}}")
    yield Hostile("one root field 600 times", f"{{{'viewer{name} ' * 600}}}")
    yield Hostile("__typename 1,900 times", f"{{{'__typename ' * 1900}}}")
    yield Hostile("one leaf in 300 inline fragments", f"{{viewer{{{'...{name} ' * 300}}}}}")
    yield Hostile("two levels repeated 40 times 10", f"{{viewer{{{('organization{' + 'id ' * 10 + '} ') * 40}}}}}")
    yield Hostile(
        "fields that conflict, 100 of them",
        f"{{viewer{{{' '.join('a: name' if n % 2 else 'a: memberId' for n in range(100))}}}}}",
    )
    yield Hostile(
        "arguments that conflict, 150 of them",
        "{" + " ".join(f"conversations(first: {n % 90 + 1}){{nodes{{id}}}}" for n in range(150)) + "}",
    )
    yield Hostile(
        "30 aliases of a list",
        "{" + " ".join(f"a{n}: conversations(first: 100){{nodes{{id}}}}" for n in range(30)) + "}",
    )
    yield Hostile(
        "10 aliases of a list", "{" + " ".join(f"a{n}: units(first: 100){{nodes{{id name}}}}" for n in range(10)) + "}"
    )
    yield Hostile("500 aliases of a leaf", "{viewer{" + " ".join(f"a{n}: name" for n in range(500)) + "}}")
    yield Hostile(
        "500 aliases of signing in", "mutation{" + " ".join(f"a{n}: {SIGN_IN}{{token}}" for n in range(150)) + "}"
    )
    yield Hostile("10,000 aliases", "{" + " ".join(f"a{n}:__typename" for n in range(6000)) + "}")


def _nested() -> Iterator[Hostile]:
    down, up = 'template(id: "x"){versions(first:100){nodes{id ', "}}}"
    for levels in (2, 3, 4):
        inside = "template{versions(first:100){nodes{id " * levels
        yield Hostile(f"S1: versions of templates, {levels} levels", "{" + down + inside + "}}}" * levels + up + "}")
    yield Hostile(
        "connections in connections",
        "{conversations(first:100){nodes{messages(first:100){nodes{author{memberships{unit{ancestors{id}}}}}}}}}",
    )
    yield Hostile("edges in edges", "{units(first:100){edges{node{ancestors{ancestors{ancestors{id}}}}}}}")
    yield Hostile("parents of parents, 13 deep", "{units(first:100){nodes{" + "parent{" * 11 + "id" + "}" * 11 + "}}}")
    yield Hostile("parents of parents, 500 deep", "{units{nodes{" + "parent{" * 500 + "id" + "}" * 500 + "}}}")
    yield Hostile("braces, 1,000 deep", "{a" * 1000 + "}" * 1000)
    yield Hostile("braces, 7,000 deep, open", "{a" * 7000)
    yield Hostile("lists of literals, 900 deep", f"{{units(first: {'[' * 900}{']' * 900}){{nodes{{id}}}}}}")
    yield Hostile("objects of literals, 400 deep", f"{{units(filter: {'{a: ' * 400}1{'}' * 400}){{nodes{{id}}}}}}")
    yield Hostile("inline fragments, 900 deep", "{" + "...{" * 900 + "__typename" + "}" * 900 + "}")
    yield Hostile("list types, 400 deep", f"query($a: {'[' * 400}ID{']' * 400}){{viewer{{name}}}}")


def _fragments() -> Iterator[Hostile]:
    yield Hostile(
        "S2: 60 fragments of one shape",
        "{viewer{"
        + " ".join(f"...F{n}" for n in range(60))
        + "}} "
        + " ".join(f"fragment F{n} on Viewer{{organization{{id name}}}}" for n in range(60)),
    )
    yield Hostile(
        "150 fragments of one leaf",
        "{viewer{"
        + " ".join(f"...F{n}" for n in range(150))
        + "}} "
        + " ".join(f"fragment F{n} on Viewer{{name}}" for n in range(150)),
    )
    for size in (10, 40, 120):
        chain = " ".join(
            f"fragment F{n} on Unit{{parent{{...F{n + 1}}} a: parent{{...F{n + 1}}}}}" for n in range(size)
        )
        yield Hostile(
            f"each spreads the next twice, {size}",
            "{units{nodes{...F0}}} " + chain + f" fragment F{size} on Unit{{id}}",
        )
    for size in (20, 150):
        chain = " ".join(f"fragment F{n} on Unit{{...F{n + 1} ...F{n + 1}}}" for n in range(size))
        yield Hostile(
            f"each spreads the next twice in place, {size}",
            "{units{nodes{...F0}}} " + chain + f" fragment F{size} on Unit{{id}}",
        )


def _circles() -> Iterator[Hostile]:
    yield Hostile("a circle of one", "{viewer{...F}} fragment F on Viewer{...F}")
    yield Hostile("a circle of two", "{viewer{...F}} fragment F on Viewer{...G} fragment G on Viewer{...F}")
    yield Hostile("a circle through a field", "{units{nodes{...F}}} fragment F on Unit{parent{...F}}")
    yield Hostile(
        "a circle of 150",
        "{viewer{...F0}} " + " ".join(f"fragment F{n} on Viewer{{...F{(n + 1) % 150}}}" for n in range(150)),
    )


def _spreads() -> Iterator[Hostile]:
    yield Hostile(
        "200 fragments that nobody spreads",
        "{viewer{name}} " + " ".join(f"fragment F{n} on Viewer{{name}}" for n in range(200)),
    )
    yield Hostile("200 spreads of none", "{viewer{" + " ".join(f"...F{n}" for n in range(200)) + "}}")
    yield Hostile("one fragment spread 900 times", "{viewer{" + "...F " * 900 + "}} fragment F on Viewer{name}")
    yield Hostile(
        "wide fragments over overlapping fields",
        "{units{nodes{"
        + " ".join(f"...F{n}" for n in range(30))
        + "}}} "
        + " ".join(f"fragment F{n} on Unit{{id name kind parent{{id name kind parent{{id}}}}}}" for n in range(30)),
    )
    yield Hostile("only a fragment", "fragment F on Viewer{name}")


def _on_many_types() -> Iterator[Hostile]:
    """Fields of one name on types that never meet: validation compares what is below them all the same."""

    def apart(types: int, root: str, inside: str) -> str:
        return "{...{" + " ".join(f"...on {one}{{{root}{{{inside}}}}}" for one in TYPES[:types]) + "}}"

    yield Hostile("S2: 10 fields below 40 types", apart(40, "viewer", "y{z} " * 10))
    yield Hostile("S2: 3 wide fields below 60 types", apart(60, "viewer", "y{z z z} " * 3))
    yield Hostile("S2: fields of fields below 30 types", apart(30, "viewer", "y{z{w}} " * 6))
    yield Hostile("S2: leaves below 60 types", apart(60, "viewer", "y " * 14))
    yield Hostile("S2: signing in on 60 types", "mutation" + apart(60, "sessionCreate", "y{z} " * 6))
    yield Hostile(
        "S2: a dry run of 38 types", apart(38, "viewer", "y{z} " * 10).replace("{", "{rateLimit(dryRun:true){cost} ", 1)
    )


def _lists() -> Iterator[Hostile]:
    yield Hostile(
        "20 root lists",
        "{"
        + " ".join(
            f"a{n}: contacts(first: 100){{nodes{{id labels{{id name}} consents{{topic{{id}}}}}}}}" for n in range(20)
        )
        + "}",
    )
    yield Hostile(
        "everything of 100 conversations",
        "{conversations(first: 100){edges{cursor node{" + _WIDE + "}} nodes{" + _WIDE + "}}}",
    )
    yield Hostile("a page of a million", "{conversations(first: 1000000){nodes{id}}}")
    yield Hostile("a page of none", "{conversations(first: 0){nodes{id}}}")
    yield Hostile("a page of less than none", "{conversations(first: -100){nodes{messages(last: -1){nodes{id}}}}}")
    yield Hostile("first and last", "{conversations(first: 100, last: 100){nodes{id}}}")
    yield Hostile("nodes of 100 ids", f"{{nodes(ids: {['unit_x'] * 100!s})".replace("'", '"') + "{id}}")
    yield Hostile("nodes of 900 ids", f"{{nodes(ids: {['u'] * 900!s})".replace("'", '"') + "{id}}")


_WIDE = "id messages(last: 100){nodes{id text author{name}}} notes(last: 100){nodes{id}} participants{contact{name}} labels{name}"


def _literals() -> Iterator[Hostile]:
    yield Hostile("S9: an integer of 5,000 digits", f"{{conversations(first: {'9' * 5000}){{nodes{{id}}}}}}")
    yield Hostile("an integer of 12,000 digits", f"{{conversations(first: {'9' * 12_000}){{nodes{{id}}}}}}")
    yield Hostile("a negative integer of 5,000 digits", f"{{conversations(first: -{'9' * 5000}){{nodes{{id}}}}}}")
    yield Hostile("a float of 5,000 digits", f"{{conversations(first: {'9' * 5000}.5){{nodes{{id}}}}}}")
    yield Hostile("a float with a huge exponent", "{conversations(first: 1e999999){nodes{id}}}")
    yield Hostile(
        "a default of 5,000 digits", f"query($n: Int = {'9' * 5000}){{conversations(first: $n){{nodes{{id}}}}}}"
    )
    yield Hostile("a text of 14,000 characters", f'{{unit(id: "{"x" * 14_000}"){{id}}}}')
    yield Hostile("a text of 90,000 characters", f'{{unit(id: "{"x" * 90_000}"){{id}}}}')
    yield Hostile("2,000 escapes", f'{{unit(id: "{chr(92)}u0041{(chr(92) + "u0041") * 2000}"){{id}}}}')
    yield Hostile("a block of 7,000 lines", '{unit(id: """' + "\n x" * 4600 + '"""){id}}')
    yield Hostile("a lone surrogate by escape", '{unit(id: "' + chr(92) + 'ud800"){id}}')
    yield Hostile("14,000 characters of comment", "#" + "x" * 14_000 + "\n{viewer{name}}")
    yield Hostile("90,000 commas", "{viewer{name}}" + "," * 90_000)
    yield Hostile("a byte order mark and null bytes", "\ufeff{viewer{name}}\x00\x00")


def _variables() -> Iterator[Hostile]:
    names = [f"v{n}" for n in range(250)]
    yield Hostile(
        "250 variables that nobody uses", f"query({' '.join(f'${name}: ID' for name in names)}){{viewer{{name}}}}"
    )
    yield Hostile(
        "a page size of a million by variable",
        "query($n: Int){conversations(first: $n){nodes{id}}}",
        {"variables": {"n": 10**6}},
    )
    yield Hostile(
        "a page size of 10^30 by variable",
        "query($n: Int){conversations(first: $n){nodes{id}}}",
        {"variables": {"n": 1e30}},
    )
    yield Hostile(
        "5,000 ids by variable", "query($i: [ID!]!){nodes(ids: $i){id}}", {"variables": {"i": ["unit_x"] * 5000}}
    )
    yield Hostile("20,000 values nobody asked for", "{viewer{name}}", {"variables": {"i": [0] * 20_000}})
    yield Hostile(
        "variables 400 deep",
        "query($f: ConversationFilter){conversations(filter: $f){nodes{id}}}",
        {"variables": {"f": _deep(400)}},
    )
    yield Hostile(
        "a variable of another type",
        "query($n: Int){conversations(first: $n){nodes{id}}}",
        {"variables": {"n": {"a": ["b"]}}},
    )
    yield Hostile("variables that are a list", "{viewer{name}}", {"variables": [1, 2]})


def _names() -> Iterator[Hostile]:
    yield Hostile("S9: an operation that is not there", "query A{viewer{name}}", {"operationName": "B"})
    yield Hostile("S9: an operation without a name's length", "query A{viewer{name}}", {"operationName": ""})
    yield Hostile("S9: two operations without a name", "{viewer{name}} {viewer{name}}")
    yield Hostile("S9: two operations, none named", "query A{viewer{name}} query B{viewer{name}}")
    yield Hostile("S9: a subscription by POST", "subscription{inboxChanges{cursor}}")
    yield Hostile(
        "200 operations", " ".join(f"query Q{n}{{viewer{{name}}}}" for n in range(200)), {"operationName": "Q1"}
    )
    yield Hostile("an operation's name of 10,000 characters", "query A{viewer{name}}", {"operationName": "x" * 10_000})
    yield Hostile("a field of 10,000 characters", "{" + "x" * 10_000 + "}")
    yield Hostile("300 fields that do not exist", "{viewer{" + " ".join(f"nam{n}" for n in range(300)) + "}}")
    yield Hostile("300 arguments that do not exist", "{viewer(" + " ".join(f"a{n}: 1" for n in range(300)) + "){name}}")
    yield Hostile("300 types that do not exist", "{viewer{" + " ".join(f"...on T{n}{{x}}" for n in range(300)) + "}}")


def _odd() -> Iterator[Hostile]:
    yield Hostile("500 directives", "{viewer{name " + "@skip(if: false) " * 300 + "}}")
    yield Hostile("1,500 directives that do not exist", "{viewer{name " + "@a " * 900 + "}}")
    yield Hostile("directives on the operation", "query " + "@a " * 900 + "{viewer{name}}")
    yield Hostile("@defer and @stream", "{viewer{... @defer{name} units{nodes @stream{unit{id}}}}}")
    yield Hostile(
        "introspection in circles", "{__schema{types{fields{type{fields{type{fields{type{fields{name}}}}}}}}}}"
    )
    yield Hostile(
        "introspection 20 times",
        "{" + " ".join(f"a{n}: __schema{{types{{name fields{{name}}}}}}" for n in range(20)) + "}",
    )
    yield Hostile("__type 300 times", "{" + '__type(name: "Unit"){fields{name}} ' * 300 + "}")
    yield Hostile("federation's _service", "{_service{sdl} _entities(representations: []){__typename}}")
    yield Hostile("a schema definition", "type Query{a: Int} " * 100)
    yield Hostile("nothing but spaces", " " * 10_000)
    yield Hostile("a query that is no text", "", {"query": {"a": 1}})


def _deep(levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(levels):
        made = {"a": made}
    return made
