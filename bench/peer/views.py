"""Bulk operations one object at a time, in one transaction."""

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bench.peer.models import Task
from bench.peer.serializers import TaskSerializer


class BulkUpdate(APIView):
    """Changes tasks."""

    def post(self, request: Request) -> Response:
        """Give each of ``task_ids`` the values in ``updates``; all of them, or none when one is not valid."""
        items = [{"id": task_id, **request.data["updates"]} for task_id in sorted(request.data["task_ids"])]
        with transaction.atomic():
            tasks = list(Task.objects.select_for_update().filter(pk__in=request.data["task_ids"]).order_by("pk"))
            serializer = TaskSerializer(tasks, data=items, many=True, partial=True)
            serializer.is_valid(raise_exception=True)
            serializer.save()
        return Response({"updated_count": len(tasks), "failed_updates": []})


class BulkDelete(APIView):
    """Deletes tasks."""

    def post(self, request: Request) -> Response:
        """Delete each of ``task_ids``."""
        with transaction.atomic():
            tasks = list(Task.objects.select_for_update().filter(pk__in=request.data["task_ids"]).order_by("pk"))
            for task in tasks:
                task.delete()
        return Response({"deleted_count": len(tasks), "failed_deletes": []})
