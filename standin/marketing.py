"""Marketing messages: opt-in tokens, campaigns, sends that cost money, insights with numbers as strings."""

from decimal import ROUND_HALF_UP, Decimal

from standin.accounts import reaches
from standin.content import check_message
from standin.errors import bad_parameter, no_permission, object_gone
from standin.graph import Call, choose, cursor_page, graph_time, need_scope, page_of, throttle, token_of
from standin.jsonish import Json, as_dict
from standin.send_api import check_optin, record
from standin.state import AdAccount, Campaign, Message, OptinToken, Token, World

MARKETING_SCOPES = ("paid_marketing_messages", "marketing_messages_messenger")
OPTIN_FIELDS = "notification_messages_token,recipient_id,creation_timestamp,token_expiry_timestamp,user_token_status"
INSIGHT_FIELDS = (
    "marketing_messages_sent,marketing_messages_delivered,marketing_messages_spend,"
    "marketing_messages_cost_per_delivered,marketing_messages_link_btn_click,marketing_messages_read_rate"
)


async def tokens(call: Call) -> Json:
    """GET /{page}/notification_message_tokens: stopped and expired ones are left out."""
    page, token = page_of(call)
    need_scope(call, token, "pages_messaging", *MARKETING_SCOPES)
    world = call.run.world
    now = world.now_ms()
    wanted = call.fields(OPTIN_FIELDS)
    rows = [
        (item.value, choose(_token_row(world, item), wanted))
        for item in world.optins.values()
        if item.page == page.id and not item.is_stopped and item.expires_ms > now
    ]
    return cursor_page(call, rows, call.limit(100, 1_000))


async def token_node(call: Call) -> Json:
    """GET /notification_messages_…."""
    item = call.run.world.optins.get(call.segments[0])
    token = token_of(call)
    if item is None or token.page != item.page:
        raise object_gone(call.segments[0])
    return choose(_token_row(call.run.world, item), call.fields(OPTIN_FIELDS))


async def create_campaign(call: Call) -> Json:
    """POST /act_…/message_campaign with name, page_id and one budget in cents."""
    account, token = _account(call)
    page_id = call.need("page_id")
    page = call.run.world.pages.get(page_id)
    if page is None or page.ad_account != account.id:
        raise object_gone(page_id)
    _check_reach(call, token, page_id)
    budgets = [name for name in ("daily_budget", "lifetime_budget") if call.param(name) is not None]
    if len(budgets) != 1:
        raise bad_parameter("Exactly one of daily_budget, lifetime_budget is required.")
    cents = call.need(budgets[0])
    if not cents.isdecimal() or int(cents) < 1:
        raise bad_parameter(f"Param {budgets[0]} must be a positive integer.")
    campaign = Campaign(call.run.world.new_id(), account.id, page_id, call.need("name"), call.run.world.now_ms())
    call.run.world.campaigns[campaign.id] = campaign
    return {"id": campaign.id}


async def send(call: Call) -> Json:
    """POST /act_…/messages: one marketing message to one opt-in token."""
    account, token = _account(call)
    campaign = call.run.world.campaigns.get(call.need("message_id"))
    if campaign is None or campaign.account != account.id:
        raise object_gone(call.need("message_id"))
    _check_reach(call, token, campaign.page)
    page = call.run.world.pages[campaign.page]
    delivery = as_dict(call.params.get("messenger_delivery_data"))
    value = delivery.get("subscription_token") if delivery is not None else None
    message_body = as_dict(call.params.get("message"))
    if not isinstance(value, str) or message_body is None:
        raise bad_parameter("messenger_delivery_data[subscription_token] and message are required.")
    content = check_message(message_body, page.id, call.run.world.attachments)
    throttle(call, page, "send", call.run.world.config.send_rate_per_s)
    optin = check_optin(call, page, value)
    world = call.run.world
    now = optin.last_sent_ms = world.now_ms()
    campaign.sent += 1
    message = Message(
        world.new_mid(), page.id, optin.psid, True, content.text, content.attachments, now, content.metadata
    )
    tracking = world.new_id()
    world.add_message(page.customers[optin.psid], message)
    record(call, token, message, "marketing", campaign=campaign.id, tracking_id=tracking)
    call.run.receipts.follow_marketing(page, optin, campaign, message.mid, tracking)
    return {"success": True, "marketing_message_tracking_id": tracking}


async def campaign_node(call: Call) -> Json:
    """GET /{campaign}."""
    campaign = _campaign(call)
    row: Json = {"id": campaign.id, "name": campaign.name, "page_id": campaign.page, "status": "ACTIVE"}
    return choose(row, call.fields("id,name"))


async def insights(call: Call) -> Json:
    """GET /{campaign}/insights: no row before the first send."""
    campaign = _campaign(call)
    if not campaign.sent:
        return {"data": []}
    row = insight_row(call.run.world, campaign)
    wanted = call.fields(INSIGHT_FIELDS)
    return {"data": [{key: value for key, value in row.items() if key in wanted or key.startswith("date_")}]}


def insight_row(world: World, campaign: Campaign) -> Json:
    """The counts and the money of one campaign, every number as text."""
    spend = Decimal(world.config.price) * campaign.delivered
    per_delivered = Decimal(world.config.price) if campaign.delivered else Decimal(0)
    rate = Decimal(campaign.read) / campaign.delivered if campaign.delivered else Decimal(0)
    account = world.ad_accounts[campaign.account]
    return {
        "marketing_messages_sent": str(campaign.sent),
        "marketing_messages_delivered": str(campaign.delivered),
        "marketing_messages_spend": _rounded(spend, world.config.spend_decimals),
        "marketing_messages_cost_per_delivered": _rounded(per_delivered, 6),
        "marketing_messages_link_btn_click": str(campaign.clicks),
        "marketing_messages_read_rate": _rounded(rate, 6),
        "account_currency": account.currency,
        "date_start": graph_time(campaign.created_ms)[:10],
        "date_stop": graph_time(world.now_ms())[:10],
    }


def _rounded(value: Decimal, places: int) -> str:
    return str(value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))


def _token_row(world: World, item: OptinToken) -> Json:
    next_ms = world.now_ms()
    if item.last_sent_ms is not None:
        next_ms = max(next_ms, item.last_sent_ms + world.config.marketing_interval_s * 1000)
    return {
        "id": item.value,
        "notification_messages_token": item.value,
        "recipient_id": item.psid,
        "creation_timestamp": item.created_ms,
        "token_expiry_timestamp": item.expires_ms,
        "user_token_status": "NOT_REFRESHED",
        "notification_messages_reoptin": "ENABLED",
        "topic_title": item.title,
        "notification_messages_timezone": item.timezone,
        "next_eligible_time": next_ms,
    }


def _account(call: Call) -> tuple[AdAccount, Token]:
    token = token_of(call)
    need_scope(call, token, "ads_management")
    need_scope(call, token, *MARKETING_SCOPES)
    account = call.run.world.ad_accounts.get(call.segments[0])
    if account is None:
        raise object_gone(call.segments[0])
    return account, token


def _campaign(call: Call) -> Campaign:
    token = token_of(call)
    campaign = call.run.world.campaigns.get(call.segments[0])
    if campaign is None:
        raise object_gone(call.segments[0])
    _check_reach(call, token, campaign.page)
    return campaign


def _check_reach(call: Call, token: Token, page_id: str) -> None:
    page = call.run.world.pages[page_id]
    reached = token.page == page_id if token.kind == "PAGE" else reaches(call, token, page)
    if not reached or not token.may_use(page_id):
        raise no_permission("The token does not reach this page or ad account.")
