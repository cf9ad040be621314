"""The table of the project's commands."""

from __future__ import annotations

from nxfs.cli.admin import admin
from nxfs.cli.audit import audit
from nxfs.cli.demo import demo
from nxfs.cli.groups import groups
from nxfs.cli.jobs import jobs
from nxfs.cli.limits import limits
from nxfs.cli.media import media
from nxfs.cli.realtime import realtime
from nxfs.cli.users import users

COMMANDS = (admin, audit, demo, groups, jobs, limits, media, realtime, users)
