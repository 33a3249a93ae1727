"""Audit: who did what to what, written in the deed's own transaction; denied attempts too.

Public: `write_audit`, `list_audit`, `AuditEntry`.
"""

from rightlevel.programme.audit.model import AuditEntry
from rightlevel.programme.audit.store import list_audit, write_audit

__all__ = ["AuditEntry", "list_audit", "write_audit"]
