"""What was measured before: the only door to asv.

Everything lies in one folder, `results`. asv's own files (format version 2) are written through asv's
classes, so that ``asv show``, ``asv compare`` and ``asv publish`` work on them; what that format cannot
hold lies beside each file in a run's own JSON Lines, and that side-car is what dsbench reads back:

    results/benchmarks.json                          what asv may show, of every run so far
    results/<machine>/machine.json                   the machine's facts, as first recorded
    results/<machine>/<commit, 8 digits>-<env>.json  asv's file
    results/<machine>/<commit, 8 digits>-<env>.jsonl the side-car
    results/.dsbench/                                lock and unfinished files; ignored by git and asv
"""

from dsbench.history.foreign import asv_series
from dsbench.history.recall import Point, Series, recorded, series
from dsbench.history.recording import record
from dsbench.history.sidecar import HistoryError
from dsbench.history.site import publish

__all__ = ["HistoryError", "Point", "Series", "asv_series", "publish", "record", "recorded", "series"]
