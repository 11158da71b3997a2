"""Pictures of every page of a dashboard, wide, on a phone and in the dark, to be looked at.

dsbench dashboard build
python scripts/screenshots.py .dsbench/site .dsbench/pictures
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

LOOKS = {
    "wide": {"viewport": {"width": 1400, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}},
    "dark": {"viewport": {"width": 1400, "height": 900}, "color_scheme": "dark"},
}


def main(site: Path, out: Path) -> None:
    path = shutil.which("chromium")
    if path is None:
        sys.exit("error: chromium is missing: apt-get install chromium")
    out.mkdir(parents=True, exist_ok=True)
    # The case that was measured most often without a failure.
    case = max((site / "data/case").glob("*.js"), key=lambda file: file.read_text().count(",[]);")).stem
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for look, options in LOOKS.items():
            page = browser.new_page(**options)  # type: ignore[arg-type]
            for file in sorted(site.glob("*.html")):
                page.goto("about:blank")
                page.goto(file.resolve().as_uri() + (f"#case={case}" if file.stem == "case" else ""))
                while not page.evaluate("document.body.dataset.ready"):
                    page.wait_for_timeout(50)
                page.wait_for_timeout(300)  # what plotly still moves
                target = out / f"{file.stem}-{look}.png"
                page.screenshot(path=target, full_page=True)
                print(target)
            page.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
