"""``/api/blog/media/``: the media library."""

from __future__ import annotations

from typing import Any

from flask import current_app
from flask.typing import ResponseReturnValue
from flask.views import MethodView

from nxfs.auth.guards import current_actor, login_required
from nxfs.blog.queries import media as queries
from nxfs.blog.schemas.media import (
    DeletionPreviewSchema,
    DeletionQuerySchema,
    MediaFileDetailsSchema,
    MediaFileSchema,
    MediaQuerySchema,
    MediaUpdateSchema,
    MediaUploadResultsSchema,
    MediaUploadSchema,
    MediaUsageSchema,
)
from nxfs.blog.service import media as service
from nxfs.core.api.blueprint import Blueprint
from nxfs.core.api.examples import example_of
from nxfs.core.api.pages import PageQuerySchema
from nxfs.core.errors import (
    BusinessRuleError,
    ConflictError,
    NotFoundError,
    PayloadTooLargeError,
    ServiceUnavailableError,
    UnsupportedMediaTypeError,
    envelope,
)
from nxfs.core.http import language
from nxfs.core.pagination import Page
from nxfs.core.versions import Precondition

blp = Blueprint(
    "media", __name__, url_prefix="/api/blog/media", description="The media library: images and documents for posts."
)
UPLOAD_ERRORS = (PayloadTooLargeError, UnsupportedMediaTypeError, BusinessRuleError, ServiceUnavailableError)
results_schema = MediaUploadResultsSchema()
preview_schema = DeletionPreviewSchema()


@blp.route("/")
class MediaFiles(MethodView):
    """The media library."""

    @login_required
    @blp.paginated(MediaFileSchema, MediaQuerySchema)
    def get(self, filters: dict[str, Any]) -> Page:
        """List your files, filtered.

        Those who manage the library see the files of all.
        """
        return queries.list_media(actor=current_actor(), filters=filters)

    @login_required
    @blp.arguments(MediaUploadSchema, location="upload")
    @blp.response(201, MediaFileSchema)
    @blp.alt_response(207, schema=results_schema, example=example_of(results_schema, is_input=False), success=True)
    @blp.raises(*UPLOAD_ERRORS)
    def post(self, values: dict[str, Any]) -> Any:
        """Upload files, as `upload/` does."""
        return _upload(values)


@blp.route("/upload/", methods=["POST"])
@login_required
@blp.arguments(MediaUploadSchema, location="upload")
@blp.response(201, MediaFileSchema)
@blp.alt_response(207, schema=results_schema, example=example_of(results_schema, is_input=False), success=True)
@blp.raises(*UPLOAD_ERRORS)
def upload_media(values: dict[str, Any]) -> Any:
    """Upload files.

    One file answers 201 with the file. Several answer 207 with one result each: every file is accepted or refused for
    itself.
    """
    return _upload(values)


@blp.route("/<id:media_id>/")
class MediaFileById(MethodView):
    """One file of the media library."""

    @login_required
    @blp.response(200, MediaFileDetailsSchema)
    @blp.raises(NotFoundError)
    def get(self, media_id: int) -> Any:
        """Show a file with its derivatives and usages."""
        return queries.get_media_with_details(actor=current_actor(), media_id=media_id)

    @login_required
    @blp.versioned
    @blp.arguments(MediaUpdateSchema, location="json_or_form")
    @blp.response(200, MediaFileSchema)
    @blp.raises(NotFoundError)
    def patch(self, values: dict[str, Any], media_id: int, precondition: Precondition) -> Any:
        """Change what is said about a file."""
        service.update_media(actor=current_actor(), media_id=media_id, values=values, precondition=precondition)
        return queries.get_media(actor=current_actor(), media_id=media_id)

    @login_required
    @blp.versioned
    @blp.arguments(DeletionQuerySchema, location="query")
    @blp.response(204)
    @blp.alt_response(200, schema=preview_schema, example=example_of(preview_schema, is_input=False), success=True)
    @blp.raises(NotFoundError, ConflictError, ServiceUnavailableError)
    def delete(self, query: dict[str, Any], media_id: int, precondition: Precondition) -> Any:
        """Delete a file, and with it all that refers to it in posts.

        Posts of others lose it too. With `dry_run` nothing changes, and the answer (200) names the posts.
        """
        if query["dry_run"]:
            return _preview(media_id)
        return service.delete_media(actor=current_actor(), media_id=media_id, precondition=precondition)


@blp.route("/<id:media_id>/usages/")
@login_required
@blp.paginated(MediaUsageSchema, PageQuerySchema)
def list_media_usages(filters: dict[str, Any], media_id: int) -> Page:
    """List the posts that use a file, of those that you see."""
    return queries.list_usages(actor=current_actor(), media_id=media_id, filters=filters)


def _upload(values: dict[str, Any]) -> Any:
    """Upload the files; return the row of the only one, or the answer with the results of all."""
    files = values.pop("file")
    if len(files) == 1:
        media_id = service.upload_media(actor=current_actor(), upload=files[0], values=values)
        return queries.get_media(actor=current_actor(), media_id=media_id)
    results = [_result(each) for each in service.upload_many(actor=current_actor(), files=files, values=values)]
    return current_app.json.response(results_schema.dump({"results": results})), 207


def _result(uploaded: service.Uploaded) -> dict[str, Any]:
    """Return what became of one of several files."""
    result: dict[str, Any] = {
        "original_filename": uploaded.original_filename,
        "status": 201,
        "file": None,
        "error": None,
    }
    if uploaded.error is not None:
        detail = envelope(uploaded.error, language=language(), request_id=None)["error"]
        return result | {"status": uploaded.error.status, "error": detail}
    return result | {"file": queries.get_media(actor=current_actor(), media_id=uploaded.media_id)}


def _preview(media_id: int) -> ResponseReturnValue:
    posts = queries.find_affected_posts(actor=current_actor(), media_id=media_id)
    return current_app.json.response(preview_schema.dump({"would_delete": True, "posts": posts})), 200
