"""`keyturn rotations create TYPE` on a terminal: what the wizard asks, one question after the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.cli import connection_questions
from app.cli.asking import Answers, Question, ask, fill, question_of
from app.cli.conversation import Conversation
from app.cli.output import clean, note
from app.errors import explain
from app.forms import Kind, nested, value_of
from app.operations.catalog import RotationType
from app.operations.edit_texts import ROTATE_AT, time_of_day
from app.views import Pick, Place
from providers.base import Problem

_NEW = "\0new"
_PICK, _MORE = "pick", "more"
ASIDE = (_PICK, _MORE)
"""Questions whose answers are no part of the body."""
_POLICY, _HOURS = "guard.policy", "guard.waitHours"
_GUARDS = (
    ("warn    name them, and go on", "warn"),
    ("wait    until nobody uses it, then go on", "wait"),
    ("off     do not look", "off"),
)
_NO_TIME = Problem(ROTATE_AT, "must be a time of day from 00:00 to 23:59 in UTC, such as 03:30")


@dataclass(frozen=True)
class Facts:
    """What there is to choose from."""

    kind: RotationType
    projects: tuple[tuple[str, str], ...]
    environments: Mapping[str, tuple[tuple[str, str], ...]]
    places: tuple[Place, ...]


def learn(talk: Conversation, type_name: str) -> Facts:
    """Raises UnknownType."""
    kind = talk.service.catalog.rotation_type(type_name)
    projects = talk.wait(lambda service: service.secrets.projects())
    return Facts(
        kind=kind,
        projects=tuple(projects),
        environments={slug: _environments(talk, slug) for slug, _ in projects},
        places=tuple(talk.wait(lambda service: service.secrets.places())),
    )


def ask_all(talk: Conversation, facts: Facts, answers: Answers) -> None:
    """Until everything is answered and valid. Raises Left."""

    def problems(answers: Answers) -> list[Problem]:
        found = talk.wait(lambda service: service.creation.problems(facts.kind.type, body_of(facts.kind, answers)))
        wrong = ROTATE_AT in answers and time_of_day(answers[ROTATE_AT]) is None
        return [*found, *([_NO_TIME] if wrong else [])]

    fill(answers, lambda given: questions(facts, given), problems, asker(talk, facts, answers))


def asker(talk: Conversation, facts: Facts, answers: Answers) -> Callable[[Question], str]:
    """Some questions want to know what there is at this moment."""

    def ask_one(question: Question) -> str:
        if question.key == "connectionId":
            return _connection(talk, facts.kind, question)
        if question.key == _PICK:
            return _picked(talk, facts.kind, answers)
        return ask(question)

    return ask_one


def questions(facts: Facts, answers: Answers) -> Iterable[Question]:
    """In the wizard's order; each may depend on what was answered before."""
    yield from _when(facts, answers)
    yield from _parameters(facts.kind, answers)
    yield from _place(facts, answers)
    for field in facts.kind.mapping:
        yield replace(question_of(field, "secretsMapping."), title=f"{field.title} in")
    most = facts.kind.name_max_length
    help_text = f"What you will know it by: small letters, digits and hyphens; at most {most} characters."
    yield Question("name", "Name", help=help_text, required=True)
    yield Question("description", "Description", help="For those who come after you; at most 256 characters.")


def body_of(kind: RotationType, answers: Answers) -> dict[str, Any]:
    """The documented create body, as far as it goes. What is as usual among the parameters isn't sent."""
    plain = ("name", "description", "connectionId", "projectId", "environment", "secretPath", "rotationInterval")
    body: dict[str, Any] = {key: answers[key] for key in plain if answers.get(key)}
    if "rotationInterval" in body:
        body["rotationInterval"] = _number(body["rotationInterval"])
    if "isAutoRotationEnabled" in answers:
        body["isAutoRotationEnabled"] = answers["isAutoRotationEnabled"] == "true"
    if at := time_of_day(answers.get(ROTATE_AT, "")):
        body[ROTATE_AT] = at
    if _POLICY in answers:
        waiting = {"waitHours": _number(answers[_HOURS])} if answers.get(_HOURS) and answers[_POLICY] == "wait" else {}
        body["guard"] = {"policy": answers[_POLICY], **waiting}
    given = {f.key: answers.get(f"parameters.{f.key}", f.default) for f in kind.parameters}
    changed = {f.key: value_of(f, given[f.key]) for f in kind.parameters if given[f.key] != f.default}
    body["parameters"] = nested(changed)
    body["secretsMapping"] = {f.key: answers.get(f"secretsMapping.{f.key}", "").strip() for f in kind.mapping}
    return body


def _number(text: str) -> int | str:
    """What is none goes to the service as it is, which then says so."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else text


def command_of(kind: RotationType, body: Mapping[str, Any]) -> str:
    """The same without questions."""
    text = json.dumps(body, indent=2, ensure_ascii=False)
    return f"keyturn rotations create {kind.type} --file - <<'JSON'\n{text}\nJSON"


def _when(facts: Facts, answers: Answers) -> Iterable[Question]:
    yield Question("connectionId", "Connection", help="Admin access that changes the credentials.", required=True)
    interval = "So many days after a rotation the next one is due. A credential lives for two intervals."
    yield Question("rotationInterval", "Rotation interval, in days", help=interval, default="30", required=True)
    at = "Time of day in UTC, such as 03:30."
    yield Question(ROTATE_AT, "Rotate at, in UTC", help=at, default="00:00", required=True)
    yield Question(
        "isAutoRotationEnabled",
        "Rotate by itself once the interval has passed",
        default="true",
        kind=Kind.SWITCH,
    )
    use = "What a run does when programs still use the credential that it is about to replace."
    yield Question(_POLICY, "If still in use", help=use, default="warn", required=True, options=_GUARDS)
    if answers.get(_POLICY) == "wait":
        most = "Then the run warns and goes on. Both credentials work while it waits."
        yield Question(_HOURS, "Wait at most, in hours", help=most, default="24", required=True)


def _parameters(kind: RotationType, answers: Answers) -> Iterable[Question]:
    if kind.choosable:
        yield Question(_PICK, "Choose from a list")
    yield from (question_of(field, "parameters.") for field in kind.parameters if not field.advanced)
    advanced = [question_of(field, "parameters.") for field in kind.parameters if field.advanced]
    if advanced:
        titles = ", ".join(dict.fromkeys(question.title.lower() for question in advanced))
        title = "Change what is usually left as it is"
        yield Question(_MORE, title, help=f"{titles[0].upper()}{titles[1:]}.", default="false", kind=Kind.SWITCH)
    if answers.get(_MORE) == "true":
        yield from advanced


def _place(facts: Facts, answers: Answers) -> Iterable[Question]:
    yield _listed("projectId", "Project", "The project whose programs use the credential.", facts.projects)
    project = answers.get("projectId", "")
    there = facts.environments.get(project, ())
    yield _listed("environment", "Environment", "The secrets are published in this environment alone.", there)
    paths = [p.path for p in facts.places if (p.project, p.environment) == (project, answers.get("environment"))]
    yield Question(
        "secretPath",
        "Path",
        help="Folder of the secrets, such as / or /billing; made when there is none.",
        default="/",
        required=True,
        options=tuple((path, path) for path in paths) if len(paths) > 1 else (),
        free=True,
    )


def _listed(key: str, title: str, about: str, options: Iterable[tuple[str, str]]) -> Question:
    """`options`: (slug, name). The first one is the default."""
    shown = tuple((slug if slug == name.lower() else f"{slug}  {name}", slug) for slug, name in options)
    return Question(key, title, help=about, default=shown[0][1] if shown else "", required=True, options=shown)


def _environments(talk: Conversation, project: str) -> tuple[tuple[str, str], ...]:
    return tuple(talk.wait(lambda service: service.secrets.environments(project)))


def _connection(talk: Conversation, kind: RotationType, question: Question) -> str:
    usable = [view for view in talk.wait(lambda service: service.connections.views()) if view.app == kind.app]
    chosen = _NEW
    if usable:
        listed = [(f"{view.name}  {view.summary}", view.name) for view in usable]
        default = question.default or (usable[0].name if len(usable) == 1 else "")
        chosen = ask(replace(question, default=default, options=(*listed, ("a new one", _NEW))))
    else:
        note(clean(f"There is no connection to {kind.app_title} yet."))
    if chosen != _NEW:
        return chosen
    added = connection_questions.add(talk, kind.app)
    note(clean(f"Added {added.connection.name}: {added.tested}"))
    return added.connection.name


def _picked(talk: Conversation, kind: RotationType, answers: Answers) -> str:
    """Answers the parameters that something at the target stands for. Its name, empty when nothing was chosen."""
    query, connection = "", answers["connectionId"]
    while True:
        found = _picks(talk, kind.type, connection, query)
        if found is None:
            return ""
        listed = tuple((f"{pick.title}  {pick.detail}".rstrip(), f"{_NEW}{n}") for n, pick in enumerate(found))
        if not found:
            note(clean(f"Nothing found{f' for {query}' if query else ''}."))
        about = "Type a number, a part of a name to look for, or nothing to type it all yourself."
        text = ask(Question(_PICK, "Which one", help=about, options=listed, free=True))
        if not text:
            return ""
        chosen = next((pick for pick, (_, value) in zip(found, listed, strict=True) if value == text), None)
        if chosen is not None:
            answers.update({f"parameters.{name}": filled for name, filled in chosen.fills.items()})
            return chosen.title
        query = text


def _picks(talk: Conversation, type_name: str, connection: str, query: str) -> list[Pick] | None:
    """None when there is no list, which is told."""
    try:
        return talk.wait(lambda service: service.creation.picks(type_name, connection, query))
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        note(clean(f"There is no list to choose from: {known.message}"))
        return None
