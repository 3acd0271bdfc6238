"""What is typed, what is printed, and the exit code: 0 as expected, 1 something differs, else as keyturn's."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from app.cli import EXIT_INTERRUPTED, EXIT_PIPE_CLOSED, EXIT_TERMINATED, output
from app.cli.endings import OutputClosed, Terminated
from app.cli.failures import report
from app.cli.running import use
from app.errors import EXIT_FAILED, UsageError
from app.live_checks import aws, azure
from app.live_checks.findings import Finding, Findings, Pace, Verdict
from app.live_checks.ground import Ground, clean_up
from app.operations.context import connection_by
from app.rotation.redact import redact
from app.service import Service
from providers.aws import AwsTarget
from providers.azure import AzureTarget
from providers.base import Target
from store import connections
from store.database import Tx
from store.tables import Connection

PACE = Pace()
_REMOVED = "What was made is removed, unless a line above says otherwise."
Checks = Callable[[Ground[Any]], Awaitable[None]]


def main(argv: Sequence[str] | None = None, pace: Pace = PACE) -> int:
    """No known error leaves."""
    args = _parser().parse_args(argv)
    output.prepare()
    try:
        return use(lambda service: _carry_out(service, args, pace))
    except KeyboardInterrupt:
        output.note(f"Interrupted. {_REMOVED}")
        return EXIT_INTERRUPTED
    except Terminated:
        output.note(f"Terminated. {_REMOVED}")
        return EXIT_TERMINATED
    except OutputClosed:
        return EXIT_PIPE_CLOSED
    except Exception as error:
        return report(error)
    finally:
        output.abandon()


async def _carry_out(service: Service, args: argparse.Namespace, pace: Pace) -> int:
    row, secret_part = await _connection(service, args.connection)
    target = await service.context.targets.get(row, secret_part)
    findings = Findings(lambda finding: _print(finding, secret_part.values()))
    here, read, write = await _ground(target, args, findings, pace)
    await read(here)
    if not args.write:
        output.note(f"Nothing was changed. --write adds a credential to {here.who}, tries it, and removes it again.")
    elif not findings.good:
        output.note("Nothing was added: what is not as expected comes first.")
    else:
        try:
            await write(here)
        finally:
            await clean_up(here)
    differing = sum(finding.verdict is Verdict.DIFFERS for finding in findings.all)
    output.line(f"{len(findings.all)} checks, {differing} not as expected.")
    return 0 if findings.good else EXIT_FAILED


async def _ground(
    target: Target, args: argparse.Namespace, findings: Findings, pace: Pace
) -> tuple[Ground[Any], Checks, Checks]:
    """Raises UsageError, TargetError."""
    try:
        if isinstance(target, AwsTarget) and args.user:
            return aws.ground(target, args.user, args.region, findings, pace), aws.read, aws.write
        if isinstance(target, AzureTarget) and args.application:
            return await azure.ground(target, args.application, findings, pace), azure.read, azure.write
    except ValidationError as error:
        raise UsageError(error.errors()[0]["msg"]) from None
    raise UsageError("A connection to AWS needs --user, one to Entra --application. There are checks for no other.")


async def _connection(service: Service, ref: str) -> tuple[Connection, dict[str, str]]:
    """Raises NotFound."""

    def look(tx: Tx) -> tuple[Connection, dict[str, str]]:
        row = connection_by(tx, ref)
        return row, connections.secret_credentials(tx, row)

    return await service.store.aread(look)


def _print(finding: Finding, hidden: Iterable[str]) -> None:
    lines = [f"{finding.verdict:<8}{finding.seconds:6.1f} s  {finding.title}: {finding.seen}"]
    if finding.verdict is Verdict.DIFFERS:
        lines += [f"{'':18}{text}" for text in (f"expected: {finding.expected}", *finding.remedy.splitlines())]
    for text in lines:
        output.line(output.clean(redact(text, hidden)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m app.live_checks",
        description="Look at a real cloud for what no stand-in can show. Nothing is changed without --write.",
        epilog="Exit code 1 when something is not as expected. docs/live-checks.md tells what is expected, and why.",
        allow_abbrev=False,
    )
    parser.add_argument("connection", metavar="CONNECTION", help="name or id of one of Keyturn's connections")
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument("--user", metavar="NAME", help="the IAM user to look at")
    whom.add_argument("--application", metavar="OBJECT-ID", help="the Entra application to look at, by its object ID")
    parser.add_argument("--region", metavar="R", help="where STS tries keys; the connection's region without it")
    parser.add_argument(
        "--write",
        action="store_true",
        help="also add credentials to that user or application and remove them; nothing else is touched",
    )
    return parser
