"""Many rows in one statement.

``executemany`` gives the interpreter lock away for every row and waits to get it back while the event loop works;
Django's ``bulk_update`` builds a CASE per column. Here the rows travel as one JSON document, which both databases
unpack themselves: one statement, one wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

import msgspec
from django.db import connection, models

Loaded = TypeVar("Loaded", bound=models.Model)


def update_rows(
    model: type[models.Model],
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    match: Sequence[str] = ("pk",),
    same: Mapping[str, Any] | None = None,
) -> None:
    """Set the fields ``names`` of ``model``; each row holds the values of ``match``, then those of ``names``.

    ``same`` are fields that get one value in all rows. Rows of which no record matches all of ``match`` are passed
    over.
    """
    if not rows:
        return
    same = same or {}
    is_postgres = connection.vendor == "postgresql"
    sql = _statement(model, tuple(match), tuple(names), tuple(same), is_postgres=is_postgres)
    spell = _spell_moment if is_postgres else _spell_naive_moment
    spelled = [[spell(value) if type(value) is datetime else value for value in row] for row in rows]
    document = msgspec.json.encode(spelled)
    constants = [spell(value) if isinstance(value, datetime) else value for value in same.values()]
    with connection.cursor() as cursor:
        cursor.execute(sql, [document.decode(), *constants])


def load_rows(model: type[Loaded], names: Sequence[str], pks: Sequence[int]) -> list[Loaded]:
    """The records ``pks`` with the fields ``names``, locked until the transaction ends; the other fields deferred.

    The rows come as one JSON document too: sqlite3 gives the interpreter lock away for each row it fetches.
    """
    # Model.from_db takes values in the model's own order.
    fields = [field for field in model._meta.concrete_fields if field.primary_key or field.name in names]
    columns = ", ".join(str(field.column) for field in fields)
    table = model._meta.db_table
    if connection.vendor == "postgresql":
        where, lock, collect = "id = ANY(%s)", "FOR UPDATE", f"json_agg(json_build_array({columns}))"
        ids: Any = list(pks)
    else:
        where, lock, collect = "id IN (SELECT value FROM json_each(%s))", "", f"json_group_array(json_array({columns}))"
        ids = msgspec.json.encode(list(pks)).decode()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {collect} FROM (SELECT {columns} FROM {table} WHERE {where} {lock}) AS found", [ids])  # noqa: S608
        rows = decode_rows(cursor.fetchone()[0])
    moments = [place for place, field in enumerate(fields) if isinstance(field, models.DateTimeField)]
    for row in rows:
        for place in moments:
            row[place] = row[place] and aware(row[place])
    attnames = [field.attname for field in fields]
    return [model.from_db(connection.alias, attnames, row) for row in rows]


def decode_rows(found: str | list[Any] | None) -> list[Any]:
    """What a JSON column holds: SQLite hands over its text, psycopg the value."""
    return msgspec.json.decode(found) if isinstance(found, str) else found or []


def aware(text: str) -> datetime:
    """A moment out of a JSON document; SQLite's are naive UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def update_from(objects: Sequence[models.Model], names: Sequence[str]) -> None:
    """Write the fields ``names`` of ``objects``, which are all of one model."""
    if objects:
        fields = [objects[0]._meta.get_field(name) for name in names]
        values = attrgetter("pk", *(field.attname for field in fields))  # type: ignore[union-attr]
        update_rows(type(objects[0]), names, [values(each) for each in objects])


@cache
def _statement(
    model: type[models.Model],
    match: tuple[str, ...],
    names: tuple[str, ...],
    same: tuple[str, ...],
    *,
    is_postgres: bool,
) -> str:
    fields = [model._meta.pk if name == "pk" else model._meta.get_field(name) for name in (*match, *names)]
    columns = [field.column for field in fields]  # type: ignore[union-attr]
    if is_postgres:
        types = [field.db_type(connection) for field in fields]
        given = [f"(value->>{place})::{types[place]} AS {column}" for place, column in enumerate(columns)]
        source = "json_array_elements(%s::json)"
    else:
        given = [f"json_extract(value, '$[{place}]') AS {column}" for place, column in enumerate(columns)]
        source = "json_each(%s)"
    table = model._meta.db_table
    sets = [f"{column} = given.{column}" for column in columns[len(match) :]]
    sets += [f"{model._meta.get_field(name).column} = %s" for name in same]  # type: ignore[union-attr]
    where = " AND ".join(f"{table}.{column} = given.{column}" for column in columns[: len(match)])
    return (
        f"WITH given AS MATERIALIZED (SELECT {', '.join(given)} FROM {source}) "  # noqa: S608
        f"UPDATE {table} SET {', '.join(sets)} FROM given WHERE {where}"
    )


def _spell_moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(" ")


def _spell_naive_moment(moment: datetime) -> str:
    """As Django's own adapter writes it for SQLite: UTC, and without saying so."""
    return moment.astimezone(UTC).isoformat(" ").removesuffix("+00:00")
