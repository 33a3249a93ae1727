"""A key must say for whom its entry was made; what can't be seen is not judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from flatwater.audit.app import App
from flatwater.audit.routes import routes_in
from flatwater.audit.rules.cache_key_without_scope import RULE
from flatwater.audit.source import Module


def found_in(text: str) -> list[str]:
    module = Module(Path("service.py"), "service.py", "service", text)
    return [each.saw for each in RULE.look(module, App([module], routes_in([module])))]


FOUND = {
    "a dict of the module": """
CACHE = {}
def report(tenant_id, month):
    if month not in CACHE:
        CACHE[month] = load(tenant_id, month)
    return CACHE[month]
""",
    "who asks": """
def page(request):
    rows = cache.get("rows")
    if rows is None:
        rows = list(Row.objects.filter(owner=request.user))
        cache.set("rows", rows, timeout=60)
    return rows
""",
    "get_or_set with a lambda": """
def page(request, number):
    return cache.get_or_set(f"page:{number}", lambda: load(request.user, number), 60)
""",
    "a loader defined inside": """
async def page(user_id, number):
    async def load():
        return await rows_of(user_id, number)
    return await cache.get(("page", number), load)
""",
    "setex": """
async def page(org_id, number):
    if (text := await redis.get(f"page:{number}")) is None:
        text = dumps(await rows_of(org_id))
        await redis.setex(f"page:{number}", 60, text)
    return text
""",
}
SILENT = {
    "the key says it by way of a name": """
def page(user, number):
    who = user.pk
    key = "page:%s:%s" % (who, number)
    return cache.get_or_set(key, lambda: load(user, number))
""",
    "the key is the caller's": """
def page(user, cache_key):
    return cache.get_or_set(cache_key, lambda: load(user))
""",
    "a function that sees the request makes the key": """
def page(request):
    return cache.get_or_set(key_of(request), lambda: load(request.user))
""",
    "the object knows": """
def page(self, user):
    return cache.get_or_set(f"{self.prefix}:page", lambda: load(user))
""",
    "who has it is the entry": """
def lock(user_id, number):
    if cache.get(f"lock:{number}") is None:
        cache.set(f"lock:{number}", user_id, 60)
""",
    "a token is given out": """
def sign_in(user):
    number = random_number()
    cache.set(f"in:{number}", describe(user), 60)
    return number
""",
    "only the right is asked for": """
def page(user, number):
    require(user, "read")
    return cache.get_or_set(f"page:{number}", lambda: load(number))
""",
    "an object that others may see too was chosen by a right": """
def page(request, slug):
    project = first(Project.objects.visible_for(request.user), slug=slug)
    key = f"page:{slug}"
    page = cache.get(key)
    if page is None:
        page = draw(project)
        cache.set(key, page)
    return page
""",
    "a container of one request": """
def page(user):
    page_cache = of_this_request()
    if "page" not in page_cache:
        page_cache["page"] = load(user)
    return page_cache["page"]
""",
    "a container that was handed over": """
def page(user, page_cache):
    if "page" in page_cache:
        return page_cache["page"]
    page_cache["page"] = load(user)
""",
    "a default is no loader": """
def seen(user, number):
    return cache.get(f"seen:{number}", default_of(user))
""",
}


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND.keys())
def test_what_was_made_for_somebody_and_kept_for_everybody_is_named(text: str) -> None:
    assert len(found_in(text)) == 1


@pytest.mark.parametrize("text", SILENT.values(), ids=SILENT.keys())
def test_a_key_that_says_for_whom_or_may_say_it_is_not_judged(text: str) -> None:
    assert found_in(text) == []
