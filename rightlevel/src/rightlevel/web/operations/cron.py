"""What a scheduler outside may set off, with a secret of its own."""

from __future__ import annotations

import hmac
from hashlib import sha256

from flatwater.asgi import NotSignedIn
from flatwater.contract import Everyone
from flatwater.rate_limit import RateClass
from flatwater.rate_limit_postgres import Swept
from rightlevel.programme.errors import NotFound
from rightlevel.web.application import bearer_of
from rightlevel.web.request import SMALL_BODY, Request
from rightlevel.web.routes import Routes

routes = Routes("service")

CRON = RateClass("cron", per_s=0.2, burst=10)
CRON_S = 300.0


class WrongSecret(NotSignedIn):
    """This is not the secret that was set for it."""

    code = "wrong_secret"


@routes.post(
    "/api/cron/cleanup-rate-limits",
    Everyone(),
    rate=CRON,
    work="none",
    deadline_s=CRON_S,
    body_bytes=SMALL_BODY,
)
async def clean_up_rate_limits(request: Request) -> Swept:
    """Sweeps the rate limits at once, for who shows the cron secret (RIGHTLEVEL_CRON_SECRET) in `x-cron-secret` or as a bearer token.

    Where no secret is set there is no such address.
    """
    secret = request.app.settings.cron_secret
    if not secret:
        raise NotFound
    if not is_same_secret(request.headers.get("x-cron-secret") or bearer_of(request) or "", secret):
        raise WrongSecret
    return await request.app.clean_up.run_now()


def is_same_secret(given: str, secret: str) -> bool:
    """Whether two secrets are one, in a time that tells neither how much of them agrees nor how long they are."""
    return hmac.compare_digest(sha256(given.encode()).digest(), sha256(secret.encode()).digest())
