"""What placeholders do, and everything that they do not do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.kit.errors import Problems
from server.templates.errors import (
    FilterRefused,
    MissingValue,
    TagRefused,
    TemplateSyntax,
    TextTooLong,
    UnknownVariable,
)
from server.templates.models import TemplatePurpose
from server.templates.render import MAX_OUTPUT_BYTES, analyse, check, render
from server.templates.rules import MAX_BODY

LITERAL = [
    "{0.__class__}",
    "%s %(contact)s %n",
    "${7*7} #{7*7} <%= 7*7 %> @{7*7} ~{7*7} *{7*7}",
    "{contact.name}",
    "{# a comment #}",
    "$(id) `id` [[${7*7}]]",
    "}} {",
    "<script>alert(1)</script>",
    "\\u007b\\u007b7*7\\u007d\\u007d",
]
REFUSED = [
    "{{7*7}}",
    "{{ 7 }}",
    "{{ '7' | times: 7 }}",
    "{{ contact }}",
    "{{ contact.__class__ }}",
    "{{ contact.name.__class__.__mro__ }}",
    "{{ contact['name']['x'] }}",
    "{{ contact[agent.name] }}",
    "{{ self.__init__ }}",
    "{{ config.items }}",
    "{{ ''.__class__ }}",
    "{{ (1..1000000000) }}",
    "{{ contact.name | default: agent.name }}",
    "{{ contact.name | replace: 'a', 'b' }}",
    "{{ contact.name | map: '__class__' }}",
    "{{ contact.name if true else agent.name }}",
    "{{{ contact.name }}}",
    "{{ {{ contact.name }} }}",
    "{{ contact.name",
    "{{ }}",
    "{% raw %}{{ x }}{% endraw %}",
    "{% if contact.name %}x{% endif %}",
    "{% for i in (1..1000000000) %}x{% endfor %}",
    "{%- include 'passwd' -%}",
    "{% liquid echo contact.name %}",
    "{%",
]


@pytest.mark.parametrize("body", LITERAL)
def test_what_is_code_in_another_language_comes_out_literally(body: str) -> None:
    assert check(body, TemplatePurpose.REPLY) == []
    assert render(body, {"contact.name": "Ada"}) == body


@pytest.mark.parametrize("body", REFUSED)
def test_what_is_not_a_plain_placeholder_is_refused_and_never_evaluated(body: str) -> None:
    with pytest.raises(Problems) as refused:
        check(body, TemplatePurpose.REPLY)
    assert all(isinstance(one, TemplateSyntax | UnknownVariable) for one in refused.value.problems)
    with pytest.raises((TemplateSyntax, UnknownVariable)):
        render(body, {"contact.name": "Ada", "agent.name": "Bo"})


@given(st.text(alphabet="{}%|.: 'abcontactname[]()_-#\n1", max_size=60))
def test_any_text_is_either_refused_or_holds_only_known_variables(body: str) -> None:
    try:
        names = check(body, TemplatePurpose.REPLY)
    except Problems:
        return
    assert "{{" not in render(body, dict.fromkeys(names, "Ada"))


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200))
def test_a_value_is_never_read_as_a_template(value: str) -> None:
    lines = value.replace("\r\n", "\n").replace("\r", "\n")
    try:
        assert render("<{{ custom.note }}>", {"custom.note": value}) == f"<{lines}>"
    except MissingValue:
        assert not value.strip() or any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in value)


def test_a_value_with_a_placeholder_in_it_is_not_expanded_again() -> None:
    written = render("Hi {{ contact.name }}", {"contact.name": "{{ page.name }}", "page.name": "secret"})

    assert written == "Hi {{ page.name }}"


def test_the_variables_are_listed_once_in_the_order_of_the_text() -> None:
    body = "{{ page.name }} {{contact.first_name|default:'you'}} {{- page.name -}} {{ unit.phone_number }} {{ custom.slot }}"

    assert analyse(body) == ["page.name", "contact.first_name", "unit.phone_number", "custom.slot"]


def test_every_unknown_variable_is_told_at_once_with_its_line() -> None:
    with pytest.raises(Problems) as refused:
        check("Hi {{ contact.foo }}\n\n{{ env.SECRET }} {{ contact.foo }}", TemplatePurpose.REPLY)

    told = [(type(one), one.data["variable"], one.data["line"]) for one in refused.value.problems]
    assert told == [(UnknownVariable, "contact.foo", 1), (UnknownVariable, "env.SECRET", 3)]


def test_a_campaign_has_no_agent_whose_name_it_could_sign_with() -> None:
    assert check("{{ agent.name }}", TemplatePurpose.REPLY) == ["agent.name"]
    with pytest.raises(Problems):
        check("{{ agent.name }}", TemplatePurpose.MARKETING)


@pytest.mark.parametrize(
    ("_case", "body", "kind", "line"),
    [
        ("an open placeholder", "a\nb {{ contact.name", TemplateSyntax, 2),
        ("an empty placeholder after a good one", "{{ page.name }}\n\n{{ }}", TemplateSyntax, 3),
        ("a filter without a name", "x\n{{ page.name | }}", TemplateSyntax, 2),
        ("a tag", "x\ny\n{% if a %}", TagRefused, 3),
        ("an unknown filter", "\n{{ page.name | md5 }}", FilterRefused, 2),
        ("a default that says nothing", "{{ page.name | default: ' ' }}", FilterRefused, 1),
        ("a cut that leaves nothing", "{{ page.name | truncate: 1 }}", FilterRefused, 1),
        ("a control character", "x\ny\x07", TemplateSyntax, 2),
    ],
)
def test_an_error_of_the_text_names_its_line(_case: str, body: str, kind: type[TemplateSyntax], line: int) -> None:
    with pytest.raises(Problems) as refused:
        check(body, TemplatePurpose.REPLY)

    (told,) = refused.value.problems
    assert type(told) is kind
    assert told.data["line"] == line


@pytest.mark.parametrize("body", ["", "  \n", "x" * (MAX_BODY + 1)])
def test_a_text_without_words_or_longer_than_any_channel_takes_is_refused(body: str) -> None:
    with pytest.raises(Problems) as refused:
        check(body, TemplatePurpose.REPLY)
    assert isinstance(refused.value.problems[0], TextTooLong)


def test_all_missing_values_are_told_at_once_and_nothing_is_written_with_a_gap() -> None:
    with pytest.raises(MissingValue) as missing:
        render(
            "Hi {{ contact.first_name }}, {{ page.name }} {{ custom.offer }}",
            {"contact.first_name": "", "page.name": " \n", "custom.offer": None},
        )

    assert missing.value.names == ("contact.first_name", "page.name", "custom.offer")


def test_a_fallback_comes_before_the_default_of_the_placeholder() -> None:
    body = "Hi {{ contact.first_name | default: 'there' }}"

    assert render(body, {"contact.first_name": "Ada"}, {"contact.first_name": "friend"}) == "Hi Ada"
    assert render(body, {}, {"contact.first_name": "friend"}) == "Hi friend"
    assert render(body, {}, {"contact.first_name": " "}) == "Hi there"
    with pytest.raises(MissingValue):
        render("Hi {{ contact.first_name }}", {}, {"contact.first_name": " "})


def test_a_missing_value_named_like_a_property_of_a_mapping_is_missing_all_the_same() -> None:
    assert render("{{ custom.size | default: 'small' }}{{ custom.first }}", {"custom.first": "!"}) == "small!"


@pytest.mark.parametrize(
    ("_case", "name", "fit"),
    [
        ("plain", "Ada", True),
        ("double", "Ana María O'Neil-Núñez", True),
        ("not Latin", "王小明", True),
        ("a joiner of its script", "क\u094d\u200dष", True),
        ("an initial", "J.R. Smith", True),
        ("a bell", "Ada\x07", False),
        ("a line", "Ada\nYour code is 1", False),
        ("turned writing", "Ada\u202egnp", False),
        ("an address", "https://evil.test/x", False),
        ("an address without a scheme", "win at evil.com", False),
        ("a path", "bit.ly/abc", False),
        ("www", "www.evil", False),
        ("an e-mail address", "ada@evil.test", False),
        ("too long", "A" * 81, False),
        ("no letter", "-- 123 --", False),
    ],
)
def test_a_name_that_is_not_fit_to_be_sent_counts_as_missing(_case: str, name: str, *, fit: bool) -> None:
    body = "Hi {{ contact.first_name | default: 'there' }}"

    assert render(body, {"contact.first_name": name}) == (f"Hi {name}" if fit else "Hi there")


def test_filters_change_the_value_and_the_default() -> None:
    assert render("{{ page.name | strip | upcase | truncate: 6 }}", {"page.name": " luigi's pizza "}) == "LUI..."
    assert render("{{ contact.name | default: 'dear guest' | capitalize }}", {}) == "Dear guest"
    assert render("{{ unit.city | downcase }}", {"unit.city": "ROMA"}) == "roma"


def test_values_cannot_blow_up_the_text() -> None:
    with pytest.raises(TextTooLong):
        render("{{ custom.a }}" * 9, {"custom.a": "x" * (MAX_OUTPUT_BYTES // 8)})
