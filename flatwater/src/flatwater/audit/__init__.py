"""The audit: finds, in an application's source and by driving it, what will not stay flat.

Static findings come from `flatwater.audit.static`, driven ones from `flatwater.audit.dynamic`; both are `Finding`s and
are merged by route. Source is parsed and never run; handlers are run by the dynamic half alone.
"""

from flatwater.audit.model import Finding, Place, Priority, Report, Route, Verdict

__all__ = ["Finding", "Place", "Priority", "Report", "Route", "Verdict"]
