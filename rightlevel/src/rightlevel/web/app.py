"""The whole web room as one ASGI application."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from os import PathLike, stat_result
from pkgutil import iter_modules

from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from flatwater.asgi import ContractApp
from flatwater.contract import Registry
from rightlevel import web
from rightlevel.assembly import Platform
from rightlevel.programme.permissions import Actor
from rightlevel.web import service
from rightlevel.web.application import RightLevelApplication
from rightlevel.web.bundles import BUNDLES, STATIC, bundle, lean_script
from rightlevel.web.document import document_route
from rightlevel.web.showing_again import FormsAgain
from rightlevel.web.templating import is_static_address, not_found_page

mimetypes.init(
    []
)  # a file's kind is the same on every machine, and the machine's own list of 2,000 takes 0.4 MB
mimetypes.add_type("application/manifest+json", ".webmanifest")
mimetypes.add_type("font/woff2", ".woff2")

Opening = Callable[[], AbstractAsyncContextManager[Platform]]


def all_routes() -> Registry:
    """Every route there is: each feature's folder, and the service's own."""
    registry = Registry()
    registry.include(service.routes)
    registry.include(document_route(registry))
    for module in sorted(iter_modules(web.__path__), key=lambda each: each.name):
        if module.ispkg:
            registry.include(import_module(f"{web.__name__}.{module.name}").routes)
    return registry


def build_app(opening: Opening) -> ContractApp[Actor, Platform]:
    """The application over a platform, which `opening` opens and closes. *Errors*: ContractBroken before anything starts."""
    forms = FormsAgain()
    app = ContractApp(
        all_routes(),
        RightLevelApplication(forms.page),
        opening,
        otherwise=_Otherwise(),
        guards=lambda platform: platform.vitals.guards,
    )
    forms.opens_pages_of(app)
    return app


class _Files(StaticFiles):
    """Static files, our own scripts lean, some in one."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        if path in BUNDLES and scope["method"] in ("GET", "HEAD"):
            return Response(bundle(path), media_type=mimetypes.guess_type(path)[0])
        return await super().get_response(path, scope)

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        path = str(full_path)
        if path.endswith(".js") and not path.endswith(".min.js"):
            return Response(lean_script(path), status_code, media_type="text/javascript")
        return super().file_response(full_path, stat_result, scope, status_code)


class _Otherwise:
    """Static files, and a friendly page for addresses that lead nowhere."""

    def __init__(self) -> None:
        self._static = GZipMiddleware(_Files(directory=STATIC), minimum_size=1_400, compresslevel=9)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith("/static/"):
            inner = {**scope, "path": path.removeprefix("/static"), "root_path": ""}
            try:
                await self._static(inner, receive, _cached(send, scope["query_string"], path))
                return
            except HTTPException:
                pass  # no such file, or no way to ask for one: raised before anything was sent
        await not_found_page(scope, receive, send)


def _cached(send: Send, query: bytes, path: str) -> Send:
    """A file that is asked for with its own mark is kept for good: what is another file has another address."""
    is_marked = is_static_address(f"{path}?{query.decode('latin-1')}")
    age = b"public, max-age=31536000, immutable" if is_marked else b"public, max-age=3600"

    async def with_age(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"cache-control", age)]  # type: ignore[misc]
        await send(message)

    return with_age  # type: ignore[return-value]
