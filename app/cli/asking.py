"""Questions asked one by one on a terminal: each answer is judged at once, and asked again until it will do."""

from __future__ import annotations

import contextlib
import getpass
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.cli.output import clean, note
from app.errors import UsageError
from app.forms import FormField, Kind
from providers.base import Problem

Answers = MutableMapping[str, str]
_LARGEST = 64 * 1024


class Left(Exception):
    """The person has had enough (ctrl+c, ctrl+d, no): nothing was done."""


@dataclass(frozen=True)
class Question:
    """`key` is the documented name. `options`: (text, value); `free`: something else may be typed as well."""

    key: str
    title: str
    help: str = ""
    default: str = ""
    kind: Kind = Kind.TEXT
    multiline: bool = False
    required: bool = False
    options: tuple[tuple[str, str], ...] = ()
    free: bool = False


def say(text: str) -> None:
    """A paragraph as wide as the terminal, with the indentation that it begins with."""
    import shutil
    import textwrap

    indent = " " * (len(text) - len(text.lstrip()))
    columns = max(shutil.get_terminal_size().columns - 1, 20)
    for line in textwrap.wrap(clean(text), columns, subsequent_indent=indent, break_on_hyphens=False) or [""]:
        note(line)


def refuse_no_terminal(what: str) -> None:
    """Raises UsageError where nobody can answer."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr)):
        raise UsageError(
            f"{what} needs a body, or a terminal to ask on, and this is none.",
            remedy="Give the body by --file body.json, or by --file - from standard input.",
        )


def question_of(field: FormField, prefix: str) -> Question:
    """As the provider declares it."""
    example = f" Such as {field.placeholder}" if field.placeholder and "\n" not in field.placeholder else ""
    return Question(
        key=f"{prefix}{field.key}",
        title=field.title,
        help=f"{field.help}{example}",
        default=field.default,
        kind=field.kind,
        multiline=field.multiline,
        required=field.required,
    )


def fill(
    answers: Answers,
    questions: Callable[[Answers], Iterable[Question]],
    problems: Callable[[Answers], Sequence[Problem]],
    ask_one: Callable[[Question], str],
) -> None:
    """Ask what has no answer yet, until all that is answered is valid. `questions` may depend on former answers."""
    while True:
        listed = list(questions(answers))
        question = next((each for each in listed if each.key not in answers), None)
        if question is not None:
            answers[question.key] = ask_one(question)
        found = problems(answers)
        wrong = [each for each in listed if each.key in answers and _about(each.key, found)]
        for each in wrong:
            _complain(each, found)
            del answers[each.key]
        if question is not None or wrong:
            continue
        if not found:
            return
        for problem in found:
            say(f"  {problem.field}: {problem.message}")
        del answers[_which(listed, answers)]


def change(answers: Answers, questions: Iterable[Question], ask_one: Callable[[Question], str]) -> None:
    """Ask one question again, with the present answer as its default."""
    listed = list(questions)
    key = _which(listed, answers)
    again = next(each for each in listed if each.key == key)
    secret = again.kind is Kind.SECRET or again.multiline
    answers[key] = ask_one(again if secret else replace(again, default=answers.get(key, "")))


def _which(listed: Sequence[Question], answers: Answers) -> str:
    shown = dict(told(answers, listed))
    width = max(len(each.title) for each in listed)
    options = tuple((f"{each.title.ljust(width)}  {shown.get(each.title, '')}".rstrip(), each.key) for each in listed)
    return ask(Question("", "Which answer is to be changed", options=options))


def _about(key: str, found: Sequence[Problem]) -> list[str]:
    return [problem.message for problem in found if f"{problem.field}.".startswith(f"{key}.")]


def _complain(question: Question, found: Sequence[Problem]) -> None:
    for message in _about(question.key, found):
        say(f"  Not valid ({question.title}): {message}")


def ask(question: Question) -> str:
    """One answer as text; a default is taken by enter alone. Raises Left."""
    if question.help:
        say(f"  {question.help}")
    if question.options:
        return _chosen(question)
    if question.multiline:
        return _from_file(question)
    if question.kind is Kind.SWITCH:
        return "true" if agreed(question.title, default=question.default == "true") else "false"
    shown = f" [{clean(question.default)}]" if question.default else "" if question.required else " (optional)"
    if question.kind is Kind.SECRET:
        return _line(f"{question.title}{' (optional)' if not question.required else ''}: ", hidden=True)
    while True:
        text = _line(f"{question.title}{shown}: ").strip() or question.default
        if text or not question.required:
            return text
        note("  It is required.")


def agreed(title: str, *, default: bool | None = None) -> bool:
    """Yes or no. Without a default it has to be typed. Raises Left."""
    shown = {True: "Y/n", False: "y/N", None: "y/n"}[default]
    while True:
        word = _line(f"{title} [{shown}]: ").strip().lower()
        if word in ("y", "yes", "true", "on"):
            return True
        if word in ("n", "no", "false", "off"):
            return False
        if not word and default is not None:
            return default
        note("  Type y or n.")


def _chosen(question: Question) -> str:
    """By number, or by the value itself."""
    for number, (text, _) in enumerate(question.options, 1):
        note(clean(f"  {number:>3}  {text}"))
    values = [value for _, value in question.options]
    optional = question.free and not question.required and not question.default
    shown = f" [{clean(question.default)}]" if question.default else " (optional)" if optional else ""
    while True:
        text = _line(f"{question.title}{shown}: ").strip() or question.default
        if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= len(values):
            return values[int(text) - 1]
        if text in values or (text and question.free):
            return text
        if not text and optional:
            return ""
        note(f"  Type a number from 1 to {len(values)}{', or something else' if question.free else ''}.")


def _from_file(question: Question) -> str:
    """The text in a file that is named."""
    while True:
        optional = "" if question.required else " (optional)"
        name = _line(f"{question.title}, the file that holds it{optional}: ").strip()
        if not name and not question.required:
            return ""
        try:
            with Path(name).expanduser().open("rb") as file:
                text = file.read(_LARGEST + 1).decode("utf-8-sig")
        except (OSError, ValueError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            note(clean(f"  {name or 'Nothing'} cannot be read: {reason}."))
            continue
        if len(text) <= _LARGEST:
            return text
        note(clean(f"  {name} is too large: it may have {_LARGEST // 1024} KiB."))


def _line(prompt: str, *, hidden: bool = False) -> str:
    """What is typed up to enter. Raises Left."""
    try:
        if hidden:
            return getpass.getpass(prompt, stream=sys.stderr)
        if sys.stdout is not None and sys.stdout.isatty():
            _with_line_editing()
            return input(prompt)
        sys.stderr.write(prompt)
        sys.stderr.flush()
        line = sys.stdin.readline()
    except (EOFError, KeyboardInterrupt):
        line = ""
    except UnicodeDecodeError:
        note("  That is no text in this terminal's encoding.")
        return ""
    if not line:
        note("")
        raise Left
    return line.rstrip("\n")


def _with_line_editing() -> None:
    """Arrow keys and the like, where Python has them; answers go to no history."""
    with contextlib.suppress(ImportError, AttributeError):
        import readline

        readline.set_auto_history(False)


def told(answers: Mapping[str, str], questions: Iterable[Question]) -> list[tuple[str, str]]:
    """Titles and answers, for people; what is secret is not shown."""
    shown = []
    for question in questions:
        text = answers.get(question.key, "")
        if question.kind is Kind.SECRET:
            text = "(not shown)" if text else ""
        elif question.kind is Kind.SWITCH:
            text = {"true": "yes", "false": "no"}.get(text, text)
        elif question.multiline:
            text = f"{len(text.splitlines())} lines" if text else ""
        if text:
            shown.append((question.title, text))
    return shown
