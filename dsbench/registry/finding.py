"""Which suites and cases there are, and which of them were asked for."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dsbench.records import Case
from dsbench.registry.declaring import Benchmark


@dataclass(frozen=True)
class Suite:
    """A file of declarations; `error` is the message when it could not be imported."""

    name: str
    path: Path
    benchmarks: Mapping[str, Benchmark] = field(default_factory=dict)
    error: str = ""


def builtin_suites() -> Path:
    """Where the built-in suites lie: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "builtin_suites"
    return installed if installed.is_dir() else package.parent / "suites"


def discover(folder: Path) -> dict[str, Suite]:
    """Imports every suite of a folder, by name; files that begin with an underscore are no suites.

    Raises:
        FileNotFoundError: there is no such folder, or it holds no suite.
    """
    paths = sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))
    if not paths:
        raise FileNotFoundError(f"no suites in {folder}: a suite is a file such as {folder / 'attention.py'}")
    return {path.stem: load(path) for path in paths}


def load(path: Path) -> Suite:
    """Imports one suite; whatever it raises becomes the suite's error.

    Its folder is put at the end of the import path, so that suites can import what lies beside them.
    """
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(f"dsbench_suites.{path.stem}", path)
    assert spec is not None  # true of every path that ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        return Suite(path.stem, path, error=f"{type(error).__name__}: {error}")
    found = {value.name: value for value in vars(module).values() if isinstance(value, Benchmark)}
    if not found:
        return Suite(path.stem, path, error="it declares no benchmark (use @benchmark)")
    return Suite(path.stem, path, found)


def cases(suites: Iterable[Suite], backend: str, quick: bool) -> list[Case]:
    """Every case of the suites, in order of declaration."""
    return [
        case
        for suite in suites
        for declared in suite.benchmarks.values()
        for case in declared.cases(backend, quick)
    ]


def select(found: Iterable[Case], filters: Sequence[str] = (), excludes: Sequence[str] = ()) -> list[Case]:
    """The cases whose full name any filter matches (all when there is none) and no exclude does.

    A filter is a regular expression searched in the full name; a part of a name pasted as it stands
    matches too, brackets and all.

    Raises:
        re.error: a filter is not a regular expression.
    """

    def matches(patterns: Sequence[re.Pattern[str]], name: str) -> bool:
        return any(pattern.pattern in name or pattern.search(name) for pattern in patterns)

    wanted, unwanted = [re.compile(f) for f in filters], [re.compile(e) for e in excludes]
    return [
        case
        for case in found
        if (not wanted or matches(wanted, case.name)) and not matches(unwanted, case.name)
    ]
