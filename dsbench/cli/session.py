"""From options to a measured run: what `run`, `verify` and a resumed run have in common."""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dsbench.cli import exits
from dsbench.cli.exits import NothingMeasuredError, RefusedError
from dsbench.cli.options import device_index, find_cases, find_suites, report_broken
from dsbench.cli.referenced import commit_at, measure_ratios, sides_of

if TYPE_CHECKING:
    from dsbench.ceilings import Ceilings
    from dsbench.child import Child
    from dsbench.records import Case, Environment, Run
    from dsbench.registry import Suite
    from dsbench.runner import Settings


@dataclass(frozen=True)
class Session:
    """Everything there is to a run before its first case: `earlier` is the interrupted run that is
    gone on with, `broken` maps suites that could not be imported to why, `worker` has looked for the device
    and waits for a job, and `id` is the run's, if it has to be known beforehand."""

    settings: Settings
    suites: dict[str, Suite]
    environment: Environment
    cases: list[Case]
    broken: dict[str, str]
    worker: Child
    earlier: Run | None = None
    id: str = ""


def new(options: dict[str, Any], once: bool = False) -> Session:
    """The session that the options ask for.

    Raises:
        RefusedError: an option cannot be what it is.
        NothingMeasuredError: the backend is not here, or no case is left.
    """
    from dsbench.probes.prepared import Budget
    from dsbench.runner import Settings

    suites = find_suites(options["folder"], options["chosen"])
    index, quick = device_index(options["device"]), options["quick"]
    environment, worker = _look_at(
        options["backend"], index, options["machine"], str(options["results"]), options["affinity"]
    )
    min_time = options["min_time"] or (0.03 if quick else 0.2)
    settings = Settings(
        backend=environment.device.backend,
        index=index,
        rounds=options["rounds"] or (3 if quick else 5),
        seed=options["seed"],
        timeout=options["timeout"],
        budget=Budget(
            min_time, 5 * min_time, options["max_noise"] or (0.05 if quick else 0.02), once, options["graph"]
        ),
        quick=quick,
        # As it was given, and nothing for the built-in ones: where they lie says nothing of the numbers.
        suites=str(options["folder"] or ""),
        chosen=options["chosen"],
        filters=options["filters"],
        excludes=options["excludes"],
        results=str(options["results"]),
        machine=options["machine"],
        probes=options["probes"],
        affinity=options["affinity"],
        ceilings=_ceilings(options["results"], environment),
        command=("dsbench", *sys.argv[1:]),
        reference=commit_at(options["reference"]) if options["reference"] else "",
    )
    return _session(settings, suites, environment, worker)


def resumed() -> Session:
    """The last interrupted run, if it can still be gone on with.

    Raises:
        NothingMeasuredError: there is none.
        RefusedError: its environment is no longer the same.
    """
    from dsbench import runs
    from dsbench.environment import difference
    from dsbench.runner import Settings

    try:
        known = [runs.read(path) for path in runs.paths()]
        unfinished = [run for run in known if run.ended is None and not run.settings.get("traces")]
    except runs.RunError as error:
        raise RefusedError(str(error)) from None
    if not unfinished:
        raise NothingMeasuredError("there is no interrupted run to resume")
    earlier = unfinished[-1]
    settings = Settings.from_json(earlier.settings)
    suites = find_suites(Path(settings.suites) if settings.suites else None, settings.chosen)
    environment, worker = _look_at(
        settings.backend, settings.index, settings.machine, settings.results, settings.affinity
    )
    changed = difference(earlier.environment, environment)
    if earlier.environment.commit != environment.commit:
        changed["commit"] = (str(earlier.environment.commit), str(environment.commit))
    if changed:
        listed = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in changed.items())
        raise RefusedError(f"run {earlier.id} cannot be resumed, its environment has changed: {listed}")
    return replace(_session(settings, suites, environment, worker), earlier=earlier)


def look_at(backend: str, index: int, machine: str, results: str, affinity: tuple[int, ...]) -> Environment:
    """The environment of the device that was asked for.

    Raises:
        NothingMeasuredError: it is not here.
    """
    environment, worker = _look_at(backend, index, machine, results, affinity)
    worker.close()  # one that waits holds memory of a device on which others are about to be measured
    return environment


def _look_at(
    backend: str, index: int, machine: str, results: str, affinity: tuple[int, ...]
) -> tuple[Environment, Child]:
    """The same, and the worker that looked, which ends with the command unless it is given a job."""
    from dsbench.looking import UnavailableError, begin, unavailable

    try:
        found, environment, worker = begin(backend, index, machine, results, affinity)
        click.get_current_context().with_resource(worker)
        if environment is None:
            raise unavailable(backend, index, found)
    except UnavailableError as error:
        raise NothingMeasuredError(str(error)) from None
    return environment, worker


def _ceilings(results: Path, environment: Environment) -> Ceilings | None:
    """What was measured of the device's limits; a file that cannot be read costs a warning."""
    from dsbench.ceilings import read

    try:
        return read(Path(results), environment)
    except ValueError as error:
        click.echo(f"warning: {error}", err=True)
        return None


def _session(
    settings: Settings, suites: dict[str, Suite], environment: Environment, worker: Child
) -> Session:
    broken = report_broken(suites)
    cases = find_cases(suites, settings.backend, settings.quick, settings.filters, settings.excludes)
    if not cases:
        raise NothingMeasuredError("there is no case to measure")
    return Session(settings, suites, environment, cases, broken, worker)


def measure(session: Session) -> tuple[Run, Path, int]:
    """Measures, and reads back from disk what was measured.

    Returns:
        The run, its file, and 0, 130 or 143.

    Raises:
        RefusedError: the run can be written nowhere.
    """
    from dsbench import runs
    from dsbench.cli.progress import progress
    from dsbench.metrics import REFERENCE
    from dsbench.records import Run
    from dsbench.runner import execute, plan

    settings, environment, earlier = session.settings, session.environment, session.earlier
    header = earlier or Run(
        id=session.id or runs.new_id(environment.commit),
        started=time.time(),
        environment=environment,
        settings=settings.to_json(),
        planned=tuple(case.name for case in session.cases),
        baselines={
            f"{suite.name}.{declared.name}": declared.baseline
            for suite in session.suites.values()
            for declared in suite.benchmarks.values()
        },
        suite_errors=session.broken,
    )
    code = exits.OK
    signal.signal(signal.SIGTERM, _terminate)
    sides = sides_of(settings) if settings.reference else None
    before = [m for m in earlier.measurements if m.probe != REFERENCE] if earlier else []
    with runs.RunFile(runs.STATE / "runs" / f"{header.id}.jsonl") as file:
        try:
            if earlier is None:
                file.append(header.header())
            groups = plan(session.cases, session.suites)
            with progress(environment, len(session.cases), settings.rounds) as report:
                execute(groups, settings, file, before, report, session.worker)
            if sides:
                measure_ratios(sides, settings, runs.read(file.path).measurements, file)
            file.append({"type": "end", "ended": time.time()})
        except runs.RunError as error:
            raise RefusedError(str(error)) from None
        except KeyboardInterrupt as interruption:
            code = exits.of_interruption(interruption)
            hint = "" if settings.traces else ": go on with `dsbench run --resume`"
            click.echo(f"interrupted{hint}", err=True)
        path = file.path
    if path.parent.parent != runs.STATE:
        click.echo(f"warning: {runs.STATE} could not be written; the run is kept in {path}", err=True)
    return runs.read(path), path, code


def _terminate(*_: object) -> None:
    raise exits.Termination
