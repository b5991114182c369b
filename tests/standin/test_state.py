"""The state file: what survives a clean end and a kill, what the command line decides, what a broken file does."""

import asyncio
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from standin.config import StandinConfig
from standin.ledger import Entry
from standin.runtime import Runtime, make_runtime
from standin.state import Message, Page, World
from standin.stored import dumped, load
from tests.standin.conftest import APP_ID, APP_SECRET, PAGE, PSID, VERIFY_TOKEN, Callback, Standin, eventually
from tests.standin.test_marketing import a_campaign, market
from tests.standin.test_oauth import long_lived

REPOSITORY = Path(__file__).parents[2]
Start = Callable[..., tuple["subprocess.Popen[str]", Standin]]


def running(world: World) -> Runtime:
    """The parts of a stand-in around this world."""
    run = make_runtime(world.config)
    run.world = world
    return run


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "standin.json"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        yield client


@pytest.fixture
def start(state: Path, http: httpx.AsyncClient) -> Iterator[Start]:
    """Give a function that starts a process on this test's state file."""
    children: list[subprocess.Popen[str]] = []

    def begin(*more: str) -> tuple[subprocess.Popen[str], Standin]:
        arguments = ["--port", "0", "--app-id", APP_ID, "--app-secret", APP_SECRET, "--verify-token", VERIFY_TOKEN]
        child = subprocess.Popen(
            [sys.executable, "-m", "standin", *arguments, "--state", str(state), *more],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONWARNINGS": "error"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        assert child.stdout is not None
        line = child.stdout.readline()
        assert line.startswith("standin ready on "), line
        return child, Standin(line.split()[-1], http, Callback())

    yield begin
    for child in children:
        child.kill()
        child.communicate()


def end(child: "subprocess.Popen[str]") -> str:
    """End it with SIGTERM; give what it wrote to stderr."""
    child.terminate()
    _, said = child.communicate(timeout=10)
    assert child.returncode == 0
    return said


async def furnish(standin: Standin) -> tuple[str, str]:
    """One of everything; give a user token and the campaign."""
    await standin.control("POST", "/app", {"delivery_ms": None, "price": "0.02", "redirect_uris": []})
    await standin.control("POST", "/people", {"id": "7", "name": "Ada"})
    await standin.control("POST", "/businesses", {"id": "b1", "name": "Chain", "people": ["7"]})
    account = {"id": "55", "name": "Ads", "currency": "USD"}
    page = {"id": PAGE, "name": "Bäckerei", "people": ["7"], "business": "b1", "ad_account": account}
    standin.token = (await standin.control("POST", "/pages", page))["pages"][0]["access_token"]
    await standin.graph("POST", f"/{PAGE}/subscribed_apps?subscribed_fields=messages,message_echoes")
    customer = {"page": PAGE, "psid": PSID, "first_name": "Carla", "wrote_s_ago": 60, "read_ms": None}
    await standin.control("POST", "/customers", customer)
    await standin.deed("message", {"text": "Grüezi 🥐"})
    await standin.deed("comment", {"message": "Nice", "comment_id": "c1"})
    optin = (await standin.deed("optin"))["notification_messages_token"]
    await standin.send("Good morning", message={"metadata": "sb1:a:1"})
    campaign = await a_campaign(standin)
    assert (await market(standin, campaign, optin)).status_code == 200
    await standin.control("POST", "/clock", {"offset_s": 100})
    await standin.settled()
    return await long_lived(standin, {"page_ids": PAGE}), campaign


async def seen(standin: Standin, user: str, campaign: str) -> dict[str, object]:
    """What tests and the product can see of the furnished world."""

    async def graph(path: str, token: str | None = None) -> object:
        answer = await standin.graph("GET", path, token)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return {
        "app": await standin.control("GET", "/app"),
        "clock": (await standin.control("GET", "/clock"))["offset_s"],
        "customer": await standin.control("GET", f"/customers/{PAGE}/{PSID}"),
        "ledger": await standin.control("GET", "/ledger"),
        "pages": await graph("/me/accounts?fields=id,name,access_token,tasks,business", user),
        "businesses": await graph("/me/businesses", user),
        "permissions": await graph("/me/permissions", user),
        "account": await graph("/act_55?fields=currency,name,promote_pages", user),
        "subscription": await graph(f"/{PAGE}/subscribed_apps"),
        "conversations": await graph(f"/{PAGE}/conversations?fields=id,messages{{id,message,created_time}}"),
        "profile": await graph(f"/{PSID}?fields=first_name,last_name"),
        "campaign": await graph(f"/{campaign}?fields=name,page_id"),
        "insights": await graph(f"/{campaign}/insights"),
    }


async def test_the_world_is_the_same_after_a_stop_and_a_start(start: Start, state: Path):
    child, first = start()
    user, campaign = await furnish(first)
    before = await seen(first, user, campaign)
    assert end(child) == ""

    child, second = start()
    second.token = first.token

    assert await seen(second, user, campaign) == before
    assert (await second.send(message={"metadata": "sb1:b:1"})).status_code == 200
    reply = {"recipient": {"comment_id": "c1"}, "message": {"text": "Thanks"}}
    assert (await second.graph("POST", "/me/messages", json=reply)).status_code == 200
    assert [entry["seq"] for entry in await second.ledger()] == [1, 2, 3, 4]
    assert end(child) == ""
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert [path.name for path in state.parent.iterdir()] == [state.name]


async def test_a_code_of_the_dialogue_is_good_after_the_start(start: Start):
    child, first = start()
    await first.control("POST", "/people", {"id": "7", "name": "Ada"})
    back = "http://127.0.0.1:8000/back"
    query = {"client_id": APP_ID, "redirect_uri": back, "person": "7", "action": "allow", "scope": "pages_show_list"}
    answer = await first.http.post(f"{first.url}/dialog/oauth", data=query)
    code = httpx.URL(answer.headers["Location"]).params["code"]
    end(child)

    _, second = start()

    query = {"client_id": APP_ID, "client_secret": APP_SECRET, "redirect_uri": back, "code": code}
    token = await second.http.get(f"{second.url}/oauth/access_token", params=query)
    assert token.status_code == 200, token.text


async def test_a_kill_loses_neither_what_was_called_for_nor_what_came_by_itself(start: Start, state: Path):
    child, first = start()
    await first.control("POST", "/people", {"id": "7", "name": "Ada"})
    page = {"id": PAGE, "name": "Bakery", "people": ["7"], "ad_account": {"id": "55"}}
    first.token = (await first.control("POST", "/pages", page))["pages"][0]["access_token"]
    await first.control("POST", "/customers", {"page": PAGE, "psid": PSID, "delivery_ms": 2500, "optin": {}})
    (optin,) = (await first.control("GET", f"/customers/{PAGE}/{PSID}"))["tokens"]
    campaign = await a_campaign(first)
    await market(first, campaign, optin["token"])

    async def delivered() -> bool:
        return [row["delivered"] for row in json.loads(state.read_bytes())["campaigns"]] == [1]

    await eventually(delivered, within_s=15)
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    child.kill()
    child.communicate()

    _, second = start()
    second.token = first.token

    (row,) = (await second.graph("GET", f"/{campaign}/insights")).json()["data"]
    assert row["marketing_messages_delivered"] == "1"
    assert [entry["campaign"] for entry in await second.ledger()] == [campaign]


async def test_numbers_that_a_killed_process_gave_out_do_not_come_again(start: Start):
    child, first = start()
    page = {"id": PAGE, "name": "Bakery", "ad_account": {"id": "55"}, "access_token": "fixed"}
    await first.control("POST", "/pages", page)
    first.token = "fixed"
    end(child)
    child, first = start()
    first.token = "fixed"
    lost = {await a_campaign(first) for _ in range(3)}
    child.kill()
    child.communicate()

    _, second = start()
    second.token = "fixed"

    assert lost.isdisjoint({await a_campaign(second) for _ in range(3)})


async def test_the_callback_of_the_command_line_wins_over_the_stored_one(start: Start):
    child, first = start("--callback-url", "http://127.0.0.1:1/old", "--redirect-uri", "http://127.0.0.1:1/a")
    await first.control("POST", "/app", {"callback_url": "http://127.0.0.1:1/set"})
    end(child)

    child, second = start()
    stored = await second.control("GET", "/app")
    end(child)
    _, third = start("--callback-url", "http://127.0.0.1:1/new", "--redirect-uri", "http://127.0.0.1:1/b")
    given = await third.control("GET", "/app")

    assert (stored["callback_url"], stored["redirect_uris"]) == ("http://127.0.0.1:1/set", ["http://127.0.0.1:1/a"])
    assert (given["callback_url"], given["redirect_uris"]) == ("http://127.0.0.1:1/new", ["http://127.0.0.1:1/b"])


def test_the_file_holds_neither_the_secret_nor_the_verify_token_of_the_app():
    config = StandinConfig(app_id="1", app_secret="the-secret", verify_token="the-verify-token")

    raw = dumped(running(World(config)))

    assert b"the-secret" not in raw
    assert b"the-verify-token" not in raw


def broken(**changes: object) -> bytes:
    world = World(StandinConfig(app_id="1", app_secret="s", verify_token="v"))
    world.pages["1"] = Page("1", "P")
    return json.dumps(json.loads(dumped(running(world))) | changes).encode()


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(broken()[:-20], id="cut off"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b'{"version": 1}', id="nothing in it"),
        pytest.param(broken(version=99), id="of another version"),
        pytest.param(broken(pages=[{"id": "1", "name": 5}]), id="wrong type"),
        pytest.param(broken(people=[{"id": "1"}]), id="a part is missing"),
        pytest.param(broken(people={}), id="no list"),
        pytest.param(broken(surprise=1), id="an unknown part"),
        pytest.param(broken(app={"price": "free"}), id="a bad setting"),
    ],
)
async def test_a_file_that_cannot_be_read_is_put_aside_with_a_message(start: Start, state: Path, raw: bytes):
    state.write_bytes(raw)

    child, standin = start()
    rows = await standin.control("GET", "/ledger")
    unknown = await standin.http.get(f"{standin.url}/control/pages/1")
    said = end(child)

    assert (rows["entries"], unknown.status_code) == ([], 404)
    (aside,) = state.parent.glob("standin.json.unreadable-*")
    assert aside.read_bytes() == raw
    assert said.startswith(f"standin: the state in {state} cannot be read (")
    assert said.endswith(f"the file is now {aside.name}\n")
    assert said.count("\n") == 1
    assert json.loads(state.read_bytes())["version"] == 1


async def test_what_cannot_be_written_is_said_once_and_nothing_stops(start: Start, state: Path):
    child, standin = start()
    await standin.control("POST", "/pages", {"id": PAGE, "name": "Bakery"})
    await standin.control("POST", "/customers", {"page": PAGE, "psid": PSID, "read_ms": 1e30})

    await asyncio.sleep(2.2)
    assert (await standin.control("GET", "/health"))["ok"] is True

    assert end(child) == "standin: the state cannot be written: Integer exceeds 64-bit range\n"


def test_a_state_file_must_be_a_file(tmp_path: Path):
    for wrong in (tmp_path, tmp_path / "missing" / "standin.json"):
        arguments = ["--app-id", "1", "--app-secret", "s", "--verify-token", "v", "--state", str(wrong)]
        ended = subprocess.run(
            [sys.executable, "-m", "standin", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 2
        assert "--state must name a file" in ended.stderr


def test_a_world_of_the_demos_size_is_read_in_a_moment():
    first = World(StandinConfig(app_id="1", app_secret="s", verify_token="v"))
    fill(first, pages=53, customers=400, messages=1000)
    raw = dumped(running(first))
    second = World(StandinConfig(app_id="1", app_secret="s", verify_token="v"))

    began = time.process_time()
    load(running(second), raw)

    assert time.process_time() - began < 0.5
    assert second.pages == first.pages
    assert second.messages == first.messages
    second.last_number = first.last_number
    assert dumped(running(second)) == raw


def fill(world: World, pages: int, customers: int, messages: int) -> None:
    """Pages with tokens, customers with opt-ins, messages with entries in the ledger."""
    for number in range(pages):
        page = world.pages[str(number)] = Page(str(number), f"Page {number}", fields={"messages", "message_echoes"})
        world.control_token(page)
    people = [world.customer(world.pages[str(number % pages)], f"9{number}") for number in range(customers)]
    for customer in people:
        world.add_optin(customer, "News", "OPTIN", "UTC", 1000)
    for number in range(messages):
        person = people[number % customers]
        message = Message(world.new_mid(), person.page, person.psid, True, "Grüezi", [], world.now_ms())
        world.add_message(person, message)
        world.ledger.append(
            Entry(
                seq=world.ledger.next_seq(),
                page=person.page,
                person=person.psid,
                mid=message.mid,
                kind="service",
                text="Grüezi",
                attachments=[],
                metadata=None,
                reference=None,
                messaging_type="RESPONSE",
                campaign=None,
                tracking_id=None,
                accepted_at=message.created_ms,
                token_sha256="0" * 64,
                fault=None,
            )
        )
