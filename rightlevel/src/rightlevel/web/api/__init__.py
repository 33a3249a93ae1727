"""The HTTP API under /api/v1: JSON in and out, problems per RFC 9457, one module a feature, each with a `routes` registry."""
