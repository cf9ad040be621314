"""The closed table of what users can be notified of, and the sentences for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nxfs.core.messages import Text, translate

SOMEBODY = Text("Somebody", "Noen")


@dataclass(frozen=True)
class NotificationType:
    """What is said of one kind of notification.

    ``text`` is filled with the notification's data, with ``{actor}`` and ``{count}``; ``repeated`` takes its place
    when the notification stands for several. ``description`` says in the preferences what it is. One that
    ``is_once`` is told once for ever, others again after they were read.
    """

    text: Text
    description: Text
    repeated: Text | None = None
    is_once: bool = False


TYPES: Mapping[str, NotificationType] = {
    "task_assigned": NotificationType(
        Text("{actor} assigned you the task “{title}”.", "{actor} har gitt deg oppgaven «{title}»."),
        Text("Somebody assigned you a task.", "Noen har gitt deg en oppgave."),
    ),
    "task_changed": NotificationType(
        Text("{actor} changed the task “{title}”.", "{actor} har endret oppgaven «{title}»."),
        Text(
            "Somebody changed a task that you own or that is assigned to you.",
            "Noen har endret en oppgave som du eier eller har ansvaret for.",
        ),
        repeated=Text(
            "The task “{title}” was changed {count} times, most recently by {actor}.",
            "Oppgaven «{title}» er endret {count} ganger, sist av {actor}.",
        ),
    ),
    "task_completed": NotificationType(
        Text("{actor} completed the task “{title}”.", "{actor} har fullført oppgaven «{title}»."),
        Text(
            "Somebody completed a task that you own or that is assigned to you.",
            "Noen har fullført en oppgave som du eier eller har ansvaret for.",
        ),
    ),
    "tasks_changed": NotificationType(
        Text("{actor} changed {total} of your tasks.", "{actor} har endret {total} av oppgavene dine."),
        Text(
            "Somebody changed several tasks at once that you own or that are assigned to you.",
            "Noen har endret flere oppgaver på én gang som du eier eller har ansvaret for.",
        ),
        repeated=Text("{actor} changed many of your tasks.", "{actor} har endret mange av oppgavene dine."),
    ),
    "tasks_assigned": NotificationType(
        Text("{actor} assigned you {total} tasks.", "{actor} har gitt deg {total} oppgaver."),
        Text("Somebody assigned you several tasks at once.", "Noen har gitt deg flere oppgaver på én gang."),
        repeated=Text("{actor} assigned you many tasks.", "{actor} har gitt deg mange oppgaver."),
    ),
    "task_due_soon": NotificationType(
        Text("The task “{title}” is due on {due_date}.", "Oppgaven «{title}» har frist {due_date}."),
        Text("A task of yours is due today or tomorrow.", "En av oppgavene dine har frist i dag eller i morgen."),
        is_once=True,
    ),
    "task_overdue": NotificationType(
        Text("The task “{title}” was due on {due_date}.", "Oppgaven «{title}» hadde frist {due_date}."),
        Text("A task of yours is overdue.", "En av oppgavene dine er over fristen."),
        is_once=True,
    ),
    "project_member_added": NotificationType(
        Text("{actor} added you to the project “{title}”.", "{actor} har lagt deg til i prosjektet «{title}»."),
        Text("Somebody added you to a project.", "Noen har lagt deg til i et prosjekt."),
    ),
    "mention": NotificationType(
        Text("{actor} mentioned you in the task “{title}”.", "{actor} har nevnt deg i oppgaven «{title}»."),
        Text("Somebody mentioned you in the notes of a task.", "Noen har nevnt deg i notatene til en oppgave."),
        repeated=Text(
            "You were mentioned {count} times in the task “{title}”, most recently by {actor}.",
            "Du er nevnt {count} ganger i oppgaven «{title}», sist av {actor}.",
        ),
    ),
    "post_published": NotificationType(
        Text("Your post “{title}” has been published.", "Innlegget ditt «{title}» er publisert."),
        Text(
            "A scheduled post of yours went live, or somebody else published it.",
            "Et planlagt innlegg av deg er publisert, eller noen andre har publisert det.",
        ),
        is_once=True,
    ),
    "job_finished": NotificationType(
        Text("“{title}” is finished.", "«{title_nb}» er ferdig."),
        Text(
            "Work that you started in the background is finished.", "Arbeid som du satte i gang i bakgrunnen er ferdig."
        ),
        is_once=True,
    ),
    "job_failed": NotificationType(
        Text("“{title}” failed.", "«{title_nb}» mislyktes."),
        Text("Work that you started in the background failed.", "Arbeid som du satte i gang i bakgrunnen mislyktes."),
    ),
}
TOLD_ONCE = tuple(name for name, each in TYPES.items() if each.is_once)


class _Values(dict[str, Any]):
    """Values for a sentence; of what an older version of the program did not store, nothing is shown."""

    def __missing__(self, name: str) -> str:
        return ""


def message(type_: str, *, data: Mapping[str, Any], count: int, language: str) -> str:
    """Return the sentence of a notification in ``language`` (``en`` or ``no``).

    ``data`` is what was stored, ``actor_name`` in it the name of who did it. Raises ``KeyError`` for no such type.
    """
    wording = TYPES[type_]
    sentence = wording.repeated if wording.repeated is not None and count > 1 else wording.text
    actor = data.get("actor_name") or translate(SOMEBODY, language)
    return translate(sentence, language).format_map(_Values(data, actor=actor, count=count))
