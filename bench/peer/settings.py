"""Settings of the peer: what a project in production has, on the database that ``PEER_DATABASE`` names."""

import os

from sqlalchemy import make_url

_url = make_url(os.environ["PEER_DATABASE"])
_is_sqlite = _url.get_backend_name() == "sqlite"

DEBUG = False
SECRET_KEY = os.environ["PEER_SECRET"]
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "bench.peer.urls"
WSGI_APPLICATION = "bench.peer.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "rest_framework",
    "rest_framework.authtoken",
    "bench.peer",
]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
DATABASES = {
    "default": {
        "ENGINE": f"django.db.backends.{'sqlite3' if _is_sqlite else 'postgresql'}",
        "NAME": _url.database,
        "USER": _url.username or "",
        "HOST": _url.query.get("host", ""),
        "CONN_MAX_AGE": None,
    }
}
if _is_sqlite:
    # A commit is as durable as ours.
    _pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"
    DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": _pragmas}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
}
