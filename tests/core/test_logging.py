"""Tests of the log: its shape, what it hides, and that nobody can forge a line."""

import json
import logging
import re

import pytest
import structlog

from nxfs.core.logging import HIDDEN, configure_logging, redact_secrets


@pytest.fixture(autouse=True)
def logging_restored():
    """Give the other tests the loggers back as they were."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level, structlog.get_config())
    yield
    root.handlers[:], level, configuration = before
    root.setLevel(level)
    structlog.configure(**configuration)
    structlog.contextvars.clear_contextvars()


def json_lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_json_line_of_structlog_holds_time_level_logger_message_and_context(capsys):
    configure_logging("INFO", "json")
    structlog.contextvars.bind_contextvars(request_id="r-1")
    structlog.get_logger("nxfs.request").info("request", status=200, ms=1.5)
    [line] = json_lines(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line.pop("timestamp"))
    assert line == {
        "level": "info",
        "logger": "nxfs.request",
        "message": "request",
        "request_id": "r-1",
        "status": 200,
        "ms": 1.5,
    }


@pytest.mark.parametrize("name", ["gunicorn.error", "alembic.runtime.migration", "sqlalchemy.pool", "werkzeug"])
def test_json_line_of_the_standard_library_has_the_same_shape(capsys, name):
    configure_logging("INFO", "json")
    structlog.contextvars.bind_contextvars(request_id="r-2")
    logging.getLogger(name).warning("took %d ms", 5, extra={"worker": 7})
    [line] = json_lines(capsys)
    assert line.items() >= {"level": "warning", "logger": name, "message": "took 5 ms", "worker": 7}.items()
    assert line["request_id"] == "r-2"
    assert line["timestamp"].endswith("Z")


def test_level_above_info_drops_quieter_lines(capsys):
    configure_logging("WARNING", "json")
    structlog.get_logger("nxfs").info("quiet")
    logging.getLogger("nxfs").info("quiet")
    structlog.get_logger("nxfs").warning("loud")
    assert [line["message"] for line in json_lines(capsys)] == ["loud"]


def test_configure_twice_writes_every_line_once_and_keeps_foreign_handlers(capsys):
    foreign = logging.NullHandler()
    logging.getLogger().addHandler(foreign)
    configure_logging("INFO", "json")
    configure_logging("INFO", "console")
    logging.getLogger("nxfs").info("once")
    assert capsys.readouterr().out.count("once") == 1
    assert foreign in logging.getLogger().handlers


def test_json_exception_is_structured_and_without_local_variables(capsys):
    configure_logging("INFO", "json")
    try:
        local_password = "hunter2"
        raise ValueError("broken", len(local_password))
    except ValueError:
        structlog.get_logger("nxfs").exception("failed")
        logging.getLogger("library").exception("failed too")
    captured = capsys.readouterr().out
    assert "hunter2" not in captured
    for line in map(json.loads, captured.splitlines()):
        assert line["level"] == "error"
        [error] = line["exception"]
        assert error["exc_type"] == "ValueError"
        assert error["frames"][-1]["name"].startswith("test_json_exception")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_secret_values_at_any_depth_are_hidden(capsys, log_format):
    configure_logging("INFO", log_format)
    structlog.get_logger("nxfs").info(
        "sent",
        password="hunter2",
        new_password="hunter2",
        Authorization="hunter2",
        refresh="hunter2",
        access="hunter2",
        access_token="hunter2",
        secret_key="hunter2",
        body={"user": {"refreshToken": "hunter2"}, "items": [{"Set-Cookie": "hunter2"}]},
        url="/reset?token=hunter2&page=2",
        database="postgresql://nxfs:hunter2@db/nxfs",
        header="Bearer hunter2hunter2",
    )
    captured = capsys.readouterr().out
    assert "hunter2" not in captured
    assert HIDDEN in captured
    assert "page=2" in captured


def test_redact_secrets_with_innocent_keys_keeps_them():
    event = {"event": "x", "accessed_at": "2026-01-01", "refreshed": 3, "author": "Kari", "token": None}
    assert redact_secrets(None, "info", dict(event)) == event


FORGED = "ok\n2026-01-01T00:00:00Z [info] forged\r\x1b[2J\x9b31m\u2028\u202e\x00\ud800"


def test_json_line_with_control_characters_stays_one_line_of_ascii(capsys):
    configure_logging("INFO", "json")
    structlog.get_logger("nxfs").info(FORGED, path=FORGED, **{"key\n": 1})
    captured = capsys.readouterr().out
    assert captured.count("\n") == 1
    assert captured.rstrip("\n").isascii()
    assert json.loads(captured)["path"] == FORGED


def test_console_line_with_control_characters_shows_them_escaped(capsys):
    configure_logging("INFO", "console")
    structlog.get_logger("nxfs").info(FORGED, path=FORGED, nested={"key": [FORGED]}, **{"key\n": 1})
    logging.getLogger("library").warning("user %s", FORGED)
    lines = capsys.readouterr().out.split("\n")
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    assert "\\n2026" in lines[0]


def test_console_exception_with_line_breaks_cannot_look_like_a_line_of_the_log(capsys):
    configure_logging("INFO", "console")
    try:
        raise ValueError(FORGED)
    except ValueError:
        structlog.get_logger("nxfs").exception("failed")
    first, *others = capsys.readouterr().out.rstrip("\n").split("\n")
    assert "failed" in first
    assert len(others) > 3
    assert all(line.startswith("    ") and line.isprintable() for line in others)


def test_console_text_in_norwegian_is_readable(capsys):
    configure_logging("INFO", "console")
    structlog.get_logger("nxfs").info("Blåbærsyltetøy på Ærfuglveien", by="Åse")
    captured = capsys.readouterr().out
    assert "Blåbærsyltetøy på Ærfuglveien" in captured
    assert "by=Åse" in captured


def test_json_value_of_unknown_type_is_written_by_its_representation(capsys):
    configure_logging("INFO", "json")
    structlog.get_logger("nxfs").info("odd", value=object(), numbers={1, 2})
    assert len(json_lines(capsys)) == 1
