"""The fault plan: what goes wrong on the wire, and what the ledger says about it."""

import json

import httpx
import pytest

from tests.standin.conftest import PAGE, PSID, Standin
from tests.standin.test_send_api import code_of

SEND = {"op": "send"}


async def test_a_message_whose_answer_is_dropped_stands_in_the_ledger_and_its_echo_comes(standin: Standin):
    await standin.faults({"match": SEND, "action": "drop_after_accept", "times": 1})

    with pytest.raises(httpx.RemoteProtocolError, match="disconnected without sending"):
        await standin.send("lost answer", message={"metadata": "sb1:a:1"})
    await standin.settled()

    (entry,) = await standin.ledger()
    assert (entry["reference"], entry["fault"]) == ("a", "drop_after_accept")
    assert standin.callback.items("message")[0]["message"]["metadata"] == "sb1:a:1"
    assert (await standin.send()).status_code == 200
    assert await standin.calls("send") == {"fault:drop_after_accept": 1, "200": 1}


async def test_a_message_dropped_before_it_is_accepted_is_nowhere(standin: Standin):
    await standin.faults({"match": SEND, "action": "drop_before_accept", "times": 1})

    with pytest.raises(httpx.TransportError):
        await standin.send()

    assert await standin.ledger() == []


async def test_resending_the_same_reference_is_a_duplicate_in_the_summary(standin: Standin):
    for metadata in ("sb1:a:1", "sb1:a:2", "sb1:b:1"):
        await standin.send(message={"metadata": metadata})

    summary = await standin.control("GET", "/ledger/summary")

    assert summary["accepted"] == 3
    assert summary["by_page"] == {PAGE: 3}
    assert summary["references"] == 2
    assert summary["duplicates"] == [{"reference": "a", "count": 2, "seqs": [1, 2]}]


async def test_an_error_rule_answers_in_the_shape_of_graph_with_the_headers_asked_for(standin: Standin):
    rule = {"match": SEND, "action": "error", "status": 500, "code": 2, "is_transient": True}
    await standin.faults({**rule, "retry_after": "Fri, 31 Dec 2999 23:59:59 GMT", "regain_minutes": 7})

    answer = await standin.send()

    assert (answer.status_code, code_of(answer)) == (500, (2, None))
    assert answer.json()["error"]["is_transient"] is True
    assert answer.headers["Retry-After"].endswith("GMT")
    assert '"estimated_time_to_regain_access":7' in answer.headers["X-Business-Use-Case-Usage"]
    assert await standin.ledger() == []


async def test_an_error_can_lie_about_an_accepted_message(standin: Standin):
    await standin.faults({"match": SEND, "action": "error", "status": 503, "body": "<h1>down</h1>", "accept": True})

    answer = await standin.send()

    assert (answer.status_code, answer.text) == (503, "<h1>down</h1>")
    assert len(await standin.ledger()) == 1


@pytest.mark.parametrize(
    ("action", "claim"),
    [
        ("garbage_200", lambda text: text.startswith("<html>")),
        ("truncated_json", lambda text: text.startswith('{"recipient_id"') and not text.endswith("}")),
        ("no_id_200", lambda text: json.loads(text) == {}),
    ],
)
async def test_a_useless_answer_hides_an_accepted_message(standin: Standin, action, claim):
    await standin.faults({"match": SEND, "action": action})

    answer = await standin.send()

    assert answer.status_code == 200
    assert claim(answer.text)
    assert len(await standin.ledger()) == 1


async def test_late_hanging_and_slow_answers_run_into_the_time_limit_of_the_client(standin: Standin):
    await standin.faults({"match": SEND, "action": "late_after_accept", "delay_ms": 60})
    answer = await standin.send()
    assert (answer.status_code, answer.elapsed.total_seconds() >= 0.06) == (200, True)

    for rule in ({"action": "hang"}, {"action": "slow_body", "delay_ms": 500}):
        await standin.faults({"match": SEND, **rule})
        headers = {"Authorization": f"Bearer {standin.token}"}
        body = {"recipient": {"id": PSID}, "message": {"text": "x"}}
        with pytest.raises(httpx.ReadTimeout):
            await standin.http.post(f"{standin.url}/v25.0/me/messages", json=body, headers=headers, timeout=0.15)
    assert len(await standin.ledger()) == 2


async def test_a_hang_with_an_end_drops_the_connection_then(standin: Standin):
    await standin.faults({"match": SEND, "action": "hang", "delay_ms": 50})

    with pytest.raises(httpx.RemoteProtocolError):
        await standin.send()


async def test_a_huge_body_is_as_long_as_announced_and_a_redirect_points_away(standin: Standin):
    await standin.faults({"match": SEND, "action": "huge_body", "size": 1_000_000, "times": 1})
    assert len((await standin.send()).content) == 1_000_000

    await standin.faults({"match": SEND, "action": "redirect"})
    answer = await standin.send()
    assert (answer.status_code, answer.headers["Location"]) == (302, "http://127.0.0.1:1/")
    assert len(await standin.ledger()) == 1


async def test_the_same_seed_gives_the_same_decisions_and_another_seed_others(standin: Standin):
    async def outcome(seed: int) -> list[int]:
        await standin.faults({"match": SEND, "action": "error", "probability": 0.5}, seed=seed)
        return [(await standin.send()).status_code for _ in range(24)]

    first, again, other = await outcome(7), await outcome(7), await outcome(8)

    assert first == again
    assert first != other
    assert set(first) == {200, 400}


async def test_rules_match_by_page_person_and_turn(standin: Standin):
    await standin.control("POST", "/customers", {"page": PAGE, "psid": "9002", "wrote_s_ago": 1})
    await standin.faults(
        {"match": {"op": "send", "page": PAGE, "person": "9002"}, "action": "error", "code": 551},
        {"match": {"path": "/messages"}, "action": "error", "code": 2, "skip": 1, "every_nth": 2},
    )

    answers = [await standin.send(psid=psid) for psid in ("9002", PSID, PSID, PSID, PSID, PSID)]

    codes = [None if answer.status_code == 200 else code_of(answer)[0] for answer in answers]
    assert codes == [551, None, None, 2, None, 2]
    assert (await standin.control("GET", "/faults"))["hits"] == [1, 2]
    await standin.control("DELETE", "/faults")
    assert (await standin.send(psid="9002")).status_code == 200


async def test_a_message_that_validation_refuses_gets_its_true_error_despite_a_fault(standin: Standin):
    await standin.faults({"match": SEND, "action": "drop_after_accept"})

    assert code_of(await standin.send(psid="404")) == (100, 2018001)


@pytest.mark.parametrize(
    "plan",
    [
        {"rules": [{"action": "explode"}]},
        {"rules": [{"match": {"op": "sned"}, "action": "hang"}]},
        {"rules": [{"match": {"op": "webhook"}, "action": "hang"}]},
        {"rules": [{"action": "hang", "every_nth": 0}]},
        {"rules": [{"action": "hang", "propability": 1}]},
        {"webhooks": {"dropp": 1}},
        {"rule": []},
    ],
)
async def test_a_plan_with_a_mistake_is_refused_and_the_old_one_stays(standin: Standin, plan):
    await standin.faults({"match": SEND, "action": "error", "code": 2})

    await standin.control("PUT", "/faults", plan, status=422)

    assert code_of(await standin.send()) == (2, None)
