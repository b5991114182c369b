"""What all control calls have in common: JSON in and out, 422 for a body that says nothing, 404 for a name that nobody has."""

from collections.abc import Awaitable, Callable

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from standin.jsonish import BadBody, Json, as_dict, loads

Work = Callable[[Request, object], Awaitable[object]]


class UnknownId(BadBody):
    """The path names something that is not there; answered with 404."""


def route(path: str, work: Work, method: str) -> Route:
    """A control call at this path; what `work` returns is the answer, as JSON unless it is a response."""

    async def endpoint(request: Request) -> Response:
        try:
            raw = await request.body()
            answer = await work(request, loads(raw) if raw else {})
        except BadBody as error:
            return as_json({"error": str(error)}, 404 if isinstance(error, UnknownId) else 422)
        return answer if isinstance(answer, Response) else as_json(answer)

    return Route(f"/control{path}", endpoint, methods=[method])


def as_json(body: object, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body), status, media_type="application/json")


def an_object(body: object) -> Json:
    """The body, if it is an object; else `BadBody`."""
    found = as_dict(body)
    if found is None:
        raise BadBody("an object is required")
    return found
