"""`keyturn manual`: the manual page, made from the parser, so that it says what --help says."""

from __future__ import annotations

import argparse
import itertools
import textwrap
from argparse import Namespace
from collections.abc import Iterable, Iterator

from app import __version__
from app.cli import output
from app.cli.parser import whole_parser

_DATE = "2026-11-21"
"""When the form of the page last changed: a page made twice is the same page."""
_ABOUT = (
    "Keyturn rotates credentials without downtime: passwords of PostgreSQL users, access keys of AWS IAM users, client "
    "secrets of Microsoft Entra applications. Without a command it is a terminal interface, whose background loop "
    "carries rotations out; with --run-scheduler the loop runs without a terminal."
)
_EXITS = (
    ("0", "Done."),
    ("1", "Failed, or what was looked at is not as it should be."),
    ("2", "Wrong usage or input; nothing was changed."),
    ("3", "There is no such thing."),
    ("4", "Busy: somebody else is at work on it."),
)
_FILES = (
    ("~/.local/share/keyturn/keyturn.db", "The store, unless KEYTURN_DATABASE_URL or KEYTURN_HOME say otherwise."),
    ("~/.config/keyturn/keyturn.key", "Its key. Without it the store is worthless: keep a copy of it somewhere else."),
    ("~/.config/keyturn/config.toml", "The settings file."),
)


def show(args: Namespace) -> int:
    output.out(page())
    return 0


def page() -> str:
    """In roff, with the macros of man(7)."""
    parser = whole_parser()
    lines = [
        f'.TH KEYTURN 1 "{_DATE}" "keyturn {__version__}" "User Commands"',
        ".SH NAME",
        "keyturn \\- rotate credentials without downtime",
        ".SH SYNOPSIS",
        *_synopsis("keyturn", parser, ending="[COMMAND ...]"),
        ".SH DESCRIPTION",
        *_prose(_ABOUT),
        ".SH OPTIONS",
        *_options(parser),
        ".SH COMMANDS",
    ]
    for command in _commands(parser):
        lines += _section(command)
    lines += [".SH EXIT STATUS", *_terms(_EXITS), ".SH ENVIRONMENT", *_terms(_environment())]
    lines += [".SH FILES", *_terms(_FILES), ".SH SEE ALSO", ".BR psql (1),", ".BR systemd (1)"]
    return "".join(f"{line}\n" for line in lines)


def _commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Every command and the ones below it, in the order of the help."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                inner.complete()
                yield inner
                yield from _commands(inner)


def _section(parser: argparse.ArgumentParser) -> list[str]:
    group = any(isinstance(action, argparse._SubParsersAction) and action.required for action in parser._actions)
    lines = [f'.SS "{_text(parser.prog)}"']
    if group:
        return [*lines, *_prose(parser.description or "")]
    lines += [*_synopsis(parser.prog, parser), ".PP", *_prose(parser.description or "")]
    return [*lines, *_options(parser), *_as_written(parser.epilog or "")]


def _as_written(text: str) -> Iterator[str]:
    """Paragraphs are filled; indented lines, which are examples and lists, stay as they are."""
    for indented, block in itertools.groupby(text.splitlines(), lambda line: line.startswith(" ") or None):
        lines = list(block)
        if indented:
            yield from (".PP", ".nf", *(_text(line) for line in lines), ".fi")
            continue
        for paragraph in "\n".join(lines).split("\n\n"):
            if paragraph.strip():
                yield from (".PP", *_prose(paragraph))


def _prose(text: str) -> list[str]:
    """Short lines, which roff fills."""
    return [_text(line) for line in textwrap.wrap(" ".join(text.split()), 60, break_on_hyphens=False)]


def _synopsis(name: str, parser: argparse.ArgumentParser, ending: str = "") -> list[str]:
    words = [_usage(action) for action in _shown(parser)]
    shown = " ".join([*(word for word in words if word), *([ending] if ending else [])])
    return [f".B {_text(name)}", *_prose(shown)]


def _shown(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        if not isinstance(action, argparse._HelpAction) and action.help != argparse.SUPPRESS:
            yield action


def _usage(action: argparse.Action) -> str:
    if isinstance(action, argparse._SubParsersAction):
        return ""
    value = _value(action)
    if action.option_strings:
        text = f"{max(action.option_strings, key=len)}{f' {value}' if value else ''}"
        return text if action.required else f"[{text}]"
    if action.nargs == argparse.REMAINDER:
        return f"-- {value}"
    return f"[{value}]" if action.nargs == "?" else value


def _value(action: argparse.Action) -> str:
    """What stands for the value that is typed; empty for a switch."""
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, str):
        return action.metavar
    return "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()


def _options(parser: argparse.ArgumentParser) -> list[str]:
    terms = []
    for action in _shown(parser):
        if isinstance(action, argparse._SubParsersAction):
            continue
        value = _value(action)
        choices = f" ({', '.join(map(str, action.choices))})" if action.choices and action.metavar else ""
        names = ", ".join(action.option_strings) or value
        term = f"{names} {value}" if action.option_strings and value else names
        terms.append((term, f"{action.help or ''}{choices}"))
    return _terms(terms)


def _environment() -> Iterable[tuple[str, str]]:
    from app.settings.model import Declared

    yield "KEYTURN_HOME", "Puts the store, its key and the settings below one folder."
    yield "KEYTURN_CONFIG", "The settings file."
    yield "KEYTURN_KEY", "The key ring itself."
    for name, info in Declared.model_fields.items():
        yield f"KEYTURN_{name.upper()}", (info.description or "").replace("`", "")


def _terms(terms: Iterable[tuple[str, str]]) -> list[str]:
    lines = []
    for term, about in terms:
        lines += [".TP", f".B {_text(term)}", *_prose(about)]
    return lines


def _text(text: str) -> str:
    """For roff, a line of it: no command, no hyphenation of flags, nothing that it would take for its own."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("^", "\\(ha").replace("~", "\\(ti")
    escaped = escaped.replace("`", "\\(ga").replace("'", "\\(aq").replace('"', "\\(dq")
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped
