"""Kinto, a store of documents on PostgreSQL (Pyramid, SQLAlchemy, psycopg2), with a ledger and limits on its sessions: DATABASE_URL."""

import os

import kinto

from flatwater import Budget, GuardLimits, Ledger, WsgiGuard
from flatwater.adapters.session_limits import SessionLimits
from flatwater.adapters.sqlalchemy import watch_engine

backends = {
    f"kinto.{part}_backend": f"kinto.core.{part}.postgresql" for part in ("storage", "permission", "cache")
}
urls = {f"kinto.{part}_url": os.environ["DATABASE_URL"] for part in ("storage", "permission", "cache")}
served = kinto.main({}, **backends, **urls, **{"kinto.bucket_create_principals": "system.Everyone"})
ledger = Ledger(Budget(statements=20, rows=10_000))
watch_engine(served.registry.storage.client.session_factory.get_bind(), ledger, SessionLimits(statement_s=10))
app = WsgiGuard(served, GuardLimits(body_bytes=1_000_000, deadline_s=10), ledger=ledger)
