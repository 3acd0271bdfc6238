"""Made-up passwords meet their requirements, use nothing else, and every choice is the given one's."""

from __future__ import annotations

import random
import secrets
import string
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from providers.passwords import DEFAULT_SYMBOLS, PasswordRequirements, RequiredCharacters, generate

CLASSES = {"digits": string.digits, "lowercase": string.ascii_lowercase, "uppercase": string.ascii_uppercase}


@st.composite
def requirements(draw: st.DrawFn) -> PasswordRequirements:
    counts = draw(st.fixed_dictionaries({name: st.integers(0, 60) for name in (*CLASSES, "symbols")}))
    counts["digits"] += not sum(counts.values())
    length = draw(st.integers(sum(counts.values()), 250))
    allowed = draw(st.none() | st.text(string.punctuation, min_size=1))
    return PasswordRequirements(length=length, required=RequiredCharacters(**counts), allowed_symbols=allowed)


@given(requirements())
def test_a_password_meets_its_requirements(wanted: PasswordRequirements) -> None:
    password = generate(wanted, secrets.choice)
    assert len(password) == wanted.length
    alphabets = {**CLASSES, "symbols": wanted.allowed_symbols or DEFAULT_SYMBOLS}
    permitted = "".join(alphabet for name, alphabet in alphabets.items() if getattr(wanted.required, name))
    assert set(password) <= set(permitted)
    for name, alphabet in alphabets.items():
        assert sum(character in alphabet for character in password) >= getattr(wanted.required, name)


def test_the_default_is_48_letters_and_digits() -> None:
    password = generate(PasswordRequirements(), secrets.choice)
    assert len(password) == 48
    assert password.isascii()
    assert password.isalnum()


def test_every_character_comes_from_the_given_choice() -> None:
    one, same, other = (generate(PasswordRequirements(), random.Random(seed).choice) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_required_characters_stand_anywhere() -> None:
    wanted = PasswordRequirements.model_validate(
        {"length": 3, "required": {"digits": 1, "lowercase": 1, "uppercase": 1}}
    )
    choice = random.Random(4).choice
    places = Counter(
        next(at for at, character in enumerate(generate(wanted, choice)) if character.isdigit()) for _ in range(3000)
    )
    assert all(850 < places[at] < 1150 for at in range(3))


def test_a_symbol_given_twice_is_no_likelier() -> None:
    wanted = PasswordRequirements.model_validate(
        {
            "length": 4,
            "required": {"digits": 0, "lowercase": 0, "uppercase": 0, "symbols": 4},
            "allowedSymbols": "!!!!!!!!?",
        }
    )
    choice = random.Random(5).choice
    counts = Counter("".join(generate(wanted, choice) for _ in range(1000)))
    assert 1800 < counts["?"] < 2200


@pytest.mark.parametrize(
    ("given_", "field", "message"),
    [
        ({"length": 0}, "length", "greater than or equal to 1"),
        ({"length": 251}, "length", "less than or equal to 250"),
        ({"length": 20.5}, "length", "valid integer"),
        ({"required": {"digits": -1}}, "required.digits", "greater than or equal to 0"),
        ({"required": {"digits": 0.5}}, "required.digits", "valid integer"),
        ({"length": 2}, "", "3 required characters don't fit into a password of 2."),
        ({"required": {"digits": 0, "lowercase": 0, "uppercase": 0}}, "", "Require at least one character"),
        ({"allowedSymbols": ""}, "allowedSymbols", "Name at least one symbol"),
        ({"allowedSymbols": "-a"}, "allowedSymbols", "Only ASCII punctuation can be a symbol; this is none: 'a'."),
        ({"allowedSymbols": "- "}, "allowedSymbols", "this is none: ' '."),
        ({"allowedSymbols": "§"}, "allowedSymbols", "this is none: '§'."),
        ({"allowed": "-"}, "allowed", "not permitted"),
    ],
)
def test_impossible_requirements_are_explained(given_: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        PasswordRequirements.model_validate(given_)
    [problem] = caught.value.errors()
    assert ".".join(map(str, problem["loc"])) == field
    assert message in problem["msg"]


def test_the_documented_names_are_understood() -> None:
    wanted = PasswordRequirements.model_validate(
        {
            "length": 12,
            "required": {"digits": 2, "lowercase": 2, "uppercase": 2, "symbols": 2},
            "allowedSymbols": "#",
        }
    )
    assert wanted.model_dump(by_alias=True)["allowedSymbols"] == "#"
    assert generate(wanted, secrets.choice).count("#") >= 2
