"""JSON and Parquet, whose cells have types and may hold further cells.

A field of a struct is the column `struct.field`. The elements of a list are rows: a column inside a list, such as
`line_items.price`, makes one row of each element, beside which the other columns repeat. Bytes are read as UTF-8.
"""

import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flashsale_env.encoders.tables.encodings import encoding_of
from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.encoders.tables.opened import OpenTable, Part, text_dtype, typed
from flashsale_env.encoders.tables.sources import BROKEN_ARCHIVE, Source

_CHUNK = 100_000  # records of a JSON file at a time
_PEEK = 1000  # records whose keys are the columns


# ------------------------------------------------------------------------------------------------------------ Parquet


def open_parquet(source: Source) -> OpenTable:
    """The columns of a Parquet file.

    Raises:
        ValueError: not readable.
    """
    try:
        with source.open() as handle:
            schema = pq.read_schema(handle)
    except (pa.ArrowInvalid, OSError, *BROKEN_ARCHIVE) as error:
        raise ValueError(f"{source.name} is not a readable Parquet file: {' '.join(str(error).split())}") from None
    names = tuple(itertools.chain.from_iterable(_leaves(field.name, field.type) for field in schema))

    def read(wanted: Sequence[str]) -> Part:
        roots = list(dict.fromkeys(_root(name, schema.names) for name in wanted))
        try:
            with source.open() as handle:
                table = pq.read_table(handle, columns=roots)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{source.name} is not a readable Parquet file: {' '.join(str(error).split())}") from None
        table = _flat(source, table, wanted)
        return Part(
            pd.DataFrame({name: _pandas(source, name, table.column(name)) for name in wanted}, columns=list(wanted))
        )

    return OpenTable(source, names, read)


def _leaves(name: str, kind: pa.DataType) -> Iterator[str]:
    """Names of the columns inside a column."""
    if pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{name}.{field.name}", field.type)
    elif _is_list(kind):
        yield from _leaves(name, kind.value_type)
    else:
        yield name


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _root(name: str, roots: Sequence[str]) -> str:
    return name if name in roots else max((r for r in roots if name.startswith(f"{r}.")), key=len)


def _flat(source: Source, table: pa.Table, wanted: Sequence[str]) -> pa.Table:
    """Structs as columns, and the elements of one list as rows."""
    exploded = ""
    while True:
        while any(pa.types.is_struct(field.type) for field in table.schema):
            table = table.flatten()
        inside = [
            field.name
            for field in table.schema
            if _is_list(field.type) and any(name == field.name or name.startswith(f"{field.name}.") for name in wanted)
        ]
        if not inside:
            return table
        if exploded and not inside[0].startswith(f"{exploded}."):
            raise ValueError(f"{source.name}: {exploded} and {inside[0]} are two lists: name columns of one of them.")
        exploded = inside[0]
        lists = table.column(exploded).combine_chunks()
        others = table.drop_columns([exploded]).take(pc.list_parent_indices(lists))
        table = others.append_column(exploded, pc.list_flatten(lists))


def _pandas(source: Source, name: str, column: pa.ChunkedArray) -> pd.Series:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        try:
            column = column.cast(pa.binary()).cast(pa.string())
        except pa.ArrowInvalid:
            raise ValueError(f"{source.name}: column {name!r} holds bytes that are no UTF-8 text.") from None
    elif pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    elif pa.types.is_date(kind):
        column = column.cast(pa.timestamp("ms"))
    elif pa.types.is_list(kind) or pa.types.is_map(kind) or pa.types.is_time(kind) or pa.types.is_duration(kind):
        raise ValueError(f"{source.name}: column {name!r} is of type {kind}, which is no single value.")
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pd.Series(pd.array(column.cast(pa.string()), dtype=text_dtype()))
    if pa.types.is_integer(kind) and column.null_count:
        return column.to_pandas(types_mapper={kind: pd.Int64Dtype()}.get)
    return column.to_pandas()


# --------------------------------------------------------------------------------------------------------------- JSON


def open_json(source: Source, form: FileFormat) -> OpenTable:
    """The columns of a file with one JSON object a line, or with one list of objects.

    Raises:
        ValueError: not readable.
    """
    encoding = encoding_of(source, form.encoding)
    names: dict[str, None] = {}
    for record in itertools.islice(_records(source, encoding.name), _PEEK):
        for name in _keys("", record):
            names.setdefault(name)
    if not names:
        raise ValueError(f"{source.name} is empty: want one JSON object a line.")

    def read(wanted: Sequence[str]) -> Part:
        records = _records(source, encoding.name)
        parts = []
        while chunk := list(itertools.islice(records, _CHUNK)):
            rows = list(itertools.chain.from_iterable(_rows(source, record, wanted) for record in chunk))
            parts.append(pd.DataFrame({name: typed([row.get(name) for row in rows]) for name in wanted}))
        return Part(joined(parts))

    return OpenTable(source, tuple(names), read, (encoding.note,) if encoding.note else ())


def _records(source: Source, encoding: str) -> Iterator[Mapping[str, Any]]:
    """The objects of a file: one a line, or in one list, which may be the only list of an object."""
    try:
        if source.ending != ".json" or (listed := _list(source, encoding)) is None:
            with source.open() as handle:
                for number, line in enumerate(io.TextIOWrapper(handle, encoding=encoding), 1):
                    if text := line.strip():
                        yield _object(source, json.loads(text), number)
            return
        for number, record in enumerate(listed, 1):
            yield _object(source, record, number)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{source.name} is not readable JSON: {error}. Want one object a line, or one list of objects."
        ) from None
    except BROKEN_ARCHIVE as error:
        raise ValueError(f"{source.name} is damaged: {error}.") from None


def _list(source: Source, encoding: str) -> list[Any] | None:
    """The list that a file holds; None if it holds one object a line."""
    with source.open() as handle:
        text = handle.read().decode(encoding)
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return None
        raise
    if isinstance(content, dict):
        lists = [value for value in content.values() if isinstance(value, list)]
        if len(lists) != 1:
            raise ValueError(f"{source.name} holds one object with {len(lists)} lists: want a list of objects.")
        content = lists[0]
    if not isinstance(content, list):
        raise ValueError(f"{source.name} holds {str(content)[:40]!r}: want a list of objects.")
    return content


def _object(source: Source, record: Any, number: int) -> Mapping[str, Any]:
    if not isinstance(record, dict):
        raise ValueError(f"{source.name}: record {number} is no object but {str(record)[:40]!r}.")
    return record


def _keys(prefix: str, record: Mapping[str, Any]) -> Iterator[str]:
    for key, value in record.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _keys(f"{name}.", value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for element in value:
                yield from _keys(f"{name}.", element)
        else:
            yield name


def _rows(source: Source, record: Mapping[str, Any], wanted: Sequence[str]) -> Iterable[dict[str, Any]]:
    """One record as rows: more than one if a wanted column lies in a list."""
    row: dict[str, Any] = {}
    lists: dict[str, list[Any]] = {}
    for name in wanted:
        value: Any = record
        parts = name.split(".")
        for i, key in enumerate(parts):
            rest = ".".join(parts[i:])
            if isinstance(value, dict):
                key, found = (rest, True) if rest in value else (key, False)  # a key may have a dot in it
                value = value.get(key)
                if found or value is None:
                    break
            if isinstance(value, list):
                break
        if isinstance(value, list):
            lists[".".join(parts[: i + 1]) if not found else name] = value
        else:
            row[name] = None if isinstance(value, dict) else value
    if not lists:
        return [row]
    if len(lists) > 1:
        raise ValueError(f"{source.name}: {' and '.join(lists)} are two lists: name columns of one of them.")
    ((path, elements),) = lists.items()
    inner = [name.removeprefix(f"{path}.") for name in wanted if name.startswith(f"{path}.")]
    if not inner:
        return [row | {path: element} for element in elements]
    return [
        row | {f"{path}.{name}": value for name, value in found.items()}
        for element in elements
        for found in _rows(source, element if isinstance(element, dict) else {}, inner)
    ]


def joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables with equal columns, one below the other; a column whose types differ holds objects."""
    if len(parts) == 1:
        return parts[0].reset_index(drop=True)
    columns = {}
    for name in parts[0].columns:
        pieces = [part[name] for part in parts]
        filled = [piece for piece in pieces if not piece.isna().all()]
        kinds = {piece.dtype for piece in filled}
        if len(kinds) > 1 and not all(pd.api.types.is_numeric_dtype(kind) for kind in kinds):
            pieces = [piece.astype(object) for piece in pieces]
        elif len(kinds) == 1 and len(filled) < len(pieces):
            (kind,) = kinds
            pieces = [piece if not piece.isna().all() else _missing(len(piece), kind) for piece in pieces]
        columns[name] = pd.concat(pieces, ignore_index=True)
    return pd.DataFrame(columns)


def _missing(count: int, kind: Any) -> pd.Series:
    """A column without values, of the type of another one."""
    if kind == np.int64:
        kind = pd.Int64Dtype()
    return pd.Series([None] * count, dtype=object).astype(kind) if kind != np.bool_ else pd.Series([None] * count)
