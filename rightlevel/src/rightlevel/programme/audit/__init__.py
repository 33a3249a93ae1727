"""Audit: who did what to what, written in the deed's own transaction; denied attempts too.

Public: `write_audit`, `list_audit`, `AuditEntry`, `AuditFilter`, `audit_csv`, `dated`.
"""

from rightlevel.programme.audit.export import audit_csv
from rightlevel.programme.audit.model import AuditEntry, AuditFilter, dated
from rightlevel.programme.audit.store import list_audit, write_audit

__all__ = ["AuditEntry", "AuditFilter", "audit_csv", "dated", "list_audit", "write_audit"]
