"""``/api/blog/posts/``: posts."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from nxfs.auth.guards import current_actor, find_actor, login_optional, login_required
from nxfs.blog.queries import posts as queries
from nxfs.blog.schemas.posts import (
    PostCreateSchema,
    PostQuerySchema,
    PostSchema,
    PostUpdateSchema,
    PublicPostQuerySchema,
)
from nxfs.blog.service import posts as service
from nxfs.core.api.blueprint import Blueprint
from nxfs.core.errors import ConflictError, ForbiddenError, NotFoundError, ServiceUnavailableError
from nxfs.core.pagination import Page
from nxfs.core.versions import Precondition

blp = Blueprint("posts", __name__, url_prefix="/api/blog/posts", description="Posts in English and Norwegian.")


@blp.route("/")
class Posts(MethodView):
    """The posts that the actor may edit."""

    @login_required
    @blp.paginated(PostSchema, PostQuerySchema)
    def get(self, filters: dict[str, Any]) -> Page:
        """List the posts that you may edit, filtered.

        Your own, and for editors those of all authors. Unless ordered, the latest published first, and before them
        what is not published yet.
        """
        return queries.list_posts(actor=current_actor(), filters=filters)

    @login_required
    @blp.arguments(PostCreateSchema, location="json_or_form")
    @blp.response(201, PostSchema)
    @blp.raises(ForbiddenError, ConflictError, ServiceUnavailableError)
    def post(self, values: dict[str, Any]) -> Any:
        """Create a post.

        Drafts are for everybody; publishing and scheduling need `blog.publish`.
        """
        post_id = service.create_post(actor=current_actor(), values=values)
        return queries.get_post(actor=current_actor(), post_id=post_id)


@blp.route("/public/")
@blp.revised(queries.public_revision)
@blp.paginated(PostSchema, PublicPostQuerySchema)
def list_public_posts(filters: dict[str, Any]) -> Page:
    """List the published posts, the newest first.

    The same for everybody, signed in or not. What is scheduled is in it from its time on.
    """
    return queries.list_public_posts(filters=filters)


@blp.route("/by-slug/<string:slug>/")
@login_optional
@blp.response(200, PostSchema)
@blp.raises(NotFoundError)
def show_post_by_slug(slug: str) -> Any:
    """Show the post that has or had a slug."""
    return queries.get_post_by_slug(actor=find_actor(), slug=slug)


@blp.route("/<id:post_id>/")
class PostById(MethodView):
    """One post."""

    @login_optional
    @blp.response(200, PostSchema)
    @blp.raises(NotFoundError)
    def get(self, post_id: int) -> Any:
        """Show a post.

        Published ones are for everybody, others for their author and editors.
        """
        return queries.get_post(actor=find_actor(), post_id=post_id)

    @login_required
    @blp.versioned
    @blp.arguments(PostCreateSchema, location="json_or_form")
    @blp.response(200, PostSchema)
    @blp.raises(NotFoundError, ForbiddenError, ConflictError, ServiceUnavailableError)
    def put(self, values: dict[str, Any], post_id: int, precondition: Precondition) -> Any:
        """Replace a post.

        Every field that is left out takes its default, only `published_at` stays. A post that is published or scheduled
        is changed only by those who may publish.
        """
        service.update_post(actor=current_actor(), post_id=post_id, values=values, precondition=precondition)
        return queries.get_post(actor=current_actor(), post_id=post_id)

    @login_required
    @blp.versioned
    @blp.arguments(PostUpdateSchema(partial=True), location="json_or_form")
    @blp.response(200, PostSchema)
    @blp.raises(NotFoundError, ForbiddenError, ConflictError, ServiceUnavailableError)
    def patch(self, values: dict[str, Any], post_id: int, precondition: Precondition) -> Any:
        """Change fields of a post."""
        service.update_post(actor=current_actor(), post_id=post_id, values=values, precondition=precondition)
        return queries.get_post(actor=current_actor(), post_id=post_id)

    @login_required
    @blp.versioned
    @blp.response(204)
    @blp.raises(NotFoundError, ForbiddenError)
    def delete(self, post_id: int, precondition: Precondition) -> None:
        """Delete a post with its recordings."""
        service.delete_post(actor=current_actor(), post_id=post_id, precondition=precondition)


@blp.route("/<id:post_id>/duplicate/", methods=["POST"])
@login_required
@blp.response(201, PostSchema)
@blp.raises(NotFoundError, ForbiddenError, ConflictError)
def duplicate_post(post_id: int) -> Any:
    """Create a draft that is a copy of a post.

    With its texts, tags and featured image; without its gallery, recordings and videos.
    """
    copy_id = service.duplicate_post(actor=current_actor(), post_id=post_id)
    return queries.get_post(actor=current_actor(), post_id=copy_id)
