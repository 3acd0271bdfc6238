"""Bad input stops at its step: the complaint stands under its field, which has the focus, and nothing is lost."""

from __future__ import annotations

import pytest
from psycopg import sql

from tests.conftest import Database
from tests.tui.ground import Walk, connect, open_here, rotate_users, until, walking
from tests.tui.wizardry import (
    CONNECTION,
    DETAILS,
    MAPPING,
    PARAMETERS,
    REVIEW,
    answers,
    at_step,
    complains,
    down_to,
    error,
    field,
    fill,
    keep_draft,
    label,
    press,
    resume,
    start,
    step,
    tab_to,
    users_of,
)

pytestmark = pytest.mark.usefixtures("home")


async def refuses(walk: Walk, at: int, title: str, text: str, complaint: str) -> None:
    """Next explains what is wrong with a text in a field, and stays."""
    await down_to(walk, title)
    await fill(walk, title, text)
    await press(walk, "ctrl+n")
    await complains(walk, title, complaint)
    await field(walk, title)
    await walk.sees(complaint[:20], "One field needs another look.")
    await step(walk, at)


async def test_intervals_and_times(pg: Database) -> None:
    async with at_step(pg, CONNECTION) as walk:
        for text, complaint in [
            ("0", "Must be at least 1."),
            ("-3", "Must be at least 1."),
            ("1.5", "Must be a whole number."),
            ("1000000000", "Must be at most 3650."),
            ("soon", "Must be a whole number."),
            ("9" * 5000, "Must be a whole number."),
            ("", "Is required."),
        ]:
            await refuses(walk, CONNECTION, "Rotation interval", text, complaint)
        await fill(walk, "Rotation interval", "7")
        for text in ("24:00", "12:60", "noon", ""):
            await refuses(walk, CONNECTION, "Rotate at", text, "Enter a time of day from 00:00 to 23:59")
        await fill(walk, "Rotate at", "3:05")
        await walk.sees("UTC")
        await press(walk, "ctrl+n")
        await step(walk, PARAMETERS)


async def test_how_long_the_guard_waits(pg: Database) -> None:
    async with at_step(pg, CONNECTION, guard__policy="wait", guard__waitHours="8") as walk:
        for text, complaint in [
            ("0", "Must be at least 1."),
            ("721", "Must be at most 720."),
            ("1.5", "Must be a whole number."),
            ("", "Must be a whole number."),
            ("9" * 5000, "Must be a whole number."),
        ]:
            await refuses(walk, CONNECTION, "Wait at most", text, complaint)
        await press(walk, "up")
        await field(walk, "If still in use")
        await press(walk, "enter", "home", "enter", "ctrl+n")
        await step(walk, PARAMETERS)


async def test_a_field_is_judged_when_it_is_left_and_not_while_it_is_typed_in(pg: Database) -> None:
    async with at_step(pg, CONNECTION) as walk:
        await down_to(walk, "Rotation interval")
        await fill(walk, "Rotation interval", "1.5")
        assert error(walk, "Rotation interval") == ""
        await press(walk, "tab")
        await walk.sees("! Must be a whole number.")
        assert label(walk) == "Rotate at", "the focus is not taken away"
        await press(walk, "shift+tab")
        await fill(walk, "Rotation interval", "15")
        await until(lambda: error(walk, "Rotation interval") == "", "the complaint to go while it is being mended")


async def test_an_empty_form_is_not_complained_about_before_next(pg: Database) -> None:
    async with at_step(pg, DETAILS, name="") as walk:
        await field(walk, "Name")
        await press(walk, "tab", "tab", "tab", "shift+tab")
        await until(lambda: not any(worker.group == "judge" for worker in walk.app.workers), "the fields to be judged")
        assert error(walk, "Name") == ""
        await press(walk, "ctrl+n")
        await walk.sees("! Is required.")


async def test_usernames(pg: Database) -> None:
    first, _ = users_of(pg)
    async with at_step(pg, PARAMETERS, users=False) as walk:
        for title, text, complaint in [
            ("Second username", first, "The two users must differ"),
            ("Second username", "x" * 64, "can't be longer than 63 bytes"),
            ("Second username", "   ", "Fill this in."),
            ("Second username", pg.admin_user, "is the connection's own user"),
        ]:
            await refuses(walk, PARAMETERS, title, text, complaint)
        await fill(walk, "Second username", "other")
        await press(walk, "up")
        await refuses(walk, PARAMETERS, "First username", pg.admin_user, "is the connection's own user")


async def test_several_bad_fields_are_all_named_and_the_first_gets_the_focus(pg: Database) -> None:
    async with at_step(pg, PARAMETERS, users=False, parameters__username1="", parameters__username2="") as walk:
        await press(walk, "tab", "ctrl+n")
        await walk.sees("2 fields need another look.")
        await field(walk, "First username")


# Title, a text that is right, and those that are wrong.
ADVANCED = {
    ("Rotation statement", ""): [
        ("SELECT 1", "{{username}}"),
        ("ALTER ROLE {{username}} PASSWORD {{password", "{{password"),
        ("ALTER ROLE {{nope}} PASSWORD {{password}}", "nope"),
    ],
    ("Length", "48"): [
        ("0", "Must be at least 1."),
        ("1.5", "Must be a whole number."),
        ("2", "don't fit into a password of 2"),
    ],
    ("Symbols", "0"): [("-1", "Must be at least 0.")],
    ("Allowed symbols", ""): [("äö", "Only ASCII punctuation")],
}


@pytest.mark.soak
async def test_advanced_parameters_unfold_to_show_what_is_wrong(pg: Database) -> None:
    async with at_step(pg, PARAMETERS, users=False) as walk:
        await press(walk, "tab", "tab", "tab", "enter")
        for (title, right), ((text, complaint), *others) in ADVANCED.items():
            await down_to(walk, title)
            await fill(walk, title, text)
            while label(walk) != "Rotation statement":
                await press(walk, "shift+tab")
            await press(walk, "shift+tab", "enter", "ctrl+n")
            await complains(walk, title, complaint)
            await field(walk, title)
            await step(walk, PARAMETERS)
            for other in others:
                await refuses(walk, PARAMETERS, title, *other)
            await fill(walk, title, right)


async def test_names_and_places_of_secrets(pg: Database) -> None:
    async with at_step(pg, MAPPING, users=False) as walk:
        for title, text, complaint in [
            ("Path", "//a b", "Must be a folder path"),
            ("Path", "", "Is required."),
        ]:
            await refuses(walk, MAPPING, title, text, complaint)
        await fill(walk, "Path", "/")
        for title, text, complaint in [
            ("Username", "", "Must not be empty."),
            ("Username", "a:b", 'Must not contain ":" or "/".'),
            ("Username", "a/b", 'Must not contain ":" or "/".'),
        ]:
            await refuses(walk, MAPPING, title, text, complaint)
        await fill(walk, "Username", "SAME")
        await refuses(walk, MAPPING, "Password", "SAME", "SAME is used twice")
        await fill(walk, "Password", "OTHER")
        await press(walk, "ctrl+n")
        await step(walk, DETAILS)


async def test_names_that_are_taken(pg: Database) -> None:
    async with open_here() as service:
        await rotate_users(service, pg, await connect(service, pg), "billing", path="/billing")
        values = answers(pg, secretsMapping__username="billing_USER", secretsMapping__password="FREE")
        await keep_draft(service, MAPPING, values)
    async with walking() as walk:
        await resume(walk)
        await step(walk, MAPPING)
        await press(walk, "ctrl+n")
        await walk.sees("! A secret named billing_USER exists already at /billing.")
        await fill(walk, "Username", "ALSO_FREE")
        await press(walk, "ctrl+n")
        await step(walk, DETAILS)
        await refuses(walk, DETAILS, "Name", "billing", "A rotation named billing exists already at /billing.")


async def test_names_of_rotations(pg: Database) -> None:
    async with at_step(pg, DETAILS, users=False) as walk:
        for text, complaint in [
            ("Bad Name", "Must be slug-friendly"),
            ("-x", "Must be slug-friendly"),
            ("müller", "Must be slug-friendly"),
            ("[/]", "Must be slug-friendly"),
            ("a" * 33, "Must have at most 32 characters."),
            ("", "Is required."),
        ]:
            await refuses(walk, DETAILS, "Name", text, complaint)
        await fill(walk, "Name", "fine")
        await refuses(walk, DETAILS, "Description", "d" * 257, "Must have at most 256 characters.")


async def test_a_later_step_opens_only_when_the_earlier_ones_are_valid(pg: Database) -> None:
    async with open_here() as service:
        await connect(service, pg)
        await keep_draft(service, REVIEW, answers(pg, parameters__username2=""))
    async with walking() as walk:
        await resume(walk)
        await step(walk, PARAMETERS)
        await field(walk, "Second username")
        assert error(walk, "Second username") == "Is required."


async def test_a_connection_that_is_gone(pg: Database) -> None:
    async with open_here() as service:
        await connect(service, pg, "other")
        await connect(service, pg, "another")
        await keep_draft(service, REVIEW, answers(pg))
    async with walking() as walk:
        await resume(walk)
        await step(walk, CONNECTION)
        await field(walk, "Connection")
        assert error(walk, "Connection") == "There is no connection 'ops-admin'."
        await press(walk, "ctrl+n")
        await until(lambda: error(walk, "Connection") == "Is required.", "another look at what is chosen now")


async def test_users_that_do_not_exist_fail_the_preflight_and_are_made_from_there(pg: Database) -> None:
    first, second = users_of(pg)
    async with at_step(pg, REVIEW, users=False) as walk:
        await walk.sees("✗ 2 of 7 checks failed")
        await press(walk, "ctrl+n")
        await walk.sees("Not created, and nothing was changed: a check failed.")
        await walk.sees(f"{first} exists", "failed: There is no such role.", f'CREATE ROLE "{first}" LOGIN;')
        async with open_here() as service:
            assert (await service.rotations.snapshot()).rows == ()
        await tab_to(walk, "prepare-here")
        await press(walk, "enter")
        await walk.reaches("PreparationScreen")
        await press(walk, "r")
        await walk.reaches("Question")
        await press(walk, "enter")
        await walk.sees("✓ Done.")
        await press(walk, "escape")
        await walk.reaches("WizardScreen")
        await walk.sees("✓ all 12 checks passed")
        await press(walk, "ctrl+n")
        await walk.sees("✓ billing is set up")
    for user in (first, second):
        assert pg.execute(sql.SQL("SELECT rolcanlogin FROM pg_roles WHERE rolname = {}").format(user)) == [(True,)]


async def test_a_creation_that_fails_says_what_happened_and_can_be_tried_again(pg: Database) -> None:
    """The check may pass and the change fail: here the server refuses it."""
    first, second = users_of(pg)
    statement = "ALTER ROLE {{username}} PASSWORD '{{password}}'; SELECT 1 / 0"
    async with at_step(pg, REVIEW, parameters__rotationStatement=statement) as walk:
        await walk.sees("checks passed")
        await press(walk, "ctrl+n")
        await walk.sees(
            "✗ Not set up.", "What happened", "division by zero", "What still works", "No secret was written"
        )
        await walk.sees("Back to the review", "Try again", f"{second}", "✗ issue")
        await press(walk, "escape")
        await step(walk, REVIEW)
        await press(walk, "2")
        await step(walk, PARAMETERS)
        while label(walk) != "Rotation statement":
            await press(walk, "tab")
        await press(walk, "down", "end", *["backspace"] * 14)
        await press(walk, "ctrl+n")
        await step(walk, REVIEW)
        await walk.sees("checks passed")
        await press(walk, "ctrl+n")
        await walk.sees("✓ billing is set up", first)


async def test_a_name_taken_while_one_reviews_leads_back_to_its_step(pg: Database) -> None:
    async with at_step(pg, REVIEW) as walk:
        await walk.sees("checks passed")
        async with open_here("cli:ben") as service:
            await rotate_users(service, pg, "ops-admin", "billing", path="/billing")
        await press(walk, "ctrl+n")
        await step(walk, DETAILS)
        await field(walk, "Name")
        await walk.sees("A rotation named billing exists already at /billing.")
        await fill(walk, "Name", "billing-2")
        await press(walk, "ctrl+n")
        await step(walk, REVIEW)
        await press(walk, "ctrl+n")
        await walk.sees("✓ billing-2 is set up")


async def test_the_type_comes_first(pg: Database) -> None:
    async with walking() as walk:
        await start(walk)
        await press(walk, "ctrl+n")
        await step(walk, CONNECTION)
        await press(walk, "ctrl+n")
        await walk.sees("! Is required.")
        await press(walk, "escape")
        await step(walk, 0)
