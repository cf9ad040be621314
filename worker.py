"""The worker process, which runs background jobs: gevent's patches come before any other import."""

from gevent import monkey

monkey.patch_all()

import sys

from nxfs.app import create_app
from nxfs.config import Config, ConfigurationError, load_environment
from nxfs.core.jobs import dispatch

try:
    app = create_app(Config.from_environment(load_environment()))
except ConfigurationError as error:
    print(f"Error: {error}", file=sys.stderr)
    sys.exit(3)
dispatch.work(app)
