"""What can be wrong with our own data. Each message says what happened, each remedy what to do."""

from __future__ import annotations


class StoreError(Exception):
    """Base of all store errors; never holds a value from the store."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class KeyMissing(StoreError):
    """The store has sealed values but no key was found."""


class KeyUnusable(StoreError):
    """A key was found where it was looked for, but others can read it, or it cannot be read or understood."""


class WrongKey(StoreError):
    """A key was found, but it does not open this store."""


class SealBroken(StoreError):
    """One sealed value does not open in the place where it stands: it was changed or moved."""


class StoreNewer(StoreError):
    """The store was written by a later version of Keyturn."""


class StoreUnavailable(StoreError):
    """The store cannot be read or written: read-only, full, damaged, unreachable, locked for too long."""


class Conflict(StoreError):
    """A rule of the tables refused the change: a name is taken, or a row is still in use.

    `constraint` is its name in the schema ("uq_rotation_folder_id_name"); SQLite names no foreign key, so it
    is "foreign key" there. `names` are the names that are taken, where that is known.
    """

    def __init__(self, message: str, *, remedy: str = "", constraint: str = "", names: tuple[str, ...] = ()) -> None:
        super().__init__(message, remedy=remedy)
        self.constraint = constraint
        self.names = names


class LeaseBusy(StoreError):
    """Somebody else is working on this rotation."""


class LeaseLost(StoreError):
    """Our lease ran out and somebody else took over; nothing was written."""


class StoreInUse(StoreError):
    """Other processes use the store, and what was asked for needs it alone."""
