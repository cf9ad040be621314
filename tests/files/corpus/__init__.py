"""Hostile and odd files, made by code, each with the verdict that it has to get."""

from __future__ import annotations

from tests.files.corpus.documents import documents
from tests.files.corpus.pictures import pictures
from tests.files.corpus.sounds import sounds

CORPUS = (*pictures(), *documents(), *sounds())
