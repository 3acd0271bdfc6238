"""`keyturn connections add APP` on a terminal: asks what the app declares, and keeps what logs in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.cli.asking import Answers, Question, agreed, ask, change, fill, question_of, say
from app.cli.conversation import Conversation
from app.cli.output import clean, note
from app.errors import explain
from app.forms import Kind, nested, value_of
from app.operations.catalog import Catalog, ConnectionForm
from app.operations.connections import Added
from providers.base import Problem

_CREDENTIALS = "credentials."


def add(talk: Conversation, app: str) -> Added:
    """Ask, log in, keep. A refused login is told, and answers may be changed. Raises Left, UnknownType."""
    catalog = talk.service.catalog
    answers: Answers = {}
    note(clean(f"A connection to {catalog.connection_form(app).title}. It is tried out before it is kept."))

    def questions(answers: Answers) -> Iterable[Question]:
        return _questions(catalog, app, answers)

    def problems(answers: Answers) -> list[Problem]:
        return talk.wait(lambda service: service.connections.problems(app, body_of(catalog, app, answers)))

    while True:
        fill(answers, questions, problems, ask)
        note("Logging in ...")
        try:
            return _kept(talk, app, body_of(catalog, app, answers))
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            say(f"Not kept: {known.message}")
            for line in known.remedy.splitlines():
                note(clean(f"  {line}"))
            if not agreed("Change an answer, and try again", default=True):
                raise
            change(answers, questions(answers), ask)


def _kept(talk: Conversation, app: str, body: dict[str, Any]) -> Added:
    return talk.wait(lambda service: service.connections.add(app, body))


def body_of(catalog: Catalog, app: str, answers: Answers) -> dict[str, Any]:
    """The documented body, as far as it goes. Switches always stand in it: it says plainly whether TLS is on."""
    form = _form(catalog, app, answers)
    credentials = {
        field.key: value_of(field, answers[key])
        for field in form.fields
        if (key := f"{_CREDENTIALS}{field.key}") in answers
        and (field.kind is Kind.SWITCH or answers[key] != field.default)
    }
    top = {key: answers[key] for key in ("name", "description") if answers.get(key)}
    return {**top, "method": form.method, "credentials": nested(credentials)}


def _form(catalog: Catalog, app: str, answers: Answers) -> ConnectionForm:
    return catalog.connection_form(app, answers.get("method"))


def _questions(catalog: Catalog, app: str, answers: Answers) -> Iterable[Question]:
    form = _form(catalog, app, answers)
    yield Question(
        "name",
        "Name",
        help="What you will know it by: small letters, digits and hyphens; at most 32 characters.",
        required=True,
    )
    yield Question("description", "Description", help="For those after you.")
    if len(form.methods) > 1:
        yield Question(
            "method",
            "Method",
            help="How to log in.",
            default=form.methods[0],
            options=tuple((method, method) for method in form.methods),
        )
    yield from (question_of(field, _CREDENTIALS) for field in form.fields if not field.advanced)
    advanced = [question_of(field, _CREDENTIALS) for field in form.fields if field.advanced]
    if advanced:
        titles = ", ".join(question.title.lower() for question in advanced)
        yield Question("more", f"Anything else ({titles})", default="false", kind=Kind.SWITCH)
    if answers.get("more") == "true":
        yield from advanced
