"""Where the newest measurement of each case is found: a run need not measure everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from dsbench.metrics import Metric
from dsbench.reports.site.files import points_of, text
from dsbench.reports.site.inputs import Stored


def place_key(place: tuple[str, str, str]) -> str:
    """What names a place in links."""
    return text("/".join(place))


class Newest:
    """Of each case and probe ("<id> <probe>") at a place, the number of the newest run that measured it.

    Args:
        known: what was found earlier, by place.
        runs: all of the site, by the time of their commits.
    """

    def __init__(self, known: Mapping[str, Mapping[str, int]], runs: Sequence[Stored]) -> None:
        self.places = {key: dict(numbers) for key, numbers in known.items()}
        self._rank = {run.number: rank for rank, run in enumerate(runs)}
        keys = {place: place_key(place) for place in {run.place for run in runs}}
        self._place = {run.number: keys[run.place] for run in runs}
        self._seen: dict[str, set[str]] = {}

    def add(self, number: int, keys: AbstractSet[str]) -> None:
        """Takes note of what a run measured; runs are told newest first."""
        there = self.places.setdefault(self._place[number], {})
        seen = self._seen.setdefault(self._place[number], set())
        fresh, rank = keys - seen, self._rank[number]
        there.update({key: number for key in fresh if self._rank[there.get(key, number)] <= rank})
        seen |= fresh

    def add_lines(self, identity: str, lines: Sequence[str], metrics: Sequence[Metric]) -> None:
        """Takes note of a case's lines, in any order; `metrics` are in the order of their numbers."""
        for point in sorted(points_of(lines), key=lambda point: self._rank[point.run], reverse=True):
            probes = {metrics[number].probe for number in point.metrics} | {
                probe for probe, *_ in point.ended
            }
            self.add(point.run, {f"{identity} {probe}" for probe in probes})

    def runs(self, place: str) -> dict[str, list[int]]:
        """By probe all runs that are the newest one for some case, newest first."""
        found: dict[str, set[int]] = {}
        for key, number in self.places.get(place, {}).items():
            found.setdefault(key.partition(" ")[2], set()).add(number)
        return {
            probe: sorted(numbers, key=self._rank.__getitem__, reverse=True)
            for probe, numbers in sorted(found.items())
        }
