"""Inputs of mutations, made from the contract's introspection: what must be there, with ids of somebody's choice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from switchboard.demo.contract import FOLDER

Json = dict[str, Any]
Ids = Callable[[str], str]
_KINDS = {
    "appId": "app",
    "grantId": "agr",
    "connectionId": "con",
    "unitId": "unit",
    "otherUnitId": "unit",
    "parentId": "unit",
    "exceptionId": "cfx",
    "conflictId": "cfl",
    "memberId": "mem",
    "toMemberId": "mem",
    "handOverToId": "mem",
    "contactId": "ct",
    "conversationId": "cnv",
    "messageId": "msg",
    "commentId": "pcm",
    "invitationId": "inv",
    "legalAccessId": "lga",
    "legalHoldId": "lgh",
    "groupId": "grp",
    "membershipId": "mbs",
    "passkeyId": "pky",
    "roleId": "role",
    "sessionId": "ses",
    "organizationId": "org",
    "fileId": "file",
}
_PLAIN: dict[str, object] = {
    "String": "x",
    "Int": 1,
    "Float": 1.0,
    "Boolean": True,
    "DateTime": "2030-01-01T00:00:00Z",
    "Date": "2030-01-01",
}


class Filling:
    """Knows the input types of every mutation."""

    def __init__(self, folder: Path = FOLDER) -> None:
        schema = json.loads((folder / "introspection.json").read_text())["__schema"]
        self._types: dict[str, Json] = {one["name"]: one for one in schema["types"]}
        root = self._types[schema["mutationType"]["name"]]
        self._inputs = {
            f"{field['name'][0].upper()}{field['name'][1:]}": _named(argument["type"])
            for field in root["fields"]
            for argument in field["args"]
            if argument["name"] == "input"
        }

    def with_ids(self, besides: frozenset[str], of: Ids) -> list[tuple[str, Json]]:
        """Return an input for every mutation that must be given an id, by the operation's name, but for those `besides`."""
        built = []
        for name, kind in sorted(self._inputs.items()):
            if name in besides:
                continue
            used: list[str] = []
            filled = self._object(kind, lambda one, used=used: used.append(one) or of(one))  # type: ignore[misc]
            if used:
                built.append((name, filled))
        return built

    def _object(self, name: str, of: Ids) -> Json:
        return {
            field["name"]: self._value(field["name"], field["type"]["ofType"], of)
            for field in self._types[name]["inputFields"]
            if field["type"]["kind"] == "NON_NULL" and field["defaultValue"] is None
        }

    def _value(self, field: str, kind: Json, of: Ids) -> object:
        if kind["kind"] == "NON_NULL":
            return self._value(field, kind["ofType"], of)
        if kind["kind"] == "LIST":
            return [] if _named(kind) == "ID" else [self._value(field, kind["ofType"], of)]
        name: str = kind["name"]
        if name == "ID":
            return of(_KINDS[field])
        if kind["kind"] == "ENUM":
            return self._types[name]["enumValues"][0]["name"]
        return self._object(name, of) if kind["kind"] == "INPUT_OBJECT" else _PLAIN[name]


def _named(kind: Json) -> str:
    while kind["ofType"] is not None:
        kind = kind["ofType"]
    name: str = kind["name"]
    return name
