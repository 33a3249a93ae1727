"""Django: in two lines of the settings, who holds which connection, what each view asks, budgets, limits of time, doctor and audit.

    INSTALLED_APPS = [..., "flatwater.django"]
    MIDDLEWARE = ["flatwater.django.Middleware", ...]

`FLATWATER` in the settings may hold `statements`, `rows`, `repeats` (a budget for each request), `enforces`, `tags_statements`, and the limits
of a session: `statement_s`, `lock_s`, `idle_in_transaction_s`. `ledger` is what it is all written into. `manage.py flatwater doctor` and
`manage.py flatwater audit` look at the project's own database and addresses.
"""

from flatwater.django.middleware import Middleware, ledger

__all__ = ["Middleware", "ledger"]
