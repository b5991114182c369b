"""A stand-in OpenID provider: a real HTTP server that signs by itself, and can be told to do wrong.

It was written from OpenID Connect Core 1.0, Discovery 1.0, RFC 7636 and RFC 9207, and shares no code with the server.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import unquote, urlencode

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.api import serving

HTML = "<script>alert(1)</script>"


class Fault(StrEnum):
    """What the provider does wrong, or only differently."""

    WRONG_NONCE = "another nonce"
    NO_NONCE = "no nonce"
    WRONG_AUDIENCE = "the token of another client"
    MORE_AUDIENCES = "a token for another client too"
    AUTHORIZED_PARTY = "another audience, with us as the authorized party"
    WRONG_ISSUER = "another issuer in the token"
    UNSIGNED = "alg none"
    EXPIRED = "a token of yesterday"
    NO_EXPIRY = "a token without an end"
    NO_SUBJECT = "a token without a subject"
    HMAC_SECRET = "HS256 with the client's secret"
    HMAC_PUBLIC_KEY = "HS256 with the public key as the secret"
    FOREIGN_KEY = "a key that is not published"
    CHANGED = "claims that were changed after signing"
    NO_ID_TOKEN = "no id_token"
    NOT_JSON = "a token answer that is no JSON"
    NO_ISS = "no iss beside the code"
    FOREIGN_ISS = "the iss of another provider beside the code"
    ERROR = "an error with HTML"
    EMAIL_ELSEWHERE = "the address at the userinfo endpoint"
    FOREIGN_USERINFO = "the userinfo of somebody else"


@dataclass(slots=True)
class Somebody:
    """Who is signed in at the provider."""

    subject: str
    email: str | None
    is_verified: object = True
    name: str = "Ada"


@dataclass(slots=True)
class OidcProvider:
    """One provider with one client of it."""

    name: str
    client_id: str
    client_secret: str
    redirect_uri: str
    issuer: str = ""
    somebody: Somebody = field(default_factory=lambda: Somebody("nobody", None))
    fault: Fault | None = None
    published: dict[str, Any] = field(default_factory=dict)
    """What discovery says besides, or instead."""
    asked: list[str] = field(default_factory=list)
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)
    _tokens: dict[str, Somebody] = field(default_factory=dict)

    @property
    def configured(self) -> dict[str, str]:
        """Return its entry in OIDC_PROVIDERS."""
        return {
            "name": self.name,
            "title": f"The <{self.name}> people",
            "issuer": self.issuer,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }

    def app(self) -> Starlette:
        """Return its server."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discover),
                Route("/keys", self._keys),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/userinfo", self._userinfo),
            ]
        )

    async def _discover(self, _request: Request) -> Response:
        self.asked.append("discovery")
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "jwks_uri": f"{self.issuer}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                # It claims more than anybody should accept.
                "id_token_signing_alg_values_supported": ["none", "HS256", "RS256"],
                "authorization_response_iss_parameter_supported": True,
            }
            | self.published
        )

    async def _keys(self, _request: Request) -> Response:
        numbers = self.key.public_key().public_numbers()
        one = {"kty": "RSA", "kid": "1", "use": "sig", "alg": "RS256", "n": _number(numbers.n), "e": _number(numbers.e)}
        return JSONResponse({"keys": [one]})

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["client_id"] == self.client_id, "another client"
        assert asked["redirect_uri"] == self.redirect_uri, "another way back"
        assert asked["response_type"] == "code"
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        assert min(len(asked["code_challenge"]), len(asked["state"]), len(asked["nonce"])) >= 22
        told = {"state": asked["state"]}
        if self.fault is not Fault.NO_ISS:
            told["iss"] = "https://evil.test" if self.fault is Fault.FOREIGN_ISS else self.issuer
        if self.fault is Fault.ERROR:
            told |= {"error": HTML, "error_description": HTML, "error_uri": f"javascript:{HTML}"}
        else:
            told["code"] = secrets.token_urlsafe(24)
            self._codes[told["code"]] = asked
        return RedirectResponse(f"{self.redirect_uri}?{urlencode(told)}", 302)

    async def _token(self, request: Request) -> Response:
        self.asked.append("token")
        form = dict(await request.form())
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        who = base64.b64decode(given).decode().split(":") if scheme == "Basic" else []
        if [unquote(one) for one in who] != [self.client_id, self.client_secret]:
            return JSONResponse({"error": "invalid_client"}, 401)
        asked = self._codes.pop(str(form.get("code")), None)
        if asked is None or form.get("redirect_uri") != asked["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        challenge = _text(hashlib.sha256(str(form.get("code_verifier")).encode()).digest())
        if not hmac.compare_digest(challenge, asked["code_challenge"]):
            return JSONResponse({"error": "invalid_grant", "error_description": "PKCE"}, 400)
        if self.fault is Fault.NOT_JSON:
            return PlainTextResponse(HTML)
        token = secrets.token_urlsafe(24)
        self._tokens[token] = self.somebody
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": 300}
        if self.fault is not Fault.NO_ID_TOKEN:
            answer["id_token"] = self._signed(self._claims(asked["nonce"]))
        return JSONResponse(answer)

    async def _userinfo(self, request: Request) -> Response:
        who = self._tokens[request.headers["authorization"].partition(" ")[2]]
        subject = "somebody else" if self.fault is Fault.FOREIGN_USERINFO else who.subject
        return JSONResponse({"sub": subject, "email": who.email, "email_verified": who.is_verified})

    def _claims(self, nonce: str) -> dict[str, Any]:
        now, who = int(time.time()), self.somebody
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": who.subject,
            "aud": self.client_id,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "name": who.name,
        }
        if who.email is not None and self.fault not in (Fault.EMAIL_ELSEWHERE, Fault.FOREIGN_USERINFO):
            claims |= {"email": who.email, "email_verified": who.is_verified}
        match self.fault:
            case Fault.WRONG_NONCE:
                claims["nonce"] = secrets.token_urlsafe(24)
            case Fault.WRONG_AUDIENCE:
                claims["aud"] = "another client"
            case Fault.MORE_AUDIENCES:
                claims |= {"aud": [self.client_id, "another client"], "azp": self.client_id}
            case Fault.AUTHORIZED_PARTY:
                claims |= {"aud": "another client", "azp": self.client_id}
            case Fault.WRONG_ISSUER:
                claims["iss"] = "https://evil.test"
            case Fault.EXPIRED:
                claims |= {"iat": now - 86_400, "exp": now - 86_100}
            case Fault.NO_NONCE | Fault.NO_EXPIRY | Fault.NO_SUBJECT:
                claims.pop({Fault.NO_NONCE: "nonce", Fault.NO_EXPIRY: "exp", Fault.NO_SUBJECT: "sub"}[self.fault])
        return claims

    def _signed(self, claims: dict[str, Any]) -> str:
        match self.fault:
            case Fault.UNSIGNED:
                return f"{_part({'alg': 'none'})}.{_part(claims)}."
            case Fault.HMAC_SECRET:
                return _hmac(claims, self.client_secret.encode())
            case Fault.HMAC_PUBLIC_KEY:
                public = self.key.public_key()
                return _hmac(claims, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        key = rsa.generate_private_key(65537, 2048) if self.fault is Fault.FOREIGN_KEY else self.key
        signed = f"{_part({'alg': 'RS256', 'kid': '1'})}.{_part(claims)}"
        signature = _text(key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))
        if self.fault is Fault.CHANGED:
            signed = f"{signed.partition('.')[0]}.{_part(claims | {'sub': 'somebody else'})}"
        return f"{signed}.{signature}"


def _hmac(claims: dict[str, Any], key: bytes) -> str:
    signed = f"{_part({'alg': 'HS256', 'kid': '1'})}.{_part(claims)}"
    return f"{signed}.{_text(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


def _part(value: dict[str, Any]) -> str:
    return _text(json.dumps(value).encode())


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8))


@asynccontextmanager
async def a_provider(name: str, public_url: str) -> AsyncIterator[OidcProvider]:
    """Serve a provider that knows us as its client."""
    redirect_uri = f"{public_url}/sign-in/oidc/{name}/callback"
    provider = OidcProvider(name, f"client of {name}", secrets.token_urlsafe(24), redirect_uri)
    async with serving(provider.app()) as url:
        provider.issuer = url
        yield provider
