"""`keyturn rotations create TYPE` and `keyturn connections add APP` by questions, up to the one that is asked last."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from app.cli import connection_questions, output
from app.cli.asking import Answers, Left, Question, agreed, ask, change, refuse_no_terminal, say, told
from app.cli.conversation import Conversation, conversation
from app.cli.output import clean, note
from app.cli.rotation_questions import ASIDE, Facts, ask_all, asker, body_of, command_of, learn, questions
from app.cli.rotations import listener_for, outcome
from app.errors import EXIT_FAILED, explain
from app.service import Service

_MARKS = {"passed": "ok  ", "warning": "warn", "failed": "FAIL"}
_NO_ROTATION = "No rotation was created."
_CREATE, _CHANGE, _LOOK, _PREPARE, _LEAVE = "create", "change", "look", "prepare", "leave"
_ANSWERS = (
    ("create it", _CREATE),
    ("change an answer", _CHANGE),
    ("look once more whether it can work", _LOOK),
    ("show the script that makes what is missing, and run it if you like", _PREPARE),
    ("leave; nothing is created", _LEAVE),
)


def connection(args: Namespace) -> int:
    """Raises UsageError without a terminal."""
    refuse_no_terminal("keyturn connections add")
    try:
        with conversation() as talk:
            added = connection_questions.add(talk, args.app)
    except Left:
        return _left("Nothing was kept.")
    if args.json:
        output.json_line({"appConnection": output.model_json(added.connection)})
    else:
        output.line(clean(f"Added {added.connection.name}: {added.tested}"))
    return 0


def rotation(args: Namespace) -> int:
    """Raises UsageError without a terminal."""
    refuse_no_terminal("keyturn rotations create")
    try:
        with conversation() as talk:
            facts = learn(talk, args.type)
            answers: Answers = {}
            note(clean(f"A new rotation of {facts.kind.title}. Nothing is created before the last question."))
            note("Enter takes what stands in brackets; ctrl+c leaves.")
            while True:
                ask_all(talk, facts, answers)
                decided = _decided(talk, facts, answers)
                if decided == _CREATE:
                    return talk.wait(lambda service: _create(service, args, body_of(facts.kind, answers)))
                if decided == _LEAVE:
                    return _left(_NO_ROTATION)
                _change(talk, facts, answers)
    except Left:
        return _left(_NO_ROTATION)


async def _create(service: Service, args: Namespace, body: dict[str, Any]) -> int:
    created = await service.creation.create(args.type, body, listener_for(args))
    return await outcome(service, args, created.rotation, "Created")


def _left(what: str) -> int:
    note(what)
    return EXIT_FAILED


def _change(talk: Conversation, facts: Facts, answers: Answers) -> None:
    change(answers, list(questions(facts, answers)), asker(talk, facts, answers))


def _decided(talk: Conversation, facts: Facts, answers: Answers) -> str:
    """Show what would happen, and ask."""
    _review(talk, facts, answers)
    while True:
        failed = _preflight(talk, facts, answers)
        note("")
        hidden = {*([_CREATE] if failed else []), *([] if facts.kind.preparable else [_PREPARE])}
        offered = tuple(each for each in _ANSWERS if each[1] not in hidden)
        default = _LOOK if failed else ""
        decided = ask(Question("", "What now", options=offered, default=default, required=True))
        if decided == _PREPARE:
            _prepare(talk, facts, answers)
        if decided in (_LOOK, _PREPARE):
            continue
        if decided == _CREATE and not agreed(f"Create {answers['name']} now", default=None):
            continue
        return decided


def _review(talk: Conversation, facts: Facts, answers: Answers) -> None:
    body = body_of(facts.kind, answers)
    outlook = talk.service.creation.outlook(facts.kind.type, body)
    note("\nReview")
    shown = told(answers, [each for each in questions(facts, answers) if each.key not in ASIDE])
    width = max(len(title) for title, _ in shown)
    for title, text in shown:
        note(clean(f"  {title.ljust(width)}  {text}"))
    note("\nWhat happens")
    for number, effect in enumerate(outlook.effects, 1):
        say(f"  {number}. {effect}")
    note("\nNext runs")
    for run in outlook.runs:
        local = run.astimezone()
        here = f", {local:%Y-%m-%d %H:%M %Z} here" if local.utcoffset() else ""
        note(f"  {run:%Y-%m-%d %H:%M} UTC{here}")
    if not outlook.runs:
        note("  none: it does not rotate by itself")
    note("\nThe same without questions")
    for line in command_of(facts.kind, body).splitlines():
        note(clean(f"  {line}"))


def _prepare(talk: Conversation, facts: Facts, answers: Answers) -> None:
    """Show the script, and run it through the connection when a person agrees."""
    body = body_of(facts.kind, answers)
    view = talk.wait(lambda service: service.connections.view(body["connectionId"]))
    script = talk.service.creation.preparation(facts.kind.type, body["parameters"], view.settings)
    assert script is not None
    for line in script.text.splitlines():
        note(clean(line))
    if not agreed(f"Run it now as {view.summary}, all of it or nothing", default=False):
        return
    try:
        talk.wait(lambda service: service.creation.prepare(facts.kind.type, body["parameters"], view.name))
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        say(f"It did not go through: {known.message}")
        for line in known.remedy.splitlines():
            note(clean(f"  {line}"))
    else:
        note("Done.")


def _preflight(talk: Conversation, facts: Facts, answers: Answers) -> bool:
    """Tell whether it can work. Whether something is in the way."""
    note("\nPreflight")
    try:
        checks = talk.wait(lambda service: service.creation.preflight(facts.kind.type, body_of(facts.kind, answers)))
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        note(clean(f"  It cannot be tried: {known.message}"))
        for line in known.remedy.splitlines():
            note(clean(f"    {line}"))
        return True
    for check in checks:
        note(clean(f"  {_MARKS[check.result]} {check.title}{f': {check.detail}' if check.detail else ''}"))
        for line in check.remedy.splitlines() if check.result != "passed" else ():
            note(clean(f"       {line}"))
    return any(check.result == "failed" for check in checks)
