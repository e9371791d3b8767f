"""The table over many results says what was measured, what was not, and what others published."""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.benchmark.groups import CAUTION
from mien.benchmark.result import Figure, Result
from mien.benchmark.rows import UNTOLD, Row, rows_of
from mien.benchmark.table import markdown, write_table
from mien.databases import DATABASES
from mien.databases.catalog import METRICS, Protocol
from mien.errors import InputError, OutputError

EVIL = '<script>document.title="run"</script>'

in_browser = pytest.mark.program("chromium", "chromedriver")


def protocol(database: str, name: str) -> Protocol:
    return next(p for p in DATABASES[database].protocols if p.name == name)


def result(
    database: str,
    name: str,
    value: float,
    *,
    network: str = "net",
    digest: str = "a",
    tested: Sequence[str] | None = None,
    rows: str = "e",
    more: Sequence[Figure] = (),
    learned: Any = None,
    notes: Sequence[str] = (),
    constant: float = 0.1,
) -> Result:
    p = protocol(database, name)
    own = sorted({part for fold in p.folds for part in fold.test}) if p.by == "split" else []
    at = "0.5" if p.task.kind == "binary" else ""
    return Result(
        database=database,
        release="made",
        protocol=name,
        settings={"metric": p.metric, "tested": own if tested is None else list(tested)},
        networks=[{"name": network, "sha256": digest * 64, "trained_on": learned, "tested_on": 1}],
        data={"index_sha256": "c" * 64, "rows_sha256": rows * 64, "rows": 10, "detector": "yunet"},
        coverage={
            "rows": 1000,
            "labelled": 900,
            "picture": 890,
            "face found": 450,
            "carried": 9,
            "counted": 899,
        },
        mien="0.1.0",
        figures=[
            Figure("model", p.metric, "", value, value - 0.01, value + 0.01, 899, 30, at),
            *more,
            Figure("constant", p.metric, "", constant, count=899),
        ],
        notes=[*([p.note] if p.note else []), *notes],
    )


def one(rows: Sequence[Row], name: str, part: str = "", of: str = "", metric: str = "") -> Row:
    found = [
        row
        for row in rows
        if row.protocol == name
        and row.part == (part or row.own)
        and row.of == of
        and (row.metric == metric if metric else row.first or of)
    ]
    assert len(found) == 1
    return found[0]


def cells_of(text: str) -> list[list[str]]:
    """Return the cells of a Markdown table, split at pipes that are not escaped."""
    lines = [line for line in text.split("\n\n")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def table(folder: Path) -> list[dict[str, str]]:
    with open(folder / "table.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Page(HTMLParser):
    """The cells of the rows of an HTML table, and every tag of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data


@pytest.mark.parametrize("name", DATABASES)
def test_every_protocol_of_a_database_that_occurs_has_its_own_row(name: str) -> None:
    database = DATABASES[name]
    for p in database.protocols[:1]:
        rows = rows_of([result(name, p.name, 0.5)])
        assert {row.database for row in rows} == {name}
        own = [row for row in rows if row.first]
        assert all(row.part == row.own for row in rows)
        measured = {row.protocol for row in own if row.cells[0].state == "measured"}
        assert measured == {p.name}
        if name == "table":
            assert [row.protocol for row in own] == [p.name], "it has protocols for labels that are not there"
        else:
            everything = {q.name for q in database.protocols} | set(database.sums)
            assert {row.protocol for row in own} == everything
            assert len(own) == len(everything)


@pytest.mark.parametrize("name", DATABASES)
def test_every_published_figure_is_in_the_csv_once(name: str, tmp_path: Path) -> None:
    database = DATABASES[name]
    chosen = database.protocols[0]
    given = [
        result(name, chosen.name, 0.5),
        result(name, chosen.name, 0.6, rows="f"),
        *([result(name, chosen.name, 0.7, tested=["train"])] if chosen.by == "split" else []),
    ]
    write_table(rows_of(given), tmp_path / "out")
    found = [
        (row["protocol"], row["system"], row["label"], float(row["value"]), row["source"], row["note"])
        for row in table(tmp_path / "out")
        if row["kind"] == "published"
    ]
    told = [(p.protocol, p.system, p.of, p.value, p.source, p.note) for p in database.published]
    assert sorted(found) == sorted(told)


def test_what_was_not_measured_and_what_is_undefined_say_so(tmp_path: Path) -> None:
    rows = rows_of(
        [
            result("fer2013", "FER2013", math.nan),
            result("fer2013", "FERPlus majority", 0.8714, network="other", digest="b"),
        ]
    )
    assert [cell.state for cell in one(rows, "FER2013").cells] == ["undefined", "not measured"]
    assert [cell.state for cell in one(rows, "FERPlus majority").cells] == ["not measured", "measured"]
    head, _, *lines = cells_of(markdown(rows))
    shown = {line[1].split(" [")[0]: dict(zip(head, line, strict=True)) for line in lines}
    assert shown["FER2013"]["net"].startswith("undefined")
    assert shown["FER2013"]["other"] == "not measured"
    assert shown["FERPlus majority"]["other"].startswith(
        "0.871 [0.861, 0.881] (n 899; faces 50.0 %; counted 99.9 %)"
    )
    assert shown["FERPlus majority"]["constant"] == "0.100"
    assert shown["FERPlus probability"]["constant"] == "not measured"
    write_table(rows, tmp_path / "out")
    states = {
        (row["protocol"], row["system"]): (row["state"], row["value"])
        for row in table(tmp_path / "out")
        if row["role"] == "model"
    }
    assert states["FER2013", "net"] == ("undefined", "")
    assert states["FER2013", "other"] == ("not measured", "")
    assert states["FERPlus majority", "other"] == ("measured", "0.8714")


def test_another_part_has_its_own_row_and_published_figures_are_marked() -> None:
    rows = rows_of([result("fer2013", "FERPlus majority", 0.9, tested=["validation"])])
    own, other = one(rows, "FERPlus majority"), one(rows, "FERPlus majority", part="validation part")
    assert own.part == "test part"
    assert own.cells[0].state == "not measured"
    assert other.cells[0].state == "measured"
    shown = {line[1]: line for line in cells_of(markdown(rows))}
    best = next(p for p in DATABASES["fer2013"].published if p.role == "best")
    line = next(
        value for key, value in shown.items() if key.startswith("FERPlus majority (validation part, not")
    )
    assert re.search(
        rf"{best.value:.3f} \({re.escape(best.system)}, {best.year}; test part\) \[\d+\]", "".join(line)
    )
    line = next(value for key, value in shown.items() if key.startswith("FERPlus majority ["))
    assert "test part" not in "".join(line)


def test_published_figures_of_the_tested_part_are_not_marked_on_its_row() -> None:
    given = result("aff_wild2", "VA", 0.5, tested=["test"])
    lines = [
        line
        for line in cells_of(markdown(rows_of([given])))
        if line[1].startswith("VA") and line[2] == "CCC ↑"
    ]
    head = cells_of(markdown(rows_of([given])))[0]
    own, other = (dict(zip(head, line, strict=True))["best"] for line in lines)
    assert re.findall(r"; (\w+) part\)", own) == ["test"]
    assert re.findall(r"; (\w+) part\)", other) == ["validation"]
    notes = dict(re.findall(r"^- \[(\d+)\] (.*)$", markdown(rows_of([given])), re.M))
    marked = re.search(r"; validation part\) \[(\d+)\]", other)
    assert marked
    assert "it is of the validation part" in notes[marked[1]]


def test_a_result_that_does_not_say_its_part_has_a_row_that_says_so() -> None:
    given = result("fer2013", "FER2013", 0.7)
    del given.settings["tested"]
    rows = rows_of([given])
    assert one(rows, "FER2013").cells[0].state == "not measured"
    assert one(rows, "FER2013", part=UNTOLD).cells[0].state == "measured"
    assert f"({UNTOLD})" in markdown(rows)


def test_folds_of_subjects_and_rows_of_no_part_are_the_own_part() -> None:
    assert (
        one(rows_of([result("disfa", "8 AUs, F1 (>= 2)", 0.6)]), "8 AUs, F1 (>= 2)").part
        == "folds of subjects"
    )
    assert one(rows_of([result("emotionet", "2020, 23 AUs", 0.6)]), "2020, 23 AUs").part == "rows of no part"


def test_other_rows_of_the_same_part_have_a_row_of_their_own() -> None:
    rows = rows_of(
        [
            result("fer2013", "FER2013", 0.7),
            result("fer2013", "FER2013", 0.6, network="b", digest="b", rows="f"),
        ]
    )
    lines = [row for row in rows if row.protocol == "FER2013"]
    assert [[cell.state for cell in row.cells] for row in lines] == [
        ["measured", "not measured"],
        ["not measured", "measured"],
    ]
    shown = [line[1] for line in cells_of(markdown(rows)) if line[1].startswith("FER2013")]
    assert [line.split(" [")[0] for line in shown] == [f"FER2013 (rows {digest * 8})" for digest in "ef"]
    alone = [line[1] for line in cells_of(markdown(rows_of([result("fer2013", "FER2013", 0.7)])))]
    assert not any("rows" in line for line in alone)


PARTS = ("MTL valence and arousal", "MTL expressions", "MTL action units")


def test_the_sum_is_of_its_protocols_where_all_were_measured() -> None:
    values = (0.45, 0.33, 0.44)
    given = [result("aff_wild2", name, value) for name, value in zip(PARTS, values, strict=True)]
    given += [result("aff_wild2", PARTS[1], 0.3, network="b", digest="b")]
    row = one(rows_of(given), "MTL")
    assert row.cells[0].figure is not None
    assert row.cells[0].figure.value == pytest.approx(math.fsum(values))
    assert row.cells[0].constant is not None
    assert row.cells[0].constant.value == pytest.approx(0.3)
    assert row.cells[1].state == "not measured"
    assert row.cells[1].notes == (f"not measured: {PARTS[0]}, {PARTS[2]}",)
    assert row.metric == "CCC + macro F1 + binary F1"
    assert {p.role for p in row.published} >= {"best", "baseline", "apart"}
    order = [r.protocol for r in rows_of(given) if r.first]
    assert order.index("MTL") == max(order.index(name) for name in PARTS) + 1


def test_the_sum_of_constants_is_of_all_or_none() -> None:
    given = [result("aff_wild2", name, 0.4) for name in PARTS]
    given[1] = replace(given[1], figures=given[1].figures[:1])
    cell = one(rows_of(given), "MTL").cells[0]
    assert cell.state == "measured"
    assert cell.constant is None


@pytest.mark.parametrize("place", range(3))
def test_a_sum_is_undefined_where_one_of_its_figures_is(place: int) -> None:
    given = [result("aff_wild2", name, math.nan if i == place else 0.4) for i, name in enumerate(PARTS)]
    assert one(rows_of(given), "MTL").cells[0].state == "undefined"
    assert one(rows_of(given[:2]), "MTL").cells[0].state == "not measured"


def test_figures_of_other_rows_are_not_added() -> None:
    given = [result("aff_wild2", name, 0.4, rows="ef"[i == 2]) for i, name in enumerate(PARTS)]
    rows = [row for row in rows_of(given) if row.protocol == "MTL"]
    assert [row.cells[0].state for row in rows] == ["not measured", "not measured"]


def test_a_sum_of_another_part_is_a_row_of_its_own() -> None:
    given = [result("aff_wild2", name, 0.4, tested=["train"]) for name in PARTS]
    rows = rows_of(given)
    assert one(rows, "MTL").cells[0].state == "not measured"
    assert one(rows, "MTL", part="train part").cells[0].state == "measured"


def test_labels_and_further_metrics_stand_beside_published_ones() -> None:
    more = [
        Figure("model", metric, label, value, count=899)
        for metric, label, value in (
            *(("CCC", "valence", 0.7), ("CCC", "arousal", 0.5)),
            *(("RMSE", "valence", 0.31), ("RMSE", "", 0.33)),
        )
    ]
    rows = rows_of([result("affectnet", "valence and arousal", 0.6, more=more)])
    shown = {(row.metric, row.of): row for row in rows if row.protocol == "valence and arousal"}
    published = {
        (p.metric or "CCC", p.of)
        for p in DATABASES["affectnet"].published
        if p.protocol == "valence and arousal"
    }
    assert set(shown) == published | {("CCC", "")}
    assert shown["CCC", "valence"].cells[0].figure == more[0]
    assert shown["RMSE", "valence"].cells[0].figure == more[2]
    assert shown["RMSE", "arousal"].cells[0].state == "not measured"
    assert not shown["RMSE", "valence"].higher
    assert shown["CCC", "valence"].higher
    assert "RMSE of valence ↓" in markdown(rows)


def test_thresholds_from_validation_are_a_row_beneath() -> None:
    tuned = Figure("model", "binary F1", "", 0.65, 0.6, 0.7, 899, 27, "validation")
    rows = rows_of(
        [
            result("disfa", "8 AUs, F1 (>= 2)", 0.6, more=[tuned]),
            result("disfa", "8 AUs, F1 (>= 2)", 0.5, network="b", digest="b"),
        ]
    )
    first, second = (row for row in rows if row.protocol == "8 AUs, F1 (>= 2)")
    assert (first.thresholds, second.thresholds) == ("0.5", "validation")
    assert second.cells[0].figure == tuned
    assert second.cells[1].state == "not measured"
    assert first.published
    assert not second.published


def test_columns_are_bundles() -> None:
    same = [result("fer2013", "FER2013", 0.7), result("fer2013", "FERPlus majority", 0.8)]
    assert [c.network.label for c in rows_of(same)[0].cells] == ["net"]
    other = result("fer2013", "FER2013", 0.6, digest="b")
    labels = [c.network.label for c in rows_of([*same, other])[0].cells]
    assert labels == ["net (aaaaaaaa)", "net (bbbbbbbb)"]
    both = [f"{cell.figure.value:g}" for cell in one(rows_of([*same, other]), "FER2013").cells if cell.figure]
    assert both == ["0.7", "0.6"]


def test_networks_of_folds_are_one_column_whatever_their_order() -> None:
    one_way = result("disfa", "8 AUs, F1 (>= 2)", 0.6)
    folds = [
        {
            "name": f"fold_{n}",
            "sha256": f"{n}" * 64,
            "tested_on": n,
            "trained_on": [{"database": "disfa", "fold": f"{n}"}],
        }
        for n in (1, 2, 3)
    ]
    other = result("disfa", "12 AUs, ICC(3,1)", 0.4)
    rows = rows_of([replace(one_way, networks=folds), replace(other, networks=folds[::-1])])
    assert [c.network.label for c in rows[0].cells] == ["fold_1 + fold_2 + fold_3"]
    assert rows[0].cells[0].network.learned == "disfa 1, disfa 2, disfa 3"


def test_the_same_result_twice_is_told_once_and_one_that_differs_is_refused() -> None:
    given = result("fer2013", "FER2013", math.nan)
    assert rows_of([given, result("fer2013", "FER2013", math.nan)]) == rows_of([given, given])
    assert len(rows_of([given, given])) == len(rows_of([given]))
    with pytest.raises(InputError, match=r"two results of 'FER2013', test part, by net differ; give one"):
        rows_of([given, result("fer2013", "FER2013", 0.7)])


def test_results_of_another_mien_are_refused() -> None:
    given = result("fer2013", "FER2013", 0.7)
    for changed in (
        replace(given, database="fer2014"),
        replace(given, protocol="FER2014"),
        replace(given, settings={**given.settings, "metric": "macro F1"}),
    ):
        with pytest.raises(InputError, match="evaluate again"):
            rows_of([changed])


def test_what_makes_our_own_figures_differ_is_noted() -> None:
    rows = rows_of(
        [
            result("fer2013", "FER2013", 0.7, learned=[{"database": "fer2013", "fold": ""}]),
            replace(
                result("fer2013", "FER2013", 0.6, network="b", digest="b", learned=[{"database": "raf_db"}]),
                data={"rows_sha256": "e" * 64, "detector": "mtcnn"},
                notes=["folds tested: 1 of 2", protocol("fer2013", "FER2013").note, CAUTION],
                settings={"metric": "accuracy", "tested": ["test"], "baselines_from": ["the tested part"]},
            ),
        ]
    )
    first, second = one(rows, "FER2013").cells
    assert first.notes == ()
    assert second.notes == (
        "folds tested: 1 of 2",
        CAUTION,
        "the network did not learn from this database",
        "the baselines are of the tested part",
        "faces found by mtcnn, for net yunet",
    )
    text = markdown(rows)
    assert all(note in text for note in second.notes if note != CAUTION)
    assert CAUTION not in text, "the table has no figures of groups"
    assert "learned from: fer2013" in text
    assert "learned from: raf_db" in text


@pytest.mark.parametrize("trained", [None, "faces", [], ["faces"], [{"database": "fer2013", "fold": None}]])
def test_a_card_may_say_anything_of_training(trained: Any) -> None:
    cell = one(rows_of([result("fer2013", "FER2013", 0.7, learned=trained)]), "FER2013").cells[0]
    assert cell.notes == ()
    assert cell.network.learned == ("fer2013" if "fer2013" in str(trained) else "not said")


def test_what_one_of_the_networks_learned_from_may_be_unsaid() -> None:
    given = result("disfa", "8 AUs, F1 (>= 2)", 0.6)
    folds = [
        {"name": f"fold_{n}", "sha256": f"{n}" * 64, "tested_on": n, "trained_on": trained}
        for n, trained in ((1, [{"database": "bp4d"}]), (2, None))
    ]
    cell = one(rows_of([replace(given, networks=folds)]), given.protocol).cells[0]
    assert cell.network.learned == "not said"
    assert cell.notes == ()


def test_what_is_apart_is_told_once_by_the_part_it_is_of() -> None:
    text = markdown(rows_of([result("fer2013", "FER2013", 0.7, tested=["validation"])]))
    apart = [p for p in DATABASES["fer2013"].published if p.role == "apart"]
    assert len(apart) > 1
    for p in apart:
        assert text.count(f"{p.system}, {p.year}: ") == 1
    told = text.split("**Published, but not to be compared**")[1].split("**")[0]
    assert "it is of the" not in told


def test_every_column_of_published_figures_cites_source_and_reason() -> None:
    text = markdown(rows_of([result("affectnet", "8 classes", 0.6)]))
    notes = dict(re.findall(r"^- \[(\d+)\] (.*)$", text, re.M))
    head, _, *lines = cells_of(text)
    seen = 0
    for p in DATABASES["affectnet"].published:
        if p.role in ("seed paper", "best", "baseline"):
            mark = rf"{p.value:.3f} \({re.escape(p.system)}, {p.year}\) \[(\d+)\]"
            cells = [dict(zip(head, line, strict=True))[p.role] for line in lines]
            found = re.search(mark, "".join(cells))
            assert found, p
            assert p.source in notes[found[1]]
            assert p.note in notes[found[1]]
            seen += 1
        elif p.role == "apart":
            assert f"{p.value:.3f}. {p.system}, {p.year}: {p.source}" in text
    assert seen > 3
    assert sorted(map(int, notes)) == list(range(1, len(notes) + 1))


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [
        (0.12345, 0.1, 0.2, "0.123 [0.100, 0.200]"),
        (0.0, -0.1, 0.1, "0.000 [-0.100, 0.100]"),
        (-0.00001, math.nan, math.nan, "-1e-05"),
        (0.0004, math.nan, 0.1, "4e-04"),
        (12.3456, 0, 100, "12.346 [0.000, 100.000]"),
        (math.nan, 0.1, 0.2, "undefined"),
        (math.inf, 0.1, 0.2, "undefined"),
    ],
)
def test_numbers_have_three_digits(value: float, low: float, high: float, shown: str) -> None:
    given = result("fer2013", "FER2013", 0.5)
    figure = replace(given.figure, value=value, low=low, high=high)
    line = cells_of(markdown(rows_of([replace(given, figures=[figure])])))[2]
    assert line[3].startswith(f"{shown} (n 899")


@pytest.mark.parametrize(
    ("found", "labelled", "shown"),
    [
        (0, 0, "undefined"),
        (0, 9, "0.0 %"),
        (1, 10**6, "0.1 %"),
        (999_999, 10**6, "99.9 %"),
        (7, 7, "100.0 %"),
    ],
)
def test_all_and_none_are_told_from_nearly(found: int, labelled: int, shown: str) -> None:
    given = result("fer2013", "FER2013", 0.5)
    coverage = {"labelled": labelled, "face found": found, "counted": labelled}
    assert f"(n 899; faces {shown})" in markdown(rows_of([replace(given, coverage=coverage)]))


NAMES = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


@given(name=NAMES, release=NAMES, note=NAMES)
def test_markdown_aligns_whatever_the_names(name: str, release: str, note: str) -> None:
    given = replace(result("fer2013", "FER2013", 0.5, network=name, notes=[note]), release=release)
    text = markdown(rows_of([given]))
    lines = text.split("\n\n")[0].split("\n")
    assert len({len(line) for line in lines}) == 1
    assert {len(cells) for cells in cells_of(text)} == {8}
    assert len({tuple(m.start() for m in re.finditer(r"(?<!\\)\|", line)) for line in lines}) == 1


def test_markdown_is_taken_literally() -> None:
    name = "a|b *c* `d` <b>e</b> _f_ snake_case [g](h) &amp; ~~i~~ \\"
    text = markdown(rows_of([result("fer2013", "FER2013", 0.5, network=name)]))
    assert r"a\|b \*c\* \`d\` \<b>e\</b> \_f\_ snake_case [g\](h) \&amp; \~\~i\~\~ \\" in text


def test_csv_has_every_figure_of_every_result_as_it_is(tmp_path: Path) -> None:
    more = [
        Figure("model", "RMSE", "", 0.1234567890123, count=7),
        Figure("model", "CCC", "valence", math.nan, count=0),
        Figure("model", "gap of CCC", "gender", 0.2),
        Figure("prior", "CCC", "", 0.01),
    ]
    given = result("aff_wild2", "VA", 0.5, network='a,"b"\nc', more=more)
    write_table(rows_of([given]), tmp_path / "out")
    rows = [row for row in table(tmp_path / "out") if row["protocol"] == "VA" and row["kind"] == "measured"]
    assert [(row["role"], row["metric"], row["label"]) for row in rows[: len(given.figures)]] == [
        (figure.of, figure.metric, figure.label) for figure in given.figures
    ]
    assert all(row["system"] == 'a,"b"\nc' and row["sha256"] == "a" * 64 for row in rows)
    for row, figure in zip(rows, given.figures, strict=False):
        if math.isfinite(figure.value):
            assert float(row["value"]) == figure.value
        else:
            assert (row["value"], row["state"]) == ("", "undefined")
    assert (rows[0]["labelled"], rows[0]["face_found"], rows[0]["units"]) == ("900", "450", "30")
    assert [row["better"] for row in rows[:5]] == ["higher", "lower", "higher", "lower", "higher"]
    rest = {(row["label"], row["state"]) for row in rows[len(given.figures) :]}
    assert rest == {("arousal", "not measured")}, "others published it, and this result does not have it"


def test_csv_of_sums_and_thresholds_has_no_figure_twice(tmp_path: Path) -> None:
    tuned = Figure("model", "binary F1", "", 0.65, thresholds="validation")
    given = [result("aff_wild2", name, 0.4) for name in PARTS]
    given += [result("disfa", "8 AUs, F1 (>= 2)", 0.6, more=[tuned])]
    write_table(rows_of(given), tmp_path / "out")
    keys = [
        tuple(
            row[name]
            for name in ("database", "protocol", "part", "metric", "label", "thresholds", "system", "role")
        )
        for row in table(tmp_path / "out")
    ]
    assert len(set(keys)) == len(keys)
    total = [row for row in table(tmp_path / "out") if row["protocol"] == "MTL" and row["role"] == "model"]
    assert [float(row["value"]) for row in total] == [pytest.approx(1.2)]


def test_html_and_markdown_say_the_same(tmp_path: Path) -> None:
    rows = rows_of(
        [result("aff_wild2", "VA", 0.5), result("fer2013", "FER2013", math.nan, tested=["validation"])]
    )
    write_table(rows, tmp_path / "out")
    assert (tmp_path / "out" / "table.md").read_text("utf-8") == markdown(rows)
    page = Page((tmp_path / "out" / "table.html").read_text("utf-8"))
    _, _, *lines = cells_of(markdown(rows))
    shown = [[re.sub(r"[\W\d_]", "", cell) for cell in row] for row in page.rows[1:] if len(row) > 1]
    assert shown == [[re.sub(r"[\W\d_]", "", cell) for cell in line[1:]] for line in lines]
    assert [row[0] for row in page.rows if len(row) == 1] == ["aff_wild2", "fer2013"]


def test_html_is_whole_in_itself_and_escapes_names(tmp_path: Path) -> None:
    given = result("fer2013", "FER2013", 0.5, network=EVIL, notes=[EVIL])
    write_table(rows_of([replace(given, release=EVIL)]), tmp_path / "out")
    text = (tmp_path / "out" / "table.html").read_text("utf-8")
    assert not {"script", "img", "iframe", "object"} & set(Page(text).tags)
    assert "http:" not in text
    assert "https:" not in text
    anchors = set(re.findall(r'href="#([^"]+)"', text))
    assert anchors <= set(re.findall(r'id="([^"]+)"', text))
    assert anchors


def test_a_table_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    rows = rows_of([result("fer2013", "FER2013", 0.5)])
    out = tmp_path / "new" / "out"
    write_table(rows, out)
    assert sorted(path.name for path in out.iterdir()) == ["table.csv", "table.html", "table.md"]
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(OutputError, match="exists already"):
        write_table(rows_of([result("fer2013", "FER2013", 0.6)]), out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_no_results_are_an_empty_table(tmp_path: Path) -> None:
    assert rows_of([]) == []
    assert len(cells_of(markdown([]))) == 2
    write_table([], tmp_path / "out")
    assert table(tmp_path / "out") == []


def test_what_was_saved_gives_the_same_table(tmp_path: Path) -> None:
    given = [result("fer2013", "FER2013", math.nan), result("disfa", "8 AUs, F1 (>= 2)", 0.6)]
    for number, each in enumerate(given):
        each.save(tmp_path / f"{number}.json")
    loaded = [Result.load(tmp_path / f"{number}.json") for number in range(2)]
    assert markdown(rows_of(loaded)) == markdown(rows_of(given))


def test_all_metrics_of_the_catalog_point_the_right_way() -> None:
    for name, database in DATABASES.items():
        rows = rows_of([result(name, p.name, 0.5) for p in database.protocols])
        for row in rows:
            if row.metric in METRICS:
                assert row.higher == (row.metric not in ("MSE", "RMSE", "MAE"))


@in_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1400])
def test_the_page_reads_well_and_asks_for_nothing(
    browser: Any, tmp_path: Path, theme: str, width: int
) -> None:
    given = [result("aff_wild2", name, 0.4, network=EVIL) for name in PARTS]
    write_table(rows_of(given), tmp_path / "out")
    browser.open(tmp_path / "out" / "table.html", width=width, theme=theme)
    assert browser.complaints() == []
    assert all(address.endswith("/table.html") for address in browser.requests())
    assert browser.run("return document.title") == "Benchmark · mien"
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth"), (
        "the table scrolls, not the page"
    )
    for selector in ("td", "small", ".none", "thead th", "sup a", "li"):
        assert contrast(browser, selector) >= 4.5, selector


def contrast(browser: Any, selector: str) -> float:
    """Return the contrast of an element's text with what is behind it, as WCAG 2.1 defines it."""
    colours = browser.run(
        """
        let element = document.querySelector(arguments[0]);
        const ink = getComputedStyle(element).color;
        const behind = () => getComputedStyle(element).backgroundColor;
        while (behind() === "rgba(0, 0, 0, 0)") element = element.parentElement;
        return [ink, behind()];
        """,
        selector,
    )
    lights = sorted(luminance([int(n) for n in re.findall(r"\d+", colour)[:3]]) for colour in colours)
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(rgb: Sequence[int]) -> float:
    shares = [value / 255 for value in rgb]
    linear = [share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
