"""How well annotators agree on codings: row by row, on intensities, and event by event.

Kappas collapse where a class is rare, as most action units are: AC1 and Randolph's kappa stand beside them,
and the share of rows with the unit is told.
"""

from collections import deque
from collections.abc import Collection, Sequence
from itertools import combinations

import numpy as np

from mien.annotation.agreement import Agreement, Figure, Pair, defined
from mien.annotation.coding import EXPRESSION, Coding, Span
from mien.annotation.resampling import LATE
from mien.arrays import FloatArray
from mien.metrics.agreement import icc
from mien.metrics.raters import ac1, agreed, cohen, fleiss, krippendorff, randolph

NONE = "no row that two coded"
ALIKE = "all say the same one class"


def coding_agreement(codings: Sequence[Coding], tolerance: float) -> list[Agreement]:
    """Return the agreement on each label: of each video and face, and of all together.

    Args:
        codings: of any labels.
        tolerance: seconds by which an event's start and end may differ.
    """
    found = []
    for label in dict.fromkeys(coding.label for coding in codings):
        mine = [coding for coding in codings if coding.label == label]
        for coding in mine:
            found += _measured([coding], coding.video, coding.face, tolerance)
        found += _measured(mine, "", "", tolerance)
    return found


def joined(codings: Sequence[Coding], of: str = "votes") -> tuple[tuple[str, ...], FloatArray]:
    """Return all annotators and their votes or grades over all rows, (n, k); NaN where one has none.

    Args:
        codings: of one label.
        of: "votes" or "grades".
    """
    who = tuple(sorted({one for coding in codings for one in coding.annotators}))
    parts = []
    for coding in codings:
        part = np.full((len(coding.times.seconds), len(who)), np.nan)
        rows = getattr(coding, of)
        part[:, [who.index(one) for one in coding.annotators]] = rows.T
        parts.append(part)
    return who, np.concatenate(parts) if parts else np.zeros((0, 0))


def matched(first: Sequence[Span], second: Sequence[Span], tolerance: float, ends: bool = True) -> int:
    """Return how many events of two annotators are the same: the most pairs in which each event is once.

    Args:
        first: start and end of each event in seconds.
        second: likewise.
        tolerance: seconds by which the starts may differ, and the ends.
        ends: whether the ends count, or only the starts.
    """
    near = [
        [
            place
            for place, (onset, offset) in enumerate(second)
            if abs(start - onset) <= tolerance + LATE and (not ends or abs(end - offset) <= tolerance + LATE)
        ]
        for start, end in first
    ]
    taken: dict[int, int] = {}
    spent: set[int] = set()
    for one in range(len(first)):
        spent.update(_find(one, near, taken, spent))
    return len(taken)


def _find(
    newcomer: int, near: Sequence[Sequence[int]], taken: dict[int, int], spent: Collection[int]
) -> Collection[int]:
    """Give an event a partner, others made to move on where need be.

    Args:
        newcomer: the event, which has no partner.
        near: of each event the places that it may take.
        taken: place -> event; changed.
        spent: places from which no free one can be reached.

    Returns:
        Where there is no partner, the places that were looked at: they are spent too.
    """
    places = {event: place for place, event in taken.items()}
    reached: dict[int, int] = {}
    queue = deque([newcomer])
    while queue:
        one = queue.popleft()
        new = [place for place in near[one] if place not in reached and place not in spent]
        reached.update(dict.fromkeys(new, one))
        free = next((place for place in new if place not in taken), None)
        if free is None:
            queue.extend(taken[place] for place in new)
            continue
        while free is not None:
            taken[free] = reached[free]
            free = places.get(reached[free])
        return ()
    return reached


def _measured(codings: Sequence[Coding], video: str, face: str, tolerance: float) -> list[Agreement]:
    """Return the agreement of some codings of one label: of rows, of intensities and of events."""
    label, classes = codings[0].label, codings[0].classes
    who, votes = joined(codings)
    place = (video, face, who)
    found = [
        Agreement(
            label, "frames", "", *place, _rows(label, votes, classes), _row_pairs(who, votes, len(classes))
        )
    ]
    if label == EXPRESSION:
        return found
    _, grades = joined(codings, "grades")
    if np.any(grades > 0):
        found.append(Agreement(label, "grades", "", *place, _grades(grades), _grade_pairs(who, grades)))
    pairs = _event_pairs(codings, who, tolerance)
    found.append(Agreement(label, "events", "", *place, _mean_events(pairs), pairs))
    return found


def _rows(label: str, votes: FloatArray, classes: Sequence[str]) -> tuple[Figure, ...]:
    """Return the figures of all annotators' votes (n, k)."""
    count = len(classes)
    several = int((np.isfinite(votes).sum(axis=1) >= 2).sum())
    complete = int(np.isfinite(votes).all(axis=1).sum()) if votes.shape[1] >= 2 else 0
    every = "" if complete else "no row that all coded"
    lone = votes.shape[1] < 2
    nothing = float("nan")
    figures = [
        defined("agreed", agreed(votes, count), several, NONE),
        defined("Krippendorff (nominal)", krippendorff(votes), several, ALIKE if several else NONE),
        defined("AC1", ac1(votes, count) if several else nothing, several, NONE),
        defined("Fleiss", nothing if lone else fleiss(votes, count), complete, every or ALIKE),
        defined("Randolph", nothing if lone else randolph(votes, count), complete, every),
    ]
    if label != EXPRESSION:
        cast = votes[np.isfinite(votes)]
        share = float(cast.mean()) if len(cast) else nothing
        figures.append(defined("share present", share, len(cast), "nothing was coded"))
    return tuple(figures)


def _row_pairs(who: Sequence[str], votes: FloatArray, classes: int) -> tuple[Pair, ...]:
    """Return the figures of each two annotators' votes."""
    pairs = []
    for one, two in combinations(range(len(who)), 2):
        both = votes[:, [one, two]]
        both = both[np.isfinite(both).all(axis=1)]
        why = ALIKE if len(both) else "no row that both coded"
        figures = (
            defined("Cohen", cohen(both[:, 0], both[:, 1], classes), len(both), why),
            defined("agreed", agreed(both, classes), len(both), why),
            defined("AC1", ac1(both, classes), len(both), why),
        )
        pairs.append(Pair(who[one], who[two], figures))
    return tuple(pairs)


def _grades(grades: FloatArray) -> tuple[Figure, ...]:
    """Return the figures of all annotators' intensities (n, k); absent is 0."""
    complete = grades[np.isfinite(grades).all(axis=1)]
    several = int((np.isfinite(grades).sum(axis=1) >= 2).sum())
    enough = grades.shape[1] >= 2 and len(complete) >= 2
    why = ALIKE if enough else "fewer than two rows that all graded"
    return (
        *(
            defined(form, icc(complete, form) if enough else float("nan"), len(complete), why)
            for form in ("ICC(3,1)", "ICC(2,1)")
        ),
        defined(
            "Krippendorff (ordinal)", krippendorff(grades, "ordinal"), several, ALIKE if several else NONE
        ),
    )


def _grade_pairs(who: Sequence[str], grades: FloatArray) -> tuple[Pair, ...]:
    """Return the figures of each two annotators' intensities."""
    pairs = []
    for one, two in combinations(range(len(who)), 2):
        both = grades[:, [one, two]]
        both = both[np.isfinite(both).all(axis=1)]
        why = ALIKE if len(both) else "no row that both graded"
        value = cohen(both[:, 0], both[:, 1], 6, "quadratic")
        pairs.append(Pair(who[one], who[two], (defined("Cohen (quadratic)", value, len(both), why),)))
    return tuple(pairs)


def _event_pairs(codings: Sequence[Coding], who: Sequence[str], tolerance: float) -> tuple[Pair, ...]:
    """Return the F1 of each two annotators' events: matched ones twice, over the events of both."""
    pairs = []
    for first, second in combinations(who, 2):
        events, whole, starts, why = 0, 0, 0, "nothing that both went through"
        for coding in codings:
            told = dict(zip(coding.annotators, coding.events, strict=True))
            one, two = told.get(first), told.get(second)
            if one is not None and two is not None:
                events += len(one) + len(two)
                whole += matched(one, two, tolerance)
                starts += matched(one, two, tolerance, ends=False)
                why = "neither saw an event"
        figures = tuple(
            defined(name, 2 * count / events if events else float("nan"), events, why)
            for name, count in (("events", whole), ("onsets", starts))
        )
        pairs.append(Pair(first, second, figures))
    return tuple(pairs)


def _mean_events(pairs: Sequence[Pair]) -> tuple[Figure, ...]:
    """Return the mean of pairs' figures, of those that are defined."""
    figures = []
    for name in ("events", "onsets"):
        known = [pair.figure(name) for pair in pairs if np.isfinite(pair.figure(name).value)]
        value = float(np.mean([figure.value for figure in known])) if known else float("nan")
        figures.append(defined(name, value, sum(figure.count for figure in known), "nobody saw an event"))
    return tuple(figures)
