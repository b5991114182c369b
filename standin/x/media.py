"""Uploads: INIT, APPEND, FINALIZE and STATUS, as commands of one address or as addresses of their own (platforms.md 4.2)."""

from starlette.datastructures import UploadFile

from standin.jsonish import Json
from standin.x.errors import bad_request, not_found
from standin.x.limits import spend
from standin.x.state import Media, User
from standin.x.wire import Call, token_of

LIFE_S = 86_400
_MB = 1_000_000
MOST = {"dm_image": 5 * _MB, "dm_gif": 15 * _MB, "dm_video": 512 * _MB}


async def command(call: Call) -> Json:
    """POST /2/media/upload: what is wanted stands in `command`."""
    user, _ = token_of(call, "media.write")
    spend(call, user, "media")
    if call.request.headers.get("content-type", "").startswith("multipart/"):
        await _read_parts(call)
    wanted = call.text("command")
    if wanted == "INIT":
        return _begun(call, user)
    if wanted == "APPEND":
        return _appended(_upload(call, user, call.text("media_id")), call)
    if wanted == "FINALIZE":
        return _finished(call, _upload(call, user, call.text("media_id")))
    raise bad_request("`command` must be INIT, APPEND or FINALIZE.")


async def initialize(call: Call) -> Json:
    """POST /2/media/upload/initialize."""
    user, _ = token_of(call, "media.write")
    spend(call, user, "media")
    return _begun(call, user)


async def append(call: Call) -> Json:
    """POST /2/media/upload/{media}/append."""
    user, _ = token_of(call, "media.write")
    spend(call, user, "media")
    await _read_parts(call)
    return _appended(_upload(call, user, call.part("media")), call)


async def finalize(call: Call) -> Json:
    """POST /2/media/upload/{media}/finalize."""
    user, _ = token_of(call, "media.write")
    spend(call, user, "media")
    return _finished(call, _upload(call, user, call.part("media")))


async def status(call: Call) -> Json:
    """GET /2/media/upload?command=STATUS: each question brings the processing one step further."""
    user, _ = token_of(call, "media.write")
    spend(call, user, "media")
    media = _upload(call, user, call.query.get("media_id"))
    if not media.is_final:
        raise bad_request("The upload is not finalized.")
    media.checks_left = max(0, media.checks_left - 1)
    return _told(call, media)


def _begun(call: Call, user: User) -> Json:
    category, total = call.text("media_category") or "", call.text("total_bytes") or ""
    if category not in MOST:
        raise bad_request("`media_category` must be dm_image, dm_gif or dm_video.")
    if not total.isdecimal() or not 0 < int(total) <= MOST[category]:
        raise bad_request(f"A {category} has at most {MOST[category]} bytes.")
    if not call.text("media_type"):
        raise bad_request("`media_type` is required.")
    media = Media(call.x.new_id(), user.id, category, call.text("media_type") or "", int(total))
    media.expires_ms = call.x.now_ms() + LIFE_S * 1000
    call.x.memory.media[media.id] = media
    return _told(call, media)


def _appended(media: Media, call: Call) -> Json:
    size = call.fields.get("media_bytes")
    if media.is_final or not isinstance(size, int) or not (call.text("segment_index") or "").isdecimal():
        raise bad_request("APPEND needs `segment_index` and `media`, before FINALIZE.")
    media.received += size
    return {"data": {"expires_at": (media.expires_ms // 1000)}}


def _finished(call: Call, media: Media) -> Json:
    if media.received != media.total_bytes:
        raise bad_request(f"{media.received} of {media.total_bytes} bytes were uploaded.")
    media.is_final = True
    media.checks_left = call.x.memory.settings.processing_checks if media.category != "dm_image" else 0
    return _told(call, media)


def _told(call: Call, media: Media) -> Json:
    data: Json = {
        "id": media.id,
        "media_key": f"3_{media.id}",
        "size": media.total_bytes,
        "expires_after_secs": max(0, (media.expires_ms - call.x.now_ms()) // 1000),
    }
    if media.is_final and media.category != "dm_image":
        pending: Json = {"state": "pending", "check_after_secs": 0, "progress_percent": 50}
        data["processing_info"] = pending if media.checks_left else {"state": "succeeded", "progress_percent": 100}
    return {"data": data}


def _upload(call: Call, user: User, media_id: str | None) -> Media:
    media = call.x.memory.media.get(media_id or "")
    if media is None or media.user != user.id or media.expires_ms <= call.x.now_ms():
        raise not_found("media")
    return media


async def _read_parts(call: Call) -> None:
    async with call.request.form(max_part_size=20 * _MB) as form:
        for name, value in form.items():
            if isinstance(value, UploadFile):
                call.fields["media_bytes"] = len(await value.read())
            else:
                call.fields[name] = value
