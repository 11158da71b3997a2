"""Pictures of a dashboard in headless Chromium: every page, to be looked at, or what the documents show.

dsbench dashboard build
python scripts/screenshots.py .dsbench/site .dsbench/pictures   # every page, wide, on a phone, in the dark
python scripts/screenshots.py .dsbench/site docs --documents    # dashboard.png and dashboard-pareto.png
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

WIDE: dict[str, Any] = {"viewport": {"width": 1400, "height": 900}}
LOOKS: dict[str, dict[str, Any]] = {
    "wide": WIDE,
    "phone": {"viewport": {"width": 390, "height": 844}},
    "dark": {**WIDE, "color_scheme": "dark"},
}
DOCUMENTS = {"dashboard.png": ("index.html", ""), "dashboard-pareto.png": ("pareto.html", "#at.N=16384")}
"""Pictures of the documents, of the upper part of a page in a state."""

DOCUMENT: dict[str, Any] = {"viewport": {"width": 1400, "height": 760}}

LARGEST = 200_000
"""Bytes of a picture of the documents."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Pictures of a dashboard")
    parser.add_argument("site", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--documents", action="store_true", help="the pictures that the documents show")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with _browser() as browser:
        if options.documents:
            page = browser.new_page(**DOCUMENT)
            for name, (file, state) in DOCUMENTS.items():
                _open(page, options.site / file, state)
                page.screenshot(path=options.out / name)
                if (options.out / name).stat().st_size > LARGEST:
                    sys.exit(f"error: {options.out / name} is larger than {LARGEST} bytes")
                print(options.out / name)
            return
        for look, settings in LOOKS.items():
            page = browser.new_page(**settings)
            for file in sorted(options.site.glob("*.html")):
                _open(page, file, f"#case={_case(options.site)}" if file.stem == "case" else "")
                target = options.out / f"{file.stem}-{look}.png"
                page.screenshot(path=target, full_page=True)
                print(target)
            page.close()


@contextmanager
def _browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        sys.exit("error: chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def _open(page: Page, file: Path, state: str = "") -> None:
    """Opens a page and waits until it is drawn."""
    page.goto("about:blank")
    page.goto(file.resolve().as_uri() + state)
    while not page.evaluate("document.body.dataset.ready"):
        page.wait_for_timeout(50)
    page.wait_for_timeout(300)  # what plotly still moves


def _case(site: Path) -> str:
    """The case that was measured most often without a failure."""
    return max((site / "data/case").glob("*.js"), key=lambda file: file.read_text().count(",[]);")).stem


if __name__ == "__main__":
    main()
