"""Makes the peer's tables and fills them with the data set; prints the token of its administrator.

python -m django fill --settings bench.peer.settings TASKS
"""

from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from django.contrib.auth.models import User
from django.core.management import BaseCommand, call_command
from django.db import connection, models, transaction
from rest_framework.authtoken.models import Token

from bench.dataset import ADMIN_ID, Dataset, Size
from bench.peer.models import Category, Project, Task

ROWS_AT_ONCE = 5_000


class Command(BaseCommand):
    """Fills an empty database."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Ask for the number of tasks."""
        parser.add_argument("tasks", type=int)

    def handle(self, tasks: int, **_: Any) -> str:
        """Fill the database with so many tasks, and return the token, which is printed."""
        # Ours refer to those of the framework, which have to be there first.
        call_command("migrate", verbosity=0)
        call_command("migrate", run_syncdb=True, verbosity=0)
        dataset = Dataset(Size(tasks=tasks), password_hash="!")
        with transaction.atomic():
            _insert(User, _only(dataset.users(), "id", "email", "username", "date_joined"))
            _insert(Category, _only(dataset.categories(), "id", "name"))
            _insert(Project, _only(dataset.projects(), "id", "name", "user_id"))
            _insert(Task, _only(dataset.tasks(), *(field.attname for field in Task._meta.concrete_fields)))
            _insert(Task.category.through, dataset.links())
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
        return Token.objects.create(user_id=ADMIN_ID).key


def _only(rows: Iterable[dict[str, Any]], *names: str) -> Iterator[dict[str, Any]]:
    return ({name: row[name] for name in names} for row in rows)


def _insert(model: type[models.Model], rows: Iterable[dict[str, Any]]) -> None:
    objects = (model(**row) for row in rows)
    while batch := list(islice(objects, ROWS_AT_ONCE)):
        model.objects.bulk_create(batch)
