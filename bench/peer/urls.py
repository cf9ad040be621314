"""The addresses of the peer, which are ours."""

from django.urls import path

from bench.peer.views import BulkDelete, BulkUpdate

urlpatterns = [
    path("api/tasks/bulk-update/", BulkUpdate.as_view()),
    path("api/tasks/bulk-delete/", BulkDelete.as_view()),
]
