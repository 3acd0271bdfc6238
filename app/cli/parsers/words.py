"""What the commands share: how they are declared, the flags that many have, and how numbers are read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from app.cli import output

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction["Parser"]


class Parser(argparse.ArgumentParser):
    """As argparse has it, but flags are never abbreviated, and help is laid out as it was written."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)
        self.later: Callable[[Parser], None] | None = None
        """Declares what takes a while to know, once this very command is meant."""

    def complete(self) -> None:
        """Have all flags, those that are declared later too."""
        if (declare := self.later) is not None:
            self.later = None
            declare(self)

    def parse_known_args(self, *args: Any, **options: Any) -> Any:
        self.complete()
        return super().parse_known_args(*args, **options)

    def format_help(self) -> str:
        self.complete()
        return super().format_help()

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As argparse does, but with the nearest choice instead of a wall of them."""
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        what = "command" if isinstance(action, argparse._SubParsersAction) else "choice"
        raise argparse.ArgumentError(action, f"invalid {what}: {value!r}. {_nearest(str(value), known)}")

    def refuse_unknown(self, words: Sequence[str], unknown: Sequence[str]) -> NoReturn:
        """Say which words nobody knows, and the nearest flag of the command that was typed. Exits with 2."""
        parser: argparse.ArgumentParser = self
        for word in words:
            inner = next((a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction)), {})
            parser = inner.get(word, parser)
        flags = [flag for flag in parser._option_string_actions if flag.startswith("--")]
        near = [_nearest(word.partition("=")[0], flags, "") for word in unknown if word.startswith("--")]
        parser.error(". ".join([f"unrecognized arguments: {' '.join(unknown)}", *(text for text in near if text)]))

    def _print_message(self, message: str, file: Any = None) -> None:
        """As everything else is printed: argparse itself swallows a full disk and a reader that went away."""
        if file is sys.stdout:
            output.out(message)
        else:
            output.note(message.rstrip("\n"))


def _nearest(word: str, known: Sequence[str], otherwise: str | None = None) -> str:
    """`otherwise`: what is said when nothing is near; all that there is by default."""
    import difflib

    if near := difflib.get_close_matches(word, known, 1):
        return f"Did you mean {near[0]}?"
    return f"Choose from: {', '.join(known)}" if otherwise is None else otherwise


def group(commands: Subparsers, name: str, about: str, example: str = "list") -> Subparsers:
    """`example`: of one of its commands."""
    more = f"keyturn {name} COMMAND --help tells more.\n\n  keyturn {name} {example}"
    parser = commands.add_parser(name, help=about, description=_sentence(about), epilog=more)
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)


def command(commands: Subparsers, name: str, about: str, *, handler: str, example: str, epilog: str = "") -> Parser:
    """`handler`: "module:function" below app.cli. `example`: what ends the help, without the word keyturn; lines that
    begin with a blank carry on.
    """
    shown = "\n".join(f"  {line}" if line.startswith(" ") else f"  keyturn {line}" for line in example.splitlines())
    parser = commands.add_parser(
        name, help=about, description=_sentence(about), epilog=f"{epilog}\n\n{shown}" if epilog else shown
    )
    parser.set_defaults(handler=handler)
    return parser


def _sentence(about: str) -> str:
    return f"{about[0].upper()}{about[1:]}."


def as_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name or id")


def file(parser: argparse.ArgumentParser, otherwise: str) -> None:
    """`otherwise`: what is done without it."""
    parser.add_argument(
        "--file", metavar="FILE", help=f"the JSON request body; - reads standard input. Without it: {otherwise}"
    )


def limit(parser: argparse.ArgumentParser, default: int) -> None:
    parser.add_argument("--limit", type=count, default=default, metavar="N", help=f"at most so many ({default})")


def count(text: str) -> int:
    return whole(text, 100_000)


def whole(text: str, most: int) -> int:
    """A whole number from 1. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {most}")
    return int(text)
