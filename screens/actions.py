"""What can be done with a rotation, asked and shown the same way wherever it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import App

from app.views import RotationDetail, RotationRow
from screens import guarding
from screens.desk import DELETE, EMERGENCY
from screens.dialogs import YES, DeleteDialog, confirmation, error_dialog
from screens.progress import ProgressScreen
from screens.text import one_line
from screens.troubles import told
from screens.waiting import NotAwaited, answer_of
from screens.widgets.question import Question

if TYPE_CHECKING:
    from screens.desk import Desk


async def rotate(app: App[int], desk: Desk, row: RotationRow) -> None:
    """Ask, then show the steps; work that is under way already is shown at once."""
    running = desk.works.get(row.id)
    if running is not None and running.running:
        await app.push_screen_wait(ProgressScreen(desk, running))
        return
    detail = await _to_ask_about(app, desk, row)
    if detail is None:
        return
    question = confirmation(f"Rotate {row.name} now?", _what_rotating_does(detail), "Rotate now")
    if await app.push_screen_wait(question) != YES:
        return
    await app.push_screen_wait(ProgressScreen(desk, desk.rotate(row.id, row.name)))


async def emergency(app: App[int], desk: Desk, row: RotationRow) -> None:
    """Ask for its name, renew both credentials, and show the report; what is under way already is shown at once."""
    from screens.rotation_page.emergency import EmergencyDialog, report_screen

    work = desk.works.get(row.id)
    if (work is None or work.verb != EMERGENCY) and not await _at_rest(app, desk, row):
        return
    if work is None or not work.running:
        detail = await _to_ask_about(app, desk, row)
        if detail is None or not await app.push_screen_wait(EmergencyDialog(detail)):
            return
        work = desk.emergency(row.id, row.name)
    await app.push_screen_wait(ProgressScreen(desk, work))
    if work.verb == EMERGENCY and not work.running and work.error is None:
        await app.push_screen_wait(report_screen(desk, row))


async def pause_or_resume(app: App[int], desk: Desk, row: RotationRow) -> None:
    """Switch auto-rotation off or on, and say what that means."""
    if not await _at_rest(app, desk, row) or (detail := await detail_of(app, desk, row)) is None:
        return
    rotations = desk.service.rotations
    try:
        if detail.auto_rotation:
            await answer_of(app, rotations.pause(row.id))
            said = f"{row.name} is paused: it rotates by hand alone until it is resumed."
            said = f"{said} {await answer_of(app, rotations.expiry_warning(row.id))}".rstrip()
        else:
            await answer_of(app, rotations.resume(row.id))
            said = f"{row.name} is resumed: it rotates on schedule again."
    except Exception as error:
        await show_error(app, f"{row.name} is unchanged", error)
        return
    desk.refresh()
    app.notify(one_line(said), markup=False)


async def change_guard(app: App[int], desk: Desk, row: RotationRow) -> None:
    """Ask what a run does when the credential that it is about to replace is still in use."""
    if not await _at_rest(app, desk, row) or (detail := await _to_ask_about(app, desk, row)) is None:
        return
    hours = detail.guard_wait_hours
    text = (
        f"{guarding.sentence(detail.guard, hours)}\n\n"
        "Another number of hours, or the same from a script:\n"
        f"""echo '{{"guard": {{"policy": "wait", "waitHours": 48}}}}' | keyturn rotations edit {row.name} --file -"""
    )
    answers = [
        (guarding.WARN, "Warn and go on"),
        (guarding.WAIT, f"Wait up to {hours} h"),
        (guarding.OFF, "Do not look"),
    ]
    answers.sort(key=lambda answer: answer[0] != detail.guard)
    policy = await app.push_screen_wait(Question("If still in use", text, answers))
    if policy in ("", detail.guard):
        return
    try:
        await answer_of(app, desk.service.edits.edit(row.id, {"guard": {"policy": policy, "waitHours": hours}}))
    except Exception as error:
        await show_error(app, f"{row.name} is unchanged", error)
        return
    desk.refresh()
    app.notify(one_line(guarding.sentence(policy, hours)), markup=False)


async def move(app: App[int], desk: Desk, row: RotationRow) -> None:
    """Ask where to, and say what became of it."""
    from screens.rotation_page.move import MoveDialog

    asked_on = app.screen
    if not await _at_rest(app, desk, row) or (detail := await detail_of(app, desk, row)) is None:
        return
    try:
        environments = await answer_of(app, desk.service.secrets.environments(row.project))
        places = await answer_of(app, desk.service.secrets.places())
    except Exception as error:
        await show_error(app, row.name, error)
        return
    if app.screen is not asked_on:
        return
    there = await app.push_screen_wait(MoveDialog(desk, detail, environments, places))
    if there:
        desk.refresh()
        app.notify(one_line(f"{row.name} and its secrets are in {there} now."), markup=False)


async def delete(app: App[int], desk: Desk, row: RotationRow) -> bool:
    """Ask for its name, then delete. True: it is gone, or being deleted."""
    running = desk.works.get(row.id)
    if not await _at_rest(app, desk, row):
        return False
    if running is not None and running.verb == DELETE and desk.works.get(row.id) is running and running.error is None:
        return True
    detail = await _to_ask_about(app, desk, row)
    chosen = await app.push_screen_wait(DeleteDialog(detail)) if detail is not None else None
    if chosen is None:
        return False
    revoke, delete_secrets = chosen
    work = desk.delete(row.id, row.name, revoke=revoke, delete_secrets=delete_secrets)
    await app.push_screen_wait(ProgressScreen(desk, work))
    return not work.running and work.error is None


async def _at_rest(app: App[int], desk: Desk, row: RotationRow) -> bool:
    """Whether nothing is under way with it here; what is, is shown first."""
    work = desk.works.get(row.id)
    if work is not None and work.running:
        await app.push_screen_wait(ProgressScreen(desk, work))
    return work is None or not work.running


async def _to_ask_about(app: App[int], desk: Desk, row: RotationRow) -> RotationDetail | None:
    """Like `detail_of`; None as well when another window was opened meanwhile: two hasty keys ask one question."""
    asked_on = app.screen
    detail = await detail_of(app, desk, row)
    return detail if app.screen is asked_on else None


async def detail_of(app: App[int], desk: Desk, row: RotationRow) -> RotationDetail | None:
    """The newest detail; None after telling why there is none."""
    try:
        return await answer_of(app, desk.service.rotations.detail(row.id))
    except NotAwaited:
        return None
    except Exception as error:
        await show_error(app, row.name, error)
        return None


async def show_error(app: App[int], title: str, error: Exception) -> None:
    """In a window; that somebody did not wait, in passing."""
    if isinstance(error, NotAwaited):
        app.notify(f"{error.message} {error.remedy}", severity="warning", markup=False)
        return
    await app.push_screen_wait(error_dialog(title, told(error)))


def _what_rotating_does(detail: RotationDetail) -> str:
    active = next((slot.identity for slot in detail.slots if slot.active), "")
    following = next((slot.identity for slot in detail.slots if not slot.active), "")
    names = ", ".join(detail.mapping.values())
    if not active:
        return "It was never published. Both credentials are issued, tried, and the first one is published."
    return (
        f"{following} gets a new credential. When it logs in, it is published in {names}.\n"
        f"{active} keeps working, and is replaced by the run after that.\n"
        f"What {following} has now stops working: nothing should use it any more."
    )
