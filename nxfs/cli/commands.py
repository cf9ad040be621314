"""The table of the project's commands."""

from __future__ import annotations

from nxfs.cli.admin import admin
from nxfs.cli.audit import audit
from nxfs.cli.demo import demo
from nxfs.cli.jobs import jobs
from nxfs.cli.limits import limits
from nxfs.cli.media import media
from nxfs.cli.realtime import realtime

COMMANDS = (admin, audit, demo, jobs, limits, media, realtime)
