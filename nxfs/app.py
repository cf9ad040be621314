"""The application factory: a table of contents."""

from __future__ import annotations

from flask import Flask

from nxfs.admin.actions import ACTIONS as ADMIN_ACTIONS
from nxfs.admin.jobs import SCHEDULE as ADMIN_SCHEDULE
from nxfs.admin.routes.analytics import blp as analytics
from nxfs.admin.routes.audit import blp as audit_log
from nxfs.admin.routes.groups import blp as admin_groups
from nxfs.admin.routes.users import blp as admin_users
from nxfs.auth.actions import ACTIONS as AUTH_ACTIONS
from nxfs.auth.guards import find_user_id
from nxfs.auth.jobs import SCHEDULE as AUTH_SCHEDULE
from nxfs.auth.routes.accounts import blp as auth
from nxfs.auth.routes.api_tokens import blp as api_tokens
from nxfs.auth.service import tokens
from nxfs.blog.actions import ACTIONS as BLOG_ACTIONS
from nxfs.blog.jobs import SCHEDULE as BLOG_SCHEDULE
from nxfs.blog.routes.attachments import blp as attachments
from nxfs.blog.routes.feeds import blp as feeds
from nxfs.blog.routes.media import blp as media
from nxfs.blog.routes.posts import blp as posts
from nxfs.blog.routes.tags import blp as tags
from nxfs.cli.commands import COMMANDS
from nxfs.config import PROJECT_ROOT, Config, load_environment
from nxfs.core import audit, database, http, openapi, scheduler
from nxfs.core.jobs import kinds
from nxfs.core.jobs.actions import ACTIONS as JOBS_ACTIONS
from nxfs.core.limits import requests
from nxfs.core.logging import configure_logging
from nxfs.extensions import compress, cors, db, jwt, migrate
from nxfs.files.actions import ACTIONS as FILES_ACTIONS
from nxfs.files.jobs import JOBS as FILES_JOBS
from nxfs.files.jobs import SCHEDULE as FILES_SCHEDULE
from nxfs.files.routes import blp as files
from nxfs.notifications.actions import ACTIONS as NOTIFICATIONS_ACTIONS
from nxfs.notifications.jobs import SCHEDULE as NOTIFICATIONS_SCHEDULE
from nxfs.notifications.routes import blp as notifications
from nxfs.realtime import documentation, hub, live, sockets
from nxfs.realtime.jobs import SCHEDULE as REALTIME_SCHEDULE
from nxfs.realtime.routes import events, realtime
from nxfs.system.jobs import SCHEDULE as SYSTEM_SCHEDULE
from nxfs.system.routes.jobs import blp as jobs
from nxfs.system.routes.scheduler import blp as schedule
from nxfs.tasks.actions import ACTIONS as TASKS_ACTIONS
from nxfs.tasks.jobs import JOBS as TASKS_JOBS
from nxfs.tasks.jobs import SCHEDULE as TASKS_SCHEDULE
from nxfs.tasks.routes.bulk import blp as bulk
from nxfs.tasks.routes.categories import blp as categories
from nxfs.tasks.routes.exports import blp as exports
from nxfs.tasks.routes.images import blp as images
from nxfs.tasks.routes.projects import blp as projects
from nxfs.tasks.routes.tasks import blp as tasks

BLUEPRINTS = (
    auth,
    api_tokens,
    tasks,
    bulk,
    projects,
    categories,
    exports,
    images,
    posts,
    attachments,
    tags,
    media,
    feeds,
    files,
    notifications,
    events,
    realtime,
    schedule,
    jobs,
    admin_groups,
    admin_users,
    audit_log,
    analytics,
)
JOBS = (*FILES_JOBS, *TASKS_JOBS)
SCHEDULE = (
    *AUTH_SCHEDULE,
    *FILES_SCHEDULE,
    *BLOG_SCHEDULE,
    *NOTIFICATIONS_SCHEDULE,
    *TASKS_SCHEDULE,
    *REALTIME_SCHEDULE,
    *SYSTEM_SCHEDULE,
    *ADMIN_SCHEDULE,
)
AUDIT_ACTIONS = (
    AUTH_ACTIONS,
    JOBS_ACTIONS,
    FILES_ACTIONS,
    NOTIFICATIONS_ACTIONS,
    TASKS_ACTIONS,
    BLOG_ACTIONS,
    ADMIN_ACTIONS,
)


def create_app(config: Config | None = None) -> Flask:
    """Return the application for ``config``, by default that of the environment and ``.env``."""
    config = config or Config.from_environment(load_environment())
    configure_logging(config.LOG_LEVEL, config.LOG_FORMAT)
    app = Flask(__name__, static_folder=None)
    app.config.from_object(config)
    app.config.from_mapping(database.settings(config), **openapi.SETTINGS, **tokens.SETTINGS)

    # Inside of what http.init_app puts around the application: proxies' headers count for sockets too.
    sockets.install(app, hub.install(app))
    http.init_app(app)
    requests.init_app(app, find_user_id)
    db.init_app(app)
    database.init_app(app)
    migrate.init_app(app, db, directory=str(PROJECT_ROOT / "migrations"))
    jwt.init_app(app)
    tokens.install(jwt)
    audit.install(app, AUDIT_ACTIONS)
    kinds.install(app, JOBS)
    scheduler.install(app, SCHEDULE)
    cors.init_app(app, **http.cors_options(config.CORS_ORIGINS))
    compress.init_app(app)

    api = openapi.Api()
    api.init_app(app)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
    documentation.describe(api)
    app.register_blueprint(openapi.pages)
    app.register_blueprint(live.pages)
    for command in COMMANDS:
        app.cli.add_command(command)
    return app
