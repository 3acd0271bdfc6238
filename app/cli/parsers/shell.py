"""What can be typed to make a shell know keyturn: completion, and the manual page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.cli.parsers.words import command

if TYPE_CHECKING:
    from app.cli.parsers.words import Subparsers

_MANUAL_HELP = """\
Everything that --help tells, as one manual page in the format of man(1)."""

SHELLS = ("bash", "zsh", "fish")
_COMPLETION_HELP = """\
Commands, flags, choices and files are completed, and the names of rotations,
connections, projects, environments, paths, secrets and targets, when the store
is an SQLite file.

  bash, in ~/.bashrc:                     source <(keyturn completion bash)
  zsh, in ~/.zshrc:                       source <(keyturn completion zsh)
  fish, in ~/.config/fish/config.fish:    keyturn completion fish | source"""


def add(commands: Subparsers) -> None:
    about = "print a script that lets a shell complete what is typed"
    completion = command(
        commands, "completion", about, handler="completion:show", example="completion bash", epilog=_COMPLETION_HELP
    )
    completion.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash, zsh or fish")
    about = "print the manual page"
    command(commands, "manual", about, handler="manual:show", example="manual | man -l -", epilog=_MANUAL_HELP)
