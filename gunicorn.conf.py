"""How gunicorn serves the application: one gevent worker, our log, a stop that lets requests finish."""

import contextlib
import http
import json
import resource
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import gevent
from gunicorn import glogging
from gunicorn.http.errors import InvalidResponseHeader, InvalidResponseHeaderName, ParseException
from gunicorn.workers.ggevent import GeventWorker

from nxfs.config import Config, ConfigurationError, load_environment
from nxfs.core import lifecycle
from nxfs.core.errors import InternalServerError, MalformedRequestError, envelope
from nxfs.core.logging import configure_logging

try:
    settings = Config.from_environment(load_environment())
except ConfigurationError as error:
    print(f"Error: {error}", file=sys.stderr)
    sys.exit(3)


# gunicorn derives these from the errors of requests, but they are the application's.
BAD_ANSWERS = (InvalidResponseHeader, InvalidResponseHeaderName)


class Logger(glogging.Logger):
    """Hands gunicorn's messages to the handler that everything else uses."""

    def setup(self, cfg: object) -> None:
        self.cfg = cfg
        # The application writes the request line itself, with the user and the request id in it.
        self._access_log_enabled = False
        self.error_log.propagate = True
        configure_logging(settings.LOG_LEVEL, settings.LOG_FORMAT)


class ConnectionUnused(BaseException):
    """Thrown into the wait for a connection's next request, to end it as if the time for it were over."""


class Worker(GeventWorker):
    """Stops without waiting for connections that are kept alive but have no request under way."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.waiting: dict[gevent.Greenlet, float] = {}

    @contextmanager
    def timeout_ctx(self) -> Iterator[None]:
        """Bound the wait for the next request of a connection, and remember who waits since when."""
        connection = gevent.getcurrent()
        self.waiting[connection] = time.monotonic()
        try:
            with super().timeout_ctx(), suppress(ConnectionUnused):
                yield
        finally:
            del self.waiting[connection]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; what may block has to happen outside of the signal handler."""
        super().handle_exit(sig, frame)
        gevent.spawn(lifecycle.stop)
        gevent.spawn(self.close_idle_connections)

    def handle_error(self, req: object, client: socket.socket, addr: object, exc: BaseException) -> None:
        """Answer what is no HTTP, or longer than allowed, in the body that every other error has."""
        is_ours = not isinstance(exc, ParseException) or isinstance(exc, BAD_ANSWERS)
        if is_ours:
            self.log.error("error outside of the application", exc_info=exc)
        else:
            self.log.warning("not HTTP: %s", exc)
        error = InternalServerError() if is_ours else MalformedRequestError()
        request_id = secrets.token_hex(12)
        body = json.dumps(envelope(error, language="en", request_id=request_id)).encode()
        head = (
            f"HTTP/1.1 {error.status} {http.HTTPStatus(error.status).phrase}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nX-Request-ID: {request_id}\r\n\r\n"
        )
        # The client may have gone; nobody is left to tell.
        with contextlib.suppress(OSError):
            client.sendall(head.encode() + body)

    def close_idle_connections(self) -> None:
        """Close connections until the process ends, once they have been without a request for a second."""
        while True:
            # A second, because the first bytes of a request may be on their way to a connection opened just now.
            idle = [each for each, since in self.waiting.items() if time.monotonic() - since > 1]
            gevent.killall(idle, ConnectionUnused, block=False)
            gevent.sleep(0.25)


bind = f"[{settings.HOST}]:{settings.PORT}" if ":" in settings.HOST else f"{settings.HOST}:{settings.PORT}"
worker_class = Worker
logger_class = Logger
loglevel = settings.LOG_LEVEL.lower()
workers = 1
# Sockets and streams, and the requests beside them.
worker_connections = settings.MAX_CONNECTIONS + 1000

# Each connection is an open file; what the system allows at most is rarely what a process begins with.
_, _most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_most_files, _most_files))

# A worker that does not answer its own event loop for this long hangs, and is replaced.
timeout = 60
graceful_timeout = settings.GRACEFUL_TIMEOUT_SECONDS
# Longer than the 60 s after which nginx and the usual balancers close an idle connection: the side that may send the
# next request has to be the one that closes, or a request meets a connection that is just being closed.
keepalive = 75

# The default is 4094, which a filter with a long list of ids reaches; this is the most that gunicorn allows.
limit_request_line = 8190
# PROXY_HOPS alone decides whose X-Forwarded-* headers count.
secure_scheme_headers: dict[str, str] = {}
# It would be a socket file in the home directory.
control_socket_disable = True
