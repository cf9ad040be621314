"""What API tokens may be for: a closed list of scopes, and which of them a route asks for."""

from __future__ import annotations

from nxfs.core.messages import Text

SCOPES = {
    "tasks:read": Text(
        "See tasks, projects, categories and background jobs.",
        "Se oppgaver, prosjekter, kategorier og bakgrunnsjobber.",
    ),
    "tasks:write": Text(
        "Change tasks, projects, categories and background jobs.",
        "Endre oppgaver, prosjekter, kategorier og bakgrunnsjobber.",
    ),
    "blog:read": Text("See posts and tags.", "Se innlegg og emneord."),
    "blog:write": Text("Change posts and tags.", "Endre innlegg og emneord."),
    "media:read": Text("See the media library and files.", "Se mediebiblioteket og filer."),
    "media:write": Text("Upload and change media.", "Laste opp og endre medier."),
    "notifications:read": Text("See notifications.", "Se varsler."),
    "notifications:write": Text("Read and delete notifications.", "Lese og slette varsler."),
    "system:read": Text("See how the server is doing.", "Se hvordan det går med serveren."),
    "admin:read": Text("See what administrators see.", "Se det administratorer ser."),
    "admin:write": Text("Administer groups.", "Forvalte grupper."),
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
    # What they change and export are tasks.
    "jobs": "tasks",
    "scheduler": "system",
    "admin_users": "admin",
    "admin-groups": "admin",
    "audit": "admin",
    "analytics": "admin",
}
# Whoever could make accounts or set passwords with a token would not need it any more.
READ_ONLY = ("admin_users",)
READING = ("GET", "HEAD", "OPTIONS")


def scope_of(blueprint: str | None, method: str) -> str | None:
    """Return the scope that a request asks for; None when it is not for tokens."""
    area = AREAS.get(blueprint or "")
    is_reading = method in READING
    if area is None or (blueprint in READ_ONLY and not is_reading):
        return None
    return f"{area}:{'read' if is_reading else 'write'}"
