"""The doorbell: a Dramatiq broker chosen by URL. Its messages carry ids only and may be lost, doubled or reordered."""

from __future__ import annotations

import importlib
from urllib.parse import urlsplit

import dramatiq
import psycopg
from dramatiq.middleware import AgeLimit
from dramatiq.middleware.asyncio import AsyncIO

from server.config import Settings


class BrokerUnknown(ValueError):
    """BROKER_URL names a kind of broker that is not offered."""


def troubles(broker: dramatiq.Broker) -> tuple[type[Exception], ...]:
    """Return what a broker that is away may raise when it is rung: each client has errors of its own."""
    found: list[type[Exception]] = [dramatiq.errors.DramatiqError, OSError, psycopg.Error]
    for kind in type(broker).__mro__:
        if kind.__module__ == "dramatiq.brokers.redis":
            found.append(importlib.import_module("redis").RedisError)
        elif kind.__module__ == "dramatiq.brokers.rabbitmq":
            found.append(importlib.import_module("pika.exceptions").AMQPError)
    return tuple(found)


def make(settings: Settings) -> dramatiq.Broker:
    """Connect to the broker that BROKER_URL names; without one, to the embedded default on the same PostgreSQL.

    Dramatiq's own retries are off: attempts live in the job row. A bell that is older than the next ring is dropped.
    """
    configured = settings.broker.url
    url = configured.get_secret_value() if configured else settings.database.system_dsn
    url = url.replace("postgresql+psycopg://", "postgresql://", 1)
    middleware = [AgeLimit(max_age=max(60_000, int(settings.sends.rering_s * 6_000))), AsyncIO()]
    match urlsplit(url).scheme:
        case "postgresql" | "postgres":
            # Imported on demand: only the configured broker's client has to be installed.
            kind = importlib.import_module("dramatiq_postgres").PostgresBroker
            broker = kind(url=url, results=False, middleware=middleware, heartbeat_interval=5.0, heartbeat_ttl=15.0)
        case "amqp" | "amqps":
            kind = importlib.import_module("dramatiq.brokers.rabbitmq").RabbitmqBroker
            broker = kind(url=url, middleware=middleware, confirm_delivery=True)
        case "redis" | "rediss":
            kind = importlib.import_module("dramatiq.brokers.redis").RedisBroker
            broker = kind(url=url, middleware=middleware, heartbeat_timeout=15_000, maintenance_chance=1_000_000)
        case scheme:
            raise BrokerUnknown(f"BROKER_URL starts with {scheme!r}; use postgresql, amqp, amqps, redis or rediss.")
    dramatiq.set_broker(broker)
    return broker  # type: ignore[no-any-return]
