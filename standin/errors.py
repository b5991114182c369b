"""Graph errors in Meta's nested shape, with the codes of the public error pages."""

import secrets

from standin.jsonish import Json


class GraphError(Exception):
    """A refusal of the Graph API. Becomes `{error: {…}}` with the given HTTP status."""

    def __init__(
        self,
        code: int,
        message: str,
        subcode: int | None = None,
        *,
        status: int = 400,
        kind: str = "OAuthException",
        is_transient: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.subcode = subcode
        self.status = status
        self.kind = kind
        self.is_transient = is_transient

    def body(self) -> Json:
        """The answer's JSON, each time with a fresh trace id."""
        error: Json = {"message": self.message, "type": self.kind, "code": self.code}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.is_transient:
            error["is_transient"] = True
        error["fbtrace_id"] = f"A{secrets.token_urlsafe(16)}"
        return {"error": error}

    def label(self) -> str:
        """How the call counters name this answer, as in `400:10/2018278`."""
        return f"{self.status}:{self.code}" + (f"/{self.subcode}" if self.subcode is not None else "")


def bad_parameter(message: str, subcode: int | None = None) -> GraphError:
    """Code 100."""
    return GraphError(100, f"(#100) {message}", subcode)


def object_gone(node: str) -> GraphError:
    """Code 100, subcode 33: the id does not exist or is not visible to this token."""
    text = (
        f"Unsupported request. Object with ID '{node[:80]}' does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation."
    )
    return GraphError(100, text, 33, kind="GraphMethodException")


def no_permission(message: str, subcode: int | None = None) -> GraphError:
    """Code 200."""
    return GraphError(200, f"(#200) {message}", subcode, status=403)


def dead_token(subcode: int | None) -> GraphError:
    """Code 190: the person must connect again."""
    texts = {
        458: "The user has not authorized the application.",
        459: "You cannot access the app till you log in and follow the instructions given.",
        460: "The session has been invalidated because the user changed their password.",
        463: "Session has expired.",
        464: "Sessions for the user are not allowed because the user is not a confirmed user.",
        467: "The access token is invalid since the user has logged out.",
    }
    text = texts.get(subcode or 0, "Invalid OAuth access token.")
    return GraphError(190, f"Error validating access token: {text}", subcode, status=401)


def outside_window() -> GraphError:
    """Code 10, subcode 2018278."""
    return GraphError(10, "(#10) This message is sent outside of allowed window.", 2018278)


def no_such_person() -> GraphError:
    """Code 100, subcode 2018001."""
    return bad_parameter("No matching user found", 2018001)
