"""One truth from several: known values, guards, and a made-up truth that is found again."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from annotated import LAGS, curve, database, segments, traces
from click.testing import CliRunner

from mien.annotation.fusing import Choices, fuse, write_made
from mien.annotation.fusion import FUSIONS, mean, median, shared, weigh, weighted_mean
from mien.annotation.gold import read_gold
from mien.annotation.project import Project
from mien.annotation.records import Annotations, Trace, write_annotations
from mien.annotation.resampling import Clock, Course, Steps
from mien.annotation.source import Source, digest, read_source
from mien.annotation.store import Event, Item
from mien.annotation.votes import METHODS, Skene, dawid_skene, decided, majority, soft
from mien.cli import main
from mien.cli.agreeing import CLASSES, TRACES
from mien.errors import InputError, SettingsError
from mien.media.video import timestamps
from mien.metrics import ccc

NAN = float("nan")
STEPS = Steps()


def made(annotations: Annotations, steps: Steps = STEPS, **chosen: str) -> tuple[dict[str, np.ndarray], dict]:  # type: ignore[type-arg]
    """Return the columns of the gold of some annotations, NaN for null, and its settings."""
    result = fuse(Source(Path("somewhere"), annotations), steps, Clock(25), Choices(**chosen))
    columns = {name: result.table[name].to_numpy() for name in result.table.column_names}
    return columns, dict(result.settings)


# ---- traces -----------------------------------------------------------------------------------


def four() -> Course:
    """Return the four traces whose weights are known, the last upside down."""
    t = np.arange(20) / 2
    rows = [np.sin(t), 0.9 * np.sin(t) + 0.1 * np.cos(t), 0.8 * np.sin(t) - 0.05 * np.cos(2 * t), -np.sin(t)]
    return Course("a.mp4", "valence", 2, ("a", "b", "c", "d"), np.stack(rows))


def test_evaluator_weights_have_their_known_values() -> None:
    weights = weigh([four()])
    assert list(weights.shares.values()) == pytest.approx([0.332166, 0.333917, 0.333917, 0], abs=1e-6)
    fused = weighted_mean(four().values, np.array(list(weights.shares.values())))
    assert fused.values[:3] == pytest.approx([0.016696, 0.451682, 0.782166], abs=1e-6)
    assert any("d has correlation -1.00: weight 0" in note for note in weights.notes)


def test_who_is_against_leaves_the_means_of_the_others() -> None:
    weights = weigh([four()], opposed=["d"])
    without = weigh([four().without(["d"])])
    assert weights.shares["d"] == 0
    assert {who: weights.shares[who] for who in "abc"} == pytest.approx(dict(without.shares))


def test_with_no_weight_left_all_count_alike_and_a_note_says_so() -> None:
    weights = shared({"a": -0.5, "b": -0.5}, ["a", "b"], [])
    assert weights.shares == {"a": 0.5, "b": 0.5}
    assert "no weight is left: a, b count alike" in weights.notes


def test_who_shares_no_time_counts_as_the_mean_of_the_others() -> None:
    weights = shared({"a": 0.8, "b": 0.4, "zoe": NAN}, ["a", "b"], [])
    assert weights.shares == pytest.approx({"a": 0.8 / 1.8, "b": 0.4 / 1.8, "zoe": 0.6 / 1.8})
    assert any("zoe" in note for note in weights.notes)


def test_who_never_moves_counts_nothing() -> None:
    course = Course("a.mp4", "valence", 2, ("a", "b", "flat"), np.stack([*four().values[:2], np.zeros(20)]))
    weights = weigh([course])
    assert weights.shares["flat"] == 0
    assert "flat never moves: weight 0" in weights.notes


def test_where_one_is_not_known_the_others_count() -> None:
    values = np.array([[1.0, NAN, NAN, 0.2], [0.0, 0.5, NAN, NAN]])
    fused = weighted_mean(values, np.array([3.0, 1.0]))
    np.testing.assert_allclose(fused.values, [0.75, 0.5, NAN, 0.2])
    np.testing.assert_array_equal(fused.count, [2, 1, 0, 1])


def test_where_only_those_without_weight_spoke_nothing_is_known() -> None:
    fused = weighted_mean(np.array([[NAN], [0.5]]), np.array([1.0, 0.0]))
    assert np.isnan(fused.values[0])
    assert fused.count[0] == 1


def test_mean_and_median_and_their_spreads() -> None:
    values = np.array([[0.0, 0.0, 0.4], [0.3, NAN, NAN], [0.9, 0.2, NAN]])
    none = np.ones(3)
    np.testing.assert_allclose(mean(values, none).values, [0.4, 0.1, 0.4])
    np.testing.assert_allclose(median(values, none).values, [0.3, 0.1, 0.4])
    np.testing.assert_allclose(mean(values, none).spread, [np.std([0, 0.3, 0.9], ddof=1), 0.2 / 2**0.5, NAN])
    np.testing.assert_allclose(mean(values, none).weighted_spread, [np.std([0, 0.3, 0.9]), 0.1, NAN])


def test_the_weighted_spread_leaves_out_who_has_no_weight() -> None:
    values = np.array([[0.1], [0.3], [-0.9]])
    fused = weighted_mean(values, np.array([0.5, 0.5, 0.0]))
    assert fused.weighted_spread[0] == pytest.approx(0.1)
    assert fused.spread[0] == pytest.approx(np.std(values, ddof=1))


# ---- votes ------------------------------------------------------------------------------------

ITEMS = np.array([[0, 0, 0], [1, 1, 0], [2, 2, 2], [1, 1, 1], [0, 1, 0], [2, 2, 1]], float)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_all_ways_decide_the_known_items_alike(method: str) -> None:
    assert decided(METHODS[method](ITEMS, 3)).tolist() == [0, 1, 2, 1, 0, 2]


def test_a_tie_is_unknown_to_the_majority_and_even_in_shares() -> None:
    votes = np.array([[0, 1, NAN], [NAN, NAN, NAN], [1, NAN, NAN]])
    np.testing.assert_array_equal(majority(votes, 2), [[NAN, NAN], [NAN, NAN], [0, 1]])
    np.testing.assert_array_equal(soft(votes, 2), [[0.5, 0.5], [NAN, NAN], [0, 1]])
    assert decided(soft(votes, 2)).tolist() == [-1, -1, 1]


def test_dawid_skene_has_the_values_of_crowd_kit() -> None:
    counts = (40, 5, 6, 4, 3, 2, 5, 20)  # of the votes 000, 001, ... 111
    votes = np.array([[p >> 2 & 1, p >> 1 & 1, p & 1] for p, n in enumerate(counts) for _ in range(n)], float)
    votes[0, 0] = votes[50, 1] = NAN
    shares = dawid_skene(votes, 2)[:, 1]
    # crowd-kit 1.4.2, DawidSkene(n_iter=3000, tol=-1)
    of_each = [0.00172, 0.059407, 0.162108, 0.876429, 0.130252, 0.845917, 0.943875, 0.998381]
    assert shares[np.cumsum((1, *counts[:-1]))] == pytest.approx(of_each, abs=1e-5)
    assert shares[[0, 50]] == pytest.approx([0.010711, 0.019569], abs=1e-5)


def test_dawid_skene_believes_the_better_annotators() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 2000)
    votes = [
        np.where(random.random(2000) < wrong, random.integers(0, 3, 2000), truth) for wrong in (0.1, 0.7, 0.7)
    ]
    model = Skene.fit(np.stack(votes, axis=1).astype(float), 3)
    hits = (decided(model.shares) == truth).mean()
    assert hits > (decided(majority(np.stack(votes, axis=1).astype(float), 3)) == truth).mean() + 0.05
    right = [np.trace(one) / 3 for one in model.confusions]
    assert right == pytest.approx([0.93, 0.53, 0.53], abs=0.05)


def test_dawid_skene_of_nothing_is_nothing() -> None:
    assert np.isnan(dawid_skene(np.full((3, 2), NAN), 2)).all()
    assert dawid_skene(np.zeros((0, 2)), 2).shape == (0, 2)


# ---- the whole way ----------------------------------------------------------------------------


def test_a_known_curve_is_found_again_although_one_annotator_is_reversed() -> None:
    said = traces({**LAGS, "dora": 1.0}, opposed=["dora"], noise=0.1)
    columns, settings = made(Annotations(said), Steps(reaction=0.4))
    truth = curve(columns["time_s"])
    known = np.isfinite(columns["valence"])
    assert known.mean() > 0.98
    assert ccc(truth[known], columns["valence"][known]) > 0.98
    told = settings["labels"]["valence"]
    lags = {lag["annotator"]: lag["seconds"] for lag in told["lags"] if not lag["opposed"]}
    assert lags == pytest.approx(LAGS, abs=0.15)
    assert told["weights"]["dora"] == 0
    assert "dora runs against the others: weight 0" in told["notes"]
    naive, _ = made(Annotations(said), Steps(limit=0), traces="mean")
    assert ccc(truth[known], naive["valence"][known]) < 0.75


def test_no_fusion_leaves_minus_1_to_1() -> None:
    for way in FUSIONS:
        columns, _ = made(database(), traces=way)
        assert np.nanmax(np.abs(columns["valence"])) <= 1


def test_of_a_unit_unscorable_is_unknown_and_none_is_absent() -> None:
    told = {"anna": [(2.0, 4.0)], "ben": [(2.0, 4.0)], "cora": [(2.0, 4.0)]}
    hidden = segments("AU12", {"anna": [(6, 8)], "ben": [(6, 8)], "cora": [(7, 8)]}, scorable=False)
    columns, _ = made(Annotations((), (*segments("AU12", told), *hidden)))
    at = {second: round(second * 25) for second in (1, 3, 6.5, 7.5)}
    assert [columns["AU12"][at[second]] for second in (1, 3, 6.5)] == [0, 1, 0]
    assert columns["AU12_votes"][at[6.5]] == 1
    assert np.isnan(columns["AU12"][at[7.5]])
    assert columns["AU12_known"].tolist() == np.isfinite(columns["AU12"]).tolist()


def test_a_segment_begins_with_its_first_frame_and_ends_before_its_last() -> None:
    columns, _ = made(Annotations((), segments("AU12", {"anna": [(0.4, 0.8), (1.21, 1.21), (2, 2.2)]})))
    assert np.flatnonzero(columns["AU12"]).tolist() == [*range(10, 20), 30, *range(50, 55)]


def test_intensities_become_their_median() -> None:
    said = [
        segments("AU06", {who: [(0, 2)]}, intensity=grade)
        for who, grade in zip("abc", (1, 4, 5), strict=True)
    ]
    columns, _ = made(Annotations((), tuple(one for group in said for one in group)))
    assert columns["AU06_intensity"][10] == 4


def test_expressions_become_shares_of_a_set_that_has_them_all() -> None:
    told = (*segments("happiness", {"a": [(0, 2)], "b": [(0, 1)]}), *segments("contempt", {"b": [(1, 2)]}))
    columns, _ = made(Annotations((), told))
    shares = np.stack(
        [
            column
            for name, column in columns.items()
            if name.startswith("expression_") and name != "expression_votes"
        ]
    )
    assert len(shares) == 8
    np.testing.assert_allclose(shares[:, :50].sum(axis=0), 1)
    assert columns["expression"][10] == "happiness"
    assert columns["expression"][30] is None
    assert columns["expression_contempt"][30] == 0.5


def test_an_unknown_label_is_refused_by_its_name() -> None:
    with pytest.raises(InputError, match=r"a\.mp4, anna: 'joy' is no action unit"):
        made(Annotations((), segments("joy", {"anna": [(0, 1)]}, video="a.mp4")))


def test_each_face_has_its_rows_and_traces_are_of_the_only_one() -> None:
    two = (*segments("AU12", {"a": [(0, 2)]}, face="left"), *segments("AU12", {"a": [(1, 2)]}, face="right"))
    said = traces({"a": 0.0}, length=2)
    columns, _ = made(Annotations(said, two))
    assert sorted(set(columns["face"])) == ["", "left", "right"]
    one, _ = made(Annotations(said, two[:1]))
    assert set(one["face"]) == {"left"}
    assert np.isfinite(one["valence"]).all()


def test_with_the_videos_rows_are_the_frames(sample: Path) -> None:
    said = tuple(replace(trace, video=sample.name) for trace in traces(LAGS, length=12))
    result = fuse(Source(Path("x"), Annotations(said)), STEPS, Clock(25, sample.parent), Choices())
    np.testing.assert_array_equal(result.table["time_s"].to_numpy(), timestamps(sample))
    assert result.table["frame"].to_pylist() == list(range(300))
    assert result.settings["times"] == "the frames' own"
    gone = Source(Path("x"), Annotations((replace(said[0], video="nowhere.mp4"),)))
    with pytest.raises(InputError, match=r"nowhere\.mp4: no such video"):
        fuse(gone, STEPS, Clock(25, sample.parent), Choices())


def test_nothing_annotated_is_refused() -> None:
    with pytest.raises(InputError, match="nothing is annotated"):
        made(Annotations())
    with pytest.raises(SettingsError, match="'sum': no way to fuse"):
        Choices(traces="sum")


# ---- what is written --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of annotations."""
    folder = tmp_path_factory.mktemp("annotations")
    write_annotations(folder, database())
    return folder


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("way", TRACES)
def test_the_command_makes_gold_that_reads_back(folder: Path, tmp_path: Path, way: str, classes: str) -> None:
    call = ["fuse", str(folder), "-o", str(tmp_path / "gold"), "--traces", way, "--classes", classes]
    done = CliRunner().invoke(main, call, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    gold = read_gold(tmp_path / "gold")
    assert set(gold.values) > {"valence", "arousal", "AU04", "AU12", "happiness", "sadness"}
    settings = json.loads((tmp_path / "gold" / "settings.json").read_text())
    assert settings["gold_sha256"] == gold.hash
    assert settings["steps"]["rate"] == 25
    assert settings["choices"] == {"traces": way, "classes": classes}
    assert set(settings["source_files_sha256"]) == {"marks.parquet", "segments.parquet", "traces.parquet"}
    again = CliRunner().invoke(main, call)
    assert again.exit_code == 1
    assert "exists already" in again.output
    assert CliRunner().invoke(main, [*call, "--overwrite"]).exit_code == 0


def test_the_commands_ways_are_those_there_are() -> None:
    assert set(TRACES) == set(FUSIONS)
    assert set(CLASSES) == set(METHODS)


def test_the_same_annotations_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        result = fuse(Source(Path("x"), database()), STEPS, Clock(25), Choices(classes="dawid-skene"))
        write_made(tmp_path / name, result)
    for file in ("gold.parquet", "settings.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_hash_is_of_what_was_said_and_not_of_its_order() -> None:
    said = database()
    turned = Annotations(said.traces[::-1], said.segments[::-1])
    assert digest(said) == digest(turned)
    changed = Trace("talk.mp4", "anna", "valence", said.traces[0].seconds, said.traces[0].values / 2)
    assert digest(said) != digest(Annotations((changed, *said.traces[1:]), said.segments))


def test_null_stands_for_unknown_and_nan_nowhere(tmp_path: Path) -> None:
    write_made(tmp_path / "gold", fuse(Source(Path("x"), database()), STEPS, Clock(25), Choices()))
    table = pq.read_table(tmp_path / "gold" / "gold.parquet")
    for column in table.columns:
        assert "nan" not in {str(value) for value in column.to_pylist()}


PROJECT = """\
name = "Talks"
annotators = ["anna", "ben"]
[[tasks]]
name = "units"
labels = ["AU01", "AU12"]
[[tasks]]
name = "valence"
labels = ["valence"]
"""


def test_of_a_project_what_was_finished_without_a_segment_is_absent(tmp_path: Path, sample: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / sample.name).symlink_to(sample)
    (tmp_path / "project.toml").write_text(PROJECT)
    project = Project.open(tmp_path)
    smile = {"id": "s", "label": "AU12", "start": 1.0, "end": 2.0, "scorable": True}
    with project.store() as store:
        for who in ("anna", "ben"):
            session = f"session-{who}"
            store.open(session, Item(who, "units", sample.name))
            told = [Event(session, 0, "segment", 1.0, "AU12", detail=smile)] if who == "anna" else []
            store.append(session, [*told, Event(session, len(told), "done")])
    source = read_source(tmp_path)
    assert source.videos == tmp_path / "videos"
    columns = fuse(source, STEPS, Clock(25, source.videos), Choices()).table
    assert columns["AU12"][30].as_py() == 0.5
    assert columns["AU12_votes"][30].as_py() == 2
    assert columns["AU01"][30].as_py() == 0


def test_of_a_project_what_was_not_gone_through_is_unknown(tmp_path: Path, sample: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / sample.name).symlink_to(sample)
    (tmp_path / "project.toml").write_text(
        'annotators = ["anna", "ben"]\n[[tasks]]\nname = "upper"\nlabels = ["AU01", "AU02"]\n'
        '[[tasks]]\nname = "lower"\nlabels = ["AU12", "AU25"]\n'
    )

    def fused() -> dict[str, list[float | None]]:
        source = read_source(tmp_path)
        table = fuse(source, STEPS, Clock(25, source.videos), Choices()).table
        return {name: [table[name][row].as_py() for row in (10, 30)] for name in table.column_names}

    with Project.open(tmp_path).store() as store:
        for who, task, label in (("anna", "lower", "AU12"), ("ben", "upper", "AU01")):
            session = f"session-{who}"
            store.open(session, Item(who, task, sample.name))
            seen = {"id": "s", "label": label, "start": 1.0, "end": 4.0, "scorable": True}
            store.append(session, [Event(session, 0, "segment", 1.0, label, detail=seen)])
    columns = fused()
    assert columns["AU12"] == columns["AU01"] == [None, 1]
    assert "AU25" not in columns
    with Project.open(tmp_path).store() as store:
        store.append("session-anna", [Event("session-anna", 1, "done")])
    columns = fused()
    assert columns["AU12"] == [0, 1]
    assert columns["AU12_votes"] == columns["AU25_votes"] == [1, 1]
    assert columns["AU01"] == [None, 1]
    assert "AU02" not in columns


def test_of_tables_a_null_face_is_the_only_one_and_a_null_scorable_is_true(tmp_path: Path) -> None:
    said = segments("AU12", {"anna": [(0, 1)], "ben": [(0, 1)]})
    write_annotations(tmp_path, Annotations((), (*said, replace(said[0], face="left"))))
    table = pq.read_table(tmp_path / "segments.parquet")
    table = table.set_column(2, "face", pa.array([None, None, "left"]))
    pq.write_table(
        table.set_column(8, "scorable", pa.array([None, True, True])), tmp_path / "segments.parquet"
    )
    rows = fuse(read_source(tmp_path), STEPS, Clock(25), Choices()).table.to_pylist()
    first = {row["face"]: (row["AU12"], row["AU12_votes"]) for row in rows if row["frame"] == 5}
    assert first == {"": (1, 2), "left": (0.5, 2)}
