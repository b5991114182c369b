"""The claim: the one statement through which every outgoing message must pass.

It takes due sends of one page with SKIP LOCKED and checks, in the same statement, everything that could forbid them: the
batch's state and approved digest, suppression, consent, window, the unit's marketing cap, the page's and the account's
health, any pause, that the unit is at work and still under the batch's, and that neither unit nor person is about to leave.
Whatever comes before it is advice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from server.consent import gate
from server.platforms.port import OutgoingKind
from server.sends.models import Purpose, SendState


@dataclass(frozen=True, slots=True)
class ChannelRules:
    """What the page's channel allows now, as far as the gate asks: None where it knows no such rule."""

    marketing_gap: timedelta
    private_reply_window: timedelta | None = None
    window_messages: int | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """One send as the claim left it: CLAIMED for this worker, or SKIPPED with the rule that forbade it."""

    id: UUID
    unit_id: UUID
    contact_id: UUID
    state: SendState
    reason: str | None
    recipient_external_id: str
    text: str
    human_agent: bool
    attempt: int
    claimed_at: datetime
    platform_campaign_id: str | None
    topic_id: UUID | None
    token_sealed: bytes | None
    not_before: datetime
    kind: OutgoingKind = OutgoingKind.MESSAGE
    comment_id: str | None = None
    thread_external_id: str | None = None
    reply_to_message_id: str | None = None
    media: tuple[dict[str, str], ...] = ()
    quick_replies: tuple[dict[str, str], ...] = ()
    buttons: tuple[dict[str, str], ...] = ()
    utility: dict[str, Any] | None = None


_LOCK_WINDOWS = text(gate.LOCK_WINDOWS)
_CLAIM = text(f"""
WITH due AS MATERIALIZED (
  SELECT s.* FROM send_intent s
  JOIN page ON page.organization_id = s.organization_id AND page.id = s.page_id
  JOIN connected_account account
    ON account.organization_id = page.organization_id AND account.id = page.account_id
  WHERE s.organization_id = :organization AND s.page_id = :page AND s.purpose = :purpose
    AND s.state = 'QUEUED' AND s.not_before <= clock_timestamp()
    AND page.disconnected_at IS NULL AND page.health IN ('HEALTHY', 'EXPIRING')
    AND account.health IN ('HEALTHY', 'EXPIRING')
    AND (page.paused_until IS NULL OR page.paused_until <= clock_timestamp())
    AND NOT EXISTS (SELECT FROM send_batch paused WHERE paused.organization_id = s.organization_id
      AND paused.id = s.batch_id AND paused.state = 'PAUSED')
    AND NOT EXISTS (SELECT FROM departure gone WHERE gone.organization_id = s.organization_id
      AND gone.subject_id IN (s.unit_id, s.contact_id))
    AND (cast(:windows AS uuid[]) IS NULL OR s.kind <> 'MESSAGE' OR s.contact_id = ANY (cast(:windows AS uuid[]))
      OR NOT EXISTS (SELECT FROM messaging_window none WHERE none.organization_id = s.organization_id
        AND none.page_id = s.page_id AND none.contact_id = s.contact_id))
  ORDER BY s.not_before, s.id
  LIMIT :size
  FOR UPDATE OF s SKIP LOCKED
), judged AS MATERIALIZED (
  SELECT s.*, consent.event_id AS allowed_by, consent.token_sealed,
    CASE
      WHEN s.batch_id IS NOT NULL AND batch.state IS DISTINCT FROM 'RUNNING' THEN 'STOPPED'
      WHEN s.purpose = 'MARKETING'
        AND (batch.approved_digest IS NULL OR batch.approved_digest IS DISTINCT FROM s.content_digest)
        THEN 'APPROVAL_STALE'
      WHEN unit.archived_at IS NOT NULL THEN 'UNIT_ARCHIVED'
      WHEN batch.unit_id IS NOT NULL AND NOT EXISTS (SELECT FROM unit_closure line
          WHERE line.organization_id = s.organization_id AND line.ancestor_id = batch.unit_id
            AND line.descendant_id = s.unit_id)
        THEN 'UNIT_MOVED'
      ELSE {gate.REFUSAL}
    END AS refusal,
    CASE WHEN cast(:window_messages AS int) IS NOT NULL AND s.kind = 'MESSAGE' AND s.purpose = 'CONVERSATIONAL'
      THEN cast(:window_messages AS int) - ({gate.SENT_SINCE}) END AS room
  FROM due s
  LEFT JOIN send_batch batch ON batch.organization_id = s.organization_id AND batch.id = s.batch_id
  LEFT JOIN unit ON unit.organization_id = s.organization_id AND unit.id = s.unit_id
  {gate.JOINS}
), cap AS ({gate.CAP}
), taken AS ({gate.TAKE_CAP}
), verdict AS (
  SELECT judged.id, judged.allowed_by, judged.token_sealed,
    CASE
      WHEN judged.refusal IS NOT NULL THEN judged.refusal
      WHEN judged.purpose = 'MARKETING' AND NOT EXISTS (SELECT FROM taken WHERE taken.send_id = judged.id)
        THEN 'DAILY_CAP'
      WHEN judged.room < row_number() OVER (PARTITION BY judged.contact_id, judged.refusal IS NULL, judged.room IS NULL
          ORDER BY judged.not_before, judged.id)
        THEN 'WINDOW_FULL'
    END AS refusal
  FROM judged
)
UPDATE send_intent s SET
  state = CASE WHEN verdict.refusal IS NULL THEN 'CLAIMED' ELSE 'SKIPPED' END,
  reason = verdict.refusal,
  attempt = s.attempt + CASE WHEN verdict.refusal IS NULL THEN 1 ELSE 0 END,
  claimed_by = CASE WHEN verdict.refusal IS NULL THEN cast(:worker AS uuid) END,
  claimed_at = CASE WHEN verdict.refusal IS NULL THEN clock_timestamp() END,
  settled_at = CASE WHEN verdict.refusal IS NULL THEN NULL ELSE clock_timestamp() END,
  checked_absent = 0,
  consent_event_id = CASE WHEN s.purpose = 'MARKETING' THEN verdict.allowed_by END
FROM verdict
WHERE s.organization_id = :organization AND s.id = verdict.id
RETURNING s.id, s.unit_id, s.contact_id, s.state, s.reason, s.recipient_external_id, s.text, s.human_agent,
  s.attempt, coalesce(s.claimed_at, s.settled_at) AS claimed_at, s.platform_campaign_id, s.topic_id, verdict.token_sealed,
  s.kind, s.comment_id, s.thread_external_id, s.reply_to_message_id, s.media, s.quick_replies, s.buttons, s.utility,
  s.not_before
""")


async def claim(
    session: AsyncSession,
    organization_id: UUID,
    page_id: UUID,
    purpose: Purpose,
    *,
    worker_id: UUID,
    size: int,
    rules: ChannelRules,
) -> list[Claimed]:
    """Claim or skip up to `size` due sends of one page, oldest first; the caller commits before it calls the platform."""
    values: dict[str, Any] = {
        "organization": organization_id,
        "page": page_id,
        "purpose": purpose.value,
        "worker": worker_id,
        "size": size,
        "marketing_gap": rules.marketing_gap,
        "private_reply_window": rules.private_reply_window,
        "window_messages": rules.window_messages,
        "windows": None,
    }
    if rules.window_messages is not None and purpose is Purpose.CONVERSATIONAL:
        values["windows"] = list(await session.scalars(_LOCK_WINDOWS, values))
    rows = await session.execute(_CLAIM, values)
    claimed = [_claimed(dict(row._mapping)) for row in rows]
    return sorted(claimed, key=lambda one: (one.not_before, one.id))


def _claimed(row: dict[str, Any]) -> Claimed:
    lists = {name: tuple(row[name]) for name in ("media", "quick_replies", "buttons")}
    return Claimed(**{**row, **lists, "state": SendState(row["state"]), "kind": OutgoingKind(row["kind"])})
