"""The refusals of X, in both of its shapes: problem documents and `errors[]` with a code (platforms.md 4.3)."""

from standin.jsonish import Json

PROBLEMS = "https://api.x.com/2/problems/"
OF_CODE: dict[int, tuple[int, str]] = {
    32: (401, "Could not authenticate you."),
    88: (429, "Rate limit exceeded"),
    89: (401, "Invalid or expired token."),
    93: (403, "This application is not allowed to access or delete your direct messages."),
    150: (403, "You cannot send messages to users who are not following you."),
    151: (403, "There was an error sending your message."),
    187: (403, "Status is a duplicate."),
    226: (403, "This request looks like it might be automated."),
    349: (403, "You cannot send messages to this user."),
}
TITLES = {
    400: "Invalid Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found Error",
    429: "Too Many Requests",
}
TYPES = {400: PROBLEMS + "invalid-request", 404: PROBLEMS + "resource-not-found"}


class XError(Exception):
    """A refused call. With `code` it can be told in either shape."""

    def __init__(self, status: int, detail: str, *, code: int | None = None, kind: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code
        self.kind = kind

    def label(self) -> str:
        """How the refusal is counted."""
        return f"{self.status}/{self.code}" if self.code is not None else str(self.status)

    def body(self, legacy: bool) -> Json:
        """The body of the answer."""
        if legacy and self.code is not None:
            return {"errors": [{"code": self.code, "message": self.detail}]}
        kind = PROBLEMS + self.kind if self.kind is not None else TYPES.get(self.status, "about:blank")
        title = TITLES.get(self.status, "Error")
        body: Json = {"title": title, "detail": self.detail, "type": kind, "status": self.status}
        if self.status == 400:
            body["errors"] = [{"message": self.detail, "parameters": {}}]
        return body


class OAuthError(XError):
    """A refusal of the token endpoint, in the shape of RFC 6749 section 5.2."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(status, description)
        self.error = error

    def label(self) -> str:
        """How the refusal is counted."""
        return f"{self.status}/{self.error}"

    def body(self, legacy: bool) -> Json:
        """The body of the answer."""
        return {"error": self.error, "error_description": self.detail}


def coded(code: int) -> XError:
    """The refusal of a documented code."""
    status, message = OF_CODE[code]
    return XError(status, message, code=code)


def bad_request(detail: str) -> XError:
    """A request that is not as documented."""
    return XError(400, detail)


def not_found(what: str) -> XError:
    """Something that is not there, or not for this user."""
    return XError(404, f"Could not find {what}.")
