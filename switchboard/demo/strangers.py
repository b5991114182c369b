"""Scene f: the other organization asks for every id that was seen so far, and is answered as for one that never existed."""

from __future__ import annotations

import json
import re
import secrets
from collections import defaultdict
from collections.abc import Callable

from switchboard.demo.api import PAGE, Api, Json, Person
from switchboard.demo.cast import Cast
from switchboard.demo.crowd import together
from switchboard.demo.filling import Filling
from switchboard.demo.telling import Stage

_FILLING = Filling()
WITHOUT_IDS = frozenset(
    {
        "DocumentsRegister",
        *("AppRegister", "AuditExport", "OrganizationUpdate", "RoleCreate"),
        *("PasswordChange", "PasswordReset", "PasswordResetRequest", "RecoveryCodesRegenerate"),
        *("SessionCreate", "SessionEnd", "SessionVerify", "TotpConfirm", "TotpDisable", "TotpEnroll"),
    }
)
"""Mutations that can be sent without naming anything; the walls of their optional ids are tested with the product."""
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
Ids = Callable[[str], str]
"""Gives an id of a kind: a foreign one, or one that was never made."""


def inputs(own_unit: str, of: Ids) -> list[tuple[str, Json]]:
    """Return every mutation that takes an id, with ids of `of` in its places; where two are needed, the unit is the asker's."""
    written = [
        *_about_people(of),
        *_about_conversations(of),
        *_about_templates(own_unit, of),
        *_about_campaigns(own_unit, of),
    ]
    return [*written, *_FILLING.with_ids(frozenset(name for name, _ in written), of)]


def _about_people(of: Ids) -> list[tuple[str, Json]]:
    contact = {"contactId": of("ct")}
    choice = [{"externalId": "1", "unitId": of("unit")}]
    return [
        ("UnitCreate", {"parentId": of("unit"), "kind": "LOCATION", "name": "x"}),
        ("ChannelConnectBegin", {"channel": "MESSENGER", "unitId": of("unit")}),
        ("ChannelConnectFinish", {"connectionId": of("con"), "completion": "x", "pages": choice}),
        ("PageDisconnect", {"pageId": of("page")}),
        ("ContactRename", contact | {"name": "x"}),
        ("ContactLabel", contact | {"labelId": of("lbl")}),
        ("ContactUnlabel", contact | {"labelId": of("lbl")}),
        ("ContactSuppress", contact),
        ("ContactUnsuppress", contact),
        ("LabelCreate", {"unitId": of("unit"), "name": "x"}),
        ("TopicCreate", {"unitId": of("unit"), "key": "x", "name": "x"}),
        ("TokenCreate", {"name": "x", "permissions": ["INBOX_READ"], "unitId": of("unit")}),
        ("TokenRevoke", {"tokenId": of("tok")}),
        ("DocumentsWithdraw", {"ids": [of("doc")]}),
    ]


def _about_conversations(of: Ids) -> list[tuple[str, Json]]:
    which = {"conversationId": of("cnv")}
    return [
        ("ConversationReply", which | {"lastMessageSeenId": of("msg"), "text": "x"}),
        ("ConversationAssign", which | {"assigneeId": of("mem")}),
        ("ConversationSetStatus", which | {"status": "PENDING"}),
        ("ConversationSetCategory", which | {"category": "INQUIRY"}),
        ("ConversationMarkRead", which),
        ("ConversationLabel", which | {"labelId": of("lbl")}),
        ("ConversationUnlabel", which | {"labelId": of("lbl")}),
        ("NoteCreate", which | {"text": "x"}),
        ("SendSettle", {"id": of("snd"), "arrived": True}),
    ]


def _about_templates(own_unit: str, of: Ids) -> list[tuple[str, Json]]:
    template = {"templateId": of("tpl")}
    return [
        ("TemplateCreate", {"unitId": of("unit"), "name": "x", "purpose": "REPLY", "body": "x"}),
        ("TemplatePublishVersion", template | {"body": "x"}),
        ("TemplateRelease", template | {"unitId": own_unit}),
        ("TemplateReleaseRollBack", {"releaseId": of("tplr")}),
        ("TemplateOverride", template | {"unitId": own_unit, "body": "x"}),
        ("TemplateOverrideRemove", template | {"unitId": own_unit}),
        ("TemplateArchive", template),
    ]


def _about_campaigns(own_unit: str, of: Ids) -> list[tuple[str, Json]]:
    which = {"campaignId": of("cmp")}
    draft = {"unitId": own_unit, "name": "x", "topicId": of("top"), "templateId": of("tpl"), "pageIds": [of("page")]}
    return [
        ("CampaignCreate", draft),
        ("CampaignEdit", which | {"name": "x"}),
        ("CampaignSubmit", which),
        ("CampaignDecide", which | {"verdict": "APPROVE", "contentDigest": "00" * 32}),
        ("CampaignPause", which),
        ("CampaignResume", which),
        ("CampaignCancel", which),
    ]


async def play(stage: Stage, api: Api, cast: Cast) -> None:
    """Let each organization ask for everything of the other."""
    seen = {person.organization: set[str]() for person in (cast.admin, cast.brand)}
    for person in (cast.admin, cast.agent, cast.approver, cast.brand, cast.location):
        seen[person.organization] |= person.asked.ids
    ids = asked = 0
    for asker, other, unit in (
        (cast.brand, cast.admin, cast.franchise_units["root"]),
        (cast.admin, cast.brand, cast.agency_units["root"]),
    ):
        foreign = sorted(seen[other.organization])
        ids += len(foreign)
        await _as_nodes(stage, api, asker, foreign)
        asked += await _by_field(stage, api, asker, foreign, unit)
    stage.equal("mutations that were not asked", _left_out(api), sorted(WITHOUT_IDS))
    stage.step("every answer is the one that an id gets which never existed")
    stage.fact("foreign ids asked for, 0 answered", ids)
    stage.fact("answers equal to those for random ids", asked)


async def _as_nodes(stage: Stage, api: Api, asker: Person, foreign: list[str]) -> None:
    parts = [foreign[start : start + PAGE] for start in range(0, len(foreign), PAGE)]
    for part, answer in zip(
        parts, await together(api.answer(asker, "Nodes", {"ids": part}) for part in parts), strict=True
    ):
        stage.equal("foreign ids as nodes", _plain(answer), {"data": {"nodes": [None] * len(part)}})


async def _by_field(stage: Stage, api: Api, asker: Person, foreign: list[str], unit: str) -> int:
    kinds: dict[str, list[str]] = defaultdict(list)
    for one in foreign:
        kinds[one.rpartition("_")[0]].append(one)

    def real(kind: str) -> str:
        return kinds[kind][0] if kinds[kind] else random_id(kind)

    pairs: list[tuple[str, Json, Json]] = []
    for kind, some in kinds.items():
        pairs.append(("Node", {"id": some[0]}, {"id": random_id(kind)}))
    for (name, theirs), (_, nobodys) in zip(inputs(unit, real), inputs(unit, random_id), strict=True):
        pairs.append((name, {"input": theirs}, {"input": nobodys}))
    for name, kind in (("Conversation", "cnv"), ("Campaign", "cmp"), ("Template", "tpl")):
        pairs.append((name, {"id": real(kind)}, {"id": random_id(kind)}))
    pairs += [
        ("EffectiveTemplates", {"unitId": real("unit")}, {"unitId": random_id("unit")}),
        ("Inbox", {"filter": {"pageId": real("page")}}, {"filter": {"pageId": random_id("page")}}),
        ("Contacts", {"filter": {"unitId": real("unit")}}, {"filter": {"unitId": random_id("unit")}}),
    ]

    async def compare(name: str, theirs: Json, nobodys: Json) -> None:
        stage.equal(
            f"{name} with a foreign id, asked by {asker.organization}",
            _plain(await api.answer(asker, name, theirs)),
            _plain(await api.answer(asker, name, nobodys)),
        )

    await together(compare(*pair) for pair in pairs)
    return len(pairs)


def random_id(kind: str) -> str:
    """Return an id of this kind and form that was never made."""
    return f"{kind}_06{''.join(secrets.choice(_ALPHABET) for _ in range(24))}"


def _plain(answer: Json) -> Json:
    """Return an answer without its request id."""
    shown: Json = json.loads(re.sub(r'"requestId": "[^"]*"', '"requestId": ""', json.dumps(answer)))
    return shown


def _left_out(api: Api) -> list[str]:
    """Return the mutations of the contract that were not asked with a foreign id."""
    asked = {name for name, _ in inputs("", lambda kind: kind)}
    mutations = {name for name in api.contract.names if api.contract.operation(name).kind == "mutation"}
    return sorted(mutations - asked)
