"""Requests and answers of the OAuth endpoints, free of any HTTP framework; and what is refused before the database."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError, OAuth2Error, OAuth2Payload, OAuth2Request

_ODD = re.compile(r"[^A-Za-z0-9:._-]")
"""Authlib quotes these two parameters in its refusals, where only some letters may stand (RFC 6749, 5.2)."""
MAX_PARAMETER = 4_000


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `parameters` are those of the query (GET) or of the form (POST), in order, with repetitions."""

    method: str
    path: str
    parameters: Sequence[tuple[str, str]] = field(repr=False)
    authorization: str | None = field(default=None, repr=False)

    def first(self, name: str) -> str | None:
        """Return a parameter; one without a value counts as missing (RFC 6749, 3.1)."""
        return next((value for key, value in self.parameters if key == name and value), None)

    def client_id(self) -> str | None:
        """Return the id of the client that asks, from HTTP Basic or from the parameters."""
        basic = self._basic()
        return self.first("client_id") if basic is None else basic[0]

    def _basic(self) -> tuple[str, str] | None:
        if self.authorization is None:
            return None
        kind, _, encoded = self.authorization.partition(" ")
        try:
            name, mark, secret = base64.b64decode(encoded, validate=True).decode("ascii").partition(":")
        except (binascii.Error, ValueError):
            name, mark, secret = "", "", ""
        if kind.lower() != "basic" or not mark:
            raise InvalidClientError(description="The Authorization header is not HTTP Basic.", status_code=401)
        return unquote(name), unquote(secret)

    def check(self) -> None:
        """Raise OAuth2Error for a repeated or oversized parameter, or two ways of authentication (RFC 6749, 2.3, 3.2)."""
        names = [name for name, _ in self.parameters]
        if len(set(names)) < len(names):
            raise InvalidRequestError("A parameter is repeated.")
        if any(len(value) > MAX_PARAMETER for _, value in self.parameters):
            raise InvalidRequestError("A parameter is too long.")
        basic = self._basic()
        if basic is None:
            return
        if self.first("client_secret") or self.first("client_id") not in {None, basic[0]}:
            raise InvalidRequestError("The client authenticates in two ways.")


class _Parameters(OAuth2Payload):
    def __init__(self, parameters: Iterable[tuple[str, str]]) -> None:
        self._list: dict[str, list[str]] = {}
        for name, value in parameters:
            if value:
                plain = _ODD.sub(".", value) if name in {"response_type", "grant_type"} else value
                self._list.setdefault(name, []).append(plain)

    @property
    def data(self) -> dict[str, str]:
        return {name: values[0] for name, values in self._list.items()}

    @property
    def datalist(self) -> dict[str, list[str]]:
        return self._list


class Request(OAuth2Request):
    """A request as Authlib reads it."""

    def __init__(self, asked: Asked, issuer: str) -> None:
        super().__init__(asked.method, issuer + asked.path)
        self.headers = {} if asked.authorization is None else {"Authorization": asked.authorization}
        self.payload = _Parameters(asked.parameters)
        self.grant_id = None
        self.successor_id = None

    @property
    def form(self) -> dict[str, str]:
        """Return the form; only endpoints that are reached by POST ask for it."""
        return self.payload.data


@dataclass(slots=True)
class Reply:
    """One answer. `body` becomes JSON; "" stands for none."""

    status: int
    body: Mapping[str, object] | str = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def location(self) -> str | None:
        """Return where the browser is sent, if it is sent anywhere."""
        return self.headers.get("Location")

    @location.setter
    def location(self, value: str) -> None:
        self.headers["Location"] = value


def refusal(error: OAuth2Error, issuer: str = "") -> Reply:
    """Write an error as its specification asks for: JSON, or a redirect if the request's address was found valid.

    A redirect names the issuer (RFC 9207), so that an app that talks to several servers cannot be confused.
    """
    status, body, headers = error()
    reply = Reply(status, body, dict(headers))
    if reply.location is not None:
        reply.location = add_params_to_uri(reply.location, {"iss": issuer}.items())
    return reply


def malformed(description: str) -> Reply:
    """Write the answer to a request that cannot be read."""
    return refusal(InvalidRequestError(description))
