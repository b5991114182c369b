"""What is told about a unit besides its name: address, phone, locale, hours, and texts of one's own. Pure, no I/O.

Stored as one flat JSON object. A closed set of names has a meaning and a form; every other name is a text of the
organization's own. `changed` reads what somebody wants to change, `variables` says it in the words of a template.
"""

from __future__ import annotations

import re
import unicodedata
import zoneinfo
from collections.abc import Callable, Mapping
from functools import lru_cache

from server.kit.errors import DomainError, InvalidInput
from server.tenants.hours import HoursMalformed, parse, read, spoken

ADDRESS_LINES = ("address_line_1", "address_line_2", "address_line_3")
TEXTS = (*ADDRESS_LINES, "postal_code", "city", "country", "phone", "locale", "time_zone")
HOURS = "opening_hours"
KNOWN = (*TEXTS, HOURS)
RESERVED = frozenset({*KNOWN, "name", "address", "opening_hours_today"})
"""What a text of one's own cannot be called: it would hide what templates write for these."""
MAX_CUSTOM = 50
MAX_CUSTOM_VALUE = 1_000
MAX_LINE = 200
CUSTOM_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")

_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA
CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA
GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP
KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS
MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS
RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW
TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
_COUNTRIES = frozenset(_CODES.split())
"""ISO 3166-1 alpha-2, the officially assigned codes."""
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
"""ITU-T E.164: a plus, the country code, at most 15 digits in all."""
_LANGUAGE_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})(-(?P<script>[a-z]{4}))?(-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)",
    re.IGNORECASE,
)
"""RFC 5646 section 2.1: language, script, region and variants; no extensions and no private use."""


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def is_time_zone(text: str) -> bool:
    """Say whether this is a name of the IANA time zone database."""
    return text in _time_zones()


def _line(value: str) -> str | None:
    return value.strip() if len(value) <= MAX_LINE and value.isprintable() else None


def _postal_code(value: str) -> str | None:
    return value.strip() if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 -]{0,15}", value.strip()) else None


def _country(value: str) -> str | None:
    return value.upper() if value.upper() in _COUNTRIES else None


def _phone(value: str) -> str | None:
    digits = re.sub(r"[ \u00a0-]", "", value)
    return digits if _PHONE.fullmatch(digits) else None


def _locale(value: str) -> str | None:
    found = _LANGUAGE_TAG.fullmatch(value)
    if found is None:
        return None
    parts = [found["language"].lower(), (found["script"] or "").title(), (found["region"] or "").upper()]
    return "-".join(part for part in parts if part) + found["variants"].lower()


_FORMS: Mapping[str, tuple[Callable[[str], str | None], str]] = {
    **{name: (_line, f"An address line has 1 to {MAX_LINE} printable characters.") for name in ADDRESS_LINES},
    "postal_code": (_postal_code, "A postal code has 1 to 16 letters, digits, blanks and hyphens."),
    "city": (_line, f"A city has 1 to {MAX_LINE} printable characters."),
    "country": (_country, "A country is a code of two letters by ISO 3166-1, for example AT."),
    "phone": (_phone, "A phone number is written as E.164: a plus, the country code, at most 15 digits."),
    "locale": (_locale, "A locale is a language tag by BCP 47, for example de-AT."),
    "time_zone": (
        lambda value: value if is_time_zone(value) else None,
        "This is not a time zone of the IANA database.",
    ),
}


def read_value(name: str, value: object) -> object:
    """Return one attribute in the form in which it is stored; raise InvalidInput at the path of its name.

    Opening hours are the stored form (`hours.read`) or its notation (`hours.parse`), everything else is a text.
    """
    if name == HOURS:
        try:
            return parse(value) if isinstance(value, str) else read(value)
        except HoursMalformed as error:
            raise InvalidInput(str(error), path=(name,)) from error
    if not isinstance(value, str):
        raise InvalidInput("The value of an attribute is a text.", path=(name,))
    if name in _FORMS:
        form, message = _FORMS[name]
        found = form(value)
        if not found:
            raise InvalidInput(message, path=(name,))
        return found
    return _custom(name, value)


def _custom(name: str, value: str) -> str:
    if not CUSTOM_NAME.fullmatch(name) or name in RESERVED:
        raise InvalidInput(
            "A name of your own has 1 to 40 letters, digits and underscores, begins with a letter, and is not one that "
            "units have already.",
            path=(name[:40],),
        )
    if not value.strip() or len(value) > MAX_CUSTOM_VALUE or any(_is_control(letter) for letter in value):
        raise InvalidInput(
            f"A text of your own has 1 to {MAX_CUSTOM_VALUE} characters and no control characters.", path=(name,)
        )
    return value.strip()


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\n\t"


def read_patch(wanted: Mapping[str, object]) -> tuple[dict[str, object], list[DomainError]]:
    """Return what is to change, None where an attribute goes, and everything that is wrong with it."""
    patch: dict[str, object] = {}
    problems: list[DomainError] = []
    for name, value in wanted.items():
        try:
            patch[name] = None if value is None else read_value(name, value)
        except InvalidInput as problem:
            problems.append(problem)
    return patch, problems


def changed(before: Mapping[str, object], wanted: Mapping[str, object]) -> tuple[dict[str, object], list[DomainError]]:
    """Return the attributes after a change, and everything that is wrong with it. What is not named stays; None goes."""
    patch, problems = read_patch(wanted)
    after = {name: value for name, value in ({**before, **patch}).items() if value is not None}
    if len(customs(after)) > MAX_CUSTOM:
        problems.append(too_many())
    return after, problems


def too_many() -> InvalidInput:
    """Return the refusal of more texts of one's own than a unit may have."""
    return InvalidInput(f"A unit has at most {MAX_CUSTOM} attributes of your own.", path=("custom",))


def customs(attributes: Mapping[str, object]) -> dict[str, str]:
    """Return the texts of one's own by name."""
    return {name: str(value) for name, value in attributes.items() if name not in KNOWN and _is_plain(value)}


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def variables(attributes: Mapping[str, object]) -> dict[str, str]:
    """Return what templates call `unit.<name>`, as texts for people.

    Every text stands as it is. `address` is all of the address in one line, `opening_hours` the week and the special
    days to come in the words of the unit's locale. Nothing depends on when it is asked; see `hours.today` for that.
    """
    told = {name: str(value) for name, value in attributes.items() if _is_plain(value)}
    address = _address(told)
    if address:
        told["address"] = address
    hours = attributes.get(HOURS)
    if isinstance(hours, Mapping):
        said = spoken(hours, told.get("locale"))
        if said:
            told[HOURS] = said
    return told


def _address(told: Mapping[str, str]) -> str:
    lines = [told[name] for name in ADDRESS_LINES if name in told]
    town = " ".join(told[name] for name in ("postal_code", "city") if name in told)
    return ", ".join(part for part in [*lines, town] if part)
