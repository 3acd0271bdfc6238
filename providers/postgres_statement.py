"""The documented `rotationStatement`: SQL with {{username}}, {{password}} and {{database}} in it.

A value is written the way the place asks for, so that a name or password with quotes, backslashes or semicolons
stays one value: as content of a string or of a quoted name, or bare, as a whole string or name. Nothing is ever
HTML-escaped or split at ";".
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TypeAlias

DEFAULT_STATEMENT = "ALTER USER \"{{username}}\" WITH PASSWORD '{{password}}'"
"""What the documented form offers; it means the same as having no statement at all."""

PLACEHOLDERS = ("username", "password", "database")


class TemplateError(ValueError):
    """The statement can't be used; the message says why, to people. It holds no value."""


class Place(Enum):
    """Where a placeholder stands, and so how its value is written."""

    BARE = auto()
    STRING = auto()
    ESCAPE_STRING = auto()
    NAME = auto()
    AS_IT_IS = auto()


@dataclass(frozen=True)
class Placeholder:
    """One {{name}}."""

    name: str
    place: Place
    read_twice: bool = False
    """In quotes within a string: whoever runs that string reads the value once more."""
    as_verifier: bool = False
    """Directly after PASSWORD in CREATE or ALTER ROLE: the server takes a verifier there."""


@dataclass(frozen=True)
class Body:
    """A dollar-quoted string with placeholders; its content is SQL again."""

    tag: str
    parts: tuple[Part, ...]


Part: TypeAlias = "str | Placeholder | Body"

# PostgreSQL's own notions of a name and of white space, which are not Python's.
_NAME_CHARACTER = r"[A-Za-z0-9_$\u0080-\U0010ffff]"
_WORD = re.compile(rf"[A-Za-z_\u0080-\U0010ffff]{_NAME_CHARACTER}*")
_NUMBER = re.compile(r"\d[\w.]*", re.ASCII)
_SPACE = re.compile(r"[ \t\n\r\f\v]+")
_TAG = re.compile(r"\$(?:[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*)?\$")
_LINE_COMMENT = re.compile(r"--[^\n\r]*")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
# A string goes on after a line break and a further quote.
_CONTINUED = re.compile(r"(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*+[\n\r])*+'")
_PLACEHOLDER = re.compile(r"\{\{[ \t\n\r]*(\w+)[ \t\n\r]*\}\}(?!\})", re.ASCII)
_GLUE = re.compile(rf"{_NAME_CHARACTER}|['\"&{{}}]")
# What a value may consist of where it is read twice.
_HARMLESS = re.compile(r"[^'\"\\$]*")
_NOT_ALONE = "Write {{password}} alone between the quotes after PASSWORD."
_TRANSACTION_WORDS = frozenset({"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT"})


@functools.lru_cache(maxsize=64)
def parse(template: str) -> tuple[Part, ...]:
    """Return the statement in pieces. Raises TemplateError."""
    parts = _Lexer(template).parse()
    names = {placeholder.name for placeholder in _placeholders(parts)}
    for name in ("username", "password"):
        if name not in names:
            raise TemplateError(f"The statement must contain {{{{{name}}}}}.")
    return parts


def problem(template: str) -> str:
    """Return what is wrong with a statement, for people; empty when nothing is."""
    try:
        parse(template)
    except TemplateError as error:
        return str(error)
    return ""


def uses_plaintext(template: str) -> bool:
    """Return whether the password itself is sent, so that it may show in the server's log.

    Only directly after PASSWORD can the server do with a verifier. Raises TemplateError.
    """
    return any(one.name == "password" and not one.as_verifier for one in _placeholders(parse(template)))


def render(template: str, *, username: str, password: str, database: str, verifier: str) -> str:
    """Return the SQL to run. Raises TemplateError, also for a value that can't be written at its place."""
    values = {"username": username, "password": password, "database": database, "verifier": verifier}
    return _render(parse(template), values)


def _placeholders(parts: Sequence[Part]) -> Iterator[Placeholder]:
    for part in parts:
        if isinstance(part, Placeholder):
            yield part
        elif isinstance(part, Body):
            yield from _placeholders(part.parts)


def _render(parts: Sequence[Part], values: Mapping[str, str]) -> str:
    written = []
    for part in parts:
        if isinstance(part, str):
            written.append(part)
        elif isinstance(part, Placeholder):
            written.append(_write(part, values["verifier" if part.as_verifier else part.name]))
        else:
            content = _render(part.parts, values)
            if (content + part.tag).find(part.tag) != len(content):
                raise TemplateError(f"A value contains {part.tag}, which ends the block that it stands in.")
            written.append(part.tag + content + part.tag)
    return "".join(written)


def _write(placeholder: Placeholder, value: str) -> str:
    if placeholder.read_twice and not _HARMLESS.fullmatch(value):
        raise TemplateError(
            f"{{{{{placeholder.name}}}}} stands in quotes within a string, where its value can't hold quotes, "
            "backslashes or dollar signs. Use format() with %I and %L instead."
        )
    if placeholder.place is Place.AS_IT_IS:
        return value
    if placeholder.place is Place.NAME:
        return value.replace('"', '""')
    if placeholder.place is Place.BARE and placeholder.name != "password":
        return '"' + value.replace('"', '""') + '"'
    content = value.replace("'", "''")
    if placeholder.place is Place.ESCAPE_STRING:
        return content.replace("\\", "\\\\")
    return f"'{content}'" if placeholder.place is Place.BARE else content


class _RoleStatement:
    """Watches the words go by for the PASSWORD of CREATE or ALTER ROLE; user mappings have one of their own."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self.depth = 0

    def word(self, word: str) -> None:
        self._words.append(word)

    def end(self) -> None:
        self._words.clear()
        self.depth = 0

    @property
    def begins(self) -> bool:
        return not self._words

    @property
    def wants_password(self) -> bool:
        words = self._words
        if self.depth or not words or words[-1] != "PASSWORD":
            return False
        # What precedes it in a block (BEGIN, THEN) belongs to no statement of its own here.
        starts = [at for at, word in enumerate(words) if word in {"ALTER", "CREATE"}]
        after = words[starts[-1] + 1 : starts[-1] + 3] if starts else []
        return bool(after) and after[0] in {"ROLE", "USER", "GROUP"} and "MAPPING" not in after


class _Lexer:
    """Reads SQL as PostgreSQL's own lexer does, as far as quotes and comments go."""

    def __init__(self, text: str, *, within_block: bool = False) -> None:
        self._text = text
        self._at = 0
        self._parts: list[Part] = []
        self._within_block = within_block
        self._statement = _RoleStatement()
        self._after_string = False

    def parse(self) -> tuple[Part, ...]:
        while self._at < len(self._text):
            self._token()
        joined: list[Part] = []
        for part in self._parts:
            if isinstance(part, str) and joined and isinstance(joined[-1], str):
                joined[-1] += part
            else:
                joined.append(part)
        return tuple(joined)

    def _token(self) -> None:
        """Read one token and the placeholders in it."""
        rest = self._text[self._at : self._at + 2]
        if found := _SPACE.match(self._text, self._at):
            self._copy(found.end())
        elif rest in {"--", "/*"}:
            self._comment(rest)
        else:
            self._significant(rest)

    def _significant(self, rest: str) -> None:
        after_string, self._after_string = self._after_string, False
        if rest == "{{":
            self._bare(after_string)
        elif rest[0] == "'":
            self._string(Place.STRING)
        elif rest[0] == '"':
            self._name()
        elif found := _TAG.match(self._text, self._at):
            self._dollar(found[0])
        elif found := _WORD.match(self._text, self._at):
            self._word(found[0])
        elif found := _NUMBER.match(self._text, self._at):
            self._copy(found.end())
        else:
            self._punctuation(rest[0])

    def _copy(self, end: int) -> None:
        self._parts.append(self._text[self._at : end])
        self._at = end

    def _take(self, place: Place, *, read_twice: bool = False) -> Placeholder:
        """Read the placeholder that begins here."""
        found = _PLACEHOLDER.match(self._text, self._at)
        if not found or found[1] not in PLACEHOLDERS:
            known = ", ".join(f"{{{{{name}}}}}" for name in PLACEHOLDERS)
            what = found[0] if found else self._text[self._at : self._at + 20].split("\n")[0]
            raise TemplateError(f"{what} is no placeholder; there are {known}.")
        if found[1] == "password" and place is Place.NAME:
            raise TemplateError("{{password}} stands in double quotes, which are for names. Use single quotes.")
        self._at = found.end()
        return Placeholder(found[1], place, read_twice)

    def _comment(self, opening: str) -> None:
        start = self._at
        if opening == "--":
            found = _LINE_COMMENT.match(self._text, self._at)
            self._copy(found.end() if found else len(self._text))
        else:
            self._copy(self._block_comment_end())
        self._no_placeholder(start)

    def _no_placeholder(self, start: int) -> None:
        if "{{" in self._text[start : self._at]:
            raise TemplateError("There is a placeholder in a comment. Take it out.")

    def _block_comment_end(self) -> int:
        depth = 0
        for edge in _COMMENT_EDGE.finditer(self._text, self._at):
            depth += 1 if edge[0] == "/*" else -1
            if depth == 0:
                return edge.end()
        raise TemplateError("A comment does not end: there is a /* without its */.")

    def _bare(self, after_string: bool) -> None:
        start = self._at
        placeholder = self._take(Place.BARE)
        before, after = self._text[max(0, start - 1) : start], self._text[self._at : self._at + 1]
        if after_string or _GLUE.fullmatch(before) or _GLUE.fullmatch(after):
            raise TemplateError(
                f"{{{{{placeholder.name}}}}} touches what is before or after it. "
                "Put a space between them, or quotes around all of it."
            )
        verifier = placeholder.name == "password" and self._statement.wants_password
        self._parts.append(replace(placeholder, as_verifier=verifier))
        self._statement.word("")
        self._after_string = placeholder.name == "password"

    def _word(self, word: str) -> None:
        end = self._at + len(word)
        next_two = self._text[end : end + 2]
        if word in {"E", "e"} and next_two[:1] == "'":
            self._copy(end)
            self._string(Place.ESCAPE_STRING)
        elif word in {"B", "b", "X", "x"} and next_two[:1] == "'":
            self._copy(end)
            self._string(None)
        elif word in {"U", "u"} and next_two in {"&'", '&"'}:
            self._copy(end + 1)
            if next_two == "&'":
                self._string(None)
            else:
                self._name(allowed=False)
        else:
            if self._statement.begins and not self._within_block and word.upper() in _TRANSACTION_WORDS:
                raise TemplateError(f"Leave {word.upper()} out: the whole statement runs in one transaction by itself.")
            self._copy(end)
            self._statement.word(word.upper())

    def _punctuation(self, character: str) -> None:
        self._copy(self._at + 1)
        if character == ";":
            self._statement.end()
        elif character in "()":
            self._statement.depth += 1 if character == "(" else -1
        else:
            self._statement.word(character)

    def _string(self, place: Place | None) -> None:
        """Read a string with all its continuations; without a place it may hold no placeholder."""
        wanted = self._statement.wants_password
        parts, self._parts = self._parts, []
        self._string_content(place)
        held = [part for part in self._parts if isinstance(part, Placeholder)]
        if wanted and any(placeholder.name == "password" for placeholder in held):
            if "".join(part for part in self._parts if isinstance(part, str)) != "''" or len(held) != 1:
                raise TemplateError(_NOT_ALONE)
            self._parts = [
                replace(part, as_verifier=True) if isinstance(part, Placeholder) else part for part in self._parts
            ]
        self._parts = parts + self._parts
        self._statement.word("''")
        self._after_string = True

    def _string_content(self, place: Place | None) -> None:
        self._copy(self._at + 1)
        content = ""
        while self._at < len(self._text):
            two = self._text[self._at : self._at + 2]
            if two == "{{":
                self._parts.append(self._in_string(place, content))
            elif two == "''" or (two[0] == "\\" and place is Place.ESCAPE_STRING):
                self._copy(self._at + 2)
                content += two[1:]
            elif two[0] != "'":
                self._copy(self._at + 1)
                content += two[0]
            elif found := _CONTINUED.match(self._text, self._at + 1):
                start = self._at
                self._copy(found.end())
                self._no_placeholder(start)
            else:
                self._copy(self._at + 1)
                return
        raise TemplateError("A string does not end: there is an odd number of single quotes.")

    def _in_string(self, place: Place | None, content: str) -> Placeholder:
        if place is None:
            raise TemplateError("There is a placeholder in a string that begins with B, X or U&. Use a plain one.")
        quotes = (content.count("'"), content.count('"'), len(_TAG.findall(content)))
        return self._take(place, read_twice=any(count % 2 for count in quotes))

    def _name(self, *, allowed: bool = True) -> None:
        self._copy(self._at + 1)
        while self._at < len(self._text):
            two = self._text[self._at : self._at + 2]
            if two == "{{":
                if not allowed:
                    raise TemplateError("There is a placeholder in a name that begins with U&. Use plain quotes.")
                self._parts.append(self._take(Place.NAME))
            elif two == '""':
                self._copy(self._at + 2)
            else:
                self._copy(self._at + 1)
                if two[0] == '"':
                    self._statement.word('""')
                    return
        raise TemplateError("A name does not end: there is an odd number of double quotes.")

    def _dollar(self, tag: str) -> None:
        start = self._at + len(tag)
        end = self._text.find(tag, start)
        if end < 0:
            raise TemplateError(f"A block does not end: there is a {tag} without its partner.")
        content = self._text[start:end]
        if "{{" not in content:
            self._copy(end + len(tag))
        elif _PLACEHOLDER.fullmatch(content):
            self._at = start
            placeholder = self._take(Place.AS_IT_IS)
            verifier = placeholder.name == "password" and self._statement.wants_password
            self._parts.append(Body(tag, (replace(placeholder, as_verifier=verifier),)))
        elif self._statement.wants_password:
            raise TemplateError(_NOT_ALONE)
        else:
            self._parts.append(Body(tag, _Lexer(content, within_block=True).parse()))
        self._at = end + len(tag)
        self._statement.word("$$")
        self._after_string = True
