"""The data set of the blog: a media library of twenty uploaders, and posts that use some of its files."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from random import Random

from bench import texts
from bench.dataset import SEED, Dataset, Row, Size
from nxfs.core import clock, search
from nxfs.core.slugs import slug_of
from nxfs.files import links
from nxfs.files.formats import FORMATS

UPLOADERS = 20
AUTHORS = 10
TAGS = 30
# Of the files of the library, so many per cent.
FORMAT_SHARES = {"jpeg": 70, "png": 12, "webp": 6, "pdf": 7, "gif": 2, "docx": 2, "doc": 1}
# The third uploader, of whom the measurements speak, has about four in a hundred files; the second a third of all.
UPLOADER_SHARES = [20, 120, *[15] * (UPLOADERS - 2)]
PLACES = ("featured_image", "gallery", "body", "body")
BODY_LETTERS = 2_000


@dataclass(frozen=True)
class LibrarySize:
    """How many rows there are; the newest ``using_posts`` use ``len(PLACES)`` files each."""

    media: int = 100_000
    posts: int = 20_000
    using_posts: int = 500


class Library:
    """Rows of every table, as dictionaries of column values: the same for the same size and day."""

    def __init__(self, size: LibrarySize, password_hash: str) -> None:
        self.size = size
        midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        self._today = midnight
        self._began = midnight - timedelta(days=3 * 365)
        self._people = Dataset(Size(tasks=1, users=UPLOADERS), password_hash)
        self._used = self._choose_used()
        self._names: dict[int, str] = {}
        self._taken: Counter[int] = Counter()

    def users(self) -> Iterator[Row]:
        """Yield the users: the first is an admin, all upload, the first ones write."""
        return self._people.users()

    def files(self) -> Iterator[Row]:
        """Yield the stored files."""
        for number, owner_id, name, _ in self._choices():
            digest = hashlib.sha256(f"file {number}".encode()).hexdigest()
            generated = f"{digest[:32]}.{FORMATS[name].extension}"
            is_image = FORMATS[name].kind == "image"
            size = self._bytes_of(number)
            self._taken[owner_id] += size
            if number in self._used:
                self._names[number] = generated
            yield {
                "id": number,
                "name": generated,
                "owner_id": owner_id,
                "format": name,
                "size": size,
                "sha256": digest,
                "original_filename": _filename(number, name),
                "width": 4000 if is_image else None,
                "height": 3000 if is_image else None,
                "duration": None,
                "public_from": self._published_at(self._used[number]) if number in self._used else None,
                "created_at": self._uploaded_at(number),
            }

    def owners(self) -> Iterator[Row]:
        """Yield how much room each owner takes; ask for the files first."""
        for owner_id, size in self._taken.items():
            yield {"owner_id": owner_id, "used_bytes": size}

    def media(self) -> Iterator[Row]:
        """Yield the library, in the order of the uploads."""
        for number, owner_id, name, random in self._choices():
            filename = _filename(number, name)
            sentences = texts.description(random, number) if number % 4 == 1 or random.random() < 0.6 else []
            uploaded_at = self._uploaded_at(number)
            yield {
                "id": number,
                "file_id": number,
                "uploaded_by": owner_id,
                "upload_date": uploaded_at,
                "updated_at": uploaded_at,
                "format": name,
                "file_size": self._bytes_of(number),
                "filename_key": search.sort_key(filename),
                "description": " ".join(sentences),
                "alt_text": "",
                "search_title": search.document_of(filename),
                "search_text": " ".join(_words(sentence) for sentence in sentences),
                "version": 1,
            }

    def tags(self) -> Iterator[Row]:
        """Yield the tags."""
        for number in range(1, TAGS + 1):
            name = f"Emne {number}"
            yield {
                "id": number,
                "name": name,
                "name_key": search.sort_key(name),
                "slug": slug_of(name),
                "created_by": 1,
                "search_document": search.document_of(name),
                "version": 1,
                "created_at": self._began,
                "updated_at": self._began,
            }

    def posts(self) -> Iterator[Row]:
        """Yield the posts, of a hundred 94 public, 4 drafts, 1 archived and 1 scheduled; ask for the files first."""
        files_of: dict[int, list[int]] = {}
        for media_id, post_id in self._used.items():
            files_of.setdefault(post_id, []).append(media_id)
        for number in range(1, self.size.posts + 1):
            yield self._post(number, files_of.get(number, []))

    def slugs(self) -> Iterator[Row]:
        """Yield the address of each post."""
        for number in range(1, self.size.posts + 1):
            yield {"slug": f"post-{number}", "post_id": number, "created_at": self._published_at(number)}

    def post_tags(self) -> Iterator[Row]:
        """Yield which posts have which tags: two of each."""
        for number in range(1, self.size.posts + 1):
            for tag_id in sorted({number % TAGS + 1, number * number % 7 + 1}):
                yield {"post_id": number, "tag_id": tag_id}

    def usages(self) -> Iterator[Row]:
        """Yield where files are used."""
        for place, (media_id, post_id) in zip(self._places(), self._used.items(), strict=True):
            yield {"media_id": media_id, "post_id": post_id, "place": place}

    def images(self) -> Iterator[Row]:
        """Yield the galleries."""
        galleries = (usage for usage in self.usages() if usage["place"] == "gallery")
        for number, usage in enumerate(galleries, 1):
            yield {
                "id": number,
                "post_id": usage["post_id"],
                "media_id": usage["media_id"],
                "alt_text": "Koblingsboks",
                "caption": "",
                "position": 1,
                "created_at": self._began,
            }

    def _choose_used(self) -> dict[int, int]:
        """Return which files are used, in the order of ``_places``, and by which posts."""
        count = min(self.size.using_posts * len(PLACES), self.size.media)
        chosen = Random(SEED + 10).sample(range(1, self.size.media + 1), count)
        newest = self.size.posts
        return {media_id: newest - index // len(PLACES) for index, media_id in enumerate(chosen)}

    def _places(self) -> Iterator[str]:
        return (PLACES[index % len(PLACES)] for index in range(len(self._used)))

    def _choices(self) -> Iterator[tuple[int, int, str, Random]]:
        """Yield the number, the owner and the format of each file, and where its other chances come from."""
        random = Random(SEED + 11)
        owners = random.choices(range(1, UPLOADERS + 1), UPLOADER_SHARES, k=self.size.media)
        formats = random.choices(list(FORMAT_SHARES), list(FORMAT_SHARES.values()), k=self.size.media)
        for index in range(self.size.media):
            yield index + 1, owners[index], formats[index], random

    def _bytes_of(self, number: int) -> int:
        # Most have one to four megabytes, and hardly two have the same size.
        return 40_000 + number * 7_919_317 % 4_000_037

    def _uploaded_at(self, number: int) -> datetime:
        return self._began + number * ((self._today - self._began) / self.size.media)

    def _published_at(self, number: int) -> datetime:
        return self._began + number * ((self._today - self._began) / self.size.posts)

    def _post(self, number: int, media_ids: list[int]) -> Row:
        random = Random(SEED + 12 + number)
        title, title_nb = texts.title_pair(random, number)
        paragraphs, letters = [], 0
        while letters < BODY_LETTERS:
            paragraphs.append(texts.description(random, number))
            letters += sum(map(len, paragraphs[-1]))
        markdown = [" ".join(sentences) for sentences in paragraphs]
        html = [f"<p>{paragraph}</p>" for paragraph in markdown]
        for media_id in media_ids[2:]:
            address = links.canonical(self._names[media_id], None)
            markdown.append(f"![Bilde]({address})")
            html.append(f'<p><img alt="Bilde" src="{address}"></p>')
        kind = number % 100
        published_at = self._published_at(number)
        if kind == 1:
            published_at = self._today + timedelta(days=30, minutes=number)
        return {
            "id": number,
            "author_id": number % AUTHORS + 1,
            "title": title,
            "title_key": search.sort_key(title),
            "title_nb": title_nb,
            "slug": f"post-{number}",
            "excerpt": markdown[0][:200],
            "excerpt_nb": "",
            "body_markdown": "\n\n".join(markdown),
            "body_markdown_nb": "",
            "body_html": "\n".join(html),
            "body_html_nb": "",
            "meta_title": "",
            "meta_description": "",
            "status": "draft" if 2 <= kind <= 5 else "archived" if kind == 6 else "published",
            "published_at": None if 2 <= kind <= 5 else published_at,
            "announced_at": None if 1 <= kind <= 5 else published_at,
            "featured_image_id": media_ids[0] if media_ids else None,
            "search_title": search.document_of(title, title_nb),
            "search_text": " ".join(_words(sentence) for sentences in paragraphs for sentence in sentences),
            "version": 1,
            "created_at": self._published_at(number),
            "updated_at": self._published_at(number),
        }


def _filename(number: int, name: str) -> str:
    extension = FORMATS[name].extension
    norwegian, other = texts.title_pair(Random(SEED + number), number)
    if number % 4 == 0 or number % 3 == 0:
        return f"{other or norwegian} {number}.{extension}".replace(":", "")
    return f"IMG_{number % 10_000:04}.{extension}" if FORMATS[name].kind == "image" else f"skann-{number}.{extension}"


@cache
def _words(sentence: str) -> str:
    return search.document_of(sentence)
