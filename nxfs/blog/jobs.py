"""Work of the blog that is due at intervals."""

from __future__ import annotations

from nxfs.blog.service import publishing
from nxfs.core.scheduler import Scheduled

SCHEDULE = (Scheduled("blog.announce", publishing.announce_due_posts, seconds=2),)
