"""Files made from a template of one's own (Jinja2), which gets values and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.deliver.source import Source
from app.errors import KeyturnError

_LONGEST = 1 << 20


class TemplateTrouble(KeyturnError):
    """The template cannot be read or carried out; its line is named where it is known."""


def rendered(source: Source, options: Mapping[str, Any], before: str) -> str:
    """Secrets are there by their names, and in `secrets`; of a rotation also `active`, `inactive` and `server`."""
    del before
    try:
        from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError:
        raise TemplateTrouble(
            "Templates need Jinja2, which is not installed.", remedy="Install it: pip install 'keyturn[templates]'"
        ) from None
    path = Path(options["template"])
    text = _read(path)
    # No escaping: it would change passwords.
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
    try:
        return environment.from_string(text).render(_names(source))
    except TemplateSyntaxError as error:
        raise TemplateTrouble(f"{path}, line {error.lineno}: {error.message}") from None
    except TemplateError as error:
        raise TemplateTrouble(f"{path}{_line_of(error)}: {error.message}") from None
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError, MemoryError) as error:
        # Its text may quote a value.
        raise TemplateTrouble(f"{path}{_line_of(error)}: {type(error).__name__}") from None


def _names(source: Source) -> dict[str, Any]:
    of_rotation = dict(zip(("active", "inactive"), source.credentials, strict=False))
    server = {"server": source.server} if source.server else {}
    return {**of_rotation, **server, "secrets": dict(source.values), **source.values}


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST + 1)
        if len(content) > _LONGEST:
            raise TemplateTrouble(f"The template {path} is longer than {_LONGEST >> 20} MiB.")
        return content.decode()
    except OSError as error:
        raise TemplateTrouble(f"The template {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise TemplateTrouble(f"The template {path} is not UTF-8.") from None


def _line_of(error: BaseException) -> str:
    """Where in the template: the innermost frame of its code, which Jinja2 maps to the template's lines."""
    line, trace = "", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = f", line {trace.tb_lineno}"
        trace = trace.tb_next
    return line
