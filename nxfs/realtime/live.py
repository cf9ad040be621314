"""``/live/``: a small page that shows tasks, people and events as they change, and how a client of them is written."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, send_from_directory

ASSETS = Path(__file__).with_name("live")
# Nothing but our own files, and no way for a text to become a program.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)

pages = Blueprint("live", __name__, url_prefix="/live")


@pages.get("/")
def show_page() -> Response:
    """Answer with the page."""
    response = send_from_directory(ASSETS, "index.html")
    response.headers["Content-Security-Policy"] = POLICY
    return response


@pages.get("/assets/<path:name>")
def show_asset(name: str) -> Response:
    """Answer with one of the page's files; browsers ask each time whether theirs is still the newest."""
    return send_from_directory(ASSETS, name)
