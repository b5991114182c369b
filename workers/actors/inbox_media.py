"""Actors of attachments: they compose the inbox with channels, the platform and the fetcher."""

from __future__ import annotations

from server.channels import service as channels
from server.channels.errors import PageDisconnected
from server.inbox.jobs import CopyMedia
from server.inbox.service import media
from server.inbox.service.media import Copied, Missing, ToCopy
from server.platforms.port import PageCredentials, PlatformCallFailed
from server.platforms.wire.fetch import FetchFailed, Refused
from workers.run import Actor, Run

_DEADLINE_S = 60.0


async def copy_media(run: Run, job: CopyMedia) -> None:
    """Fetch what a message shows, and keep it. What can never be fetched says why; the rest is tried again later."""
    async with run.begin_read() as uow:
        wanted = await media.to_copy(uow, job.message_id)
        if wanted is None:
            return
        try:
            page = await channels.credentials(uow, wanted.page_id)
        except PageDisconnected:
            return
    copies = [await _copy(run, page, wanted, one) for one in wanted.missing]
    async with run.begin() as uow:
        await media.store_copies(uow, job.message_id, copies)
        await run.finish(uow)


async def _copy(run: Run, page: PageCredentials, wanted: ToCopy, one: Missing) -> Copied:
    try:
        source = await run.registry.of(page.channel).media_source(
            page, wanted.platform_message_id, wanted.thread_external_id, one.attachment
        )
        if source is None:
            return Copied(one.position, problem="the platform gives it to nobody")
        fetched = await run.registry.fetcher.fetch(
            source.url, headers=source.headers, max_bytes=media.MAX_BYTES, deadline_s=_DEADLINE_S
        )
    except (PlatformCallFailed, FetchFailed) as failure:
        if failure.retryable and run.claimed.attempts < run.claimed.max_attempts:
            raise
        return Copied(one.position, problem=str(failure)[:200])
    except Refused as refusal:
        return Copied(one.position, problem=f"not fetched: {refusal}")
    return Copied(one.position, fetched.content, fetched.media_type)


ACTORS: dict[type, Actor] = {CopyMedia: copy_media}
