"""Events begin, peak and end where they were put, and other programs read them."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as some
from timed import CALIBRATION, Course, anything, looking, smiling, timed

from mien.arrays import FloatArray
from mien.cli import main
from mien.courses.elan import document
from mien.courses.events import Rules, events
from mien.courses.filters import FILTERS
from mien.courses.smoothing import smooth
from mien.courses.table import read
from mien.errors import InputError, SettingsError
from mien.tasks import ACTION_UNITS_12, EXPRESSION_7, INTENSITIES_DISFA

RATE = 25
DEFAULT = Rules()


def clock(frames: int) -> FloatArray:
    """Return the times of frames at 25 per second."""
    return np.arange(frames) / RATE


def smiles(path: Path, values: Sequence[float], rules: Rules = DEFAULT) -> list[dict[str, Any]]:
    """Return the events of AU12 of one face, frame by frame at 25 per second."""
    course = smiling(clock(len(values)), np.array(values))
    table = read(timed(path / "t.parquet", {0: course}, [ACTION_UNITS_12]))
    return events(table, rules).to_pylist()


def episodes(path: Path, winners: Sequence[str], rules: Rules = DEFAULT) -> list[tuple[str, int, int]]:
    """Return label, first and last frame of the episodes of one face at 25 frames per second."""
    table = read(timed(path / "t.parquet", {0: looking(clock(len(winners)), winners)}, [EXPRESSION_7]))
    rows = events(table, rules).to_pylist()
    return [(row["label"], row["onset_frame"], row["offset_frame"]) for row in rows]


def test_an_event_has_the_onset_apex_and_offset_that_were_put_there(tmp_path: Path) -> None:
    rise, fall = np.linspace(0, 1, 25), np.linspace(1, 0, 49)
    values = [0.0] * 10 + rise.tolist() + fall[1:].tolist() + [0.0] * 10  # the peak is frame 34
    (found,) = smiles(tmp_path, values, Rules(enter=0.5, leave=0.25))
    frames = {name: found[f"{name}_frame"] for name in ("onset", "apex", "offset")}
    assert frames == {"onset": 12, "apex": 34, "offset": 78}  # a tenth of the way up and down
    expected = {"onset_s": 12, "start_s": 22, "apex_s": 34, "end_s": 70, "offset_s": 78}
    assert {name: found[name] * RATE for name in expected} == pytest.approx(expected)
    assert found["apex"] == 1
    assert found["mean"] == pytest.approx(np.mean(values[22:71]))
    assert found["frames"] == 49
    assert found["duration_s"] == pytest.approx(49 / RATE)
    assert (found["onset_seen"], found["offset_seen"]) == (True, True)
    assert (found["video"], found["face"], found["behaviour"], found["label"]) == (
        "talk.mp4",
        0,
        "action_units",
        "AU12",
    )


def test_a_slow_creep_before_the_rise_does_not_move_the_onset(tmp_path: Path) -> None:
    values = [*np.linspace(0, 0.05, 50), *np.linspace(0.15, 0.9, 6), *[0.9] * 10, 0.0, 0.0]
    (found,) = smiles(tmp_path, values)
    assert found["onset_frame"] == 49


def test_an_event_lasts_until_the_value_is_below_the_lower_bound(tmp_path: Path) -> None:
    values = [0, 0.6, 0.4, 0.6, 0.3, 0.6, 0.31, 0.29, 0.4, 0.49, 0]
    found = smiles(tmp_path, values, Rules(minimum=0, gap=0, enter=0.6, leave=0.3))
    assert [(row["start_s"] * RATE, row["frames"]) for row in found] == [(pytest.approx(1), 6)]
    steep = smiles(tmp_path, values, Rules(minimum=0, gap=0, enter=0.6, leave=0.6))
    assert [row["frames"] for row in steep] == [1, 1, 1]


def test_bounds_are_the_networks_where_it_states_them(tmp_path: Path) -> None:
    course = anything(0, clock(200))
    stated = read(timed(tmp_path / "t.parquet", {0: course}, calibration=CALIBRATION))
    rows = [row for row in events(stated).to_pylist() if row["behaviour"] == "action_units"]
    assert rows
    for row in rows:
        enter = 0.2 + 0.05 * ACTION_UNITS_12.index(row["label"])
        assert (row["enter"], row["leave"]) == pytest.approx((enter, 0.75 * enter))
    silent = read(timed(tmp_path / "t.parquet", {0: course}, [ACTION_UNITS_12]))
    assert {(row["enter"], row["leave"]) for row in events(silent).to_pylist()} == {(0.5, 0.375)}


def test_intensities_start_at_slight(tmp_path: Path) -> None:
    values = np.zeros((20, len(INTENSITIES_DISFA)), np.float32)
    values[5:15, 0] = 1.9
    values[5:15, 1] = 2.0
    table = read(
        timed(tmp_path / "t.parquet", {0: (clock(20), {INTENSITIES_DISFA: values})}, [INTENSITIES_DISFA])
    )
    assert [row["label"] for row in events(table).to_pylist()] == [INTENSITIES_DISFA.labels[1]]


@pytest.mark.parametrize(("frames", "kept"), [(4, 0), (5, 1), (6, 1)])
def test_what_is_shorter_than_the_minimum_is_no_event(tmp_path: Path, frames: int, kept: int) -> None:
    values = [0.0] * 5 + [1.0] * frames + [0.0] * 5
    assert len(smiles(tmp_path, values, Rules(minimum=0.2))) == kept
    winners = ["neutral"] * 10 + ["anger"] * frames + ["neutral"] * 10
    found = episodes(tmp_path, winners, Rules(minimum=0.2, gap=0))
    assert [label for label, *_ in found].count("anger") == kept


@pytest.mark.parametrize(("frames", "events_left"), [(1, 1), (2, 1), (3, 2)])
def test_interruptions_shorter_than_the_gap_are_closed(tmp_path: Path, frames: int, events_left: int) -> None:
    values = [0.0] * 5 + [1.0] * 5 + [0.0] * frames + [1.0] * 5 + [0.0] * 5
    found = smiles(tmp_path, values, Rules(gap=0.1))
    assert [row["frames"] for row in found] == ([10 + frames] if events_left == 1 else [5, 5])


def test_gaps_are_closed_before_short_events_are_left_out(tmp_path: Path) -> None:
    values = [0.0] * 3 + [1.0, 1.0, 0.0] * 4 + [0.0] * 5
    assert [row["frames"] for row in smiles(tmp_path, values, Rules(minimum=0.2, gap=0.1))] == [11]
    assert smiles(tmp_path, values, Rules(minimum=0.2, gap=0)) == []


def test_episodes_are_runs_of_the_most_probable_expression(tmp_path: Path) -> None:
    winners = ["neutral"] * 10 + ["happiness"] * 8 + ["anger"] * 2 + ["happiness"] * 8 + ["fear"] * 10
    found = episodes(tmp_path, winners)
    assert found == [("neutral", 0, 9), ("happiness", 10, 27), ("fear", 28, 37)]
    kept = episodes(tmp_path, winners, Rules(minimum=0, gap=0))
    assert kept[1:4] == [("happiness", 10, 17), ("anger", 18, 19), ("happiness", 20, 27)]


def test_an_episodes_apex_and_mean_are_of_its_expression(tmp_path: Path) -> None:
    seconds, values = looking(clock(10), ["happiness"] * 10, certain=0.6)
    shares = values[EXPRESSION_7]
    happiness = EXPRESSION_7.index("happiness")
    shares[6] = (1 - 0.9) / 6
    shares[6, happiness] = 0.9
    table = read(timed(tmp_path / "t.parquet", {0: (seconds, values)}, [EXPRESSION_7]))
    (found,) = events(table).to_pylist()
    assert (found["apex_frame"], found["apex"]) == (6, pytest.approx(0.9))
    assert found["mean"] == pytest.approx(0.63)
    assert (found["enter"], found["leave"]) == (None, None)


@settings(max_examples=100, deadline=None)
@given(
    best=some.lists(some.sampled_from("abc"), max_size=40), gap=some.integers(0, 6), least=some.integers(0, 6)
)
def test_episodes_never_overlap_and_keep_their_rules(
    tmp_path_factory: pytest.TempPathFactory, best: list[str], gap: int, least: int
) -> None:
    names = dict(zip("abc", ("neutral", "anger", "fear"), strict=True))
    place = tmp_path_factory.mktemp("e")
    rules = Rules(minimum=least / RATE, gap=gap / RATE)
    found = episodes(place, [names[one] for one in best], rules)
    free = 0
    for label, first, last in found:
        assert first >= free and last - first + 1 >= least
        inside = [names[one] == label for one in best[first : last + 1]]
        assert inside[0] and inside[-1]
        pauses = "".join("x" if there else "-" for there in inside).split("x")
        assert max(map(len, pauses)) < max(gap, 1)
        free = last + 1
    if gap == least == 0:
        assert sum(last - first + 1 for _, first, last in found) == len(best)


def test_what_is_cut_off_by_the_edges_of_the_view_says_so(tmp_path: Path) -> None:
    whole = [0, 0, 0.3, 1, 1, 1, 1, 1, 0.3, 0, 0]
    flags = []
    for values in (whole, whole[3:], whole[:8], whole[2:9]):
        (found,) = smiles(tmp_path, [float(value) for value in values])
        flags.append((found["onset_seen"], found["offset_seen"]))
    assert flags == [(True, True), (False, True), (True, False), (False, False)]


def test_an_event_does_not_go_on_over_a_gap_in_the_view(tmp_path: Path) -> None:
    seconds = np.concatenate([clock(10), 2 + clock(10)])
    table = read(
        timed(tmp_path / "t.parquet", {0: smiling(seconds, np.ones(20))}, [ACTION_UNITS_12], empty=[1.0])
    )
    found = events(table, Rules(gap=10)).to_pylist()
    assert [(row["onset_frame"], row["offset_frame"]) for row in found] == [(0, 9), (11, 20)]
    assert not any(row["onset_seen"] or row["offset_seen"] for row in found)


def test_faces_that_share_a_video_have_their_own_events(tmp_path: Path) -> None:
    early = smiling(clock(50), np.isin(np.arange(50), range(5, 15)))
    late = smiling(clock(50), np.isin(np.arange(50), range(10, 25)))

    def found(faces: dict[int, Course]) -> list[tuple[int, int, int]]:
        table = read(timed(tmp_path / "t.parquet", faces, [ACTION_UNITS_12]))
        return [(row["face"], row["apex_frame"], row["frames"]) for row in events(table).to_pylist()]

    assert found({0: early, 1: late}) == [(0, 5, 10), (1, 10, 15)]
    assert found({0: late, 1: early}) == [(0, 10, 15), (1, 5, 10)]


def test_events_of_a_causally_smoothed_table_come_late_by_about_the_delay(tmp_path: Path) -> None:
    hump = np.exp(-0.5 * ((np.arange(200) - 100) / 20) ** 2)
    table = read(timed(tmp_path / "t.parquet", {0: smiling(clock(200), hump)}, [ACTION_UNITS_12]))
    (raw,) = events(table).to_pylist()
    for name, late in (("exponential", 0.1), ("mean", 0.1), ("gaussian", 0.0), ("savgol", 0.0)):
        by = FILTERS[name](0.2 if name == "mean" else 0.1)
        assert by.delay == pytest.approx(late)
        (told,) = events(smooth(table, by)).to_pylist()
        assert told["apex_s"] - raw["apex_s"] == pytest.approx(late, abs=0.04)


def test_a_table_of_nothing_or_without_action_units_gives_what_it_has(tmp_path: Path) -> None:
    nothing = events(read(timed(tmp_path / "t.parquet", {}, empty=[0.0, 0.1])))
    assert len(nothing) == 0
    assert nothing.column_names[:4] == ["video", "face", "behaviour", "label"]
    assert episodes(tmp_path, ["anger"] * 10) == [("anger", 0, 9)]
    single = episodes(tmp_path, ["anger"], Rules(minimum=0))
    assert single == [("anger", 0, 0)]


def test_pictures_have_no_events(tmp_path: Path) -> None:
    table = read(timed(tmp_path / "t.parquet", {0: anything(1, clock(2))}))
    place = table.schema.get_field_index("time_s")
    pictures = table.set_column(place, table.schema.field(place), pa.nulls(2, pa.float64()))
    with pytest.raises(InputError, match="pictures has no course over time"):
        events(pictures)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"minimum": -1.0}, "minimum is -1 s"),
        ({"gap": float("nan")}, "gap is nan s"),
        ({"enter": 7.0}, "enter is 7"),
        ({"enter": 0.3, "leave": 0.4}, r"leave is 0\.4, above enter, 0\.3"),
    ],
)
def test_rules_that_contradict_are_refused(rules: dict[str, float], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Rules(**rules)


def test_rules_that_do_not_fit_the_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"leave is 0\.6, above 0\.5, from which AU01"):
        smiles(tmp_path, [0.0], Rules(leave=0.6))
    with pytest.raises(SettingsError, match="enter is 2; AU01 is at most 1"):
        smiles(tmp_path, [0.0], Rules(enter=2.0))


def test_the_table_of_events_says_how_it_was_made(tmp_path: Path) -> None:
    course = smiling(clock(20), np.ones(20))
    table = read(timed(tmp_path / "t.parquet", {0: course}, [ACTION_UNITS_12]))
    schema = events(smooth(table, FILTERS["mean"](0.2)), Rules(minimum=0.3)).schema
    assert schema.metadata[b"bundle"] == b"small"
    assert schema.metadata[b"smoothing"].startswith(b"mean 0.2 s")
    assert json.loads(schema.metadata[b"events"]) == {
        "minimum": 0.3,
        "gap": 0.1,
        "enter": None,
        "leave": None,
    }
    assert all(field.metadata[b"description"] for field in schema)


def exported(path: Path, faces: dict[int, Course], *more: str) -> Path:
    """Return the folder of events that the command writes."""
    place = path / "predictions.parquet"
    timed(place, faces)
    done = CliRunner().invoke(main, ["events", str(place), "-o", str(path / "events"), *more])
    assert done.exit_code == 0, done.output
    return path / "events"


def busy(seed: int) -> Course:
    """Return a course with many events of many units, edge to edge."""
    seconds, values = anything(seed, clock(150))
    return seconds, {task: np.repeat(rows[:30], 5, axis=0) for task, rows in values.items()}


def test_the_command_writes_table_csv_and_elan_alike(tmp_path: Path) -> None:
    folder = exported(tmp_path, {0: busy(2), 1: busy(3)})
    assert sorted(os.listdir(folder)) == ["events.csv", "events.eaf", "events.parquet"]
    rows = pq.read_table(folder / "events.parquet")
    text = pyarrow.csv.read_csv(folder / "events.csv")
    assert len(rows) > 40
    assert text.column_names == rows.column_names
    assert text["onset_s"].to_pylist() == rows["onset_s"].to_pylist()
    root = ElementTree.parse(folder / "events.eaf").getroot()
    assert len(root.findall("TIER/ANNOTATION")) == 2 * len(rows)


def check_eaf(root: ElementTree.Element) -> None:
    """Refuse what the schema of EAF 3.0, or ELAN beyond it, does not allow."""
    order = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "CONSTRAINT"]
    tags = [child.tag for child in root]
    assert tags == sorted(tags, key=order.index)
    assert tags.count("HEADER") == tags.count("TIME_ORDER") == 1
    assert {"AUTHOR", "DATE", "FORMAT", "VERSION"} <= set(root.keys())
    assert datetime.fromisoformat(root.attrib["DATE"]).tzinfo is not None
    assert root.attrib["FORMAT"] == root.attrib["VERSION"] == "3.0"
    header = root.find("HEADER")
    assert header is not None and header.attrib["TIME_UNITS"] == "milliseconds"
    assert [child.tag for child in header] == sorted(child.tag for child in header)  # MEDIA_... , PROPERTY
    slots = {slot.attrib["TIME_SLOT_ID"]: int(slot.attrib["TIME_VALUE"]) for slot in root.iter("TIME_SLOT")}
    assert len(slots) == len(root.findall("TIME_ORDER/TIME_SLOT"))
    assert list(slots.values()) == sorted(slots.values()) and all(time >= 0 for time in slots.values())
    constraints = {one.attrib["STEREOTYPE"] for one in root.iter("CONSTRAINT")}
    types = {one.attrib["LINGUISTIC_TYPE_ID"]: one.get("CONSTRAINTS") for one in root.iter("LINGUISTIC_TYPE")}
    assert {kind for kind in types.values() if kind} <= constraints
    names = [one.attrib["ANNOTATION_ID"] for one in root.iter("ALIGNABLE_ANNOTATION")]
    used = [
        one.attrib[end]
        for one in root.iter("ALIGNABLE_ANNOTATION")
        for end in ("TIME_SLOT_REF1", "TIME_SLOT_REF2")
    ]
    assert len({*names, *slots}) == len(names) + len(slots), "IDs are unique in the whole document"
    assert sorted(used) == sorted(slots), "each annotation has its own times"
    spans: dict[str, list[tuple[int, int]]] = {}
    for tier in root.iter("TIER"):
        assert tier.attrib["TIER_ID"] not in spans
        assert (types[tier.attrib["LINGUISTIC_TYPE_REF"]] is None) == (tier.get("PARENT_REF") is None)
        ends = [
            (slots[one.attrib["TIME_SLOT_REF1"]], slots[one.attrib["TIME_SLOT_REF2"]])
            for one in tier.iter("ALIGNABLE_ANNOTATION")
        ]
        assert all(start < end for start, end in ends)
        assert all(end <= start for (_, end), (start, _) in pairwise(ends)), "they overlap"
        spans[tier.attrib["TIER_ID"]] = ends
        if tier.get("PARENT_REF"):
            around = zip(spans[tier.attrib["PARENT_REF"]], ends, strict=True)
            assert all(whole[0] <= part[0] and part[1] <= whole[1] for whole, part in around)


def test_elan_files_are_what_their_schema_demands(tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").write_bytes(b"")
    folder = exported(tmp_path, {0: busy(4), 7: busy(5)}, "--minimum", "0", "--gap", "0")
    check_eaf(ElementTree.parse(folder / "events.eaf").getroot())
    (tmp_path / "none").mkdir()
    empty = exported(tmp_path / "none", {9: busy(6)}, "--minimum", "99")
    check_eaf(ElementTree.parse(empty / "events.eaf").getroot())


@settings(max_examples=60, deadline=None)
@given(
    steps=some.lists(some.floats(0, 0.6), min_size=1, max_size=30),
    start=some.floats(-0.2, 1e5),
    seed=some.integers(0, 1000),
)
def test_elan_files_of_any_times_hold_together(
    tmp_path_factory: pytest.TempPathFactory, steps: list[float], start: float, seed: int
) -> None:
    seconds = np.unique(start + np.cumsum(steps))
    table = read(timed(tmp_path_factory.mktemp("e") / "t.parquet", {0: anything(seed, seconds)}))
    found = events(table, Rules(minimum=0, gap=0))
    check_eaf(document(found.to_pylist(), None, Path("/")))


def test_another_programs_reader_finds_the_same_events(tmp_path: Path) -> None:
    pympi = pytest.importorskip("pympi", reason="pympi-ling reads ELAN's files; install it for this test")
    (tmp_path / "talk.mp4").write_bytes(b"")
    folder = exported(tmp_path, {0: busy(8), 1: busy(9)})
    eaf = pympi.Elan.Eaf(str(folder / "events.eaf"))
    found: dict[str, list[tuple[int, int, str]]] = {}
    apexes: dict[str, list[str]] = {}
    for row in pq.read_table(folder / "events.parquet").to_pylist():
        tier = f"face {row['face']} {'expression' if row['behaviour'] == 'expression' else row['label']}"
        over = max(row["offset_s"], row["start_s"] + row["duration_s"])
        found.setdefault(tier, []).append((round(1000 * row["onset_s"]), round(1000 * over), row["label"]))
        apexes.setdefault(f"{tier} apex", []).append(f"{row['apex']:.2f}")
    assert set(eaf.get_tier_names()) == {*found, *apexes}
    for tier, expected in found.items():
        assert sorted(eaf.get_annotation_data_for_tier(tier)) == sorted(expected)
        apex = sorted(eaf.get_annotation_data_for_tier(f"{tier} apex"))
        assert [value for *_, value in apex] == apexes[f"{tier} apex"]
        assert eaf.get_parameters_for_tier(f"{tier} apex")["PARENT_REF"] == tier
    (media,) = eaf.get_linked_files()
    assert media["MEDIA_URL"] == (tmp_path / "talk.mp4").as_uri()
    assert media["RELATIVE_MEDIA_URL"] == "../talk.mp4"
    assert media["MIME_TYPE"] == "video/mp4"


def test_media_is_linked_where_told_or_found_and_else_not(tmp_path: Path) -> None:
    other = tmp_path / "a b ü.mov"
    other.write_bytes(b"")
    folder = exported(tmp_path, {0: busy(10)}, "--media", str(other))
    (media,) = ElementTree.parse(folder / "events.eaf").getroot().iter("MEDIA_DESCRIPTOR")
    assert media.attrib["MEDIA_URL"].endswith("/a%20b%20%C3%BC.mov")
    folder = exported(tmp_path, {0: busy(10)}, "--overwrite")
    assert not list(ElementTree.parse(folder / "events.eaf").getroot().iter("MEDIA_DESCRIPTOR"))


def test_the_command_replaces_nothing_unasked_and_refuses_a_missing_video(tmp_path: Path) -> None:
    folder = exported(tmp_path, {0: busy(11)})
    call = ["events", str(tmp_path / "predictions.parquet"), "-o", str(folder)]
    again = CliRunner().invoke(main, call)
    assert again.exit_code == 1 and "exists already" in again.output
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    never = CliRunner().invoke(main, [*call[:-1], str(tmp_path / "mine"), "--overwrite"])
    assert never.exit_code == 1 and (tmp_path / "mine" / "notes.txt").exists()
    lost = CliRunner().invoke(main, [*call, "--overwrite", "--media", str(tmp_path / "no.mp4")])
    assert lost.exit_code == 1 and "no such file to link" in lost.output


def test_several_videos_have_a_file_for_elan_each(tmp_path: Path) -> None:
    tables = [
        read(timed(tmp_path / "t.parquet", {0: busy(seed)}, video=name))
        for seed, name in enumerate(["a.mp4", "a.mov", "b/c.mp4"])
    ]
    pq.write_table(pa.concat_tables(tables), tmp_path / "three.parquet")
    call = ["events", str(tmp_path / "three.parquet"), "-o", str(tmp_path / "e")]
    assert CliRunner().invoke(main, call).exit_code == 0
    assert sorted(place.name for place in (tmp_path / "e").glob("*.eaf")) == ["a-2.eaf", "a.eaf", "c.eaf"]
    one = CliRunner().invoke(main, [*call, "--overwrite", "--media", str(tmp_path / "t.parquet")])
    assert one.exit_code == 1 and "holds 3 videos" in one.output


def test_the_examples_of_the_documentation_run(tmp_path: Path, root: Path) -> None:
    (tmp_path / "talk").mkdir()
    timed(tmp_path / "talk" / "predictions.parquet", {0: busy(13)})
    file, live = (root / "docs" / "events.md").read_text(encoding="utf-8").split("```python\n")[1:]
    run = [sys.executable, "-W", "error", "-c", file.split("```")[0]]
    said = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said.startswith("0 AU01 ")
    before = "results = []\n"
    subprocess.run([*run[:-1], before + live.split("```")[0]], cwd=tmp_path, check=True)


def test_a_label_that_xml_cannot_hold_is_refused(tmp_path: Path) -> None:
    table = read(timed(tmp_path / "t.parquet", {0: busy(12)}))
    rows = events(table).to_pylist()
    with pytest.raises(InputError, match="expected one that can be printed"):
        document([{**rows[0], "label": "AU\x0012"}], None, tmp_path)
