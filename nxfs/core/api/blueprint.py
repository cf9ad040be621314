"""The blueprint of all domains: a decorator that changes what a route does also writes it into the document."""

from __future__ import annotations

import http
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import flask_smorest
import marshmallow as ma
from flask import Response, g

from nxfs.core import event_tail
from nxfs.core.api import answers, forms, idempotency, pages
from nxfs.core.api.examples import example_of
from nxfs.core.api.parser import Parser
from nxfs.core.errors import (
    APIError,
    NotFoundError,
    PayloadTooLargeError,
    PreconditionFailedError,
    RateLimitExceededError,
    UnsupportedMediaTypeError,
)

View = TypeVar("View", bound=Callable[..., Any])
SchemaType = type[ma.Schema] | ma.Schema

CURSOR = {
    "X-Event-Cursor": {
        "description": "The list holds every event up to this one: join rooms with it as `since` to miss nothing.",
        "schema": {"type": "integer"},
    }
}
IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "required": False,
    "description": "The ETag of the version you have seen; 412 when there is a newer one.",
    "schema": {"type": "string"},
}


def document(
    view: View, *, errors: tuple[type[APIError], ...] = (), takes_keys: bool = False, **operation: Any
) -> View:
    """Write ``errors`` and OpenAPI ``operation`` keys into the view's entry of the document; the view is returned.

    With ``takes_keys`` it honours an ``Idempotency-Key``, with the methods that write.
    """
    entry = getattr(view, "_apidoc", {})
    view._apidoc = entry  # type: ignore[attr-defined]
    if takes_keys:
        entry["takes_keys"] = True
    _describe(entry, errors, operation)
    return view


def _describe(entry: dict[str, Any], errors: tuple[type[APIError], ...], operation: dict[str, Any]) -> None:
    responses = entry.setdefault("response", {}).setdefault("responses", {})
    for error in errors:
        responses[error.status] = [http.HTTPStatus(error.status).name]
    manual = entry.setdefault("manual_doc", {})
    for key, value in operation.items():
        manual[key] = manual.get(key, []) + value if isinstance(value, list) else value


class Blueprint(flask_smorest.Blueprint):
    """A blueprint whose decorators stack in this order: guard, arguments, response or paginated, raises."""

    ARGUMENTS_PARSER = Parser()
    # Whether the document says that API tokens are let through; the guard decides it.
    takes_api_tokens = True
    DEFAULT_LOCATION_CONTENT_TYPE_MAPPING = {
        "json": "application/json",
        "optional_json": "application/json",
        "json_or_form": "application/json",
        "upload": "multipart/form-data",
    }

    def arguments(self, schema: SchemaType, *, location: str = "json", **keywords: Any) -> Callable[[View], View]:
        """Pass what was loaded with ``schema`` to the view.

        ``location`` is ``json``, ``optional_json``, ``json_or_form``, ``upload`` (a form with a file) or ``query``.
        """
        instance = schema() if isinstance(schema, type) else schema
        if location == "upload":
            instance = forms.form_of(instance)
        has_body = location in self.DEFAULT_LOCATION_CONTENT_TYPE_MAPPING
        if has_body:
            keywords["example"] = example_of(instance, is_input=True)
        read = super().arguments(instance, location=location, **keywords)
        errors = (PayloadTooLargeError, UnsupportedMediaTypeError) if has_body else ()

        def decorate(view: View) -> View:
            reading = document(read(view), errors=errors)
            if has_body:
                reading.body_location = location  # type: ignore[attr-defined]
            return reading

        return decorate

    def response(self, status_code: int, schema: SchemaType | None = None, **keywords: Any) -> Callable[[View], View]:
        """Answer with the dumped result, an ``ETag``, and 304 when the client has it already."""
        instance = schema() if isinstance(schema, type) else schema
        if instance is not None:
            keywords.setdefault("example", example_of(instance, is_input=False))
        dump = super().response(status_code, instance, **keywords)

        def decorate(view: View) -> View:
            dumped = dump(view)

            @wraps(dumped)
            def answer(*args: Any, **kwargs: Any) -> Response:
                return answers.conditional(dumped(*args, **kwargs))

            return answer  # type: ignore[return-value]

        return decorate

    def paginated(
        self, item: type[ma.Schema], query: type[pages.PageQuerySchema], **extra: ma.fields.Field
    ) -> Callable[[View], View]:
        """Pass the loaded query parameters to the view and answer with its ``Page`` in the list envelope."""
        page_schema = pages.envelope_schema(item, **extra)

        def decorate(view: View) -> View:
            @wraps(view)
            def enveloped(*args: Any, **kwargs: Any) -> dict[str, Any]:
                if g.get("actor") is not None:
                    # Before the list is read: whoever listens from here on misses nothing of it.
                    g.event_cursor = event_tail.position()
                return pages.envelope(view(*args, **kwargs))

            answered = self.response(200, page_schema, headers=CURSOR)(enveloped)
            return self.arguments(query, location="query")(document(answered, errors=(NotFoundError,)))

        return decorate

    def sends_file(self, view: View) -> View:
        """Write into the document that the view answers with the bytes of a file, or a part of them."""
        binary = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
        responses = {"200": {"description": "The file.", **binary}, "206": {"description": "A part of it.", **binary}}
        return document(view, responses=responses)

    def streams(self, view: View) -> View:
        """Write into the document that the view answers with a stream of server-sent events."""
        text = {"content": {"text/event-stream": {"schema": {"type": "string"}}}}
        view.media_types = ("text/event-stream",)  # type: ignore[attr-defined]
        return document(view, responses={"200": {"description": "The events, as they happen.", **text}})

    def answers_secret(self, view: View) -> View:
        """Keep the view's answer nowhere: it carries a secret. An ``Idempotency-Key`` is ignored. Below the guard."""
        view.answers_secret = True  # type: ignore[attr-defined]
        return view

    def revised(self, revision: Callable[[], str]) -> Callable[[View], View]:
        """Answer 304 as long as ``revision()`` is what it was when the client got its copy, without calling the view.

        For representations that depend on the URL and on nothing else but what the revision stands for.
        """

        def decorate(view: View) -> View:
            @wraps(view)
            def revalidated(*args: Any, **kwargs: Any) -> Response:
                return answers.revised(revision(), lambda: view(*args, **kwargs))

            return revalidated  # type: ignore[return-value]

        return decorate

    def versioned(self, view: View) -> View:
        """Pass the ``If-Match`` header to the view as ``precondition``."""

        @wraps(view)
        def conditional(*args: Any, **kwargs: Any) -> Any:
            return view(*args, precondition=answers.precondition(), **kwargs)

        return document(conditional, errors=(PreconditionFailedError,), parameters=[IF_MATCH])  # type: ignore[return-value]

    def raises(self, *errors: type[APIError]) -> Callable[[View], View]:
        """Write errors that the service raises into the document."""
        return lambda view: document(view, errors=errors)

    def _store_endpoint_docs(self, endpoint: str, view: Any, parameters: Any, tags: Any, **options: Any) -> None:
        super()._store_endpoint_docs(endpoint, view, parameters, tags, **options)
        is_class = isinstance(view, type)
        for method, entry in self._docs[endpoint].items():
            if method != "parameters":
                words = f"{method}_{view.__name__}" if is_class else view.__name__
                first, *rest = words.split("_")
                name = first + "".join(word[0].upper() + word[1:] for word in rest)
                entry.setdefault("manual_doc", {})["operationId"] = name
                if not self.takes_api_tokens and "security" in entry["manual_doc"]:
                    entry["manual_doc"]["security"] = [
                        each for each in entry["manual_doc"]["security"] if "token" not in each
                    ]
                _describe(entry, (RateLimitExceededError,), {})
                if entry.pop("takes_keys", False) and method.upper() in idempotency.WRITING:
                    _describe(entry, idempotency.ERRORS, {"parameters": [idempotency.PARAMETER]})

    def _prepare_arguments_doc(self, doc: dict[str, Any], doc_info: dict[str, Any], **keywords: Any) -> dict[str, Any]:
        parameters = doc_info.get("arguments", {}).get("parameters", [])
        accepts_forms = any(parameter["in"] == "json_or_form" for parameter in parameters)
        doc = super()._prepare_arguments_doc(doc, doc_info, **keywords)
        if accepts_forms:
            content = doc["requestBody"]["content"]
            json = content["application/json"]
            example = forms.example_of_form(json["example"])
            content["multipart/form-data"] = {"schema": forms.form_of(json["schema"]), "example": example}
        return doc
