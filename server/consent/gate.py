"""The gate in SQL: joins and one CASE that the claim of every send puts into its own statement.

Both speak of `s`, a row with organization_id, page_id, contact_id, topic_id, purpose, kind, human_agent and commented_at, and
of the channel's rules as parameters: :private_reply_window and :window_messages (NULL where the channel has none). They
decide exactly as `rules.may_send`, so that a withdrawal that is committed before the claim always stops the send.
"""

from __future__ import annotations

JOINS = """
JOIN contact person ON person.organization_id = s.organization_id AND person.id = s.contact_id
LEFT JOIN suppression ON suppression.organization_id = s.organization_id AND suppression.contact_id = s.contact_id
LEFT JOIN consent ON consent.organization_id = s.organization_id AND consent.page_id = s.page_id
  AND consent.contact_id = s.contact_id AND consent.topic_id = s.topic_id
LEFT JOIN messaging_window ON messaging_window.organization_id = s.organization_id
  AND messaging_window.page_id = s.page_id AND messaging_window.contact_id = s.contact_id
"""

REFUSAL = """
CASE
  WHEN s.purpose = 'MARKETING' THEN CASE
    WHEN suppression.reason IS NOT NULL OR person.was_erased THEN 'SUPPRESSED'
    WHEN consent.is_opted_in IS NOT TRUE THEN 'NO_CONSENT'
    WHEN consent.expires_at <= clock_timestamp() THEN 'CONSENT_EXPIRED'
  END
  WHEN s.kind = 'UTILITY' THEN CASE
    WHEN suppression.reason IS NOT NULL OR person.was_erased THEN 'SUPPRESSED'
  END
  WHEN s.kind = 'COMMENT_REPLY' THEN CASE
    WHEN suppression.reason = 'MANUAL' THEN 'SUPPRESSED'
  END
  ELSE CASE
    WHEN suppression.reason IS NOT NULL AND suppression.reason NOT IN ('ASKED_TO_STOP', 'ERASED_BEFORE') THEN 'SUPPRESSED'
    WHEN s.kind = 'PRIVATE_REPLY' THEN CASE
      WHEN coalesce(s.commented_at + cast(:private_reply_window AS interval), '-infinity') <= clock_timestamp()
        THEN 'COMMENT_TOO_OLD'
    END
    WHEN coalesce(
      CASE WHEN s.human_agent THEN messaging_window.human_agent_closes_at ELSE messaging_window.closes_at END,
      '-infinity') <= clock_timestamp() THEN 'WINDOW_CLOSED'
  END
END
"""

LOCK_WINDOWS = """
SELECT held.contact_id FROM messaging_window held
WHERE held.organization_id = :organization AND held.page_id = :page AND held.contact_id IN (
  SELECT s.contact_id FROM send_intent s
  WHERE s.organization_id = :organization AND s.page_id = :page AND s.purpose = :purpose AND s.state = 'QUEUED'
    AND s.not_before <= clock_timestamp()
  ORDER BY s.not_before, s.id LIMIT :size)
ORDER BY held.contact_id FOR UPDATE
"""
"""Lock the windows of the people who are next at a page, before the claim counts what was sent into them. The claim then
leaves everybody else for the next time: two claims never count the same window at once."""

SENT_SINCE = """
SELECT count(*) FROM send_intent sent
WHERE sent.organization_id = s.organization_id AND sent.page_id = s.page_id AND sent.contact_id = s.contact_id
  AND sent.kind = 'MESSAGE' AND sent.state IN ('CLAIMED', 'SENT', 'UNKNOWN', 'NEEDS_HUMAN')
  AND coalesce(sent.platform_at, sent.claimed_at) > messaging_window.last_action_at
"""
"""How many messages of ours may have reached the person since they last wrote; what is unknown counts."""

CAP = """
SELECT coalesce(min(cast(setting.value ->> 'messages' AS int)), 1) AS messages,
  greatest(cast(:marketing_gap AS interval), max(make_interval(hours => cast(setting.value ->> 'hours' AS int)))) AS gap
FROM page
JOIN unit_closure line ON line.organization_id = page.organization_id AND line.descendant_id = page.unit_id
JOIN unit_setting setting ON setting.organization_id = line.organization_id AND setting.unit_id = line.ancestor_id
  AND setting.name = 'MARKETING_CAP'
WHERE page.organization_id = :organization AND page.id = :page
"""
"""The strictest cap along the line of the page's unit (`tenants.settings.strictest` in SQL), never looser than the channel's
gap. Always one row. A test sets caps along a line and compares."""

TAKE_CAP = """
INSERT INTO marketing_use AS slot (organization_id, page_id, contact_id, unit_id, send_id, used_at)
SELECT DISTINCT ON (contact_id) organization_id, page_id, contact_id, unit_id, id, clock_timestamp()
FROM judged WHERE refusal IS NULL AND purpose = 'MARKETING' AND (SELECT cap.messages FROM cap) > 0
ORDER BY contact_id, id
ON CONFLICT (organization_id, page_id, contact_id) DO UPDATE
  SET send_id = excluded.send_id, used_at = excluded.used_at,
      previous_used_at = CASE WHEN slot.send_id = excluded.send_id THEN slot.previous_used_at ELSE slot.used_at END
  WHERE slot.used_at <= excluded.used_at - (SELECT cap.gap FROM cap) OR slot.send_id = excluded.send_id
RETURNING send_id
"""
"""Take the one slot a person has per page and gap, as `cap` (the row of CAP) allows. Its row lock makes concurrent claims
wait for each other, so 50 racing workers get one slot; a send that already holds the slot (a retry) keeps it."""
