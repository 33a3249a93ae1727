"""What a scheduler outside may set off, with a secret of its own."""

from __future__ import annotations

import hmac

from flatwater.contract import Everyone, Registry
from flatwater.rate_limit import RateClass
from flatwater.rate_limit_postgres import Swept
from rightlevel.programme.errors import NotFound
from rightlevel.web.call import SMALL_BODY, Ask
from rightlevel.web.house import bearer_of

routes = Registry()

CRON = RateClass("cron", per_s=0.2, burst=10)
CRON_S = 300.0


@routes.endpoint(
    "POST", "/api/cron/cleanup-rate-limits", who=Everyone(), rate=CRON, deadline_s=CRON_S, work="none", body_bytes=SMALL_BODY,
    tags=("service",),
)  # fmt: skip
async def clean_up_rate_limits(call: Ask) -> Swept:
    """Sweeps the rate limits at once, for who holds the cron secret (RIGHTLEVEL_CRON_SECRET); for anybody else it isn't there."""
    secret = call.app.settings.cron_secret
    given = bearer_of(call) or ""
    # Compared in constant time, and compared also when no secret is set, so that neither can be told apart.
    if not hmac.compare_digest(given.encode(), secret.encode()) or not secret:
        raise NotFound
    return await call.app.clean_up.run_now()
