"""LinkedIn's dialogue and its tokens (platforms page, 5.2)."""

import hmac
import secrets
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from standin.dialogues import Choice, back, failed, offered
from standin.faults import Rule
from standin.linkedin.state import NAME, Code, Network, Person, Token
from standin.linkedin.wire import IDS, Call, authorized, refuse, respond
from standin.wrong import wrong_answer

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
KNOWN = {
    *("openid", "profile", "email", "rw_organization_admin", "r_organization_admin"),
    *("r_organization_social_feed", "w_organization_social_feed", "r_organization_social", "w_organization_social"),
    *("r_member_social_feed", "w_member_social_feed", "r_member_social", "w_member_social"),
}
PARTNERS = {"w_messages", "w_messaging"}


async def dialogue(net: Network, request: Request) -> Response:
    """GET shows the people; POST with `person` and `action` leads back to the app."""
    form = dict(request.query_params)
    form.update(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
    problem = _problem(net, form)
    if problem is not None:
        return failed("Bummer, something went wrong.", problem)
    wanted = [scope for scope in form.get("scope", "").split(" ") if scope]
    known = KNOWN | (PARTNERS if net.settings.is_partner else set())
    strange = sorted(set(wanted) - known)
    if strange:
        return _back(form, {"error": "unauthorized_scope_error", "error_description": f'Scope "{strange[0]}"'})
    if request.method == "GET":
        return offered(_choice(net, form, wanted))
    if form.get("action") != "allow":
        text = "The user cancelled the authorization"
        return _back(form, {"error": "user_cancelled_authorize", "error_description": text})
    person = net.kept.people.get(form.get("person", ""))
    if person is None:
        return failed("Unknown person")
    return _back(form, {"code": consent(net, person, form["redirect_uri"], wanted)})


def consent(net: Network, person: Person, redirect_uri: str, scopes: list[str]) -> str:
    """A code for the person's consent. Other scopes than before end every earlier token."""
    now = net.now_ms()
    own = [token for token in net.kept.tokens.values() if token.person == person.id]
    if set(person.scopes) != set(scopes):
        for token in own:
            token.dead = token.dead or "REVOKED_ACCESS_TOKEN"
    if not any(token.kind == "refresh" and token.dead is None and token.expires_ms > now for token in own):
        person.consented_ms = now
    person.scopes = scopes
    code = f"AQ{secrets.token_urlsafe(40)}"
    net.kept.codes[code] = Code(person.id, redirect_uri, scopes, now + net.settings.code_s * 1000)
    return code


async def access_token(net: Network, request: Request) -> Response:
    """POST /oauth/v2/accessToken, a form: a code or a refresh token becomes an access token."""
    form = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
    op = "refresh" if form.get("grant_type") == "refresh_token" else "oauth"
    world = net.run.world
    rule = net.run.faults.pick(op, request.url.path, None, None)
    if rule is not None and not rule.accepts:
        return await _faulty(net, op, rule, None)
    is_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    answer = _issued(net, form) if is_form else _oauth_error("invalid_request", "A form is required")
    if rule is not None and answer.status_code < 400:
        return await _faulty(net, op, rule, answer)
    world.calls.count(f"{NAME}:{op}", str(answer.status_code))
    return answer


async def userinfo(call: Call) -> Response:
    """GET /v2/userinfo: who gave the grant (OpenID)."""
    token = authorized(call)
    person = call.net.kept.people[token.person]
    given, _, family = person.name.partition(" ")
    told = {"sub": person.id.rpartition(":")[2], "name": person.name, "given_name": given, "family_name": family}
    return respond({**told, "locale": {"country": "US", "language": "en"}})


def issue(net: Network, person: Person, scopes: list[str], value: str | None = None) -> Token:
    """A new access token."""
    expires_ms = net.now_ms() + net.settings.token_s * 1000
    token = Token(value or f"AQV{secrets.token_urlsafe(60)}", "access", person.id, scopes, expires_ms)
    net.kept.tokens[token.value] = token
    return token


def refresh_token(net: Network, person: Person, scopes: list[str], value: str | None = None) -> Token:
    """The person's refresh token; its end counts from the first consent, however often it is used."""
    expires_ms = person.consented_ms + net.settings.refresh_s * 1000
    token = Token(value or f"AQX{secrets.token_urlsafe(60)}", "refresh", person.id, scopes, expires_ms)
    net.kept.tokens[token.value] = token
    return token


def _issued(net: Network, form: dict[str, str]) -> Response:
    app = net.app
    is_ours = form.get("client_id") == app.get("client_id")
    if not is_ours or not hmac.compare_digest(form.get("client_secret", "").encode(), net.secret):
        return _oauth_error("invalid_client", "Client authentication failed", 401)
    match form.get("grant_type"):
        case "authorization_code":
            return _by_code(net, form)
        case "refresh_token":
            return _by_refresh(net, form)
    return _oauth_error("invalid_request", 'A required parameter "grant_type" is missing')


def _by_code(net: Network, form: dict[str, str]) -> Response:
    code = net.kept.codes.pop(form.get("code", ""), None)
    if code is None or code.redirect_uri != form.get("redirect_uri") or code.expires_ms <= net.now_ms():
        text = "Unable to retrieve access token: appid/redirect uri/code verifier does not match authorization code."
        return _oauth_error("invalid_request", f"{text} Or authorization code expired.")
    person = net.kept.people[code.person]
    access = issue(net, person, code.scopes)
    old = next(
        (
            token
            for token in net.kept.tokens.values()
            if (token.kind, token.person, token.dead) == ("refresh", person.id, None)
            and token.expires_ms > net.now_ms()
        ),
        None,
    )
    return _told(net, access, (old or refresh_token(net, person, code.scopes)) if net.settings.issues_refresh else None)


def _by_refresh(net: Network, form: dict[str, str]) -> Response:
    token = net.kept.tokens.get(form.get("refresh_token", ""))
    if token is None or token.kind != "refresh" or token.dead is not None or token.expires_ms <= net.now_ms():
        return _oauth_error(
            "invalid_request", "The provided authorization grant or refresh token is invalid, expired or revoked"
        )
    return _told(net, issue(net, net.kept.people[token.person], token.scopes), token)


def _told(net: Network, access: Token, refresh: Token | None) -> Response:
    left_s = (access.expires_ms - net.now_ms()) // 1000
    body: dict[str, object] = {"access_token": access.value, "expires_in": left_s, "scope": ",".join(access.scopes)}
    if refresh is not None:
        left_s = (refresh.expires_ms - net.now_ms()) // 1000
        body |= {"refresh_token": refresh.value, "refresh_token_expires_in": left_s}
    return respond(body | {"token_type": "Bearer"})


def _oauth_error(error: str, description: str, status: int = 400) -> Response:
    return respond({"error": error, "error_description": description}, status)


async def _faulty(net: Network, op: str, rule: Rule, answer: Response | None) -> Response:
    net.run.world.calls.count(f"{NAME}:{op}", f"fault:{rule.action}")
    return await wrong_answer(rule, answer, refuse, IDS)


def _problem(net: Network, form: dict[str, str]) -> str | None:
    if form.get("client_id") != net.app.get("client_id"):
        return "The passed in client_id is invalid"
    if form.get("response_type") != "code":
        return "The response_type must be code"
    allowed, uri = net.settings.redirect_uris, form.get("redirect_uri", "")
    if uri not in allowed if allowed else urlsplit(uri).hostname not in LOOPBACK:
        return "The redirect_uri does not match the registered value"
    return None


def _back(form: dict[str, str], answer: dict[str, str]) -> Response:
    return back(form.get("redirect_uri", ""), answer, form.get("state"), quoted=quote)


def _choice(net: Network, form: dict[str, str], scopes: list[str]) -> Choice:
    names = ("client_id", "redirect_uri", "state", "response_type", "scope")
    return Choice(
        heading="Sign in to the stand-in for LinkedIn",
        wanted=", ".join(scopes),
        hidden=[(name, form.get(name)) for name in names],
        who="person",
        people=[(one.id, one.name) for one in net.kept.people.values()],
        refuse="Cancel",
    )
