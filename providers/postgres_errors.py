"""What PostgreSQL's errors mean for a rotation: wait or give up, changed or not, and what a person can do.

Only the server's own message and hint are passed on, never the statement around them: it may quote a password.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from providers.base import Outcome, TargetError, TargetRefused, TargetUnavailable

if TYPE_CHECKING:
    import psycopg

# A failed login carries no SQLSTATE, only text in the server's language: what PostgreSQL 15 to 18 and PgBouncer say.
_WRONG_PASSWORD = re.compile(
    r"password authentication failed|SASL authentication failed"
    r"|Passwort-Authentifizierung für Benutzer|autentificación password falló|par mot de passe échouée"
    r"|autenticazione con password fallita|のパスワード認証に失敗|password 인증을 실패|не прошёл проверку подлинности"
    r"|не пройшов автентифікацію|Lösenordsautentisering misslyckades|პაროლით ავთენტიფიკაცია|Password 认证失败"
    r"|autenticação do tipo senha falhou|şifre doğrulaması başarısız|uwierzytelnianie hasłem nie powiodło się"  # noqa: RUF001
)
_TEXT = re.compile(r"(?:connection failed: )?(?:connection to server at .*?, port \d+ failed: )?(?:[A-Z]+:  )?(.*)")

# SQLSTATE classes and codes that time, or another server, may cure.
_PASSING = re.compile(r"08|40|53|58|XX|57P0[1235]|55P03|55006|57014|57P05|25006")
# The server itself does not know whether the transaction was committed.
_UNDECIDED = ("40003", "08007")
_READ_ONLY = "25006"
_NO_PERMISSION = "42501"
_NO_SUCH_ROLE = "42704"
_WANTS_PLAINTEXT = re.compile(r"plain ?-?text|encrypted|hashed|verifier", re.IGNORECASE)
_SEND_PLAINTEXT = (
    "If a policy of the server wants to see the password itself, give the rotation a statement that sends it: "
    "DO $$BEGIN EXECUTE format('ALTER ROLE %I PASSWORD %L', '{{username}}', '{{password}}'); END$$"
)


def identifier(name: str) -> str:
    """Return a name as SQL writes it, always quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL writes it, for a server with standard_conforming_strings on, the default."""
    return "'" + text.replace("'", "''") + "'"


def admin_grant(role: str, admin: str) -> str:
    """Return what `admin` needs on `role` besides CREATEROLE, from PostgreSQL 16 on, to change its password."""
    return f"GRANT {identifier(role)} TO {identifier(admin)} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;"


def rights(role: str, admin: str, server_version: int) -> str:
    """Return all that `admin` needs to change the password of `role`. What it has already does no harm."""
    create_role = f"ALTER ROLE {identifier(admin)} CREATEROLE;"
    return create_role if server_version < 160000 else f"{create_role}\n{admin_grant(role, admin)}"


def withhold(text: str, secrets: tuple[str, ...]) -> str:
    """Return the server's text, or a note in its place when it quotes any part of a secret."""
    parts = {secret[at : at + 4] for secret in secrets for at in range(max(1, len(secret) - 3)) if secret}
    if any(part in text for part in parts):
        return "(the server's message is withheld because it quotes a part of the password)"
    return text


def _concerns_superusers(error: psycopg.Error) -> bool:
    """Whether only a superuser may do it, because it is done to one. The keyword is the same in every language."""
    detail = error.diag.message_detail or ""
    before_16 = (error.diag.message_primary or "").startswith("must be superuser to alter superuser")
    return detail.count("SUPERUSER") > 1 or before_16


@dataclass(frozen=True)
class _Refusal:
    """A definite no at login: how to tell it, what it means and what mends it."""

    text: re.Pattern[str]
    message: str
    remedy: str
    about_role: bool = False
    """Whether it concerns the role that logs in, rather than the way to the server."""
    own_remedy: str = ""
    """What mends it for the connection's own role, where that differs."""


# The texts may name the role, the database and the address, as `Circumstances` knows them.
_REFUSALS = (
    _Refusal(
        _WRONG_PASSWORD,
        "The password of {role} was refused",
        "If the password is right, look at the role's VALID UNTIL and at the server's pg_hba.conf.",
        about_role=True,
        own_remedy="Enter its current password in the connection.",
    ),
    _Refusal(
        re.compile(r'role "?.*"? is not permitted to log in'),
        "{role} may not log in",
        "ALTER ROLE {role} LOGIN;",
        about_role=True,
    ),
    _Refusal(
        re.compile(r'role ".*" does not exist'),
        "There is no role {role}",
        "CREATE ROLE {role} LOGIN;",
        about_role=True,
    ),
    _Refusal(
        re.compile(r'database ".*" does not exist'),
        "There is no database {database}",
        "Correct the database in the connection.",
    ),
    _Refusal(
        re.compile(r'permission denied for database "'),
        "{role} may not connect to the database {database}",
        "GRANT CONNECT ON DATABASE {database} TO {role};",
    ),
    _Refusal(
        re.compile(r"no pg_hba\.conf entry|pg_hba\.conf rejects connection"),
        "The server's pg_hba.conf lets {role} not into the database {database} from here",
        "Add a line for them to pg_hba.conf, or turn TLS on or off in the connection if the line asks for that.",
    ),
    _Refusal(
        re.compile(r"server does not support SSL"),
        "The server does not speak TLS",
        "Set ssl = on at the server, or turn TLS off in the connection.",
    ),
    _Refusal(
        re.compile(r"certificate verify failed|self[- ]signed certificate|signature failure"),
        "The server's certificate is not signed by a trusted authority",
        "Enter the certificate of the authority that signed it in the connection.",
    ),
    _Refusal(
        re.compile(r"server certificate for .* does not match|can't get server certificate name"),
        "The server's certificate is for another name",
        "Use the name in the certificate as the connection's host.",
    ),
)
_SILENT = "Look whether the server hangs or is overloaded."
_BROKEN_OFF = "Look whether the server or the network failed; the server's log may say."
_ERROR_NUMBER = re.compile(r"\[Errno -?\d+\] ")
_UNREACHABLE = (
    (re.compile(r"failed to resolve host"), "Check the connection's host name."),
    (re.compile(r"Connection refused"), "Check the connection's host and port, and that the server runs."),
    (re.compile(r"timeout expired|No route to host|unreachable"), "Check the host, and the firewalls on the way."),
)
_NOT_NOW = (
    (re.compile(r"server closed the connection|Connection reset"), _BROKEN_OFF),
    (
        re.compile(r"too many (?:clients|connections)|remaining connection slots"),
        "Raise the limit, or end sessions that nobody needs.",
    ),
    (re.compile(r'definition of service "'), "Unset the environment variable PGSERVICE."),
)


def _let_go(error: BaseException | None) -> None:
    """Drop what the frames of an interrupted call hold: a half-made connection would stay open as long as they."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


@dataclass
class Circumstances:
    """What was going on when an error came; the last three are kept up to date meanwhile.

    `user` logs in; `role` is whom the work is about. From `sent` on, a lost answer leaves open what the server
    did. No text of the server that quotes a part of `secrets` is passed on.
    """

    address: str
    database: str
    user: str
    role: str = ""
    secrets: tuple[str, ...] = ()
    refused: type[TargetRefused] = TargetRefused
    """What a refusal that is about `user` itself is called."""
    server_version: int = 0
    connecting: bool = False
    sent: bool = False

    @contextlib.contextmanager
    def translating(self) -> Iterator[None]:
        """Turn whatever the client library raises into a TargetError."""
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            raise (self._login_failure(error) if self.connecting else self.failure(error)) from None
        except TimeoutError as error:
            _let_go(error)
            raise self._unavailable("did not answer in time", _SILENT) from None
        except (OSError, UnicodeError) as error:
            raise self._unavailable(f"can't be reached: {error}") from None
        except asyncio.CancelledError as error:
            _let_go(error)
            raise

    def failure(self, error: psycopg.Error) -> TargetError:
        """Classify an error of a statement."""
        import psycopg

        state = error.sqlstate
        if state is None and isinstance(error, psycopg.OperationalError):
            return self._unavailable("closed the connection before it answered", _BROKEN_OFF)
        text = withhold(error.diag.message_primary or state or str(error), self.secrets)
        if state is None:
            return TargetRefused(f"The statement can't be run: {text}", outcome=self._outcome)
        certain = error.diag.severity_nonlocalized == "ERROR" and state not in _UNDECIDED
        outcome = Outcome.UNCHANGED if certain else self._outcome
        message = f"PostgreSQL at {self.address} says: {text}."
        if state == _READ_ONLY:
            message += " This is a replica, or the database is read-only."
            return TargetUnavailable(message, remedy="Point the connection at the primary.", outcome=outcome)
        if _PASSING.match(state):
            return TargetUnavailable(message, remedy=self._hint(error), outcome=outcome)
        return TargetRefused(message, remedy=self._remedy(error, state), outcome=outcome)

    def _remedy(self, error: psycopg.Error, state: str) -> str:
        text = error.diag.message_primary or ""
        if state == _NO_PERMISSION and "rds_password" in text:
            return f"GRANT rds_password TO {identifier(self.user)};"
        if state == _NO_PERMISSION and self.role and _concerns_superusers(error):
            return f"ALTER ROLE {identifier(self.role)} NOSUPERUSER;"
        if state == _NO_PERMISSION and self.role:
            return rights(self.role, self.user, self.server_version)
        if state == _NO_SUCH_ROLE and self.role:
            return f"CREATE ROLE {identifier(self.role)} LOGIN;"
        if self.role and _WANTS_PLAINTEXT.search(text):
            return f"{self._hint(error)} {_SEND_PLAINTEXT}".strip()
        return self._hint(error)

    def _hint(self, error: psycopg.Error) -> str:
        return withhold(error.diag.message_hint or "", self.secrets)

    def _login_failure(self, error: psycopg.Error) -> TargetError:
        """Classify an error of a login; what is not certainly a no is taken for "not now"."""
        whole = str(error)
        plain = {"role": self.user, "database": self.database}
        quoted = {"role": identifier(self.user), "database": identifier(self.database)}
        for refusal in _REFUSALS:
            if refusal.text.search(whole):
                kind = self.refused if refusal.about_role else TargetRefused
                message = f"{refusal.message.format(**plain)} (PostgreSQL at {self.address})."
                remedy = refusal.remedy if self.refused is not TargetRefused else refusal.own_remedy
                return kind(message, remedy=(remedy or refusal.remedy).format(**quoted))
        found = _TEXT.match(whole)
        nobody_there = next((remedy for text, remedy in _UNREACHABLE if text.search(whole)), "")
        remedy = nobody_there or next((remedy for text, remedy in _NOT_NOW if text.search(whole)), "")
        text = _ERROR_NUMBER.sub("", found[1] if found else whole)
        what = "can't be reached" if nobody_there else f"does not let {self.user} in"
        return self._unavailable(f"{what}: {text}", remedy)

    @property
    def _outcome(self) -> Outcome:
        return Outcome.UNKNOWN if self.sent else Outcome.UNCHANGED

    def _unavailable(self, what: str, remedy: str = "") -> TargetUnavailable:
        return TargetUnavailable(f"PostgreSQL at {self.address} {what}.", remedy=remedy, outcome=self._outcome)
