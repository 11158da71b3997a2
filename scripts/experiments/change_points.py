"""Rules for changes in a history, on the same series: what is found, what is false, how soon, at what cost.

    python scripts/experiments/change_points.py FOLDER --out docs/experiments --otava OTHER/bin/python

FOLDER holds `sunpy-asv`, `otava` and `tcpd`. The interpreter of --otava has the package apache-otava;
without it Otava is left out. The constants of dsbench's rule were chosen with `--tuning`: on other recorded
series, with another seed.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from change_rules import RULES, Otava, Rule
from change_scores import PUBLISHED, TOLERANCE, f1, matched
from change_series import KINDS, STEPS, Known, annotated, recorded, stepped, synthetic, unchanged

from dsbench.stats.changes import changes
from dsbench.stats.suspects import suspect

NEAR = 15
"""A wrong place this close to a true one is told apart in the figures; it counts as false all the same."""

CHANCES = {"1e-6": 1e-6, "1e-4": 1e-4, "1e-2": 1e-2, "1": 1.0}
"""Classes of `Change.chance`, each up to its name."""

AFTER = (2, 3, 5, 10, 20)
Row = dict[str, Any]


def on_synthetic(series: Sequence[Known], rule: Rule) -> list[Row]:
    """A row for all series, and one a kind."""
    count: Counter[tuple[str, Any]] = Counter()
    for known in series:
        found = rule(known.values.tolist())
        right = matched(known.changes, found)
        for kind in ("all", known.kind):
            for place, step in known.changes.items():
                count[kind, abs(step)] += 1
                count[kind, "found", abs(step)] += place in right
            wrong = set(found) - set(right.values())
            far = [f for f in wrong if all(abs(f - t) > NEAR for t in known.changes)]
            count[kind, "points"] += len(known.values)
            count[kind, "false"] += len(wrong)
            count[kind, "far"] += len(far)
    return [_summary(kind, count) for kind in ("all", *KINDS)]


def _summary(kind: str, count: Mapping[Any, int]) -> Row:
    found, there = (sum(count[key] for key in keys) for keys in (
        [(kind, "found", step) for step in STEPS], [(kind, step) for step in STEPS]
    ))  # fmt: skip
    precision, recall = found / max(1, found + count[kind, "false"]), found / there
    return {
        "kind": kind,
        "f1": 2 * precision * recall / max(1e-9, precision + recall),
        "precision": precision,
        "recall": recall,
        "false_per_1000": 1000 * count[kind, "false"] / count[kind, "points"],
        "far_per_1000": 1000 * count[kind, "far"] / count[kind, "points"],
        "changes": there,
        "points": count[kind, "points"],
        "recall_by_step": {
            str(step): count[kind, "found", step] / max(1, count[kind, step]) for step in STEPS
        },
    }


def on_statements(series: Sequence[Known]) -> Row:
    """What dsbench says of its changes, held against the truth: how often its range of commits holds a true
    change, how often the interval of the size holds that change's, and how often there is none near by when
    noise is said to do as much at most so often."""
    ranges, sizes, widths = list[bool](), list[bool](), list[int]()
    none_near: dict[str, list[bool]] = {}
    for known in series:
        for change in changes(known.values.tolist()):
            inside = [at for at in known.changes if change.earliest <= at <= change.latest]
            ranges.append(bool(inside))
            widths.append(change.latest - change.earliest + 1)
            if len(inside) == 1 and change.size.low is not None and change.size.high is not None:
                true = known.changes[inside[0]]
                true = true if true > 0 else 1 / (1 - true) - 1
                sizes.append(change.size.low <= true <= change.size.high)
            bound = next(name for name, most in CHANCES.items() if change.chance <= most)
            alone = all(abs(change.index - at) > NEAR for at in known.changes)
            none_near.setdefault(bound, []).append(alone and not inside)
    return {
        "told": len(ranges),
        "range_holds": fmean(ranges),
        "median_range": median(widths),
        "size_holds": fmean(sizes),
        "no_change_near": {
            name: {"told": len(none_near[name]), "share": fmean(none_near[name])}
            for name in CHANCES
            if name in none_near
        },
    }


def on_single_steps(folder: Path, count: int = 100, step: float = 0.05) -> list[Row]:
    """How often the interval of the size holds the truth when there is one change in the middle of 120."""
    rows = []
    for kind in KINDS:
        found = [
            change.size
            for seed in range(count)
            for change in changes(stepped(folder, kind, step, 60, 60, seed).tolist())
            if abs(change.index - 60) <= 2 * TOLERANCE
        ]
        held = [s.low is not None and s.high is not None and s.low <= step <= s.high for s in found]
        rows.append({"kind": kind, "series": count, "told": len(found), "size_holds": fmean(held)})
    return rows


def suspecting(values: Sequence[float]) -> list[int]:
    """The rule for the newest points as one that tells a place."""
    found = suspect(values)
    return [found.index] if found else []


def delays(folder: Path, rules: Mapping[str, Rule], count: int) -> list[Row]:
    """How many changes are told (at most five points off, or at all by the rule for the newest points) once
    some points lie behind them; with no change, how often the newest five points are called one."""
    rows = []
    for kind in KINDS:
        for step in (0.0, 0.05, 0.10):
            series = [stepped(folder, kind, step, 100, max(AFTER), seed) for seed in range(count)]
            for name, rule in rules.items():
                told = {
                    new: fmean(
                        any(f >= 100 - TOLERANCE for f in rule(v[: 100 + new].tolist())) for v in series
                    )
                    for new in AFTER
                }
                rows.append({"kind": kind, "step": step, "rule": name, "told_after": told})
    return rows


def costs(folder: Path, rules: Mapping[str, Rule]) -> list[Row]:
    """Processor seconds without a change and with one in 200 points, which is the median of three; rules take
    turns."""
    rows = []
    for length in (100, 1_000, 10_000):
        plain = unchanged(folder, length, seed=1)
        steps = np.cumsum(np.arange(length) % 200 == 100) % 2
        for name, values in (("none", plain), ("many", plain * 1.1**steps)):
            taken: dict[str, list[float]] = {rule: [] for rule in rules}
            for _ in range(3):
                for rule, call in rules.items():
                    clock = call.cpu if isinstance(call, Otava) else time.process_time
                    began = clock()
                    call(values.tolist())
                    taken[rule].append(clock() - began)
            rows += [
                {"points": length, "changes": name, "rule": rule, "seconds": median(seconds)}
                for rule, seconds in taken.items()
            ]
    return rows


def on_recorded(folder: Path, rules: Mapping[str, Rule]) -> list[Row]:
    """What is told of real series without labels: how many changes, and how many of one benchmark's are told
    of the other that runs on the same machines at the same commits."""
    real = recorded(folder)
    tiger = json.loads((folder / "otava" / "tigerbeetle.json").read_text())["values"]
    rows = []
    for name, rule in rules.items():
        found = [rule(one["values"]) for one in real]
        shared = [
            (len(matched(found[a], found[b])), len(found[a]) + len(found[b])) for a, b in ((0, 2), (1, 3))
        ]
        rows.append(
            {
                "rule": name,
                "changes": [len(places) for places in found],
                "share_on_both": sum(2 * same for same, _ in shared)
                / max(1, sum(all_ for _, all_ in shared)),
                "tigerbeetle": [int(place) for place in rule(tiger)],
            }
        )
    return rows


def on_labelled(folder: Path, rules: Mapping[str, Rule]) -> list[Row]:
    """The scorer held against published scores, then the mean F1 of each rule."""
    series = annotated(folder)
    rows: list[Row] = [
        {"check": name, "told": told, "published": score, "ours": f1(series[name][1], told)}
        for name, told, score in PUBLISHED
    ]
    positive = {name: one for name, one in series.items() if min(one[0]) > 0}
    for rule, call in {"no change": lambda _: [], **rules}.items():
        scores = [f1(marks, call(values.tolist())) for values, marks in positive.values()]
        rows.append({"rule": rule, "series": len(scores), "f1": fmean(scores)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--otava", type=Path, help="interpreter that has apache-otava")
    parser.add_argument("--series", type=int, default=600)
    parser.add_argument("--tuning", action="store_true", help="the recorded series and the seed for tuning")
    options = parser.parse_args()
    series = synthetic(options.folder, options.series, options.tuning, seed=1 if options.tuning else 100)
    rules = dict(RULES)
    if options.otava:
        rules["Otava"] = Otava(options.otava)
    result: dict[str, Any] = {"tuning": options.tuning, "series": len(series), "rows": []}
    for name, rule in rules.items():
        result["rows"] += [{"rule": name, **row} for row in on_synthetic(series, rule)]
        row = result["rows"][-1 - len(KINDS)]
        print(f"{name:22} F1 {row['f1']:.3f}  false {row['false_per_1000']:.2f} per 1,000", flush=True)
    if not options.tuning:
        soon = {"dsbench, newest points": suspecting, **rules}
        result["statements"] = on_statements(series)
        result["single_steps"] = on_single_steps(options.folder)
        result["delays"] = delays(options.folder, soon, max(5, options.series // 20))
        result["costs"] = costs(options.folder, rules)
        result["recorded"] = on_recorded(options.folder, rules)
        result["labelled"] = on_labelled(options.folder, rules)
        worst = max(abs(row["ours"] - row["published"]) for row in result["labelled"] if "check" in row)
        print(f"scorer: at most {worst:.1e} from {len(PUBLISHED)} published scores")
        assert math.isclose(worst, 0, abs_tol=1e-4), "the scorer is wrong"
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "change-points.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
