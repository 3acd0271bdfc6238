"""From page to page. No page is open twice: who goes back to one leaves what was opened above it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.screen import ModalScreen, Screen

from screens.text import one_line

if TYPE_CHECKING:
    from screens.desk import Desk

ROTATIONS, CONNECTIONS, SECRETS, EVENTS, SETTINGS = "rotations", "connections", "secrets", "events", "settings"
DELIVERIES = "deliveries"

TITLES = {
    ROTATIONS: ("Rotations", "All rotations"),
    CONNECTIONS: ("Connections", "Admin access to the targets"),
    SECRETS: ("Secrets", "What is published, by place"),
    EVENTS: ("Events", "The history: who did what when"),
    DELIVERIES: ("Deliveries", "What hooks were told, and what could not be delivered"),
    SETTINGS: ("Settings", "Colours, times, characters"),
}
"""What each is called, and what it is for."""


def may_leave(screen: Screen[Any]) -> bool:
    """Forms and windows are left by their own keys, which know what would be lost."""
    return not isinstance(screen, ModalScreen) and getattr(screen, "NAVIGATES", True)


def may_go(screen: Screen[Any], page: str) -> bool:
    """Not from a page to itself."""
    return may_leave(screen) and getattr(screen, "PAGE", "") != page


def go(app: App[int], desk: Desk, page: str) -> None:
    """Show that page."""
    if page == ROTATIONS:
        app.screen_stack[0].pop_until_active()
        return
    kind = _kind(page)
    for screen in app.screen_stack:
        if isinstance(screen, kind):
            screen.pop_until_active()
            return
    app.push_screen(kind(desk))


def open_rotation(app: App[int], desk: Desk, rotation_id: str) -> None:
    from screens.rotation import RotationScreen

    app.push_screen(RotationScreen(desk, rotation_id))


def open_known(app: App[int], desk: Desk, rotation_id: str, name: str) -> None:
    """Unless it is gone, which is said."""
    known = desk.snapshot.rows if desk.snapshot is not None else ()
    if any(row.id == rotation_id for row in known):
        open_rotation(app, desk, rotation_id)
    else:
        app.notify(f"The rotation {one_line(name)} is gone.", markup=False)


def _kind(page: str) -> Any:
    """The screen's class: imported when it is first asked for."""
    if page == EVENTS:
        from screens.events import EventsScreen

        return EventsScreen
    if page == DELIVERIES:
        from screens.deliveries import DeliveriesScreen

        return DeliveriesScreen
    if page == SECRETS:
        from screens.secrets import SecretsScreen

        return SecretsScreen
    from screens.connections import ConnectionsScreen

    return ConnectionsScreen
