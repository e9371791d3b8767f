"""What the catalog says of scoring: protocols that a program can run, and figures that others published."""

import re
from collections import defaultdict
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from counted import counted

from mien.databases import DATABASES, fer2013
from mien.databases.catalog import METRICS, Database, Metric, Part, Protocol, Published, Role, recordings
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.records import Labels, Predictions
from mien.tasks import ACTION_UNITS_8, EXPRESSION_7, EXPRESSION_8_CONTEMPT, VALENCE_AROUSAL
from mien.testing.databases.fer2013 import make_fer2013
from mien.testing.databases.omg_emotion import make_omg_emotion

each_database = pytest.mark.parametrize("name", DATABASES)

ERRORS = {"MSE", "RMSE", "MAE"}

Group = tuple[str, str, str, str]


def protocol(database: str, name: str) -> Protocol:
    return next(p for p in DATABASES[database].protocols if p.name == name)


def added(database: Database, figure: Published) -> list[Protocol]:
    """Return the protocols that a figure is the sum of; mostly it is of one."""
    names = database.sums.get(figure.protocol, (figure.protocol,))
    return [p for p in database.protocols if p.name in names]


def group(figure: Published) -> Group:
    return figure.protocol, figure.of, figure.metric or "", figure.part


def test_every_metric_has_a_scale_and_errors_alone_are_better_low() -> None:
    assert set(METRICS) == set(get_args(Metric))
    assert {name for name, scale in METRICS.items() if not scale.higher} == ERRORS
    for name, scale in METRICS.items():
        assert scale.lowest < scale.highest
        assert np.isinf(scale.highest) == (name in ERRORS)


@each_database
def test_metrics_fit_the_labels_and_are_told_once(name: str) -> None:
    for p in DATABASES[name].protocols:
        metrics = (p.metric, *p.also)
        assert len(set(metrics)) == len(metrics)
        assert all(p.task.kind in METRICS[metric].kinds for metric in metrics)


@each_database
def test_sums_are_of_protocols(name: str) -> None:
    database = DATABASES[name]
    names = {p.name for p in database.protocols}
    for total, parts in database.sums.items():
        assert total not in names
        assert len(set(parts)) == len(parts) > 1
        assert set(parts) <= names
    if name == "aff_wild2":
        tasks = {p.task.behaviour for p in database.protocols if p.name in database.sums["MTL"]}
        assert tasks == {"valence_arousal", "expression", "action_units"}


def test_a_metric_of_other_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="binary F1 is not of continuous labels"):
        Protocol(name="x", task=VALENCE_AROUSAL, metric="binary F1", aggregation="")
    with pytest.raises(ValueError, match="CCC, SAGR is not of binary labels"):
        Protocol(name="x", task=ACTION_UNITS_8, metric="CCC", also=("accuracy", "SAGR"), aggregation="")
    with pytest.raises(ValueError, match="categorical ones, not binary"):
        Protocol(name="x", task=ACTION_UNITS_8, metric="accuracy", truth=fer2013.by_majority, aggregation="")


@each_database
def test_published_figures_name_what_is_there_and_can_be(name: str) -> None:
    database = DATABASES[name]
    for figure in database.published:
        protocols = added(database, figure)
        assert protocols, f"{figure.protocol} is neither a protocol nor a sum"
        if figure.protocol in database.sums:
            assert not figure.of
            assert figure.metric is None
        else:
            assert figure.of in ("", *protocols[0].labels)
            assert figure.metric is None or figure.metric in protocols[0].also
        scales = [METRICS[figure.metric or p.metric] for p in protocols]
        spans = [p.task.range[1] - p.task.range[0] for p in protocols]
        highest = sum(min(scale.highest, span**2) for scale, span in zip(scales, spans, strict=True))
        assert sum(scale.lowest for scale in scales) <= figure.value <= highest
        assert figure.value > 0, "nobody publishes worse than chance"


@each_database
def test_published_figures_have_a_source_and_a_year(name: str) -> None:
    for figure in DATABASES[name].published:
        assert len(figure.source) > 10
        assert figure.system
        assert 2011 <= figure.year <= 2026
        assert figure.role in get_args(Role)
        assert figure.part in get_args(Part)
        assert figure.role != "apart" or figure.note, "what is apart says why"
        assert not re.search(r"\bS[0-9]+\b|\[|%", figure.source + figure.note)


@each_database
def test_no_figure_is_told_twice_and_the_best_is_best(name: str) -> None:
    database = DATABASES[name]
    groups: dict[Group, list[Published]] = defaultdict(list)
    for figure in database.published:
        groups[group(figure)].append(figure)
    for figures in groups.values():
        assert len({figure.system for figure in figures}) == len(figures)
        best = [figure for figure in figures if figure.role == "best"]
        assert len(best) <= 1
        metric = figures[0].metric or added(database, figures[0])[0].metric
        better = 1 if METRICS[metric].higher else -1
        rivals = [better * figure.value for figure in figures if figure.role != "apart"]
        assert all(better * figure.value == max(rivals) for figure in best)


@each_database
def test_figures_told_in_whole_and_in_parts_agree(name: str) -> None:
    """Sums are sums, and the figure of valence and arousal is the mean of the two, but for rounding."""
    database = DATABASES[name]
    values = {(*group(figure), figure.system): figure.value for figure in database.published}
    compared = 0
    for (whole, of, metric, part, system), value in values.items():
        if whole in database.sums:
            keys = [(p, "", "", part, system) for p in database.sums[whole]]
            weight = 1.0
        else:
            keys = [(whole, label, metric, part, system) for label in ("valence", "arousal")]
            weight = 0.5
        if not of and all(key in values for key in keys):
            assert value == pytest.approx(weight * sum(values[key] for key in keys), abs=0.001)
            compared += 1
    assert compared == (6 if name == "aff_wild2" else 0)


def test_the_seed_paper_has_its_one_verified_figure() -> None:
    seeds = [
        (n, f) for n, database in DATABASES.items() for f in database.published if f.role == "seed paper"
    ]
    ((name, figure),) = seeds
    assert (name, figure.protocol, figure.system, figure.value) == (
        "affectnet",
        "8 classes",
        "MT-ArcRes",
        0.63,
    )


def still(values: np.ndarray, known: np.ndarray | None = None) -> Index:
    """Return an Index of stills with these distributions over the eight of FERPlus."""
    known = np.isfinite(values) if known is None else known
    labels = Labels({EXPRESSION_8_CONTEMPT: np.nan_to_num(values)}, {EXPRESSION_8_CONTEMPT: known})
    names = [str(row) for row in range(len(values))]
    return Index.of("affectnet", labels, split="validation", video=names, media=names)


def test_the_class_with_more_than_half_is_right_and_others_do_not_count() -> None:
    eight = np.zeros((5, 8), np.float32)
    neutral, anger, contempt = (EXPRESSION_8_CONTEMPT.index(c) for c in ("neutral", "anger", "contempt"))
    eight[0, anger] = 1
    eight[1, contempt] = 1
    eight[2, [neutral, anger]] = 0.5  # a tie
    eight[3, [neutral, anger, contempt]] = 0.6, 0.3, 0.1
    eight[4] = np.nan
    every = protocol("affectnet", "8 classes")
    right = every.right(still(eight))
    assert right.shape == (5, 8)
    told = [[every.labels[place] for place in np.flatnonzero(row)] for row in right]
    assert told == [["anger"], ["contempt"], [], ["neutral"], []]
    seven = protocol("affectnet", "7 classes")
    told = [[seven.labels[place] for place in np.flatnonzero(row)] for row in seven.right(still(eight))]
    assert told == [["anger"], [], [], ["neutral"], []]
    assert every.right(still(eight)[:0]).shape == (0, 8)


def test_an_index_without_the_labels_has_no_row_that_counts() -> None:
    index = still(np.eye(8, dtype=np.float32))
    assert not protocol("fer2013", "FER2013").right(index).any()
    for name in ("majority", "probability", "multi-target"):
        assert not protocol("fer2013", f"FERPlus {name}").right(index).any()


def made(tmp_path: Path, seen: float = 0.2) -> Index:
    """Return a made FER2013 with FERPlus whose votes disagree much, some pictures seen in training."""
    index = fer2013.read(make_fer2013(tmp_path / "fer", test=300).folder, Findings())
    rng = np.random.default_rng(7)
    votes = rng.multinomial(10, [0.3, 0.3, 0.15, 0.05, 0.05, 0.02, 0.02, 0.01, 0.05, 0.05], len(index))
    votes[index.columns["votes_neutral"] < 0] = -1
    columns = {f"votes_{vote}": votes[:, i] for i, vote in enumerate(fer2013.FERPLUS_VOTES)}
    columns["seen_in_training"] = (rng.random(len(index)) < seen).astype(np.int8)
    return index.with_columns(columns)[index.split.matches("test")]


def test_the_modes_of_ferplus_count_what_is_right(tmp_path: Path) -> None:
    index = made(tmp_path)
    rng = np.random.default_rng(1)
    guess = rng.dirichlet(np.ones(8), len(index)).astype(np.float32)
    guess7 = rng.dirichlet(np.ones(7), len(index)).astype(np.float32)
    predictions = Predictions({EXPRESSION_8_CONTEMPT: guess, EXPRESSION_7: guess7})
    told = counted(index, predictions)
    for p in DATABASES["fer2013"].protocols:
        right = p.right(index)
        rows = np.flatnonzero(p.counted(index) & right.any(axis=1))
        chosen = predictions.values[p.task][rows].argmax(axis=1)
        hits = sum(bool(right[row, column]) for row, column in zip(rows, chosen, strict=True))
        assert told[p.name] == (pytest.approx(hits / len(rows)), len(rows))
        assert 0 < len(rows) < len(index)
        assert 0 < hits < len(rows)


def test_only_modes_with_several_right_classes_go_without_recall(tmp_path: Path) -> None:
    index = made(tmp_path)
    for p in DATABASES["fer2013"].protocols:
        several = bool((p.right(index).sum(axis=1) > 1).any())
        assert several == (p.name in ("FERPlus probability", "FERPlus multi-target"))
        assert several == (p.also == ())


def test_seen_pictures_are_left_out_where_the_protocol_says_so(tmp_path: Path) -> None:
    index = made(tmp_path)
    p = protocol("fer2013", "FER2013")
    np.testing.assert_array_equal(p.counted(index), index.columns["seen_in_training"] == 0)
    assert 0 < p.counted(index).sum() < len(index)
    assert protocol("affectnet", "8 classes").counted(index).all()
    fresh = {name for name, database in DATABASES.items() if any(p.fresh for p in database.protocols)}
    assert fresh == {"fer2013"}


def test_recordings_are_those_that_clips_were_cut_from(tmp_path: Path) -> None:
    index = DATABASES["omg_emotion"].read(make_omg_emotion(tmp_path).folder, Findings())
    names = recordings(index)
    pairs = zip(index.video.text(), names.text(), strict=True)
    assert all(video.startswith(f"{recording}/") for video, recording in pairs)
    assert len(set(names.text())) < len(set(index.video.text())) == len(index)
    stills = still(np.eye(8, dtype=np.float32))
    assert recordings(stills).text() == stills.video.text()
    apart = {p.name for p in DATABASES["omg_emotion"].protocols if p.over == "video"}
    assert apart == {"CCC per video", "CCC per video, validation part"}
    others = [p for database in DATABASES.values() for p in database.protocols if p.over == "video"]
    assert len(others) == 2
