"""The table of the project's commands."""

from __future__ import annotations

from nxfs.cli.admin import admin
from nxfs.cli.demo import demo

COMMANDS = (admin, demo)
