"""Which passwords a rotation makes up, and how."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from providers.fields import Fields, complaint

DEFAULT_SYMBOLS = "-_.~!*"
"""Safe in URLs, shells, .pgpass and connection strings."""

Choice = Callable[[Sequence[str]], str]
"""Picks one item of a non-empty sequence, from a cryptographically strong source."""


def _symbols(value: str) -> str:
    if not value:
        raise complaint("no_symbols", "Name at least one symbol, or leave this out.")
    strange = sorted(set(value) - set(string.punctuation))
    if strange:
        raise complaint("symbols", f"Only ASCII punctuation can be a symbol; this is none: {strange[0]!r}.")
    return value


class RequiredCharacters(Fields):
    """How many characters of each class a password has at least; a class with 0 does not occur."""

    digits: int = Field(default=1, ge=0, title="Digits", description="At least so many digits.")
    lowercase: int = Field(default=1, ge=0, title="Lowercase letters", description="At least so many of a-z.")
    uppercase: int = Field(default=1, ge=0, title="Uppercase letters", description="At least so many of A-Z.")
    symbols: int = Field(default=0, ge=0, title="Symbols", description="At least so many; with 0 there are none.")

    @property
    def total(self) -> int:
        return self.digits + self.lowercase + self.uppercase + self.symbols


class PasswordRequirements(Fields):
    """The documented passwordRequirements."""

    length: int = Field(default=48, ge=1, le=250, title="Length", description="Characters in a password, 1 to 250.")
    required: RequiredCharacters = Field(
        default=RequiredCharacters(),
        title="Required characters",
        description="How many of each class a password has at least.",
    )
    allowed_symbols: Annotated[str, AfterValidator(_symbols)] | None = Field(
        default=None,
        title="Allowed symbols",
        description=f"Symbols to choose from where symbols are required; {DEFAULT_SYMBOLS} when left out.",
    )

    @property
    def symbols(self) -> str:
        """The symbols to choose from, each once."""
        return "".join(dict.fromkeys(self.allowed_symbols or DEFAULT_SYMBOLS))

    @model_validator(mode="after")
    def _possible(self) -> Self:
        total = self.required.total
        if total == 0:
            raise complaint("nothing_required", "Require at least one character of some class.")
        if total > self.length:
            message = f"{total} required characters don't fit into a password of {self.length}."
            raise complaint("too_many_required", message)
        return self


def generate(requirements: PasswordRequirements, choice: Choice) -> str:
    """Return a new password. Every character and its place come from `choice`."""
    required = requirements.required
    classes = [
        (required.digits, string.digits),
        (required.lowercase, string.ascii_lowercase),
        (required.uppercase, string.ascii_uppercase),
        (required.symbols, requirements.symbols),
    ]
    left = [choice(alphabet) for count, alphabet in classes for _ in range(count)]
    union = "".join(alphabet for count, alphabet in classes if count)
    left += [choice(union) for _ in range(requirements.length - len(left))]
    shuffled = []
    while left:
        # Equal characters are interchangeable, so this is a uniform shuffle that needs no random index.
        picked = choice(left)
        left.remove(picked)
        shuffled.append(picked)
    return "".join(shuffled)
