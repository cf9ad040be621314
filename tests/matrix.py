"""What the matrix test knows: the world that routes are tried on, and who may do what in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from typing import Any

from nxfs.auth.models import PasswordReset, User
from nxfs.auth.queries import actor_of
from nxfs.auth.service import tokens
from nxfs.blog.service import posts
from nxfs.core import clock
from nxfs.core.transaction import Transaction, transaction
from nxfs.core.uploads import Upload
from nxfs.files.formats import IMAGES
from nxfs.files.service import uploads
from nxfs.tasks.queries.images import OF_PROJECTS, OF_TASKS
from tests.factories import blog as make_blog
from tests.factories import files
from tests.factories import tasks as make
from tests.factories.groups import create_group
from tests.factories.images import create_image
from tests.factories.jobs import create_job
from tests.factories.notifications import create_notification, newest_id
from tests.factories.users import PASSWORD, create_api_token, create_user, open_session
from tests.pictures import picture_form

ROLES = ("anonymous", "stranger", "assignee", "member", "owner", "staff", "admin")
SIGNED_IN = ROLES[1:]
NEW_PASSWORD = "gule-gummistøvler-39"
RESET_TOKEN = "the-token-of-a-reset-link"


class World:
    """A project of ``owner`` with members, a task in it, and what else the paths of routes can name."""

    def __init__(self) -> None:
        self.users = {role: create_user(role=role if role in ("staff", "admin") else "user") for role in SIGNED_IN}
        self.newcomer = create_user()
        # The last administrator could not leave.
        create_user(role="admin")
        self.colleague_id = create_user().id
        self.member_id = self.users["member"].id
        with transaction() as tx:
            self._create_objects(tx)
        # Texts are rendered before they are stored, outside of transactions.
        self._create_blog(self.users["owner"])

    def headers(self, role: str) -> dict[str, str]:
        """Return the headers that ``role`` sends."""
        return {"Authorization": f"Bearer {self.grants[role].access}"} if role in self.grants else {}

    def store_picture(self, **columns: Any) -> str:
        """Store a picture of ``owner`` and return its name."""
        upload = Upload("file", "cabin.jpg", "image/jpeg", BytesIO(files.image_bytes()))
        with uploads.received(upload, IMAGES, owner_id=self.users["owner"].id) as received, transaction() as tx:
            return received.keep(tx, **columns).name

    def _create_objects(self, tx: Transaction) -> None:
        owner = self.users["owner"]
        assignee_id = self.users["assignee"].id
        self.project_id = make.create_project(owner)
        for user_id in (self.member_id, self.colleague_id):
            make.add_member(self.project_id, tx.session.get_one(User, user_id), owner=owner)
        self.shared_id = make.create_task(owner, project=self.project_id, assignee_id=assignee_id)
        self.private_id = make.create_task(owner)
        self.category_id = make.create_category(owner, slug="known")
        self.spare_category_id = make.create_category(owner)
        self.task_image_id = create_image(OF_TASKS, self.shared_id, owner)
        self.private_image_id = create_image(OF_TASKS, self.private_id, owner)
        self.project_image_id = create_image(OF_PROJECTS, self.project_id, owner)
        self.own_task_ids = {role: make.create_task(user) for role, user in self.users.items()}
        for user in self.users.values():
            create_notification(user)
        self.job_id, self.failed_job_id = create_job(owner), create_job(owner, state="failed")
        self.grants = {role: open_session(user) for role, user in self.users.items()}
        others = {role: open_session(user) for role, user in self.users.items()}
        self.owner_session_id = tokens.decode_access_token(others["owner"].access).session_id
        self.group_id = create_group("Editors", permissions=["blog.edit"], members=[self.colleague_id])
        now = clock.now()
        hashed, expiry = tokens.hash_of(RESET_TOKEN), now + timedelta(hours=1)
        tx.session.add(PasswordReset(user_id=self.newcomer.id, token_hash=hashed, created_at=now, expires_at=expiry))

    def _create_blog(self, owner: User) -> None:
        """Create a draft of ``owner`` with attachments, and two files of the library, of which the draft has one."""
        values = {"title": "Draft", "slug": "", "meta_title": "", "meta_description": ""}
        self.post_id = posts.create_post(actor=actor_of(owner), values=values)
        self.media_id, _ = make_blog.create_media(owner, format="jpeg")
        self.spare_media_ids = {
            role: make_blog.create_media(user, format="jpeg")[0] for role, user in self.users.items()
        }
        self.gallery_image_id = make_blog.add_image(self.post_id, self.media_id)
        self.audio_id, _ = make_blog.add_audio(self.post_id, owner)
        self.video_id = make_blog.add_video(self.post_id)
        self.public_post_id = make_blog.create_post(owner, public=True, slug="known")
        self.tag_id = make_blog.create_tag(owner, slug="known")
        self.spare_tag_id = make_blog.create_tag(owner)


# What the arguments of paths name, unless a case says otherwise.
ARGUMENTS: Mapping[str, Callable[[World], object]] = {
    "task_id": lambda world: world.shared_id,
    "project_id": lambda world: world.project_id,
    "category_id": lambda world: world.category_id,
    "user_id": lambda world: world.member_id,
    "session_id": lambda world: world.owner_session_id,
    "token_id": lambda world: create_api_token(world.users["owner"])[0],
    "slug": lambda world: "known",
    "image_id": lambda world: world.task_image_id,
    "post_id": lambda world: world.post_id,
    "tag_id": lambda world: world.tag_id,
    "media_id": lambda world: world.media_id,
    "notification_id": lambda world: newest_id(world.users["owner"]),
    "job_id": lambda world: world.job_id,
    "audio_id": lambda world: world.audio_id,
    "video_id": lambda world: world.video_id,
    "group_id": lambda world: world.group_id,
    "name": lambda world: world.store_picture(public_from=clock.now()),
    "width": lambda world: 320,
}


@dataclass(frozen=True)
class Case:
    """What each role gets for one request: ``status`` for the ``allowed``, ``refused`` for the others.

    ``exceptions`` holds roles with an answer of their own. ``arguments`` take the place of ``ARGUMENTS``. ``form`` is
    sent as ``multipart/form-data``, ``body`` as JSON.
    """

    status: int
    allowed: tuple[str, ...] = SIGNED_IN
    refused: int = 404
    exceptions: Mapping[str, int] = field(default_factory=dict)
    body: Callable[[World, str], Any] = lambda world, role: None
    form: Callable[[World, str], dict[str, Any]] | None = None
    arguments: Mapping[str, Callable[[World], object]] = field(default_factory=dict)

    def expected(self, role: str) -> int:
        """Return the status that ``role`` gets."""
        if role in self.exceptions:
            return self.exceptions[role]
        if role in self.allowed:
            return self.status
        return 401 if role == "anonymous" else self.refused


def sends_picture(field: str) -> Callable[[World, str], dict[str, Any]]:
    """Return a form with a picture."""
    return lambda world, role: picture_form(field)


def sends(**values: Any) -> Callable[[World, str], Any]:
    """Return a body that is the same in every world and for every role."""
    return lambda world, role: values


def public(status: int, body: Callable[[World, str], Any] = lambda world, role: None, **keywords: Any) -> Case:
    """Return a case that everybody may, signed in or not."""
    return Case(status, allowed=ROLES, body=body, **keywords)


def as_a_whole(allowed: tuple[str, ...], body: Callable[[World, str], Any]) -> Case:
    """Return a case of a batch that is done as a whole or refused."""
    return Case(200, allowed, refused=409, body=body, arguments={"atomic": lambda world: "true"})


SEES_TASK = ("owner", "assignee", "member", "admin")
SEES_PROJECT = ("owner", "member", "admin")
MANAGES_PROJECT = ("owner", "admin")
CHANGES_CATEGORY = ("owner", "staff", "admin")
PRIVATE_FILE = Case(
    200, allowed=(), exceptions={"anonymous": 404}, arguments={"name": lambda world: world.store_picture()}
)
PRIVATE_TASK = {"task_id": lambda world: world.private_id}
MANAGES_MEDIA = ("owner", "staff", "admin")
EDITS_POST = ("owner", "staff", "admin")
# A draft is not there for whoever is not signed in.
NOT_THERE = {"anonymous": 404}
GALLERY_IMAGE = {"image_id": lambda world: world.gallery_image_id}
PUBLIC_POST = {"post_id": lambda world: world.public_post_id}
PUBLISHES = ("staff", "admin")
MANAGES_JOB = ("owner", "staff", "admin")
CHANGES_TAG = ("owner", "staff", "admin")
ADMINISTERS = ("admin",)

RULES: Mapping[str, tuple[Case, ...]] = {
    # Accounts: everybody has their own.
    "POST /api/auth/register/": (
        public(201, sends(email="ny@example.com", username="ny-person", password=NEW_PASSWORD)),
    ),
    "POST /api/auth/token/": (public(200, lambda world, role: {"email": world.newcomer.email, "password": PASSWORD}),),
    "POST /api/auth/token/refresh/": (
        public(200, lambda world, role: {"refresh": open_session(world.newcomer).refresh}),
    ),
    "POST /api/auth/token/verify/": (public(200, sends(token="no-token")),),
    "POST /api/auth/logout/": (Case(200),),
    "GET /api/auth/me/": (Case(200),),
    "PUT /api/auth/me/": (Case(200, body=sends(theme="dark")),),
    "PATCH /api/auth/me/": (
        Case(200, body=sends(theme="dark")),
        Case(200, form=sends_picture("profile_picture")),
    ),
    "DELETE /api/auth/me/": (Case(204),),
    "POST /api/auth/me/password/": (
        Case(200, body=sends(old_password=PASSWORD, new_password=NEW_PASSWORD, confirm_password=NEW_PASSWORD)),
    ),
    "GET /api/auth/sessions/": (Case(200),),
    "DELETE /api/auth/sessions/": (Case(200),),
    "DELETE /api/auth/sessions/<id:session_id>/": (Case(204, ("owner",)),),
    "GET /api/auth/tokens/": (Case(200),),
    "POST /api/auth/tokens/": (Case(201, body=sends(name="n8n", scopes=["tasks:read"])),),
    "DELETE /api/auth/tokens/<id:token_id>/": (Case(204, ("owner",)),),
    "GET /api/auth/tokens/scopes/": (Case(200),),
    "POST /api/auth/password/reset/": (public(200, lambda world, role: {"email": world.newcomer.email}),),
    "POST /api/auth/password/reset/confirm/": (
        public(200, sends(token=RESET_TOKEN, password=NEW_PASSWORD, confirm_password=NEW_PASSWORD)),
    ),
    # Tasks: seen and edited by their owner, their assignee and the members of their project.
    "GET /api/tasks/": (Case(200),),
    "POST /api/tasks/": (Case(201, body=sends(title="New")),),
    "GET /api/tasks/<id:task_id>/": (Case(200, SEES_TASK), Case(200, MANAGES_PROJECT, arguments=PRIVATE_TASK)),
    "PUT /api/tasks/<id:task_id>/": (
        Case(200, SEES_TASK, body=sends(title="Other")),
        Case(200, MANAGES_PROJECT, body=sends(title="Other"), arguments=PRIVATE_TASK),
    ),
    "PATCH /api/tasks/<id:task_id>/": (
        Case(200, SEES_TASK, body=sends(status="completed")),
        Case(200, MANAGES_PROJECT, body=sends(status="completed"), arguments=PRIVATE_TASK),
    ),
    "DELETE /api/tasks/<id:task_id>/": (
        Case(204, SEES_PROJECT, exceptions={"assignee": 403}),
        Case(204, MANAGES_PROJECT, arguments=PRIVATE_TASK),
    ),
    "POST /api/tasks/<id:task_id>/duplicate/": (
        Case(201, SEES_TASK),
        Case(201, MANAGES_PROJECT, arguments=PRIVATE_TASK),
    ),
    # What of a batch cannot be done is named in the answer; as a whole it is refused.
    "POST /api/tasks/bulk-update/": (
        as_a_whole(SEES_TASK, lambda world, role: {"task_ids": [world.shared_id], "updates": {"priority": "high"}}),
    ),
    "POST /api/tasks/bulk-update-status/": (
        as_a_whole(SEES_TASK, lambda world, role: {"task_ids": [world.shared_id], "status": "completed"}),
    ),
    "POST /api/tasks/bulk-delete/": (
        as_a_whole(SEES_PROJECT, lambda world, role: {"task_ids": [world.shared_id]}),
        Case(
            202,
            body=lambda world, role: {"task_ids": [world.shared_id]},
            arguments={"async": lambda world: "true"},
        ),
    ),
    "DELETE /api/tasks/bulk-delete/": (as_a_whole(SEES_PROJECT, lambda world, role: {"task_ids": [world.shared_id]}),),
    "POST /api/tasks/export/": (
        Case(202, body=sends(format="csv", filters={"status": "todo,in_progress", "ordering": "title"})),
    ),
    # Pictures: seen, added and deleted by whoever sees the task or the project.
    "GET /api/tasks/<id:task_id>/images/": (Case(200, SEES_TASK), Case(200, MANAGES_PROJECT, arguments=PRIVATE_TASK)),
    "POST /api/tasks/<id:task_id>/images/": (
        Case(201, SEES_TASK, form=sends_picture("image")),
        Case(201, MANAGES_PROJECT, form=sends_picture("image"), arguments=PRIVATE_TASK),
    ),
    "POST /api/tasks/<id:task_id>/upload_image/": (Case(201, SEES_TASK, form=sends_picture("image")),),
    "DELETE /api/tasks/<id:task_id>/images/<id:image_id>/": (
        Case(204, SEES_TASK),
        Case(204, MANAGES_PROJECT, arguments={**PRIVATE_TASK, "image_id": lambda world: world.private_image_id}),
        # A picture of another task is nobody's here.
        Case(404, SEES_TASK, arguments={"image_id": lambda world: world.private_image_id}),
    ),
    "GET /api/tasks/projects/<id:project_id>/images/": (Case(200, SEES_PROJECT),),
    "POST /api/tasks/projects/<id:project_id>/images/": (Case(201, SEES_PROJECT, form=sends_picture("image")),),
    "POST /api/tasks/projects/<id:project_id>/upload_image/": (Case(201, SEES_PROJECT, form=sends_picture("image")),),
    "DELETE /api/tasks/projects/<id:project_id>/images/<id:image_id>/": (
        Case(204, SEES_PROJECT, arguments={"image_id": lambda world: world.project_image_id}),
    ),
    # Projects: seen and edited by their owner and their members, managed by their owner.
    "GET /api/tasks/projects/": (Case(200),),
    "POST /api/tasks/projects/": (Case(201, body=sends(name="New")),),
    "GET /api/tasks/projects/<id:project_id>/": (Case(200, SEES_PROJECT),),
    "PUT /api/tasks/projects/<id:project_id>/": (Case(200, SEES_PROJECT, body=sends(name="Other")),),
    "PATCH /api/tasks/projects/<id:project_id>/": (Case(200, SEES_PROJECT, body=sends(name="Other")),),
    "DELETE /api/tasks/projects/<id:project_id>/": (Case(204, MANAGES_PROJECT, exceptions={"member": 403}),),
    "POST /api/tasks/projects/<id:project_id>/duplicate/": (Case(201, SEES_PROJECT),),
    "GET /api/tasks/projects/<id:project_id>/stats/": (Case(200, SEES_PROJECT),),
    "POST /api/tasks/projects/<id:project_id>/add-task/": (
        Case(200, SEES_PROJECT, body=lambda world, role: {"task_id": world.own_task_ids.get(role, 1)}),
    ),
    "POST /api/tasks/projects/<id:project_id>/remove-task/": (
        Case(200, SEES_PROJECT, body=lambda world, role: {"task_id": world.shared_id}),
    ),
    "GET /api/tasks/projects/<id:project_id>/members/": (Case(200, SEES_PROJECT),),
    "POST /api/tasks/projects/<id:project_id>/members/": (
        Case(
            201,
            MANAGES_PROJECT,
            exceptions={"member": 403},
            body=lambda world, role: {"user_id": world.newcomer.id},
        ),
    ),
    "DELETE /api/tasks/projects/<id:project_id>/members/<id:user_id>/": (
        Case(204, SEES_PROJECT),
        Case(
            204,
            MANAGES_PROJECT,
            exceptions={"member": 403},
            arguments={"user_id": lambda world: world.colleague_id},
        ),
    ),
    # Categories: shared by all, changed by their creator and by staff.
    "GET /api/tasks/categories/": (Case(200),),
    "POST /api/tasks/categories/": (Case(201, body=sends(name="New")),),
    "GET /api/tasks/categories/<id:category_id>/": (Case(200),),
    "PUT /api/tasks/categories/<id:category_id>/": (
        Case(200, CHANGES_CATEGORY, refused=403, body=sends(name="Other")),
    ),
    "PATCH /api/tasks/categories/<id:category_id>/": (
        Case(200, CHANGES_CATEGORY, refused=403, body=sends(name="Other")),
    ),
    "DELETE /api/tasks/categories/<id:category_id>/": (Case(204, CHANGES_CATEGORY, refused=403),),
    "GET /api/tasks/categories/by-slug/<string:slug>/": (Case(200),),
    "GET /api/tasks/categories/with-counts/": (Case(200),),
    "GET /api/tasks/categories/popular/": (Case(200),),
    "GET /api/tasks/categories/search/": (Case(200, arguments={"q": lambda world: "known"}),),
    "POST /api/tasks/categories/bulk-delete/": (
        as_a_whole(CHANGES_CATEGORY, lambda world, role: {"category_ids": [world.category_id]}),
    ),
    "DELETE /api/tasks/categories/bulk-delete/": (
        as_a_whole(CHANGES_CATEGORY, lambda world, role: {"category_ids": [world.category_id]}),
    ),
    "POST /api/tasks/categories/<id:category_id>/merge/": (
        Case(
            200,
            CHANGES_CATEGORY,
            refused=403,
            body=lambda world, role: {"source_category_ids": [world.spare_category_id]},
        ),
    ),
    # Files: public ones for everybody, the others with a signature only, whoever asks.
    "GET /media/<string:name>": (public(200), PRIVATE_FILE),
    "GET /media/<string:name>/<int:width>.webp": (public(200), PRIVATE_FILE),
    # The media library: everybody's own files, and those of all for who manages them.
    "GET /api/blog/media/": (Case(200),),
    "POST /api/blog/media/": (Case(201, form=sends_picture("file")),),
    "POST /api/blog/media/upload/": (Case(201, form=sends_picture("file")),),
    "GET /api/blog/media/<id:media_id>/": (Case(200, MANAGES_MEDIA),),
    "PATCH /api/blog/media/<id:media_id>/": (Case(200, MANAGES_MEDIA, body=sends(description="Other")),),
    "DELETE /api/blog/media/<id:media_id>/": (Case(204, MANAGES_MEDIA),),
    "GET /api/blog/media/<id:media_id>/usages/": (Case(200, MANAGES_MEDIA),),
    # Posts: drafts are their author's and the editors'; what is published is seen by all, changed by who may publish.
    "GET /api/blog/posts/": (Case(200),),
    "POST /api/blog/posts/": (
        Case(201, body=sends(title="New")),
        Case(201, PUBLISHES, refused=403, body=sends(title="New", status="published")),
    ),
    "GET /api/blog/posts/public/": (public(200),),
    "GET /api/blog/posts/by-slug/<string:slug>/": (public(200),),
    "GET /api/blog/posts/<id:post_id>/": (
        Case(200, EDITS_POST, exceptions=NOT_THERE),
        public(200, arguments=PUBLIC_POST),
    ),
    "PUT /api/blog/posts/<id:post_id>/": (
        Case(200, EDITS_POST, body=sends(title="Other")),
        Case(200, PUBLISHES, refused=403, body=sends(title="Other"), arguments=PUBLIC_POST),
    ),
    "PATCH /api/blog/posts/<id:post_id>/": (
        Case(200, EDITS_POST, body=sends(title="Other")),
        Case(200, PUBLISHES, exceptions={"owner": 403}, body=sends(status="published")),
        Case(200, PUBLISHES, refused=403, body=sends(title="Other"), arguments=PUBLIC_POST),
    ),
    "DELETE /api/blog/posts/<id:post_id>/": (
        Case(204, EDITS_POST),
        Case(204, PUBLISHES, refused=403, arguments=PUBLIC_POST),
    ),
    "POST /api/blog/posts/<id:post_id>/duplicate/": (
        Case(201, EDITS_POST),
        Case(201, EDITS_POST, refused=403, arguments=PUBLIC_POST),
    ),
    # Tags: shared by all, seen without signing in, changed by their creator and by staff.
    "GET /api/blog/tags/": (public(200),),
    "POST /api/blog/tags/": (Case(201, body=sends(name="New")),),
    "GET /api/blog/tags/<id:tag_id>/": (public(200),),
    "PUT /api/blog/tags/<id:tag_id>/": (Case(200, CHANGES_TAG, refused=403, body=sends(name="Other")),),
    "PATCH /api/blog/tags/<id:tag_id>/": (Case(200, CHANGES_TAG, refused=403, body=sends(name="Other")),),
    "DELETE /api/blog/tags/<id:tag_id>/": (Case(204, CHANGES_TAG, refused=403),),
    "GET /api/blog/tags/by-slug/<string:slug>/": (public(200),),
    "GET /api/blog/tags/popular/": (public(200),),
    "GET /api/blog/tags/search/": (public(200, arguments={"q": lambda world: "known"}),),
    "POST /api/blog/tags/bulk-delete/": (as_a_whole(CHANGES_TAG, lambda world, role: {"tag_ids": [world.tag_id]}),),
    "DELETE /api/blog/tags/bulk-delete/": (as_a_whole(CHANGES_TAG, lambda world, role: {"tag_ids": [world.tag_id]}),),
    "POST /api/blog/tags/<id:tag_id>/merge/": (
        Case(200, CHANGES_TAG, refused=403, body=lambda world, role: {"source_tag_ids": [world.spare_tag_id]}),
    ),
    # Notifications: everybody has their own.
    "GET /api/notifications/": (Case(200),),
    "GET /api/notifications/unread-count/": (Case(200),),
    "POST /api/notifications/<id:notification_id>/read/": (Case(200, ("owner",)),),
    "POST /api/notifications/read-all/": (Case(200),),
    "DELETE /api/notifications/<id:notification_id>/": (Case(204, ("owner",)),),
    "GET /api/notifications/preferences/": (Case(200),),
    "PUT /api/notifications/preferences/": (Case(200, body=sends(preferences={"task_changed": False})),),
    # Events: of the rooms that one may be in.
    "GET /api/events/": (
        Case(200, arguments={"rooms": lambda world: "tasks", "follow": lambda world: "false"}),
        Case(
            200,
            SEES_PROJECT,
            arguments={"rooms": lambda world: f"tasks,project_{world.project_id}", "follow": lambda world: "false"},
        ),
        Case(
            200,
            ("owner",),
            arguments={"rooms": lambda world: f"user_{world.users['owner'].id}", "follow": lambda world: "false"},
        ),
    ),
    "POST /api/events/ticket/": (Case(201),),
    "GET /api/realtime/presence/": (
        Case(200, arguments={"room": lambda world: "tasks"}),
        Case(200, SEES_PROJECT, arguments={"room": lambda world: f"project_{world.project_id}"}),
        Case(200, ("owner",), arguments={"room": lambda world: f"user_{world.users['owner'].id}"}),
    ),
    # Jobs: everybody has their own, staff see and manage all.
    "GET /api/jobs/": (Case(200),),
    "GET /api/jobs/<id:job_id>/": (Case(200, MANAGES_JOB),),
    "POST /api/jobs/<id:job_id>/cancel/": (Case(200, MANAGES_JOB),),
    "POST /api/jobs/<id:job_id>/retry/": (
        Case(200, MANAGES_JOB, arguments={"job_id": lambda world: world.failed_job_id}),
    ),
    # The server itself: for those who run it.
    "GET /api/system/scheduler/": (Case(200, ("staff", "admin"), refused=403),),
    # The audit log: for those who may read it. What reading it adds to it is younger than what is asked for.
    "GET /api/admin/audit/": (
        Case(200, ("admin",), refused=403, arguments={"until": lambda world: "2020-01-01T00:00:00Z"}),
    ),
    "GET /api/admin/audit/export/": (
        Case(200, ("admin",), refused=403, arguments={"until": lambda world: "2020-01-01T00:00:00Z"}),
    ),
    # How the service is used: for those who may see it.
    "GET /api/admin/analytics/": (Case(200, ("admin",), refused=403),),
    "GET /api/admin/analytics/export/": (
        Case(200, ("admin",), refused=403, arguments={"section": lambda world: "tasks"}),
    ),
    # Feeds: for everybody.
    "GET /feeds/blog.rss": (public(200),),
    "GET /feeds/blog.atom": (public(200),),
    "GET /sitemap.xml": (public(200),),
    # What is attached to a post: seen with it, changed by who may edit it.
    "GET /api/blog/posts/<id:post_id>/images/": (Case(200, EDITS_POST, exceptions=NOT_THERE),),
    "POST /api/blog/posts/<id:post_id>/images/": (
        Case(201, EDITS_POST, form=sends_picture("image")),
        Case(201, EDITS_POST, body=lambda world, role: {"media_id": world.spare_media_ids.get(role, 1)}),
    ),
    "DELETE /api/blog/posts/<id:post_id>/images/": (Case(200, EDITS_POST),),
    "PATCH /api/blog/posts/<id:post_id>/images/<id:image_id>/": (
        Case(200, EDITS_POST, body=sends(caption="Other"), arguments=GALLERY_IMAGE),
    ),
    "DELETE /api/blog/posts/<id:post_id>/images/<id:image_id>/": (Case(204, EDITS_POST, arguments=GALLERY_IMAGE),),
    "GET /api/blog/posts/<id:post_id>/audio/": (Case(200, EDITS_POST, exceptions=NOT_THERE),),
    "POST /api/blog/posts/<id:post_id>/audio/": (
        Case(201, EDITS_POST, form=lambda world, role: {"audio": files.part("reading.mp3")}),
    ),
    "DELETE /api/blog/posts/<id:post_id>/audio/": (Case(200, EDITS_POST),),
    "DELETE /api/blog/posts/<id:post_id>/audio/<id:audio_id>/": (Case(204, EDITS_POST),),
    "GET /api/blog/posts/<id:post_id>/youtube/": (Case(200, EDITS_POST, exceptions=NOT_THERE),),
    "POST /api/blog/posts/<id:post_id>/youtube/": (
        Case(201, EDITS_POST, body=sends(url="https://youtu.be/dQw4w9WgXcQ")),
    ),
    "DELETE /api/blog/posts/<id:post_id>/youtube/": (Case(200, EDITS_POST),),
    "DELETE /api/blog/posts/<id:post_id>/youtube/<id:video_id>/": (Case(204, EDITS_POST),),
    # Groups: for who manages users.
    "GET /api/admin/permissions/": (Case(200, ADMINISTERS, refused=403),),
    "GET /api/admin/groups/": (Case(200, ADMINISTERS, refused=403),),
    "POST /api/admin/groups/": (Case(201, ADMINISTERS, refused=403, body=sends(name="New")),),
    "GET /api/admin/groups/<id:group_id>/": (Case(200, ADMINISTERS, refused=403),),
    "PUT /api/admin/groups/<id:group_id>/": (Case(200, ADMINISTERS, refused=403, body=sends(name="Other")),),
    "PATCH /api/admin/groups/<id:group_id>/": (Case(200, ADMINISTERS, refused=403, body=sends(name="Other")),),
    "DELETE /api/admin/groups/<id:group_id>/": (Case(204, ADMINISTERS, refused=403),),
    "GET /api/admin/groups/<id:group_id>/members/": (Case(200, ADMINISTERS, refused=403),),
    "POST /api/admin/groups/<id:group_id>/members/": (
        Case(200, ADMINISTERS, refused=403, body=lambda world, role: {"user_ids": [world.member_id]}),
    ),
    "DELETE /api/admin/groups/<id:group_id>/members/": (
        Case(200, ADMINISTERS, refused=403, body=lambda world, role: {"user_ids": [world.colleague_id]}),
    ),
    # Accounts of others: for administrators, and for whom they let manage users.
    "GET /api/admin/users/": (Case(200, ADMINISTERS, refused=403),),
    "POST /api/admin/users/": (Case(201, ADMINISTERS, refused=403, body=sends(email="ny@example.com")),),
    "GET /api/admin/users/<id:user_id>/": (Case(200, ADMINISTERS, refused=403),),
    "PUT /api/admin/users/<id:user_id>/": (Case(200, ADMINISTERS, refused=403, body=sends(role="admin")),),
    "PATCH /api/admin/users/<id:user_id>/": (Case(200, ADMINISTERS, refused=403, body=sends(role="admin")),),
    "DELETE /api/admin/users/<id:user_id>/": (
        Case(204, ADMINISTERS, refused=403),
        Case(204, ADMINISTERS, refused=403, arguments={"erase": lambda world: "true"}),
    ),
    "POST /api/admin/users/<id:user_id>/reset-password/": (
        Case(200, ADMINISTERS, refused=403),
        Case(200, ADMINISTERS, refused=403, body=sends(new_password=NEW_PASSWORD)),
    ),
    "PATCH /api/admin/users/<id:user_id>/toggle-active/": (
        Case(200, ADMINISTERS, refused=403, body=sends(is_active=False)),
    ),
    "GET /api/admin/users/<id:user_id>/sessions/": (Case(200, ADMINISTERS, refused=403),),
    "DELETE /api/admin/users/<id:user_id>/sessions/": (Case(200, ADMINISTERS, refused=403),),
    "POST /api/admin/users/<id:user_id>/unlock/": (Case(200, ADMINISTERS, refused=403),),
}

# Reads that leave an audit entry: somebody has seen the personal data of others.
AUDITED_READS = {
    "GET /api/admin/users/",
    "GET /api/admin/users/<id:user_id>/",
    "GET /api/admin/users/<id:user_id>/sessions/",
    "GET /api/admin/audit/",
    "GET /api/admin/audit/export/",
    "GET /api/admin/analytics/",
    "GET /api/admin/analytics/export/",
}

# Writes that succeed without an audit entry, each with its reason.
NOT_AUDITED = {
    # Changes nothing.
    "POST /api/auth/token/verify/",
    # Carries a session on, every quarter of an hour, on behalf of nobody but the client; its misuse is audited.
    "POST /api/auth/token/refresh/",
    # Lets the client read what it may read anyway, each time that a page is loaded.
    "POST /api/events/ticket/",
}
