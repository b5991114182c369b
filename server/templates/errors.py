"""What can be refused about templates. Errors of a text carry the `line` (from 1) where the author should look."""

from __future__ import annotations

from collections.abc import Sequence

from server.kit.errors import DomainError


class TemplateSyntax(DomainError):
    """The text has a placeholder that cannot be read."""

    code = "template.syntax"

    def __init__(self, what: str, line: int) -> None:
        super().__init__(f"Line {line}: {what}", path=("body",), data={"line": line})
        self.line = line


class TagRefused(TemplateSyntax):
    """The text has a tag. Templates have placeholders only: no conditions, no loops, no includes."""

    code = "template.tag_refused"


class FilterRefused(TemplateSyntax):
    """A placeholder uses a filter that does not exist here, or gives it arguments that it does not take."""

    code = "template.filter_refused"


class UnknownVariable(DomainError):
    """A placeholder names a variable that templates of this purpose do not have."""

    code = "template.unknown_variable"

    def __init__(self, name: str, line: int) -> None:
        super().__init__(
            f"Line {line}: there is no variable {name} here. Use contact.*, page.name, unit.*, agent.name (replies "
            "only), or custom.<name> for what the sender fills in.",
            path=("body",),
            data={"variable": name, "line": line},
        )
        self.name = name


class MissingValue(DomainError):
    """Variables without a value, a fallback or a default. Nothing is sent with a gap in its words."""

    code = "template.missing_value"

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"There is no value for {', '.join(names)}. Fill it in or give a fallback.",
            path=("values",),
            data={"variables": list(names)},
        )
        self.names = tuple(names)


class TextTooLong(DomainError):
    """The text is longer than any channel takes."""

    code = "template.text_too_long"


class NameTaken(DomainError):
    """The unit has a template of this name already."""

    code = "template.name_taken"


class TemplateArchived(DomainError):
    """The template was archived: it can be read, but not changed, released or used."""

    code = "template.archived"


class NothingPublished(DomainError):
    """The template has no version that could be released."""

    code = "template.nothing_published"


class UnitOutOfLine(DomainError):
    """The unit does not lie at or under the unit that owns the template."""

    code = "template.unit_out_of_line"


class NotReleasedHere(DomainError):
    """The template is not in force at this unit: no release placed it there, or it was rolled back."""

    code = "template.not_released_here"
