"""Tests of the settings: what is accepted, and the sentence that refuses the rest."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nxfs import config as config_module
from nxfs.config import EXAMPLE_SECRET_KEY, PROJECT_ROOT, Config, ConfigurationError, default_values, load_environment

GOOD_KEY = "k7Qw-3nVbZ0pLxR8sYtUe2HdJm5GcA9f"


def read(**variables: str) -> Config:
    return Config.from_environment({"SECRET_KEY": GOOD_KEY, **variables})


def example_settings() -> dict[str, str]:
    lines = (PROJECT_ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_example_file_compared_with_config_names_every_setting_with_its_default():
    documented = example_settings()
    assert documented.pop("SECRET_KEY") == EXAMPLE_SECRET_KEY
    expected = default_values()
    del expected["SECRET_KEY"]
    assert documented == expected


def test_example_file_compared_with_config_says_something_about_every_setting():
    blocks = (PROJECT_ROOT / ".env.example").read_text().split("\n\n")[1:]
    undocumented = [block for block in blocks if "#" not in block and "PORT" not in block]
    assert undocumented == []


def test_from_environment_without_variables_gives_typed_defaults():
    config = read()
    assert config.NXFS_ENV == "production"
    assert config.DATABASE_URL == f"sqlite:///{PROJECT_ROOT}/instance/nxfs.db"
    assert (config.HOST, config.PORT, config.WEB_CONCURRENCY, config.PROXY_HOPS) == ("127.0.0.1", 5000, 1, 0)
    assert config.CORS_ORIGINS == ("http://localhost:3000",)
    assert config.REGISTRATION_OPEN is True
    assert config.SECRET_KEY_PREVIOUS is None
    assert (config.REDIS_URL, config.JOB_WORKERS, config.JOB_RETENTION_DAYS) == (None, 2, 14)
    assert (config.SMTP_URL, config.ADMIN_EMAIL, config.ADMIN_PASSWORD) == (None, None, None)
    assert (config.MAX_JSON_BYTES, config.MAX_UPLOAD_BYTES) == (1048576, 33554432)
    assert config.MEDIA_URL == f"file://{PROJECT_ROOT}/instance/media"
    assert (config.MEDIA_QUOTA, config.MEDIA_LINK_MINUTES) == (1073741824, 30)
    assert (config.S3_ENDPOINT_URL, config.S3_REGION) == (None, "us-east-1")
    assert (config.S3_ACCESS_KEY_ID, config.S3_SECRET_ACCESS_KEY, config.PUBLIC_URL) == (None, None, None)


def test_from_environment_with_unknown_or_empty_variables_ignores_them():
    assert read(PORT="", TIME_ZONE="  ", NXFS_UNKNOWN="x") == read()


@pytest.mark.parametrize(
    ("environment", "expected"), [("production", "json"), ("test", "json"), ("development", "console")]
)
def test_log_format_not_set_follows_the_environment(environment, expected):
    assert read(NXFS_ENV=environment).LOG_FORMAT == expected
    assert read(NXFS_ENV=environment, LOG_FORMAT="json").LOG_FORMAT == "json"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgres://u:p@db:5432/n?sslmode=require", "postgresql+psycopg://u:p@db:5432/n?sslmode=require"),
        ("postgresql://u@/n?host=/tmp/s", "postgresql+psycopg://u@/n?host=/tmp/s"),
        ("postgresql+psycopg://u:p@db/n", "postgresql+psycopg://u:p@db/n"),
        ("sqlite:///data/a.db", f"sqlite:///{PROJECT_ROOT}/data/a.db"),
        ("sqlite:////var/a.db", "sqlite:////var/a.db"),
    ],
)
def test_database_url_of_a_supported_engine_is_normalised(given, expected):
    assert read(DATABASE_URL=given).DATABASE_URL == expected


def test_database_url_in_memory_is_for_tests_only():
    assert read(NXFS_ENV="test", DATABASE_URL="sqlite:///:memory:").DATABASE_URL == "sqlite:///:memory:"
    with pytest.raises(ConfigurationError, match="DATABASE_URL names a database in memory"):
        read(DATABASE_URL="sqlite:///:memory:")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("NXFS_ENV", "staging", "production, development or test"),
        ("PORT", "0", "from 1 to 65535"),
        ("PORT", "70000", "from 1 to 65535"),
        ("PORT", "80a", "whole number"),
        ("PORT", "٨٠", "whole number"),
        ("PORT", "9" * 5000, "whole number"),
        ("PROXY_HOPS", "6", "from 0 to 5"),
        ("GRACEFUL_TIMEOUT_SECONDS", "60", "from 1 to 28"),
        ("DATABASE_POOL_SIZE", "-1", "from 1 to 500"),
        ("JOB_WORKERS", "0", "from 1 to 64"),
        ("JOB_WORKERS", "65", "from 1 to 64"),
        ("JOB_RETENTION_DAYS", "6", "from 7 to 3650"),
        ("REGISTRATION_OPEN", "maybe", "true or false"),
        ("TIME_ZONE", "Europe/Atlantis", "Europe/Oslo"),
        ("TIME_ZONE", "../etc/passwd", "Europe/Oslo"),
        ("HOST", "127.0.0.1:80/x", "host name or an IP address"),
        ("CORS_ORIGINS", "http://a.example,b.example", "scheme://host"),
        ("CORS_ORIGINS", "http://a.example/path", "scheme://host"),
        ("CORS_ORIGINS", "http://a.example:99999", "scheme://host"),
        ("FRONTEND_URL", "javascript:alert(1)", "https://host"),
        ("MAIL_FROM", "nobody", "name@example.com"),
        ("ADMIN_EMAIL", "a@b@c", "name@example.com"),
        ("LOG_LEVEL", "info", "INFO"),
        ("LOG_FORMAT", "xml", "json or console"),
        ("MAX_UPLOAD_BYTES", "1023", "from 1024 to 1073741824"),
        ("MEDIA_URL", "/var/media", "file:///path/to/directory or s3://bucket/prefix"),
        ("MEDIA_URL", "file://", "file:///path/to/directory or s3://bucket/prefix"),
        ("MEDIA_URL", "file:///", "file:///path/to/directory or s3://bucket/prefix"),
        ("MEDIA_URL", "s3://", "file:///path/to/directory or s3://bucket/prefix"),
        ("MEDIA_URL", "s3://Bucket", "file:///path/to/directory or s3://bucket/prefix"),
        ("MEDIA_URL", "s3://ab", "file:///path/to/directory or s3://bucket/prefix"),
        ("MEDIA_URL", "s3://bucket//prefix", "file:///path/to/directory or s3://bucket/prefix"),
        ("MEDIA_URL", "s3://bucket/pre fix", "file:///path/to/directory or s3://bucket/prefix"),
        ("MEDIA_URL", "https://bucket.example", "file:///path/to/directory or s3://bucket/prefix"),
        ("MEDIA_QUOTA", "-1", "from 0 to 1000000000000"),
        ("MEDIA_QUOTA", "1 GB", "whole number"),
        ("MEDIA_LINK_MINUTES", "0", "from 1 to 1440"),
        ("MEDIA_LINK_MINUTES", "1441", "from 1 to 1440"),
        ("S3_ENDPOINT_URL", "minio:9000", "https://host"),
        ("S3_REGION", "x" * 61, "at most 60"),
        ("S3_ACCESS_KEY_ID", "two\nlines", "printable characters"),
        ("PUBLIC_URL", "api.example.com", "https://host"),
        ("PUBLIC_URL", "https://api.example.com?x=1", "https://host"),
    ],
)
def test_from_environment_with_a_wrong_value_names_variable_value_and_what_is_allowed(name, value, allowed):
    with pytest.raises(ConfigurationError) as caught:
        read(**{name: value})
    message = str(caught.value)
    assert message.startswith(f"{name} is {value[:100]!r}, but ")
    assert allowed in message
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://u:hunter2@db/n"),
        ("DATABASE_URL", "postgresql://u:hunter2@db:port/n"),
        ("DATABASE_URL", "hunter2"),
        ("DATABASE_URL", "sqlite://hunter2"),
        ("DATABASE_URL", "sqlite:///"),
        ("REDIS_URL", "http://:hunter2@cache:6379"),
        ("REDIS_URL", "redis://:hunter2@"),
        ("REDIS_URL", "redis://:hunter2@cache:port/0"),
        ("REDIS_URL", "redis://:hunter2@cache:6379/first"),
        ("SMTP_URL", "http://u:hunter2@mail"),
        ("SMTP_URL", "smtp://u:hunter2@mail:port"),
        ("SMTP_URL", "smtp://u:hunter2@mail?tls=1"),
        ("SMTP_URL", "smtp://u:hunter2@mail?starttls=maybe"),
        ("ADMIN_PASSWORD", "hunter2"),
        ("S3_SECRET_ACCESS_KEY", "hunter2\t" + "x" * 200),
    ],
)
def test_from_environment_with_a_wrong_secret_does_not_show_it(name, value):
    with pytest.raises(ConfigurationError) as caught:
        read(**{name: value})
    assert str(caught.value).startswith(f"{name} is (not shown), but ")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("file://data/media", f"file://{PROJECT_ROOT}/data/media"),
        ("file:///var/media", "file:///var/media"),
        ("file:///var/bilder på tavla", "file:///var/bilder på tavla"),
    ],
)
def test_media_url_of_a_directory_is_made_absolute(given, expected):
    assert read(MEDIA_URL=given).MEDIA_URL == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("s3://nxfs-media", "s3://nxfs-media"),
        ("s3://nxfs.media/", "s3://nxfs.media"),
        ("s3://nxfs-media/a/b_c/", "s3://nxfs-media/a/b_c"),
    ],
)
def test_media_url_of_a_bucket_needs_a_key(given, expected):
    key = {"S3_ACCESS_KEY_ID": "id", "S3_SECRET_ACCESS_KEY": "hunter2"}
    config = read(MEDIA_URL=given, **key)
    assert (config.MEDIA_URL, config.S3_ACCESS_KEY_ID) == (expected, "id")
    assert "hunter2" not in repr(config)
    for name in key:
        with pytest.raises(ConfigurationError, match=f"{name} is missing, but MEDIA_URL names a bucket"):
            read(MEDIA_URL=given, **{**key, name: ""})


def test_media_quota_of_zero_and_addresses_with_a_slash_are_allowed():
    config = read(MEDIA_QUOTA="0", PUBLIC_URL="https://api.example.com/nxfs/", S3_ENDPOINT_URL="http://127.0.0.1:9000/")
    assert config.MEDIA_QUOTA == 0
    assert (config.PUBLIC_URL, config.S3_ENDPOINT_URL) == ("https://api.example.com/nxfs", "http://127.0.0.1:9000")


@pytest.mark.parametrize("value", ["redis://cache", "redis://:p@cache:6379/0", "rediss://u:p@[::1]:6380/15?protocol=3"])
def test_redis_url_that_is_allowed_is_kept(value):
    assert read(REDIS_URL=value).REDIS_URL == value


@pytest.mark.parametrize("value", ["smtp://u:p@h:587?starttls=true", "smtps://h", "smtp://h:25/"])
def test_smtp_url_that_is_allowed_is_kept(value):
    assert read(SMTP_URL=value).SMTP_URL == value


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("", "SECRET_KEY is missing"),
        ("short-key", "SECRET_KEY has 9 characters, but production needs at least 32"),
        (EXAMPLE_SECRET_KEY, "easily guessed"),
        ("ab" * 20, "easily guessed"),
    ],
)
def test_secret_key_in_production_weak_is_refused_without_showing_it(key, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        read(SECRET_KEY=key)
    assert not key or key not in str(caught.value)


def test_secret_key_in_development_short_is_accepted_and_missing_is_refused():
    assert read(NXFS_ENV="development", SECRET_KEY="short").SECRET_KEY == "short"
    with pytest.raises(ConfigurationError, match="SECRET_KEY is missing"):
        read(NXFS_ENV="development", SECRET_KEY="")


def test_secret_key_previous_follows_the_same_rules():
    assert read(SECRET_KEY_PREVIOUS=GOOD_KEY[::-1]).SECRET_KEY_PREVIOUS == GOOD_KEY[::-1]
    with pytest.raises(ConfigurationError, match="SECRET_KEY_PREVIOUS is the same"):
        read(SECRET_KEY_PREVIOUS=GOOD_KEY)
    with pytest.raises(ConfigurationError, match="SECRET_KEY_PREVIOUS has 5 characters"):
        read(SECRET_KEY_PREVIOUS="short")


def test_web_concurrency_above_one_is_refused_with_the_alternative():
    with pytest.raises(ConfigurationError, match=re.escape("honcho start -c web=2")) as caught:
        read(WEB_CONCURRENCY="3")
    assert "WEB_CONCURRENCY is '3'" in str(caught.value)
    assert "session affinity" in str(caught.value)


def test_cors_origins_wildcard_is_refused_in_production_only():
    assert read(NXFS_ENV="development", CORS_ORIGINS="*").CORS_ORIGINS == ("*",)
    with pytest.raises(ConfigurationError, match="CORS_ORIGINS contains"):
        read(CORS_ORIGINS="https://a.example, *")


def test_cors_origins_list_is_split_at_commas():
    origins = read(CORS_ORIGINS="https://a.example, http://[::1]:3000 ,").CORS_ORIGINS
    assert origins == ("https://a.example", "http://[::1]:3000")


def test_session_absolute_shorter_than_idle_is_refused():
    assert read(SESSION_IDLE_HOURS="5", SESSION_ABSOLUTE_HOURS="5").SESSION_ABSOLUTE_HOURS == 5
    with pytest.raises(ConfigurationError, match="SESSION_ABSOLUTE_HOURS is '4', but at least SESSION_IDLE_HOURS"):
        read(SESSION_IDLE_HOURS="5", SESSION_ABSOLUTE_HOURS="4")


def test_lifetimes_of_a_role_have_to_fit_together_with_those_that_it_shares_with_all():
    assert read(SESSION_IDLE_HOURS_ADMIN="1", ACCESS_TOKEN_MINUTES_ADMIN="5").SESSION_IDLE_HOURS_ADMIN == 1
    with pytest.raises(ConfigurationError, match="SESSION_ABSOLUTE_HOURS_STAFF is '8', but at least"):
        read(SESSION_ABSOLUTE_HOURS_STAFF="8")
    with pytest.raises(ConfigurationError, match="ACCESS_TOKEN_MINUTES is '90'.* SESSION_IDLE_HOURS_ADMIN"):
        read(ACCESS_TOKEN_MINUTES="90", SESSION_IDLE_HOURS_ADMIN="1")


def test_repr_with_secrets_set_hides_them():
    config = read(
        DATABASE_URL="postgres://u:hunter2@db/n",
        REDIS_URL="redis://:hunter2@cache",
        SMTP_URL="smtp://u:hunter2@mail",
        ADMIN_PASSWORD="hunter2-hunter2",
        SECRET_KEY_PREVIOUS=GOOD_KEY[::-1],
    )
    for shown in (repr(config), str(config)):
        assert "hunter2" not in shown
        assert GOOD_KEY not in shown
        assert GOOD_KEY[::-1] not in shown
        assert "PORT=5000" in shown


def test_load_environment_with_file_completes_but_does_not_override_the_real_one(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("PORT=7000\nHOST=0.0.0.0\n")
    monkeypatch.setattr(config_module, "PROJECT_ROOT", tmp_path)
    monkeypatch.delenv("FLASK_SKIP_DOTENV", raising=False)
    monkeypatch.delenv("HOST", raising=False)
    monkeypatch.setenv("PORT", "6000")
    assert load_environment()["PORT"] == "6000"
    assert load_environment()["HOST"] == "0.0.0.0"
    monkeypatch.setenv("FLASK_SKIP_DOTENV", "1")
    assert "HOST" not in load_environment()


@pytest.mark.parametrize(
    "command", [["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"], ["flask", "db", "upgrade"], ["wsgi"], ["worker"]]
)
def test_start_with_a_wrong_setting_prints_one_sentence_and_exits_with_three(command):
    environment = {**os.environ, "FLASK_SKIP_DOTENV": "1", "FLASK_APP": "nxfs.app:create_app", "PORT": "abc"}
    environment["SECRET_KEY"] = GOOD_KEY
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 3
    assert done.stderr == "Error: PORT is 'abc', but a whole number from 1 to 65535 is allowed.\n"


def test_import_of_config_creates_nothing(tmp_path):
    code = "import nxfs.config, pathlib; print(sorted(str(each) for each in pathlib.Path('.').iterdir()))"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("[]\n", 0)
    assert list(Path(tmp_path).iterdir()) == []
