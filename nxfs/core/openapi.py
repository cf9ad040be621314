"""The OpenAPI document and its pages, served from packaged assets so that they work without internet."""

from __future__ import annotations

from typing import Any

import flask_smorest
import yaml
from apispec.ext.marshmallow import MarshmallowPlugin, OpenAPIConverter
from apispec.ext.marshmallow.common import resolve_schema_cls
from flask import Blueprint, Flask, Response, current_app, request, send_from_directory
from openapi_ui_bundles import redoc, swagger_ui

from nxfs.core.api import answers
from nxfs.core.api.fields import File, Files
from nxfs.core.api.forms import describe_form
from nxfs.core.api.schema import APIErrorSchema
from nxfs.core.http import IdentifierConverter

DESCRIPTION = """What the NXFS front end works with.

Times are UTC with `Z`, dates `YYYY-MM-DD`, ids numbers. Lists are pages (`page`, `page_size` up to 100). Every failure
is one body (`APIError`); `error.code` is stable, `error.message` a sentence in the user's language."""
SETTINGS = {
    "API_TITLE": "NXFS API",
    "API_VERSION": "1.0.0",
    "OPENAPI_VERSION": "3.1.0",
    "API_SPEC_OPTIONS": {"info": {"description": DESCRIPTION}, "servers": [{"url": "/"}]},
}
UI_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "worker-src blob:; connect-src 'self'; frame-ancestors 'none'"
)
FORM_FILE = {"type": "string", "format": "binary"}
# JSON cannot carry a file; all it can say is that there shall be none.
NO_FILE = {"type": "null", "example": None}
ASSETS = {"swagger-ui": swagger_ui.static_path, "redoc": redoc.static_path}
SWAGGER_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>NXFS API</title>
<link rel="stylesheet" href="/schema/assets/swagger-ui/swagger-ui.css"></head><body><div id="ui"></div>
<script src="/schema/assets/swagger-ui/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({url: "/schema/", dom_id: "#ui", persistAuthorization: true})</script></body></html>"""
REDOC_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>NXFS API</title></head>
<body><redoc spec-url="/schema/"></redoc>
<script src="/schema/assets/redoc/redoc.standalone.js"></script></body></html>"""

pages = Blueprint("schema", __name__, url_prefix="/schema")


class Converter(OpenAPIConverter):
    """Adds to a schema's entry what its ``Meta.json_schema`` says beyond its fields, such as "one of these two".

    A partial schema has no defaults: what is left out stays.
    """

    def schema2jsonschema(self, schema: Any) -> dict[str, Any]:
        described = {**super().schema2jsonschema(schema), **getattr(schema.Meta, "json_schema", {})}
        if schema.partial:
            for field in described["properties"].values():
                field.pop("default", None)
        is_form = getattr(schema, "is_form", False)
        for name, field in schema.load_fields.items():
            if isinstance(field, File | Files):
                property_ = described["properties"][field.data_key or name]
                if isinstance(field, Files) and is_form:
                    property_["items"] = FORM_FILE
                else:
                    property_ |= FORM_FILE if is_form else NO_FILE
        return describe_form(described) if is_form else described


class Plugin(MarshmallowPlugin):
    """Describes schemas with our converter."""

    Converter = Converter


class Api(flask_smorest.Api):
    """The application's API: our error body, bearer authentication, and ids in paths."""

    ERROR_SCHEMA = APIErrorSchema

    def init_app(self, app: Flask, **keywords: Any) -> None:
        """Bind to ``app`` and describe what all operations share."""
        plugin = Plugin(schema_name_resolver=_component_name)
        super().init_app(app, spec_kwargs={"marshmallow_plugin": plugin, **keywords})
        # Of the library's own pages; ours have an envelope.
        del self.spec.components.schemas["PaginationMetadata"]
        self.register_converter(
            IdentifierConverter, lambda converter: {"type": "integer", "format": "int64", "minimum": 1}
        )
        self.spec.components.security_scheme(
            "bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "The access token."}
        )
        described = "An API token, as `Token nxfs_…`, for what its scopes allow."
        self.spec.components.security_scheme(
            "token", {"type": "apiKey", "in": "header", "name": "Authorization", "description": described}
        )

    def _register_error_handlers(self) -> None:
        """Leave errors to ``nxfs.core.http``, which renders all of them."""


def _component_name(schema: Any) -> str:
    return resolve_schema_cls(schema).__name__.removesuffix("Schema")


@pages.get("/")
def show_document() -> Response:
    """Answer with the document: JSON, or YAML for ``?format=yaml``."""
    document = api_document()
    if request.args.get("format") == "yaml":
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        return answers.conditional(Response(text, mimetype="application/yaml"))
    return answers.conditional(current_app.json.response(document))


def api_document() -> dict[str, Any]:
    """Return the current application's OpenAPI document."""
    return current_app.extensions["flask-smorest"]["apis"][""]["ext_obj"].spec.to_dict()


@pages.get("/swagger-ui/")
def show_swagger_ui() -> Response:
    """Answer with Swagger UI."""
    return _page(SWAGGER_PAGE)


@pages.get("/redoc/")
def show_redoc() -> Response:
    """Answer with ReDoc."""
    return _page(REDOC_PAGE)


@pages.get("/assets/<any('swagger-ui', 'redoc'):bundle>/<path:name>")
def show_asset(bundle: str, name: str) -> Response:
    """Answer with a file of a packaged bundle."""
    return send_from_directory(ASSETS[bundle], name, max_age=86400)


def _page(html: str) -> Response:
    return Response(html, mimetype="text/html", headers={"Content-Security-Policy": UI_POLICY})
