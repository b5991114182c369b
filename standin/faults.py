"""The fault plan: which calls and webhooks go wrong, decided reproducibly from a seed."""

import random
from dataclasses import dataclass, field

from standin.jsonish import BadBody, Json, as_dict, number_or_none, objects, text_or_none, whole_or_none

ACCEPTS_BY_DEFAULT = {
    "late_after_accept": True,
    "drop_after_accept": True,
    "drop_before_accept": False,
    "error": False,
    "garbage_200": True,
    "truncated_json": True,
    "no_id_200": True,
    "hang": False,
    "huge_body": True,
    "redirect": False,
    "slow_body": True,
}
WEBHOOK_ACTIONS = {"drop_before_accept", "drop_after_accept", "late_after_accept"}
OPS = {
    "*",
    "send",
    "marketing_send",
    "list",
    "oauth",
    "accounts",
    "debug_token",
    "profile",
    "subscribe",
    "campaign",
    "insights",
    "tokens",
    "templates",
    "upload",
    "refresh",
    "comment",
    "signal",
    "unsend",
    "media",
    "events",
    "webhook",
}
RULE_KEYS = {
    *("match", "action", "probability", "every_nth", "times", "skip", "delay_ms", "accept", "status", "code"),
    *("subcode", "message", "is_transient", "body", "retry_after", "regain_minutes", "size"),
}


@dataclass(frozen=True, slots=True)
class Match:
    """Which calls a rule looks at; None matches all."""

    op: str | None
    path: str | None
    page: str | None
    person: str | None

    def fits(self, op: str, path: str, page: str | None, person: str | None) -> bool:
        """True when every named part agrees."""
        return (
            (self.op is None or self.op in (op, "*"))
            and (self.path is None or self.path in path)
            and (self.page is None or self.page == page)
            and (self.person is None or self.person == person)
        )


@dataclass(slots=True)
class Rule:
    """One rule with its own random stream, so that a rule more or less does not change the decisions of the others."""

    match: Match
    action: str
    accepts: bool
    details: Json
    delay_ms: float
    probability: float | None
    every_nth: int | None
    times: int | None
    skip: int
    dice: random.Random
    seen: int = 0
    hits: int = 0

    def fires(self) -> bool:
        """Decide for the next matching call."""
        self.seen += 1
        turn = self.seen - self.skip
        if turn <= 0 or (self.times is not None and self.hits >= self.times):
            return False
        if self.every_nth is not None and turn % self.every_nth:
            return False
        if self.probability is not None and self.dice.random() >= self.probability:
            return False
        self.hits += 1
        return True


@dataclass(frozen=True, slots=True)
class WebhookPlan:
    """What goes wrong with all webhooks. Probabilities from 0 to 1."""

    duplicate: float = 0.0
    reorder: float = 0.0
    reorder_ms: float = 200.0
    drop: float = 0.0
    echo_before_answer: bool = False
    batch_size: int | None = None
    delay_ms: float = 0.0


@dataclass(slots=True)
class Faults:
    """The plan in force."""

    source: Json = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    webhooks: WebhookPlan = WebhookPlan()
    dice: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self.source, self.rules, self.webhooks = {}, [], WebhookPlan()

    def load(self, plan: Json) -> None:
        """Replace the plan; `BadBody` leaves the old one in force."""
        unknown = set(plan) - {"seed", "rules", "webhooks"}
        if unknown:
            raise BadBody(f"unknown part {sorted(unknown)[0]}")
        seed = whole_or_none(plan, "seed") or 0
        rules = [_rule(spec, seed, index) for index, spec in enumerate(objects(plan.get("rules", [])))]
        webhooks = _webhook_plan(as_dict(plan.get("webhooks")) or {})
        self.source, self.rules, self.webhooks = plan, rules, webhooks
        self.dice = random.Random(f"{seed}:webhooks")  # noqa: S311 - reproducible on purpose

    def pick(self, op: str, path: str, page: str | None, person: str | None) -> Rule | None:
        """The first rule that matches the call and fires."""
        for rule in self.rules:
            if rule.match.fits(op, path, page, person) and rule.fires():
                return rule
        return None

    def chance(self, probability: float) -> bool:
        """Roll the dice of the webhook plan."""
        return probability > 0 and self.dice.random() < probability

    def shown(self) -> Json:
        """The plan as it was given, with the hits of each rule."""
        return {**self.source, "hits": [rule.hits for rule in self.rules]}


def _rule(spec: Json, seed: int, index: int) -> Rule:
    unknown = set(spec) - RULE_KEYS
    if unknown:
        raise BadBody(f"rule {index}: unknown key {sorted(unknown)[0]}")
    match = _match(as_dict(spec.get("match")) or {}, index)
    action = text_or_none(spec, "action") or ""
    if action not in ACCEPTS_BY_DEFAULT:
        raise BadBody(f"rule {index}: unknown action {action!r}")
    if match.op == "webhook" and action not in WEBHOOK_ACTIONS:
        raise BadBody(f"rule {index}: {action} does not apply to webhooks")
    accept = spec.get("accept")
    every_nth = whole_or_none(spec, "every_nth")
    if every_nth is not None and every_nth < 1:
        raise BadBody(f"rule {index}: every_nth must be at least 1")
    return Rule(
        match=match,
        action=action,
        accepts=accept if isinstance(accept, bool) else ACCEPTS_BY_DEFAULT[action],
        details=spec,
        delay_ms=number_or_none(spec, "delay_ms") or 0.0,
        probability=number_or_none(spec, "probability"),
        every_nth=every_nth,
        times=whole_or_none(spec, "times"),
        skip=whole_or_none(spec, "skip") or 0,
        dice=random.Random(f"{seed}:{index}"),  # noqa: S311 - reproducible on purpose
    )


def _match(spec: Json, index: int) -> Match:
    unknown = set(spec) - {"op", "path", "page", "person"}
    if unknown:
        raise BadBody(f"rule {index}: unknown match {sorted(unknown)[0]}")
    op = text_or_none(spec, "op")
    if op is not None and op not in OPS:
        raise BadBody(f"rule {index}: unknown op {op!r}")
    return Match(op, text_or_none(spec, "path"), text_or_none(spec, "page"), text_or_none(spec, "person"))


def _webhook_plan(spec: Json) -> WebhookPlan:
    known = {"duplicate_probability", "reorder", "reorder_ms", "drop_probability", "echo_before_answer"}
    unknown = set(spec) - known - {"batch_size", "delay_ms"}
    if unknown:
        raise BadBody(f"webhooks: unknown key {sorted(unknown)[0]}")
    reorder = spec.get("reorder")
    return WebhookPlan(
        duplicate=number_or_none(spec, "duplicate_probability") or 0.0,
        reorder=float(reorder) if isinstance(reorder, bool) else number_or_none(spec, "reorder") or 0.0,
        reorder_ms=number_or_none(spec, "reorder_ms") or 200.0,
        drop=number_or_none(spec, "drop_probability") or 0.0,
        echo_before_answer=spec.get("echo_before_answer") is True,
        batch_size=whole_or_none(spec, "batch_size"),
        delay_ms=number_or_none(spec, "delay_ms") or 0.0,
    )
