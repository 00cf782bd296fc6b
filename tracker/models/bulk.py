"""Many rows in one statement.

``executemany`` gives the interpreter lock away for every row and waits to get it back while the event loop works;
Django's ``bulk_update`` builds a CASE per column. Here the rows travel as one JSON document, which both databases
unpack themselves: one statement, one wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.db import connection, models


def update_rows(
    model: type[models.Model],
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    match: Sequence[str] = ("pk",),
    clear: Sequence[str] = (),
) -> None:
    """Set the fields ``names`` of ``model``; each row holds the values of ``match``, then those of ``names``.

    The fields ``clear`` become NULL. Rows of which no record matches all of ``match`` are passed over.
    """
    if not rows:
        return
    match_fields = [model._meta.pk if name == "pk" else model._meta.get_field(name) for name in match]
    fields = [*match_fields, *(model._meta.get_field(name) for name in names)]
    document = msgspec.json.encode([[_plain(value) for value in row] for row in rows]).decode()
    if connection.vendor == "postgresql":
        given = ", ".join(
            f"(value->>{place})::{field.db_type(connection)} AS {field.column}"  # type: ignore[union-attr]
            for place, field in enumerate(fields)
        )
        source = "json_array_elements(%s::json)"
    else:
        given = ", ".join(
            f"json_extract(value, '$[{place}]') AS {field.column}"  # type: ignore[union-attr]
            for place, field in enumerate(fields)
        )
        source = "json_each(%s)"
    table = model._meta.db_table
    columns = [f"{field.column} = given.{field.column}" for field in fields[len(match) :]]  # type: ignore[union-attr]
    columns += [f"{model._meta.get_field(name).column} = NULL" for name in clear]  # type: ignore[union-attr]
    where = " AND ".join(f"{table}.{field.column} = given.{field.column}" for field in match_fields)  # type: ignore[union-attr]
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH given AS MATERIALIZED (SELECT {given} FROM {source}) "  # noqa: S608
            f"UPDATE {table} SET {', '.join(columns)} FROM given WHERE {where}",
            [document],
        )


def update_from(objects: Sequence[models.Model], names: Sequence[str]) -> None:
    """Write the fields ``names`` of ``objects``, which are all of one model."""
    if objects:
        fields = [objects[0]._meta.get_field(name) for name in names]
        attnames = [field.attname for field in fields]  # type: ignore[union-attr]
        update_rows(
            type(objects[0]), names, [[each.pk, *(getattr(each, name) for name in attnames)] for each in objects]
        )


def _plain(value: Any) -> Any:
    """A value as JSON carries it, moments as the database spells them."""
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).isoformat(" ")
        # SQLite holds naive UTC, as Django's own adapter writes it.
        return moment if connection.vendor == "postgresql" else moment.removesuffix("+00:00")
    return value
