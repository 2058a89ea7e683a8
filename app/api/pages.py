"""``/docs`` and ``/redoc``: pages that load from this server alone, and are held to that by their headers.

Their scripts come with ``fastapi-offline``, which mounts them. What a page may run is named by hash.
"""

import base64
import hashlib
import re

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse

STATIC = "/static-offline-docs"
DOCUMENT = "/openapi.json"
PAGES = ("/docs", "/redoc")
_FAVICON = "/favicon.png"
_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_POLICY = (
    "default-src 'none'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
router = APIRouter(include_in_schema=False)


@router.get(PAGES[0])
async def docs(request: Request) -> HTMLResponse:
    """Show the routes, and let them be tried."""
    root = request.scope.get("root_path", "")
    page = get_swagger_ui_html(
        openapi_url=root + DOCUMENT,
        title="jjt",
        swagger_js_url=f"{root}{STATIC}/swagger-ui-bundle.js",
        swagger_css_url=f"{root}{STATIC}/swagger-ui.css",
        swagger_favicon_url=f"{root}{STATIC}{_FAVICON}",
        swagger_ui_parameters={"validatorUrl": None},
    )
    return _held(page)


@router.get(PAGES[1])
async def redoc(request: Request) -> HTMLResponse:
    """Show the routes, to be read."""
    root = request.scope.get("root_path", "")
    page = get_redoc_html(
        openapi_url=root + DOCUMENT,
        title="jjt",
        redoc_js_url=f"{root}{STATIC}/redoc.standalone.js",
        redoc_favicon_url=f"{root}{STATIC}{_FAVICON}",
        with_google_fonts=False,
    )
    return _held(page)


def _held(page: HTMLResponse) -> HTMLResponse:
    """The page, with what it may do."""
    scripts = (hashlib.sha256(script).digest() for script in _INLINE.findall(bytes(page.body)))
    hashes = (f"'sha256-{base64.b64encode(digest).decode()}'" for digest in scripts)
    page.headers["Content-Security-Policy"] = _POLICY.format(scripts=" ".join(["'self'", *hashes]))
    page.headers["Referrer-Policy"] = "no-referrer"
    return page
