"""What may come next on a command line that is being typed: read off the parser, and the names off the store.

`keyturn __complete SHELL WORD...` is asked by the scripts in `completion.py` at every tab, so it is quick, says nothing
but candidates, and never fails. The last word is the one that is being typed.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from app.cli.parser import whole_parser

FILES, DIRECTORIES, COMMANDS, VALUES = "files", "directories", "commands", "values"
"""What the shell itself is to complete; VALUES: what is listed."""
Candidates = list[tuple[str, str]]

_STORED_FLAGS = {
    "--rotation": "rotations",
    "--project": "projects",
    "--env": "environments",
    "--path": "paths",
    "--hook": "hooks",
    "--connection": "connections",
}
_STORED_WORDS = {
    "keyturn drill": "connections",
    "keyturn aws-credential-process": "rotations",
    "keyturn secrets get": "secrets",
    "keyturn secrets reveal": "secrets",
    "keyturn secrets set": "secrets",
    "keyturn secrets delete": "secrets",
    "keyturn rotations create": "types",
    "keyturn rotations prepare": "types",
    "keyturn connections add": "apps",
    "keyturn targets add": "",
    "keyturn hooks add": "",
    "keyturn identities create": "",
}
"""Which names a command's first word is one of, where its group does not tell."""
_GROUPS = ("rotations", "connections", "targets", "hooks", "identities")
_ENTRY_POINTS = {"types": "keyturn.providers", "apps": "keyturn.apps"}
_ON_DISK = {"FILE": FILES, "DIR": DIRECTORIES, "PIDFILE:HUP": FILES}


@dataclass
class _Typed:
    """How far the finished words lead."""

    parser: argparse.ArgumentParser
    used: set[str] = field(default_factory=set)
    positionals: list[argparse.Action] = field(default_factory=list)
    waiting: argparse.Action | None = None
    """A flag whose value comes next."""


def answer(words: Sequence[str]) -> str:
    """For `SHELL WORD...`: a line that says what to complete, and a line for each candidate: value, tab, what it is."""
    shell, *typed = words
    finished, current = typed[:-1], typed[-1] if typed else ""
    kind, found, shown = _next(finished, current)
    # bash takes "=" for the end of a word, and puts in what comes after it.
    kept = "" if shell == "bash" else shown
    return "".join(f"{line}\n" for line in (kind, *(_line(f"{kept}{value}", about) for value, about in found)))


def _line(value: str, about: str) -> str:
    return f"{value}\t{about}" if about.isprintable() else value


def _next(finished: Sequence[str], current: str) -> tuple[str, Candidates, str]:
    """What to complete, the candidates, and what of the word stands before them ("--env=")."""
    words = [word for word in finished if word != "--config"]
    typed = _walked(whole_parser(next((word for word in words if not word.startswith("-")), "")), finished)
    if typed is None:
        return COMMANDS if finished[-1] == "--" else FILES, [], ""
    if typed.waiting is not None:
        return *_values(typed.waiting, typed, current), ""
    flag, equals, begun = current.partition("=")
    if equals and flag in typed.parser._option_string_actions:
        return *_values(typed.parser._option_string_actions[flag], typed, begun), f"{flag}="
    if current.startswith("-"):
        return VALUES, [each for each in _flags(typed) if each[0].startswith(current)], ""
    pending = typed.positionals[0] if typed.positionals else None
    if pending is None:
        return VALUES, _flags(typed) if not current else [], ""
    return *_values(pending, typed, current), ""


def _walked(parser: argparse.ArgumentParser, words: Sequence[str]) -> _Typed | None:
    """None: what follows is the command line of another program (`keyturn run -- ...`)."""
    typed = _Typed(parser, positionals=_positionals(parser))
    for word in words:
        if typed.waiting is not None:
            typed.waiting = None
        elif word == "--":
            return None
        elif word.startswith("-") and len(word) > 1:
            flag, equals, _ = word.partition("=")
            action = typed.parser._option_string_actions.get(flag)
            if action is not None:
                typed.used.update(() if isinstance(action, argparse._AppendAction) else action.option_strings)
                typed.waiting = action if action.nargs != 0 and not equals else None
        elif typed.positionals:
            action = typed.positionals[0]
            if isinstance(action, argparse._SubParsersAction):
                inner = action.choices.get(word)
                if inner is None:
                    return _Typed(argparse.ArgumentParser(add_help=False))
                inner.complete()
                typed = _Typed(inner, positionals=_positionals(inner))
            elif action.nargs == argparse.REMAINDER:
                return None
            else:
                del typed.positionals[0]
    return typed


def _positionals(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if not action.option_strings]


def _flags(typed: _Typed) -> Candidates:
    excluded = {
        name
        for group in typed.parser._mutually_exclusive_groups
        if any(typed.used.intersection(action.option_strings) for action in group._group_actions)
        for action in group._group_actions
        for name in action.option_strings
    }
    return [
        (max(action.option_strings, key=len), action.help or "")
        for action in typed.parser._actions
        if action.option_strings
        and action.help != argparse.SUPPRESS
        and not {*typed.used, *excluded}.intersection(action.option_strings)
    ]


def _values(action: argparse.Action, typed: _Typed, begun: str) -> tuple[str, Candidates]:
    if isinstance(action, argparse._SubParsersAction):
        listed: Iterable[tuple[str, str]] = ((str(each.dest), each.help or "") for each in action._choices_actions)
    elif action.choices is not None:
        listed = ((str(choice), "") for choice in action.choices)
    elif action.nargs == argparse.REMAINDER:
        return COMMANDS, []
    elif isinstance(action.metavar, str) and action.metavar in _ON_DISK:
        return _ON_DISK[action.metavar], []
    else:
        listed = _named(_kind(action, typed.parser.prog), begun)
    return VALUES, [each for each in listed if each[0].startswith(begun)]


def _kind(action: argparse.Action, prog: str) -> str:
    """Which names a value is one of; empty for none."""
    if action.option_strings:
        found = next((_STORED_FLAGS[name] for name in action.option_strings if name in _STORED_FLAGS), "")
        return "types" if action.metavar == "TYPE" else found
    if prog in _STORED_WORDS:
        return _STORED_WORDS[prog]
    group = prog.split()[1] if len(prog.split()) > 2 else ""
    return group if group in _GROUPS and action.dest == "name" else ""


def _named(kind: str, begun: str) -> Candidates:
    if kind in _ENTRY_POINTS:
        from importlib.metadata import entry_points

        return [(name, "") for name in sorted(entry_points(group=_ENTRY_POINTS[kind]).names)]
    if not kind:
        return []
    from app.settings import load_settings
    from store import names

    return names.beginning(load_settings(os.environ).database_url, kind, begun)
