"""The OpenAPI document: valid, complete, and the same as what the server does."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import yaml
from flask import Flask
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
# Pages for people and the document itself: all that is served and not in the document.
DOCUMENTATION = {
    "/schema/",
    "/schema/swagger-ui/",
    "/schema/redoc/",
    "/schema/assets/<any('swagger-ui', 'redoc'):bundle>/<path:name>",
    "/live/",
    "/live/assets/<path:name>",
}
PLACEHOLDER = re.compile(r"<([^:<>]+:)?")
IMPERATIVE = re.compile(r"[A-Z][a-z]+ .*\.")
NOT_IMPERATIVE = {"Returns", "Creates", "Gets", "Lists", "Shows", "Updates", "Deletes", "The", "This", "All", "One"}


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    """The document as a client gets it."""
    return app.test_client().get("/schema/").get_json()


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All operations by ``METHOD /path``."""
    return {
        f"{method.upper()} {path}": operation
        for path, entry in document["paths"].items()
        for method, operation in entry.items()
        if method.upper() in METHODS
    }


def routes(app: Flask) -> set[str]:
    """Return what the URL map serves, written as the document writes it."""
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule not in DOCUMENTATION]
    return {
        f"{method} {PLACEHOLDER.sub('{', rule.rule).replace('>', '}')}"
        for rule in rules
        for method in rule.methods & METHODS
    }


def test_document_is_valid_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_document_and_url_map_name_the_same_operations(app, operations):
    assert set(operations) == routes(app)


def test_documentation_pages_that_are_left_out_exist(app):
    assert {rule.rule for rule in app.url_map.iter_rules()} >= DOCUMENTATION


def test_operation_ids_are_unique_words(operations):
    ids = Counter(operation["operationId"] for operation in operations.values())
    assert [name for name, count in ids.items() if count > 1] == []
    assert [name for name in ids if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name)] == []


def test_every_operation_has_one_described_tag(document, operations):
    described = {tag["name"] for tag in document["tags"] if tag.get("description")}
    assert {name: operation["tags"] for name, operation in operations.items() if len(operation["tags"]) != 1} == {}
    assert {operation["tags"][0] for operation in operations.values()} == described


def test_every_summary_is_short_and_imperative(operations):
    summaries = [operation["summary"] for operation in operations.values()]
    assert [text for text in summaries if len(text) >= 60 or not IMPERATIVE.fullmatch(text)] == []
    assert [text for text in summaries if text.split()[0] in NOT_IMPERATIVE] == []


def test_security_is_documented_where_a_request_without_token_is_refused(app, operations):
    client = app.test_client()
    for name, operation in operations.items():
        method, path = name.split()
        url = re.sub(r"\{[^}]+\}", "1", path)
        is_refused = client.open(url, method=method, json={}).status_code == 401
        schemes = [scheme for scheme in operation.get("security", []) if scheme != {"token": []}]
        assert is_refused == (schemes == [{"bearer": []}]) or {} in schemes, name
        assert ("401" in operation["responses"]) or {} in schemes or not schemes, name


def test_every_error_response_is_the_one_error_component(document, operations):
    for name, operation in operations.items():
        errors = {status: entry for status, entry in operation["responses"].items() if status[0] not in "23"}
        assert "default" in errors, name
        for status, entry in errors.items():
            reference = entry["$ref"].rsplit("/", 1)[-1]
            content = document["components"]["responses"][reference]["content"]
            assert content == {"application/json": {"schema": {"$ref": "#/components/schemas/APIError"}}}, (
                name,
                status,
            )


def test_every_request_body_has_an_example_that_fits_its_schema(document, operations):
    for name, operation in operations.items():
        for content_type, media in operation.get("requestBody", {}).get("content", {}).items():
            assert_fits(document, media, (name, content_type))


def test_every_writing_operation_that_takes_a_body_documents_it(operations):
    with_413 = {name for name, operation in operations.items() if "413" in operation["responses"]}
    with_body = {name for name, operation in operations.items() if "requestBody" in operation}
    assert with_413 == with_body


def test_every_success_has_an_example_that_fits_its_schema(document, operations):
    for name, operation in operations.items():
        successes = {status: entry for status, entry in operation["responses"].items() if status[0] == "2"}
        assert successes, name
        for status, entry in successes.items():
            # Files and feeds have other media types, and no examples.
            for media_type in {"application/json"} & entry.get("content", {}).keys():
                assert_fits(document, entry["content"][media_type], (name, status))


def test_every_component_is_used(document):
    text = str(document)
    unused = {name for name in document["components"]["schemas"] if f"#/components/schemas/{name}'" not in text}
    assert unused == set()


def assert_fits(document: dict[str, Any], media: dict[str, Any], where: Any) -> bool:
    """Fail unless the example of a media type is valid against its schema."""
    assert "example" in media, where
    schema = {**media["schema"], "components": document["components"]}
    errors = OAS31Validator(schema, format_checker=OAS31Validator.FORMAT_CHECKER).iter_errors(media["example"])
    assert [f"{list(error.path)}: {error.message}" for error in errors] == [], where
    return True


def test_document_as_yaml_equals_the_json(client, document):
    response = client.get("/schema/?format=yaml")
    assert response.mimetype == "application/yaml"
    assert yaml.safe_load(response.data) == document


def test_document_without_the_trailing_slash_is_the_same(client, document):
    response = client.get("/schema")
    assert (response.status_code, response.get_json()) == (200, document)


@pytest.mark.parametrize("url", ["/schema/", "/schema/?format=yaml"])
def test_document_that_the_client_has_already_is_304(client, url):
    tag = client.get(url).headers["ETag"]
    again = client.get(url, headers={"If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    assert client.get(url, headers={"If-None-Match": '"other"'}).status_code == 200


class Assets(HTMLParser):
    """Collects what an HTML page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the addresses of a tag."""
        self.urls += [value for name, value in attrs if name in ("src", "href", "spec-url") and value]


@pytest.mark.parametrize("page", ["/schema/swagger-ui/", "/schema/redoc/"])
def test_documentation_page_loads_only_packaged_assets(client, page):
    response = client.get(page)
    assert response.mimetype == "text/html"
    parser = Assets()
    parser.feed(response.get_data(as_text=True))
    assert len(parser.urls) >= 2
    for url in parser.urls:
        assert urlsplit(url).netloc == ""
        with client.get(urljoin(page, url)) as asset:
            assert asset.status_code == 200
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy


def test_asset_outside_the_package_is_not_found(client):
    for name in ("../../requirements.txt", "..%2f..%2fnxfs%2fapp.py", "absent.js"):
        assert client.get(f"/schema/assets/redoc/{name}").status_code == 404
