"""The gate in SQL: joins and one CASE that the claim of every send puts into its own statement.

Both speak of `s`, a row with organization_id, page_id, contact_id, topic_id, purpose and human_agent. They decide exactly
as `rules.may_send`, so that a withdrawal that is committed before the claim always stops the send.
"""

from __future__ import annotations

JOINS = """
LEFT JOIN suppression ON suppression.organization_id = s.organization_id AND suppression.contact_id = s.contact_id
LEFT JOIN consent ON consent.organization_id = s.organization_id AND consent.page_id = s.page_id
  AND consent.contact_id = s.contact_id AND consent.topic_id = s.topic_id
LEFT JOIN messaging_window ON messaging_window.organization_id = s.organization_id
  AND messaging_window.page_id = s.page_id AND messaging_window.contact_id = s.contact_id
"""

REFUSAL = """
CASE
  WHEN s.purpose = 'MARKETING' THEN CASE
    WHEN suppression.reason IS NOT NULL THEN 'SUPPRESSED'
    WHEN consent.is_opted_in IS NOT TRUE THEN 'NO_CONSENT'
    WHEN consent.expires_at <= clock_timestamp() THEN 'CONSENT_EXPIRED'
  END
  ELSE CASE
    WHEN suppression.reason IS NOT NULL AND suppression.reason <> 'ASKED_TO_STOP' THEN 'SUPPRESSED'
    WHEN coalesce(
      CASE WHEN s.human_agent THEN messaging_window.human_agent_closes_at ELSE messaging_window.closes_at END,
      '-infinity') <= clock_timestamp() THEN 'WINDOW_CLOSED'
  END
END
"""

TAKE_CAP = """
INSERT INTO marketing_use AS slot (organization_id, page_id, contact_id, unit_id, send_id, used_at)
SELECT DISTINCT ON (contact_id) organization_id, page_id, contact_id, unit_id, id, clock_timestamp()
FROM judged WHERE refusal IS NULL AND purpose = 'MARKETING'
ORDER BY contact_id, id
ON CONFLICT (organization_id, page_id, contact_id) DO UPDATE
  SET send_id = excluded.send_id, used_at = excluded.used_at,
      previous_used_at = CASE WHEN slot.send_id = excluded.send_id THEN slot.previous_used_at ELSE slot.used_at END
  WHERE slot.used_at <= excluded.used_at - cast(:marketing_gap AS interval) OR slot.send_id = excluded.send_id
RETURNING send_id
"""
"""Take the one slot a person has per page and gap. Its row lock makes concurrent claims wait for each other, so 50 racing
workers get one slot; a send that already holds the slot (a retry) keeps it."""
