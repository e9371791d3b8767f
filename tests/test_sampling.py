"""What batches are made of: several databases at once, shares of tasks, rare classes, clips, chance."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import GREY, brightness, drawn, one_of

from mien.arrays import FloatArray
from mien.errors import SettingsError
from mien.hearing import Hearing
from mien.inputs import Preprocessing
from mien.learning.augmentation import augment
from mien.learning.recipe import AugmentationSettings, SamplingSettings
from mien.learning.sampling import Material, chances, epoch
from mien.preparation.prepared import Prepared
from mien.records import Labels
from mien.tasks import (
    ACTION_UNITS_8,
    ACTION_UNITS_12,
    EXPRESSION_7,
    EXPRESSION_8_CONTEMPT,
    VALENCE_AROUSAL,
)

TASKS = (VALENCE_AROUSAL, EXPRESSION_7, ACTION_UNITS_8)
FRAMES = 12
PART = [("train", FRAMES)] * 3 + [("validation", FRAMES)]
ROWS = 4 * FRAMES


def circumplex(rows: int) -> FloatArray:
    return np.random.default_rng(1).uniform(-1, 1, (rows, 2)).astype(np.float32)


def units(rows: int, seed: int = 2) -> FloatArray:
    shares = np.linspace(0.05, 0.5, 12)
    return (np.random.default_rng(seed).random((rows, 12)) < shares).astype(np.float32)


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> list[Prepared]:
    """A large one with valence and arousal, a small one with classes, a smaller one with units."""
    place = tmp_path_factory.mktemp("databases")
    words = ["neutral"] * 8 + ["contempt"] * 2 + ["fear", "anger"]
    return [
        drawn(place, "affect", {VALENCE_AROUSAL: circumplex(2 * ROWS)}, PART * 2, sound=True),
        drawn(
            place,
            "faces",
            {EXPRESSION_8_CONTEMPT: one_of(EXPRESSION_8_CONTEMPT, words * 4)},
            PART,
            sound=True,
        ),
        drawn(place, "motion", {ACTION_UNITS_12: units(2 * FRAMES)}, [("train", FRAMES), ("test", FRAMES)]),
    ]


def test_each_database_has_its_own_labels_translated_by_name(databases: list[Prepared]) -> None:
    material = Material(databases, TASKS, "train", 1, 1)
    assert len(material) == (6 + 3 + 1) * FRAMES
    clips = np.arange(len(material))
    batch = material.batch(clips)
    values = {task: material.truth(task, clips)[0] for task in material.tasks}
    known_cells = {task: material.truth(task, clips)[1] for task in material.tasks}
    assert batch.crops is not None
    assert batch.crops.shape == (len(material), 1, 32, 32)
    for task in TASKS:
        assert values[task].shape == known_cells[task].shape == (len(material), 1, len(task))
        assert not values[task][~known_cells[task]].any()
    affect, faces, motion = (material.sources == place for place in range(3))
    assert known_cells[VALENCE_AROUSAL][:, 0].all(axis=1).tolist() == affect.tolist()
    truth = databases[0].index.labels.values[VALENCE_AROUSAL]
    np.testing.assert_array_equal(values[VALENCE_AROUSAL][affect, 0], truth[material.rows[affect, 0]])
    known = known_cells[EXPRESSION_7][faces, 0].all(axis=1)
    assert known.tolist() == ([True] * 8 + [False] * 2 + [True] * 2) * 3  # contempt is none of the seven
    assert not known_cells[EXPRESSION_7][~faces].any()
    shown = values[EXPRESSION_7][faces, 0][known].argmax(axis=1)
    assert [EXPRESSION_7.labels[k] for k in shown] == (["neutral"] * 8 + ["fear", "anger"]) * 3
    twelve = databases[2].index.labels.values[ACTION_UNITS_12]
    for place, label in enumerate(ACTION_UNITS_8.labels):
        there = label in ACTION_UNITS_12.labels
        assert (known_cells[ACTION_UNITS_8][motion, 0, place] == there).all()
        if there:
            theirs = twelve[material.rows[motion, 0], ACTION_UNITS_12.index(label)]
            np.testing.assert_array_equal(values[ACTION_UNITS_8][motion, 0, place], theirs)


def test_crops_belong_to_their_rows_in_any_order_of_databases(databases: list[Prepared]) -> None:
    material = Material(databases, TASKS, "train", 1, 1)
    clips = np.random.default_rng(0).permutation(len(material))[:40]
    crops = material.batch(clips).crops
    assert crops is not None
    for place, clip in enumerate(clips):
        source, row = int(material.sources[clip]), int(material.rows[clip, 0])
        np.testing.assert_array_equal(crops[place, 0], databases[source].crops[np.array([row])][0])
    assert material.batch(clips, seeing=False).crops is None


def test_clips_are_whole_and_in_order(databases: list[Prepared]) -> None:
    material = Material(databases, TASKS, "train", 5, 3)
    assert len(material) == (6 + 3 + 1) * 3  # starts 0, 3 and 6 of 12 frames
    assert (np.diff(material.rows, axis=1) == 1).all()
    batches = list(epoch(material, SamplingSettings(batch=6, frames=5, step=3), seed=3, number=0))
    for clips in batches:
        crops = material.batch(clips).crops
        assert crops is not None
        for place, clip in enumerate(clips):
            index = databases[material.sources[clip]].index
            rows = material.rows[clip]
            assert len({index.video.at(int(row)) for row in rows}) == 1
            assert np.diff(index.frame[rows]).tolist() == [1] * 4
            expected = [brightness(int(frame)) for frame in index.frame[rows]]
            assert np.abs(crops[place, :, 1, 1].astype(int) - expected).max() < 6, (
                "nearer to its own frame than to the next"
            )
    seen = np.concatenate(batches)
    assert len(np.unique(seen)) == len(seen) == 30


def test_sound_goes_with_its_frames(databases: list[Prepared]) -> None:
    hearing = Hearing(bands=16, span=0.2)
    material = Material(databases, TASKS, "train", 6, 6, hearing)
    clips = np.array([1, 0, len(material) - 1])
    sound = material.batch(clips, seeing=False).sound
    assert sound is not None
    assert sound.shape == (3, 6, 1, 16, hearing.steps)
    assert (sound[2] == -1).all(), "a database without sound is silence"
    assert sound[:2].max() > 0
    rows = material.rows[1]
    prepared = databases[0]
    before, after = hearing.context
    for frame, row in enumerate(rows):  # each frame by itself hears the same as in its clip
        time = float(prepared.index.seconds[row])
        samples, known = prepared.sounds.between(
            prepared.index.sound.at(int(row)), time - before, time + after
        )
        alone, _ = hearing.arrays(samples, known, np.array([time]), time - before)
        np.testing.assert_allclose(sound[0, frame], alone[0], atol=1e-4)


def test_even_mix_gives_every_task_labels_in_every_batch(databases: list[Prepared]) -> None:
    material = Material(databases, TASKS, "train", 1, 1)
    even = SamplingSettings(batch=9, mix="even")
    batches = list(epoch(material, even, seed=0, number=0))
    assert len(batches) == len(material) // 9
    for clips in batches:
        assert [int(material.labelled[task][clips].sum()) for task in TASKS] == [3, 3, 3]
    drawn_ = np.concatenate(batches)
    uses = np.bincount(drawn_, minlength=len(material))
    for task in TASKS:  # a pool comes round before any clip comes again
        pool = uses[material.labelled[task]]
        assert pool.max() - pool.min() <= 1
    places = np.array([np.flatnonzero(material.sources[clips] == 2) for clips in batches])
    assert len(np.unique(places)) == 9, "databases lie anywhere in a batch, so that shares of it are alike"
    plain = list(epoch(material, replace(even, mix="proportional"), seed=0, number=0))
    counts = [int(material.labelled[ACTION_UNITS_8][clips].sum()) for clips in plain]
    assert min(counts) == 0
    assert len(np.unique(np.concatenate(plain))) == 9 * len(plain), "each clip once at most"


def test_an_epoch_follows_from_seed_and_number_alone(databases: list[Prepared]) -> None:
    material = Material(databases, TASKS, "train", 1, 1)
    for settings in (
        SamplingSettings(batch=8),
        SamplingSettings(batch=8, mix="even"),
        SamplingSettings(batch=8, mix="even", balance="classes"),
    ):
        first = np.concatenate(list(epoch(material, settings, 5, 2)))
        np.random.seed(1)
        torch.manual_seed(1)
        list(epoch(material, settings, 5, 0))
        np.testing.assert_array_equal(first, np.concatenate(list(epoch(material, settings, 5, 2))))
        assert (first != np.concatenate(list(epoch(material, settings, 5, 3)))).any()
        assert (first != np.concatenate(list(epoch(material, settings, 6, 2)))).any()


def test_balance_makes_classes_equal(tmp_path: Path) -> None:
    words = ["neutral"] * 40 + ["happiness"] * 15 + ["fear"] * 4 + ["anger"] * 1
    labels = {EXPRESSION_7: one_of(EXPRESSION_7, words)}
    data = [drawn(tmp_path, "faces", labels, [("train", 60)])]
    material = Material(data, (EXPRESSION_7,), "train", 1, 1)
    expected = chances(material, np.arange(60), (EXPRESSION_7,))
    assert expected.sum() == pytest.approx(1)
    for word in set(words):
        assert expected[np.array(words) == word].sum() == pytest.approx(1 / 4)
    settings = SamplingSettings(batch=60, balance="classes")
    clips = np.concatenate([c for k in range(40) for c in epoch(material, settings, 0, k)])
    shown = material.truth(EXPRESSION_7, clips)[0][:, 0].sum(axis=0) / len(clips)
    present = [EXPRESSION_7.index(word) for word in set(words)]
    assert np.abs(shown[present] - 0.25).max() < 0.04, shown


def test_balance_brings_units_nearer_and_keeps_absence(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = np.full((240, 8), np.nan, np.float32)
    shares = np.array([0.4, 0.2, 0.02, 0.02, 0.1])
    values[:, :5] = rng.random((240, 5)) < shares  # three units are not known at all
    values[0, :5], values[1, :5] = [0, 0, 1, 0, 0], [0, 0, 0, 1, 0]
    data = [drawn(tmp_path, "motion", {ACTION_UNITS_8: values}, [("train", 240)])]
    material = Material(data, (ACTION_UNITS_8,), "train", 1, 1)
    plain = values[:, :5].mean(axis=0)
    weights = chances(material, np.arange(240), (ACTION_UNITS_8,))
    balanced = (weights[:, None] * np.nan_to_num(values)).sum(axis=0)[:5]
    assert plain.max() / plain.min() > 10
    assert balanced.max() / balanced.min() < 4
    assert balanced.min() > 1 / 6
    nothing = np.nansum(values, axis=1) == 0
    assert weights[nothing].sum() == pytest.approx(1 / 6), "absence is as frequent as a unit"


def test_balance_over_tasks_keeps_what_has_no_classes(databases: list[Prepared]) -> None:
    material = Material(databases, TASKS, "train", 1, 1)
    weights = chances(material, np.arange(len(material)), TASKS)
    shares = np.array([material.labelled[task].sum() for task in TASKS], float)
    blank = ~np.any([material.labelled[task] for task in TASKS], axis=0)
    assert blank.sum() == 6  # contempt
    for task, share in zip(TASKS, shares, strict=True):
        assert weights[material.labelled[task]].sum() == pytest.approx(share / (shares.sum() + 6))
    assert (weights > 0).all()


def test_chance_is_drawn_once_per_clip() -> None:
    still = torch.rand(6, 1, 1, 32, 32, generator=torch.Generator().manual_seed(0)).expand(-1, 5, -1, -1, -1)
    settings = replace(AugmentationSettings(), noise=0.0)
    changed = augment(still * 1.8 - 0.9, 24, settings, torch.Generator().manual_seed(1))
    assert (changed - changed[:, :1]).abs().max() < 1e-6
    assert all((changed[0] - changed[k]).abs().mean() > 0.05 for k in range(1, 6))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_mirroring_follows_its_share(share: float) -> None:
    stored = torch.rand(8, 2, 1, 24, 24, generator=torch.Generator().manual_seed(0)) - 0.5
    settings = AugmentationSettings(0, 0, 0, 0, 0, 0, 1.0, 0, 0, 0, share)
    changed = augment(stored, 24, settings, torch.Generator().manual_seed(1))
    expected = torch.flip(stored, dims=[-1]) if share else stored
    torch.testing.assert_close(changed, expected, atol=1e-4, rtol=0)


def test_what_cannot_be_drawn_is_refused(databases: list[Prepared], tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match="affect, faces, motion: no clip of 13 frames in the part 'train'"
    ):
        Material(databases, TASKS, "train", 13, 13)
    with pytest.raises(SettingsError, match="motion: no clip of 1 frames in the part 'validation'"):
        Material(databases[2:], TASKS, "validation", 1, 1)
    material = Material(databases, TASKS, "train", 12, 12)
    with pytest.raises(SettingsError, match="10 clips are too few for a batch of 11"):
        next(epoch(material, SamplingSettings(batch=11, frames=12), 0, 0))
    with pytest.raises(SettingsError, match="a batch of 2 has no room for 3 tasks"):
        next(epoch(material, SamplingSettings(batch=2, frames=12, mix="even"), 0, 0))
    labels = {VALENCE_AROUSAL: circumplex(4)}
    for name, preprocessing in (("large", Preprocessing(size=24)), ("red", replace(GREY, colour="rgb"))):
        other = drawn(tmp_path, name, labels, [("train", 4)], preprocessing)
        with pytest.raises(
            SettingsError, match=f"{name}: crops of .* those of affect .* prepare one of them"
        ):
            Material([databases[0], other], TASKS, "train", 1, 1)


def words(prepared: Prepared, rng: np.random.Generator) -> Labels:
    """Return what a teacher might say of all rows of a database."""
    rows = len(prepared.index)
    values = {
        VALENCE_AROUSAL: rng.uniform(-1, 1, (rows, 2)),
        EXPRESSION_7: rng.dirichlet(np.ones(7), rows),
        ACTION_UNITS_12: rng.random((rows, 12)),
    }
    return Labels.of({task: array.astype(np.float32) for task, array in values.items()})


def test_unknown_cells_are_filled_and_known_ones_stay(databases: list[Prepared]) -> None:
    rng = np.random.default_rng(0)
    material = Material(databases, TASKS, "train", 2, 2)
    said = [words(prepared, rng) for prepared in databases]
    for labels in said:
        for cells in (labels.values, labels.known):
            cells[VALENCE_AROUSAL][3] = 0  # a row that the teacher did not see
    filled = material.filled(said)
    clips = np.arange(len(material))
    for task in TASKS:
        before, known = material.truth(task, clips)
        after, now = filled.truth(task, clips)
        np.testing.assert_array_equal(after[known], before[known])
        assert not after[~now].any()
        assert (now | ~known).all()
        np.testing.assert_array_equal(filled.labelled[task], material.labelled[task])
        own = [labels.seen_as(task) for labels in said]
        for clip in clips:
            rows, source = material.rows[clip], material.sources[clip]
            new = now[clip] & ~known[clip]
            np.testing.assert_array_equal(after[clip][new], own[source][0][rows][new])
            np.testing.assert_array_equal(now[clip], known[clip] | own[source][1][rows])
    values, now = filled.truth(EXPRESSION_7, clips)
    np.testing.assert_allclose(values.sum(axis=2), 1, atol=1e-5)
    assert now.all()
    assert not filled.truth(ACTION_UNITS_8, clips)[1][..., ACTION_UNITS_8.index("AU20")].any()
    assert not material.truth(EXPRESSION_7, clips)[1].all(), "the original is as it was"


def test_a_share_of_known_cells_is_what_a_teacher_says(databases: list[Prepared]) -> None:
    rng = np.random.default_rng(1)
    material = Material(databases, TASKS, "train", 2, 2)
    said = [words(prepared, rng) for prepared in databases]
    whole = material.filled(said, 1.0)
    clips = np.arange(len(material))
    for share in (0.0, 0.25, 1.0):
        filled = material.filled(said, share)
        for task in (VALENCE_AROUSAL, EXPRESSION_7):
            before, known = material.truth(task, clips)
            theirs, _ = whole.truth(task, clips)
            after, now = filled.truth(task, clips)
            expected = np.where(known, (1 - share) * before + share * theirs, theirs)
            np.testing.assert_allclose(after, expected, atol=1e-6)
            assert now.all()
    values, _ = whole.truth(EXPRESSION_7, clips)
    own = said[0].values[EXPRESSION_7][material.rows[material.sources == 0]]
    np.testing.assert_array_equal(values[material.sources == 0], own)


def test_distributions_are_translated_where_most_of_them_has_a_name() -> None:
    votes = np.zeros((4, 8), np.float32)
    place = EXPRESSION_8_CONTEMPT.index
    votes[0, [place("neutral"), place("contempt"), place("fear")]] = 0.5, 0.3, 0.2
    votes[1, [place("neutral"), place("contempt")]] = 0.5
    votes[2, place("contempt")] = 1
    votes[3] = np.nan
    values, known = Labels.of({EXPRESSION_8_CONTEMPT: votes}).seen_as(EXPRESSION_7)
    assert known.all(axis=1).tolist() == [True, False, False, False]
    assert not values[1:].any()
    assert values[0, EXPRESSION_7.index("neutral")] == pytest.approx(5 / 7)
    assert values[0, EXPRESSION_7.index("fear")] == pytest.approx(2 / 7)
    back, there = Labels.of({EXPRESSION_7: values[:1]}).seen_as(EXPRESSION_8_CONTEMPT)
    assert there.all()
    assert back[0, place("contempt")] == 0
    own, same = Labels.of({EXPRESSION_8_CONTEMPT: votes, EXPRESSION_7: values * 0}).seen_as(EXPRESSION_7)
    assert same.all(), "where the task itself is there, that is it"
    assert not own.any()
