"""Files of answers to the ABAW challenges: complete, in the organisers' order and spelled by name."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.databases.aff_wild2 import read as read_aff_wild2
from mien.databases.findings import Findings
from mien.errors import InputError, OutputError, SettingsError
from mien.interchange.abaw import (
    BY_VIDEO,
    Answers,
    read_names,
    read_submission,
    read_template,
    read_video_files,
    write_submission,
    write_video_files,
)
from mien.records import Predictions
from mien.tasks import (
    ACTION_UNITS_8,
    ACTION_UNITS_12,
    COMPOUND_7,
    EXPRESSION_7,
    EXPRESSION_8_CONTEMPT,
    EXPRESSION_8_OTHER,
    INTENSITIES_DISFA,
    VALENCE_AROUSAL,
    Task,
)

EIGHT = "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other"
SEVEN = EIGHT.removesuffix(",Other")
UNITS_8 = "AU1,AU2,AU4,AU6,AU12,AU15,AU20,AU25"
UNITS_12 = "AU1,AU2,AU4,AU6,AU7,AU10,AU12,AU15,AU23,AU24,AU25,AU26"
COMPOUNDS = (
    "Fearfully_Surprised,Happily_Surprised,Sadly_Surprised,Disgustedly_Surprised,Angrily_Surprised,"
    "Sadly_Fearful,Sadly_Angry"
)

NAMES = ["900-30-640x480/00001.jpg", "900-30-640x480/00002.jpg", "video2_left/00001.jpg", "901/00010.jpg"]

FORMS = {
    "va of 5": ("image_location,valence,arousal", ",", (VALENCE_AROUSAL,)),
    "va of 6": ("image_location,valence,arousal", ",0.5,-0.5", (VALENCE_AROUSAL,)),
    "expr": (f"image_location,{EIGHT}", ",0", (EXPRESSION_8_OTHER,)),
    "expr of 5": (f"image_location,{EIGHT}", ",", (EXPRESSION_8_OTHER,)),
    "au": (f"image_location,{UNITS_12}", ",0" * 12, (ACTION_UNITS_12,)),
    "ce": (f"image_location,{COMPOUNDS}", ",0", (COMPOUND_7,)),
    "mtl": (
        "image,valence,arousal,expression,aus",
        "",
        (VALENCE_AROUSAL, EXPRESSION_8_OTHER, ACTION_UNITS_12),
    ),
    "lsd": ("image,expression", "", (EXPRESSION_7,)),
}
"""Form -> its header, the filler after each name, what it asks for."""


def template_file(folder: Path, header: str, filler: str, names: list[str]) -> Path:
    path = folder / "sample.txt"
    path.write_text("".join(f"{line}\n" for line in [header, *(name + filler for name in names)]))
    return path


def predicted(tasks: tuple[Task, ...], rows: int, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    values = {task: rng.random((rows, len(task))).astype(np.float32) for task in tasks}
    for task in values:
        if task.kind == "continuous":
            values[task] = values[task] * 2 - 1
    return Predictions(values)


def classes(names: list[str], task: Task, chosen: list[str]) -> Answers:
    """Return answers that are sure of a class each."""
    values = np.full((len(names), len(task)), 0.1, np.float32)
    for row, name in enumerate(chosen):
        values[row, task.index(name)] = 0.9
    return Answers(names, Predictions({task: values}))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_filled_in_order_and_read_back(form: str, tmp_path: Path) -> None:
    header, filler, tasks = FORMS[form]
    names = [f"{n}.jpg" for n in (3, 1, 2)] if form == "lsd" else NAMES
    template = read_template(template_file(tmp_path, header, filler, names))
    answers = Answers(names[::-1], predicted(tasks, len(names)))
    written = write_submission(tmp_path / "out" / "answers.txt", template, answers)
    assert (written.rows, written.repeated, written.unused) == (len(names), 0, 0)
    lines = (tmp_path / "out" / "answers.txt").read_text().splitlines()
    assert lines[0] == header
    assert [line.split(",")[0] for line in lines[1:]] == names
    back = read_submission(tmp_path / "out" / "answers.txt")
    assert list(back.names) == names
    for task in tasks:
        told, given = back.by_row(task), answers.by_row(task)
        for name in names:
            if task.kind == "continuous":
                np.testing.assert_allclose(told[name], given[name], atol=1e-6)
            elif task.kind == "binary":
                np.testing.assert_array_equal(told[name], given[name] >= 0.5)
            elif form == "lsd":
                assert told[name].argmax() == given[name][1:].argmax() + 1, "neutral is not asked for"
            else:
                assert told[name].argmax() == given[name].argmax()
    write_submission(tmp_path / "again.txt", template, back)
    assert (tmp_path / "again.txt").read_bytes() == (tmp_path / "out" / "answers.txt").read_bytes()


def test_values_stand_as_the_organisers_write_them(tmp_path: Path) -> None:
    header, filler, tasks = FORMS["mtl"]
    template = read_template(template_file(tmp_path, header, filler, ["7/00012.jpg"]))
    values = {
        VALENCE_AROUSAL: np.array([[0.25, -1e-9]], np.float32),
        EXPRESSION_8_OTHER: np.eye(8, dtype=np.float32)[[4]],
        ACTION_UNITS_12: np.array([[0.5, 0.49, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0.9]], np.float32),
    }
    write_submission(tmp_path / "a.txt", template, Answers(["7/00012.jpg"], Predictions(values)))
    expected = "7/00012.jpg,0.250000,0.000000,4,1,0,1,0,0,0,0,0,0,0,0,1"
    assert (tmp_path / "a.txt").read_text() == f"{header}\n{expected}\n"
    assert set(values) == set(tasks)


@pytest.mark.parametrize(
    ("form", "name", "number"),
    [
        *(("expr", "neutral", 0), ("expr", "happiness", 4), ("expr", "surprise", 6), ("expr", "other", 7)),
        *(("ce", "fearfully_surprised", 0), ("ce", "sadly_angry", 6)),
        *(("lsd", "anger", 0), ("lsd", "surprise", 5)),
    ],
)
def test_classes_have_the_challenges_numbers(form: str, name: str, number: int, tmp_path: Path) -> None:
    header, filler, (task,) = FORMS[form]
    template = read_template(template_file(tmp_path, header, filler, ["1/1.jpg"]))
    shuffled = Task("mine", task.behaviour, task.kind, task.labels[::-1])
    write_submission(tmp_path / "a.txt", template, classes(["1/1.jpg"], shuffled, [name]))
    assert (tmp_path / "a.txt").read_text().splitlines()[1] == f"1/1.jpg,{number}"


def test_action_units_are_found_by_name(tmp_path: Path) -> None:
    header, filler, _ = FORMS["au"]
    template = read_template(template_file(tmp_path, header, filler, ["1/1.jpg"]))
    more = Task("mine", "action_units", "binary", ("AU99", *ACTION_UNITS_12.labels[::-1]))
    values = np.zeros((1, 13), np.float32)
    values[0, more.index("AU02")] = values[0, 0] = 1
    write_submission(tmp_path / "a.txt", template, Answers(["1/1.jpg"], Predictions({more: values})))
    assert (tmp_path / "a.txt").read_text().splitlines()[1] == "1/1.jpg,0,1" + ",0" * 10


def test_a_class_that_was_never_predicted_is_refused(tmp_path: Path) -> None:
    header, filler, _ = FORMS["expr"]
    template = read_template(template_file(tmp_path, header, filler, ["1/1.jpg"]))
    with pytest.raises(InputError, match="expression_8_contempt has no other, which the form asks for"):
        write_submission(tmp_path / "a.txt", template, classes(["1/1.jpg"], EXPRESSION_8_CONTEMPT, ["fear"]))
    answers = Answers(["1/1.jpg"], predicted((VALENCE_AROUSAL, INTENSITIES_DISFA), 1))
    with pytest.raises(InputError, match="say nothing of expression_8_other"):
        write_submission(tmp_path / "a.txt", template, answers)
    assert not (tmp_path / "a.txt").exists()


def test_of_several_tasks_the_forms_own_answers_or_the_named_one(tmp_path: Path) -> None:
    names = ["1/1.jpg"]
    header, filler, _ = FORMS["lsd"]
    template = read_template(template_file(tmp_path, header, filler, names))
    eight, contempt = (
        classes(names, task, [name]).predictions.values
        for task, name in ((EXPRESSION_8_OTHER, "fear"), (EXPRESSION_8_CONTEMPT, "sadness"))
    )
    both = Answers(names, Predictions({**eight, **contempt}))
    with pytest.raises(InputError, match="could all answer expression_7; say which"):
        write_submission(tmp_path / "a.txt", template, both)
    write_submission(tmp_path / "a.txt", template, replace(both, tasks=(EXPRESSION_8_CONTEMPT,)))
    assert (tmp_path / "a.txt").read_text().endswith("1/1.jpg,4\n")
    seven = classes(names, EXPRESSION_7, ["disgust"]).predictions.values
    write_submission(
        tmp_path / "a.txt", template, Answers(names, Predictions({**eight, **contempt, **seven}))
    )
    assert (tmp_path / "a.txt").read_text().endswith("1/1.jpg,1\n")


def test_an_uncovered_row_stops_everything_and_leaves_the_old_file(tmp_path: Path) -> None:
    header, filler, tasks = FORMS["va of 5"]
    names = [f"1/{n:05d}.jpg" for n in range(1, 8)]
    template = read_template(template_file(tmp_path, header, filler, names))
    (tmp_path / "a.txt").write_text("old")
    answers = Answers([*names[:2], "9/1.jpg"], predicted(tasks, 3))
    with pytest.raises(InputError) as refusal:
        write_submission(tmp_path / "a.txt", template, answers)
    assert "sample.txt: 5 of 7 rows have no prediction" in str(refusal.value)
    assert "(1/00003.jpg, 1/00004.jpg, 1/00005.jpg, ...)" in str(refusal.value)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "sample.txt"]
    written = write_submission(tmp_path / "a.txt", template, answers, without_face="repeat")
    assert (written.rows, written.repeated, written.unused) == (7, 5, 1)


def test_repeating_takes_the_last_answer_of_the_same_video(tmp_path: Path) -> None:
    header, filler, _ = FORMS["expr"]
    names = ["1/1.jpg", "1/2.jpg", "2/1.jpg", "1/3.jpg", "2/2.jpg", "2/3.jpg", "1/4.jpg"]
    template = read_template(template_file(tmp_path, header, filler, names))
    answers = classes(["1/1.jpg", "1/4.jpg", "2/2.jpg"], EXPRESSION_8_OTHER, ["fear", "anger", "other"])
    written = write_submission(tmp_path / "a.txt", template, answers, without_face="repeat")
    assert written.repeated == 4
    values = [line.split(",")[1] for line in (tmp_path / "a.txt").read_text().splitlines()[1:]]
    assert values == ["3", "3", "7", "3", "7", "7", "1"]
    alone = read_template(template_file(tmp_path, header, filler, [*names, "3/1.jpg"]))
    with pytest.raises(InputError, match=r"1 of 8 rows have no prediction \(3/1\.jpg\)"):
        write_submission(tmp_path / "a.txt", alone, answers, without_face="repeat")


def test_stills_are_never_repeated(tmp_path: Path) -> None:
    template = read_template(template_file(tmp_path, "image,expression", "", ["0.jpg", "1.jpg"]))
    with pytest.raises(InputError, match=r"1 of 2 rows have no prediction \(1\.jpg\)"):
        write_submission(
            tmp_path / "a.txt", template, classes(["0.jpg"], EXPRESSION_7, ["fear"]), without_face="repeat"
        )


def test_a_threshold_may_differ_by_action_unit(tmp_path: Path) -> None:
    header, filler, _ = FORMS["au"]
    template = read_template(template_file(tmp_path, header, filler, ["1/1.jpg"]))
    answers = Answers(["1/1.jpg"], Predictions({ACTION_UNITS_12: np.full((1, 12), 0.4, np.float32)}))
    for threshold, row in ((0.5, ",0" * 12), (0.3, ",1" * 12), ({"AU02": 0.1}, ",0,1" + ",0" * 10)):
        write_submission(tmp_path / "a.txt", template, answers, threshold=threshold)
        assert (tmp_path / "a.txt").read_text().splitlines()[1] == f"1/1.jpg{row}"
    for wrong in (1.5, float("nan"), {"AU02": -1}, {"AU20": 0.5}):
        with pytest.raises(SettingsError, match="threshold"):
            write_submission(tmp_path / "a.txt", template, answers, threshold=wrong)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1.1, -1.01])
def test_what_is_no_answer_is_refused(value: float, tmp_path: Path) -> None:
    header, filler, _ = FORMS["va of 6"]
    template = read_template(template_file(tmp_path, header, filler, ["1/1.jpg"]))
    values = np.array([[0.5, value], [np.nan, 0]], np.float32)
    answers = Answers(["1/1.jpg", "not/asked.jpg"], Predictions({VALENCE_AROUSAL: values}))
    with pytest.raises(InputError, match=r"1/1\.jpg: valence_arousal is .*, expected -1 to 1"):
        write_submission(tmp_path / "a.txt", template, answers)
    values[0, 1] = 1
    write_submission(tmp_path / "a.txt", template, answers)


HEADERS = {
    VALENCE_AROUSAL: "valence,arousal",
    EXPRESSION_7: SEVEN,
    EXPRESSION_8_OTHER: EIGHT,
    ACTION_UNITS_8: UNITS_8,
    ACTION_UNITS_12: UNITS_12,
}


@pytest.mark.parametrize("task", HEADERS, ids=lambda task: task.name)
def test_files_by_video_are_the_annotation_files_form(task: Task, tmp_path: Path) -> None:
    assert set(HEADERS) == set(BY_VIDEO)
    frames = {"video1_left": 3, "video1_right": 2, "900-30-640x480": 1}
    names = [f"{video}/{n:05d}.jpg" for video, count in frames.items() for n in range(1, count + 1)]
    answers = Answers(names, predicted((task,), len(names)))
    written = write_video_files(tmp_path / "Validation_Set", task, frames, answers)
    assert written.rows == 6
    assert sorted(path.name for path in (tmp_path / "Validation_Set").iterdir()) == sorted(
        f"{video}.txt" for video in frames
    )
    for video, count in frames.items():
        lines = (tmp_path / "Validation_Set" / f"{video}.txt").read_text().splitlines()
        assert lines[0] == HEADERS[task]
        assert len(lines) == 1 + count
    back = read_video_files(tmp_path / "Validation_Set")
    assert sorted(back.names) == sorted(names)
    index = read_aff_wild2(tmp_path, Findings())
    for row in range(len(index)):
        video = "_".join(filter(None, (index.video.at(row), index.face.at(row))))
        name = f"{video}/{index.frame[row] + 1:05d}.jpg"
        np.testing.assert_array_equal(index.labels.values[task][row], back.by_row(task)[name])


def test_files_by_video_repeat_or_refuse_and_never_overwrite(tmp_path: Path) -> None:
    answers = classes(["a/00002.jpg"], EXPRESSION_7, ["fear"])
    with pytest.raises(InputError, match=r"test videos: 2 of 3 rows have no prediction \(a/00001\.jpg, "):
        write_video_files(tmp_path / "out", EXPRESSION_7, {"a": 3}, answers)
    assert not (tmp_path / "out").exists()
    written = write_video_files(tmp_path / "out", EXPRESSION_7, {"a": 3}, answers, "repeat")
    assert written.repeated == 2
    assert (tmp_path / "out" / "a.txt").read_text() == f"{SEVEN}\n3\n3\n3\n"
    with pytest.raises(OutputError, match="exists already"):
        write_video_files(tmp_path / "out", EXPRESSION_7, {"a": 3}, answers, "repeat")
    for name in ("../a", "", "..", "a\\b"):
        with pytest.raises(InputError, match="cannot name a file"):
            write_video_files(tmp_path / "new", EXPRESSION_7, {name: 1}, answers)
    with pytest.raises(SettingsError, match="compound_7 has no files by video"):
        write_video_files(tmp_path / "new", COMPOUND_7, {"a": 1}, answers)


def test_lists_of_test_videos_are_read(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbf900-30-640x480\r\n901_left\r\n\r\n")
    assert read_names(tmp_path / "list.txt") == ["900-30-640x480", "901_left"]


def test_line_ends_and_marks_of_a_template_do_not_matter(tmp_path: Path) -> None:
    header, _, tasks = FORMS["va of 5"]
    lines = [header.replace(",", ", "), *(f"{name}," for name in NAMES)]
    path = tmp_path / "sample.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n\r\n")
    template = read_template(path)
    assert list(template.names) == NAMES
    write_submission(tmp_path / "a.txt", template, Answers(NAMES, predicted(tasks, 4)))
    assert b"\r" not in (tmp_path / "a.txt").read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected one that begins with image_location"),
        ("valence,arousal\n0,0\n", "expected one that begins with image_location"),
        ("image_location,joy\n1/1.jpg,\n", "is no known form of the ABAW challenges"),
        ("image_location,valence,arousal\n", "a header and no rows"),
        ("image_location,valence,arousal\n1/1.jpg,\n\n1/2.jpg,\n", "line 3: '', expected a picture such as"),
        (
            "image_location,valence,arousal\n1/1.jpg,\n00002.jpg,\n",
            "line 3: '00002.jpg,', expected a picture",
        ),
        ("image,expression\n1.jpg\n2.jpg\n1.jpg\n", "line 4: 1.jpg stands in line 2 already"),
    ],
)
def test_a_broken_template_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "sample.txt").write_text(text)
    with pytest.raises(InputError) as refusal:
        read_template(tmp_path / "sample.txt")
    assert str(refusal.value).startswith(str(tmp_path / "sample.txt"))
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("form", "line", "message"),
    [
        ("va of 5", "1/1.jpg,", "1 values, expected 2"),
        ("expr of 5", "1/1.jpg,", "the class is '', expected a whole number from 0 to 7"),
        ("expr", "1/1.jpg,8", "the class is '8'"),
        ("va of 6", "1/1.jpg,-5,-5", "valence is '-5', expected a number from -1 to 1"),
        ("au", "1/1.jpg" + ",0.5" * 12, "AU01 is '0.5', expected a whole number from 0 to 1"),
    ],
)
def test_an_unanswered_or_wrong_line_is_named(form: str, line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"{FORMS[form][0]}\n{line}\n")
    with pytest.raises(InputError) as refusal:
        read_submission(tmp_path / "a.txt")
    assert str(refusal.value).startswith(f"{tmp_path / 'a.txt'}, line 2: ")
    assert message in str(refusal.value)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_template(tmp_path / "absent.txt")
    (tmp_path / "a.txt").write_bytes(b"image_location,\xff")
    with pytest.raises(InputError, match="not UTF-8"):
        read_template(tmp_path / "a.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no text files of answers"):
        read_video_files(tmp_path / "empty")
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "1.txt").write_text("valence,arousal\n0,0\n")
    (tmp_path / "mixed" / "2.txt").write_text(f"{SEVEN}\n0\n")
    with pytest.raises(InputError, match=r"2\.txt: another header"):
        read_video_files(tmp_path / "mixed")


def test_answers_are_checked_when_made() -> None:
    predictions = predicted((VALENCE_AROUSAL,), 2)
    with pytest.raises(ValueError, match="1 names for 2"):
        Answers(["a"], predictions)
    with pytest.raises(ValueError, match="several predictions"):
        Answers(["a", "a"], predictions)
    with pytest.raises(ValueError, match="do not have"):
        Answers(["a", "b"], predictions, (EXPRESSION_7,))


PIECES = st.one_of(
    st.binary(max_size=10),
    st.sampled_from(
        [b"", b"\n", b",", b"/", b'"', b"\x00", b"\r", b"\xef\xbb\xbf", b"nan", b"1e999", b"9" * 30]
    ),
)


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(form=st.sampled_from(list(FORMS)), piece=PIECES, place=st.integers(0, 300), length=st.integers(0, 40))
def test_damaged_templates_are_read_or_refused(
    form: str, piece: bytes, place: int, length: int, tmp_path: Path
) -> None:
    header, filler, tasks = FORMS[form]
    whole = template_file(tmp_path, header, filler, NAMES).read_bytes()
    path = tmp_path / "damaged.txt"
    path.write_bytes(whole[:place] + piece + whole[place + length :])
    refusals = []
    try:
        template = read_template(path)
    except InputError as refusal:
        refusals.append(str(refusal))
    else:
        assert len(set(template.names)) == len(template.names) > 0
        answers = Answers(template.names, predicted(tasks, len(template.names)))
        write_submission(tmp_path / "a.txt", template, answers)
        assert list(read_submission(tmp_path / "a.txt").names) == list(template.names)
    try:
        read_submission(path)
    except InputError as refusal:
        refusals.append(str(refusal))
    assert all(len(refusal) < 1000 for refusal in refusals)


name = st.from_regex(r"[a-z0-9_é-]{1,8}/[0-9]{1,5}\.jpg", fullmatch=True)


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    names=st.lists(name, min_size=1, max_size=30, unique=True),
    kept=st.sets(st.integers(0, 29)),
    seed=st.integers(0, 9),
)
def test_any_rows_come_back_complete_or_not_at_all(
    names: list[str], kept: set[int], seed: int, tmp_path: Path
) -> None:
    header, filler, tasks = FORMS["va of 6"]
    path = template_file(tmp_path, header, filler, names)
    template = read_template(path)
    mine = [name for place, name in enumerate(names) if place in kept]
    answers = Answers(mine, predicted(tasks, len(mine), seed))
    told = {name.rpartition("/")[0] for name in mine}
    coverable = all(name.rpartition("/")[0] in told for name in names)
    if not coverable:
        with pytest.raises(InputError, match="rows have no prediction"):
            write_submission(tmp_path / "a.txt", template, answers, "repeat")
        return
    written = write_submission(tmp_path / "a.txt", template, answers, "repeat")
    assert (written.rows, written.repeated) == (len(names), len(names) - len(mine))
    back = read_submission(tmp_path / "a.txt")
    assert list(back.names) == names
    for one, values in answers.by_row(VALENCE_AROUSAL).items():
        np.testing.assert_allclose(back.by_row(VALENCE_AROUSAL)[one], values, atol=1e-6)
