"""Logging: every line of every library through one chain, as JSON for machines or text for a console."""

import logging
import re
import sys
import traceback
from collections.abc import Mapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, WrappedLogger

HIDDEN = "[hidden]"
MAX_NESTING = 8

_SECRET_NAME = re.compile(
    r"passwo?r?d|token|secret|authorization|cookie|api_?key|(?:^|[^a-z])(?:refresh|access)(?:[^a-z]|$)", re.IGNORECASE
)
_SECRET_TEXT = (
    (re.compile(r"\b(bearer|basic) +[\w.~+/=-]{8,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), HIDDEN),
    (re.compile(r"([?&][^=&\s]*(?:token|password|secret)[^=&\s]*=)[^&\s\"']+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"(\w://[^\s:/@]*:)[^\s/@]+@"), rf"\1{HIDDEN}@"),
)


def configure_logging(level: str, log_format: str) -> None:
    """Send structlog's and the standard library's loggers to standard output.

    `level` is a name such as "INFO"; `log_format` is "json" (one object a line) or "console". A second call replaces
    what the first one set, and leaves handlers that others added to the root logger alone.
    """
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = _StandardOutput()
    handler.setFormatter(_formatter(log_format))
    root = logging.getLogger()
    for previous in [each for each in root.handlers if isinstance(each, _StandardOutput)]:
        root.removeHandler(previous)
    root.addHandler(handler)
    root.setLevel(level)
    # At INFO these write a line for every statement, request or start; the lines of our own say enough.
    for noisy in ("sqlalchemy.engine", "sqlalchemy.pool", "werkzeug", "alembic.runtime.plugins", "apscheduler", "huey"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))


def redact_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the values of keys that look like secrets, and tokens inside texts, at any depth."""
    return _without_secrets(event, 0)


def escape_control_characters(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Make every text one visible line, so that a value from outside can neither forge a line nor steer a terminal."""
    return {_escaped(str(key)): value if key == "exc_info" else _visible(value) for key, value in event.items()}


class _StandardOutput(logging.StreamHandler[TextIO]):
    """Writes to what sys.stdout is at that moment, which test runners and servers replace."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stdout


def _shared_processors() -> list[structlog.typing.Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(log_format: str) -> logging.Formatter:
    finish = _console_processors() if log_format == "console" else _json_processors()
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_shared_processors(), structlog.stdlib.ExtraAdder(), _drop_formatted],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
    )


def _json_processors() -> list[structlog.typing.Processor]:
    # Locals of the frames would carry passwords and tokens into the log.
    exceptions = structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=30)
    return [
        structlog.processors.ExceptionRenderer(exceptions),
        redact_secrets,
        _essentials_first,
        structlog.processors.JSONRenderer(),
    ]


def _console_processors() -> list[structlog.typing.Processor]:
    return [
        redact_secrets,
        escape_control_characters,
        structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=_write_traceback),
    ]


def _drop_formatted(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    # Other handlers leave their result in the record, where it looks like a field that the caller added.
    event.pop("message", None)
    event.pop("asctime", None)
    return event


def _essentials_first(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    message = event.pop("event", "")
    essentials = {name: event.pop(name, None) for name in ("timestamp", "level", "logger")}
    return {**essentials, "message": message, **{name: value for name, value in event.items() if name != "message"}}


def _write_traceback(stream: TextIO, exc_info: ExcInfo) -> None:
    # Indented, so that a line break inside an exception's message cannot look like a line of the log.
    for line in "".join(traceback.format_exception(*exc_info)).splitlines():
        stream.write(f"\n    {_escaped(_concealed(line))}")


def _without_secrets(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _concealed(value)
    if depth >= MAX_NESTING:
        return value
    if isinstance(value, Mapping):
        return {key: _kept(key, each, depth) for key, each in value.items()}
    if isinstance(value, list | tuple) and depth:
        return [_without_secrets(each, depth + 1) for each in value]
    return value


def _kept(key: Any, value: Any, depth: int) -> Any:
    if value is not None and isinstance(key, str) and _SECRET_NAME.search(key):
        return HIDDEN
    return value if key == "exc_info" else _without_secrets(value, depth + 1)


def _concealed(value: str) -> str:
    for pattern, replacement in _SECRET_TEXT:
        value = pattern.sub(replacement, value)
    return value


def _visible(value: Any) -> Any:
    if isinstance(value, str):
        return _escaped(value)
    # The console shows other values by repr(), which escapes on its own.
    return value


def _escaped(value: str) -> str:
    if value.isprintable():
        return value
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in value)
