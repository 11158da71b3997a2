"""A page of the dashboard in a browser, for tests: what it complains of, and what it asks a network for."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


class Visit:
    """A page, and what it complained of or asked a network for."""

    def __init__(self, page: Page, site: Path) -> None:
        self.page, self.site = page, site
        self.problems: list[str] = []
        page.on("console", lambda said: self.problems.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("dialog", lambda dialog: (self.problems.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self._asked(request.url))

    def _asked(self, url: str) -> None:
        if not url.startswith((self.site.as_uri(), "data:", "blob:")):
            self.problems.append(f"asked for {url}")

    def open(self, name: str, state: str = "") -> Page:
        self.page.goto("about:blank")
        self.page.goto(f"{(self.site / name).as_uri()}.html{f'#{state}' if state else ''}")
        self.drawn()
        return self.page

    def drawn(self) -> None:
        self.wait("document.body.dataset.ready")

    def wait(self, expression: str) -> None:
        """Waits until something holds; the usual waiting evaluates strings, which pages forbid."""
        for _ in range(200):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never came true: {expression}")
