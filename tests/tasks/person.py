"""Somebody who is signed in and sends requests."""

from __future__ import annotations

from functools import partialmethod
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from nxfs.auth.models import User
from tests.factories.users import create_user, sign_in
from tests.pictures import FORM, picture_form


class Person:
    """A user with a session: ``kari = Person(client)``, then ``kari.get("/api/tasks/", status="todo")``.

    Keyword arguments of ``get`` are query parameters, those of the writing methods the client's (``json``, ``data``).
    """

    def __init__(self, client: FlaskClient, **overrides: Any) -> None:
        self.client = client
        self.user: User = create_user(**overrides)
        self.id: int = self.user.id
        self.headers = sign_in(client, self.user)

    def get(self, path: str, *, headers: dict[str, str] | None = None, **query: Any) -> TestResponse:
        """Send a GET request with ``query``; a list repeats its parameter."""
        return self.client.get(path, query_string=query or None, headers={**self.headers, **(headers or {})})

    def send(self, method: str, path: str, *, headers: dict[str, str] | None = None, **keywords: Any) -> TestResponse:
        """Send a request that may have a body."""
        return self.client.open(path, method=method, headers={**self.headers, **(headers or {})}, **keywords)

    post = partialmethod(send, "POST")
    put = partialmethod(send, "PUT")
    patch = partialmethod(send, "PATCH")
    delete = partialmethod(send, "DELETE")

    def ids(self, path: str = "/api/tasks/", **query: Any) -> list[int]:
        """Return the ids of the list's first hundred results, in order."""
        answer = self.get(path, **{"page_size": 100, **query})
        assert answer.status_code == 200, answer.get_json()
        return [result["id"] for result in answer.get_json()["results"]]

    def field_errors(self, path: str = "/api/tasks/", **query: Any) -> dict[str, list[str]]:
        """Return the field errors of a list that must be refused."""
        answer = self.get(path, **query)
        assert answer.status_code == 400, answer.get_json()
        assert answer.get_json()["error"]["code"] == "VALIDATION_ERROR"
        return answer.get_json()["error"]["field_errors"]


def upload_image(person: Person, url: str, **form: Any) -> TestResponse:
    """Send a picture to the task or project at ``url``; ``form`` are the arguments of ``picture_form``."""
    return person.post(f"{url}images/", data=picture_form(**form), content_type=FORM)
