"""Scene h: the other networks. One account of each is connected, somebody writes to it, and an agent answers, once."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urljoin, urlsplit

from switchboard.demo.api import Api, Json
from switchboard.demo.cast import Cast
from switchboard.demo.outside import Outside
from switchboard.demo.telling import NotSo, Stage, until

_RETURN = "https://app.example.com/connected"
_ASKED, _ANSWERED = "Do you open on Sunday? 🥐", "Yes, from eight."


@dataclass(frozen=True, slots=True)
class _Network:
    """How one network is played: its account, what its dialogue is answered with, and how a person says something."""

    channel: str
    account: str
    make: tuple[str, Json]
    form: Json
    say: tuple[str, Json]
    is_public: bool = False


def _networks(run: str) -> list[_Network]:
    number = str(int(run, 16))
    instagram, x, tiktok = f"178{number}", f"9{number}", f"-000{run}"
    person = f"urn:li:person:demo-{run}"
    return [
        _Network(
            "INSTAGRAM",
            instagram,
            ("instagram/accounts", {"id": instagram, "username": "linden.bakery"}),
            {"account": instagram},
            (f"instagram/customers/{instagram}/5{number}/message", {"text": _ASKED}),
        ),
        _Network(
            "X",
            x,
            ("x/accounts", {"id": x, "name": "Linden Bakery"}),
            {"account": x},
            (f"x/customers/{x}/6{number}/message", {"text": _ASKED}),
        ),
        _Network(
            "TIKTOK",
            tiktok,
            ("tiktok/accounts", {"id": tiktok, "display_name": "Linden Bakery"}),
            {"account": tiktok},
            (f"tiktok/customers/{quote(tiktok, safe='')}/person{run}/message", {"text": _ASKED}),
        ),
        _Network(
            "LINKEDIN",
            f"urn:li:organization:7{number}",
            ("linkedin/organizations", {"id": f"7{number}", "name": "Linden Bakery", "person": f"demo-{run}"}),
            {"person": person},
            (f"linkedin/people/urn%3Ali%3Aperson%3Aguest-{run}/comment", {"text": _ASKED}),
            is_public=True,
        ),
    ]


async def play(stage: Stage, api: Api, outside: Outside, cast: Cast) -> None:
    """Play every network, one after the other."""
    for network in _networks(cast.run):
        await outside.control(network.make[0], [network.make[1]])
        if network.is_public:
            post = {"organization": network.make[1]["id"], "text": "We bake on Sundays."}
            await outside.control("linkedin/posts", [post])
        page_id = await _connect(stage, api, outside, cast, network)
        path, said = network.say
        extra = {"organization": network.make[1]["id"]} if network.is_public else {}
        await outside.control(path, said | extra)
        await (_answer_comment if network.is_public else _answer_message)(stage, api, outside, cast, network, page_id)
    stage.fact("networks, each with a question and one answer", len(_networks(cast.run)) + 1)


async def _connect(stage: Stage, api: Api, outside: Outside, cast: Cast, network: _Network) -> str:
    unit_id = cast.linden.unit_id
    wanted = {"channel": network.channel, "unitId": unit_id, "returnUrl": _RETURN}
    begun = await api.ask(cast.admin, "ChannelConnectBegin", {"input": wanted})
    came = await _consent(outside, begun["authorizeUrl"], network.form)
    chosen = [{"externalId": network.account, "unitId": unit_id}]
    done = await api.ask(
        cast.admin,
        "ChannelConnectFinish",
        {"input": {"connectionId": begun["connection"]["id"], "completion": came["completion"], "pages": chosen}},
    )
    [line] = done["results"]
    if line["page"] is None:
        raise NotSo(f"{network.channel} was not connected: {[one['code'] for one in line['userErrors']]}")
    page_id: str = line["page"]["id"]

    async def is_subscribed() -> bool:
        pages = await api.all(cast.admin, "Pages", {"filter": {"unitId": unit_id}})
        return any(page["id"] == page_id and page["subscribedAt"] for page in pages)

    await until(f"{network.channel}'s webhooks subscribed", is_subscribed)
    stage.step(f"{network.channel}: connected and subscribed")
    return page_id


async def _consent(outside: Outside, authorize_url: str, form: Json) -> dict[str, str]:
    answered = await outside.http.post(authorize_url, data={**form, "action": "allow"})
    if not answered.has_redirect_location:
        raise NotSo(f"the dialogue answered with {answered.status_code}: {answered.text[:200]}")
    back = urljoin(authorize_url, answered.headers["location"])
    returned = (await outside.http.get(back)).headers.get("location", "")
    return {name: values[0] for name, values in parse_qs(urlsplit(returned).query).items()}


async def _answer_message(
    stage: Stage, api: Api, outside: Outside, cast: Cast, network: _Network, page_id: str
) -> None:
    found: list[Json] = []

    async def has_come() -> bool:
        page = await api.ask(cast.admin, "Inbox", {"filter": {"pageId": page_id}, "first": 5})
        found[:] = page["nodes"]
        return bool(found)

    await until(f"{network.channel}'s message in the inbox", has_come)
    [conversation] = found
    stage.equal(f"{network.channel}: what was asked", conversation["lastMessage"]["text"], _ASKED)
    wish = {
        "conversationId": conversation["id"],
        "text": _ANSWERED,
        "lastMessageSeenId": conversation["lastMessage"]["id"],
    }
    await api.ask(cast.admin, "ConversationReply", {"input": wish})
    await _arrived(stage, outside, network)


async def _answer_comment(
    stage: Stage, api: Api, outside: Outside, cast: Cast, network: _Network, page_id: str
) -> None:
    found: list[Json] = []

    async def has_come() -> bool:
        page = await api.ask(
            cast.admin, "PublicComments", {"filter": {"pageId": page_id, "isHandled": False}, "first": 5}
        )
        found[:] = [one for one in page["nodes"] if not one["isOwn"]]
        return bool(found)

    await until(f"{network.channel}'s comment in the list", has_come)
    [comment] = found
    stage.equal(f"{network.channel}: what was asked", comment["text"], _ASKED)
    await api.ask(cast.admin, "PublicCommentReply", {"input": {"commentId": comment["id"], "text": _ANSWERED}})
    await _arrived(stage, outside, network)


async def _arrived(stage: Stage, outside: Outside, network: _Network) -> None:
    async def has_arrived() -> bool:
        return await _accepted(outside, network) > 0

    await until(f"{network.channel}'s answer at the platform", has_arrived)
    stage.equal(f"{network.channel}: how often the platform took the answer", await _accepted(outside, network), 1)
    stage.step(f"{network.channel}: asked, read, answered once")


async def _accepted(outside: Outside, network: _Network) -> int:
    told = await outside.control(f"ledger?page={quote(network.account, safe='')}", method="GET")
    return sum(entry["text"] == _ANSWERED for entry in told["entries"])
