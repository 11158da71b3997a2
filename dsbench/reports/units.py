"""Numbers that a person reads: three significant digits, a fitting prefix, and the interval beside it."""

from __future__ import annotations

import math

from dsbench.stats.intervals import Estimate

NOTHING = "–"
"""What stands where there is no number."""

_DECIMAL = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_SMALL = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
_BINARY = ((2.0**40, "Ti"), (2.0**30, "Gi"), (2.0**20, "Mi"), (2.0**10, "Ki"), (1.0, ""))
_PREFIXES = {
    "s": _SMALL,
    "J": ((1e3, "k"), *_SMALL),
    "B": _BINARY,
    "FLOP/s": _DECIMAL,
    "B/s": _DECIMAL,
    "B/step": _BINARY,
    "req/s": ((1.0, ""),),
}


def human(value: float | None, unit: str) -> str:
    """A number with its unit: ``1.23 ms``, ``4.50 GiB``, ``12.3 GFLOP/s``; for the unit ``1`` nothing
    else, with two digits where it is small (``2.1e-07``) and three where it is a ratio; a fraction as a
    percentage for ``%``, and with its sign in percentage points for ``pp``."""
    if value is None:
        return NOTHING
    if unit == "1":
        return f"{value:.2g}" if abs(value) < 0.5 else _three_digits(value)
    if unit == "%":
        return percent(value)
    if unit == "pp":
        return f"{_points(value)} pp"
    if not math.isfinite(value) or unit not in _PREFIXES:
        return f"{value:.3g} {unit}".rstrip()
    prefixes = _PREFIXES[unit]
    # Rounded first, so that 999.9 µs becomes 1.00 ms rather than 1000 µs.
    size = abs(float(f"{value:.3g}")) if prefixes is not _BINARY else abs(value)
    scale, prefix = next(((s, p) for s, p in prefixes if size >= s), prefixes[-1])
    if value == 0 or (prefixes is _BINARY and scale == 1):
        return f"{value:.0f} {unit}"
    return f"{_three_digits(value / scale)} {prefix}{unit}"


def estimate(found: Estimate | None, unit: str) -> str:
    """A number with half its interval, relative to it: ``1.23 ms ±2 %``; the number alone when it has
    no interval. Percentage points come with the interval's ends."""
    if found is None:
        return NOTHING
    text = human(found.value, unit)
    if unit == "pp" and found.low is not None and found.high is not None:
        low, high = (_points(end) for end in (found.low, found.high))
        return f"{text} [{low}, {high}]"
    return _with_margin(text, found)


def ratio(found: Estimate | None) -> str:
    """A ratio with half its interval, relative to it: ``1.07× ±2 %``."""
    return NOTHING if found is None else _with_margin(f"{_three_digits(found.value)}×", found)


def percent(fraction: float | None) -> str:
    """A fraction of one as a percentage: ``3.2 %``."""
    return NOTHING if fraction is None else f"{_digits(100 * fraction)} %"


def change(found: Estimate | None) -> str:
    """A relative change with its interval: ``+3.2 % [+1.1 %, +5.3 %]``."""
    if found is None:
        return NOTHING
    text = _signed(found.value)
    if found.low is None or found.high is None:
        return text
    return f"{text} [{_signed(found.low)}, {_signed(found.high)}]"


def _with_margin(text: str, found: Estimate) -> str:
    half = found.half_width
    if half is None:
        return text
    if half > 1:
        return f"{text} ±>100 %"
    if 0 < half < 0.001:
        return f"{text} ±<0.1 %"
    return f"{text} ±{100 * half:.1f} %" if 0 < half < 0.01 else f"{text} ±{100 * half:.0f} %"


def _points(fraction: float) -> str:
    text = f"{100 * abs(fraction):.2f}"
    return f"{'' if float(text) == 0 else '+' if fraction > 0 else '−'}{text}"


def _signed(fraction: float) -> str:
    digits = _digits(abs(100 * fraction))
    sign = "" if float(digits) == 0 else "+" if fraction > 0 else "−"
    return f"{sign}{digits} %"


def _digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.2g}" if abs(value) < 1 else f"{value:.1f}"


def _three_digits(value: float) -> str:
    size = abs(value)
    if size != 0 and size < 0.01:
        return f"{value:.2g}"
    return f"{value:.2f}" if size < 9.995 else f"{value:.1f}" if size < 99.95 else f"{value:.0f}"
