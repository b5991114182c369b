"""Marketing messages: consent tokens, caps, campaigns, money."""

import pytest

from tests.standin.conftest import PAGE, PSID, Standin
from tests.standin.test_send_api import code_of


async def a_campaign(standin: Standin) -> str:
    body = {"name": "Spring", "page_id": PAGE, "daily_budget": "5000"}
    return (await standin.graph("POST", "/act_55/message_campaign", json=body)).json()["id"]


async def market(standin: Standin, campaign: str, token: str):
    body = {
        "message_id": campaign,
        "messenger_delivery_data": {"subscription_token": token},
        "message": {"text": "Frühling!"},
    }
    return await standin.graph("POST", "/act_55/messages", json=body)


async def an_optin(standin: Standin, psid: str = PSID, **body) -> str:
    return (await standin.deed("optin", body, psid=psid))["notification_messages_token"]


async def test_a_marketing_message_is_answered_with_a_tracking_id_and_reported_by_webhooks(standin: Standin):
    token, campaign = await an_optin(standin), await a_campaign(standin)

    answer = (await market(standin, campaign, token)).json()
    await standin.settled()

    assert set(answer) == {"success", "marketing_message_tracking_id"}
    (entry,) = await standin.ledger()
    assert (entry["kind"], entry["campaign"], entry["person"]) == ("marketing", campaign, PSID)
    assert entry["tracking_id"] == answer["marketing_message_tracking_id"]
    for field in ("echoes", "deliveries", "reads"):
        (value,) = standin.callback.items(f"marketing_message_{field}")
        assert value | {"timestamp": 0} == {
            "recipient_id": PSID,
            "page_id": PAGE,
            "app_id": "4711",
            "timestamp": 0,
            "mid": entry["mid"],
            "marketing_message_tracking_id": entry["tracking_id"],
            "messenger_subscription_token": token,
            "message_id": campaign,
        }


async def test_the_optin_and_its_stop_are_announced(standin: Standin):
    token = await an_optin(standin, payload="NEWS", title="Weekly")
    await standin.deed("stop", {"token": token})
    await standin.deed("resume")
    await standin.settled()

    yes, stop, resume = (item["optin"] for item in standin.callback.items("optin"))
    assert (yes["type"], yes["payload"], yes["title"]) == ("notification_messages", "NEWS", "Weekly")
    assert yes["notification_messages_token"] == stop["notification_messages_token"] == token
    assert yes["token_expiry_timestamp"] > 10**12
    assert stop["notification_messages_status"] == "STOP NOTIFICATIONS"
    assert resume["notification_messages_status"] == "RESUME NOTIFICATIONS"


async def test_a_token_takes_one_message_in_twelve_hours(standin: Standin):
    token, campaign = await an_optin(standin), await a_campaign(standin)
    assert (await market(standin, campaign, token)).status_code == 200

    assert code_of(await market(standin, campaign, token)) == (4, 2018354)
    await standin.control("POST", "/clock", {"offset_s": 12 * 3600 - 5})
    assert code_of(await market(standin, campaign, token)) == (4, 2018354)
    await standin.control("POST", "/clock", {"offset_s": 12 * 3600})
    assert (await market(standin, campaign, token)).status_code == 200

    summary = await standin.control("GET", "/ledger/summary")
    assert summary["duplicates"] == [{"reference": f"campaign:{campaign}:{PSID}", "count": 2, "seqs": [1, 2]}]


async def test_stopped_expired_and_unknown_tokens_are_refused(standin: Standin):
    campaign = await a_campaign(standin)
    stopped, expired = await an_optin(standin), await an_optin(standin, psid="9002", expires_s=0)
    await standin.deed("stop")

    assert code_of(await market(standin, campaign, stopped)) == (10, 1893015)
    assert code_of(await market(standin, campaign, expired)) == (100, 33)
    assert code_of(await market(standin, campaign, "notification_messages_0")) == (100, 33)
    assert code_of(await market(standin, "1", stopped)) == (100, 33)
    assert await standin.ledger() == []


@pytest.mark.parametrize(
    ("price", "spend", "per_delivered"),
    [("0.0141", "0.04", "0.014100"), ("0.5", "1.50", "0.500000"), ("0.015", "0.05", "0.015000")],
)
async def test_insights_give_every_number_as_text(standin: Standin, price, spend, per_delivered):
    await standin.control("POST", "/app", {"price": price})
    campaign = await a_campaign(standin)
    assert (await standin.graph("GET", f"/{campaign}/insights")).json() == {"data": []}
    for psid in ("1", "2", "3", "4"):
        token = await an_optin(standin, psid=psid)
        if psid == "4":
            await standin.deed("block", psid=psid)
        assert (await market(standin, campaign, token)).status_code == 200
    await standin.deed("click", {"campaign": campaign}, psid="1")
    await standin.settled()

    (row,) = (await standin.graph("GET", f"/{campaign}/insights")).json()["data"]

    del row["date_start"], row["date_stop"]
    assert row == {
        "marketing_messages_sent": "4",
        "marketing_messages_delivered": "3",
        "marketing_messages_spend": spend,
        "marketing_messages_cost_per_delivered": per_delivered,
        "marketing_messages_link_btn_click": "1",
        "marketing_messages_read_rate": "1.000000",
    }
    one = await standin.graph("GET", f"/{campaign}/insights?fields=account_currency")
    assert one.json()["data"][0]["account_currency"] == "EUR"
    (failed,) = standin.callback.items("marketing_message_delivery_failed")
    assert (failed["recipient_id"], bool(failed["error_message"])) == ("4", True)


async def test_tokens_of_a_page_are_listed_without_the_stopped_ones(standin: Standin):
    first, second = await an_optin(standin, psid="1"), await an_optin(standin, psid="2")
    await standin.deed("stop", psid="2")

    listed = (await standin.graph("GET", f"/{PAGE}/notification_message_tokens")).json()["data"]
    one = await standin.graph("GET", f"/{first}?fields=next_eligible_time,recipient_id")

    assert [row["notification_messages_token"] for row in listed] == [first]
    assert one.json()["recipient_id"] == "1"
    assert second not in str(listed)


@pytest.mark.parametrize(
    "change",
    [{"daily_budget": None}, {"daily_budget": "0"}, {"lifetime_budget": "5"}, {"page_id": "404"}, {"name": None}],
)
async def test_a_campaign_needs_a_name_its_page_and_one_budget(standin: Standin, change):
    body = {"name": "Spring", "page_id": PAGE, "daily_budget": "5000"} | change
    body = {key: value for key, value in body.items() if value is not None}

    answer = await standin.graph("POST", "/act_55/message_campaign", json=body)

    assert code_of(answer)[0] == 100


async def test_a_token_of_another_page_does_not_reach_the_campaign(standin: Standin):
    campaign, optin = await a_campaign(standin), await an_optin(standin)
    other = (await standin.control("POST", "/pages", {"id": "200", "name": "Other"}))["pages"][0]["access_token"]

    assert code_of(await standin.graph("GET", f"/{campaign}/insights", other)) == (200, None)
    standin.token = other
    assert code_of(await market(standin, campaign, optin)) == (200, None)
