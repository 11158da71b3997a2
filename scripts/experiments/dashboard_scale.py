"""What the dashboard costs on a long history, beside asv's site of the same results, and how it feels.

A made-up history is recorded (``synthetic_history.py``): by default 1,000 commits, 300 benchmarks of 4 points
on 2 machines. In one run `asv publish` and `dsbench dashboard build` make their sites of the same folder;
the last twenty commits are held back, recorded one by one, and the dashboard is built after each, until the
change points of every case were looked for again. What counts is the processor time of the whole tree of
processes. Then headless Chromium opens the landing page, and moves about a series of 10,000 points.

What could have failed: the full build is to cost at most a tenth of asv's, the one after a new commit at most
5 % of the full one on average, the landing page is to be below 1 MB without plotly and ready within a second,
and moving a long series is to keep 30 frames a second.

    python scripts/experiments/dashboard_scale.py --out docs/experiments
    python scripts/experiments/dashboard_scale.py --commits 200 --machines 1    # a few minutes less
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, median
from typing import Any

from synthetic_history import Size, repository, write

from dsbench.reports.site.marks import EVERY, TURNS

LANDING = ("index.html", "index.js", "base.js", "format.js", "parts.js", "plots.js", "runs.js", "site.css")
LANDING_DATA = ("data/changes.js", "data/runs.js")
MORE = EVERY * TURNS
"""Commits that are recorded one by one: each case has its turn at one of them."""

NEXT = ("next", "next_usual", "next_most")
"""A build after a new commit: on average, usually (the median), and at most."""

LONG = 10_000
"""Points of the series that is moved about."""

FRAMES = """async () => {
  const place = document.getElementById("history");
  const box = place.querySelector(".drag").getBoundingClientRect();
  const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const event = (kind, x) => new MouseEvent(kind,
    { bubbles: true, clientX: middle.x + x, clientY: middle.y, buttons: 1, view: window });
  const next = () => new Promise((done) => requestAnimationFrame(done));
  place.querySelector(".drag").dispatchEvent(event("mousedown", 0));
  const began = performance.now();
  for (let frame = 0; frame < 60; frame += 1) {
    document.querySelector(".dragcover").dispatchEvent(event("mousemove", 4 * frame));
    await next();
  }
  const took = performance.now() - began;
  document.querySelector(".dragcover").dispatchEvent(event("mouseup", 240));
  return 60000 / took;
}"""


def cost(line: Sequence[str], folder: Path) -> float:
    """CPU seconds of a command and its children.

    Raises:
        SystemExit: it failed; what it printed is shown.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"error: {' '.join(line)} left with {done.returncode}\n{done.stdout}{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def sites(folder: Path, size: Size) -> dict[str, Any]:
    """The costs of both sites, the dashboard's with all commits but the last and after each of these."""
    repo, results, site = folder / "repo", folder / "repo/results", folder / "site"
    commits = repository(repo, size.commits)
    write(results, commits, size)
    held = [
        {path: path.rename(folder / path.name) for path in results.glob(f"machine-0/{commit[:8]}-*")}
        for commit in commits[-MORE:]
    ]
    config = {"version": 1, "project": "scale", "repo": str(repo), "branches": ["main"]}
    config |= {"results_dir": str(results), "html_dir": str(folder / "asv")}
    (folder / "asv.conf.json").write_text(json.dumps(config))
    asv = (sys.executable, "-m", "asv", "publish", "--no-pull", "--config", "asv.conf.json")
    ours = (sys.executable, "-m", "dsbench", "dashboard", "build", "--results", str(results), "-o", str(site))
    found: dict[str, Any] = {"asv_s": cost(asv, folder), "full_s": cost(ours, folder)}
    found["site_bytes"] = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    found["each_next_s"] = []
    for files in held:
        for path, away in files.items():
            away.rename(path)
        found["each_next_s"].append(round(cost(ours, folder), 3))
    each = found["each_next_s"]
    found |= {f"{name}_s": of(each) for name, of in zip(NEXT, (fmean, median, max), strict=True)}
    landing = [site / name for name in (*LANDING, *LANDING_DATA)]
    return {
        **found,
        "asv_site_bytes": sum(path.stat().st_size for path in (folder / "asv").rglob("*") if path.is_file()),
        "landing_bytes": sum(path.stat().st_size for path in landing),
    }


def browsed(folder: Path) -> dict[str, Any]:
    """Seconds until the landing page is ready (median of five), and frames a second while a series moves."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    if path is None:
        sys.exit("error: chromium is missing: apt-get install chromium")
    long = folder / "long"
    write(long / "results", repository(long / "repo", LONG), Size(LONG, 1, 1, 1))
    results, site = str(long / "results"), long / "site"
    cost((sys.executable, "-m", "dsbench", "dashboard", "build", "--results", results, "-o", str(site)), long)
    case = next((site / "data/case").glob("*.js")).stem
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        ready = []
        for _ in range(5):
            page.goto((folder / "site/index.html").as_uri())
            while not page.evaluate("document.body.dataset.ready"):
                page.wait_for_timeout(10)
            ready.append(page.evaluate("performance.getEntriesByName('ready')[0].startTime") / 1000)
        page.goto(f"{(site / 'case.html').as_uri()}#case={case}")
        while not page.evaluate("document.body.dataset.ready"):
            page.wait_for_timeout(50)
        frames = page.evaluate(FRAMES)
        drawn = page.evaluate("Math.max(...document.getElementById('history').data.map((t) => t.x.length))")
        browser.close()
    return {"ready_s": sorted(ready)[2], "frames_per_s": frames, "points_drawn": drawn, "points": LONG}


def main() -> None:
    parser = argparse.ArgumentParser(description="The dashboard on a long history, beside asv's site")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    for name, default in (("commits", 1000), ("benchmarks", 300), ("points", 4), ("machines", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    size = Size(options.commits, options.benchmarks, options.points, options.machines)
    with tempfile.TemporaryDirectory(prefix="dashboard-") as name:
        found = {**sites(Path(name), size), **browsed(Path(name))}
    result = {
        "versions": {name: version(name) for name in ("asv", "dsbench", "plotly")},
        "size": vars(size) | {"numbers": size.numbers},
        "load": os.getloadavg()[0],
        "times_less_than_asv": round(found["asv_s"] / found["full_s"], 2),
        **{f"{name}_share": round(found[f"{name}_s"] / found["full_s"], 4) for name in NEXT},
        **{key: round(value, 3) if isinstance(value, float) else value for key, value in found.items()},
    }
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "dashboard-scale.json"
    path.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    print(json.dumps(result, indent=1))
    print(path)


if __name__ == "__main__":
    main()
