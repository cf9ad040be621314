"""``/api/blog/tags/``: tags."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from nxfs.auth.guards import current_actor, login_optional, login_required
from nxfs.blog.queries import tags as queries
from nxfs.blog.schemas.tags import (
    PopularTagsSchema,
    TagBatchSchema,
    TagCreateSchema,
    TagMergeSchema,
    TagQuerySchema,
    TagSchema,
    TagSearchSchema,
    TagUpdateSchema,
)
from nxfs.blog.service import tags as service
from nxfs.core.api.batches import BatchDeletedSchema, BatchQuerySchema, count_ids, deleted, is_batch
from nxfs.core.api.blueprint import Blueprint
from nxfs.core.errors import BusinessRuleError, ConflictError, ForbiddenError, NotFoundError
from nxfs.core.pagination import Page
from nxfs.core.versions import Precondition

blp = Blueprint("tags", __name__, url_prefix="/api/blog/tags", description="Tags that all authors share.")


@blp.route("/")
class Tags(MethodView):
    """All tags."""

    @login_optional
    @blp.paginated(TagSchema, TagQuerySchema)
    def get(self, filters: dict[str, Any]) -> Page:
        """List tags."""
        return queries.list_tags(filters=filters)

    @login_required
    @blp.arguments(TagCreateSchema, location="json_or_form")
    @blp.response(201, TagSchema)
    @blp.raises(ConflictError)
    def post(self, values: dict[str, Any]) -> Any:
        """Create a tag."""
        tag_id = service.create_tag(actor=current_actor(), values=values)
        return queries.get_tag(tag_id=tag_id)


@blp.route("/<id:tag_id>/")
class TagById(MethodView):
    """One tag."""

    @login_optional
    @blp.response(200, TagSchema)
    @blp.raises(NotFoundError)
    def get(self, tag_id: int) -> Any:
        """Show a tag."""
        return queries.get_tag(tag_id=tag_id)

    @login_required
    @blp.versioned
    @blp.arguments(TagCreateSchema, location="json_or_form")
    @blp.response(200, TagSchema)
    @blp.raises(NotFoundError, ForbiddenError, ConflictError)
    def put(self, values: dict[str, Any], tag_id: int, precondition: Precondition) -> Any:
        """Replace a tag.

        Every field that is left out takes its default.
        """
        service.update_tag(actor=current_actor(), tag_id=tag_id, values=values, precondition=precondition)
        return queries.get_tag(tag_id=tag_id)

    @login_required
    @blp.versioned
    @blp.arguments(TagUpdateSchema(partial=True), location="json_or_form")
    @blp.response(200, TagSchema)
    @blp.raises(NotFoundError, ForbiddenError, ConflictError)
    def patch(self, values: dict[str, Any], tag_id: int, precondition: Precondition) -> Any:
        """Change fields of a tag."""
        service.update_tag(actor=current_actor(), tag_id=tag_id, values=values, precondition=precondition)
        return queries.get_tag(tag_id=tag_id)

    @login_required
    @blp.versioned
    @blp.response(204)
    @blp.raises(NotFoundError, ForbiddenError)
    def delete(self, tag_id: int, precondition: Precondition) -> None:
        """Delete a tag; its posts lose it."""
        service.delete_tag(actor=current_actor(), tag_id=tag_id, precondition=precondition)


@blp.route("/by-slug/<string:slug>/")
@login_optional
@blp.response(200, TagSchema)
@blp.raises(NotFoundError)
def show_tag_by_slug(slug: str) -> Any:
    """Show the tag with a slug."""
    return queries.get_tag_by_slug(slug=slug)


@blp.route("/popular/")
@login_optional
@blp.paginated(TagSchema, PopularTagsSchema)
def list_popular_tags(values: dict[str, Any]) -> Page:
    """List the tags with the most published posts."""
    return queries.list_popular_tags(limit=values["limit"])


@blp.route("/search/")
@login_optional
@blp.paginated(TagSchema, TagSearchSchema)
def search_tags(values: dict[str, Any]) -> Page:
    """Search tags by name, slug and description."""
    return queries.search_tags(values=values)


@blp.route("/bulk-delete/")
class BulkDeleteTags(MethodView):
    """Several tags to delete."""

    @login_required
    @is_batch
    @blp.arguments(BatchQuerySchema, location="query")
    @blp.arguments(TagBatchSchema)
    @blp.response(200, BatchDeletedSchema)
    def delete(self, options: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        """Delete several tags; their posts lose them.

        Those that do not exist or that you may not delete are named in the answer; the others are deleted.
        """
        count_ids(values["tag_ids"])
        failures = service.delete_tags(actor=current_actor(), **values, **options)
        return deleted(values["tag_ids"], failures)

    @login_required
    @is_batch
    @blp.arguments(BatchQuerySchema, location="query")
    @blp.arguments(TagBatchSchema)
    @blp.response(200, BatchDeletedSchema)
    def post(self, options: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        """Delete several tags, if DELETE has no body."""
        count_ids(values["tag_ids"])
        failures = service.delete_tags(actor=current_actor(), **values, **options)
        return deleted(values["tag_ids"], failures)


@blp.route("/<id:tag_id>/merge/", methods=["POST"])
@login_required
@blp.arguments(TagMergeSchema, location="json_or_form")
@blp.response(200, TagSchema)
@blp.raises(NotFoundError, ForbiddenError, BusinessRuleError)
def merge_tags(values: dict[str, Any], tag_id: int) -> Any:
    """Merge other tags into one.

    Their posts get this tag, and they are deleted.
    """
    service.merge_tags(actor=current_actor(), tag_id=tag_id, source_ids=values["source_tag_ids"])
    return queries.get_tag(tag_id=tag_id)
