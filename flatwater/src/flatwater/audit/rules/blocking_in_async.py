"""Calls that stop the whole event loop."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Module, shown

_BLOCKS: Final = frozenset(
    {
        "time.sleep",
        "os.system",
        "os.popen",
        "os.wait",
        "os.waitpid",
        "subprocess.run",
        "subprocess.call",
        "subprocess.check_call",
        "subprocess.check_output",
        "subprocess.getoutput",
        "urllib.request.urlopen",
        "socket.create_connection",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "smtplib.SMTP",
        "smtplib.SMTP_SSL",
        "psycopg.connect",
        "psycopg2.connect",
        "pymysql.connect",
        "sqlite3.connect",
        "httpx.get",
        "httpx.post",
        "httpx.put",
        "httpx.patch",
        "httpx.delete",
        "httpx.request",
        "httpx.stream",
        "requests.get",
        "requests.post",
        "requests.put",
        "requests.patch",
        "requests.delete",
        "requests.head",
        "requests.request",
        "requests.Session().get",
        "requests.Session().post",
        "git.Repo.clone_from",
    }
)


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for call in module.calls:
        function = module.function_of(call)
        if (
            function is not None
            and function.is_async
            and module.dotted(call.func) in _BLOCKS
            and not _in_lambda(module, call)
            and not _is_own_name(module, call)
        ):
            yield Hit(call, f"`{shown(call)}` in `async def {function.name}` holds up every other request.")


def _is_own_name(module: Module, call: ast.Call) -> bool:
    """Whether the machine's own name is looked up, which its own files answer."""
    function = module.function_of(call)
    if not module.dotted(call.func).startswith("socket.gethost") or function is None or not call.args:
        return False
    given = call.args[0]
    values = module.local_values(function, given.id) if isinstance(given, ast.Name) else [given]
    return any(
        isinstance(each, ast.Call) and module.dotted(each.func) == "socket.gethostname" for each in values
    )


def _in_lambda(module: Module, call: ast.Call) -> bool:
    """A lambda runs where it is given to: most often in a thread."""
    here = module.parents.get(call)
    while here is not None and not isinstance(here, ast.FunctionDef | ast.AsyncFunctionDef):
        if isinstance(here, ast.Lambda):
            return True
        here = module.parents.get(here)
    return False


RULE = Rule(
    name="blocking-in-async",
    priority="P2",
    reason="There is one event loop: while it waits for this call, no request is read, answered or timed out.",
    change="Use the asynchronous form, or asyncio.to_thread with a limit.",
    hurts_requests_only=True,
    seek=_seek,
    bad="""
import time
import requests

@app.get("/slow")
async def slow():
    time.sleep(1)
    return requests.get("https://slow.example", timeout=3).text
""",
    good="""
import asyncio
import time
import requests

@app.get("/slow")
async def slow():
    await asyncio.sleep(1)
    return await asyncio.to_thread(requests.get, "https://slow.example")

@app.get("/thread")
def in_a_thread():
    time.sleep(1)
""",
)
