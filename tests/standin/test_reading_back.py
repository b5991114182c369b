"""Threads, messages, the phone, and the control API itself."""

from tests.standin.conftest import PAGE, PSID, Standin
from tests.standin.test_send_api import code_of

FIELDS = "id,updated_time,participants,messages.limit(2){id,from,to,message,created_time}"


async def test_a_thread_shows_both_sides_newest_first(standin: Standin):
    asked = (await standin.deed("message", {"text": "Open?"}))["mid"]
    said = (await standin.send("Yes")).json()["message_id"]

    query = {"platform": "messenger", "fields": FIELDS}
    (thread,) = (await standin.graph("GET", f"/{PAGE}/conversations", params=query)).json()["data"]

    assert thread["id"] == f"t_{PAGE}_{PSID}"
    assert {person["id"] for person in thread["participants"]["data"]} == {PAGE, PSID}
    newest, oldest = thread["messages"]["data"]
    assert (newest["id"], newest["from"]["id"], newest["to"]["data"][0]["id"]) == (said, PAGE, PSID)
    assert (oldest["id"], oldest["from"]["id"], oldest["message"]) == (asked, PSID, "Open?")
    assert newest["created_time"].endswith("+0000")


async def test_a_message_accepted_without_an_answer_is_in_the_list(standin: Standin):
    await standin.faults({"match": {"op": "send"}, "action": "garbage_200"})
    await standin.send("where am I?")

    query = {"fields": "messages{message}", "user_id": PSID}
    (thread,) = (await standin.graph("GET", f"/{PAGE}/conversations", params=query)).json()["data"]

    assert [row["message"] for row in thread["messages"]["data"]] == ["where am I?"]


async def test_threads_are_paged_and_the_third_call_in_a_second_is_throttled(standin: Standin):
    for psid in ("1", "2", "3"):
        await standin.deed("message", {"text": psid}, psid=psid)
    path = f"/{PAGE}/conversations?limit=2"

    first = (await standin.graph("GET", path)).json()
    second = (await standin.graph("GET", path + f"&after={first['paging']['cursors']['after']}")).json()
    third = await standin.graph("GET", path)

    assert len({row["id"] for row in first["data"] + second["data"]}) == 3
    assert code_of(third) == (80006, None)


async def test_one_message_is_read_by_its_id_and_by_its_own_page_only(standin: Standin):
    mid = (await standin.send("findable")).json()["message_id"]
    other = (await standin.control("POST", "/pages", {"id": "200", "name": "Other"}))["pages"][0]["access_token"]

    mine = await standin.graph("GET", f"/{mid}?fields=message,from")
    theirs = await standin.graph("GET", f"/{mid}?fields=message", other)

    assert (mine.json()["message"], mine.json()["from"]["id"]) == ("findable", PAGE)
    assert code_of(theirs) == (100, 33)


async def test_unknown_nodes_paths_and_methods_are_graph_errors(standin: Standin):
    await standin.control("POST", "/app", {"list_rate_per_s": 0})
    assert code_of(await standin.graph("GET", "/m_nothing")) == (100, 33)
    assert code_of(await standin.graph("GET", "/a/b/c/d")) == (2500, None)
    assert code_of(await standin.graph("DELETE", f"/{PAGE}/conversations")) == (100, 33)
    assert code_of(await standin.graph("GET", f"/{PAGE}/conversations?fields=a{{b")) == (2500, None)
    assert code_of(await standin.graph("GET", f"/{PAGE}/conversations?fields={'a{' * 5000}")) == (2500, None)
    assert code_of(await standin.graph("GET", f"/{PAGE}/conversations?limit=²")) == (100, None)


async def test_the_phone_shows_the_thread_escaped_and_writes_as_the_customer(standin: Standin):
    await standin.send("<b>offer</b>")
    url = f"{standin.url}/phone/{PAGE}/{PSID}"

    written = await standin.http.post(url, data={"text": "<script>alert(1)</script>"})
    shown = await standin.http.get(url)
    await standin.settled()

    assert written.status_code == 303
    assert "&lt;b&gt;offer&lt;/b&gt;" in shown.text
    assert "<script>" not in shown.text
    texts = [item["message"]["text"] for item in standin.callback.items("message")]
    assert "<script>alert(1)</script>" in texts
    assert f"/phone/{PAGE}/{PSID}" in (await standin.http.get(f"{standin.url}/phone")).text
    assert (await standin.http.get(f"{standin.url}/phone/404/1")).status_code == 404
    picture = (await standin.graph("GET", f"/{PSID}?fields=profile_pic")).json()["profile_pic"]
    assert (await standin.http.get(picture)).headers["Content-Type"] == "image/svg+xml"


async def test_the_control_api_names_what_is_wrong(standin: Standin):
    assert "settings" in str(await standin.control("POST", "/app", {"settings": 1}, status=422))
    assert "list_rate_per_s" in str(await standin.control("POST", "/app", {"list_rate_per_s": "2"}, status=422))
    assert "item" in str(await standin.control("POST", "/app", {"webhook_retry_ms": ["soon"]}, status=422))
    assert "price" in str(await standin.control("POST", "/app", {"price": "cheap"}, status=422))
    assert "unknown page" in str(await standin.control("POST", "/customers", {"page": "x", "psid": "1"}, status=422))
    assert "unknown deed" in str(await standin.control("POST", f"/customers/{PAGE}/{PSID}/dance", {}, status=422))
    assert "unknown page" in str(await standin.control("POST", "/customers/404/1/read", {}, status=404))
    assert "unknown person" in str(await standin.control("POST", "/pages", {"id": "1", "people": ["x"]}, status=422))


async def test_secrets_are_never_shown_and_a_reset_keeps_the_app(standin: Standin):
    shown = await standin.control("POST", "/app", {"read_ms": None})
    assert "app-secret" not in str(shown)
    assert "verify-me" not in str(shown)

    await standin.send()
    await standin.control("POST", "/reset")

    assert (await standin.control("GET", "/app"))["read_ms"] is None
    assert await standin.ledger() == []
    assert code_of(await standin.send()) == (190, None)


async def test_a_person_who_never_reads_gives_a_delivery_and_no_read(standin: Standin):
    await standin.control("POST", "/customers", {"page": PAGE, "psid": "8", "wrote_s_ago": 1, "read_ms": None})
    await standin.send(psid="8")
    await standin.settled()

    assert len(standin.callback.items("delivery")) == 1
    assert standin.callback.items("read") == []
