"""Placeholders and nothing else: `{{ contact.first_name | default: "there" }}`.

The words come from people, so there is no logic to abuse: tags are refused, a placeholder is one dotted name with filters
of a short list, and a value is never read as a template. python-liquid parses and renders; its limits stand behind ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from liquid import BoundTemplate, Environment
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import Filter, FilteredExpression, Path, PositionalArgument, StringLiteral
from liquid.builtin.expressions.primitive import IntegerLiteral
from liquid.builtin.output import OutputNode
from liquid.exceptions import LiquidError, OutputStreamLimitError

from server.kit.errors import DomainError, Problems
from server.templates.errors import (
    FilterRefused,
    MissingValue,
    TagRefused,
    TemplateSyntax,
    TextTooLong,
    UnknownVariable,
)
from server.templates.models import TemplatePurpose
from server.templates.rules import MAX_BODY, has_control, is_fit, is_variable

MAX_OUTPUT_BYTES = 4 * MAX_BODY
_MIN_TRUNCATE = 4
"""A shorter cut would leave nothing but the dots."""
_PLAIN_FILTERS = frozenset({"capitalize", "upcase", "downcase", "strip"})
_FILTERS = _PLAIN_FILTERS | {"default", "truncate"}
_WITHOUT_LOGIC = frozenset({"content", "output", "illegal"})
_OUTPUT = re.compile(r"\{\{.*?\}\}", re.DOTALL)


class _Placeholders(Environment):
    context_depth_limit = 4
    loop_iteration_limit = 1
    local_namespace_limit = 1
    output_stream_limit = MAX_OUTPUT_BYTES

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.tags = {name: tag for name, tag in self.tags.items() if name in _WITHOUT_LOGIC}
        self.filters = {name: made for name, made in self.filters.items() if name in _FILTERS}


_ENVIRONMENT = _Placeholders(strict_filters=True)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One `{{ … }}` of a body; `has_default` when it says itself what to write without a value."""

    name: str
    line: int
    has_default: bool


@dataclass(frozen=True, slots=True)
class _Parsed:
    template: BoundTemplate
    placeholders: tuple[Placeholder, ...]


def analyse(body: str) -> list[str]:
    """List the variables of a body in order of appearance, each once; raise TemplateSyntax."""
    return list(dict.fromkeys(one.name for one in _parse(body).placeholders))


def check(body: str, purpose: TemplatePurpose) -> list[str]:
    """Return the variables of a body that may be published; raise Problems with everything that is wrong in it."""
    problems: list[DomainError] = []
    if not body.strip() or len(body) > MAX_BODY:
        problems.append(TextTooLong(f"A text has 1 to {MAX_BODY} characters.", path=("body",)))
    if has_control(body):
        line = next(number for number, text in enumerate(body.split("\n"), 1) if has_control(text))
        problems.append(TemplateSyntax("there is a control character.", line))
    if problems:
        raise Problems(problems)
    try:
        placeholders = _parse(body).placeholders
    except TemplateSyntax as error:
        raise Problems([error]) from error
    unknown: dict[str, int] = {}
    for one in placeholders:
        if not is_variable(one.name, purpose):
            unknown.setdefault(one.name, one.line)
    if unknown:
        raise Problems([UnknownVariable(name, line) for name, line in unknown.items()])
    return list(dict.fromkeys(one.name for one in placeholders))


def render(body: str, values: Mapping[str, str | None], fallbacks: Mapping[str, str] | None = None) -> str:
    """Write the text with the values of its variables (`"contact.name": "Ada"`); values that it does not use are ignored.

    A missing, blank or unfit value is replaced by its fallback, then by the placeholder's own default. Raises
    MissingValue with all names that have none of the three, UnknownVariable, TemplateSyntax, TextTooLong.
    """
    parsed = _parse(body)
    context: dict[str, dict[str, str]] = {}
    missing: dict[str, None] = {}
    for one in parsed.placeholders:
        if not is_variable(one.name):
            raise UnknownVariable(one.name, one.line)
        found = _value(one.name, values.get(one.name), (fallbacks or {}).get(one.name))
        if not found and not one.has_default:
            missing[one.name] = None
        # Also a missing one is set: Liquid would read `custom.size` of a mapping without it as the mapping's size.
        group, _, field = one.name.partition(".")
        context.setdefault(group, {})[field] = found
    if missing:
        raise MissingValue(list(missing))
    try:
        return parsed.template.render(context)
    except OutputStreamLimitError as error:
        raise TextTooLong(f"The text with its values is longer than {MAX_OUTPUT_BYTES} bytes.") from error


def _value(name: str, value: str | None, fallback: str | None) -> str:
    for candidate in (value, fallback):
        if candidate is not None and is_fit(name, candidate):
            return candidate
    return ""


@lru_cache(maxsize=1024)
def _parse(body: str) -> _Parsed:
    tag = body.find("{%")
    if tag >= 0:
        raise TagRefused("{% %} is not available in templates; use {{ placeholders }} only.", _line(body, tag))
    try:
        template = _ENVIRONMENT.from_string(body)
    except LiquidError as error:
        raise TemplateSyntax("this placeholder cannot be read.", _line(body, _broken_at(body, error))) from error
    return _Parsed(template, tuple(_placeholders(body, template)))


def _line(body: str, index: int) -> int:
    return body.count("\n", 0, index) + 1


def _broken_at(body: str, error: LiquidError) -> int:
    """Find the placeholder that does not parse; Liquid itself often does not say where it is."""
    for match in _OUTPUT.finditer(body):
        try:
            _ENVIRONMENT.from_string(match.group())
        except LiquidError:
            return match.start()
    return max(error.token.start_index, 0) if error.token else 0


def _placeholders(body: str, template: BoundTemplate) -> Iterator[Placeholder]:
    for node in template.nodes:
        if isinstance(node, ContentNode):
            continue
        line = _line(body, node.token.start_index)
        if not isinstance(node, OutputNode) or not isinstance(node.expression, FilteredExpression):
            raise TemplateSyntax("only {{ placeholders }} can stand here.", line)
        expression = node.expression
        yield Placeholder(_name(expression, line), line, _has_default(expression.filters or [], line))


def _name(expression: FilteredExpression, line: int) -> str:
    segments = expression.left.location() if isinstance(expression.left, Path) else ()
    if len(segments) != 2 or not all(isinstance(one, str) and one.isidentifier() for one in segments):
        raise TemplateSyntax("a placeholder is a name of two parts, such as {{ contact.first_name }}.", line)
    return ".".join(map(str, segments))


def _has_default(filters: list[Filter], line: int) -> bool:
    for one in filters:
        arguments = [arg.value if isinstance(arg, PositionalArgument) else None for arg in one.args]
        match one.name, arguments:
            case "default", [StringLiteral(value=str(text))] if text.strip():
                pass
            case "truncate", [IntegerLiteral(value=int(length))] if length >= _MIN_TRUNCATE:
                pass
            case name, [] if name in _PLAIN_FILTERS:
                pass
            case name, _:
                raise FilterRefused(
                    f"{name} is not available like this. There are capitalize, upcase, downcase, strip, "
                    f'default: "words" and truncate: {_MIN_TRUNCATE} or more.',
                    line,
                )
    return any(one.name == "default" for one in filters)
