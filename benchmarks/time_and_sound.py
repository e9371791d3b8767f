"""What time and sound add to small networks, and the delay that each costs.

    python benchmarks/time_and_sound.py scores PREPARED RUN...
    python benchmarks/time_and_sound.py against PREPARED RUN...
    python benchmarks/time_and_sound.py sound PREPARED RUN...
    python benchmarks/time_and_sound.py units PREPARED RUN...
    python benchmarks/time_and_sound.py cost PREPARED RUN
    python benchmarks/time_and_sound.py shift PREPARED CHECKPOINT
    python benchmarks/time_and_sound.py voices EMODB RUN...

Runs are of recipes/time_and_sound.toml, one for each seed; PREPARED has clips, sound, valence, arousal and
action units. Each prints a Markdown table: means over runs, and half the width of the 95 % interval of
Student's t, which says how much seeds differ, not how much other faces would.

`scores` gives CCC of valence and arousal and the mean F1 of action units at 0.5, of predictions as they are,
after an exponential filter (time constant 0.2 s, causal) and after a gaussian one (0.1 s, which looks ahead),
and by how much predictions lag behind the labels. `against` gives differences of pairs of networks with 95 %
intervals of a bootstrap that draws whole clips, which says what other clips would do. `sound` gives networks
that hear their own sound, silence and the sound of another clip, on clips with speech and on all. `units`
gives F1 unit by unit. `cost` gives processor time of the exported networks, one face, frame by frame, and the
delays. `shift` moves the sound against the picture. `voices` gives the arousal that networks which only hear
predict for one speaker.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from stages import cell

from mien.arrays import BoolArray, FloatArray
from mien.bundle import Bundle
from mien.courses.filters import FILTERS, Filter
from mien.derived.circumplex import PLACES
from mien.derived.filming import EMOTIONS, RATE
from mien.hearing import Hearing
from mien.learning.export import export
from mien.learning.network import Network, probabilities
from mien.learning.recipe import Recipe
from mien.learning.sampling import Material
from mien.learning.training import load_network
from mien.learning.validation import arrays
from mien.media.audio import RATE as SOUND_RATE
from mien.media.audio import read_sound
from mien.metrics import Moments, Outcomes, binary_f1, ccc, pcc
from mien.preparation.prepared import Prepared
from mien.tasks import VALENCE_AROUSAL, Task

FRAMES = 80
"""Frames of a clip, all of which are given from the first on."""

AT_ONCE = 4
"""Clips that are looked at together."""

REACH = 25
"""Frames within which a lag is looked for."""

EDGE = 19
"""Frames at both ends of a clip that are left out where sound was moved, by less than that."""


DRAWS = 2000
"""Samples of a bootstrap."""

PAIRS = [
    ("frames", "frames_on_clips"),
    ("frames_on_clips", "recurrent"),
    ("frames_on_clips", "convolution"),
    ("recurrent", "both_recurrent"),
    ("convolution", "both_convolution"),
    ("sound_recurrent", "both_recurrent"),
    ("sound_convolution", "both_convolution"),
    ("both_never_deaf", "both_recurrent"),
    ("recurrent", "both_recurrent, in silence"),
    ("convolution", "both_convolution, in silence"),
    ("both_never_deaf, in silence", "both_recurrent, in silence"),
]
"""Networks that are held against each other."""

SMOOTHED: dict[str, Filter | None] = {
    "": None,
    ", exponential": FILTERS["exponential"](0.2),
    ", gaussian": FILTERS["gaussian"](0.1),
}
"""What is added to a column's name -> the filter; the second is causal, the third is not."""


def smoothed(values: FloatArray, by: Filter | None) -> FloatArray:
    """Return clips (n, time, labels) after a filter."""
    if by is None:
        return values
    seconds = np.arange(values.shape[1]) / RATE
    return np.stack([by.over(seconds, clip) for clip in values]).astype(np.float32)


@dataclass(frozen=True)
class Clips:
    """The clips of a part, with what is heard.

    Attributes:
        material: the clips, and their labels.
        sound: (n, time, 1, bands, steps).
        spoken: (n,) which have a sound file.
        scripts: (n,) the expression that each shows.
    """

    material: Material
    sound: FloatArray
    spoken: BoolArray
    scripts: list[str]

    @classmethod
    def of(cls, data: Prepared, recipe: Recipe, tasks: Sequence[Task], split: str) -> "Clips":
        """Return the clips of a part of a prepared database, with the hearing of a recipe."""
        material = Material([data], tasks, split, FRAMES, FRAMES, recipe.hearing)
        sound = material.batch(np.arange(len(material)), seeing=False).sound
        assert sound is not None
        rows = material.rows[:, 0].tolist()
        script = data.index.groups.get("script")
        return cls(
            material,
            sound,
            np.array([data.index.sound.at(row) in data.sounds for row in rows]),
            [script.at(row) if script is not None else "" for row in rows],
        )

    def of_another(self) -> FloatArray:
        """Return for each clip the sound of the next spoken clip that shows another expression."""
        heard = self.sound.copy()
        count = len(self.scripts)
        for clip in np.flatnonzero(self.spoken).tolist():
            others = ((clip + k) % count for k in range(1, count))
            heard[clip] = self.sound[
                next(k for k in others if self.spoken[k] and self.scripts[k] != self.scripts[clip])
            ]
        return heard


@torch.no_grad()
def said(network: Network, recipe: Recipe, material: Material, sound: FloatArray) -> dict[Task, FloatArray]:
    """Return what a network says of clips when it hears a sound, task -> (clips, time, labels)."""
    parts: dict[Task, list[FloatArray]] = defaultdict(list)
    for start in range(0, len(material), AT_ONCE):
        clips = np.arange(start, min(start + AT_ONCE, len(material)))
        faces = None
        if network.sees:
            faces, _ = arrays(recipe, material.batch(clips), torch.device("cpu"))
        heard = torch.from_numpy(sound[clips]) if network.hears else None
        raw, _ = network(faces, heard)
        for task in network.tasks:
            parts[task].append(probabilities(task, raw[task.name].float()).numpy())
    return {task: np.concatenate(values) for task, values in parts.items()}


def scores(
    material: Material, predictions: dict[Task, FloatArray], chosen: BoolArray | None = None
) -> dict[str, float]:
    """Return CCC of valence and arousal, F1 of each unit that occurs, and their mean, on some clips."""
    found: dict[str, float] = {}
    clips = np.arange(len(material)) if chosen is None else np.flatnonzero(chosen)
    for task, values in predictions.items():
        truth, known = material.truth(task, clips)
        units = {}
        for place, label in enumerate(task.labels):
            mine = known[..., place]
            true, told = truth[..., place][mine], values[clips][..., place][mine]
            if task.kind == "continuous":
                found[f"{label} CCC"] = ccc(true, told)
            elif (true > 0.5).any():
                units[label] = binary_f1(true > 0.5, told >= 0.5)
        if units:
            found |= {"units F1": float(np.mean(list(units.values()))), **units}
    return found


def lag(first: FloatArray, second: FloatArray) -> float:
    """Return the seconds by which `second` comes after `first`, both (clips, time).

    It is where their correlation over all clips is greatest, between frames by a parabola through the three
    greatest.
    """
    time_steps = first.shape[1]
    found = []
    for shift in range(-REACH, REACH + 1):
        early = first[:, max(-shift, 0) : time_steps - max(shift, 0)]
        late = second[:, max(shift, 0) : time_steps - max(-shift, 0)]
        found.append(pcc(early.ravel(), late.ravel()))
    best = int(np.nanargmax(found))
    between = 0.0
    if 0 < best < len(found) - 1:
        before, here, after = found[best - 1 : best + 2]
        between = 0.5 * (before - after) / (before - 2 * here + after)
    return (best - REACH + between) / RATE


def networks(run: Path) -> list[tuple[str, Network, Recipe]]:
    """Return name, network and recipe of each stage of a run, in the order in which they were trained."""
    best = sorted(run.glob("*/best.safetensors"), key=lambda path: path.stat().st_mtime)
    loaded = [(path.parent.name, *load_network(path)) for path in best]
    return [(name, network, recipe) for name, network, recipe, _ in loaded]


Table = dict[str, list[dict[str, float]]]
"""Row -> figures by column, of each run."""


def show(title: str, table: Table, columns: Sequence[str]) -> None:
    """Print a table."""
    print(f"| {title} | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name, runs in table.items():
        cells = [cell(column, [run[column] for run in runs if column in run]) for column in columns]
        print(f"| {name} | " + " | ".join(cells) + " |")


def show_scores(data: Prepared, runs: Sequence[Path], split: str) -> None:
    """Print what every network reaches, as it is and after each filter."""
    table: Table = defaultdict(list)
    names = ["valence CCC", "arousal CCC", "units F1"]
    for run in runs:
        for name, network, recipe in networks(run):
            clips = Clips.of(data, recipe, network.tasks, split)
            told = said(network, recipe, clips.material, clips.sound)
            row: dict[str, float] = {}
            truth, _ = clips.material.truth(VALENCE_AROUSAL, np.arange(len(clips.material)))
            for label, by in SMOOTHED.items():
                filtered = {task: smoothed(values, by) for task, values in told.items()}
                found = scores(clips.material, filtered)
                row |= {f"{column}{label}": found[column] for column in names}
                row[f"lag{label}"] = lag(truth[..., 1], filtered[VALENCE_AROUSAL][..., 1])
            table[name].append(row)
    show("network", table, [f"{column}{label}" for column in names for label in SMOOTHED])
    print()
    show("arousal lags by, s", table, [f"lag{label}" for label in SMOOTHED])


def drawn(material: Material, predictions: dict[Task, FloatArray], weights: FloatArray) -> FloatArray:
    """Return CCC of valence and of arousal and the mean F1 of units in each sample, (samples, 3).

    Args:
        material: n clips.
        predictions: of them.
        weights: (samples, n) how often each clip counts.
    """
    groups = np.repeat(np.arange(len(material)), FRAMES)
    found = []
    for task, values in predictions.items():
        truth, known = (
            cells.reshape(-1, len(task)) for cells in material.truth(task, np.arange(len(material)))
        )
        told = values.reshape(-1, len(task))
        if task.kind == "continuous":
            found.append(Moments.of(truth, told, known, groups).sum(weights).ccc())
        else:
            f1 = Outcomes.of(truth > 0.5, told >= 0.5, known, groups).sum(weights).f1()
            occurs = np.any((truth > 0.5) * known, axis=0)
            found.append(np.nanmean(f1[:, occurs], axis=1, keepdims=True))
    return np.concatenate(found, axis=1)


def show_against(data: Prepared, runs: Sequence[Path], split: str) -> None:
    """Print by how much the second of two networks is better, the mean over runs, with its interval."""
    found: dict[str, list[FloatArray]] = defaultdict(list)
    for run in runs:
        for name, network, recipe in networks(run):
            clips = Clips.of(data, recipe, network.tasks, split)
            count = len(clips.material)
            weights = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), DRAWS)
            whole = np.concatenate(
                [np.ones((1, count)), weights]
            )  # the first sample is the clips as they are
            given = {"": clips.sound}
            if name.startswith("both"):
                silence = recipe.hearing.silence(FRAMES)
                given[", in silence"] = np.broadcast_to(silence, clips.sound.shape).copy()
            for label, sound in given.items():
                told = said(network, recipe, clips.material, sound)
                found[name + label].append(drawn(clips.material, told, whole))
    columns = ["valence CCC", "arousal CCC", "units F1"]
    print("| from | to | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 2) + "|")
    for first, second in PAIRS:
        if first in found and second in found:
            gains = np.mean(found[second], axis=0) - np.mean(found[first], axis=0)
            low, high = np.nanpercentile(gains[1:], [2.5, 97.5], axis=0)
            cells = [f"{g:+.3f} ({a:+.3f} to {b:+.3f})" for g, a, b in zip(gains[0], low, high, strict=True)]
            print(f"| {first} | {second} | " + " | ".join(cells) + " |")


def show_sound(data: Prepared, runs: Sequence[Path], split: str) -> None:
    """Print what networks make of their own sound, of silence, and of another clip's."""
    table: Table = defaultdict(list)
    kinds = ["spoken", "all"]
    names = ["valence CCC", "arousal CCC", "units F1", "AU25", "AU26"]
    for run in runs:
        for name, network, recipe in networks(run):
            clips = Clips.of(data, recipe, network.tasks, split)
            given = {"": clips.sound}
            if network.hears:
                silence = np.broadcast_to(recipe.hearing.silence(FRAMES), clips.sound.shape).copy()
                given |= {", in silence": silence, ", sound of another clip": clips.of_another()}
            for label, sound in given.items():
                told = said(network, recipe, clips.material, sound)
                row: dict[str, float] = {}
                for kind in kinds:
                    found = scores(clips.material, told, clips.spoken if kind == "spoken" else None)
                    row |= {f"{column}, {kind}": found[column] for column in names}
                table[name + label].append(row)
    show("network", table, [f"{column}, {kind}" for kind in kinds for column in names])


def show_units(data: Prepared, runs: Sequence[Path], split: str) -> None:
    """Print F1 of each unit; networks are the columns."""
    table: Table = defaultdict(list)
    columns: list[str] = []
    for run in runs:
        found: dict[str, dict[str, float]] = defaultdict(dict)
        for name, network, recipe in networks(run):
            columns = [*columns, name] if name not in columns else columns
            clips = Clips.of(data, recipe, network.tasks, split)
            told = said(network, recipe, clips.material, clips.sound)
            for unit, value in scores(clips.material, told).items():
                if unit.startswith("AU"):
                    found[unit][name] = value
        for unit, row in found.items():
            table[unit].append(row)
    show("unit", table, columns)


def show_cost(data: Prepared, run: Path, split: str) -> None:
    """Print processor time of each network's bundle for a frame of one face, and the delays."""
    table: Table = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, network, recipe in networks(run):
            export([run / name / "best.safetensors"], Path(folder) / name, {})
            bundle = Bundle.load(Path(folder) / name)
            clips = Clips.of(data, recipe, network.tasks, split)
            faces, _ = arrays(recipe, clips.material.batch(np.arange(1)), torch.device("cpu"))
            assert faces is not None
            own = clips.sound[:1] if network.hears else None
            spent = min(_following(bundle, faces.numpy(), own) for _ in range(5))
            hearing = min(_hearing(recipe.hearing) for _ in range(5)) if network.hears else 0.0
            size = sum(weight.numel() for weight in network.parameters()) / 1e6
            table[name] = [
                {
                    "weights, millions": size,
                    "network, ms": spent,
                    "sound made ready, ms": hearing,
                    "waits for sound, s": recipe.hearing.ahead if network.hears else 0.0,
                }
            ]
    show("network", table, list(next(iter(table.values()))[0]))
    print()
    filters = {
        label.removeprefix(", "): [{"late by, s": by.delay, "looks ahead, s": by.ahead}]
        for label, by in SMOOTHED.items()
        if by is not None
    }
    show("filter", filters, list(filters["gaussian"][0]))


def _following(bundle: Bundle, faces: FloatArray, sound: FloatArray | None) -> float:
    """Return the mean milliseconds of processor time for a frame, one after another (1, time, ...)."""
    state = None
    begun = time.process_time()
    for k in range(FRAMES):
        heard = None if sound is None else sound[:, k : k + 1]
        _, state = bundle.follow(faces[:, k : k + 1], heard, state)
    return (time.process_time() - begun) / FRAMES * 1000


def _hearing(hearing: Hearing) -> float:
    """Return the mean milliseconds of processor time in which the sound for a frame is made ready."""
    before, after = hearing.context
    samples = np.random.default_rng(0).uniform(-1, 1, round((before + after) * SOUND_RATE)).astype(np.float32)
    known = np.ones(len(samples), bool)
    begun = time.process_time()
    for k in range(FRAMES):
        hearing.arrays(samples, known, np.array([k / RATE]), k / RATE - before)
    return (time.process_time() - begun) / FRAMES * 1000


def show_shift(data: Prepared, checkpoint: Path, split: str) -> None:
    """Print by how much predictions move when the sound is moved against the picture."""
    network, recipe, _ = load_network(checkpoint)
    clips = Clips.of(data, recipe, network.tasks, split)
    truth, _ = clips.material.truth(VALENCE_AROUSAL, np.arange(len(clips.material)))
    plain = said(network, recipe, clips.material, clips.sound)[VALENCE_AROUSAL]
    table: Table = {}
    for moved in (-0.5, 0.0, 0.25, 0.5, 0.75):
        # The pictures stay; the clock by which the sound is looked up is earlier.
        late = replace(data, index=replace(data.index, seconds=data.index.seconds - moved))
        heard = Clips.of(late, recipe, network.tasks, split)
        told = said(network, recipe, clips.material, heard.sound)[VALENCE_AROUSAL]
        row = {"valence CCC": ccc(truth[..., 0].ravel(), told[..., 0].ravel())}
        row["arousal CCC"] = ccc(truth[..., 1].ravel(), told[..., 1].ravel())
        for place, label in enumerate(VALENCE_AROUSAL.labels):
            # Without the ends, where sound that was moved in from outside the clip is silence.
            inside = np.s_[:, EDGE:-EDGE, place]
            row[f"{label} moves by, s"] = lag(plain[inside], told[inside])
        table[f"{moved:+.2f} s"] = [row]
    show("sound moved by", table, list(table["+0.50 s"][0]))


def show_voices(folder: Path, runs: Sequence[Path], speaker: str) -> None:
    """Print the mean arousal that networks which only hear say of one speaker's emotions.

    Beside it the mean level of the utterances in decibels of full scale, which needs no network.
    """
    files = [path for path in sorted(folder.glob(f"{speaker}*")) if path.stem[5] in EMOTIONS]
    sounds = [read_sound(path).samples / np.float32(32768) for path in files]
    emotions = np.array([EMOTIONS[path.stem[5]] for path in files])
    counts = {emotion: int((emotions == emotion).sum()) for emotion in dict.fromkeys(emotions.tolist())}
    places = np.array([PLACES[emotion][1] for emotion in emotions])

    def row(told: FloatArray) -> dict[str, float]:
        means = {emotion: float(told[emotions == emotion].mean()) for emotion in counts}
        return {**means, "rank correlation": pcc(_ranks(places), _ranks(told))}

    table: Table = defaultdict(list)
    table["level, dB"].append(row(np.array([10 * np.log10(np.mean(sound**2)) for sound in sounds])))
    for run in runs:
        for name, network, recipe in networks(run):
            if not network.sees:
                said_of = [_arousal(network, recipe.hearing, samples) for samples in sounds]
                table[name].append(row(np.array(said_of)))
    print(f"speaker {speaker}: {counts}\n")
    show("network", table, [*counts, "rank correlation"])


@torch.no_grad()
def _arousal(network: Network, hearing: Hearing, samples: FloatArray) -> float:
    """Return the mean arousal over the frames of an utterance."""
    times = np.arange(0, len(samples) / SOUND_RATE, 1 / RATE)
    heard, _ = hearing.arrays(samples, np.ones(len(samples), bool), times)
    raw, _ = network(None, torch.from_numpy(heard[None]))
    return float(probabilities(VALENCE_AROUSAL, raw[VALENCE_AROUSAL.name])[0, :, 1].mean())


def _ranks(values: FloatArray) -> FloatArray:
    """Return ranks (n,), equal values sharing their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["scores", "against", "sound", "units", "cost", "shift", "voices"])
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--split", default="test", choices=["validation", "test"])
    parser.add_argument("--speaker", default="16", help="of EmoDB; the last is that of the test part")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.what == "voices":
        show_voices(options.data, options.runs, options.speaker)
        return
    data = Prepared.open(options.data)
    several = {"scores": show_scores, "against": show_against, "sound": show_sound, "units": show_units}
    if options.what in several:
        several[options.what](data, options.runs, options.split)
    else:
        single = {"cost": show_cost, "shift": show_shift}[options.what]
        single(data, options.runs[0], options.split)


if __name__ == "__main__":
    main()
