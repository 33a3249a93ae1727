"""Forms: what visits are asked, as data; drafts, versions, the editor, and workbooks made forms."""

from __future__ import annotations

from rightlevel.web.forms import about, api, editor, importing
from rightlevel.web.routes import Routes

routes = Routes("pages")
routes.include(api.routes)
routes.include(editor.routes)
routes.include(about.routes)
routes.include(importing.routes)
