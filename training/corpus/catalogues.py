"""Translated texts as programs keep them: gettext, Java properties, JSON, YAML and PHP arrays, as keys and texts."""

import ast
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

Texts = list[tuple[str, str]]  #: key and text, in the order of the file

_PO_LINE = re.compile(r'^(?:(msgctxt|msgid|msgid_plural|msgstr(?:\[\d\])?)\s+)?("(?:[^"\\]|\\.)*")\s*$')
_PHP = re.compile(
    r"""(?P<open>\[|\barray\s*\()|(?P<close>[\])])|(?P<quote>['"])(?P<text>(?:(?!(?P=quote))[^\\]|\\.)*)(?P=quote)"""
    r"""|(?P<arrow>=>?)|(?P<skip>//[^\n]*|/\*.*?\*/)|(?P<call>\w+\s*\()""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\(.)")
_QUOTED = re.compile(r"(\b\B)|\\(['\\])")  #: no group 1, as in _ESCAPE
_DEPTH = 12


class Unreadable(Exception):
    """A file that is not what its name says."""


def read(path: str, octets: bytes) -> Texts:
    """The texts of a file, by the ending of its name. Raises Unreadable."""
    reader = _READERS.get(path.rpartition(".")[2].lower())
    if reader is None:
        raise Unreadable(f"{path}: no catalogue of texts is known by this ending")
    try:
        return reader(octets.decode("utf-8-sig", "replace"))
    except (ValueError, SyntaxError, RecursionError) as error:
        raise Unreadable(f"{path}: {error}") from error


def _po(text: str) -> Texts:
    found: Texts = []
    entry: dict[str, str] = {}
    field = ""

    def close() -> None:
        said = entry.get("msgstr") or entry.get("msgstr[0]") or ""
        if entry.get("msgid") and said:
            found.append((entry["msgid"], said))
        entry.clear()

    fuzzy = False
    for line in text.splitlines():
        if line.startswith("#, ") and "fuzzy" in line:
            fuzzy = True
        match = _PO_LINE.match(line)
        if match is None:
            field = ""
            continue
        if match[1]:
            if match[1] in ("msgctxt", "msgid") and "msgstr" in " ".join(entry):
                close()
            field = match[1]
            entry[field] = ""
            if fuzzy and field == "msgid":
                field, fuzzy = "", False
        if field:
            entry[field] += str(ast.literal_eval(match[2]))
    close()
    return found


def _properties(text: str) -> Texts:
    found: Texts = []
    for line in re.sub(r"\\\r?\n\s*", "", text).splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith(("#", "!")):
            found.append((key.strip(), _ESCAPE.sub(_unescape, value.strip()).replace("''", "'")))
    return found


def _unescape(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return {"n": "\n", "t": "\t", "r": ""}.get(match[2], match[2])


def _json(text: str) -> Texts:
    return list(_flat(json.loads(text)))


def _yaml(text: str) -> Texts:
    import yaml  # type: ignore[import-untyped]  # only this reader needs it

    try:
        return list(_flat(yaml.safe_load(text)))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _php(text: str) -> Texts:
    """Nested arrays of strings, and ``$_['key'] = 'text'``: strings before and after an arrow, keys joined by dots."""
    found: Texts = []
    path: list[str] = []
    key, arrow = "", False
    for token in _PHP.finditer(text):
        if token["open"]:
            if arrow or not key:
                path.append(key if arrow else "")
                key, arrow = "", False
        elif token["close"]:
            if path:
                path.pop()
        elif token["arrow"]:
            arrow = bool(key)
        elif token["quote"]:
            escape = _ESCAPE if token["quote"] == '"' else _QUOTED
            said = escape.sub(_unescape, token["text"])
            if arrow:
                found.append((".".join([*filter(None, path), key]), said))
                key, arrow = "", False
            else:
                key = said
        elif token["call"]:
            path.append("")
    return found[:100_000]


def _flat(value: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict) and depth < _DEPTH:
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name), depth + 1)


_READERS: dict[str, Callable[[str], Texts]] = {
    "po": _po,
    "properties": _properties,
    "json": _json,
    "yml": _yaml,
    "yaml": _yaml,
    "php": _php,
}
