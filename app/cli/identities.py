"""`keyturn identities`: programs that may use the HTTP API."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from app.cli import output
from app.cli.running import use
from app.errors import UsageError

if TYPE_CHECKING:
    from app.operations.identities import Credited, IdentityView
    from app.service import Service


def create(args: Namespace) -> int:
    from app.operations.identities import NewIdentity

    wanted = NewIdentity(
        name=args.name,
        project=args.project,
        environments=_environments(args.environments),
        paths=_words(args.paths),
        allowed=_words(args.allow),
        token_seconds=args.token_minutes * 60,
    )

    async def work(service: Service) -> int:
        return _handed_over(args, await service.identities.create(wanted))

    return use(work)


def new_secret(args: Namespace) -> int:
    async def work(service: Service) -> int:
        return _handed_over(args, await service.identities.new_secret(args.name))

    return use(work)


def show_all(args: Namespace) -> int:
    async def work(service: Service) -> int:
        views = await service.identities.list()
        if args.json:
            output.json_line({"identities": output.view_json(views)})
            return 0
        output.table(
            ("NAME", "PROJECT", "ENVIRONMENTS", "PATHS", "MAY", "TOKENS", "LAST LOGIN", "CLIENT ID"),
            [_cells(view) for view in views],
            empty="There are no identities. keyturn identities create makes one.",
            yields=("ENVIRONMENTS", "PATHS"),
        )
        return 0

    return use(work)


def show(args: Namespace) -> int:
    async def work(service: Service) -> int:
        view = await service.identities.show(args.name)
        if args.json:
            output.json_line({"identity": output.view_json(view)})
        else:
            output.pairs(_facts(view))
        return 0

    return use(work)


def revoke(args: Namespace) -> int:
    async def work(service: Service) -> int:
        count = await service.identities.revoke(args.name)
        if args.json:
            output.json_line({"revokedTokens": count})
        else:
            ended = "1 token is revoked" if count == 1 else f"{count} tokens are revoked"
            output.note(f"{ended}. Its secret still logs in: keyturn identities new-secret ends that.")
        return 0

    return use(work)


def remove(args: Namespace) -> int:
    async def work(service: Service) -> int:
        view = await service.identities.remove(args.name)
        if args.json:
            output.json_line({"identity": output.view_json(view)})
        else:
            output.note(output.clean(f"{view.name} is removed; its secret and its tokens are worth nothing any more."))
        return 0

    return use(work)


def _handed_over(args: Namespace, made: Credited) -> int:
    """The secret is told this once."""
    if args.json:
        output.json_line({"identity": output.view_json(made.identity), "clientSecret": made.client_secret})
        return 0
    output.pairs([*_facts(made.identity), ("client secret", made.client_secret)])
    output.note("The client secret is shown this once; it is not kept.")
    return 0


def _facts(view: IdentityView) -> list[tuple[str, str]]:
    return [
        ("name", view.name),
        ("client id", view.id),
        ("project", f"{view.project} ({view.project_id})"),
        ("environments", ", ".join(view.environments) or "all"),
        ("paths", ", ".join(view.paths)),
        ("may", ", ".join(view.allowed)),
        ("token lasts", f"{view.token_seconds // 60} min"),
        ("valid tokens", str(view.tokens)),
        ("created", output.when(view.created_at)),
        ("last login", output.when(view.last_login_at, "never")),
    ]


def _cells(view: IdentityView) -> tuple[str, ...]:
    return (
        view.name,
        view.project,
        ",".join(view.environments) or "all",
        ",".join(view.paths),
        ",".join(view.allowed),
        str(view.tokens),
        output.distance(view.last_login_at, "never"),
        view.id,
    )


def _environments(text: str | None) -> tuple[str, ...]:
    """None are all of them. Raises UsageError for a list that names none: an empty variable must not open all."""
    found = () if text is None else _words(text)
    if text is not None and not found:
        raise UsageError("--environments names none.", remedy="Leave it out for all of the project's environments.")
    return found


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for part in text.split(",") if (word := part.strip()))
