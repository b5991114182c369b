"""Actors of public comments."""

from __future__ import annotations

from server.comments import service as comments
from server.comments.jobs import ForgetTexts
from workers.run import Actor, RetryLater, Run


async def forget_texts(run: Run, job: ForgetTexts) -> None:
    """Forget what must not be kept, and come back when the next of it is due."""
    async with run.begin() as uow:
        due = await comments.forget_texts(uow, job.page_id)
        wait = None if due is None else due - await uow.now()
        if wait is None:
            await run.finish(uow)
    if wait is not None:
        raise RetryLater(wait)


ACTORS: dict[type, Actor] = {ForgetTexts: forget_texts}
