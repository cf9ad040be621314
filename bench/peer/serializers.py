"""The framework's recipe for many objects: a list of items, each validated and saved by the serializer of one."""

from typing import Any

from rest_framework import serializers

from bench.peer.models import Task


class TaskListSerializer(serializers.ListSerializer):
    """Updates each task with its item."""

    def update(self, instance: list[Task], validated_data: list[dict[str, Any]]) -> list[Task]:
        """Save each task with the values of the item that has its id."""
        tasks = {task.pk: task for task in instance}
        return [self.child.update(tasks[values.pop("id")], values) for values in validated_data]


class TaskSerializer(serializers.ModelSerializer):
    """The fields of a task that bulk operations change."""

    id = serializers.IntegerField()

    class Meta:
        model = Task
        fields = ("id", "status", "priority", "project", "category")
        list_serializer_class = TaskListSerializer

    def update(self, instance: Task, validated_data: dict[str, Any]) -> Task:
        """Save the task, and count its change."""
        instance.version += 1
        return super().update(instance, validated_data)
