"""Utility templates of a page: their registry with its review, the catalogue, and the check of a send (platforms.md 2.4)."""

import re

from standin.errors import GraphError, bad_parameter, object_gone
from standin.graph import Call, choose, cursor_page, need_scope, page_of, token_of
from standin.jsonish import Json, as_dict, as_list
from standin.state import Page, Template, World

SCOPES = ("page_utility_messaging", "pages_utility_messaging")
STATUSES = ("APPROVED", "PENDING", "REJECTED")
LIBRARY: dict[str, str] = {
    "order_shipped_1": "Hello {{1}}, your order {{2}} has left our shop.",
    "appointment_reminder_1": "Hello {{1}}, we expect you on {{2}}.",
}
_NAME = re.compile(r"[a-z0-9_]{1,512}")
_PARAMETER = re.compile(r"\{\{\s*([a-z0-9_]+)\s*\}\}")


async def page_templates(call: Call) -> Json:
    """POST creates a template and gives its review's result; GET lists the page's templates."""
    page, token = page_of(call)
    need_scope(call, token, *SCOPES)
    world = call.run.world
    if call.method == "GET":
        wanted = call.fields("id,name,language,status,category")
        rows = [(one.id, choose(_row(one), wanted)) for one in world.templates.values() if one.page == page.id]
        return cursor_page(call, rows, call.limit())
    name, language = call.need("name"), call.need("language")
    if call.need("category") != "UTILITY" or not _NAME.fullmatch(name):
        raise bad_parameter("A template has a name of small letters, digits and _, and the category UTILITY.")
    if find(world, page.id, name, language) is not None:
        raise bad_parameter("There is already a template of this name and language.")
    made = add(world, page, name, language, _body(call), world.config.template_status)
    return {"id": made.id, "status": made.status, "category": "UTILITY"}


async def library(call: Call) -> Json:
    """GET /message_template_library: texts that need no review of their own."""
    token_of(call)
    rows: list[tuple[str, Json]] = [
        (name, {"id": name, "name": name, "category": "UTILITY", "language": "en_US", "body": body})
        for name, body in LIBRARY.items()
    ]
    return cursor_page(call, rows, call.limit())


async def template_node(call: Call) -> Json:
    """GET /{template}, with a token of its page."""
    template = call.run.world.templates[call.segments[0]]
    if token_of(call).page != template.page:
        raise object_gone(template.id)
    return choose(_row(template), call.fields("id,name,language,status,category"))


def add(world: World, page: Page, name: str, language: str, body: str, status: str) -> Template:
    """Put a template into the registry, in place of one with the same name and language."""
    old = find(world, page.id, name, language)
    made = Template(world.new_id() if old is None else old.id, page.id, name, language, body, status)
    world.templates[made.id] = made
    return made


def find(world: World, page: str, name: str, language: str) -> Template | None:
    """The page's template of that name and language."""
    key = (page, name, language)
    return next((one for one in world.templates.values() if (one.page, one.name, one.language) == key), None)


def filled(call: Call, page: Page, given: Json) -> str:
    """The text that a send of this template shows; an error when it is unknown, not approved or not filled rightly."""
    language = as_dict(given.get("language")) or {}
    template = find(call.run.world, page.id, str(given.get("name")), str(language.get("code")))
    if template is None:
        raise bad_parameter("The message template does not exist in this language.")
    if template.status != "APPROVED":
        raise GraphError(100, f"(#100) The message template is {template.status} and cannot be sent.")
    values = _parameters(given)
    names = list(dict.fromkeys(_PARAMETER.findall(template.body)))
    if len(values) != len(names):
        raise bad_parameter(f"The message template has {len(names)} parameters, {len(values)} were given.")
    by_name = {name or names[index]: text for index, (name, text) in enumerate(values)}
    if set(by_name) != set(names):
        raise bad_parameter("The parameters are not those of the message template.")
    return _PARAMETER.sub(lambda match: by_name[match.group(1)], template.body)


def _parameters(given: Json) -> list[tuple[str | None, str]]:
    found: list[tuple[str | None, str]] = []
    for item in as_list(given.get("components")) or []:
        component = as_dict(item) or {}
        if component.get("type") not in ("header", "body"):
            raise bad_parameter("Param template[components] takes header and body")
        for value in as_list(component.get("parameters")) or []:
            parameter = as_dict(value) or {}
            text, name = parameter.get("text"), parameter.get("parameter_name")
            if parameter.get("type") != "text" or not isinstance(text, str) or not text:
                raise bad_parameter("Param template[components][parameters] takes texts")
            found.append((name if isinstance(name, str) else None, text))
    return found


def _body(call: Call) -> str:
    borrowed = call.param("library_template_name")
    if borrowed is not None:
        if borrowed not in LIBRARY:
            raise bad_parameter("There is no such template in the library.")
        return LIBRARY[borrowed]
    for item in as_list(call.params.get("components")) or []:
        component = as_dict(item) or {}
        text = component.get("text")
        if str(component.get("type")).lower() == "body" and isinstance(text, str) and text.strip():
            return text
    raise bad_parameter("A template needs a component of type BODY with a text, or library_template_name.")


def _row(template: Template) -> Json:
    return {
        "id": template.id,
        "name": template.name,
        "language": template.language,
        "status": template.status,
        "category": "UTILITY",
        "components": [{"type": "BODY", "text": template.body}],
    }
