"""How clients reach this server: the part of an address before its path."""

from __future__ import annotations

from flask import has_request_context, request

from nxfs.core.settings import setting


def absolute(path: str) -> str:
    """Return the absolute address of ``path`` (which begins with a slash): at PUBLIC_URL, else as the request came."""
    base = setting("PUBLIC_URL") or (request.host_url if has_request_context() else "")
    return base.rstrip("/") + path
