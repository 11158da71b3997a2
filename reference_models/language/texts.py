"""Prose that is installed with everything, the same on every machine.

Two sources: the reference manual inside Python (`pydoc_data.topics`, PSF licence) and the descriptions of
data sets inside scikit-learn (BSD 3-clause). Both change with their package's version, so a text is a recipe:
the file ``texts/<source>.txt`` names the paragraphs that all versions looked at have in common, by the first
eight digits of their SHA-256, and in its first line has the digest of the whole. A version that has lost one
is refused, because what is measured on another text could not be compared.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "texts"


def paragraphs(documents: Iterable[str]) -> dict[str, str]:
    """The paragraphs of documents by the beginning of their digest, each once, in order."""
    found = (part.strip("\n") for text in documents for part in text.split("\n\n"))
    return {_digest(part)[:8]: part for part in found if part.strip()}


def python_topics() -> list[str]:
    """The reference manual of the running Python, by topic."""
    from pydoc_data.topics import topics

    return [topics[name] for name in sorted(topics)]


def sklearn_descriptions() -> list[str]:
    """What scikit-learn says of the data sets it knows.

    Raises:
        NotImplementedError: it is not installed.
    """
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise NotImplementedError("the text 'sklearn' needs scikit-learn: pip install 'dsbench[models]'")
    folder = Path(package.origin).parent / "datasets" / "descr"
    return [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.rst"))]


SOURCES: dict[str, Callable[[], list[str]]] = {"python": python_topics, "sklearn": sklearn_descriptions}
"""What each source's documents are read by."""


@cache
def text(source: str) -> str:
    """The pinned text of a source.

    Raises:
        NotImplementedError: the source is not installed, or its version has another text.
        KeyError: there is no such source.
    """
    whole, *wanted = (FOLDER / f"{source}.txt").read_text(encoding="ascii").split()
    have = paragraphs(SOURCES[source]())
    lost = sum(digest not in have for digest in wanted)
    found = "\n\n".join(have.get(digest, "") for digest in wanted)
    if lost or _digest(found) != whole:
        raise NotImplementedError(
            f"the text '{source}' has {lost} of its {len(wanted)} paragraphs changed in this version of its "
            "package: use Python 3.11 to 3.14 and scikit-learn 1.5 to 1.9"
        )
    return found


def recipe(versions: Iterable[Iterable[str]]) -> list[str]:
    """The lines of a recipe: the digest of the whole, then those of the paragraphs that the documents of
    all versions have in common, in the order of the first."""
    first, *others = (paragraphs(documents) for documents in versions)
    common = {key: part for key, part in first.items() if all(key in other for other in others)}
    return [_digest("\n\n".join(common.values())), *common]


def _digest(part: str) -> str:
    return hashlib.sha256(part.encode()).hexdigest()
