"""``/api/tasks/categories/``: categories."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from nxfs.auth.guards import current_actor, login_required
from nxfs.core.api.batches import BatchDeletedSchema, BatchQuerySchema, count_ids, deleted, is_batch
from nxfs.core.api.blueprint import Blueprint
from nxfs.core.errors import BusinessRuleError, ConflictError, ForbiddenError, NotFoundError
from nxfs.core.pagination import Page
from nxfs.core.versions import Precondition
from nxfs.tasks.queries import categories as queries
from nxfs.tasks.schemas.categories import (
    CategoryBatchSchema,
    CategoryCreateSchema,
    CategoryMergeSchema,
    CategoryQuerySchema,
    CategorySchema,
    CategorySearchSchema,
    CategoryUpdateSchema,
    PopularCategoriesSchema,
)
from nxfs.tasks.service import categories as service

blp = Blueprint(
    "categories", __name__, url_prefix="/api/tasks/categories", description="Categories that all users share."
)


@blp.route("/")
class Categories(MethodView):
    """All categories."""

    @login_required
    @blp.paginated(CategorySchema, CategoryQuerySchema)
    def get(self, filters: dict[str, Any]) -> Page:
        """List categories."""
        return queries.list_categories(actor=current_actor(), filters=filters)

    @login_required
    @blp.arguments(CategoryCreateSchema, location="json_or_form")
    @blp.response(201, CategorySchema)
    @blp.raises(ConflictError)
    def post(self, values: dict[str, Any]) -> Any:
        """Create a category."""
        category_id = service.create_category(actor=current_actor(), values=values)
        return queries.get_category(category_id=category_id)


@blp.route("/<id:category_id>/")
class CategoryById(MethodView):
    """One category."""

    @login_required
    @blp.response(200, CategorySchema)
    @blp.raises(NotFoundError)
    def get(self, category_id: int) -> Any:
        """Show a category."""
        return queries.get_category(category_id=category_id)

    @login_required
    @blp.versioned
    @blp.arguments(CategoryCreateSchema, location="json_or_form")
    @blp.response(200, CategorySchema)
    @blp.raises(NotFoundError, ForbiddenError, ConflictError)
    def put(self, values: dict[str, Any], category_id: int, precondition: Precondition) -> Any:
        """Replace a category.

        Every field that is left out takes its default.
        """
        service.update_category(
            actor=current_actor(), category_id=category_id, values=values, precondition=precondition
        )
        return queries.get_category(category_id=category_id)

    @login_required
    @blp.versioned
    @blp.arguments(CategoryUpdateSchema(partial=True), location="json_or_form")
    @blp.response(200, CategorySchema)
    @blp.raises(NotFoundError, ForbiddenError, ConflictError)
    def patch(self, values: dict[str, Any], category_id: int, precondition: Precondition) -> Any:
        """Change fields of a category."""
        service.update_category(
            actor=current_actor(), category_id=category_id, values=values, precondition=precondition
        )
        return queries.get_category(category_id=category_id)

    @login_required
    @blp.versioned
    @blp.response(204)
    @blp.raises(NotFoundError, ForbiddenError)
    def delete(self, category_id: int, precondition: Precondition) -> None:
        """Delete a category; its tasks lose it."""
        service.delete_category(actor=current_actor(), category_id=category_id, precondition=precondition)


@blp.route("/by-slug/<string:slug>/")
@login_required
@blp.response(200, CategorySchema)
@blp.raises(NotFoundError)
def show_category_by_slug(slug: str) -> Any:
    """Show the category with a slug."""
    return queries.get_category_by_slug(slug=slug)


@blp.route("/with-counts/")
@login_required
@blp.paginated(CategorySchema, CategoryQuerySchema)
def list_categories_with_counts(filters: dict[str, Any]) -> Page:
    """List categories with the number of your tasks."""
    return queries.list_categories_with_counts(actor=current_actor(), filters=filters)


@blp.route("/popular/")
@login_required
@blp.paginated(CategorySchema, PopularCategoriesSchema)
def list_popular_categories(values: dict[str, Any]) -> Page:
    """List the categories you use most."""
    return queries.list_popular_categories(actor=current_actor(), limit=values["limit"])


@blp.route("/search/")
@login_required
@blp.paginated(CategorySchema, CategorySearchSchema)
def search_categories(values: dict[str, Any]) -> Page:
    """Search categories by name, slug and description."""
    return queries.search_categories(actor=current_actor(), values=values)


@blp.route("/bulk-delete/")
class BulkDeleteCategories(MethodView):
    """Several categories to delete."""

    @login_required
    @is_batch
    @blp.arguments(BatchQuerySchema, location="query")
    @blp.arguments(CategoryBatchSchema)
    @blp.response(200, BatchDeletedSchema)
    def delete(self, options: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        """Delete several categories; their tasks lose them.

        Those that do not exist or that you may not delete are named in the answer; the others are deleted.
        """
        count_ids(values["category_ids"])
        failures = service.delete_categories(actor=current_actor(), **values, **options)
        return deleted(values["category_ids"], failures)

    @login_required
    @is_batch
    @blp.arguments(BatchQuerySchema, location="query")
    @blp.arguments(CategoryBatchSchema)
    @blp.response(200, BatchDeletedSchema)
    def post(self, options: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        """Delete several categories, if DELETE has no body."""
        count_ids(values["category_ids"])
        failures = service.delete_categories(actor=current_actor(), **values, **options)
        return deleted(values["category_ids"], failures)


@blp.route("/<id:category_id>/merge/", methods=["POST"])
@login_required
@blp.arguments(CategoryMergeSchema, location="json_or_form")
@blp.response(200, CategorySchema)
@blp.raises(NotFoundError, ForbiddenError, BusinessRuleError)
def merge_categories(values: dict[str, Any], category_id: int) -> Any:
    """Merge other categories into one.

    Their tasks get this category, and they are deleted.
    """
    sources = values["source_category_ids"]
    service.merge_categories(actor=current_actor(), category_id=category_id, source_ids=sources)
    return queries.get_category(category_id=category_id)
