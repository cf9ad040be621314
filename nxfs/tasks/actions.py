"""What is audited of tasks, projects and categories: names of actions with sentences that say what happened."""

from __future__ import annotations

from nxfs.core.messages import Text

ACTIONS = {
    "tasks.task_created": Text("Created a task.", "Opprettet en oppgave."),
    "tasks.task_updated": Text("Changed a task.", "Endret en oppgave."),
    "tasks.task_deleted": Text("Deleted a task.", "Slettet en oppgave."),
    "tasks.task_image_added": Text("Added a picture to a task.", "La til et bilde i en oppgave."),
    "tasks.task_image_removed": Text("Removed a picture from a task.", "Fjernet et bilde fra en oppgave."),
    "tasks.tasks_bulk_updated": Text("Changed many tasks.", "Endret mange oppgaver."),
    "tasks.tasks_bulk_deleted": Text("Deleted many tasks.", "Slettet mange oppgaver."),
    "tasks.bulk_update_queued": Text("Queued changes to many tasks.", "La endringer av mange oppgaver i kø."),
    "tasks.bulk_delete_queued": Text("Queued the deletion of many tasks.", "La sletting av mange oppgaver i kø."),
    "tasks.project_created": Text("Created a project.", "Opprettet et prosjekt."),
    "tasks.project_updated": Text("Changed a project.", "Endret et prosjekt."),
    "tasks.project_deleted": Text("Deleted a project.", "Slettet et prosjekt."),
    "tasks.project_image_added": Text("Added a picture to a project.", "La til et bilde i et prosjekt."),
    "tasks.project_image_removed": Text("Removed a picture from a project.", "Fjernet et bilde fra et prosjekt."),
    "tasks.project_member_added": Text("Added a member to a project.", "La til et medlem i et prosjekt."),
    "tasks.project_member_removed": Text("Removed a member from a project.", "Fjernet et medlem fra et prosjekt."),
    "tasks.category_created": Text("Created a category.", "Opprettet en kategori."),
    "tasks.category_updated": Text("Changed a category.", "Endret en kategori."),
    "tasks.category_deleted": Text("Deleted a category.", "Slettet en kategori."),
    "tasks.category_merged": Text("Merged a category into another one.", "Slo en kategori sammen med en annen."),
    "tasks.export_queued": Text("Queued an export of tasks.", "La en eksport av oppgaver i kø."),
    "tasks.exported": Text("Exported tasks.", "Eksporterte oppgaver."),
}
