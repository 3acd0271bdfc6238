"""Names in the store, read with the SQLite driver alone, for a shell that completes what is being typed.

No value is opened, no key is needed, nothing is changed or created. What cannot be read has no names.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from pathlib import Path
from urllib.parse import quote

_SQLITE = "sqlite:///"
_PATIENCE = 0.05
"""Seconds; who presses tab waits for nobody."""
_MOST = 1000
_QUERIES = {
    # A name that exists in two places would not do: its ids stand there instead.
    "rotations": """
        SELECT CASE WHEN (SELECT count(*) FROM rotation AS other WHERE other.name = rotation.name) > 1
                    THEN rotation.id ELSE rotation.name END AS said,
               rotation.name || ', ' || project.slug || ' ' || environment.slug || ' ' || folder.path
        FROM rotation JOIN folder ON folder.id = rotation.folder_id
        JOIN environment ON environment.id = folder.environment_id
        JOIN project ON project.id = environment.project_id ORDER BY said""",
    "connections": "SELECT name, app FROM connection ORDER BY name",
    "projects": "SELECT slug, name FROM project ORDER BY slug",
    "environments": "SELECT slug, min(name) FROM environment GROUP BY slug ORDER BY slug",
    "paths": "SELECT DISTINCT path, '' FROM folder ORDER BY path",
    "secrets": """
        SELECT secret.name, min(project.slug || ' ' || environment.slug || ' ' || folder.path)
        FROM secret JOIN folder ON folder.id = secret.folder_id
        JOIN environment ON environment.id = folder.environment_id
        JOIN project ON project.id = environment.project_id GROUP BY secret.name ORDER BY secret.name""",
    "targets": "SELECT name, file FROM target_file ORDER BY name",
    "hooks": "SELECT name, '' FROM hook ORDER BY name",
    "identities": "SELECT name, id FROM identity ORDER BY name",
}
"""Each gives names and what they are, by name."""


def beginning(url: str, kind: str, begun: str) -> list[tuple[str, str]]:
    """(name, what it is) of all of a kind whose name begins so, by name; empty for a store that is no SQLite file."""
    path = url.removeprefix(_SQLITE)
    if path == url or not path or path.startswith(":") or "?" in path or kind not in _QUERIES:
        return []
    try:
        address = f"file:{quote(str(Path(path).absolute()))}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=_PATIENCE)) as connection:
            connection.execute("PRAGMA query_only = ON")
            rows = connection.execute(_QUERIES[kind])
            found = ((str(name), str(about)) for name, about in rows if str(name).startswith(begun))
            return list(itertools.islice(found, _MOST))
    except (sqlite3.Error, OSError, ValueError):
        return []
