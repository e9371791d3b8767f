"""Filters come as late as they say, look ahead as far as they say, and mix nothing."""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as some
from timed import ALL, CALIBRATION, anything, looking, smiling, timed

from mien.arrays import FloatArray
from mien.cli import main
from mien.cli.following import NAMES
from mien.courses.filters import FILTERS, GAP, Causal, OneEuro, pieces
from mien.courses.smoothing import Smoother, smooth
from mien.courses.table import courses, read
from mien.errors import InputError, SettingsError
from mien.records import Predictions
from mien.tasks import ACTION_UNITS_12, EXPRESSION_7, VALENCE_AROUSAL

each_filter = pytest.mark.parametrize("name", FILTERS)
CAUSAL = [name for name, kind in FILTERS.items() if issubclass(kind, Causal)]


def irregular(seed: int, rows: int) -> FloatArray:
    """Return rising times with steps from 10 to 70 ms."""
    return np.cumsum(np.random.default_rng(seed).uniform(0.01, 0.07, rows))


@some.composite
def stretches(draw: some.DrawFn) -> tuple[FloatArray, FloatArray]:
    """Return the times and two values of a few rows of one face."""
    steps = draw(some.lists(some.floats(0, 0.45), min_size=1, max_size=30))
    values = [draw(some.lists(some.floats(0, 1), min_size=len(steps), max_size=len(steps))) for _ in "ab"]
    return np.cumsum(steps), np.array(values).T


@each_filter
def test_a_steady_rise_comes_as_late_as_stated(name: str) -> None:
    by = FILTERS[name](0.3)
    seconds = np.arange(400) / 50
    rise = 1e-3 * seconds  # so slow that the one-euro filter is at rest
    late = (rise - by.over(seconds, rise[:, None])[:, 0]) / 1e-3
    assert late[200:-40] == pytest.approx(by.delay, abs=2e-3)


@pytest.mark.parametrize("name", ["exponential", "mean", "one-euro", "savgol"])
def test_a_steady_rise_comes_as_late_as_stated_whatever_the_steps(name: str) -> None:
    by = FILTERS[name](0.3)
    seconds = irregular(1, 300)
    rise = 1e-3 * seconds
    late = (rise - by.over(seconds, rise[:, None])[:, 0]) / 1e-3
    assert late[200:-40] == pytest.approx(by.delay, abs=2e-3)


def test_one_euro_comes_less_late_the_quicker_a_value_moves() -> None:
    by = OneEuro(0.3)
    seconds = np.arange(500) / 50
    for speed in (0.1, 1.0, 3.0):
        late = seconds - by.over(seconds, speed * seconds[:, None])[:, 0] / speed
        assert late[300:] == pytest.approx(by.delay_of(speed), rel=1e-3)
    assert by.delay_of(3.0) < by.delay_of(0.1) < by.delay


def test_a_step_passes_an_exponential_filter_by_its_time_constant() -> None:
    seconds = np.array([0, 0.1, 0.1001, 0.2, 0.25, 0.4, 0.9])
    step = (seconds > 0.1).astype(float)[:, None]
    told = FILTERS["exponential"](0.2).over(seconds, step)[:, 0]
    assert told[:2].tolist() == [0, 0]
    assert told[2:] == pytest.approx(1 - np.exp(-(seconds[2:] - 0.1) / 0.2), abs=5e-4)


@settings(max_examples=50, deadline=None)
@given(stretches())
def test_exponential_is_the_continuous_filter_over_lines(stretch: tuple[FloatArray, FloatArray]) -> None:
    seconds, values = stretch
    told = FILTERS["exponential"](0.2).over(seconds, values)
    state = values[0].copy()
    for row in range(1, len(seconds)):
        step = seconds[row] - seconds[row - 1]
        for part in range(200):  # a line in 200 small steps of y' = (x - y) / 0.2
            middle = values[row - 1] + (part + 0.5) / 200 * (values[row] - values[row - 1])
            state = middle + (state - middle) * math.exp(-step / 200 / 0.2)
        assert told[row] == pytest.approx(state, abs=1e-4)


@settings(max_examples=50, deadline=None)
@given(stretches())
def test_mean_is_the_area_under_the_last_so_many_seconds(stretch: tuple[FloatArray, FloatArray]) -> None:
    seconds, values = stretch
    seconds = seconds + 1e-3 * np.arange(len(seconds))
    told = FILTERS["mean"](0.3).over(seconds, values)
    for row in range(1, len(seconds)):
        start = max(seconds[0], seconds[row] - 0.3)
        fine = np.linspace(start, seconds[row], 3001)
        for column in range(2):
            area = np.interp(fine, seconds, values[:, column]).mean()
            assert told[row, column] == pytest.approx(area, abs=2e-3)


@pytest.mark.parametrize("name", CAUSAL)
@settings(max_examples=50, deadline=None)
@given(stretch=stretches(), size=some.floats(0.02, 2), cut=some.integers(0, 30))
def test_causal_filters_say_row_by_row_what_they_say_of_the_whole(
    name: str, stretch: tuple[FloatArray, FloatArray], size: float, cut: int
) -> None:
    seconds, values = stretch
    by = FILTERS[name](size)
    assert isinstance(by, Causal)
    whole = by.over(seconds, values)
    stream = by.stream()
    rows = [stream.update(time, row) for time, row in zip(seconds.tolist(), values, strict=True)]
    assert np.array_equal(whole, rows)
    assert np.array_equal(by.over(seconds[:cut], values[:cut]), whole[:cut]), "it looked ahead"


@each_filter
def test_no_filter_looks_further_ahead_than_it_says(name: str) -> None:
    by = FILTERS[name](0.2)
    seconds = irregular(2, 80)
    values = np.random.default_rng(2).random((80, 1))
    before = by.over(seconds, values)
    changed = np.zeros(80, bool)
    for change in (-5, 5):
        other = values.copy()
        other[50:] += change
        changed |= by.over(seconds, other)[:, 0] != before[:, 0]
    first = seconds[np.argmax(changed)]
    assert seconds[50] - by.ahead - 1e-6 <= first <= seconds[50] - by.ahead + 0.08


@each_filter
@settings(max_examples=50, deadline=None)
@given(stretch=stretches())
def test_a_constant_stays_and_nothing_leaves_its_range(
    name: str, stretch: tuple[FloatArray, FloatArray]
) -> None:
    seconds, values = stretch
    by = FILTERS[name](0.2)
    constant = np.full((len(seconds), 1), 0.37)
    assert by.over(seconds, constant) == pytest.approx(0.37)
    if name != "savgol":
        told = by.over(seconds, values)
        assert np.all(told >= values.min(axis=0) - 1e-12) and np.all(told <= values.max(axis=0) + 1e-12)


def test_savgol_keeps_a_parabola_as_it_is() -> None:
    seconds = irregular(3, 60)
    parabola = (0.3 + 0.5 * seconds - 0.2 * seconds**2)[:, None]
    assert FILTERS["savgol"](0.4).over(seconds, parabola) == pytest.approx(parabola, abs=1e-9)


def test_median_takes_away_what_is_shorter_than_half_of_its_window_and_keeps_a_step() -> None:
    seconds = np.arange(60) / 25
    values = (np.arange(60) >= 30).astype(float)[:, None]
    values[10:12] = 1
    told = FILTERS["median"](0.2).over(seconds, values)[:, 0]
    assert np.array_equal(told, np.arange(60) >= 30)


@each_filter
def test_flicker_becomes_less(name: str) -> None:
    seconds = np.arange(500) / 25
    still = 0.4 + 0.02 * np.random.default_rng(4).standard_normal((500, 1))
    told = FILTERS[name](0.4).over(seconds, still)
    assert np.abs(np.diff(told[:, 0])).mean() < 0.5 * np.abs(np.diff(still[:, 0])).mean()


@pytest.mark.parametrize("seconds", [0.0, -1.0, 61.0, float("nan")])
def test_a_filter_without_a_size_is_refused(seconds: float) -> None:
    with pytest.raises(SettingsError, match="expected more than 0"):
        FILTERS["mean"](seconds)


def test_a_course_is_cut_where_the_face_was_away_for_longer_than_the_gap() -> None:
    seconds = np.array([0, 0.1, 0.1 + GAP, 0.8, 0.75, 0.9])
    assert pieces(seconds, 2 * np.arange(6)) == [slice(0, 4), slice(4, 6)]
    assert pieces(np.array([0, 0.51, 0.6]), np.array([0, 2, 3])) == [slice(0, 1), slice(1, 3)]
    assert pieces(np.zeros(0), np.zeros(0, np.int64)) == []


def test_a_slow_video_is_no_gap(tmp_path: Path) -> None:
    assert pieces(np.arange(5) * 1.0, np.arange(5)) == [slice(0, 5)]
    table = read(timed(tmp_path / "slow.parquet", {0: anything(0, np.arange(20) * 0.9)}))
    name = "valence"
    raw, told = (np.array(one[name].to_pylist()) for one in (table, smooth(table, FILTERS["mean"](3.0))))
    assert np.abs(np.diff(told)).mean() < 0.7 * np.abs(np.diff(raw)).mean()
    smoother, live = Smoother(FILTERS["mean"](3.0)), []
    for row in range(20):
        said = Predictions({VALENCE_AROUSAL: np.array([[raw[row], 0]], np.float32)})
        live.append(smoother.update(row * 0.9, np.array([0]), said).values[VALENCE_AROUSAL][0, 0])
    np.testing.assert_allclose(live, told, atol=1e-5)


@each_filter
def test_two_faces_in_one_video_never_mix(tmp_path: Path, name: str) -> None:
    one, other = anything(0, np.arange(40) / 25), anything(1, np.arange(5, 45) / 25)
    both = smooth(read(timed(tmp_path / "both.parquet", {0: one, 3: other})), FILTERS[name](0.2))
    swapped = smooth(read(timed(tmp_path / "swapped.parquet", {0: other, 3: one})), FILTERS[name](0.2))
    alone = smooth(read(timed(tmp_path / "alone.parquet", {0: one})), FILTERS[name](0.2))
    names = ["expression_anger", "valence", "AU12"]

    def rows(table: pa.Table, face: int) -> list[dict[str, object]]:
        return [{key: row[key] for key in names} for row in table.to_pylist() if row["face"] == face]

    assert rows(both, 0) == rows(alone, 0) == rows(swapped, 3)
    assert rows(both, 3) == rows(swapped, 0)
    assert rows(both, 0) != rows(both, 3)


@each_filter
def test_what_was_before_a_gap_or_in_another_video_is_forgotten(tmp_path: Path, name: str) -> None:
    early, late = np.arange(20) / 25, 5 + np.arange(20) / 25
    values = np.concatenate([np.ones(20), np.zeros(20)])
    course = smiling(np.concatenate([early, late]), values)
    gone = read(timed(tmp_path / "gap.parquet", {0: course}, [ACTION_UNITS_12], empty=[2.0, 3.0]))
    assert smooth(gone, FILTERS[name](0.4))["AU12"].drop_null().to_pylist() == values.tolist()
    first = read(timed(tmp_path / "1.parquet", {0: smiling(early, values[:20])}, [ACTION_UNITS_12]))
    next_on = smiling(early + 0.8, values[20:])  # as if it were the first video's next frame
    second = timed(tmp_path / "2.parquet", {0: next_on}, [ACTION_UNITS_12], video="b.mp4")
    videos = pa.concat_tables([first, read(second)])
    assert smooth(videos, FILTERS[name](0.4))["AU12"].to_pylist() == values.tolist()


@each_filter
def test_probabilities_stay_probabilities_and_values_stay_in_range(tmp_path: Path, name: str) -> None:
    table = read(timed(tmp_path / "t.parquet", {0: anything(5, irregular(5, 60))}))
    smoothed = smooth(table, FILTERS[name](0.2))
    shares = np.stack([smoothed[f"expression_{label}"].to_numpy() for label in EXPRESSION_7.labels], axis=1)
    assert shares.min() >= 0
    assert shares.sum(axis=1) == pytest.approx(1, abs=1e-6)
    for label, low in [("AU12", 0), ("valence", -1)]:
        assert low <= smoothed[label].to_numpy().min() <= smoothed[label].to_numpy().max() <= 1
    winners = [EXPRESSION_7.labels[best] for best in shares.argmax(axis=1)]
    assert smoothed["expression"].to_pylist() == winners


def test_medians_that_leave_nothing_of_any_expression_leave_the_row_as_it_was(tmp_path: Path) -> None:
    course = looking(np.arange(3) / 25, ["anger", "fear", "sadness"], certain=1)
    table = read(timed(tmp_path / "t.parquet", {0: course}, [EXPRESSION_7]))
    smoothed = smooth(table, FILTERS["median"](0.2))
    assert smoothed["expression"].to_pylist() == ["anger", "fear", "sadness"]


def test_what_follows_from_predictions_follows_from_the_smoothed_ones_or_is_left_out(tmp_path: Path) -> None:
    course = anything(6, np.arange(50) / 25)
    table = read(timed(tmp_path / "t.parquet", {2: course}, calibration=CALIBRATION, empty=[2.1]))
    smoothed = smooth(table, FILTERS["exponential"](0.2))
    dropped = ["expression_set", "valence_low", "valence_high", "arousal_low", "arousal_high"]
    assert [name for name in table.column_names if name not in smoothed.column_names] == dropped
    said = smoothed.schema.metadata
    assert said[b"smoothing_dropped"].decode() == ", ".join(dropped)
    assert said[b"smoothing"] == b"exponential 0.2 s, causal: delay 0.2 s, looks 0 s ahead"
    assert said[b"bundle"] == b"small"
    rows = smoothed.to_pylist()
    assert rows[50]["face"] is None and rows[50]["AU01_present"] is None and rows[50]["expression"] is None
    for row in rows[:50]:
        highest = max(row[f"expression_{label}"] for label in EXPRESSION_7.labels)
        assert row["expression_uncertainty"] == pytest.approx(1 - highest)
        for place, label in enumerate(ACTION_UNITS_12.labels):
            assert row[f"{label}_present"] == (row[label] >= np.float32(0.2 + 0.05 * place))
    assert smoothed["AU12_present"] != table["AU12_present"], "it would be stale"
    field = smoothed.schema.field("AU12").metadata
    assert field[b"label"] == b"AU12"
    assert field[b"description"].endswith(b"smoothed (exponential 0.2 s)")
    for kept in ("video", "face", "frame", "time_s", "box_x", "detection"):
        assert smoothed[kept] == table[kept]


def test_presence_without_a_stated_threshold_is_left_out(tmp_path: Path) -> None:
    table = read(timed(tmp_path / "t.parquet", {0: anything(7, np.arange(9) / 25)}, calibration=CALIBRATION))
    place = table.schema.get_field_index("AU12_present")
    bare = table.set_column(place, pa.field("AU12_present", pa.int8()), table["AU12_present"])
    assert "AU12_present" not in smooth(bare, FILTERS["mean"](0.2)).column_names


@each_filter
def test_unknown_cells_stay_unknown_and_others_of_their_row_do_not(tmp_path: Path, name: str) -> None:
    table = read(timed(tmp_path / "t.parquet", {0: anything(8, np.arange(20) / 25)}))
    place = table.schema.get_field_index("AU12")
    holes = [None if row in (0, 7, 8) else value for row, value in enumerate(table["AU12"].to_pylist())]
    holed = table.set_column(place, table.schema.field(place), pa.array(holes, pa.float32()))
    smoothed, whole = smooth(holed, FILTERS[name](0.2)), smooth(table, FILTERS[name](0.2))
    assert [row for row, value in enumerate(smoothed["AU12"].to_pylist()) if value is None] == [0, 7, 8]
    assert smoothed["AU06"] == whole["AU06"]


def test_rows_in_another_order_give_the_same_rows_in_that_order(tmp_path: Path) -> None:
    faces = {0: anything(9, np.arange(20) / 25), 1: anything(10, np.arange(20) / 25)}
    table = read(timed(tmp_path / "t.parquet", faces))
    order = np.random.default_rng(0).permutation(len(table))
    by = FILTERS["exponential"](0.3)
    assert smooth(table.take(order), by).equals(smooth(table, by).take(order))


def test_a_table_of_nothing_stays_one(tmp_path: Path) -> None:
    smoothed = smooth(read(timed(tmp_path / "t.parquet", {}, calibration=CALIBRATION)), FILTERS["mean"](0.2))
    assert len(smoothed) == 0
    assert "AU12_present" in smoothed.column_names and "valence_low" not in smoothed.column_names


def test_a_table_without_action_units_is_smoothed(tmp_path: Path) -> None:
    course = looking(np.arange(3) / 25, ["anger", "fear", "fear"])
    table = read(timed(tmp_path / "t.parquet", {0: course}, [EXPRESSION_7]))
    told = smooth(table, FILTERS["exponential"](0.2))
    assert told["expression"].to_pylist() == ["anger", "anger", "anger"]


def test_a_table_of_pictures_is_refused(tmp_path: Path) -> None:
    table = read(timed(tmp_path / "t.parquet", {0: anything(11, np.arange(3) / 25)}))
    place = table.schema.get_field_index("time_s")
    pictures = table.set_column(place, table.schema.field(place), pa.nulls(3, pa.float64()))
    with pytest.raises(InputError, match=r"holiday: row 0 has no time .* pictures has no course"):
        smooth(pictures, FILTERS["mean"](0.2), "holiday")


def test_what_is_no_table_of_predictions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; expected a result folder"):
        read(tmp_path)
    (tmp_path / "predictions.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match="cannot be read as a table of predictions"):
        read(tmp_path)
    table = read(timed(tmp_path / "t.parquet", {0: anything(12, np.arange(3) / 25)}))
    with pytest.raises(InputError, match="no column frame, time_s"):
        list(courses(table.drop_columns(["frame", "time_s"])))
    with pytest.raises(InputError, match="no column says in its metadata"):
        smooth(table.select(["video", "face", "frame", "time_s"]), FILTERS["mean"](0.2))


def test_what_is_smoothed_already_is_refused(tmp_path: Path) -> None:
    once = smooth(
        read(timed(tmp_path / "t.parquet", {0: anything(13, np.arange(3) / 25)})), FILTERS["mean"](1)
    )
    with pytest.raises(InputError, match="smoothed already"):
        smooth(once, FILTERS["mean"](1))


@pytest.mark.parametrize("name", CAUSAL)
@settings(max_examples=15, deadline=None)
@given(seed=some.integers(0, 2**32 - 1))
def test_live_gives_the_numbers_of_the_table(
    tmp_path_factory: pytest.TempPathFactory, name: str, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    faces = {}
    for face in range(3):
        kept = np.sort(chance.choice(40, chance.integers(1, 30), replace=False))
        faces[face] = anything(seed + face, kept * 0.13)
    path = timed(tmp_path_factory.mktemp("live") / "t.parquet", faces)
    expected = {
        (row["face"], row["time_s"]): [row[f"expression_{n}"] for n in EXPRESSION_7.labels]
        + [row[n] for n in (*VALENCE_AROUSAL.labels, *ACTION_UNITS_12.labels)]
        for row in smooth(read(path), FILTERS[name](0.3)).to_pylist()
    }
    smoother = Smoother(FILTERS[name](0.3))
    for time in sorted({time for _, time in expected}):
        there = [face for face in faces if time in faces[face][0]]
        said = {
            task: np.array([faces[f][1][task][faces[f][0] == time][0] for f in there], np.float32)
            for task in ALL
        }
        told = smoother.update(time, np.array(there), Predictions(said))
        for row, face in enumerate(there):
            assert np.concatenate([told.values[t][row] for t in ALL]) == pytest.approx(
                expected[face, time], abs=1e-6
            )


def test_live_begins_anew_at_a_cut() -> None:
    smoother = Smoother(FILTERS["exponential"](0.5))
    one = {ACTION_UNITS_12: np.ones((1, 12), np.float32)}
    none = {ACTION_UNITS_12: np.zeros((1, 12), np.float32)}
    smoother.update(0.0, np.array([0]), Predictions(one))
    assert smoother.update(0.1, np.array([0]), Predictions(none)).values[ACTION_UNITS_12].min() > 0.5
    assert not smoother.update(0.2, np.array([0]), Predictions(none), cut=True).values[ACTION_UNITS_12].any()


def test_live_refuses_a_filter_that_looks_ahead() -> None:
    with pytest.raises(SettingsError, match=r"gaussian looks 0\.6 s ahead"):
        Smoother(FILTERS["gaussian"](0.2))


def test_the_command_writes_what_python_gives_and_overwrites_only_when_told(tmp_path: Path) -> None:
    result = timed(
        tmp_path / "predictions.parquet", {0: anything(14, np.arange(9) / 25)}, calibration=CALIBRATION
    )
    call = [
        "smooth",
        str(tmp_path),
        "-o",
        str(tmp_path / "new" / "s.parquet"),
        "--filter",
        "gaussian",
        "--seconds",
        "0.1",
    ]
    done = CliRunner().invoke(main, call)
    assert (done.exit_code, done.output.split(": ", 1)[1]) == (
        0,
        "9 rows, gaussian 0.1 s, not causal: delay 0 s, looks 0.3 s ahead\n",
    )
    expected = smooth(read(result), FILTERS["gaussian"](0.1))
    found = pq.read_table(tmp_path / "new" / "s.parquet")
    assert found.equals(expected)
    assert found.schema.equals(expected.schema, check_metadata=True)
    again = CliRunner().invoke(main, call)
    assert again.exit_code == 1 and "exists already" in again.output
    assert CliRunner().invoke(main, [*call, "--overwrite"]).exit_code == 0
    itself = CliRunner().invoke(main, ["smooth", str(tmp_path), "-o", str(result), "--overwrite"])
    assert itself.exit_code == 1 and "is the table that is read" in itself.output
    assert tuple(FILTERS) == NAMES
