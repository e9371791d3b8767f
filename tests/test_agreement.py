"""How annotators agree: textbook values, what is undefined and why, what is wrong with traces, the page."""

import csv
import json
import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotated import LAGS, database, segments, traces
from click.testing import CliRunner

from mien.annotation.agreement import OTHERS, Agreement, trace_agreement
from mien.annotation.coding import codings_of, vocabulary
from mien.annotation.coding_agreement import coding_agreement, matched
from mien.annotation.measuring import KEPT, measure
from mien.annotation.quality import look
from mien.annotation.records import Annotations, Trace, write_annotations
from mien.annotation.resampling import Clock, Course, Steps
from mien.annotation.source import Source
from mien.cli import main
from mien.errors import InputError
from mien.metrics import ccc, icc, pcc
from mien.metrics.raters import ac1, agreed, cohen, fleiss, krippendorff, randolph

NAN = float("nan")

in_browser = pytest.mark.program("chromium", "chromedriver")

# ---- kappas and alphas ------------------------------------------------------------------------

TEXTBOOK = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
).T
"""Krippendorff's own example: 12 units, 4 raters."""

ITEMS = np.array([[0, 0, 0], [1, 1, 0], [2, 2, 2], [1, 1, 1], [0, 1, 0], [2, 2, 1]], float)


@pytest.mark.parametrize(
    ("level", "value"), [("nominal", 0.7434210526), ("ordinal", 0.8153875038), ("interval", 0.8491071429)]
)
def test_krippendorffs_alpha_of_his_example(level: Any, value: float) -> None:
    assert krippendorff(TEXTBOOK, level) == pytest.approx(value, abs=1e-9)


def test_kappas_of_six_items() -> None:
    assert fleiss(ITEMS, 3) == pytest.approx(0.4953, abs=1e-4)
    assert randolph(ITEMS, 3) == pytest.approx(0.5)
    assert cohen(ITEMS[:, 0], ITEMS[:, 1], 3) == pytest.approx(0.75)
    assert cohen(ITEMS[:, 0], ITEMS[:, 1], 3, "quadratic") == pytest.approx(0.8571, abs=1e-4)
    assert agreed(ITEMS, 3) == pytest.approx(2 / 3)


def test_ac1_of_two_raters_written_out() -> None:
    votes = np.array([[1, 1]] * 2 + [[1, 0]] * 3 + [[0, 1]] * 5 + [[0, 0]] * 90, float)
    share = (5 + 7) / 200
    chance = 2 * share * (1 - share)
    assert ac1(votes, 2) == pytest.approx((0.92 - chance) / (1 - chance))


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_alpha_agrees_with_the_library(level: Any) -> None:
    library = pytest.importorskip("krippendorff")
    random = np.random.default_rng(1)
    votes = np.where(
        random.random((300, 4)) < 0.6, random.integers(0, 5, (300, 1)), random.integers(0, 5, (300, 4))
    )
    votes = np.where(random.random((300, 4)) < 0.25, NAN, votes)
    expected = library.alpha(votes.T, level_of_measurement=level)
    assert krippendorff(votes, level) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weights", ["", "linear", "quadratic"])
def test_cohens_kappa_agrees_with_the_library(weights: str) -> None:
    library = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(2)
    first = random.integers(0, 6, 400)
    second = np.where(random.random(400) < 0.5, first, random.integers(0, 6, 400))
    expected = library.cohen_kappa_score(first, second, weights=weights or None)
    assert cohen(first, second, 6, weights) == pytest.approx(expected)


def test_a_rare_unit_makes_kappa_collapse_but_not_ac1_nor_randolph() -> None:
    votes = np.zeros((1000, 2))
    votes[:5, 0] = votes[5:10, 1] = 1
    assert cohen(votes[:, 0], votes[:, 1], 2) < 0.01
    assert fleiss(votes, 2) < 0.01
    assert ac1(votes, 2) > 0.98
    assert randolph(votes, 2) > 0.97


def test_chance_is_undefined_not_perfect_where_all_say_one_class() -> None:
    same = np.ones((5, 2))
    assert np.isnan([cohen(same[:, 0], same[:, 1], 2), fleiss(same, 2), krippendorff(same)]).all()
    assert np.isnan(krippendorff(same, "interval"))
    assert ac1(same, 2) == randolph(same, 2) == 1


@pytest.mark.parametrize("votes", [np.zeros((0, 3)), np.full((4, 3), NAN)])
def test_no_votes_are_undefined(votes: Any) -> None:
    figures = [fleiss(votes, 2), randolph(votes, 2), ac1(votes, 2), agreed(votes, 2)]
    figures += [krippendorff(votes), krippendorff(votes, "interval"), cohen(votes[:, 0], votes[:, 1], 2)]
    assert np.isnan(figures).all()


def test_votes_that_are_no_categories_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 0 to 1"):
        agreed(np.array([[0.0, 2.0]]), 2)
    with pytest.raises(ValueError, match="no level 'ratio'"):
        krippendorff(ITEMS, "ratio")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no weights 'cubic'"):
        cohen(ITEMS[:, 0], ITEMS[:, 1], 3, "cubic")


# ---- traces -----------------------------------------------------------------------------------


def course(*rows: Any, video: str = "a.mp4") -> Course:
    """Return a course of annotators a, b, ..."""
    return Course(video, "valence", 25, tuple("abcdef"[: len(rows)]), np.array(rows, float))


def overall(*courses: Course, apart: tuple[str, ...] = ()) -> Agreement:
    """Return the agreement of all videos."""
    return trace_agreement(courses, "", apart)[-1]


def test_pairs_and_the_mean_of_the_others() -> None:
    rows = np.random.default_rng(1).normal(0, 0.3, (3, 50))
    told = overall(course(*rows))
    assert told.pairs[0].figure("CCC").value == pytest.approx(ccc(rows[0], rows[1]))
    assert told.pairs[2].figure("PCC").value == pytest.approx(pcc(rows[1], rows[2]))
    assert (told.alone[1].first, told.alone[1].second) == ("b", OTHERS)
    assert told.alone[1].figure("CCC").value == pytest.approx(ccc(rows[1], (rows[0] + rows[2]) / 2))
    for form in ("ICC(2,1)", "ICC(2,k)", "ICC(3,k)"):
        assert told.figure(form).value == pytest.approx(icc(rows.T, form))


def test_icc_3k_is_cronbachs_alpha() -> None:
    rows = np.random.default_rng(3).normal(0, 0.3, (4, 80)) + np.linspace(-0.4, 0.4, 80)
    alpha = 4 / 3 * (1 - rows.var(axis=1, ddof=1).sum() / rows.sum(axis=0).var(ddof=1))
    assert overall(course(*rows)).figure("ICC(3,k)").value == pytest.approx(alpha)


def test_who_is_set_apart_is_compared_but_not_part_of_the_others() -> None:
    rows = np.random.default_rng(1).normal(0, 0.3, (3, 50))
    told = overall(course(*rows), apart=("c",))
    assert told.alone[0].figure("CCC").value == pytest.approx(ccc(rows[0], rows[1]))
    assert told.alone[2].figure("CCC").value == pytest.approx(ccc(rows[2], (rows[0] + rows[1]) / 2))


def test_overall_is_of_all_videos_as_one() -> None:
    rows = np.random.default_rng(4).normal(0, 0.3, (2, 90))
    first, second = course(*rows[:, :30], video="a.mp4"), course(*rows[:, 30:], video="b.mp4")
    told = trace_agreement([first, second])
    assert [one.video for one in told] == ["a.mp4", "b.mp4", ""]
    assert told[-1].pairs[0].figure("CCC").value == pytest.approx(ccc(*rows))
    assert told[-1].figure("ICC(2,k)").value == pytest.approx(icc(rows.T, "ICC(2,k)"))


@pytest.mark.parametrize(
    ("rows", "figure", "why"),
    [
        ([[0.1, 0.2, NAN], [NAN, NAN, 0.3]], "CCC", "fewer than two times that both traced"),
        ([[0.2, 0.2, 0.2], [0.2, 0.2, 0.2]], "CCC", "both are one constant"),
        ([[0.2, 0.2, 0.2], [0.1, 0.2, 0.3]], "PCC", "one of them never moves"),
    ],
)
def test_an_undefined_pair_says_why(rows: Any, figure: str, why: str) -> None:
    told = overall(course(*rows)).pairs[0].figure(figure)
    assert math.isnan(told.value)
    assert told.why == why


def test_an_undefined_figure_of_all_says_why() -> None:
    alone = overall(course([0.1, 0.2, 0.3]))
    assert alone.figure("ICC(2,k)").why == "one annotator"
    assert alone.figure("Krippendorff (interval)").why == "no time that two traced"
    assert overall(course([0.1, NAN], [NAN, 0.2])).figure("ICC(3,1)").why.startswith("fewer than two times")
    assert overall(course([0.1] * 3, [0.1] * 3)).figure("ICC(2,1)").why == "nothing moves"
    other = replace(course([0.1, 0.2], [0.1, 0.3], video="b.mp4"), annotators=("x", "y"))
    assert "not all annotators" in overall(course([0.1, 0.2], [0.1, 0.3]), other).figure("ICC(2,k)").why


# ---- segments ---------------------------------------------------------------------------------


def told_of(said: Any, tolerance: float = 0.5) -> dict[tuple[str, str], Agreement]:
    """Return the agreement over all videos by label and kind."""
    found = coding_agreement(codings_of(Annotations((), tuple(said)), Clock(25)), tolerance)
    return {(one.label, one.kind): one for one in found if not one.video}


def test_frames_of_a_unit_are_held_against_each_other() -> None:
    said = segments("AU12", {"a": [(0, 2)], "b": [(1, 3)], "c": [(9, 10)]})
    told = told_of(said)["AU12", "frames"]
    votes = np.zeros((251, 2))
    votes[:50, 0], votes[25:75, 1] = 1, 1
    assert told.pairs[0].figure("Cohen").value == pytest.approx(cohen(votes[:, 0], votes[:, 1], 2))
    assert told.figure("share present").value == pytest.approx((50 + 50 + 25) / (3 * 251))


@pytest.mark.parametrize(
    ("first", "second", "ends", "count"),
    [
        ([(1, 2)], [(1.4, 2.4)], True, 1),
        ([(1, 2)], [(1.6, 2)], True, 0),
        ([(1, 2)], [(1.2, 5)], True, 0),
        ([(1, 2)], [(1.2, 5)], False, 1),
        ([(1, 2), (1.1, 2)], [(1.1, 2)], True, 1),
        ([(1, 2), (1.4, 2.4)], [(0.6, 1.6), (1.1, 2.1)], True, 2),
        ([], [(1, 2)], True, 0),
    ],
)
def test_events_are_matched_once_within_the_tolerance(
    first: Any, second: Any, ends: bool, count: int
) -> None:
    assert matched(first, second, 0.5, ends) == count


def test_thousands_of_close_events_are_matched() -> None:
    chain = [(place * 0.3, place * 0.3 + 1) for place in range(1500)]
    assert matched(chain, chain, 0.5) == 1500
    crowd = [(place / 1000, 1 + place / 1000) for place in range(1500)]
    assert matched(crowd, crowd[:400], 5) == 400
    assert matched(crowd, [(1 + start, 1 + end) for start, end in crowd], 0.5) == 1000


def test_as_many_events_are_matched_as_can_be() -> None:
    graphs = pytest.importorskip("scipy.sparse")
    random = np.random.default_rng(5)
    for _ in range(30):
        one, two = ([(t, t + 1) for t in random.uniform(0, 12, 15).tolist()] for _ in range(2))
        near = [[abs(mine[0] - other[0]) <= 0.5 for other in two] for mine in one]
        best = graphs.csgraph.maximum_bipartite_matching(graphs.csr_matrix(near))
        assert matched(one, two, 0.5) == (best >= 0).sum()


def test_events_are_scored_as_f1_and_undefined_where_there_are_none() -> None:
    said = segments("AU12", {"a": [(0, 2), (5, 6)], "b": [(0.3, 2.2)], "c": [(8, 9)]})
    told = told_of((*said, *segments("AU01", {"a": [(0, 1)]})))
    assert told["AU12", "events"].pairs[0].figure("events").value == pytest.approx(2 / 3)
    between = told["AU01", "events"].pairs[-1]
    assert (between.first, between.second) == ("b", "c")
    assert between.figure("events").why == "neither saw an event"


def test_intensities_are_compared_as_grades() -> None:
    grades = {"a": (2, 5), "b": (3, 5)}
    said = [
        one
        for who, (first, second) in grades.items()
        for one in (
            *segments("AU12", {who: [(0, 2)]}, intensity=first),
            *segments("AU12", {who: [(4, 6)]}, intensity=second),
        )
    ]
    told = told_of(said)["AU12", "grades"]
    rows = np.repeat([[2, 3], [0, 0], [5, 5], [0, 0]], [50, 50, 50, 1], axis=0)
    assert told.pairs[0].figure("Cohen (quadratic)").value == pytest.approx(cohen(*rows.T, 6, "quadratic"))
    assert told.figure("ICC(3,1)").value == pytest.approx(icc(rows, "ICC(3,1)"))


def test_what_cannot_be_told_does_not_count() -> None:
    hidden = segments("AU12", {"b": [(2, 10)]}, scorable=False)
    told = told_of((*segments("AU12", {"a": [(0, 10)], "b": [(0, 2)]}), *hidden))
    assert told["AU12", "frames"].pairs[0].figure("agreed").count == 51


def test_expressions_take_the_smallest_set_that_has_them() -> None:
    assert len(vocabulary(["happiness", "neutral"])) == 7
    assert vocabulary(["contempt"])[-1] == "contempt"
    assert vocabulary(["happiness", "sadly_angry"]) == ("happiness", "sadly_angry")


# ---- single traces ----------------------------------------------------------------------------


def trace(values: Any, rate: float = 10.0, **marks: int) -> Trace:
    """Return a trace of some values."""
    values = np.asarray(values, float)
    return Trace("a.mp4", "anna", "valence", np.arange(len(values)) / rate, values, marks)


WAVE = 0.5 * np.sin(np.arange(600) / 20)


@pytest.mark.parametrize(
    ("values", "flags"),
    [
        (WAVE, []),
        (np.where(np.arange(600) < 60, 0, WAVE), ["late"]),
        (np.where(np.arange(600) < 40, 0, WAVE), []),
        (np.where((np.arange(600) > 200) & (np.arange(600) < 420), 0.3, WAVE), ["still"]),
        (np.where(np.arange(600) > 380, 0.3, WAVE), ["still"]),
        (np.zeros(600), ["flat"]),
        (np.clip(3 * np.roll(WAVE, -80) + 1.2, -1, 1), ["stuck"]),
        (np.full(600, NAN), ["empty"]),
    ],
)
def test_what_is_wrong_with_a_trace_is_flagged(values: Any, flags: list[str]) -> None:
    found = look(trace(values), Steps(rate=10), rest=0.5)
    assert [flag.flag for flag in found] == flags


def test_marks_and_running_against_the_rest_are_told_in_words() -> None:
    found = look(trace(WAVE, seek=3, blur=1), Steps(rate=10), rest=-0.4)
    assert [flag.text for flag in found] == [
        "runs against the others: correlation -0.40",
        "blur: once",
        "seek: 3 times",
    ]
    assert [flag.weight for flag in found] == ["redo", "note", "note"]


# ---- everything together ----------------------------------------------------------------------


def test_lags_taken_off_raise_agreement_and_both_are_told() -> None:
    source = Source(Path("x"), Annotations(traces(LAGS)))
    told = measure(source, Steps(), Clock(25), 0.5).traced[0]
    assert told.with_others("before") < 0.93 < 0.99 < told.with_others("after")
    assert not told.has(KEPT)


def test_repeats_hold_an_annotator_against_the_same_one() -> None:
    first = Annotations(traces(LAGS), segments("AU12", {"anna": [(1, 3)], "ben": [(7, 8)]}))
    again = Annotations(traces({"anna": 0.6}, seed=5), segments("AU12", {"anna": [(1, 2)]}))
    told = measure(Source(Path("x"), first, again), Steps(), Clock(25), 0.5).repeats
    by = {(one.label, one.kind): one for one in told}
    assert by["valence", "traces"].annotators == ("anna", "anna again")
    assert by["valence", "traces"].pairs[0].figure("CCC").value > 0.95
    assert 0 < by["AU12", "frames"].pairs[0].figure("Cohen").value < 1


BOTH = {(video, "anna"): frozenset({"AU12"}) for video in ("v.mp4", "w.mp4")}
SMILES = {video: segments("AU12", {"anna": [(1, 4)]}, video=video) for video, _ in BOTH}


def once_more(first: Any, again: Any, **told: Any) -> Agreement:
    """Return how anna's rows of AU12 agree with those of her when asked once more."""
    source = Source(Path("x"), Annotations((), first), Annotations((), again), **told)
    return next(one for one in measure(source, Steps(), Clock(25), 0.5).repeats if one.kind == "frames")


def test_repeats_without_a_segment_count_where_they_were_finished() -> None:
    first = (*SMILES["v.mp4"], *SMILES["w.mp4"])
    found = once_more(first, SMILES["w.mp4"], coded=BOTH, coded_again=BOTH)
    assert found.figure("agreed").value == pytest.approx(1 - 75 / 202)
    nothing = once_more(first, (), coded=BOTH, coded_again=BOTH)
    assert nothing.figure("agreed").value == pytest.approx(1 - 150 / 202)
    again = {("w.mp4", "anna"): BOTH["w.mp4", "anna"]}
    assert once_more(first, first, coded=BOTH, coded_again=again).figure("agreed").count == 101


def test_of_tables_repeats_count_where_they_hold_a_unit() -> None:
    both = (*SMILES["v.mp4"], *SMILES["w.mp4"])
    found = once_more(SMILES["w.mp4"], both).figure("agreed")
    assert found.value == pytest.approx(1 - 75 / 202)
    assert once_more(both, SMILES["w.mp4"]).figure("agreed").count == 101


def test_events_of_who_did_not_finish_are_not_compared() -> None:
    said = Annotations((), segments("AU12", {"a": [(0, 2), (5, 6)], "b": [(0, 2)]}))
    codings = codings_of(said, Clock(25), {("talk.mp4", "a"): frozenset({"AU12"})})
    told = {(one.kind, one.video): one for one in coding_agreement(codings, 0.5)}
    assert told["events", ""].pairs[0].figure("events").why == "nothing that both went through"
    assert told["frames", ""].figure("agreed").count == 50


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of the command."""
    folder = tmp_path_factory.mktemp("agreement")
    name = "a<script>document.title='run'</script>"
    said = database()
    (folder / "talks").mkdir()
    named = tuple(replace(one, video=name) if one.video == "walk.mp4" else one for one in said.traces)
    write_annotations(folder / "talks", Annotations(named, said.segments))
    call = ["agreement", str(folder / "talks"), "-o", str(folder / "out")]
    done = CliRunner().invoke(main, call, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "talk.mp4, dora runs against the others" in done.output
    assert CliRunner().invoke(main, call).exit_code == 1
    assert CliRunner().invoke(main, [*call, "--overwrite"]).exit_code == 0
    return folder / "out"


def test_every_figure_is_in_the_table_and_in_the_record(result: Path) -> None:
    with open(result / "agreement.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    record = json.loads((result / "agreement.json").read_text())
    count = sum(
        len(one["figures"]) + sum(len(pair["figures"]) for pair in (*one["pairs"], *one["alone"]))
        for one in record["agreement"]
    )
    assert len(rows) == count
    assert all(row["value"] or row["why"] for row in rows)
    assert record["steps"]["limit"] == 6
    assert [lag["opposed"] for lag in record["lags"]["valence"]] == [False, False, False, True]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    write_annotations(tmp_path, Annotations())
    with pytest.raises(InputError, match="nothing is annotated"):
        measure(Source(tmp_path, Annotations()), Steps(), Clock(25), 0.5)
    done = CliRunner().invoke(main, ["agreement", str(tmp_path / "gone"), "-o", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert not (tmp_path / "out").exists()


def test_odd_annotations_are_measured_without_a_warning() -> None:
    empty = Trace("a.mp4", "anna", "valence", np.zeros(0), np.zeros(0))
    flat = trace(np.zeros(50))
    single = replace(flat, annotator="ben", seconds=np.zeros(1), values=np.zeros(1))
    lone = segments("fear", {"zoe": [(0, 0)]}, video="b.mp4")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for said in ((empty,), (empty, single), (flat, single), (single,)):
            source = Source(Path("x"), Annotations(said, lone))
            told = measure(source, Steps(), Clock(25), 0.5)
            assert all(np.isfinite(f.value) or f.why for one in told.agreements for f in one.figures)


@in_browser
@pytest.mark.parametrize("width", [420, 1280, 1920])
def test_the_page_asks_for_nothing_runs_nothing_and_fits(result: Path, browser: Any, width: int) -> None:
    browser.open(result / "agreement.html", width)
    assert browser.complaints() == []
    outside = [address for address in browser.requests() if not address.startswith(("file:", "chrome"))]
    assert outside == []
    assert browser.run("return document.title").startswith("Agreement of annotators: talks")
    assert browser.run("return document.documentElement.scrollWidth") == width
    assert len(browser.find_all("svg.courses")) == 8


@in_browser
def test_the_page_shows_the_figures_of_the_record(result: Path, browser: Any) -> None:
    browser.open(result / "agreement.html")
    record = json.loads((result / "agreement.json").read_text())
    after = next(
        o for o in record["agreement"] if (o["label"], o["stage"], o["video"]) == ("arousal", "after", "")
    )
    shown = browser.run(
        "return [...document.querySelectorAll('section')[1].querySelectorAll('.matrix')[1].rows].slice(1)"
        ".map(row => [...row.cells].slice(1).map(cell => cell.textContent))"
    )
    pairs = {(pair["first"], pair["second"]): pair["figures"][0]["value"] for pair in after["pairs"]}
    assert shown[0][1] == f"{pairs['anna', 'ben']:.3f}"
    assert shown[1][0] == shown[0][1]
    assert "dora, talk.mp4: runs against the others" in browser.text("main")


@in_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_numbers_in_coloured_cells_can_be_read(result: Path, browser: Any, theme: str) -> None:
    browser.open(result / "agreement.html", theme=theme)
    contrasts = browser.run(
        "const light = css => { const [r, g, b] = css.match(/[0-9.]+/g).slice(0, 3).map(v => v / 255)"
        ".map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);"
        " return 0.2126 * r + 0.7152 * g + 0.0722 * b };"
        "return [...document.querySelectorAll('.matrix td[class^=t]')].map(cell => {"
        " const s = getComputedStyle(cell), [a, b] = [light(s.color), light(s.backgroundColor)];"
        " return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) })"
    )
    assert len(contrasts) > 60
    assert min(contrasts) >= 4.5
