"""What can go wrong with tasks, projects and categories."""

from __future__ import annotations

from nxfs.core.errors import BusinessRuleError, ConflictError, InvalidInputError, NotFoundError, RateLimitExceededError
from nxfs.core.messages import Text


class TaskNotFoundError(NotFoundError):
    """No such task, or one that the actor may not see."""

    message = Text("This task does not exist.", "Denne oppgaven finnes ikke.")


class ProjectNotFoundError(NotFoundError):
    """No such project, or one that the actor may not see."""

    message = Text("This project does not exist.", "Dette prosjektet finnes ikke.")


class CategoryNotFoundError(NotFoundError):
    """No such category."""

    message = Text("This category does not exist.", "Denne kategorien finnes ikke.")


class MemberNotFoundError(NotFoundError):
    """The user is not a member of the project."""

    message = Text("This person is not a member of the project.", "Denne personen er ikke medlem av prosjektet.")


class ImageNotFoundError(NotFoundError):
    """No such picture, or one of another task or project."""

    message = Text("This picture does not exist.", "Dette bildet finnes ikke.")


class TooManyImagesError(BusinessRuleError):
    """The task or project has as many pictures as it may have."""

    message = Text(
        "There are {most} pictures already. Delete one first.", "Det er allerede {most} bilder. Slett et først."
    )


class CategoryNameTakenError(ConflictError):
    """Another category has the name."""

    message = Text("There is already a category with this name.", "Det finnes allerede en kategori med dette navnet.")

    def __init__(self) -> None:
        super().__init__(field_errors={"name": [type(self).message]})


class CategorySlugTakenError(ConflictError):
    """Another category has the slug."""

    message = Text("There is already a category with this slug.", "Det finnes allerede en kategori med denne slugen.")

    def __init__(self) -> None:
        super().__init__(field_errors={"slug": [type(self).message]})


class MemberExistsError(ConflictError):
    """The user is a member already."""

    message = Text("This person is already a member.", "Denne personen er allerede medlem.")


class TaskInOtherProjectError(BusinessRuleError):
    """The task to remove belongs to another project, or to none."""

    message = Text("This task does not belong to the project.", "Denne oppgaven hører ikke til prosjektet.")


class ProjectTooLargeError(BusinessRuleError):
    """The project has too many tasks to be duplicated at once."""

    message = Text(
        "A project with more than {most} tasks cannot be duplicated.",
        "Et prosjekt med mer enn {most} oppgaver kan ikke dupliseres.",
    )


class TooManyExportsError(RateLimitExceededError):
    """Somebody has too many exports that are kept."""

    message = Text(
        "You have {most} exports already. The oldest are deleted after some days.",
        "Du har allerede {most} eksporter. De eldste slettes etter noen dager.",
    )


class TooManyTasksError(BusinessRuleError):
    """The export has more tasks than a file of its format can hold."""

    message = Text(
        "There are more tasks than the {most} that an {format} file can hold. Filter them, or choose another format.",
        "Det er flere oppgaver enn de {most} en {format}-fil har plass til. Filtrer dem, eller velg et annet format.",
    )


TOO_MANY_CATEGORIES = Text("A task can have at most {most} categories.", "En oppgave kan ha høyst {most} kategorier.")


class MergeIntoItselfError(BusinessRuleError):
    """A category was to be merged into itself."""

    message = Text("A category cannot be merged into itself.", "En kategori kan ikke slås sammen med seg selv.")


def unknown_reference(field: str, value: object) -> InvalidInputError:
    """Return the error for a field that names something the actor cannot see."""
    sentence = Text("There is no “{value}” that you can use here.", "Det finnes ingen «{value}» som du kan bruke her.")
    return InvalidInputError(field_errors={field: [sentence.fill(value=str(value)[:100])]})


def ambiguous_reference(field: str, value: object) -> InvalidInputError:
    """Return the error for a field with a name that several have."""
    sentence = Text(
        "There are several with the name “{value}”; give its id.", "Det finnes flere med navnet «{value}»; oppgi id-en."
    )
    return InvalidInputError(field_errors={field: [sentence.fill(value=str(value)[:100])]})


def contradicting_categories() -> InvalidInputError:
    """Return the error for a category that many tasks were to get and to lose."""
    sentence = Text("A category cannot be both added and removed.", "En kategori kan ikke både legges til og fjernes.")
    return InvalidInputError(field_errors={"updates.category_remove": [sentence]})
