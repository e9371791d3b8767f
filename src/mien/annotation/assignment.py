"""Who annotates what, in which order, and what twice.

What was assigned stays: a video that is added later is given to those who have least to do, and repeats are
added as there is more to repeat. The order of an
annotator's videos is shuffled by the seed, so that no two go through them alike.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

from mien.annotation.store import Item


def share(*parts: object) -> float:
    """Return a number in [0, 1) that depends on nothing but the parts."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def assign(
    videos: Sequence[str],
    tasks: Sequence[str],
    annotators: Sequence[str],
    overlap: int,
    seed: int,
    there: Iterable[Item] = (),
) -> tuple[Item, ...]:
    """Return the items that have to be added so that `overlap` annotators have each video and task.

    Args:
        videos: file names.
        tasks: names.
        annotators: pseudonyms.
        overlap: annotators of each video; all, where there are fewer.
        seed: of the choice among those who have equally much to do.
        there: what is assigned already.
    """
    have: dict[tuple[str, str], set[str]] = {}
    for item in there:
        if item.turn == 0:
            have.setdefault((item.task, item.video), set()).add(item.annotator)
    added = []
    for task in tasks:
        load = Counter(name for (of, _), names in have.items() if of == task for name in names)
        for video in sorted(videos, key=lambda video: share(seed, task, video)):
            chosen = have.get((task, video), set())
            free = [name for name in annotators if name not in chosen]
            free.sort(key=lambda name: (load[name], share(seed, task, video, name)))
            for name in free[: max(0, overlap - len(chosen & set(annotators)))]:
                added.append(Item(name, task, video))
                load[name] += 1
    return tuple(added)


def repeated(items: Iterable[Item], part: float, seed: int) -> tuple[Item, ...]:
    """Return the repeats that have to be added so that each annotator does that part of each task twice.

    Args:
        items: what is assigned, repeats included.
        part: of the items; rounded, and one at least unless it is 0.
        seed: of the choice.
    """
    groups: dict[tuple[str, str], list[Item]] = {}
    again: set[tuple[str, str, str]] = set()
    for item in items:
        if item.turn == 0:
            groups.setdefault((item.annotator, item.task), []).append(item)
        else:
            again.add(_key(item))
    found: list[Item] = []
    for group in groups.values():
        free = [item for item in group if _key(item) not in again]
        free.sort(key=lambda item: share(seed, "repeat", *_key(item)))
        wanted = max(round(part * len(group)), 1 if part > 0 else 0)
        missing = max(0, wanted - (len(group) - len(free)))
        found += [Item(*_key(item), turn=1) for item in free[:missing]]
    return tuple(found)


def ordered(items: Iterable[Item], tasks: Sequence[str], seed: int) -> list[Item]:
    """Return an annotator's items in the order of work: task by task, each shuffled, repeats at its end."""
    known = [item for item in items if item.task in tasks]
    return sorted(
        known, key=lambda item: (tasks.index(item.task), item.turn, share(seed, "order", *_key(item)))
    )


def _key(item: Item) -> tuple[str, str, str]:
    return item.annotator, item.task, item.video
