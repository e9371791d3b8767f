"""Answers to the ABAW challenges: every frame answered, and the files score what the evaluation says."""

import math
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from answered import GREY, TASKS, Chance, by_the_book, evaluated, lines_of, lost, place, submitted, truth
from assemblies import SIZE, bundled, made, small
from click.testing import CliRunner
from drawn import drawn

from mien.arrays import FloatArray
from mien.benchmark import predicting
from mien.benchmark.challenge import EDITIONS, Challenge, Track
from mien.benchmark.submission import score_submission, write_answers
from mien.calibration import Calibration, Units
from mien.cli import main
from mien.errors import DatabaseError, InputError, MienError, OutputError, SettingsError
from mien.inputs import Preprocessing
from mien.preparation.prepared import Prepared
from mien.preparation.run import Options, prepare
from mien.records import Predictions
from mien.tasks import (
    ACTION_UNITS_12,
    COMPOUND_7,
    EXPRESSION_7,
    EXPRESSION_8_OTHER,
    VALENCE_AROUSAL,
)
from mien.testing.databases import MAKERS
from mien.testing.databases.made import Made

CASES: list[tuple[str, int, Track]] = [
    *(("abaw1", 1, track) for track in ("VA", "EXPR", "AU")),
    *(("abaw2", 2, track) for track in ("VA", "EXPR", "AU")),
    *(("abaw3", 3, track) for track in ("VA", "EXPR", "AU")),
    *(("abaw6", edition, track) for edition in (5, 6, 8, 10) for track in ("VA", "EXPR", "AU")),
    ("abaw6", 9, "VA"),
    *(("mtl", edition, "MTL") for edition in (4, 7, 11)),
]
VIDEOS = ("video902_1", "903", "903_right")
"""The faces of the validation part of each made release, with six frames each."""


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Made, Prepared]]:
    found = {}
    for name in ("abaw1", "abaw2", "abaw3", "abaw6", "mtl"):
        here = tmp_path_factory.mktemp(name)
        database = MAKERS[f"aff_wild2_{name}"][1](here / "made")
        prepare("aff_wild2", database.folder, here / "out", GREY, Options(given=True, quiet=True))
        found[name] = database, Prepared.open(here / "out")
    return found


@pytest.mark.parametrize(("release", "edition", "track"), CASES)
def test_the_files_score_what_the_evaluation_says(
    releases: Mapping[str, tuple[Made, Prepared]], release: str, edition: int, track: Track, tmp_path: Path
) -> None:
    database, data = releases[release]
    challenge = Challenge(edition, track)
    scored = submitted(Chance(), data, challenge, tmp_path / "out")
    value, counted = evaluated(Chance(), data, challenge)
    assert math.isfinite(value)
    assert scored.score.value == pytest.approx(value, abs=1e-9)
    assert scored.score.value == pytest.approx(
        by_the_book(truth(database), tmp_path / "out", challenge), abs=1e-6
    )
    assert scored.score.count == max(counted)
    assert scored.every.count == scored.score.count, "each face is seen in its first frame"
    assert scored.every.value == scored.score.value
    labelled = [sum(p.task in row.labels for row in truth(database)) for p in challenge.protocols]
    assert counted == labelled
    frames = dict.fromkeys(VIDEOS, 3 if track == "MTL" else 6)
    names = {f"{video}.txt" for video in VIDEOS} if edition <= 3 else {"predictions.txt"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert {video: len(lines_of(tmp_path / "out", video)) for video in VIDEOS} == frames


@pytest.mark.parametrize(("release", "edition"), [("abaw3", 3), ("abaw6", 6)])
def test_units_are_present_from_a_calibrated_networks_own_thresholds_on(
    releases: Mapping[str, tuple[Made, Prepared]], release: str, edition: int, tmp_path: Path
) -> None:
    class Sure(Chance):
        calibration = Calibration(
            0.9,
            {ACTION_UNITS_12: Units((1.0,) * 12, (0.0,) * 12, (0.2,) * 6 + (0.8,) * 6, (50,) * 12)},
        )

    _, data = releases[release]
    for name, predictor in (("plain", Chance()), ("sure", Sure())):
        write_answers(predictor, data, Challenge(edition, "AU"), tmp_path / name, quiet=True)
    lines = {
        name: [line for video in VIDEOS for line in lines_of(tmp_path / name, video)]
        for name in ("plain", "sure")
    }
    plain, sure = (np.array([line.split(",") for line in lines[name]], int) for name in ("plain", "sure"))
    more, fewer = sure[:, :6] - plain[:, :6], plain[:, 6:] - sure[:, 6:]
    for change in (more, fewer):
        assert change.min() == 0
        assert change.max() == 1


def test_all_forms_that_are_known_are_tried() -> None:
    assert {(edition, track) for _, edition, track in CASES} == {
        (edition, track) for track, editions in EDITIONS.items() for edition in editions
    }


@pytest.mark.parametrize(("release", "edition", "track"), [c for c in CASES if c[1] in (1, 6, 7)])
@pytest.mark.parametrize("temporal", ["none", "gru"])
def test_networks_agree_too_but_for_rounding(
    releases: Mapping[str, tuple[Made, Prepared]],
    release: str,
    edition: int,
    track: Track,
    temporal: str,
    tmp_path: Path,
) -> None:
    recipe = replace(small("picture", temporal), tasks={task.name: 1.0 for task in TASKS})
    bundle = bundled(made(recipe), recipe, tmp_path / "bundle")
    challenge = Challenge(edition, track)
    _, data = releases[release]
    data = lost(data, ("903", "", 0), ("903", "right", 4))
    scored = submitted(bundle, data, challenge, tmp_path / "out")
    value, counted = evaluated(bundle, data, challenge)
    assert scored.score.value == pytest.approx(value, abs=1e-6 if track in ("VA", "MTL") else 0)
    assert scored.score.count == max(counted)


@pytest.mark.parametrize("together", [1, 2, 256])
@pytest.mark.parametrize("seed", range(4))
def test_any_frames_may_lack_a_face(
    releases: Mapping[str, tuple[Made, Prepared]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    seed: int,
    together: int,
) -> None:
    """Half of all pictures are lost by chance; the same frames count on both sides, however they are cut."""
    monkeypatch.setattr(predicting, "AT_ONCE", together)
    rng = np.random.default_rng(seed)
    for release, edition, track in (("abaw6", 6, "VA"), ("abaw1", 1, "AU"), ("mtl", 7, "MTL")):
        database, data = releases[release]
        keys = [(row.video, row.face, row.frame) for row in truth(database)]
        data = lost(data, *(key for key in keys if rng.random() < 0.5))
        challenge = Challenge(edition, track)
        folder = tmp_path / release
        scored = submitted(Chance(), data, challenge, folder)
        value, counted = evaluated(Chance(), data, challenge)
        assert scored.score.value == pytest.approx(value, abs=1e-9, nan_ok=True)
        assert scored.score.count == max(counted)
        told = [row for row in truth(database) if any(p.task in row.labels for p in challenge.protocols)]
        assert scored.every.count >= scored.score.count
        if track != "MTL":
            assert scored.every.count == len(told)
        assert scored.every.value == pytest.approx(by_the_book(truth(database), folder, challenge), abs=1e-6)


def test_frames_without_a_face_repeat_and_videos_without_are_neutral(
    releases: Mapping[str, tuple[Made, Prepared]], tmp_path: Path
) -> None:
    _, data = releases["abaw6"]
    gone = [("903", "", frame) for frame in range(6)] + [("903", "right", frame) for frame in (0, 1, 5)]
    for track, neutral in (("VA", "0.000000,0.000000"), ("EXPR", "0"), ("AU", ",".join("0" * 12))):
        folder = tmp_path / track
        done = write_answers(Chance(), lost(data, *gone), Challenge(6, track), folder, quiet=True)
        assert (done.frames, done.repeated, done.neutral) == (18, 5, 6)
        assert lines_of(folder, "903") == [neutral] * 6
        right = lines_of(folder, "903_right")
        assert right[:3] == [right[3]] * 3, "frames 0 to 2 have none before them, and take the next"
        assert right[5] == right[4]
        first = lines_of(folder, "video902_1")
        assert first[2] == first[1], "the third frame of each face has no crop"
        write_answers(Chance(), data, Challenge(6, track), tmp_path / f"{track}_all", quiet=True)
        whole = lines_of(tmp_path / f"{track}_all", "903_right")
        assert right[3:5] == whole[3:5], "and what is seen is said of itself"
    assert len(set(lines_of(tmp_path / "VA", "video902_1"))) == 5


def test_first_frames_without_a_face_are_told_apart(
    releases: Mapping[str, tuple[Made, Prepared]], tmp_path: Path
) -> None:
    """The evaluation leaves out what has no earlier picture; the organisers count it."""
    database, data = releases["abaw6"]
    data = lost(data, ("903", "", 0), ("903", "right", 0), ("903", "right", 1))
    scored = submitted(Chance(), data, Challenge(6, "VA"), tmp_path / "out")
    assert (scored.score.count, scored.every.count) == (12, 15), "frames 0, 0 and 2: frame 1 has no label"
    left = {("903", 0), ("903_right", 0), ("903_right", 2)}
    counted = [row for row in truth(database) if place(row) not in left]
    assert scored.score.value == pytest.approx(
        by_the_book(counted, tmp_path / "out", Challenge(6, "VA")), abs=1e-6
    )
    assert scored.every.value != scored.score.value


def test_what_a_score_is_made_of(releases: Mapping[str, tuple[Made, Prepared]], tmp_path: Path) -> None:
    _, data = releases["abaw2"]
    for track in ("EXPR", "AU"):
        scored = submitted(Chance(), data, Challenge(2, track), tmp_path / track)
        parts = {part.name: part.value for part in scored.parts}
        share = 0.67 if track == "EXPR" else 0.5
        mean = parts["macro F1" if track == "EXPR" else "binary F1"]
        assert scored.score.value == pytest.approx(share * mean + (1 - share) * parts["accuracy"])
    scored = submitted(Chance(), data, Challenge(2, "VA"), tmp_path / "VA")
    parts = {part.name: part.value for part in scored.parts}
    assert scored.score.value == pytest.approx((parts["CCC valence"] + parts["CCC arousal"]) / 2)
    _, data = releases["mtl"]
    scored = submitted(Chance(), data, Challenge(7, "MTL"), tmp_path / "MTL")
    parts = {part.name: part.value for part in scored.parts}
    three = ("MTL valence and arousal: CCC", "MTL expressions: macro F1", "MTL action units: binary F1")
    assert scored.score.value == pytest.approx(sum(parts[name] for name in three))


def test_the_same_zip_each_time(releases: Mapping[str, tuple[Made, Prepared]], tmp_path: Path) -> None:
    _, data = releases["abaw3"]
    for name in ("one", "two"):
        done = write_answers(Chance(), data, Challenge(3, "AU"), tmp_path / name, archive=True, quiet=True)
        assert done.archive == tmp_path / f"{name}.zip"
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.testzip() is None
        inside = {name: archive.read(name) for name in archive.namelist()}
        assert {one.date_time[0] for one in archive.infolist()} == {1980}, "no clock in it"
    assert inside == {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}


class Broken(Chance):
    """A predictor that must not be asked, or fails when it is."""

    def predict(self, faces: FloatArray) -> Predictions:
        raise MienError("asked")


def test_a_whole_folder_or_nothing(releases: Mapping[str, tuple[Made, Prepared]], tmp_path: Path) -> None:
    _, data = releases["abaw3"]
    with pytest.raises(MienError, match="asked"):
        write_answers(Broken(), data, Challenge(3, "VA"), tmp_path / "out", archive=True, quiet=True)
    assert list(tmp_path.iterdir()) == []

    class Wild(Chance):
        def predict(self, faces: FloatArray) -> Predictions:
            return Predictions({task: 3 + value for task, value in super().predict(faces).values.items()})

    with pytest.raises(InputError, match=r"valence_arousal is \[.*\], expected -1 to 1"):
        write_answers(Wild(), data, Challenge(3, "VA"), tmp_path / "out", archive=True, quiet=True)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out.zip").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"out\.zip: exists already"):
        write_answers(Broken(), data, Challenge(3, "VA"), tmp_path / "out", archive=True, quiet=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("mine")
    with pytest.raises(OutputError, match="full: exists already"):
        write_answers(Broken(), data, Challenge(3, "VA"), tmp_path / "full", quiet=True)
    assert (tmp_path / "out.zip").read_bytes() == b"mine"
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_answered_is_refused_before_the_network_is_asked(
    releases: Mapping[str, tuple[Made, Prepared]], tmp_path: Path
) -> None:
    _, data = releases["abaw6"]

    def refused(
        error: type[MienError], message: str, predictor: Any, data: Prepared, challenge: Challenge
    ) -> None:
        with pytest.raises(error, match=message):
            write_answers(predictor, data, challenge, tmp_path / "out", quiet=True)
        assert not (tmp_path / "out").exists()

    expr = Challenge(6, "EXPR")
    seven = Broken((EXPRESSION_7, VALENCE_AROUSAL))
    refused(
        InputError,
        "chance: predicts expression_7; EXPR of ABAW 6 asks for neutral, .*, other",
        seven,
        data,
        expr,
    )
    refused(InputError, "predicts expression_7, valence_arousal; AU of", seven, data, Challenge(6, "AU"))
    refused(DatabaseError, "the test part has no rows", Broken(), data, Challenge(6, "VA", "test"))
    other = replace(data, index=replace(data.index, database="disfa"))
    refused(DatabaseError, "disfa, by frame: the challenges ask for", Broken(), other, expr)
    colour = Broken()
    colour.preprocessing = Preprocessing(size=SIZE, colour="rgb")
    refused(DatabaseError, "prepared with .* the network wants", colour, data, expr)
    names = data.index.video.vocabulary.copy()
    names[:] = "903"
    same = replace(data.index.video, vocabulary=names)
    double = replace(data, index=replace(data.index, video=same))
    refused(DatabaseError, "stands for several rows", Broken(), double, expr)


@pytest.mark.parametrize(
    ("edition", "track"), [(4, "VA"), (7, "EXPR"), (9, "AU"), (3, "MTL"), (6, "MTL"), (12, "VA")]
)
def test_tracks_that_an_edition_had_not(edition: int, track: Track) -> None:
    with pytest.raises(SettingsError, match=f"edition {edition} of ABAW: no form of {track} is known"):
        Challenge(edition, track)


def test_early_forms_are_answered_by_the_first_task_with_all_their_labels(
    releases: Mapping[str, tuple[Made, Prepared]], tmp_path: Path
) -> None:
    """A network of eight classes and twelve units answers edition 2's seven classes, never with "other"."""
    _, data = releases["abaw2"]
    eight = Chance((EXPRESSION_8_OTHER, ACTION_UNITS_12))
    for track in ("EXPR", "AU"):
        challenge = Challenge(2, track)
        scored = submitted(eight, data, challenge, tmp_path / track)
        assert scored.score.value == pytest.approx(evaluated(eight, data, challenge)[0], abs=0)
    said = {line for video in VIDEOS for line in lines_of(tmp_path / "EXPR", video)}
    assert said <= set("0123456")
    more = Chance((COMPOUND_7, EXPRESSION_8_OTHER))
    write_answers(more, data, Challenge(2, "EXPR"), tmp_path / "more", quiet=True)
    assert all(lines_of(tmp_path / "more", video) == lines_of(tmp_path / "EXPR", video) for video in VIDEOS)


def test_the_organisers_sample_is_answered_in_its_order(
    releases: Mapping[str, tuple[Made, Prepared]], tmp_path: Path
) -> None:
    _, data = releases["abaw6"]
    challenge = Challenge(6, "VA")
    names = ["903_right/00002.jpg", "903/00003.jpg", "903_right/00001.jpg", "903/00009.jpg"]
    sample = tmp_path / "sample.txt"
    sample.write_text(
        "".join(f"{line}\n" for line in ["image_location,valence,arousal", *(f"{n}," for n in names)])
    )
    done = write_answers(Chance(), data, challenge, tmp_path / "out", sample, quiet=True)
    assert (done.frames, done.repeated, done.neutral) == (4, 2, 0)
    lines = (tmp_path / "out" / "predictions.txt").read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == names
    whole = submitted(Chance(), data, challenge, tmp_path / "whole")
    assert whole.score.count == 15
    told = {video: lines_of(tmp_path / "whole", video) for video in ("903", "903_right")}
    expected = [told["903_right"][1], told["903"][1], told["903_right"][0], told["903"][5]]
    assert [line.split(",", 1)[1] for line in lines[1:]] == expected, "though frames between are not named"
    (tmp_path / "out" / "predictions.txt").write_text("\n".join(lines).replace("903/00009", "903/00001"))
    with pytest.raises(InputError, match=r"line 6: it ends, and 14 of 18 frames have no line"):
        score_submission(tmp_path / "out", data.index, challenge)
    sample.write_text("image_location,valence,arousal\n903/00001.jpg,\n55/00001.jpg,\n")
    with pytest.raises(InputError, match=r"sample\.txt, line 3: 55/00001\.jpg is no frame of a video in the"):
        write_answers(Broken(), data, challenge, tmp_path / "new", sample, quiet=True)
    for frame in ("00000.jpg", "first.jpg"):
        sample.write_text(f"image_location,valence,arousal\n903/{frame},\n")
        with pytest.raises(InputError, match=f"line 2: 903/{frame} is no frame of a video"):
            write_answers(Broken(), data, challenge, tmp_path / "new", sample, quiet=True)
    with pytest.raises(InputError, match="is not that of EXPR of ABAW 6"):
        write_answers(Broken(), data, Challenge(6, "EXPR"), tmp_path / "new", sample, quiet=True)
    with pytest.raises(SettingsError, match="edition 3 has files by video"):
        write_answers(
            Broken(), releases["abaw3"][1], Challenge(3, "VA"), tmp_path / "new", sample, quiet=True
        )
    assert not (tmp_path / "new").exists()


def test_a_face_without_labels_of_the_track_is_answered_only_where_a_sample_asks(
    releases: Mapping[str, tuple[Made, Prepared]], tmp_path: Path
) -> None:
    _, data = releases["abaw6"]
    labels, own = data.index.labels, data.index.video.matches("903") & data.index.face.matches("")
    values, known = labels.values[VALENCE_AROUSAL].copy(), labels.known[VALENCE_AROUSAL].copy()
    values[own], known[own] = 0, False
    fewer = replace(
        labels,
        values={**labels.values, VALENCE_AROUSAL: values},
        known={**labels.known, VALENCE_AROUSAL: known},
    )
    data = replace(data, index=replace(data.index, labels=fewer))
    for track, frames in (("VA", 12), ("EXPR", 18)):
        challenge = Challenge(6, track)
        scored = submitted(Chance(), data, challenge, tmp_path / track)
        value, counted = evaluated(Chance(), data, challenge)
        assert (scored.score.value, scored.score.count) == (pytest.approx(value, abs=1e-9), counted[0])
        assert sum(len(lines_of(tmp_path / track, video)) for video in VIDEOS) == frames
    (tmp_path / "sample.txt").write_text("image_location,valence,arousal\n903/00001.jpg,\n")
    write_answers(Chance(), data, Challenge(6, "VA"), tmp_path / "one", tmp_path / "sample.txt", quiet=True)
    assert len(lines_of(tmp_path / "one", "903")) == 1


def test_a_table_of_test_frames_is_answered_without_labels(tmp_path: Path) -> None:
    labels = {VALENCE_AROUSAL: np.full((9, 2), np.nan, np.float32)}
    data = drawn(tmp_path, "table", labels, [("test", 4), ("test", 5)], GREY)
    done = write_answers(Chance(), data, Challenge(6, "AU", "test"), tmp_path / "out", quiet=True)
    assert (done.frames, done.repeated, done.neutral) == (9, 0, 0)
    names = [
        line.split(",")[0] for line in (tmp_path / "out" / "predictions.txt").read_text().splitlines()[1:]
    ]
    assert names == [f"v000/{n:05d}.jpg" for n in range(1, 5)] + [f"v001/{n:05d}.jpg" for n in range(1, 6)]
    with pytest.raises(DatabaseError, match="the test part has no labels of action_units_12"):
        score_submission(tmp_path / "out", data.index, Challenge(6, "AU", "test"))


@pytest.fixture
def by_video(releases: Mapping[str, tuple[Made, Prepared]], tmp_path: Path) -> tuple[Prepared, Path]:
    _, data = releases["abaw3"]
    write_answers(Chance(), data, Challenge(3, "VA"), tmp_path / "out", quiet=True)
    return data, tmp_path / "out"


@pytest.fixture
def in_one(releases: Mapping[str, tuple[Made, Prepared]], tmp_path: Path) -> tuple[Prepared, Path]:
    _, data = releases["abaw6"]
    write_answers(Chance(), data, Challenge(6, "AU"), tmp_path / "out", quiet=True)
    return data, tmp_path / "out"


def test_files_by_video_that_are_not_whole(by_video: tuple[Prepared, Path]) -> None:
    data, folder = by_video
    path = folder / "903.txt"
    text = path.read_text()
    lines = text.splitlines(keepends=True)

    def refused(message: str) -> None:
        with pytest.raises(InputError, match=message):
            score_submission(folder, data.index, Challenge(3, "VA"))

    path.write_text("".join(lines[:5]))
    refused(r"903\.txt, line 6: 4 frames, expected 6, one a line")
    path.write_text(text + lines[-1])
    refused(r"903\.txt, line 8: 7 frames, expected 6, one a line")
    path.write_text(lines[0])
    refused(r"903\.txt, line 2: 0 frames, expected 6")
    path.write_text("".join(lines[:4]) + lines[4].split(",")[0])
    refused(r"903\.txt, line 5: 1 values, expected 2")
    path.write_text(text.replace(lines[2], "0.1,1.2\n"))
    refused(r"903\.txt, line 3: arousal")
    path.write_text("")
    refused(r"903\.txt: the header '' is no known form")
    path.unlink()
    refused(r"out: 1 of 3 videos have no file \(903\.txt, \.\.\.\)")
    path.write_text(text)
    (folder / "901.txt").write_text(text)
    refused(r"901\.txt: no video of the validation part with labels of VA")
    (folder / "901.txt").unlink()
    with pytest.raises(InputError, match="answers valence_arousal; AU of ABAW 3, validation part asks for"):
        score_submission(folder, data.index, Challenge(3, "AU"))
    with pytest.raises(InputError, match="3 text files, expected one with all answers"):
        score_submission(folder, data.index, Challenge(6, "VA"))
    score_submission(folder, data.index, Challenge(3, "VA"))


def test_one_file_that_is_not_whole(in_one: tuple[Prepared, Path]) -> None:
    data, folder = in_one
    path = folder / "predictions.txt"
    text = path.read_text()
    lines = text.splitlines(keepends=True)

    def refused(message: str) -> None:
        with pytest.raises(InputError, match=message):
            score_submission(folder, data.index, Challenge(6, "AU"))

    path.write_text("".join(lines[:-2]))
    refused(r"s\.txt, line 18: it ends, and 2 of 18 frames have no line \(video902_1/00005\.jpg, \.\.\.\)")
    path.write_text("".join(lines[:-2]) + lines[-2][:30])
    refused(r"predictions\.txt, line 18: . values, expected 12")
    path.write_text(text + lines[-1])
    refused(r"line 20: video902_1/00006\.jpg stands in line 19 already")
    path.write_text(text + lines[-1].replace("00006", "00007"))
    refused(r"line 20: video902_1/00007\.jpg is no frame that AU of ABAW 6, validation part asks for")
    path.write_text(text.replace(lines[3], lines[3].replace(",0", ",2").replace(",1", ",2")))
    refused(r"line 4: AU01")
    path.unlink()
    refused("out: 0 text files, expected one")
    path.write_text("".join([lines[0], *lines[:0:-1]]).replace("\n", "\r\n"))
    assert score_submission(folder, data.index, Challenge(6, "AU")).score.count == 12, "any order will do"


def test_labels_of_another_edition_are_missed(
    releases: Mapping[str, tuple[Made, Prepared]], tmp_path: Path
) -> None:
    _, data = releases["abaw6"]
    write_answers(Chance(), data, Challenge(2, "EXPR"), tmp_path / "out", quiet=True)
    with pytest.raises(DatabaseError, match="the validation part has no labels of expression_7"):
        score_submission(tmp_path / "out", data.index, Challenge(2, "EXPR"))


def test_no_face_in_the_whole_part(releases: Mapping[str, tuple[Made, Prepared]], tmp_path: Path) -> None:
    """All answers are neutral; nothing is counted by the evaluation, all by the organisers."""
    database, data = releases["abaw6"]
    data = lost(data, *((row.video, row.face, row.frame) for row in database.rows))
    done = write_answers(Broken(), data, Challenge(6, "AU"), tmp_path / "out", quiet=True)
    assert (done.frames, done.repeated, done.neutral) == (18, 0, 18)
    scored = score_submission(tmp_path / "out", data.index, Challenge(6, "AU"))
    assert math.isnan(scored.score.value)
    assert (scored.score.count, scored.parts) == (0, ())
    assert (scored.every.value, scored.every.count) == (0.0, 12)


def test_the_commands_say_what_they_did(
    releases: Mapping[str, tuple[Made, Prepared]], tmp_path: Path
) -> None:
    recipe = replace(small(), tasks={task.name: 1.0 for task in TASKS})
    bundled(made(recipe), recipe, tmp_path / "bundle")
    database, data = releases["abaw6"]
    prepared, out = database.folder.parent / "out", tmp_path / "answers"
    which = ["--edition", "6", "--task", "EXPR"]
    call = ["submit", str(tmp_path / "bundle"), str(prepared), *which, "-o", str(out), "--archive"]
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 0, done.output
    assert "18 frames, 3 without a face repeat another of their video, 0 of videos without any" in done.output
    assert "18/18" in done.output, "the progress bar"
    assert f"{out}.zip" in done.output
    again = CliRunner().invoke(main, call)
    assert again.exit_code == 1
    assert "exists already" in again.output
    told = CliRunner().invoke(main, ["score", str(out), str(prepared), *which])
    assert told.exit_code == 0, told.output
    scored = score_submission(out, data.index, Challenge(6, "EXPR"))
    assert told.output.splitlines() == [str(scored.score), *(f"  {part}" for part in scored.parts)]
    (out / "predictions.txt").unlink()
    missing = CliRunner().invoke(main, ["score", str(out), str(prepared), *which])
    assert (missing.exit_code, missing.output) == (
        1,
        f"mien: {out}: 0 text files, expected one with all answers\n",
    )
    wrong = CliRunner().invoke(main, ["score", str(out), str(prepared), "--edition", "4", "--task", "VA"])
    assert "edition 4 of ABAW: no form of VA is known" in wrong.output
