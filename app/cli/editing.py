"""`keyturn rotations edit` and `guard`: changes by flags or by a body."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from app.cli import output
from app.cli.body import read_body
from app.cli.rotations import guard_text, listener_for, outcome, warn_of_expiry
from app.cli.running import use
from app.errors import UsageError
from app.operations import edit_texts
from app.service import Service

_FLAGS = {
    "new_name": "name",
    "description": "description",
    "interval": "rotationInterval",
    "rotate_at": edit_texts.ROTATE_AT,
    "auto_rotation": "isAutoRotationEnabled",
    "guard": "guard.policy",
    "guard_wait_hours": "guard.waitHours",
}
"""Which documented name each flag stands for."""


def edit(args: Namespace) -> int:
    texts = _given(args)
    if bool(texts) is (args.file is not None):
        what = "Flags and --file exclude each other." if texts else "There is nothing to change."
        raise UsageError(what, remedy="Give either flags, such as --interval 14, or --file body.json.")
    body = read_body(args.file) if args.file is not None else None

    async def work(service: Service) -> int:
        return await _apply(service, args, body if body is not None else await _body(service, args.name, texts))

    return use(work)


def guard(args: Namespace) -> int:
    if args.wait_hours is not None and args.policy != "wait":
        raise UsageError("--wait-hours goes with the policy wait.", remedy="keyturn rotations guard NAME wait")
    texts = {"guard.policy": args.policy, "guard.waitHours": args.wait_hours}
    given = {key: text for key, text in texts.items() if text is not None}

    async def work(service: Service) -> int:
        if given:
            return await _apply(service, args, await _body(service, args.name, given))
        found = (await service.rotations.document(args.name)).guard
        if args.json:
            output.json_line({"guard": output.model_json(found)})
        else:
            output.line(guard_text(found.policy, found.wait_hours))
        return 0

    return use(work)


async def _body(service: Service, ref: str, texts: dict[str, str]) -> dict[str, Any]:
    return await edit_texts.body_of(service.context, ref, texts)


async def _apply(service: Service, args: Namespace, body: object) -> int:
    edited = await service.edits.edit(args.name, body, listener_for(args))
    output.ignored(edited.ignored)
    await warn_of_expiry(service, edited.rotation.id)
    return await outcome(service, args, edited.rotation, "Changed")


def _given(args: Namespace) -> dict[str, str]:
    """Texts by documented name. Raises UsageError when one is given twice."""
    texts = {key: str(getattr(args, flag)) for flag, key in _FLAGS.items() if getattr(args, flag) is not None}
    for setting in args.set:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise UsageError("--set takes KEY=VALUE, such as parameters.username1=billing_3.")
        if key in texts:
            raise UsageError(f"{key} is given twice.")
        texts[key] = text
    return texts
