"""Scene e: a marketing campaign with approval, consent and a daily cap; receipts and costs come back."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from switchboard.demo.api import Api, Json
from switchboard.demo.cast import Cast
from switchboard.demo.crowd import Customer, together
from switchboard.demo.outside import Outside
from switchboard.demo.telling import Stage, until

_TOPIC = "offers"
_WORDS = 'Hi {{ contact.first_name | default: "there" }}, two for one at {{ page.name }} on Friday.'
_PRICE = Decimal("0.0141")
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Groups:
    """The customers of the client, by what the campaign has to do about them."""

    yes: list[Customer]
    regulars: list[Customer]
    blocked: list[Customer]
    silent: list[Customer]
    changes_mind: Customer
    everybody: int

    @property
    def reached(self) -> int:
        """Return how many get the second campaign."""
        return len(self.yes) - len(self.regulars) - len(self.blocked) - 1


def groups(cast: Cast, people: list[Customer]) -> Groups:
    """Divide the client's customers. The published person is one more who never said yes."""
    mine = [one for one in people if one.place is cast.linden]
    yes = mine[:30]
    return Groups(yes, yes[:6], yes[6:8], yes[10:13], yes[20], len(mine) + 1)


async def play(stage: Stage, api: Api, outside: Outside, cast: Cast, people: list[Customer]) -> None:
    """Let people say yes, send a small campaign, then the large one."""
    who = groups(cast, people)
    topic = {"unitId": cast.linden.unit_id, "key": _TOPIC, "name": "Offers"}
    cast.topic_id = (await api.ask(cast.admin, "TopicCreate", {"input": topic}))["topic"]["id"]
    await together(outside.does(*one.key, "optin", payload=_TOPIC, title="Offers") for one in who.yes)
    contacts = await until("everybody's yes", lambda: _said_yes(api, cast, len(who.yes)))
    stage.step(f"{len(who.yes)} of {who.everybody} customers of {cast.linden.name} said yes to offers")
    label_id = await _label(api, cast, contacts, who.regulars)
    template_id = await _template(api, cast)
    first = await _draft(api, cast, template_id, "For regulars", {"labelIds": [label_id]})
    await _approved(stage, api, cast, first)
    results = await _until_settled(api, cast, first, len(who.regulars))
    stage.equal("delivered to regulars", results["delivered"], len(who.regulars))
    stage.step(f"a first small campaign reached {len(who.regulars)} regulars today")
    await _second(stage, api, outside, cast, who, template_id)


async def _second(stage: Stage, api: Api, outside: Outside, cast: Cast, who: Groups, template_id: str) -> None:
    reason = {"everybodyReason": "Friday offer to everybody who asked for offers"}
    cast.campaign_id = await _draft(api, cast, template_id, "Two for one", reason)
    preview = (await api.ask(cast.admin, "CampaignPreview", {"id": cast.campaign_id}))["preview"]
    stage.equal("the dry run", (preview["audience"], preview["eligible"]), (who.everybody, len(who.yes)))
    await together(outside.does(*one.key, "block") for one in who.blocked)
    digest = await _submitted(api, cast, cast.campaign_id)
    decision = {"campaignId": cast.campaign_id, "verdict": "APPROVE", "contentDigest": digest}
    own = await api.refusal(cast.admin, "CampaignDecide", {"input": decision})
    stage.equal("the author's own approval", own, "APPROVALS_SELF_APPROVAL")
    stage.step(f"the author's own approval was refused ({own})")
    await outside.does(*who.changes_mind.key, "stop")
    await until("one yes withdrawn", lambda: _said_yes(api, cast, len(who.yes) - 1))
    await api.ask(cast.approver, "CampaignDecide", {"input": decision})
    stage.step(f"{cast.approver.name}, the client, approved exactly that content")
    skipped = {"NO_CONSENT": who.everybody - len(who.yes) + 1, "DAILY_CAP": len(who.regulars)}
    results = await _until_settled(api, cast, cast.campaign_id, who.reached, failed=len(who.blocked))
    stage.equal("skipped, by reason", _counts(results["skipped"]), skipped)
    stage.equal("failed, by reason", _counts(results["failed"]), {"DELIVERY_FAILED": len(who.blocked)})
    stage.equal("audience", results["audience"], who.everybody)
    told = (results["sent"], results["delivered"], results["read"], results["unknown"], results["queued"])
    stage.equal("sent, delivered, read, unknown, queued", told, (who.reached, who.reached, who.reached - 3, 0, 0))
    for what in ("delivered", "read"):
        stage.fact(f"campaign: {what}", results[what])
    stage.fact("campaign: failed, blocked by the person", len(who.blocked))
    for why, count in sorted(skipped.items()):
        stage.fact(f"campaign: skipped, {why}", count)
    stage.step(f"sent to {who.reached}, left out {sum(skipped.values())}, each with a reason")


async def costs(stage: Stage, api: Api, cast: Cast) -> None:
    """Wait for the platform's bill of the campaign and check it."""

    async def billed() -> Json | None:
        results: Json = (await api.ask(cast.approver, "Campaign", {"id": cast.campaign_id}))["results"]
        wanted = (results["delivered"] * _PRICE).quantize(_CENT, ROUND_HALF_UP)
        return results if [Decimal(one["amount"]) for one in results["spend"]] == [wanted] else None

    results = await until("the costs of the campaign", billed, 40)
    (spend,), each = results["spend"], results["costPerDelivered"]
    whole = int(spend["micros"]) / results["delivered"]
    stage.true("cost per delivered message", abs(int(each["micros"]) - whole) <= 1)
    stage.fact("campaign: spend", f"{spend['amount']} {spend['currency']}")
    stage.fact("campaign: cost per delivered message", f"{each['amount']} {each['currency']}")
    stage.step(f"the bill came: {spend['amount']} {spend['currency']}, {each['amount']} per delivered message")


async def _said_yes(api: Api, cast: Cast, count: int) -> dict[str, str] | None:
    """Return the contact of each person of the client once `count` of them stand at yes."""
    contacts = await api.all(cast.admin, "Contacts", {"filter": {"unitId": cast.linden.unit_id}})
    yes = [one for one in contacts if any(said["isOptedIn"] for said in one["consents"])]
    return {one["identities"][0]["externalId"]: one["id"] for one in contacts} if len(yes) == count else None


async def _label(api: Api, cast: Cast, contacts: dict[str, str], regulars: list[Customer]) -> str:
    wanted = {"unitId": cast.linden.unit_id, "name": "Regulars"}
    label_id: str = (await api.ask(cast.admin, "LabelCreate", {"input": wanted}))["label"]["id"]
    await together(
        api.ask(cast.admin, "ContactLabel", {"input": {"contactId": contacts[one.psid], "labelId": label_id}})
        for one in regulars
    )
    return label_id


async def _template(api: Api, cast: Cast) -> str:
    wanted = {"unitId": cast.linden.unit_id, "name": "Friday offer", "purpose": "MARKETING", "body": _WORDS}
    template_id: str = (await api.ask(cast.admin, "TemplateCreate", {"input": wanted}))["template"]["id"]
    return template_id


async def _draft(api: Api, cast: Cast, template_id: str, name: str, segment: Json) -> str:
    wanted = {
        "unitId": cast.linden.unit_id,
        "name": name,
        "topicId": cast.topic_id,
        "templateId": template_id,
        "pageIds": [cast.linden.page_id],
        **segment,
    }
    campaign_id: str = (await api.ask(cast.admin, "CampaignCreate", {"input": wanted}))["campaign"]["id"]
    return campaign_id


async def _submitted(api: Api, cast: Cast, campaign_id: str) -> str:
    done = await api.ask(cast.admin, "CampaignSubmit", {"input": {"campaignId": campaign_id}})
    digest: str = done["campaign"]["contentDigest"]
    return digest


async def _approved(stage: Stage, api: Api, cast: Cast, campaign_id: str) -> None:
    await _submitted(api, cast, campaign_id)
    waiting = await api.all(cast.approver, "ApprovalRequests", {"filter": {"state": "PENDING"}})
    stage.equal("what waits for the client", [one["subject"]["id"] for one in waiting], [campaign_id])
    decision = {"campaignId": campaign_id, "verdict": "APPROVE", "contentDigest": waiting[0]["contentDigest"]}
    done = await api.ask(cast.approver, "CampaignDecide", {"input": decision})
    stage.equal("the approved campaign", done["campaign"]["state"], "SCHEDULED")


async def _until_settled(api: Api, cast: Cast, campaign_id: str, delivered: int, failed: int = 0) -> Json:
    """Wait until a campaign is done and its receipts are in; return its results."""

    async def settled() -> Json | None:
        campaign = await api.ask(cast.approver, "Campaign", {"id": campaign_id})
        results: Json = campaign["results"]
        is_in = results["delivered"] >= delivered and sum(_counts(results["failed"]).values()) >= failed
        is_read = results["read"] >= delivered - 3
        return results if campaign["state"] == "DONE" and is_in and is_read else None

    return await until("the campaign done and its receipts in", settled, 120)


def _counts(reasons: list[Json]) -> dict[str, int]:
    return {one["reason"]: one["count"] for one in reasons}
