"""Numbers as people read them: three significant digits, and no more than are known."""

from __future__ import annotations

import math


def number(value: float) -> str:
    """Return *value* with three significant digits: 0.0123, 1.23, 12.3, 1,230,000."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = 2 - math.floor(math.log10(abs(value)))
    rounded = round(value, digits)
    # Rounding may carry: 9.999 is 10.0, and has one digit less behind the point.
    return f"{rounded:,.{max(0, 2 - math.floor(math.log10(abs(rounded))))}f}"


def times(ratio: float) -> str:
    """Return a ratio with two digits behind the point, more of them near zero: 0.97, 12.3, 0.0042.

    Beyond a thousandth and a thousand it says nothing but that.
    """
    if not 0.001 <= ratio <= 1000:
        return "<0.001" if ratio < 1 else ">1,000"
    return f"{ratio:.2f}" if 0.095 <= ratio < 9.995 else number(ratio)


def short(value: float) -> float:
    """Return *value* with five significant digits: more can't be seen in a figure, and takes bytes."""
    return float(f"{value:.5g}")


def percentile(value: float) -> str:
    """Return p99.9 of 99.9, and p99.99 of what is nearly that."""
    return f"p{value:.6g}"


def listed(words: tuple[str, ...] | list[str]) -> str:
    """Return a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
