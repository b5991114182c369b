"""The wrong answers of the fault plan in Graph's shapes."""

from starlette.responses import Response

from standin.errors import GraphError
from standin.faults import Rule
from standin.graph import Call, respond
from standin.jsonish import number_or_none, text_or_none, whole_or_none
from standin.wrong import wrong_answer

IDS = ("message_id", "recipient_id", "id", "marketing_message_tracking_id", "attachment_id", "access_token")


async def faulty(call: Call, rule: Rule, true_answer: Response | None) -> Response:
    """The answer that the rule asks for. `true_answer` is there when the call was carried out."""
    return await wrong_answer(rule, true_answer, lambda chosen: _error(call, chosen), IDS)


def _error(call: Call, rule: Rule) -> Response:
    details = rule.details
    status = whole_or_none(details, "status") or 400
    regain = number_or_none(details, "regain_minutes")
    body = details.get("body")
    if isinstance(body, str):
        return Response(body, status, media_type="text/html")
    error = GraphError(
        whole_or_none(details, "code") or 1,
        text_or_none(details, "message") or "An unknown error occurred.",
        whole_or_none(details, "subcode"),
        status=status,
        is_transient=details.get("is_transient") is True,
    )
    return respond(call, error.body() if body is None else body, status, None if regain is None else int(regain))
