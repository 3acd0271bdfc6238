"""`keyturn secrets set` and `delete`: secrets that no rotation writes."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

from app.cli import output
from app.cli.asking import Question, ask
from app.cli.body import read_body, read_text
from app.cli.conversation import heeding_signals
from app.cli.questions import confirm_secret_deletion
from app.cli.running import use
from app.cli.secrets import place_of
from app.errors import EXIT_FAILED, UsageError
from app.forms import Kind
from app.service import Service


def put(args: Namespace) -> int:
    place, body = place_of(args), _body(args)

    async def work(service: Service) -> int:
        written = await service.secrets.put(place, args.name, body)
        if args.json:
            await _document(service, args, written.name)
        elif written.before == 0:
            output.line(output.clean(f"Created {written.name} at {place.environment} {place.path}."))
        elif written.version == written.before:
            output.line(output.clean(f"{written.name} has this value already: version {written.version}."))
        else:
            output.line(output.clean(f"Changed {written.name}: version {written.version}."))
        return 0

    return use(work)


def delete(args: Namespace) -> int:
    place = place_of(args)
    if not args.yes and not confirm_secret_deletion(args.name, f"{place.environment} {place.path}"):
        output.note("Nothing was deleted.")
        return EXIT_FAILED

    async def work(service: Service) -> int:
        removed = await service.secrets.remove(place, args.name)
        if args.json:
            output.json_line({"secret": {"id": removed.id, "secretKey": removed.name, "version": removed.version}})
        else:
            output.line(output.clean(f"Deleted {removed.name}."))
        return 0

    return use(work)


async def _document(service: Service, args: Namespace, name: str) -> None:
    """Without the value: whoever set it has it."""
    documents = service.secrets.documents
    found = documents.document(await documents.named(place_of(args), name), show=False)
    output.json_line({"secret": output.model_json(found)})


def _body(args: Namespace) -> Any:
    comment = {} if args.comment is None else {"secretComment": args.comment}
    if args.file is not None:
        body = read_body(args.file)
        return {**body, **comment} if isinstance(body, dict) else body
    if args.value_file is None and comment:
        return comment
    return {"secretValue": _value(args), **comment}


def _value(args: Namespace) -> str:
    on_terminal = sys.stdin is not None and sys.stdin.isatty()
    if args.value_file is None and not on_terminal:
        raise UsageError(
            f"{args.name} needs a value, and there is no terminal to ask for it on.",
            remedy="Give it by --value-file FILE, or by --value-file - from standard input.",
        )
    if args.value_file in (None, "-") and on_terminal:
        with heeding_signals():
            return ask(Question("secretValue", f"Value of {args.name}", kind=Kind.SECRET, required=True))
    text = read_text(args.value_file, "value")
    one_line = text.removesuffix("\n").removesuffix("\r")
    return text if "\n" in one_line else one_line
