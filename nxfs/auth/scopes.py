"""What API tokens may be for: a closed list of scopes, and which of them a route asks for."""

from __future__ import annotations

from nxfs.core.messages import Text

SCOPES = {
    "tasks:read": Text("See tasks, projects and categories.", "Se oppgaver, prosjekter og kategorier."),
    "tasks:write": Text("Change tasks, projects and categories.", "Endre oppgaver, prosjekter og kategorier."),
    "blog:read": Text("See posts and tags.", "Se innlegg og emneord."),
    "blog:write": Text("Change posts and tags.", "Endre innlegg og emneord."),
    "media:read": Text("See the media library and files.", "Se mediebiblioteket og filer."),
    "media:write": Text("Upload and change media.", "Laste opp og endre medier."),
    "notifications:read": Text("See notifications.", "Se varsler."),
    "notifications:write": Text("Read and delete notifications.", "Lese og slette varsler."),
    "system:read": Text("See background jobs and the server.", "Se bakgrunnsjobber og serveren."),
    "system:write": Text("Cancel and repeat background jobs.", "Avbryte og gjenta bakgrunnsjobber."),
    "admin:read": Text("See what administrators see.", "Se det administratorer ser."),
    "admin:write": Text("Administer users and groups.", "Forvalte brukere og grupper."),
}
# By blueprint. Those that are missing are never for tokens: accounts and their security, live connections.
AREAS = {
    "tasks": "tasks",
    "bulk": "tasks",
    "projects": "tasks",
    "categories": "tasks",
    "task_exports": "tasks",
    "images": "tasks",
    "posts": "blog",
    "attachments": "blog",
    "tags": "blog",
    "feeds": "blog",
    "media": "media",
    "files": "media",
    "notifications": "notifications",
    "jobs": "system",
    "scheduler": "system",
    "admin_users": "admin",
    "admin-groups": "admin",
    "audit": "admin",
    "analytics": "admin",
}
READING = ("GET", "HEAD", "OPTIONS")


def scope_of(blueprint: str | None, method: str) -> str | None:
    """Return the scope that a request asks for; None when it is not for tokens."""
    area = AREAS.get(blueprint or "")
    return f"{area}:{'read' if method in READING else 'write'}" if area else None
