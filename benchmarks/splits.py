"""How far from the wanted shares splits by subject are: at random, by scikit-learn, and by `mien split`.

    python benchmarks/splits.py

People and their videos are made up: one to four videos each, of two genders and any age, each video with its
own leaning in valence, arousal, expressions and action units. Lower is better; docs/building.md says what is
summed. Means of five such crowds.
"""

import time
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from mien.annotation.gold import Gold
from mien.annotation.partition import Wanted, deviations, measured, partition, weighed
from mien.annotation.people import Person
from mien.arrays import IntArray
from mien.databases.names import Names

CLASSES = ("neutral", "happiness", "sadness", "fear")
UNITS = ("AU01", "AU04", "AU12")
FRAMES = 20
FOLDS = 20


def crowd(count: int, seed: int) -> tuple[Gold, list[Person]]:
    """Return made gold and who is in it."""
    rng = np.random.default_rng(seed)
    people: list[Person] = []
    for number in range(count):
        said = {"gender": str(rng.choice(["f", "m"])), "age": str(rng.integers(18, 80))}
        takes = range(rng.integers(1, 5))
        people += [Person(f"{number:03d}_{take}.mp4", "", f"s{number}", said) for take in takes]
    videos = len(people)
    shares = np.repeat(rng.dirichlet(np.full(len(CLASSES), 0.3), videos), FRAMES, axis=0)
    values = {name: np.repeat(rng.uniform(-1, 1, videos), FRAMES) for name in ("valence", "arousal")}
    values |= dict(zip(CLASSES, shares.T, strict=True))
    values |= {unit: np.repeat(rng.random(videos) < 0.3, FRAMES).astype(float) for unit in UNITS}
    gold = Gold(
        folder=Path("made"),
        video=Names.of(person.video for person in people for _ in range(FRAMES)),
        face=Names.repeat("", FRAMES * videos),
        frame=np.tile(np.arange(FRAMES), videos).astype(np.int32),
        seconds=np.tile(np.arange(FRAMES) / 25, videos),
        values=values,
    )
    return gold, people


def by_scikit(gold: Gold, subjects: list[str], seed: int) -> IntArray:
    """Return the part of each subject by StratifiedGroupKFold over the most frequent expression."""
    rows = np.array([subjects.index(name) for name in subjects_of(gold)])
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    homes = np.zeros(len(subjects), np.int64)
    for fold, (_, tested) in enumerate(folds.split(np.zeros(len(gold)), gold.winners(), rows)):
        homes[np.unique(rows[tested])] = 1 if fold < 3 else 2 if fold < 6 else 0
    return homes


def subjects_of(gold: Gold) -> list[str]:
    """Return the subject of each row: made videos are named by them."""
    return [f"s{int(name[:3])}" for name in gold.video.text()]


def total(gold: Gold, people: list[Person], subjects: list[str], homes: IntArray) -> float:
    """Return the deviation that `mien split` minimises."""
    videos = sorted(gold.video.counts())
    columns = measured(gold, videos, people)
    masses = np.zeros((len(subjects), len(columns)))
    place = [subjects.index(f"s{int(video[:3])}") for video in videos]
    for number, column in enumerate(columns.values()):
        np.add.at(masses[:, number], place, column)
    _, weights = weighed(masses, [attribute for attribute, _ in columns], 3)
    return float((deviations(masses, homes, Wanted().targets)[1] * weights).sum())


def main() -> None:
    """Print the table."""
    print("| people | videos | random | StratifiedGroupKFold | no swaps | mien | seconds |")
    print("|---|---|---|---|---|---|---|")
    for count in (30, 60, 200):
        told: list[tuple[float, ...]] = []
        for seed in range(5):
            gold, people = crowd(count, seed)
            subjects = list(dict.fromkeys(subjects_of(gold)))
            start = time.perf_counter()
            split = partition(gold, people, Wanted(seed=seed))
            seconds = time.perf_counter() - start
            greedy = partition(gold, people, Wanted(seed=seed, tries=0))
            scikit = total(gold, people, subjects, by_scikit(gold, subjects, seed))
            told.append(
                (split.deviation(random=True), scikit, greedy.deviation(), split.deviation(), seconds)
            )
        means = " | ".join(f"{value:.2f}" for value in np.mean(told, axis=0))
        print(f"| {count} | {len(gold.video.counts())} | {means} |")


if __name__ == "__main__":
    main()
