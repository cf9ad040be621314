"""Settings: read once from the environment and `.env`, checked before anything starts."""

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import click
from dotenv import dotenv_values

PROJECT_ROOT = Path(__file__).resolve().parent.parent

EXAMPLE_SECRET_KEY = "change-me-to-at-least-32-random-characters"
SECRET_KEY_LENGTH = 32
SECRET_KEY_VARIETY = 8

Parse = Callable[[str], Any]


class ConfigurationError(click.ClickException):
    """One sentence about one wrong setting, for the person who set it.

    A ClickException, so that every `flask` command prints the sentence and stops where another exception
    would show a traceback.
    """

    exit_code = 3


class _Refused(Exception):
    """The end of the sentence: why the value of one setting is refused."""


def text(max_length: int = 1000) -> Parse:
    """Return a parser of one line of text."""

    def parse(value: str) -> str:
        if len(value) > max_length or not value.isprintable():
            raise _Refused(f"one line of at most {max_length} printable characters is allowed")
        return value

    return parse


def integer(minimum: int, maximum: int) -> Parse:
    """Return a parser of whole numbers from `minimum` to `maximum`."""

    def parse(value: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,15}", value) or not minimum <= int(value) <= maximum:
            raise _Refused(f"a whole number from {minimum} to {maximum} is allowed")
        return int(value)

    return parse


def boolean() -> Parse:
    """Return a parser of yes/no settings."""
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}

    def parse(value: str) -> bool:
        if value.lower() not in words:
            raise _Refused("true or false is allowed")
        return words[value.lower()]

    return parse


def choice(*allowed: str) -> Parse:
    """Return a parser that accepts exactly the `allowed` words."""

    def parse(value: str) -> str:
        if value not in allowed:
            raise _Refused(f"{', '.join(allowed[:-1])} or {allowed[-1]} is allowed")
        return value

    return parse


def items(parse_item: Parse) -> Parse:
    """Return a parser of comma-separated lists, each item read by `parse_item`."""

    def parse(value: str) -> tuple[Any, ...]:
        return tuple(parse_item(item.strip()) for item in value.split(",") if item.strip())

    return parse


def origin(value: str) -> str:
    """Return `value` if it is a web origin or `*`; raise _Refused otherwise."""
    if value == "*":
        return value
    return _web_address(value, r"", "scheme://host[:port] without a path is allowed for each origin")


def web_url(value: str) -> str:
    """Return the http or https address `value` without a trailing slash; raise _Refused otherwise."""
    return _web_address(value.rstrip("/"), r"(/[^\s?#]*)?", "an address such as https://host[:port]/path is allowed")


def url_path(value: str) -> str:
    """Return the path `value` with a slash at both ends; raise _Refused for anything else."""
    if not re.fullmatch(r"(/[0-9A-Za-z._~-]+)+/?", value):
        raise _Refused("a path such as /socket.io/ is allowed")
    return f"{value.rstrip('/')}/"


def email_address(value: str) -> str:
    """Return `value` if it looks like one e-mail address; raise _Refused otherwise."""
    if not re.fullmatch(r"[^\s@<>,;]{1,64}@[^\s@<>,;]{1,190}", value):
        raise _Refused("an address such as name@example.com is allowed")
    return value


def sender(value: str) -> str:
    """Return `value` if it is an address or `Name <address>`; raise _Refused otherwise."""
    named = re.fullmatch(r"[^<>@\r\n]{1,80}<([^<>]+)>", value)
    email_address(named.group(1) if named else value)
    return value


def password(value: str) -> str:
    """Return `value` if it has the length of a password; raise _Refused otherwise."""
    if not 8 <= len(value) <= 128:
        raise _Refused("8 to 128 characters are allowed")
    return value


def time_zone(value: str) -> str:
    """Return `value` if the time zone database knows it; raise _Refused otherwise."""
    try:
        ZoneInfo(value)
    except (ValueError, KeyError, OSError):
        raise _Refused("a name of the time zone database such as Europe/Oslo is allowed") from None
    return value


def host_name(value: str) -> str:
    """Return `value` if it is a host name or an IP address; raise _Refused otherwise."""
    if not re.fullmatch(r"[0-9A-Za-z.:_-]{1,253}", value):
        raise _Refused("a host name or an IP address is allowed")
    return value


def smtp_url(value: str) -> str:
    """Return `value` if it is an address of a mail server; raise _Refused otherwise."""
    allowed = "smtp://user:password@host:587?starttls=true or smtps://user:password@host:465 is allowed"
    try:
        parts = urlsplit(value)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        well_formed = parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise _Refused(allowed) from None
    if not well_formed or parts.path not in ("", "/") or options.keys() - {"starttls"}:
        raise _Refused(allowed)
    boolean()(options.get("starttls", "false"))
    return value


def database_url(value: str) -> str:
    """Return the SQLAlchemy address of a SQLite file (made absolute) or a PostgreSQL database (on psycopg 3).

    Raise _Refused for any other scheme.
    """
    scheme, _, rest = value.partition("://")
    if scheme in ("postgres", "postgresql", "postgresql+psycopg") and _has_valid_port(value):
        return f"postgresql+psycopg://{rest}"
    if scheme == "sqlite" and rest.startswith("/:memory:"):
        return value
    if scheme == "sqlite" and rest.startswith("/") and rest.strip("/"):
        return f"sqlite:///{PROJECT_ROOT / rest[1:]}"
    raise _Refused("sqlite:///path/to/file.db or postgresql://user:password@host/database is allowed")


def redis_url(value: str) -> str:
    """Return `value` if it is the address of a Redis database; raise _Refused otherwise."""
    if not re.fullmatch(r"rediss?://([^\s/@]*@)?[^\s/@?]+(/[0-9]{1,3})?(\?\S*)?", value) or not _has_valid_port(value):
        raise _Refused("redis://:password@host:6379/0 is allowed")
    return value


def rates(value: str) -> tuple[tuple[int, int], ...]:
    """Return the amounts and seconds of rates such as `200 per 10 seconds, 6000 per hour`; raise _Refused otherwise."""
    allowed = "rates such as 5 per minute, or 200 per 10 seconds, 6000 per hour are allowed, each for another time"
    units = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
    found = []
    for part in value.split(","):
        rate = r"([1-9][0-9]{0,8}) ?(?:per|/) ?(?:([1-9][0-9]{0,4}) )?(second|minute|hour|day)s?"
        match = re.fullmatch(rate, part.strip())
        if match is None:
            raise _Refused(allowed)
        found.append((int(match[1]), int(match[2] or 1) * units[match[3]]))
    if len({seconds for _, seconds in found}) < len(found) or max(seconds for _, seconds in found) > 86400:
        raise _Refused(f"{allowed}, at most a day")
    return tuple(found)


def network(value: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return the network, or the single address, that `value` names; raise _Refused for anything else."""
    try:
        return ipaddress.ip_network(value)
    except ValueError:
        raise _Refused("addresses and networks such as 10.1.2.3 or 10.0.0.0/8 are allowed") from None


def media_url(value: str) -> str:
    """Return the address of a directory (made absolute) or of a bucket; raise _Refused for anything else."""
    scheme, _, rest = value.partition("://")
    if scheme == "file" and rest.strip("/"):
        return f"file://{PROJECT_ROOT / rest}"
    if scheme == "s3" and re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[0-9A-Za-z!_.*'()-]+)*/?", rest):
        return value.rstrip("/")
    raise _Refused("file:///path/to/directory or s3://bucket/prefix is allowed")


def directory(value: str) -> str:
    """Return the path of a directory, made absolute; raise _Refused for what is none."""
    if "\0" in value or value.startswith("~"):
        raise _Refused("the path of a directory is allowed")
    return str(PROJECT_ROOT / value)


def _has_valid_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _web_address(value: str, path: str, allowed: str) -> str:
    host = r"([0-9A-Za-z_-]+(\.[0-9A-Za-z_-]+)*|\[[0-9A-Fa-f:.]+\])"
    match = re.fullmatch(rf"https?://{host}(:(?P<port>[0-9]{{1,5}}))?{path}", value)
    if not match or not 0 < int(match["port"] or 80) < 65536:
        raise _Refused(allowed)
    return value


def _setting(default: str, parse: Parse, *, secret: bool = False) -> Any:
    return field(metadata={"default": default, "parse": parse, "secret": secret})


@dataclass(frozen=True, kw_only=True, repr=False)
class Config:
    """Every setting, once: its name, its default as one would write it, and the parser that checks it.

    An empty text stands for "not set". `app.config.from_object(config)` takes an instance as it is.
    """

    NXFS_ENV: str = _setting("production", choice("production", "development", "test"))
    SECRET_KEY: str = _setting("", text(), secret=True)
    SECRET_KEY_PREVIOUS: str | None = _setting("", text(), secret=True)

    DATABASE_URL: str = _setting("sqlite:///instance/nxfs.db", database_url, secret=True)
    DATABASE_POOL_SIZE: int = _setting("20", integer(1, 500))
    STATEMENT_TIMEOUT_SECONDS: int = _setting("10", integer(1, 3600))

    REDIS_URL: str | None = _setting("", redis_url, secret=True)
    JOB_WORKERS: int = _setting("2", integer(1, 64))
    JOB_RETENTION_DAYS: int = _setting("14", integer(7, 3650))

    HOST: str = _setting("127.0.0.1", host_name)
    PORT: int = _setting("5000", integer(1, 65535))
    WEB_CONCURRENCY: int = _setting("1", integer(1, 1000))
    GRACEFUL_TIMEOUT_SECONDS: int = _setting("25", integer(1, 28))
    PROXY_HOPS: int = _setting("0", integer(0, 5))
    MAX_JSON_BYTES: int = _setting("1048576", integer(1024, 104857600))
    MAX_UPLOAD_BYTES: int = _setting("33554432", integer(1024, 1073741824))

    MEDIA_URL: str = _setting("file://instance/media", media_url)
    MEDIA_QUOTA: int = _setting("1073741824", integer(0, 1_000_000_000_000))
    MEDIA_LINK_MINUTES: int = _setting("30", integer(1, 1440))
    S3_ENDPOINT_URL: str | None = _setting("", web_url)
    S3_REGION: str = _setting("us-east-1", text(60))
    S3_ACCESS_KEY_ID: str | None = _setting("", text(200))
    S3_SECRET_ACCESS_KEY: str | None = _setting("", text(200), secret=True)

    PUBLIC_URL: str | None = _setting("", web_url)
    CORS_ORIGINS: tuple[str, ...] = _setting("http://localhost:3000", items(origin))
    FRONTEND_URL: str = _setting("http://localhost:3000", web_url)
    TIME_ZONE: str = _setting("Europe/Oslo", time_zone)

    ACCESS_TOKEN_MINUTES: int = _setting("15", integer(1, 1440))
    REFRESH_GRACE_SECONDS: int = _setting("30", integer(0, 600))
    SESSION_IDLE_HOURS: int = _setting("336", integer(1, 87600))
    SESSION_ABSOLUTE_HOURS: int = _setting("2160", integer(1, 87600))
    ACCESS_TOKEN_MINUTES_STAFF: int | None = _setting("", integer(1, 1440))
    SESSION_IDLE_HOURS_STAFF: int | None = _setting("", integer(1, 87600))
    SESSION_ABSOLUTE_HOURS_STAFF: int | None = _setting("", integer(1, 87600))
    ACCESS_TOKEN_MINUTES_ADMIN: int | None = _setting("", integer(1, 1440))
    SESSION_IDLE_HOURS_ADMIN: int | None = _setting("", integer(1, 87600))
    SESSION_ABSOLUTE_HOURS_ADMIN: int | None = _setting("", integer(1, 87600))
    REGISTRATION_OPEN: bool = _setting("true", boolean())
    ADMIN_EMAIL: str | None = _setting("", email_address)
    ADMIN_PASSWORD: str | None = _setting("", password, secret=True)

    SMTP_URL: str | None = _setting("", smtp_url, secret=True)
    MAIL_FROM: str = _setting("nxfs@localhost", sender)

    SOCKETIO_PATH: str = _setting("/socket.io/", url_path)
    EVENT_RETENTION_DAYS: int = _setting("7", integer(1, 3650))
    EVENT_RETENTION_COUNT: int = _setting("500000", integer(1000, 100_000_000))
    PRESENCE_GRACE_SECONDS: int = _setting("8", integer(0, 60))
    MAX_CONNECTIONS: int = _setting("5000", integer(10, 100_000))

    # Not shorter than reminders look back, or they would be told again.
    NOTIFICATION_RETENTION_DAYS: int = _setting("90", integer(8, 3650))

    AUDIT_RETENTION_DAYS: int = _setting("400", integer(2, 36500))
    AUDIT_ARCHIVE: str = _setting("instance/audit", directory)
    RATELIMIT_ENABLED: bool = _setting("true", boolean())
    RATELIMIT_API: tuple[tuple[int, int], ...] = _setting("200 per 10 seconds, 6000 per hour", rates)
    RATELIMIT_ANONYMOUS: tuple[tuple[int, int], ...] = _setting("600 per hour", rates)
    RATELIMIT_LOGIN: tuple[tuple[int, int], ...] = _setting("5 per minute", rates)
    RATELIMIT_LOGIN_ADDRESS: tuple[tuple[int, int], ...] = _setting("20 per minute", rates)
    RATELIMIT_REFRESH: tuple[tuple[int, int], ...] = _setting("300 per minute, 6000 per hour", rates)
    RATELIMIT_UPLOAD: tuple[tuple[int, int], ...] = _setting("200 per hour", rates)
    RATELIMIT_BULK: tuple[tuple[int, int], ...] = _setting("10 per minute, 100 per hour", rates)
    RATELIMIT_BULK_IDS: tuple[tuple[int, int], ...] = _setting("100000 per minute, 500000 per hour", rates)
    RATELIMIT_ADMIN: tuple[tuple[int, int], ...] = _setting("2000 per hour", rates)
    RATELIMIT_EXPORT: tuple[tuple[int, int], ...] = _setting("10 per minute, 60 per hour", rates)
    RATELIMIT_SOCKET_CONNECT: tuple[tuple[int, int], ...] = _setting("60 per minute", rates)
    RATELIMIT_SOCKET_EVENT: tuple[tuple[int, int], ...] = _setting("1200 per minute", rates)
    RATELIMIT_EXEMPT: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] | None = _setting("", items(network))
    RATELIMIT_FALLBACK_SHARE: int = _setting("25", integer(1, 100))
    REQUEST_COUNT_RETENTION_DAYS: int = _setting("90", integer(1, 3650))

    LOG_LEVEL: str = _setting("INFO", choice("DEBUG", "INFO", "WARNING", "ERROR"))
    LOG_FORMAT: str = _setting("", choice("json", "console"))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Return the settings that `environment` holds, with the defaults for those it does not.

        Unknown variables are ignored. Raise ConfigurationError for the first value that is not allowed.
        """
        values = {setting.name: _read(setting, environment) for setting in fields(cls)}
        values["LOG_FORMAT"] = values["LOG_FORMAT"] or _default_log_format(values["NXFS_ENV"])
        config = cls(**values)
        for check in CHECKS:
            check(config)
        return config

    def __repr__(self) -> str:
        return f"Config({', '.join(_describe(setting, self) for setting in fields(self))})"


def default_values() -> dict[str, str]:
    """Return the name of every setting with its default, as the text one would write into `.env`."""
    return {setting.name: setting.metadata["default"] for setting in fields(Config)}


def load_environment() -> dict[str, str]:
    """Return the process environment, completed by the project's `.env` file where it sets nothing itself.

    FLASK_SKIP_DOTENV=1 leaves the file out, as it does for the `flask` command.
    """
    environment = dict(os.environ)
    if environment.get("FLASK_SKIP_DOTENV", "") not in ("", "0", "false"):
        return environment
    from_file = dotenv_values(PROJECT_ROOT / ".env")
    return {name: value for name, value in from_file.items() if value is not None} | environment


def _read(setting: Field[Any], environment: Mapping[str, str]) -> Any:
    value = environment.get(setting.name, "").strip() or setting.metadata["default"]
    if not value:
        return None
    try:
        return setting.metadata["parse"](value)
    except _Refused as refusal:
        shown = "(not shown)" if setting.metadata["secret"] else repr(value[:100])
        raise ConfigurationError(f"{setting.name} is {shown}, but {refusal}.") from None


def _default_log_format(environment_name: str) -> str:
    return "console" if environment_name == "development" else "json"


def _describe(setting: Field[Any], config: Config) -> str:
    value = getattr(config, setting.name)
    return f"{setting.name}={'***' if setting.metadata['secret'] and value else repr(value)}"


def _check_secret_key(config: Config) -> None:
    if not config.SECRET_KEY:
        raise ConfigurationError(
            "SECRET_KEY is missing, but the tokens are signed with it; set it to at least "
            f"{SECRET_KEY_LENGTH} random characters (`make run` writes one into .env for development)."
        )
    if config.SECRET_KEY == config.SECRET_KEY_PREVIOUS:
        raise ConfigurationError("SECRET_KEY_PREVIOUS is the same as SECRET_KEY; leave it out or set the former key.")
    if config.NXFS_ENV == "production":
        _check_strength("SECRET_KEY", config.SECRET_KEY)
        _check_strength("SECRET_KEY_PREVIOUS", config.SECRET_KEY_PREVIOUS)


def _check_strength(name: str, key: str | None) -> None:
    if key is None:
        return
    if len(key) < SECRET_KEY_LENGTH:
        raise ConfigurationError(
            f"{name} has {len(key)} characters, but production needs at least {SECRET_KEY_LENGTH} random ones."
        )
    if key == EXAMPLE_SECRET_KEY or len(set(key)) < SECRET_KEY_VARIETY:
        raise ConfigurationError(
            f"{name} is the example's or easily guessed, but production needs at least "
            f"{SECRET_KEY_LENGTH} random characters."
        )


def _check_concurrency(config: Config) -> None:
    if config.WEB_CONCURRENCY > 1:
        raise ConfigurationError(
            f"WEB_CONCURRENCY is '{config.WEB_CONCURRENCY}', but only 1 is allowed; run more single-worker processes "
            "instead, e.g. `honcho start -c web=2 web` behind a balancer with session affinity."
        )


def _check_origins(config: Config) -> None:
    if config.NXFS_ENV == "production" and "*" in config.CORS_ORIGINS:
        raise ConfigurationError("CORS_ORIGINS contains '*', but production allows only origins named one by one.")


def _check_sessions(config: Config) -> None:
    for suffix in ("", "_STAFF", "_ADMIN"):
        minutes, idle, absolute = (
            _of_role(config, name, suffix)
            for name in ("ACCESS_TOKEN_MINUTES", "SESSION_IDLE_HOURS", "SESSION_ABSOLUTE_HOURS")
        )
        if minutes[1] > idle[1] * 60:
            raise ConfigurationError(
                f"{minutes[0]} is '{minutes[1]}', but an access token may not outlive {idle[0]} ({idle[1]})."
            )
        if absolute[1] < idle[1]:
            raise ConfigurationError(
                f"{absolute[0]} is '{absolute[1]}', but at least {idle[0]} ({idle[1]}) is allowed."
            )


def _of_role(config: Config, name: str, suffix: str) -> tuple[str, int]:
    """Return the setting in force for a role, and its name."""
    value = getattr(config, name + suffix)
    return (name, getattr(config, name)) if value is None else (name + suffix, value)


def _check_database(config: Config) -> None:
    if config.NXFS_ENV != "test" and config.DATABASE_URL.startswith("sqlite:///:memory:"):
        raise ConfigurationError("DATABASE_URL names a database in memory, but only one that is kept is allowed.")


def _check_media(config: Config) -> None:
    if not config.MEDIA_URL.startswith("s3:"):
        return
    for name in ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"):
        if not getattr(config, name):
            raise ConfigurationError(f"{name} is missing, but MEDIA_URL names a bucket.")


CHECKS = (_check_secret_key, _check_concurrency, _check_origins, _check_sessions, _check_database, _check_media)
