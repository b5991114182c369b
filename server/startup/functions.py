"""The functions that walls call or that pass them, as PostgreSQL's catalogue must show them: compared here alone.

A body is what `pg_get_function_sqlbody` shows with `public` as search path, else the source, with every run of spaces as
one. PostgreSQL 15 and 18 show the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from migrations.ground import APP


@dataclass(frozen=True, slots=True)
class Function:
    """One function as the catalogue shows it; `settings` are those that it sets for itself."""

    language: str
    returns: str
    volatility: str
    is_definer: bool
    settings: str
    body: str
    owner: str
    is_called: bool
    """The application role may call it."""


def _setting(name: str) -> str:
    return f"current_setting('app.{name}'::text, true)"


_ONE_ID = "RETURN (NULLIF({}, ''::text))::uuid"
_MANY_IDS = "RETURN (COALESCE(NULLIF({}, ''::text), '{{}}'::text))::uuid[]"

_TOKEN = ", ".join(
    f"a.{column}"
    for column in (
        *("organization_id", "id", "kind", "name", "token_hash", "member_id", "permissions", "expires_at"),
        *("last_used_at", "revoked_at", "created_at", "unit_ids", "session_id", "idle_s", "app_id", "grant_id"),
        *("maker_id", "owner_id", "parent_id", "cut_at", "cut_told_at"),
    )
)
_LINE_LIVES = (
    f"BEGIN ATOMIC WITH RECURSIVE line AS ( SELECT {_TOKEN} FROM access_token a"
    " WHERE ((a.organization_id = line_lives.organization) AND (a.id = line_lives.parent))"
    f" UNION SELECT {_TOKEN} FROM (line line_1 JOIN access_token a"
    " ON (((a.organization_id = line_lives.organization) AND (a.id = line_1.parent_id)))) )"
    " SELECT COALESCE(bool_and(((line.revoked_at IS NULL) AND (m.deactivated_at IS NULL)"
    " AND ((line.expires_at IS NULL) OR (line.expires_at > clock_timestamp()))"
    " AND ((line.idle_s IS NULL) OR (COALESCE(line.last_used_at, line.created_at)"
    ' > (clock_timestamp() - make_interval(secs => (line.idle_s)::double precision)))))), false) AS "coalesce"'
    " FROM (line LEFT JOIN member m"
    " ON (((m.organization_id = line_lives.organization) AND (m.id = line.member_id)))); END"
)
_CLAIM = (
    "DECLARE org uuid := ctx.organization(); BEGIN"
    " IF org IS NULL THEN RAISE EXCEPTION 'no organization in this transaction'; END IF;"
    " INSERT INTO public.page_route (channel, external_id, organization_id, page_id)"
    " VALUES (p_channel, p_external_id, org, p_page) ON CONFLICT (channel, external_id) DO NOTHING;"
    " RETURN EXISTS (SELECT FROM public.page_route WHERE channel = p_channel AND external_id = p_external_id"
    " AND organization_id = org AND page_id = p_page); END"
)
_RELEASE = (
    "DELETE FROM public.page_route"
    " WHERE channel = p_channel AND external_id = p_external_id AND organization_id = ctx.organization()"
)

_OF_CONTEXT: Mapping[str, tuple[str, str]] = {
    "ctx.organization()": ("uuid", _ONE_ID.format(_setting("organization"))),
    "ctx.actor()": ("uuid", _ONE_ID.format(_setting("actor"))),
    "ctx.all_units()": ("boolean", f"RETURN (COALESCE({_setting('all_units')}, ''::text) = 'on'::text)"),
    "ctx.units()": ("uuid[]", _MANY_IDS.format(_setting("units"))),
    "ctx.lineage()": ("uuid[]", _MANY_IDS.format(_setting("lineage"))),
    "ctx.departed()": ("uuid[]", _MANY_IDS.format(_setting("departed"))),
    # Called by the statement that resolves a token, and by no policy.
    "ctx.line_lives(uuid,uuid)": ("boolean", _LINE_LIVES),
}
_OF_OWNER: Mapping[str, tuple[str, str, str]] = {
    "claim_page_route(text,text,uuid)": ("plpgsql", "boolean", _CLAIM),
    "release_page_route(text,text)": ("sql", "void", _RELEASE),
}
"""These two alone run with the rights of the tables' owner."""


def expected_functions(owner: str) -> dict[str, Function]:
    """Return the functions that the migrations made, by name and arguments."""
    plain = {
        name: Function("sql", returns, "s", False, "", body, owner, True)
        for name, (returns, body) in _OF_CONTEXT.items()
    }
    definers = {
        name: Function(language, returns, "v", True, 'search_path=""', body, owner, True)
        for name, (language, returns, body) in _OF_OWNER.items()
    }
    return plain | definers


def function_differences(found: Mapping[str, Function], owner: str) -> list[str]:
    """Return in what the functions differ from those of the migrations; empty when all are as declared."""
    wanted = expected_functions(owner)
    said = [f"{name} is not as declared" for name, one in sorted(wanted.items()) if found.get(name) != one]
    strangers = sorted(name for name, one in found.items() if name not in wanted and one.is_called)
    return said + [f"{APP} may call {name}, which no migration made" for name in strangers]
