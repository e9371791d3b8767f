"""Train, validation and test parts that share nobody, and are alike in several respects at once.

    split = partition(read_gold(Path("gold")), people, Wanted())
    write_split(Path("split.csv"), split)

Whoever is seen in one video, and all videos they are seen in, stay together: videos that share a subject are
joined, and those joined videos are what is dealt out. For each column of what is balanced (seconds' worth of
frames in a cell of valence and arousal, of a class, with an action unit, with a value of an attribute), the
deviation is the sum over parts of |the part's share of the column - the share it should have|; for an
attribute it is the mean over its columns, and what is minimised is the sum over attributes. Columns that
fewer joined videos have than there are parts cannot be balanced and are not counted.

Largest first, each goes where the deviation falls most, as iterative stratification does (Sechidis, Tsoumakas
and Vlahavas 2011, "On the stratification of multi-label data"); then random moves and swaps are kept where
they lower it. The seed decides all that is random, and the order of rows nothing.
"""

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from mien.annotation.gold import Gold
from mien.annotation.people import PARTS, PLACES, Person
from mien.arrays import BoolArray, FloatArray, IntArray
from mien.errors import InputError, OutputError, SettingsError
from mien.files import sha256, whole_file

CELLS = 5
"""Cells of valence, and of arousal, in which their values are counted."""

MOST_VALUES = 12
"""An attribute of numbers with more different values is cut into quarters."""

RANDOM = 100
"""Random splits by subject that the result is set beside."""


@dataclass(frozen=True)
class Wanted:
    """How to divide.

    Attributes:
        shares: of train, validation and test, which add up to 1; a part of share 0 is not made.
        seed: of what is random.
        tries: random moves and swaps.

    Raises:
        SettingsError: shares that are none, or fewer than no tries.
    """

    shares: tuple[float, float, float] = (0.7, 0.15, 0.15)
    seed: int = 0
    tries: int = 20_000

    def __post_init__(self) -> None:
        if not all(0 <= share <= 1 for share in self.shares) or abs(sum(self.shares) - 1) > 1e-6:
            raise SettingsError(f"shares {self.shares}, expected three from 0 to 1 that add up to 1")
        if self.tries < 0:
            raise SettingsError(f"{self.tries} tries, expected 0 or more")

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that are made."""
        return tuple(part for part, share in zip(PARTS, self.shares, strict=True) if share > 0)

    @property
    def targets(self) -> FloatArray:
        """(parts,) the share of each."""
        return np.array([share for share in self.shares if share > 0])


@dataclass(frozen=True)
class Balance:
    """How one column fell.

    Attributes:
        attribute: what it belongs to: "length", "valence_arousal", "expression", "action_units" or a column.
        name: of the column: a class, an action unit, a value.
        frames: how many there are of it.
        units: how many joined videos have it.
        shares: of it in each part.
        deviation: sum over parts of |share - wanted|.
        random: the mean of that over random splits by subject.
        counted: whether it was balanced.
    """

    attribute: str
    name: str
    frames: float
    units: int
    shares: tuple[float, ...]
    deviation: float
    random: float
    counted: bool


@dataclass(frozen=True)
class Split:
    """A division of videos into parts.

    Attributes:
        wanted: how it was to be.
        people: who is in which video.
        part: video -> its part.
        units: the videos that had to stay together.
        balances: of each column.
        notes: what should be known.
        inputs: what it was made from -> SHA-256.
    """

    wanted: Wanted
    people: tuple[Person, ...]
    part: Mapping[str, str]
    units: tuple[tuple[str, ...], ...]
    balances: tuple[Balance, ...]
    notes: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)

    def deviation(self, attribute: str = "", random: bool = False) -> float:
        """Return the deviation of an attribute, or of all together."""
        by: dict[str, list[float]] = {}
        for one in self.balances:
            if one.counted and attribute in ("", one.attribute):
                by.setdefault(one.attribute, []).append(one.random if random else one.deviation)
        return float(sum(np.mean(of) for of in by.values()))


def partition(gold: Gold, people: Sequence[Person], wanted: Wanted) -> Split:
    """Return a division of gold's videos in which no subject is in two parts.

    Args:
        gold: the rows to balance.
        people: who is in which video; none: each video is a person of its own, and the notes say so.
        wanted: how to divide.

    Raises:
        InputError: a video of gold is not among the people's.
        SettingsError: fewer joined videos than parts.
    """
    videos = sorted(gold.video.counts())
    chosen, notes = _chosen(videos, people)
    units = joined(videos, chosen)
    if len(units) < len(wanted.parts):
        raise SettingsError(
            f"{len(units)} groups of videos that share nobody, but {len(wanted.parts)} parts; ask for fewer "
            "with --shares, such as 1 0 0"
        )
    columns = measured(gold, videos, chosen)
    place = {video: number for number, unit in enumerate(units) for video in unit}
    masses = np.zeros((len(units), len(columns)))
    for number, column in enumerate(columns.values()):
        np.add.at(masses[:, number], [place[video] for video in videos], column)
    names = list(columns)
    shares, weights = weighed(masses, [attribute for attribute, _ in names], len(wanted.parts))
    homes = divide(shares, weights, wanted)
    part = {video: wanted.parts[homes[place[video]]] for video in videos}
    balances = _balances(names, masses, weights, homes, wanted)
    return Split(wanted, tuple(chosen), part, tuple(map(tuple, units)), balances, tuple(notes))


def _chosen(videos: Sequence[str], people: Sequence[Person]) -> tuple[list[Person], list[str]]:
    """Return the people of these videos in order, and what should be known."""
    told = {person.video for person in people}
    missing = [video for video in videos if video not in told]
    if people and missing:
        raise InputError(
            f"{len(missing)} videos of the gold are not among the attributes' ({', '.join(missing[:3])}): "
            "give each a row; an empty subject means not known"
        )
    chosen = [person for person in people if person.video in set(videos)]
    chosen += [Person(video, "", "") for video in missing]
    chosen.sort(key=lambda person: (person.video, person.face, person.subject))
    notes = []
    nameless = sorted({person.video for person in chosen if not person.subject})
    if nameless:
        notes.append(
            f"in {len(nameless)} videos a subject is not known ({', '.join(nameless[:3])}): that nobody is "
            "in two parts cannot be told of them"
        )
    spare = sorted(told - set(videos))
    if spare:
        notes.append(f"{len(spare)} videos of the attributes have no gold ({', '.join(spare[:3])})")
    return chosen, notes


def joined(videos: Sequence[str], people: Iterable[Person]) -> list[list[str]]:
    """Return the videos in groups that share no subject, in order of their first video (union-find)."""
    parent = {video: video for video in videos}

    def root(video: str) -> str:
        while parent[video] != video:
            parent[video] = parent[parent[video]]
            video = parent[video]
        return video

    first: dict[str, str] = {}
    for person in people:
        if person.subject:
            one, other = root(first.setdefault(person.subject, person.video)), root(person.video)
            parent[max(one, other)] = min(one, other)
    groups: dict[str, list[str]] = {}
    for video in sorted(videos):
        groups.setdefault(root(video), []).append(video)
    return list(groups.values())


def measured(
    gold: Gold, videos: Sequence[str], people: Sequence[Person]
) -> dict[tuple[str, str], FloatArray]:
    """Return (attribute, column) -> (videos,) frames of each video that count to it."""
    places = {video: number for number, video in enumerate(videos)}
    of = np.array([places.get(str(name), -1) for name in gold.video.vocabulary])[gold.video.codes]

    def counted(weights: FloatArray | BoolArray) -> FloatArray:
        told = np.nan_to_num(np.asarray(weights, np.float64))
        return np.asarray(np.bincount(of, weights=told, minlength=len(videos)), np.float64)

    found = {("length", "frames"): counted(np.ones(len(gold)))}
    if {"valence", "arousal"} <= gold.values.keys():
        valence, arousal = (cells(gold.values[name]) for name in ("valence", "arousal"))
        for v in range(CELLS):
            for a in range(CELLS):
                name = f"v {_span(v)}, a {_span(a)}"
                found["valence_arousal", name] = counted((valence == v) & (arousal == a))
    for label in gold.expressions:
        found["expression", label] = counted(gold.values[label])
    for unit in gold.units:
        found["action_units", unit] = counted(gold.present(unit))
    found |= _of_people(gold, videos, people, of)
    return {key: column for key, column in found.items() if column.any()}


def cells(values: FloatArray) -> IntArray:
    """Return the cell of each value of [-1, 1], -1 where it is unknown."""
    place = np.clip(np.floor((np.nan_to_num(values) + 1) / 2 * CELLS), 0, CELLS - 1)
    return np.where(np.isfinite(values), place, -1).astype(np.int64)


def _span(cell: int) -> str:
    """Return a cell in words."""
    return f"{2 * cell / CELLS - 1:+.1f}..{2 * (cell + 1) / CELLS - 1:+.1f}"


def _of_people(
    gold: Gold, videos: Sequence[str], people: Sequence[Person], of: IntArray
) -> dict[tuple[str, str], FloatArray]:
    """Return the frames by the people's attributes; people whose face is not said share a video's evenly."""
    frames = np.bincount(of, minlength=len(videos)).astype(float)
    by_face: dict[tuple[str, str], int] = {}
    for video, face in zip(of.tolist(), gold.face.codes.tolist(), strict=True):
        key = videos[video], str(gold.face.vocabulary[face])
        by_face[key] = by_face.get(key, 0) + 1
    places = {video: number for number, video in enumerate(videos)}
    alone = {video: sum(person.video == video for person in people) for video in videos}
    found: dict[tuple[str, str], FloatArray] = {}
    for attribute in dict.fromkeys(name for person in people for name in person.attributes):
        told = quartered([person.attributes.get(attribute, "") for person in people])
        for person, value in zip(people, told, strict=True):
            if value:
                column = found.setdefault((attribute, value), np.zeros(len(videos)))
                shared = frames[places[person.video]] / alone[person.video]
                column[places[person.video]] += (
                    by_face.get((person.video, person.face), shared) if person.face else shared
                )
    return dict(sorted(found.items()))


def quartered(values: Sequence[str]) -> list[str]:
    """Return values as they are, or numbers of many kinds as the quarter that each is in."""
    told = [value for value in values if value]
    if len(set(told)) <= MOST_VALUES or not all(
        re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value) for value in told
    ):
        return list(values)
    ends = np.quantile([float(value) for value in told], [0, 0.25, 0.5, 0.75, 1])
    names = [f"{low:g} to {high:g}" for low, high in pairwise(ends)]
    return [names[int(np.searchsorted(ends[1:-1], float(value)))] if value else "" for value in values]


def weighed(masses: FloatArray, attributes: Sequence[str], parts: int) -> tuple[FloatArray, FloatArray]:
    """Return each unit's share of each column (units, columns), and the columns' weights (columns,).

    Each attribute weighs 1, divided evenly over its columns that at least as many units have as there are
    parts; the other columns weigh nothing.
    """
    shares = masses / np.maximum(masses.sum(axis=0), 1e-12)
    counted = (masses > 0).sum(axis=0) >= parts
    weights = np.zeros(len(attributes))
    for attribute in set(attributes):
        mine = np.array([name == attribute for name in attributes]) & counted
        weights[mine] = 1 / max(int(mine.sum()), 1)
    return shares, weights


def divide(shares: FloatArray, weights: FloatArray, wanted: Wanted) -> IntArray:
    """Return the part of each unit, (units,); no part stays empty.

    Args:
        shares: (units, columns) of each column.
        weights: (columns,).
        wanted: how to divide; at most as many parts as units.
    """
    rng = np.random.default_rng(wanted.seed)
    targets, weights = wanted.targets[:, None], weights[None, :]
    held = np.zeros((len(targets), shares.shape[1]))
    homes = np.zeros(len(shares), np.int64)
    sizes = (shares * weights).sum(axis=1)
    for unit in np.lexsort((np.arange(len(sizes)), -sizes)):
        change = (np.abs(held + shares[unit] - targets) - np.abs(held - targets)) * weights
        homes[unit] = int(np.argmin(change.sum(axis=1) - 1e-9 * (targets[:, 0] - held.mean(axis=1))))
        held[homes[unit]] += shares[unit]
    for part in range(len(targets)):
        if not (homes == part).any():
            counts = np.bincount(homes, minlength=len(targets))
            rich = np.flatnonzero(homes == counts.argmax())
            homes[rich[np.argmin(sizes[rich])]] = part
    return _improved(homes, shares, weights, targets, wanted.tries, rng)


def _improved(
    homes: IntArray,
    shares: FloatArray,
    weights: FloatArray,
    targets: FloatArray,
    tries: int,
    rng: np.random.Generator,
) -> IntArray:
    """Return the parts of units after random moves and swaps, of which those that help were kept."""
    parts, units = len(targets), len(homes)
    held = np.stack([shares[homes == part].sum(axis=0) for part in range(parts)])
    counts = np.bincount(homes, minlength=parts)
    picks = rng.integers(0, units, (tries, 2)) if parts > 1 else np.zeros((0, 2), np.int64)
    kinds, steps = rng.random(len(picks)), rng.integers(1, max(parts, 2), len(picks))
    for (one, other), kind, step in zip(picks.tolist(), kinds.tolist(), steps.tolist(), strict=True):
        here = homes[one]
        swap = kind < 0.5
        there = homes[other] if swap else (here + step) % parts
        if here == there or (not swap and counts[here] == 1):
            continue
        moved = shares[one] - shares[other] if swap else shares[one]
        both = [here, there]
        after = held[both] + np.stack([-moved, moved])
        gain = (np.abs(held[both] - targets[both]) - np.abs(after - targets[both])) * weights
        if gain.sum() > 1e-12:
            held[both] = after
            homes[one] = there
            counts[here], counts[there] = counts[here] - 1, counts[there] + 1
            if swap:
                homes[other] = here
                counts[here], counts[there] = counts[here] + 1, counts[there] - 1
    return homes


def deviations(masses: FloatArray, homes: IntArray, targets: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return each part's share of each column (parts, columns), and each column's deviation (columns,)."""
    held = np.stack([masses[homes == part].sum(axis=0) for part in range(len(targets))])
    shares = held / np.maximum(masses.sum(axis=0), 1e-12)
    return shares, np.abs(shares - targets[:, None]).sum(axis=0)


def at_random(units: int, targets: FloatArray, rng: np.random.Generator) -> IntArray:
    """Return the part of each unit when as many as a part should have are drawn for it, (units,)."""
    ends = np.round(np.cumsum(targets) * units).astype(np.int64)
    homes = np.searchsorted(ends, np.arange(units), side="right")
    return rng.permutation(np.minimum(homes, len(targets) - 1))


def _balances(
    names: Sequence[tuple[str, str]], masses: FloatArray, weights: FloatArray, homes: IntArray, wanted: Wanted
) -> tuple[Balance, ...]:
    """Return how each column fell, beside random splits by subject."""
    shares, found = deviations(masses, homes, wanted.targets)
    rng = np.random.default_rng(wanted.seed)
    drawn = [at_random(len(masses), wanted.targets, rng) for _ in range(RANDOM)]
    random = np.mean([deviations(masses, one, wanted.targets)[1] for one in drawn], axis=0)
    return tuple(
        Balance(
            *names[place],
            frames=float(masses[:, place].sum()),
            units=int((masses[:, place] > 0).sum()),
            shares=tuple(shares[:, place].tolist()),
            deviation=float(found[place]),
            random=float(random[place]),
            counted=bool(weights[place] > 0),
        )
        for place in range(len(names))
    )


def table(split: Split) -> str:
    """Return in a table what each part has of each column, and the deviations before and after."""
    parts = split.wanted.parts
    rows = [("", "frames", "groups", *parts, "random", "here")]
    rows.append(
        ("wanted", "", str(len(split.units)), *(f"{share:.1%}" for share in split.wanted.targets), "", "")
    )
    for attribute in dict.fromkeys(one.attribute for one in split.balances):
        ends = (split.deviation(attribute, random) for random in (True, False))
        rows.append((attribute, "", "", *("" for _ in parts), *(f"{100 * end:.1f}" for end in ends)))
        rows += [
            (
                f"  {one.name}" + " (too few)" * (not one.counted),
                f"{one.frames:,.0f}",
                f"{one.units:,}",
                *(f"{share:.1%}" for share in one.shares),
                f"{100 * one.random:.1f}",
                f"{100 * one.deviation:.1f}",
            )
            for one in split.balances
            if one.attribute == attribute
        ]
    total = (f"{100 * split.deviation(random=random):.1f}" for random in (True, False))
    rows.append(("all together", "", "", *("" for _ in parts), *total))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def write_split(path: Path, split: Split, overwrite: bool = False) -> str:
    """Write a split as csv, and beside it as JSON its hash and how it was made; return the hash.

    Raises:
        OutputError: a file is there already, or the place cannot be written.
    """
    beside = path.with_suffix(".json")
    if beside == path:
        raise OutputError(f"{path}: the list is a csv, and its hash lies beside it under this name; say .csv")
    for there in (path, beside):
        if there.exists() and not overwrite:
            raise OutputError(f"{there}: exists already; choose another place with -o, or say --overwrite")
    attributes = list(dict.fromkeys(name for person in split.people for name in person.attributes))
    with whole_file(path) as part, open(part, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*PLACES, *attributes])
        for person in split.people:
            told = [person.attributes.get(name, "") for name in attributes]
            writer.writerow([person.video, person.face, person.subject, split.part[person.video], *told])
    record: dict[str, Any] = {
        "mien": version("mien"),
        "sha256": sha256(path),
        "seed": split.wanted.seed,
        "tries": split.wanted.tries,
        "shares": dict(zip(PARTS, split.wanted.shares, strict=True)),
        "inputs": dict(split.inputs),
        "groups": len(split.units),
        "deviation": {"random": split.deviation(random=True), "here": split.deviation()},
        "columns": [vars(one) for one in split.balances],
        "notes": list(split.notes),
    }
    with whole_file(beside) as part:
        part.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return str(record["sha256"])
