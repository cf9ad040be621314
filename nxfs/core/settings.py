"""The running application's settings, for code that knows no HTTP."""

from __future__ import annotations

from typing import Any

from flask import current_app


def setting(name: str) -> Any:
    """Return the setting ``name`` of the running application, as ``nxfs.config.Config`` describes it."""
    return current_app.config[name]
