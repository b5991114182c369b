"""The table of docs/channels/README.md, written from the same data that every check reads: `python -m
server.platforms.capabilities.table` prints it, and a test compares."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from server.platforms.capabilities import catalogue
from server.platforms.capabilities.capability import Capability, MediaRule, Starter, TextUnit
from server.platforms.port import Channel

BEGIN, END = "<!-- capabilities: begin -->", "<!-- capabilities: end -->"


def _span(duration: timedelta | None) -> str:
    if duration is None:
        return "none"
    hours = duration.total_seconds() / 3600
    if hours < 1:
        return f"{duration.total_seconds():g} s"
    return f"{hours:g} h" if hours % 24 or hours < 48 else f"{hours / 24:g} d"


def _starter(rules: Capability) -> str:
    names = {Starter.CONTACT: "the person", Starter.ANYBODY: "anybody", Starter.NOBODY: "nobody"}
    return names[rules.starter]


def _window(rules: Capability) -> str:
    if not rules.has_direct_messages:
        return "no direct messages"
    limit = f", {rules.window_messages} messages" if rules.window_messages else ""
    return _span(rules.window) + limit


def _text(rules: Capability) -> str:
    return f"{rules.text_limit:,} {'bytes' if rules.text_unit is TextUnit.BYTES else 'characters'}"


def _media(rules: Capability) -> str:
    return ", ".join(
        f"{_kind(rule, rules)} {rule.max_bytes // 1_000_000} MB × {rule.max_count}" for rule in rules.media
    )


def _kind(rule: MediaRule, rules: Capability) -> str:
    """Name the kind, and the types as well for the second rule of a kind."""
    kind = rule.kind.value.lower()
    if rules.media_rule(rule.kind) is rule:
        return kind
    return f"{kind} ({', '.join(sorted(one.partition('/')[2] for one in rule.mime_types))})"


def _buttons(rules: Capability) -> str:
    if rules.buttons is None:
        return "none"
    above = "" if rules.buttons.text_limit is None else f", text above {rules.buttons.text_limit:,}"
    return f"{rules.buttons.count}, titles {rules.buttons.title}{above}"


def _quick_replies(rules: Capability) -> str:
    return f"{rules.quick_replies}, titles {rules.quick_reply_title}" if rules.quick_replies else "none"


def _receipts(rules: Capability) -> str:
    return ", ".join(sorted(one.value.lower() for one in rules.receipts)) or "none: unknown, not unread"


def _quotas(rules: Capability) -> str:
    return "; ".join(
        f"{quota.act.value.lower().replace('_', ' ')} {quota.limit:,} in {_span(quota.window)} per {quota.scope.value.lower()}"
        for quota in rules.quotas
    )


_ROWS: Sequence[tuple[str, Callable[[Capability], str]]] = (
    ("Who may begin", _starter),
    ("Window", _window),
    ("Window for people's own words", lambda rules: _span(rules.human_agent_window)),
    ("Text", _text),
    ("Media in one message", lambda rules: _media(rules) or "none"),
    ("Text and media together", lambda rules: "yes" if rules.text_with_media else "no"),
    ("Quick replies", _quick_replies),
    ("Buttons", _buttons),
    ("Approved utility templates", lambda rules: "yes" if rules.offers_utility else "no"),
    ("Paid marketing messages", lambda rules: "yes" if rules.offers_marketing else "no"),
    (
        "Public reply to a comment",
        lambda rules: f"{rules.comment_limit:,} characters" if rules.offers_comment_reply else "no",
    ),
    ("Private reply to a comment", lambda rules: _span(rules.private_reply_window)),
    ("Receipts", _receipts),
    ("Page deletes its message", lambda rules: rules.unsend_by_page.value),
    ("Person deletes a message", lambda rules: rules.unsend_by_contact.value),
    ("People besides the page", lambda rules: str(rules.group_size)),
    ("Quotas", lambda rules: _quotas(rules) or "none known"),
    (
        "The public's words are kept",
        lambda rules: _span(rules.public_text_kept) if rules.public_text_kept else "no end",
    ),
    (
        "The names of the public are kept",
        lambda rules: _span(rules.public_names_kept) if rules.public_names_kept else "no end",
    ),
    ("Changes on", lambda rules: "" if rules.valid_until is None else f"{rules.valid_until:%d %b %Y}"),
    ("Source", lambda rules: rules.source),
)


def table(when: datetime) -> str:
    """Return the table of what every channel allows at a moment, in Markdown, between its two marks."""
    known = [catalogue.at(channel, when) for channel in Channel]
    lines = [
        "| | " + " | ".join(rules.channel.value for rules in known) + " |",
        "| --- |" + " --- |" * len(known),
        *("| " + " | ".join([title, *(show(rules) or "none" for rules in known)]) + " |" for title, show in _ROWS),
    ]
    return "\n".join([BEGIN, *lines, END])


if __name__ == "__main__":
    sys.stdout.write(table(datetime.now(UTC)) + "\n")
