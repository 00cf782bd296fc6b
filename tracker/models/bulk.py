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
    document = msgspec.json.encode(_in_utc(model, [*match, *names], rows))
    constants = [
        connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value
        for value in same.values()
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql, [document.decode(), *constants])


def _in_utc(model: type[models.Model], names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
    """``rows`` as msgspec is to spell them: SQLite compares moments as text, so they must be in UTC."""
    places = [place for place, name in enumerate(names) if name != "pk" and _is_moment(model._meta.get_field(name))]
    if all(row[place] is None or row[place].tzinfo is UTC for row in rows for place in places):
        return rows
    return [[value.astimezone(UTC) if isinstance(value, datetime) else value for value in row] for row in rows]


def load_rows(model: type[Loaded], names: Sequence[str], pks: Sequence[int]) -> list[Loaded]:
    """The records ``pks`` with the fields ``names``, locked until the transaction ends; the other fields deferred.

    The rows come as one JSON document too: sqlite3 gives the interpreter lock away for each row it fetches.
    """
    # Model.from_db takes values in the model's own order.
    fields = [field for field in model._meta.concrete_fields if field.primary_key or field.name in names]
    columns = ", ".join(str(field.column) for field in fields)
    ids: Any = list(pks)
    if connection.vendor == "postgresql":
        where = "id = ANY(%s) FOR UPDATE"
    else:
        where, ids = "id IN (SELECT value FROM json_each(%s))", msgspec.json.encode(ids).decode()
    collect = collected(model, [field.name for field in fields])
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {collect} FROM (SELECT {columns} FROM {model._meta.db_table} WHERE {where}) AS found",  # noqa: S608
            [ids],
        )
        rows = _row_decoder(tuple(_is_moment(field) for field in fields)).decode(cursor.fetchone()[0] or "[]")
    attnames = [field.attname for field in fields]
    return [model.from_db(connection.alias, attnames, row) for row in rows]


def collected(model: type[models.Model], names: Sequence[str], *more: str) -> str:
    """SQL that gathers the fields ``names``, and the expressions ``more``, of all rows into the text of one JSON
    document. Moments are spelled with their time zone, as msgspec reads them."""
    is_postgres = connection.vendor == "postgresql"
    fields = [model._meta.get_field(name) for name in names]
    # SQLite's moments are naive UTC.
    columns = [
        f"{field.column} || 'Z'" if _is_moment(field) and not is_postgres else str(field.column)  # type: ignore[union-attr]
        for field in fields
    ]
    values = ", ".join([*columns, *more])
    if is_postgres:
        return f"json_agg(json_build_array({values}))::text"
    return f"json_group_array(json_array({values}))"


def _is_moment(field: object) -> bool:
    return isinstance(field, models.DateTimeField)


@cache
def _row_decoder(are_moments: tuple[bool, ...]) -> msgspec.json.Decoder[Any]:
    """Makes datetimes in the very pass that reads the document."""
    types: Any = tuple(datetime | None if is_moment else Any for is_moment in are_moments)
    return msgspec.json.Decoder(list[tuple[types]])


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
        given = [
            f"{_sqlite_value(place, is_moment=_is_moment(field))} AS {field.column}"  # type: ignore[union-attr]
            for place, field in enumerate(fields)
        ]
        source = "json_each(%s)"
    table = model._meta.db_table
    sets = [f"{column} = given.{column}" for column in columns[len(match) :]]
    sets += [f"{model._meta.get_field(name).column} = %s" for name in same]  # type: ignore[union-attr]
    where = " AND ".join(f"{table}.{column} = given.{column}" for column in columns[: len(match)])
    return (
        f"WITH given AS MATERIALIZED (SELECT {', '.join(given)} FROM {source}) "  # noqa: S608
        f"UPDATE {table} SET {', '.join(sets)} FROM given WHERE {where}"
    )


def _sqlite_value(place: int, *, is_moment: bool) -> str:
    """A value of a row; a moment as Django writes it, naive and with a space."""
    value = f"json_extract(value, '$[{place}]')"
    return f"rtrim(replace({value}, 'T', ' '), 'Z')" if is_moment else value
