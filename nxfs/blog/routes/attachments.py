"""``/api/blog/posts/<id>/images/``, ``audio/`` and ``youtube/``: what is attached to a post."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from nxfs.auth.guards import current_actor, find_actor, login_optional, login_required
from nxfs.blog.queries import attachments as queries
from nxfs.blog.schemas.attachments import (
    DeletedCountSchema,
    PostAudioCreateSchema,
    PostAudioSchema,
    PostImageCreateSchema,
    PostImageSchema,
    PostImageUpdateSchema,
    PostVideoCreateSchema,
    PostVideoSchema,
)
from nxfs.blog.service import attachments as service
from nxfs.core.api.blueprint import Blueprint
from nxfs.core.api.pages import PageQuerySchema
from nxfs.core.errors import (
    BusinessRuleError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    PayloadTooLargeError,
    ServiceUnavailableError,
    UnsupportedMediaTypeError,
)
from nxfs.core.pagination import Page

blp = Blueprint(
    "attachments", __name__, url_prefix="/api/blog/posts", description="Images, recordings and videos of posts."
)
WRITE_ERRORS = (NotFoundError, ForbiddenError)
UPLOAD_ERRORS = (
    *WRITE_ERRORS,
    BusinessRuleError,
    PayloadTooLargeError,
    UnsupportedMediaTypeError,
    ServiceUnavailableError,
)


@blp.route("/<id:post_id>/images/")
class PostImages(MethodView):
    """The gallery of a post."""

    @login_optional
    @blp.paginated(PostImageSchema, PageQuerySchema)
    def get(self, filters: dict[str, Any], post_id: int) -> Page:
        """List the images of a post's gallery."""
        return queries.list_images(actor=find_actor(), post_id=post_id, filters=filters)

    @login_required
    @blp.arguments(PostImageCreateSchema, location="json_or_form")
    @blp.response(201, PostImageSchema)
    @blp.raises(*UPLOAD_ERRORS, ConflictError)
    def post(self, values: dict[str, Any], post_id: int) -> Any:
        """Add an image to a post's gallery.

        A new image (`image`, in a form) also becomes a file of the media library; `media_id` takes one that is there.
        """
        image_id = service.add_image(actor=current_actor(), post_id=post_id, values=values)
        return queries.get_written_image(post_id=post_id, image_id=image_id)

    @login_required
    @blp.response(200, DeletedCountSchema)
    @blp.raises(*WRITE_ERRORS)
    def delete(self, post_id: int) -> Any:
        """Take all images out of a post's gallery.

        The media library keeps the files.
        """
        return {"deleted_count": service.remove_images(actor=current_actor(), post_id=post_id)}


@blp.route("/<id:post_id>/images/<id:image_id>/")
class PostImageById(MethodView):
    """One image of a gallery."""

    @login_required
    @blp.arguments(PostImageUpdateSchema, location="json_or_form")
    @blp.response(200, PostImageSchema)
    @blp.raises(*WRITE_ERRORS)
    def patch(self, values: dict[str, Any], post_id: int, image_id: int) -> Any:
        """Change what is said about an image, or its place."""
        service.update_image(actor=current_actor(), post_id=post_id, image_id=image_id, values=values)
        return queries.get_written_image(post_id=post_id, image_id=image_id)

    @login_required
    @blp.response(204)
    @blp.raises(*WRITE_ERRORS)
    def delete(self, post_id: int, image_id: int) -> None:
        """Take an image out of a post's gallery.

        The media library keeps the file; its filter `unused` finds those that no post uses any more.
        """
        service.remove_images(actor=current_actor(), post_id=post_id, image_id=image_id)


@blp.route("/<id:post_id>/audio/")
class PostRecordings(MethodView):
    """The recordings of a post."""

    @login_optional
    @blp.paginated(PostAudioSchema, PageQuerySchema)
    def get(self, filters: dict[str, Any], post_id: int) -> Page:
        """List the recordings of a post."""
        return queries.list_audio(actor=find_actor(), post_id=post_id, filters=filters)

    @login_required
    @blp.arguments(PostAudioCreateSchema, location="upload")
    @blp.response(201, PostAudioSchema)
    @blp.raises(*UPLOAD_ERRORS)
    def post(self, values: dict[str, Any], post_id: int) -> Any:
        """Add a recording to a post."""
        audio_id = service.add_audio(actor=current_actor(), post_id=post_id, values=values)
        return queries.get_written_audio(post_id=post_id, audio_id=audio_id)

    @login_required
    @blp.response(200, DeletedCountSchema)
    @blp.raises(*WRITE_ERRORS)
    def delete(self, post_id: int) -> Any:
        """Delete all recordings of a post, with their files."""
        return {"deleted_count": service.remove_audio(actor=current_actor(), post_id=post_id)}


@blp.route("/<id:post_id>/audio/<id:audio_id>/", methods=["DELETE"])
@login_required
@blp.response(204)
@blp.raises(*WRITE_ERRORS)
def delete_post_audio(post_id: int, audio_id: int) -> None:
    """Delete a recording of a post, with its file."""
    service.remove_audio(actor=current_actor(), post_id=post_id, audio_id=audio_id)


@blp.route("/<id:post_id>/youtube/")
class PostVideos(MethodView):
    """The YouTube videos of a post."""

    @login_optional
    @blp.paginated(PostVideoSchema, PageQuerySchema)
    def get(self, filters: dict[str, Any], post_id: int) -> Page:
        """List the YouTube videos of a post."""
        return queries.list_videos(actor=find_actor(), post_id=post_id, filters=filters)

    @login_required
    @blp.arguments(PostVideoCreateSchema, location="json_or_form")
    @blp.response(201, PostVideoSchema)
    @blp.raises(*WRITE_ERRORS, BusinessRuleError, ConflictError)
    def post(self, values: dict[str, Any], post_id: int) -> Any:
        """Add a YouTube video to a post, by any of its addresses."""
        video_id = service.add_video(actor=current_actor(), post_id=post_id, values=values)
        return queries.get_written_video(post_id=post_id, video_id=video_id)

    @login_required
    @blp.response(200, DeletedCountSchema)
    @blp.raises(*WRITE_ERRORS)
    def delete(self, post_id: int) -> Any:
        """Take all YouTube videos out of a post."""
        return {"deleted_count": service.remove_videos(actor=current_actor(), post_id=post_id)}


@blp.route("/<id:post_id>/youtube/<id:video_id>/", methods=["DELETE"])
@login_required
@blp.response(204)
@blp.raises(*WRITE_ERRORS)
def delete_post_video(post_id: int, video_id: int) -> None:
    """Take a YouTube video out of a post."""
    service.remove_videos(actor=current_actor(), post_id=post_id, video_id=video_id)
