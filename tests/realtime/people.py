"""People who use a real server: accounts, sessions and requests over HTTP, and tokens with another end."""

from __future__ import annotations

import hmac
import secrets
import time
from typing import Any

import jwt
import requests

from tests.server import ServerProcess

PASSWORD = "salt-lamp-harbour-42"
TIMEOUT = 20


class Person:
    """Somebody with an account and one session; every request that fails unexpectedly fails the test."""

    def __init__(self, server: ServerProcess, email: str | None = None) -> None:
        self.server = server
        self.http = requests.Session()
        if email is None:
            name = f"person-{secrets.token_hex(4)}"
            email = f"{name}@example.com"
            self.post("/api/auth/register/", email=email, username=name, password=PASSWORD)
        self.email = email
        signed_in = self.post("/api/auth/token/", email=email, password=PASSWORD)
        self.id: int = signed_in["user"]["id"]
        self.use(signed_in)

    def use(self, tokens: dict[str, Any]) -> None:
        """Go on with other tokens."""
        self.token: str = tokens["access"]
        self.refresh: str = tokens["refresh"]
        self.http.headers["Authorization"] = f"Bearer {self.token}"

    def again(self) -> Person:
        """Return the same person with another session."""
        return Person(self.server, self.email)

    @property
    def room(self) -> str:
        """The name of the person's own room."""
        return f"user_{self.id}"

    def request(self, method: str, path: str, **keywords: Any) -> requests.Response:
        """Send a request, whatever comes of it."""
        return self.http.request(method, f"{self.server.url}{path}", timeout=TIMEOUT, **keywords)

    def send(self, method: str, path: str, **body: Any) -> Any:
        """Send a request that has to succeed, and return the JSON of its answer."""
        answer = self.request(method, path, json=body or None)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of a resource."""
        answer = self.request("GET", path, params=query)
        assert answer.ok, f"GET {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def post(self, path: str, **body: Any) -> Any:
        """Send a POST request that has to succeed."""
        return self.send("POST", path, **body)

    def patch(self, path: str, **body: Any) -> Any:
        """Send a PATCH request that has to succeed."""
        return self.send("PATCH", path, **body)

    def delete(self, path: str) -> Any:
        """Send a DELETE request that has to succeed."""
        return self.send("DELETE", path)

    def create_task(self, title: str = "Order cable", **values: Any) -> Any:
        """Create a task."""
        return self.post("/api/tasks/", title=title, **values)

    def change_task(self, task_id: int, **values: Any) -> Any:
        """Change a task."""
        return self.patch(f"/api/tasks/{task_id}/", **values)

    def create_project(self, name: str = "Cabin", *, members: tuple[Person, ...] = (), **values: Any) -> Any:
        """Create a project with these members."""
        project = self.post("/api/tasks/projects/", name=name, **values)
        for member in members:
            self.add_member(project["id"], member)
        return project

    def add_member(self, project_id: int, member: Person) -> None:
        """Make ``member`` a member of the project."""
        self.post(f"/api/tasks/projects/{project_id}/members/", user_id=member.id)

    def remove_member(self, project_id: int, member: Person) -> None:
        """End the membership of ``member``."""
        self.delete(f"/api/tasks/projects/{project_id}/members/{member.id}/")

    def ticket(self) -> str:
        """Return a ticket for a stream."""
        return self.post("/api/events/ticket/")["ticket"]

    def stream_url(self, *rooms: str, **query: Any) -> str:
        """Return the address of the stream of ``rooms``."""
        parameters = {"rooms": ",".join(rooms), **query}
        return requests.Request("GET", f"{self.server.url}/api/events/", params=parameters).prepare().url or ""

    def short_token(self, seconds: float) -> str:
        """Return the person's access token as it would be if it ended in ``seconds``, at a whole second."""
        header = jwt.get_unverified_header(self.token)
        claims = jwt.decode(self.token, options={"verify_signature": False})
        key = hmac.digest(self.server.environment["SECRET_KEY"].encode(), b"nxfs access-token", "sha256")
        ended = {**claims, "exp": int(time.time() + seconds)}
        return jwt.encode(ended, key, algorithm=header["alg"], headers={"kid": header["kid"], "typ": header["typ"]})

    def close(self) -> None:
        """Close the connections of requests."""
        self.http.close()
