"""How clients reach this server: the part of an address before its path."""

from __future__ import annotations

from flask import has_request_context, request

from nxfs.core.settings import setting


def absolute(path: str) -> str:
    """Return the absolute address of ``path``, which begins with a slash.

    At PUBLIC_URL, else as the request came. What is pushed belongs to no request: in development it is where the server
    listens, in production PUBLIC_URL alone can tell, and without it the address is left without a host.
    """
    base = setting("PUBLIC_URL") or (request.host_url if has_request_context() else _listening_address())
    return base.rstrip("/") + path


def _listening_address() -> str:
    return "" if setting("NXFS_ENV") == "production" else f"http://{setting('HOST')}:{setting('PORT')}"
