"""The library's own row for each clip: what it is sorted by, and its words in an index that knows Chinese.

Both databases get the same words, spelled in plain letters and digits, so that neither's idea of a word matters: an
English word stays one, every sign of another script becomes a word of its own (春 is ``qzu6625``), and a Chinese word
is asked for as a phrase. What a filter asks for stands among the words too: the index starts from the team.

SQLite keeps the index in an FTS5 table that triggers fill, PostgreSQL in a generated ``tsvector``; the migration
``0002_search`` makes both.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Self
from unicodedata import normalize

from django.db import connection, models
from django.db.models.expressions import RawSQL

from tracker.models.tasks import COUNTED_AT_MOST, Clip, MusicTask
from tracker.models.teams import Team

MOST_FOUND = 10_000
"""So many hits of the index are looked through, the newest first: sorting them is cheap."""
MOST_ASKED = 8
MOST_WORDS = 16_000
"""PostgreSQL counts the places of words no further than 16,383."""
MOST_TITLE = 80
_LAST = "\U0010fffd"
"""Clips without a title come after all others."""

_ACCENTS = re.compile("[\u0300-\u036f]")
_TORN = re.compile(r"(?<=[^\x00-\x7f])[\x00-/:-@\[-`{-\x7f]+(?=[^\x00-\x7f])")
_SEAM = re.compile(r"(?<=[^\x00-\x7f])(?=[a-z0-9])")
_WORD = re.compile(r"[a-z0-9]+")
_NUMBER = re.compile(r"(?<![a-z0-9])(?=[0-9])")


# -- Words ----------------------------------------------------------------------------------------------


def spell(text: str) -> str:
    """``text`` as the index takes it: words of ``[a-z0-9]`` with blanks between them."""
    plain = _ACCENTS.sub("", normalize("NFKD", text)).lower().replace("\\", " ")
    # Signs at the end of a line and at the start of the next are no word.
    apart = _SEAM.sub(" ", _TORN.sub(" qzb ", plain))
    signs = apart.encode("ascii", "backslashreplace").decode()
    for escape in ("\\x", "\\u", "\\U"):
        signs = signs.replace(escape, " qzu")
    words = _WORD.findall(signs)
    # PostgreSQL reads "1e5x" as a number and a word.
    return _NUMBER.sub("qzn", " ".join(words[:MOST_WORDS]))


@lru_cache(4096)
def facet(name: str, value: object) -> str:
    """The word that stands for ``value`` of a filter."""
    return "qzf" + hashlib.blake2b(f"{name}:{value}".encode(), digest_size=6).hexdigest()


def asked_words(text: str) -> list[str]:
    """What is to be found, spelled, a phrase for each word a person typed; nothing where they typed only signs."""
    return [spelled for word in text.split()[:MOST_ASKED] if (spelled := spell(word))]


def _is_open(phrase: str) -> bool:
    """Whether the last word may go on: ``spri`` finds spring; one letter alone would find nearly everything."""
    last = phrase.rpartition(" ")[2]
    return len(last) > 1 and last != "qz" and not last.startswith(("qzu", "qzb", "qzf"))


def _match_text(facets: Sequence[str], phrases: Sequence[str]) -> str:
    """What the database's index is asked; everything in it is letters and digits, so nothing can be misread."""
    if connection.vendor == "postgresql":
        asked = [" <-> ".join(phrase.split()) + (":*" if _is_open(phrase) else "") for phrase in phrases]
        return " & ".join([*facets, *(f"({one})" for one in asked)])
    return " AND ".join([*facets, *(f'"{phrase}"{" *" if _is_open(phrase) else ""}' for phrase in phrases)])


# -- Entries --------------------------------------------------------------------------------------------


class LibraryEntryQuerySet(models.QuerySet["LibraryEntry"]):
    def of_team(self, team: Team) -> Self:
        """The clips of a team whose membership was checked already."""
        return self.filter(team=team)

    def matching(
        self, team: Team, *, phrases: Sequence[str] = (), facets: Sequence[str] = (), oldest: bool = False
    ) -> Self:
        """Narrowed to the first :data:`MOST_FOUND` hits of the index."""
        order = "ASC" if oldest else "DESC"
        table, asked = self.model._meta.db_table, _match_text([facet("team", team.pk), *facets], phrases)
        if connection.vendor == "postgresql":
            sql = f"SELECT clip_id FROM {table} WHERE vector @@ to_tsquery('simple', %s) ORDER BY clip_id {order} LIMIT %s"  # noqa: E501, S608
        else:
            sql = f"SELECT rowid FROM {table}_words WHERE {table}_words MATCH %s ORDER BY rowid {order} LIMIT %s"  # noqa: S608
        return self.filter(pk__in=RawSQL(sql, [asked, MOST_FOUND]))  # noqa: S611

    def hits(self, team: Team, *, phrases: Sequence[str] = (), facets: Sequence[str] = ()) -> int:
        """How many the index knows; counting ends one beyond :data:`MOST_FOUND`."""
        table, asked = self.model._meta.db_table, _match_text([facet("team", team.pk), *facets], phrases)
        if connection.vendor == "postgresql":
            sql = f"SELECT 1 FROM {table} WHERE vector @@ to_tsquery('simple', %s) LIMIT %s"  # noqa: S608
        else:
            sql = f"SELECT 1 FROM {table}_words WHERE {table}_words MATCH %s LIMIT %s"  # noqa: S608
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM ({sql}) AS hits", [asked, MOST_FOUND + 1])  # noqa: S608
            return int(cursor.fetchone()[0])

    def counted(self) -> int:
        """How many there are; counting ends one beyond ``COUNTED_AT_MOST``."""
        return int(self.order_by()[: COUNTED_AT_MOST + 1].count())

    def models(self, team: Team) -> list[str]:
        """The models of a team's clips, in as many steps through the index as there are models."""
        table = self.model._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH RECURSIVE found(model) AS (SELECT MIN(model) FROM {table} WHERE team_id = %s UNION ALL "  # noqa: S608
                f"SELECT (SELECT MIN(model) FROM {table} WHERE team_id = %s AND model > found.model) "
                "FROM found WHERE found.model IS NOT NULL) SELECT model FROM found WHERE model <> '' LIMIT 100",
                [team.pk, team.pk],
            )
            return [str(row[0]) for row in cursor.fetchall()]

    def list_clips(self, clips: Iterable[tuple[MusicTask, Clip]], *, now: datetime) -> None:
        """Write the rows of ``clips``, new or changed; when one was added stays as it is."""
        # An answer may name one clip twice; PostgreSQL takes no row twice in one statement.
        rows = {clip.pk: make_entry(task, clip, now=now) for task, clip in clips}
        self.bulk_create(
            rows.values(),
            update_conflicts=True,
            unique_fields=["clip"],
            update_fields=["sort_title", "seconds", "model", "words"],
        )


class LibraryEntry(models.Model):
    """A clip as the library sorts and finds it. ``team`` and ``added_at`` never change.

    The clips of a removed task have none, so that neither a list nor a count has to ask for their tasks.
    """

    clip = models.OneToOneField(Clip, models.CASCADE, primary_key=True, related_name="entry")
    team = models.ForeignKey(Team, models.CASCADE, related_name="entries", db_index=False)
    added_at = models.DateTimeField()
    sort_title = models.CharField(max_length=MOST_TITLE)
    seconds = models.FloatField(default=0)
    model = models.CharField(max_length=80, blank=True)
    words = models.TextField()

    objects = LibraryEntryQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["team", "added_at", "clip"], name="entry_added"),
            models.Index(fields=["team", "sort_title", "clip"], name="entry_title"),
            models.Index(fields=["team", "seconds", "clip"], name="entry_length"),
            models.Index(fields=["team", "model"], name="entry_model"),
        ]

    def __str__(self) -> str:
        return str(self.clip_id)


def listed(clip: Clip) -> tuple[object, ...]:
    """What an entry is made of: where none of it changed, there is nothing to write."""
    return clip.title, clip.tags, clip.lyrics, clip.duration_seconds, clip.model


def make_entry(task: MusicTask, clip: Clip, *, now: datetime) -> LibraryEntry:
    facets = [facet("team", task.team_id), facet("provider", task.provider), facet("model", clip.model)]
    if task.added_by_id:
        facets.append(facet("person", task.added_by_id))
    title = normalize("NFC", clip.title).strip().lower()[:MOST_TITLE]
    return LibraryEntry(
        clip_id=clip.pk,
        team_id=task.team_id,
        added_at=now,
        sort_title=title or _LAST,
        seconds=clip.duration_seconds or 0,
        model=clip.model,
        words=f"{' '.join(facets)} {spell(chr(10).join((clip.title, clip.tags, clip.lyrics)))}",
    )
