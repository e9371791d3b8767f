"""A published database is what was fused, in two forms, and trains a network: the circle closes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from mien.annotation.gold import Gold, expression_task, read_gold, unit_tasks
from mien.annotation.people import Person
from mien.annotation.publishing import About, Material, database_index, publish, read_agreement
from mien.annotation.sheets import bars, histogram, page, parts_of, readme, together
from mien.cli import main
from mien.databases import DATABASES
from mien.databases.checking import check
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.names import Names
from mien.errors import InputError, OutputError
from mien.interchange import aff_wild2, datapackage
from mien.media.video import Video, timestamps
from mien.records import Labels
from mien.tasks import (
    ACTION_UNITS_8,
    ACTION_UNITS_12,
    ACTION_UNITS_DISFA,
    EXPRESSION_7,
    EXPRESSION_8_CONTEMPT,
    EXPRESSION_8_OTHER,
    VALENCE_AROUSAL,
)
from mien.testing.media import make_video

NAN = float("nan")
VIDEOS = ("anna.mp4", "ben.mkv", "cora.mp4")
PEOPLE = (
    Person("anna.mp4", "", "s1", {"age": "30"}),
    Person("ben.mkv", "", "s2", {"age": "41"}),
    Person("cora.mp4", "", "s3", {"age": ""}),
)
PARTS = dict(zip(VIDEOS, ("train", "validation", "test"), strict=True))
FRAMES = 6


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for name in VIDEOS:
        make_video(folder / name, frames=FRAMES, sound=name == "ben.mkv")
    return folder


def gold_of(**values: Sequence[float]) -> Gold:
    """Return gold with the same six values of each label in every video."""
    rows = FRAMES * len(VIDEOS)
    told = {name: np.tile(np.array(column, float), len(VIDEOS)) for name, column in values.items()}
    return Gold(
        folder=Path("gold"),
        video=Names.of(video for video in VIDEOS for _ in range(FRAMES)),
        face=Names.repeat("", rows),
        frame=np.tile(np.arange(FRAMES), len(VIDEOS)).astype(np.int32),
        seconds=np.tile(np.arange(FRAMES) / 25, len(VIDEOS)),
        values=told,
        others={"valence_spread": np.full(rows, 0.1)},
        settings={"annotators": ["a", "b", "c"], "annotations_sha256": "ab"},
        hash="12",
    )


GOLD = gold_of(
    valence=[-0.2, 0.12345, -0.0001, NAN, 1, -1],
    arousal=[0.5, -0.5, 0, 0.2, 1, -1],
    neutral=[1, 0.5, 0.25, NAN, 0, 0],
    happiness=[0, 0.5, 0.75, NAN, 0, 1],
    contempt=[0, 0, 0, NAN, 1, 0],
    AU12=[0, 1, 0.5, NAN, 0.75, 0.25],
    AU04=[1, 1, 1, 1, 1, NAN],
    AU09=[1, 0, 1, 0, 1, 0],
)
ABOUT = About("Talks in a park", "Three people <talk>.", licence="CC-BY-4.0")


def published(folder: Path, videos: Path | None, gold: Gold = GOLD, **others: Any) -> list[str]:
    material = Material(gold, PARTS, others.pop("people", PEOPLE), tracks=others.pop("tracks", None))
    return publish(material, videos, folder, others.pop("about", ABOUT), **others)


def read(name: str, folder: Path) -> Index:
    return DATABASES[name].read(folder, Findings())


def test_the_label_files_are_in_aff_wild2s_own_form(videos: Path, tmp_path: Path) -> None:
    notes = published(tmp_path / "talks", videos)
    top = tmp_path / "talks/annotations"
    written = {path.relative_to(top).as_posix() for path in top.rglob("*.txt")}
    assert len(written) == 9
    assert (top / "VA_Estimation_Challenge/Train_Set/anna.txt").read_text().splitlines() == [
        "valence,arousal",
        "-0.200,0.500",
        "0.123,-0.500",
        "0.000,0.000",
        "-5,-5",
        "1.000,1.000",
        "-1.000,-1.000",
    ]
    assert (top / "EXPR_Recognition_Challenge/Validation_Set/ben.txt").read_text().splitlines() == [
        "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other",
        *("0", "-1", "4", "-1", "7", "4"),
    ]
    lines = (top / "AU_Detection_Challenge/Test_Set/cora.txt").read_text().splitlines()
    assert lines[0] == "AU1,AU2,AU4,AU6,AU7,AU10,AU12,AU15,AU23,AU24,AU25,AU26"
    assert [line.split(",")[2] for line in lines[1:]] == ["1", "1", "1", "1", "1", "-1"]
    assert [line.split(",")[6] for line in lines[1:]] == ["0", "1", "-1", "-1", "1", "0"]
    assert notes == [
        "AU09 have no place in Aff-Wild2's form",
        "contempt is Other in Aff-Wild2's form, where Other is all that is none of the seven",
    ]


@pytest.mark.parametrize("media", ["copy", "link"])
def test_both_forms_are_checked_without_faults(media: str, videos: Path, tmp_path: Path) -> None:
    published(tmp_path / "talks", videos, media=media)
    for name in ("table", "aff_wild2"):
        found = check(name, tmp_path / "talks")
        assert found.faults == [], name
    assert (tmp_path / "talks/videos/anna.mp4").is_symlink() == (media == "link")
    assert check("aff_wild2", tmp_path / "talks").release == "ABAW 6, 8 or 10"


def test_both_forms_say_the_same(videos: Path, tmp_path: Path) -> None:
    published(tmp_path / "talks", videos)
    table, form = read("table", tmp_path / "talks"), read("aff_wild2", tmp_path / "talks")
    assert table.split.text() == form.split.text() == [part for part in PARTS.values() for _ in range(6)]
    assert table.video.text() == form.video.text()
    assert table.media.text() == form.media.text()
    np.testing.assert_array_equal(table.frame, form.frame)
    known = form.labels.known[VALENCE_AROUSAL]
    np.testing.assert_allclose(
        form.labels.values[VALENCE_AROUSAL][known], table.labels.values[VALENCE_AROUSAL][known], atol=0.0006
    )
    np.testing.assert_array_equal(known.all(axis=1), table.labels.known[VALENCE_AROUSAL].all(axis=1))
    values, told = table.labels.seen_as(ACTION_UNITS_12)
    np.testing.assert_array_equal(form.labels.known[ACTION_UNITS_12], told)
    np.testing.assert_array_equal(form.labels.values[ACTION_UNITS_12], values)


def test_the_table_keeps_what_was_fused(videos: Path, tmp_path: Path) -> None:
    published(tmp_path / "talks", videos)
    index = datapackage.read(tmp_path / "talks")
    assert index.name == "talks_in_a_park"
    assert index.subject.text()[::6] == ["s1", "s2", "s3"]
    assert index.groups["age"].text()[::6] == ["30", "41", ""]
    assert index.sound.text()[::6] == ["", "videos/ben.mkv", ""]
    shares = index.labels.values[EXPRESSION_8_CONTEMPT]
    np.testing.assert_allclose(shares[1], [0.5, 0, 0, 0, 0.5, 0, 0, 0])
    np.testing.assert_array_equal(index.labels.known[EXPRESSION_8_CONTEMPT][3], False)
    np.testing.assert_array_equal(index.columns["AU12_probability"][:6], [0, 1, 0.5, NAN, 0.75, 0.25])
    np.testing.assert_array_equal(index.columns["valence_spread"], 0.1)
    units = index.labels.values[ACTION_UNITS_DISFA][:6, ACTION_UNITS_DISFA.index("AU12")]
    np.testing.assert_array_equal(units, [0, 1, 0, 0, 1, 0])


def test_what_is_not_known_says_so(videos: Path, tmp_path: Path) -> None:
    published(tmp_path / "talks", videos, about=About())
    text = (tmp_path / "talks/README.md").read_text(encoding="utf-8")
    assert "**licence**: not known" in text
    assert "**consent of the people seen**: not known" in text
    assert "**annotators**: 3, by pseudonym" in text
    assert "each of 3 subjects is in one part alone" in text
    assert "Not stated" in (tmp_path / "talks/LICENCE.txt").read_text()
    said = json.loads((tmp_path / "talks/datapackage.json").read_bytes())["mien"]["building"]
    assert said["consent"] is None
    assert said["agreement"] is None
    published(tmp_path / "others", videos, people=[Person(name, "", "") for name in VIDEOS])
    assert "cannot be told of 3 videos" in (tmp_path / "others/README.md").read_text(encoding="utf-8")


def test_nothing_in_the_data_runs_on_the_page(videos: Path, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    people = [replace(person, attributes={evil: evil}) for person in PEOPLE]
    published(tmp_path / "talks", videos, people=people, about=About(evil, evil, evil, evil))
    text = (tmp_path / "talks/sheet.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "default-src &#39;none&#39;; style-src &#39;sha256-" in text
    markdown = (tmp_path / "talks/README.md").read_text(encoding="utf-8")
    assert "\\<script\\>" in markdown


def test_sides_are_named_as_there_and_other_faces_are_told(videos: Path, tmp_path: Path) -> None:
    face = Names.of(["left", "right", "third"] * FRAMES)
    frame = np.tile(np.repeat(np.arange(FRAMES // 3), 3), len(VIDEOS)).astype(np.int32)
    gold = replace(gold_of(valence=[0.1] * 6, arousal=[0.2] * 6), face=face, frame=frame, seconds=frame / 25)
    rows = [
        {"video": name, "face": "third", "frame": 1, "box_x": 1.0, "box_y": 2.0, "box_w": 3.0, "box_h": 4.0}
        for name in VIDEOS
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "tracks.parquet")
    people = [Person(name, side, f"{name}{side}") for name in VIDEOS for side in ("left", "right", "third")]
    notes = published(
        tmp_path / "talks", videos, gold, people=people, tracks=tmp_path / "tracks.parquet", media="copy"
    )
    assert notes == [
        "faces called third have no place in Aff-Wild2's form",
        "3 rows are of faces that have a name and no box: give --tracks",
    ]
    form = read("aff_wild2", tmp_path / "talks")
    assert sorted(form.face.counts()) == ["left", "right"]
    index = datapackage.read(tmp_path / "talks")
    row = index.face.text().index("third", 3)
    assert [index.columns[f"box_{side}"][row] for side in "xywh"] == [1, 2, 3, 4]
    assert index.subject.at(row) == "anna.mp4third"


def test_gaps_are_unknown_lines(videos: Path, tmp_path: Path) -> None:
    gold = gold_of(valence=[0.1] * 6, arousal=[0.2] * 6)
    kept = gold.frame % 2 == 1
    gold = replace(
        gold,
        **{name: getattr(gold, name)[kept] for name in ("video", "face", "frame", "seconds")},
        values={name: column[kept] for name, column in gold.values.items()},
        others={},
    )
    published(tmp_path / "talks", videos, gold)
    lines = (tmp_path / "talks/annotations/VA_Estimation_Challenge/Train_Set/anna.txt").read_text().split()
    assert lines[1:] == ["-5,-5", "0.100,0.200"] * 3


@pytest.mark.parametrize(
    ("labels", "task", "header"),
    [
        ({"neutral": [1] * 6}, EXPRESSION_7, "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise"),
        (
            {"other": [1] * 6},
            EXPRESSION_8_OTHER,
            "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other",
        ),
        ({"AU20": [1] * 6}, ACTION_UNITS_8, "AU1,AU2,AU4,AU6,AU12,AU15,AU20,AU25"),
    ],
)
def test_the_header_follows_the_labels(
    labels: dict[str, list[float]], task: Any, header: str, videos: Path, tmp_path: Path
) -> None:
    published(tmp_path / "talks", videos, gold_of(**labels))
    (path,) = (tmp_path / "talks/annotations").rglob("anna.txt")
    assert path.read_text().splitlines()[0] == header
    assert task in read("aff_wild2", tmp_path / "talks").labels.values


def test_compound_expressions_have_no_place_in_the_form(videos: Path, tmp_path: Path) -> None:
    notes = published(tmp_path / "talks", videos, gold_of(sadly_fearful=[1] * 6))
    assert notes == ["compound_7 has no place in Aff-Wild2's form"]
    assert not (tmp_path / "talks/annotations").exists()


def test_sets_of_labels_are_found() -> None:
    assert unit_tasks(["AU04", "AU12"]) == {ACTION_UNITS_8: ["AU04", "AU12"]}
    found = unit_tasks(["AU09", "AU10", "AU23", "AU52"])
    assert sorted(unit for units in found.values() for unit in units) == ["AU09", "AU10", "AU23", "AU52"]
    assert expression_task(["neutral", "other"], "here") == EXPRESSION_8_OTHER
    with pytest.raises(InputError, match="no set of expressions has all of contempt, other"):
        expression_task(["contempt", "other"], "here")


def changed(**columns: Any) -> Gold:
    return replace(GOLD, **columns)


def renamed(*names: str) -> Gold:
    return changed(video=Names(GOLD.video.codes, Names.of(names).vocabulary))


@pytest.mark.parametrize(
    ("gold", "message"),
    [
        (renamed("anna.mp4", "ben.mkv", "dora.mp4"), "dora.mp4: not there"),
        (renamed("anna.mp4", "anna.mkv", "cora.mp4"), "anna.mp4 and anna.mkv have the same name"),
        (renamed("../anna.mp4", "ben.mkv", "cora.mp4"), "is called as no file can be"),
        (changed(frame=GOLD.frame + 1, seconds=GOLD.seconds + 0.04), "6 frames, but the gold has frame 6"),
        (changed(seconds=GOLD.seconds * 2), "frame 5 is at 0.200 s, but the gold has it at 0.400 s"),
    ],
)
def test_gold_that_fits_not_its_videos_is_refused(
    gold: Gold, message: str, videos: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        published(tmp_path / "talks", videos, gold)
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_refused(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 videos of the gold are in no part"):
        database_index(Material(GOLD, {"anna.mp4": "train", "ben.mkv": "test"}, PEOPLE), {}, "x")
    with pytest.raises(InputError, match="say --media none"):
        published(tmp_path / "talks", None)
    (tmp_path / "tracks.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="no table of tracks"):
        published(tmp_path / "talks", videos, tracks=tmp_path / "tracks.parquet")


def test_without_videos_the_labels_alone_are_published(tmp_path: Path) -> None:
    published(tmp_path / "talks", None, media="none")
    assert not (tmp_path / "talks/videos").exists()
    assert "not included" in (tmp_path / "talks/README.md").read_text(encoding="utf-8")
    assert datapackage.read(tmp_path / "talks").media.at(0) == "videos/anna.mp4"


def test_an_earlier_database_is_replaced_when_that_is_said(videos: Path, tmp_path: Path) -> None:
    published(tmp_path / "talks", videos)
    with pytest.raises(OutputError, match="exists already"):
        published(tmp_path / "talks", videos)
    published(tmp_path / "talks", videos, overwrite=True, media="none")
    assert not (tmp_path / "talks/videos").exists()


@pytest.mark.parametrize("media", ["copy", "link", "none"])
def test_videos_of_the_database_itself_are_never_replaced(media: str, videos: Path, tmp_path: Path) -> None:
    published(tmp_path / "talks", videos, media="copy")
    (tmp_path / "ours").symlink_to(tmp_path / "talks/videos")
    for place in (tmp_path / "talks/videos", tmp_path / "ours"):
        with pytest.raises(InputError, match=r"anna\.mp4: lies in .*talks, which is to be made anew"):
            published(tmp_path / "talks", place, overwrite=True, media=media)
    for name in VIDEOS:
        assert (tmp_path / "talks/videos" / name).read_bytes() == (videos / name).read_bytes()


def test_links_of_the_database_itself_lead_where_they_led(videos: Path, tmp_path: Path) -> None:
    published(tmp_path / "talks", videos)
    published(tmp_path / "talks", tmp_path / "talks/videos", overwrite=True)
    assert (tmp_path / "talks/videos/anna.mp4").resolve() == (videos / "anna.mp4").resolve()


def test_a_recording_named_like_a_face_is_refused(tmp_path: Path) -> None:
    index = database_index(Material(GOLD, PARTS, PEOPLE), {}, "x")
    named = replace(index, video=Names.repeat("talk_left", len(index)))
    with pytest.raises(InputError, match="'talk_left' has a name that Aff-Wild2 gives to a face"):
        aff_wild2.write(named, tmp_path)
    with pytest.raises(InputError, match="rows in part ''"):
        aff_wild2.write(replace(index, split=Names.repeat("", len(index))), tmp_path)
    with pytest.raises(InputError, match="rows by clip"):
        aff_wild2.write(replace(index, unit="clip"), tmp_path)


def test_agreement_is_taken_from_the_same_annotations(tmp_path: Path) -> None:
    def told(digest: str, value: float | None) -> None:
        figures = [{"name": "Krippendorff (interval)", "value": value}]
        one = {"label": "valence", "kind": "traces", "video": "", "figures": figures}
        before = [{"name": "Krippendorff (interval)", "value": 0.5}]
        text = {
            "annotations_sha256": digest,
            "agreement": [{**one, "stage": "before", "figures": before}, {**one, "stage": "after"}],
        }
        (tmp_path / "agreement.json").write_text(json.dumps(text))

    told("ab", 0.75)
    assert read_agreement(tmp_path, GOLD) == {"valence": "0.75 (0.50 before lags were taken off)"}
    told("ab", None)
    assert read_agreement(tmp_path, GOLD) == {"valence": "undefined (0.50 before lags were taken off)"}
    told("cd", 0.75)
    with pytest.raises(InputError, match="of other annotations"):
        read_agreement(tmp_path, GOLD)
    (tmp_path / "agreement.json").write_text("[]")
    with pytest.raises(InputError, match="not the figures"):
        read_agreement(tmp_path, GOLD)
    with pytest.raises(InputError, match="No such file"):
        read_agreement(tmp_path / "none", GOLD)


def test_the_agreement_told_is_that_of_all_annotators_not_of_one_with_the_same(tmp_path: Path) -> None:
    def one(label: str, kind: str, stage: str, value: float) -> dict[str, Any]:
        figures = [{"name": "Krippendorff (x)", "value": value}]
        return {"label": label, "kind": kind, "stage": stage, "video": "", "figures": figures}

    stages = {"before": 0.1, "after": 0.2, "kept": 0.7, "repeat": 0.9}
    told = [one("valence", "traces", stage, value) for stage, value in stages.items()]
    told += [one("AU12", "frames", "", 0.3), one("AU12", "frames", "repeat", 0.9)]
    told += [one("AU01", "frames", "repeat", 0.9)]
    text = {"annotations_sha256": "ab", "agreement": told}
    (tmp_path / "agreement.json").write_text(json.dumps(text))
    assert read_agreement(tmp_path, GOLD) == {
        "valence": "0.20 (0.10 before lags were taken off, 0.70 without those who run against the rest)",
        "AU12": "0.30",
    }


def test_units_of_no_set_are_told(tmp_path: Path) -> None:
    notes = published(tmp_path / "talks", None, gold_of(AU12=[1] * 6, AU45=[1] * 6), media="none")
    assert notes == ["AU45 in no set of mien's: only probabilities are kept"]
    assert "AU45 in no set" in (tmp_path / "talks/README.md").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="no label that any set of mien's has"):
        published(tmp_path / "none", None, gold_of(AU45=[1] * 6), media="none")


def test_a_split_over_another_gold_is_told(videos: Path, tmp_path: Path) -> None:
    material = Material(GOLD, PARTS, PEOPLE, {"inputs": {"gold": "99"}})
    assert "the parts were balanced over another gold than this" in publish(
        material, videos, tmp_path / "talks", ABOUT
    )


def test_pictures_of_nothing_are_empty() -> None:
    labels = Labels.of({VALENCE_AROUSAL: np.full((2, 2), NAN, np.float32)})
    index = Index.of("table", labels, split="train", video="a", media="a")
    (part,) = parts_of(index)
    assert histogram(index, part) == ""
    assert together(index) == ""
    assert bars([("", "train"), ("fear", "0")]) == ""
    assert "not known" in page(index, "x", "", {"licence": ""})
    assert "not known" in readme(index, "x", "", {"licence": ""})


def test_units_that_come_together_are_counted_by_row(videos: Path) -> None:
    gold = gold_of(AU01=[1, 1, 1, 1, 0, 0], AU04=[1, 0, 0, 0, 1, NAN])
    text = str(together(database_index(Material(gold, PARTS, PEOPLE), {}, "x")))
    words = [piece.split("<")[0] for piece in text.split('text-anchor="middle">')[1:]]
    assert words == ["AU01", "100", "25", "AU04", "50", "100"]


def ran(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert result.exit_code == 0, result.output
    return result


def test_annotations_become_a_database_that_trains_a_network(tmp_path: Path, sample: Path) -> None:
    pytest.importorskip("torch", reason="training needs torch")
    (tmp_path / "videos").mkdir()
    pictures = [frame.image for frame in Video(sample)]
    shown: dict[str, Callable[[int], Any]] = {
        f"{name}.mp4": lambda number, first=first: pictures[first + number]
        for name, first in (("anna", 0), ("ben", 150), ("cora", 20))
    }
    for name, draw in shown.items():
        make_video(tmp_path / "videos" / name, frames=8, size=(640, 360), draw=draw)
    rows = []
    for name in shown:
        for frame, second in enumerate(timestamps(tmp_path / "videos" / name).tolist()):
            said = {"valence": 0.5 - frame / 16, "arousal": frame / 20, "AU12": float(frame < 4)}
            classes = {"expression_happiness": float(frame < 4), "expression_neutral": float(frame >= 4)}
            rows.append({"video": name, "face": "", "frame": frame, "time_s": second, **said, **classes})
    (tmp_path / "gold").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "gold/gold.parquet")
    (tmp_path / "videos.csv").write_text("video,subject\nanna.mp4,a\nben.mp4,b\ncora.mp4,c\n")
    (tmp_path / "tiny.toml").write_text(
        'name = "tiny"\n[tasks]\nvalence_arousal = 1.0\nexpression_7 = 1.0\naction_units_12 = 1.0\n'
        '[preprocessing]\nsize = 32\ncolour = "grey"\n'
        "[network.backbone]\nstem = 8\nwidths = [8, 16]\ndepth = 1\n"
        "[sampling]\nbatch = 8\n"
        '[optimisation]\nepochs = 1\nwarmup = 1\nprecision = "fp32"\n'
    )

    made = ran(
        "split", tmp_path / "gold", "--attributes", tmp_path / "videos.csv", "-o", tmp_path / "split.csv"
    )
    assert "3 videos in 3 groups that share nobody" in made.output
    ran(
        *("publish", tmp_path / "gold", "--split", tmp_path / "split.csv", "--videos", tmp_path / "videos"),
        *("-o", tmp_path / "talks", "--title", "Talks"),
    )
    for name in ("table", "aff_wild2"):
        assert "no faults" in ran("databases", "check", name, tmp_path / "talks").output
    recipe = ("--recipe", tmp_path / "tiny.toml", "-q")
    ran("prepare", "aff_wild2", tmp_path / "talks", "-o", tmp_path / "prepared", *recipe)
    ran(
        "train",
        tmp_path / "tiny.toml",
        tmp_path / "prepared",
        "-o",
        tmp_path / "run",
        "--device",
        "cpu",
        "-q",
    )
    assert (tmp_path / "run/best.safetensors").is_file()
    assert read_gold(tmp_path / "gold").units == ("AU12",)


def test_collecting_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "talk.csv").write_text(
        '"media_open","x"\n"Multimedia File","talk.mp4"\n"Minimum Value",0\n"Maximum Value",10\n'
        '"Second","Rating"\n"%%%%%%","%%%%%%"\n1,5\n'
    )
    arguments = ("collect", tmp_path / "talk.csv", "-o", tmp_path / "out", "--annotator", "anna")
    made = ran(*arguments, "--label", "valence")
    assert "1 traces, 0 segments and 0 boxes of 1 videos by 1 annotators" in made.output
    wrong = CliRunner().invoke(main, [str(one) for one in (*arguments, "--rename", "x")])
    assert wrong.exit_code == 1
    assert "expected OLD=NEW" in wrong.output
