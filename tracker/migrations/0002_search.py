"""The index of the library's words, which no model can describe: FTS5 or, on PostgreSQL, a generated ``tsvector``.

On SQLite triggers keep the index beside its table. A later migration that makes SQLite build ``tracker_libraryentry``
anew loses them, and has to run ``make_index`` again.
"""

from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from tracker.models.search import make_entry

TABLE = "tracker_libraryentry"

SQLITE = (
    f"CREATE VIRTUAL TABLE {TABLE}_words USING fts5("
    f"words, content='{TABLE}', content_rowid='clip_id', tokenize='ascii', columnsize=0)",
    f"CREATE TRIGGER {TABLE}_added AFTER INSERT ON {TABLE} BEGIN "
    f"INSERT INTO {TABLE}_words (rowid, words) VALUES (new.clip_id, new.words); END",
    f"CREATE TRIGGER {TABLE}_gone AFTER DELETE ON {TABLE} BEGIN "
    f"INSERT INTO {TABLE}_words ({TABLE}_words, rowid, words) VALUES ('delete', old.clip_id, old.words); END",
    f"CREATE TRIGGER {TABLE}_changed AFTER UPDATE OF words ON {TABLE} WHEN old.words <> new.words BEGIN "
    f"INSERT INTO {TABLE}_words ({TABLE}_words, rowid, words) VALUES ('delete', old.clip_id, old.words); "
    f"INSERT INTO {TABLE}_words (rowid, words) VALUES (new.clip_id, new.words); END",
)
SQLITE_BACK = (
    f"DROP TRIGGER IF EXISTS {TABLE}_added",
    f"DROP TRIGGER IF EXISTS {TABLE}_gone",
    f"DROP TRIGGER IF EXISTS {TABLE}_changed",
    f"DROP TABLE IF EXISTS {TABLE}_words",
)
POSTGRESQL = (
    f"ALTER TABLE {TABLE} ADD COLUMN vector tsvector GENERATED ALWAYS AS (to_tsvector('simple', words)) STORED",
    f"CREATE INDEX entry_words ON {TABLE} USING gin (vector)",
)
POSTGRESQL_BACK = (f"ALTER TABLE {TABLE} DROP COLUMN IF EXISTS vector",)


def make_index(_apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    for statement in POSTGRESQL if editor.connection.vendor == "postgresql" else SQLITE:
        editor.execute(statement)


def drop_index(_apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    for statement in POSTGRESQL_BACK if editor.connection.vendor == "postgresql" else SQLITE_BACK:
        editor.execute(statement)


def list_what_exists(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    """A row for each clip that has none yet; the index follows by itself."""
    entries, clips = apps.get_model("tracker", "LibraryEntry"), apps.get_model("tracker", "Clip")
    made = []
    unlisted = clips.objects.filter(entry=None, task__removed_at=None).select_related("task").order_by("pk")
    for clip in unlisted.iterator(chunk_size=500):
        entry = make_entry(clip.task, clip, now=clip.task.created_at)
        made.append(entries(**{field.attname: getattr(entry, field.attname) for field in entries._meta.concrete_fields}))
        if len(made) == 500:
            entries.objects.bulk_create(made)
            made = []
    entries.objects.bulk_create(made)


class Migration(migrations.Migration):
    dependencies = [("tracker", "0001_first")]

    operations = [
        migrations.RunPython(make_index, drop_index, elidable=False),
        migrations.RunPython(list_what_exists, migrations.RunPython.noop),
    ]
