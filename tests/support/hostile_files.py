"""Hostile files: mutations of real ones, drawn from a `random.Random`, so the same seed makes the same file."""

import copy
import json
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

HEADER_BYTES = 64  # most formats keep sizes and offsets here
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x2710, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 2**31, 2**63, 2**64, 10**400, 1e308, float("nan"), float("inf")),
    *("", "x", "0", "\0", "\ud800", "../../../x", "/etc/passwd", "C:\\x", "x" * 5000, "=1+1", "<b>", "line\nline"),
    *([], {}, [[]], [None], {"": None}, [1, 2, 3, 4]),
)
WORDS = ("nan", "-1", "1e999", "99999999999999999999", "", "\0", "\u2028", "../../x", "<!--", '"', "&amp;", "\ufeff")
NAMES = (  # of files
    "plain.jpg",
    "-rf.jpg",
    "a b.jpg",
    "line\nline.jpg",
    "\udcff.jpg",
    "ü\u0301.jpg",
    "x" * 251 + ".jpg",
    "%s{0}.jpg",
    "v1.parquet.jpg",
    "CON.jpg",
    "<script>.jpg",
    "\u202egpj.jpg",
)
ENTITY_BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]><x>&j;</x>"
)

NO_UTF8 = b"odd_\xff\xfe\xfde"  # the name of a column

_DEEP = "a value that is nested deeply"
_NESTING = 100_000

Mutation = Callable[[bytes, Sequence[bytes], Random], bytes]


def mutate(data: bytes, others: Sequence[bytes], chosen: Random) -> bytes:
    """Damage `data` in one to sixteen places; `others` are files that parts are taken from."""
    for _ in range(chosen.choice((1, 1, 1, 2, 4, 16))):
        data = chosen.choice(MUTATIONS)(data, others, chosen)
    return data


def mutate_json(content: Any, chosen: Random) -> str:
    """JSON text of `content` with one to four values replaced, exchanged, repeated or removed."""
    root = [copy.deepcopy(content)]
    for _ in range(chosen.choice((1, 1, 2, 4))):
        _change_a_value(root, chosen)
    text = json.dumps(root[0])
    return text.replace(f'"{_DEEP}"', "[" * _NESTING + "]" * _NESTING)


def mutate_text(text: str, chosen: Random) -> str:
    """The text with numbers or words replaced, lines exchanged, or an XML entity bomb in its place."""
    if chosen.random() < 0.05:
        return ENTITY_BOMB
    if chosen.random() < 0.3:
        lines = text.splitlines(keepends=True)
        chosen.shuffle(lines)
        return "".join(lines[: chosen.randrange(len(lines) + 1)])
    tokens = list(re.finditer(r"[\w.]+", text))
    for token in sorted(chosen.sample(tokens, min(len(tokens), chosen.choice((1, 2, 5)))), key=_start, reverse=True):
        text = text[: token.start()] + chosen.choice(WORDS) + text[token.end() :]
    return text


def mutate_file(path: Path, others: Sequence[bytes], chosen: Random) -> None:
    """Replace a file by a mutation of its bytes or, of JSON and other text, of its content."""
    data = path.read_bytes()
    if path.suffix == ".json" and chosen.random() < 0.7:
        data = mutate_json(json.loads(data), chosen).encode()
    elif path.suffix in (".csv", ".jsonl", ".txt", ".xml", ".yaml") and chosen.random() < 0.7:
        data = mutate_text(data.decode(), chosen).encode("utf-8", "surrogateescape")
    else:
        data = mutate(data, others, chosen)
    path.write_bytes(data)


def write_foreign_name(table: pa.Table, path: Path) -> None:
    """Write the table as Parquet, with one more column: NO_UTF8."""
    sink = pa.BufferOutputStream()
    pq.write_table(table.append_column("odd_name", pa.nulls(table.num_rows, pa.string())), sink)
    path.write_bytes(sink.getvalue().to_pybytes().replace(b"odd_name", NO_UTF8))


def _cut_off(data: bytes, _others: Sequence[bytes], chosen: Random) -> bytes:
    return data[: chosen.randrange(len(data) + 1)]


def _flip_bits(data: bytes, _others: Sequence[bytes], chosen: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chosen.choice((1, 8, 64))):
        if changed:
            changed[_place(changed, chosen)] ^= 1 << chosen.randrange(8)
    return bytes(changed)


def _write_number(data: bytes, _others: Sequence[bytes], chosen: Random) -> bytes:
    """An extreme number of 1, 2 or 4 bytes, often in the header: a huge size, an offset outside."""
    size, order = chosen.choice("BHI"), chosen.choice("<>")
    number = chosen.choice(NUMBERS) & ((1 << 8 * struct.calcsize(size)) - 1)
    place = _place(data, chosen)
    return data[:place] + struct.pack(order + size, number) + data[place + struct.calcsize(size) :]


def _splice(data: bytes, others: Sequence[bytes], chosen: Random) -> bytes:
    """A part of another file, inserted or in place of a part."""
    other = chosen.choice(others)
    begin = chosen.randrange(len(other) + 1)
    part = other[begin : begin + chosen.choice((16, 256, 4096))]
    place = _place(data, chosen)
    return data[:place] + part + data[place + chosen.choice((0, len(part))) :]


def _repeat(data: bytes, _others: Sequence[bytes], chosen: Random) -> bytes:
    place, size = _place(data, chosen), chosen.choice((4, 64, 1024))
    return data[:place] + data[place : place + size] * chosen.choice((2, 50)) + data[place + size :]


def _remove(data: bytes, _others: Sequence[bytes], chosen: Random) -> bytes:
    place = _place(data, chosen)
    return data[:place] + data[place + chosen.choice((1, 16, 1024)) :]


def _blank(data: bytes, _others: Sequence[bytes], chosen: Random) -> bytes:
    place, size = _place(data, chosen), chosen.choice((4, 64, 1024))
    return data[:place] + chosen.choice((b"\0", b"\xff")) * min(size, len(data) - place) + data[place + size :]


def _wrong_header(data: bytes, others: Sequence[bytes], chosen: Random) -> bytes:
    size = chosen.choice((4, 16, HEADER_BYTES))
    return chosen.choice(others)[:size] + data[size:]


MUTATIONS: tuple[Mutation, ...] = (
    _cut_off,
    _flip_bits,
    _write_number,
    _write_number,
    _splice,
    _repeat,
    _remove,
    _blank,
    _wrong_header,
)


def _place(data: bytes | bytearray, chosen: Random) -> int:
    """An index into the data, every other time into its header; 0 for no data."""
    end = min(len(data), HEADER_BYTES) if chosen.random() < 0.5 else len(data)
    return chosen.randrange(max(end, 1))


def _change_a_value(root: list[Any], chosen: Random) -> None:
    places = list(_places(root))
    holder, key = chosen.choice(places)
    action = chosen.choice(("replace", "replace", "replace", "deep", "exchange", "repeat", "remove"))
    if action == "remove" and holder is not root:
        del holder[key]
    elif action == "repeat" and isinstance(holder[key], list) and holder[key]:
        holder[key] += copy.deepcopy(holder[key][:1])
    elif action == "exchange":
        other, name = chosen.choice(places)
        holder[key] = copy.deepcopy(other[name])
    elif action == "deep":
        holder[key] = _DEEP
    else:
        holder[key] = copy.deepcopy(chosen.choice(VALUES))


def _places(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) below `holder`."""
    for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
        yield holder, key
        if isinstance(holder[key], dict | list):
            yield from _places(holder[key])


def _start(token: re.Match[str]) -> int:
    return token.start()
