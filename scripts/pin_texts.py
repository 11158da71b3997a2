"""Writes the recipes of the pinned texts anew, from several versions of the packages they come from.

    python scripts/pin_texts.py python TOPICS.PY...     files pydoc_data/topics.py of several Pythons
    python scripts/pin_texts.py sklearn FOLDER...       folders sklearn/datasets/descr of several versions

A new recipe is another text: raise the version of the benchmarks that read it.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from reference_models.language import texts


def documents(source: str, path: Path) -> list[str]:
    if source == "python":
        topics = runpy.run_path(str(path))["topics"]
        return [topics[name] for name in sorted(topics)]
    return [file.read_text(encoding="utf-8") for file in sorted(path.glob("*.rst"))]


def main() -> None:
    source, *paths = sys.argv[1:]
    lines = texts.recipe(documents(source, Path(path)) for path in paths)
    (texts.FOLDER / f"{source}.txt").write_text("\n".join(lines) + "\n", encoding="ascii")
    print(f"{len(lines) - 1} paragraphs of {len(paths)} versions")


if __name__ == "__main__":
    main()
