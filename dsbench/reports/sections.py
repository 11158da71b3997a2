"""The parts of the HTML page, each a piece of HTML in which every text of a run is escaped."""

from __future__ import annotations

import html
import json
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from dsbench.gate import Outcome, Verdict
from dsbench.records import Measurement, Run, Status, identity
from dsbench.reports import units
from dsbench.reports.plain import clean, shorten
from dsbench.reports.repeat import command_line
from dsbench.reports.rows import Group, Row, cell, columns, plural
from dsbench.reports.summary import headline, warnings, when
from dsbench.reports.verdicts import by_seriousness, counts, unit_of

_LONGEST = 300


def escape(text: str, longest: int = _LONGEST) -> str:
    """One line of text as HTML, in an element or in a quoted attribute."""
    return html.escape(shorten(clean(text), longest))


def head(run: Run, found: Sequence[Group]) -> str:
    """What was measured, where and when, and what to mind about it."""
    here = run.environment
    commit = "none" if here.commit is None else f"{here.commit[:8]} {here.subject}"
    facts = {
        "machine": here.machine,
        "device": f"{here.device.name} ({here.device.backend})",
        "commit": commit + (" (with uncommitted changes)" if here.dirty else ""),
        "started": when(run.started),
        "took": "cut off" if run.ended is None else _duration(run.ended - run.started),
    }
    items = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    said = "".join(f"<li>{escape(text)}</li>" for text in warnings(run, list(found)))
    links = "".join(f'<li><a href="#b{i}">{_isolated(g.name)}</a></li>' for i, g in enumerate(found))
    return "\n".join(
        [
            f"<header><h1>dsbench {escape(run.id)}</h1>",
            f'<p class="summary">{escape(headline(run, list(found)))}</p>',
            f'<dl class="facts">{items}</dl>',
            f'<ul class="warnings">{said}</ul>' if said else "",
            f"<nav><ul>{links}</ul></nav></header>",
        ]
    )


def repeats(run: Run, group: Group) -> str:
    """The ids of a benchmark's measurements and the commands that repeat them, folded away."""
    header = '<th class="text">case</th><th class="text">ids</th><th class="text">command</th>'
    body = ""
    for row in group.rows:
        ids = ", ".join(f"{m.probe} {identity(run, m)}" for m in row.measurements)
        line = escape(command_line(run, row.case), 2000)
        body += (
            f'<tr><td class="text">{_isolated(row.case.name)}</td><td class="text">{escape(ids)}</td>'
            f'<td class="long"><code>{line}</code></td></tr>'
        )
    return f"<details><summary>repeat a case</summary>{_table(header, body)}</details>"


def benchmark(group: Group) -> str:
    """A benchmark's heading and its table."""
    shown = columns(group.metrics)
    axes = list(dict.fromkeys(axis for row in group.rows for axis in row.case.at))
    header = "".join(
        [
            *(f"<th>{escape(axis)}</th>" for axis in axes),
            '<th class="text">candidate</th><th class="text">status</th>',
            *(f"<th>{escape(column.replace('_', ' '))}</th>" for column in shown),
            "" if shown else '<th class="text">reason</th>',
        ]
    )
    firsts = {id(rows[0]) for _, rows in group.points()}
    body = "".join(_row(row, axes, shown, id(row) in firsts) for row in group.rows)
    notes = "".join(f'<p class="quiet">{escape(note)}</p>' for note in group.notes())
    baseline = f"baseline: {_isolated(group.baseline)}" if group.baseline else "no baseline"
    return f'<h2>{_isolated(group.name)}</h2><p class="quiet">{baseline}</p>{_table(header, body)}{notes}'


def _row(row: Row, axes: Sequence[str], shown: Sequence[str], first: bool) -> str:
    status = row.worst.status
    cells = [f"<td>{escape(str(row.case.at.get(axis, units.NOTHING)))}</td>" for axis in axes]
    cells.append(f'<td class="text">{escape(row.case.candidate)}</td><td class="text {status}">{status}</td>')
    if row.metrics:
        cells += [f"<td>{escape(cell(row, column))}</td>" for column in shown]
    else:
        cells.append(f'<td class="long" colspan="{max(len(shown), 1)}">{escape(row.worst.reason)}</td>')
    kind = ' class="first"' if first else ""
    return f"<tr{kind}>{''.join(cells)}</tr>"


def verdicts(found: Iterable[Verdict], difference: Mapping[str, tuple[str, str]]) -> str:
    """What the gate said, the most serious first and what is the same folded away; nothing when it said
    nothing."""
    ordered = by_seriousness(found)
    if not ordered:
        return ""
    facts = [(name, f"{before} → {after}") for name, (before, after) in difference.items()]
    unlike = f"<p>The environments differ:</p>{_pairs(facts)}" if facts else ""
    changed = [verdict for verdict in ordered if verdict.outcome is not Outcome.SAME]
    same = [verdict for verdict in ordered if verdict.outcome is Outcome.SAME]
    folded = f"<details><summary>{len(same)} same</summary>{_verdicts(same)}</details>" if same else ""
    shown = _verdicts(changed) if changed else ""
    return f"<section><h2>Verdicts: {counts(ordered)}</h2>{unlike}{shown}{folded}</section>"


def _verdicts(found: Iterable[Verdict]) -> str:
    header = "".join(
        [
            *(f'<th class="text">{title}</th>' for title in ("outcome", "case", "metric")),
            *(f"<th>{title}</th>" for title in ("before", "after", "change", "threshold")),
        ]
    )
    body = "".join(
        f'<tr class="first"><td class="text {v.outcome}">{v.outcome}</td>'
        f'<td class="long">{_isolated(v.case.name)}<div class="quiet">{escape(v.reason)}</div></td>'
        f'<td class="text">{escape(v.metric)}</td>'
        f"<td>{units.estimate(v.before, unit_of(v))}</td><td>{units.estimate(v.after, unit_of(v))}</td>"
        f"<td>{units.change(v.change)}</td><td>{units.percent(v.threshold or None)}</td></tr>"
        for v in found
    )
    return _table(header, body)


def failures(run: Run) -> str:
    """Every failure with its whole reason and what was printed, then what is not supported, by reason."""
    # A case that fails says the same for each of its probes.
    failed = {(m.case.name, m.status, m.reason, m.detail): m for m in run.measurements if m.status.failed}
    unsupported = Counter(
        f"{m.case.suite}.{m.case.benchmark}.{m.case.candidate}, {m.probe}: {m.reason}"
        for m in run.measurements
        if m.status is Status.UNSUPPORTED
    )
    if not failed and not unsupported:
        return ""
    parts = [
        f'<details><summary><span class="{m.status}">{m.status}</span> {_isolated(m.case.name)}: '
        f"{_isolated(m.reason)}</summary><pre>{_lines(m)}</pre></details>"
        for m in failed.values()
    ]
    parts += [
        f'<p><span class="unsupported">unsupported</span> {_isolated(text)} '
        f"({count} {plural(count, 'case')})</p>"
        for text, count in unsupported.items()
    ]
    return f"<section><h2>Failures and gaps</h2>{''.join(parts)}</section>"


def environment(run: Run) -> str:
    """Everything known of the machine."""
    here = run.environment
    facts = {
        "operating system": here.os,
        "cpu": f"{here.cpu}, {here.cores} cores",
        "memory": units.human(here.memory, "B"),
        "device": f"{here.device.name} ({here.device.backend} {here.device.index})",
        "driver": here.device.driver or units.NOTHING,
        "device memory": units.human(here.device.memory, "B"),
        "device cache": units.human(here.device.cache, "B"),
        "python": here.python,
        **here.device.versions,
        **here.versions,
        "commit": here.commit or "none",
    }
    return f"<section><h2>Environment</h2>{_pairs(facts.items())}</section>"


def settings(run: Run) -> str:
    """The command and the options that the run was made with."""
    options = dict(run.settings)
    command = options.pop("command", ())
    line = f"<p><code>{escape(shlex.join(command), 2000)}</code></p>" if command else ""
    shown = [
        (name, value if isinstance(value, str) else json.dumps(value)) for name, value in options.items()
    ]
    return f"<section><h2>Settings</h2>{line}{_pairs(shown)}</section>"


def _table(header: str, body: str) -> str:
    return f'<div class="scroll"><table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table></div>'


def _pairs(facts: Iterable[tuple[str, str]]) -> str:
    rows = "".join(
        f'<tr><td class="text">{escape(name)}</td><td class="long">{escape(value, 2000)}</td></tr>'
        for name, value in facts
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _isolated(text: str) -> str:
    # Names in another direction do not reorder the sentence around them.
    return f"<bdi>{escape(text)}</bdi>"


def _lines(measurement: Measurement) -> str:
    lines = [*measurement.reason.splitlines(), "", *measurement.detail.splitlines()]
    indents = [" " * (len(line) - len(line.lstrip(" "))) for line in lines]
    cleaned = [indent + clean(line) for indent, line in zip(indents, lines, strict=True)]
    return html.escape("\n".join(cleaned).strip())


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
