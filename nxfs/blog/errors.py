"""What can go wrong with posts, tags and media."""

from __future__ import annotations

from nxfs.core.errors import BusinessRuleError, ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from nxfs.core.messages import Text


class PostNotFoundError(NotFoundError):
    """No such post, or one that the reader may not see."""

    message = Text("This post does not exist.", "Dette innlegget finnes ikke.")


class TagNotFoundError(NotFoundError):
    """No such tag."""

    message = Text("This tag does not exist.", "Denne taggen finnes ikke.")


class MediaNotFoundError(NotFoundError):
    """No such file of the media library, or one that the actor may not see."""

    message = Text("This file does not exist.", "Denne filen finnes ikke.")


class PostImageNotFoundError(NotFoundError):
    """The post has no such image."""

    message = Text("This image does not belong to the post.", "Dette bildet hører ikke til innlegget.")


class PostAudioNotFoundError(NotFoundError):
    """The post has no such recording."""

    message = Text("This recording does not belong to the post.", "Dette opptaket hører ikke til innlegget.")


class PostVideoNotFoundError(NotFoundError):
    """The post has no such video."""

    message = Text("This video does not belong to the post.", "Denne videoen hører ikke til innlegget.")


class PublishingForbiddenError(ForbiddenError):
    """The actor may edit the post, but not decide what the public sees of it."""

    message = Text(
        "You may write drafts, but publishing and changing what is published need a permission that you do not have.",
        "Du kan skrive utkast, men å publisere og å endre det som er publisert krever en tillatelse du ikke har.",
    )


class PostSlugTakenError(ConflictError):
    """Another post has the slug, or had it."""

    message = Text("Another post has or had this slug.", "Et annet innlegg har eller hadde denne slugen.")

    def __init__(self) -> None:
        super().__init__(field_errors={"slug": [type(self).message]})


class TagNameTakenError(ConflictError):
    """Another tag has the name."""

    message = Text("There is already a tag with this name.", "Det finnes allerede en tagg med dette navnet.")

    def __init__(self) -> None:
        super().__init__(field_errors={"name": [type(self).message]})


class TagSlugTakenError(ConflictError):
    """Another tag has the slug."""

    message = Text("There is already a tag with this slug.", "Det finnes allerede en tagg med denne slugen.")

    def __init__(self) -> None:
        super().__init__(field_errors={"slug": [type(self).message]})


class ImageExistsError(ConflictError):
    """The post has the image already."""

    message = Text("The post already has this image.", "Innlegget har allerede dette bildet.")


class VideoExistsError(ConflictError):
    """The post has the video already."""

    message = Text("The post already has this video.", "Innlegget har allerede denne videoen.")


class MergeIntoItselfError(BusinessRuleError):
    """A tag was to be merged into itself."""

    message = Text("A tag cannot be merged into itself.", "En tagg kan ikke slås sammen med seg selv.")


def unknown_reference(field: str, value: object) -> InvalidInputError:
    """Return the error for a field that names something the actor cannot use."""
    sentence = Text("There is no “{value}” that you can use here.", "Det finnes ingen «{value}» som du kan bruke her.")
    return InvalidInputError(field_errors={field: [sentence.fill(value=str(value)[:100])]})
