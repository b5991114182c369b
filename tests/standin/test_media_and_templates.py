"""Media that the platform fetches itself, and utility templates that it reviews (platforms.md 2.1, 2.3 and 2.4)."""

import pytest

from tests.standin.conftest import PAGE, PSID, Standin

TEMPLATE = {"name": "order_shipped", "language": {"code": "de"}}


def code_of(answer) -> tuple[int, int | None]:
    error = answer.json()["error"]
    return error["code"], error.get("error_subcode")


def an_attachment(kind: str, **payload) -> dict:
    return {"attachment": {"type": kind, "payload": payload}}


async def upload(standin: Standin, kind: str, url: str):
    return await standin.graph("POST", "/me/message_attachments", json={"message": an_attachment(kind, url=url)})


async def utility(standin: Standin, *parameters: dict, **change):
    template = TEMPLATE | {"components": [{"type": "body", "parameters": list(parameters)}]} | change
    body = {"recipient": {"id": PSID}, "messaging_type": "UTILITY", "message": {"template": template}}
    return await standin.graph("POST", "/me/messages", json=body)


def a_parameter(text: str, **more) -> dict:
    return {"type": "text", "text": text, **more}


@pytest.mark.parametrize(
    ("_case", "kind", "path", "subcode"),
    [
        ("nothing there", "image", "/no/such/file/here", 2018008),
        ("another type", "video", f"/picture/{PAGE}/{PSID}.svg", 2018047),
    ],
)
async def test_a_file_that_cannot_be_had_is_not_uploaded(standin: Standin, _case, kind, path, subcode):
    answer = await upload(standin, kind, standin.url + path)

    assert (answer.status_code, code_of(answer)) == (400, (100, subcode))


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a.png", "https://example.invalid/a.png", "http://[/", "http://"])
async def test_an_address_that_does_not_answer_is_an_error_of_fetching(standin: Standin, url):
    assert code_of(await upload(standin, "image", url)) == (100, 2018008)


async def test_a_file_is_fetched_for_a_message_too_and_a_message_without_its_file_is_not_accepted(standin: Standin):
    body = {"recipient": {"id": PSID}, "messaging_type": "RESPONSE"}
    good = an_attachment("image", url=f"{standin.url}/picture/{PAGE}/{PSID}.svg")
    bad = an_attachment("image", url="http://127.0.0.1:1/a.png")

    assert code_of(await standin.graph("POST", "/me/messages", json={**body, "message": bad})) == (100, 2018008)
    assert await standin.ledger() == []
    assert (await standin.graph("POST", "/me/messages", json={**body, "message": good})).status_code == 200


async def test_a_listed_attachment_has_the_form_of_lists(standin: Standin):
    image = {"type": "image", "payload": {"url": "http://127.0.0.1:1/a.png"}}
    paper = {"type": "file", "payload": {"url": "http://127.0.0.1:1/a.pdf"}}
    mid = (await standin.deed("message", {"attachments": [image, paper]}))["mid"]

    answer = (await standin.graph("GET", f"/{mid}?fields=message,attachments")).json()

    pictured, filed = answer["attachments"]["data"]
    assert (answer["message"], pictured["image_data"]) == ("", {"url": "http://127.0.0.1:1/a.png"})
    assert (filed["file_url"], "type" in filed, "type" in pictured) == ("http://127.0.0.1:1/a.pdf", False, False)


async def test_what_a_person_took_back_is_in_no_list(standin: Standin):
    gone, kept = [(await standin.deed("message", {"text": text}))["mid"] for text in ("oops", "hello")]
    await standin.deed("unsend", {"mid": gone})

    answer = await standin.graph("GET", f"/{PAGE}/conversations?fields=messages{{id}}")

    assert [one["id"] for one in answer.json()["data"][0]["messages"]["data"]] == [kept]


async def test_a_template_is_reviewed_and_sent_outside_the_window_with_its_parameters(standin: Standin):
    body = {"type": "BODY", "text": "Hello {{1}}, {{2}} is on its way."}
    created = await standin.graph(
        "POST",
        f"/{PAGE}/message_templates",
        json={"name": "order_shipped", "language": "de", "category": "UTILITY", "components": [body]},
    )
    await standin.control("POST", "/clock", {"offset_s": 30 * 86_400})

    sent = await utility(standin, a_parameter("Ada"), a_parameter("order 5"))

    assert (created.json()["status"], created.json()["category"]) == ("APPROVED", "UTILITY")
    assert sent.status_code == 200
    [entry] = await standin.ledger()
    assert (entry["messaging_type"], entry["details"]) == ("UTILITY", {"template": "order_shipped"})
    thread = (await standin.control("GET", f"/customers/{PAGE}/{PSID}"))["messages"]
    assert thread[-1]["text"] == "Hello Ada, order 5 is on its way."


@pytest.mark.parametrize("status", ["PENDING", "REJECTED"])
async def test_a_template_that_is_not_approved_is_not_sent(standin: Standin, status):
    await standin.control(
        "POST",
        f"/pages/{PAGE}/templates",
        [{"name": "order_shipped", "language": "de", "body": "Hello", "status": status}],
    )

    assert code_of(await utility(standin)) == (100, None)
    assert await standin.ledger() == []


@pytest.mark.parametrize(
    ("_case", "parameters", "change"),
    [
        ("unknown", [], {"name": "order_lost"}),
        ("another language", [], {"language": {"code": "fr"}}),
        ("too few parameters", [], {}),
        ("too many parameters", [a_parameter("a"), a_parameter("b")], {}),
        ("a parameter of another name", [a_parameter("a", parameter_name="other")], {}),
        ("a parameter that is no text", [{"type": "image"}], {}),
        ("an empty parameter", [a_parameter("")], {}),
    ],
)
async def test_a_template_that_is_not_filled_rightly_is_refused(standin: Standin, _case, parameters, change):
    template = {"name": "order_shipped", "language": "de", "body": "Hello {{name}}"}
    await standin.control("POST", f"/pages/{PAGE}/templates", [template])

    assert code_of(await utility(standin, *parameters, **change)) == (100, None)
    assert (await utility(standin, a_parameter("Ada", parameter_name="name"))).status_code == 200


async def test_a_template_of_the_library_needs_no_text_and_a_changed_status_is_told(standin: Standin):
    names = [one["name"] for one in (await standin.graph("GET", "/message_template_library")).json()["data"]]
    borrowed = {"name": "mine", "language": "en", "category": "UTILITY", "library_template_name": names[0]}
    assert (await standin.graph("POST", f"/{PAGE}/message_templates", json=borrowed)).json()["status"] == "APPROVED"

    await standin.control("POST", f"/pages/{PAGE}/templates", [{"name": "mine", "status": "REJECTED"}])
    await standin.settled()

    [told] = standin.callback.items("messenger_template_status_update")
    assert (told["event"], told["message_template_name"]) == ("REJECTED", "mine")
    listed = (await standin.graph("GET", f"/{PAGE}/message_templates")).json()["data"]
    assert [(one["name"], one["status"]) for one in listed] == [("mine", "REJECTED")]
