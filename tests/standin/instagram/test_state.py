"""The phone, the control calls, and what survives a restart."""

from standin.instagram.plugin import InstagramPlugin
from standin.instagram.state import Account, Choices, Comment, Message
from standin.runtime import Runtime, make_runtime
from standin.stored import dumped, load
from tests.standin.instagram.wire import ACCOUNT, PERSON, Insta, a_config


async def test_the_phone_shows_a_conversation_and_writes_into_it(insta: Insta) -> None:
    await insta.send({"text": "Hello <you>"})

    await insta.http.post(f"{insta.url}/phone/instagram/{ACCOUNT}/{PERSON}", data={"text": "Hi there"})
    shown = (await insta.http.get(f"{insta.url}/phone/instagram/{ACCOUNT}/{PERSON}")).text
    index = (await insta.http.get(f"{insta.url}/phone")).text

    assert "Hello &lt;you&gt;" in shown
    assert "Hi there" in shown
    assert "carla writes to bakery" in index
    await insta.settled()
    # The echo of our message is on its way too, and the platform promises no order between the two.
    heard = [one["message"] for one in insta.items("message")]
    assert [one["text"] for one in heard if not one.get("is_echo")] == ["Hi there"]
    assert [one["text"] for one in heard if one.get("is_echo")] == ["Hello <you>"]


async def test_unknown_things_are_refused_by_the_control_calls(insta: Insta) -> None:
    await insta.control("instagram/accounts/1", method="GET", status=404)
    await insta.control("instagram/accounts", [{"id": "1", "page": "nowhere"}], status=404)
    await insta.control(f"instagram/customers/{ACCOUNT}/{PERSON}/dance", {}, status=404)
    await insta.control("instagram/app", {"token_in_list": 5}, status=422)
    await insta.control(f"instagram/customers/{ACCOUNT}/{PERSON}/message", {}, status=422)


def a_world() -> tuple[Runtime, InstagramPlugin]:
    """A stand-in that plays Instagram only."""
    run = make_runtime(a_config())
    plugin = InstagramPlugin(run)
    run.plugins.append(plugin)
    return run, plugin


def test_the_state_survives_a_restart() -> None:
    run, plugin = a_world()
    studio = plugin.studio
    account = studio.accounts[ACCOUNT] = Account(ACCOUNT, "bakery", "Bakery", "9", fields={"messages"})
    person = studio.person(account, PERSON)
    person.own_timing = {"read_ms"}
    studio.add(person, Message("m_1", ACCOUNT, PERSON, False, "Hi", [{"type": "image"}], 1))
    studio.comments["c_1"] = Comment("c_1", ACCOUNT, PERSON, "p_1", "Nice", 1, is_answered=True)
    studio.issue(account, is_long=True, scopes=["instagram_business_basic"], life_s=60)
    studio.choices = Choices(token_in_list=False)

    again, restored = a_world()
    load(again, dumped(run))

    assert restored.studio.kept() == studio.kept()
    assert list(restored.studio.messages) == ["m_1"]
    lines = restored.lines(ACCOUNT, PERSON)
    assert lines is not None
    assert [line.text for line in lines] == ["Hi\n[1 attachment(s)]"]
