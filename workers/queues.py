"""The queues of the broker: one per class of work, each with processes of its own."""

from __future__ import annotations

from server.kit.jobs import Queue

ALL = tuple(Queue)
BELL_BATCH = 8
"""How many jobs one message of the broker rings for."""
CONCURRENCY = {Queue.REPLIES: 8, Queue.CAMPAIGNS: 4, Queue.EVENTS: 4, Queue.HOUSEKEEPING: 2}
"""Worker threads per queue; each carries out the jobs of one message concurrently on the process's event loop."""
