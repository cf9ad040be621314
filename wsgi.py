"""The web process: gevent's patches come before any other import, then the application."""

from gevent import monkey

monkey.patch_all()

import gc
import sys

from nxfs.app import create_app
from nxfs.config import Config, ConfigurationError, load_environment
from nxfs.core import request_counts, scheduler
from nxfs.core.jobs import dispatch
from nxfs.realtime import hub

try:
    application = app = create_app(Config.from_environment(load_environment()))
    scheduler.start(app)
    request_counts.start(app)
    dispatch.start(app)
    hub.start(app)
    # What is loaded now stays: the garbage collector need not look through it again and again while requests wait.
    gc.collect()
    gc.freeze()
except ConfigurationError as error:
    print(f"Error: {error}", file=sys.stderr)
    # gunicorn takes this code for "cannot start" and stops, where others make it start the worker again and again.
    sys.exit(3)
