"""What annotators do is kept for good, and read back as what it amounts to."""

import os
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mien.annotation.assignment import assign, ordered, repeated
from mien.annotation.incoming import event_of
from mien.annotation.prefill import anchoring, hidden, suggested
from mien.annotation.project import EXAMPLE, Assigned, Project
from mien.annotation.replay import courses, segments, traces
from mien.annotation.store import Event, EventStore, Item, LeaseError
from mien.errors import InputError, OutputError, SettingsError

ITEM = Item("anna", "valence", "talk.mp4")
TASK = Assigned("valence", "trace", ("valence",))
UNITS = Assigned("units", "segments", ("AU01", "AU12"), units=True)


def value(sequence: int, media: float, told: float, session: str = "session-1") -> Event:
    """Return an event that sets valence."""
    return Event(session, sequence, "value", media, "valence", told, "mouse", 1.0, 0.0)


def write_project(folder: Path, text: str = EXAMPLE, videos: tuple[str, ...] = ("a.mp4", "b.mp4")) -> Path:
    """Make a project folder with empty videos."""
    (folder / "videos").mkdir(parents=True)
    for name in videos:
        (folder / "videos" / name).touch()
    (folder / "project.toml").write_text(text.replace("{name}", "talks"))
    return folder


# ---- the store --------------------------------------------------------------------------------


def test_events_come_back_as_they_were_sent(tmp_path: Path) -> None:
    sent = [value(0, 0.04, 0.1), Event("session-1", 1, "segment", detail={"id": "x", "start": 1.5})]
    with EventStore(tmp_path / "a.sqlite") as store:
        store.open("session-1", ITEM)
        store.append("session-1", sent)
    with EventStore(tmp_path / "a.sqlite", reading=True) as store:
        assert store.events(ITEM) == sent


def test_sending_twice_keeps_once(tmp_path: Path) -> None:
    with EventStore(tmp_path / "a.sqlite") as store:
        store.open("session-1", ITEM)
        store.append("session-1", [value(0, 0.0, 0.1), value(1, 0.04, 0.2)])
        store.append("session-1", [value(1, 0.04, 0.2), value(2, 0.08, 0.3)])
        assert [event.sequence for event in store.events(ITEM)] == [0, 1, 2]


def test_a_number_never_names_two_events(tmp_path: Path) -> None:
    with EventStore(tmp_path / "a.sqlite") as store:
        store.open("session-1", ITEM)
        store.append("session-1", [value(0, 0.0, 0.1)])
        with pytest.raises(InputError, match="number 0 is another event"):
            store.append("session-1", [value(1, 0.04, 0.5), value(0, 0.0, 0.2)])
        assert store.events(ITEM) == [value(0, 0.0, 0.1)]


def test_a_second_window_gets_the_lease_only_when_it_takes_it(tmp_path: Path) -> None:
    with EventStore(tmp_path / "a.sqlite") as store:
        store.open("session-1", ITEM)
        store.append("session-1", [value(0, 0.0, 0.1)])
        with pytest.raises(LeaseError):
            store.open("session-2", ITEM)
        store.open("session-2", ITEM, take=True)
        with pytest.raises(LeaseError):
            store.append("session-1", [value(1, 0.04, 0.2)])
        store.append("session-2", [value(0, 0.0, 0.5, "session-2")])
        assert [(one.session, one.sequence) for one in store.events(ITEM)] == [
            ("session-1", 0),
            ("session-2", 0),
        ]


def test_what_the_first_window_still_had_is_merged_before_what_came_later(tmp_path: Path) -> None:
    with EventStore(tmp_path / "a.sqlite") as store:
        store.open("session-1", ITEM)
        store.open("session-2", ITEM, take=True)
        store.append("session-2", [value(0, 0.08, 0.5, "session-2")])
        store.append("session-2", [value(0, 0.0, 0.1), value(1, 0.04, 0.2)])
        (trace,) = traces(store.events(ITEM), ITEM, ["valence"])
        assert trace.values.tolist() == [0.1, 0.2, 0.5]


def test_a_lease_that_was_given_back_is_free(tmp_path: Path) -> None:
    with EventStore(tmp_path / "a.sqlite") as store:
        store.open("session-1", ITEM)
        store.release("session-1")
        store.open("session-2", ITEM)


def test_tasks_and_annotators_do_not_stand_in_each_others_way(tmp_path: Path) -> None:
    with EventStore(tmp_path / "a.sqlite") as store:
        store.open("session-1", ITEM)
        store.open("session-2", Item("ben", "valence", "talk.mp4"))
        store.open("session-3", Item("anna", "arousal", "talk.mp4"))
        with pytest.raises(InputError, match="is not one of"):
            store.append("session-2", [value(0, 0.0, 0.1)])


def test_writers_in_several_threads_lose_nothing(tmp_path: Path) -> None:
    def write(name: str) -> None:
        with EventStore(tmp_path / "a.sqlite") as store:
            store.open(f"session-{name}", Item(name, "valence", "talk.mp4"))
            for at in range(20):
                store.append(f"session-{name}", [value(at, at / 25, 0.0, f"session-{name}")])

    with EventStore(tmp_path / "a.sqlite") as store:
        threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [len(store.events(Item(name, "valence", "talk.mp4"))) for name in "abcd"] == [20] * 4


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").write_text("not a database, but long enough to be looked at as one" * 20)
    with pytest.raises(InputError, match="cannot be used"):
        EventStore(tmp_path / "a.sqlite")
    with pytest.raises(InputError, match="nothing has been annotated"):
        EventStore(tmp_path / "b.sqlite", reading=True)
    with pytest.raises(OutputError):
        EventStore(tmp_path / "none" / "a.sqlite")
    EventStore(tmp_path / "c.sqlite").close()
    with sqlite3.connect(tmp_path / "c.sqlite") as other:
        other.execute("update about set value = '9'")
    other.close()
    with pytest.raises(InputError, match="version"):
        EventStore(tmp_path / "c.sqlite")


# ---- replay -----------------------------------------------------------------------------------


def replayed(*told: tuple[str, float | None, float | None]) -> tuple[list[float], list[float | None]]:
    """Return the times and values that events of valence amount to."""
    events = [
        Event("session-1", at, kind, media, "valence", said) for at, (kind, media, said) in enumerate(told)
    ]
    course = courses(events, ["valence"])["valence"]
    return course.times, course.values


def test_overwriting_removes_what_was_at_or_after() -> None:
    first = [("value", second / 2, 0.1 * second) for second in range(6)]
    assert replayed(*first, ("from", 1.0, None), ("value", 1.0, -1.0), ("value", 1.5, -0.5)) == (
        [0.0, 0.5, 1.0, 1.5],
        [0.0, 0.1, -1.0, -0.5],
    )


def test_a_session_that_ended_without_a_rest_leaves_a_gap() -> None:
    first = [value(0, 0.0, 0.5), value(1, 10.0, 0.5)]
    ahead = [Event("session-2", 0, "open"), value(1, 50.0, -0.5, "session-2")]
    course = courses([*first, *ahead], ["valence"])["valence"]
    assert (course.times, course.values) == ([0.0, 10.0, 10.001, 50.0], [0.5, 0.5, None, -0.5])
    at_once = [value(0, 10.04, -0.5, "session-2"), value(1, 10.08, -0.4, "session-2")]
    course = courses([*first, *at_once], ["valence"])["valence"]
    assert (course.times, course.values) == ([0.0, 10.0, 10.04, 10.08], [0.5, 0.5, -0.5, -0.4])


def test_undo_brings_back_what_was_overwritten() -> None:
    first = [("value", 0.0, 0.5), ("value", 1.0, 0.6)]
    again = [("from", 0.5, None), ("value", 0.5, -1.0), ("undo", None, None)]
    assert replayed(*first, *again) == ([0.0, 1.0], [0.5, 0.6])
    assert replayed(*first, *again, ("value", 1.2, 0.7)) == ([0.0, 1.0, 1.2], [0.5, 0.6, 0.7])


def test_a_rest_leaves_a_gap_unless_it_goes_on_there() -> None:
    assert replayed(("value", 0.0, 0.5), ("rest", 0.1, None), ("value", 0.14, 0.6)) == (
        [0.0, 0.14],
        [0.5, 0.6],
    )
    assert replayed(("value", 0.0, 0.5), ("rest", 0.1, None), ("value", 4.0, 0.6)) == (
        [0.0, 0.1, 4.0],
        [0.5, None, 0.6],
    )


def test_holding_still_and_nothing_recorded_differ() -> None:
    held = replayed(("value", 0.0, 0.5), ("value", 5.0, 0.5), ("rest", 5.0, None))
    assert held == ([0.0, 5.0, 5.001], [0.5, 0.5, None])
    events = [value(0, 0.0, 0.5), value(1, 5.0, 0.5), Event("session-1", 2, "rest", 5.0)]
    (trace,) = traces(events, ITEM, ["valence"])
    assert np.isnan(trace.values).tolist() == [False, False, True]


def test_time_that_runs_back_without_overwriting_changes_nothing() -> None:
    assert replayed(("value", 1.0, 0.5), ("value", 0.5, 0.9), ("value", 1.0, 0.6)) == ([1.0], [0.6])


def test_marks_count_what_happened() -> None:
    kinds = ("pause", "pause", "seek", "blur", "rate", "play", "from")
    events = [value(0, 0.0, 0.1), *(Event("session-1", at + 1, kind, 0.5) for at, kind in enumerate(kinds))]
    (trace,) = traces(events, ITEM, ["valence"])
    assert trace.marks == {"pause": 2, "seek": 1, "blur": 1, "rate": 1, "overwrite": 1}


def test_segments_are_what_they_were_last() -> None:
    one = {"id": "x", "label": "AU12", "start": 1.0, "end": None}
    events = [
        Event("session-1", 0, "segment", detail=one),
        Event("session-1", 1, "segment", detail={**one, "end": 2.0, "apex": 1.5, "intensity": 3}),
        Event("session-1", 2, "segment", detail={**one, "id": "y", "start": 5.0}),
        Event("session-1", 3, "segment", detail={**one, "id": "z", "end": 9.0}),
        Event("session-1", 4, "remove", detail={"id": "z"}),
    ]
    (found,) = segments(events, ITEM)
    assert (found.label, found.start, found.end, found.apex, found.intensity) == ("AU12", 1.0, 2.0, 1.5, 3)


# ---- what a browser sends ---------------------------------------------------------------------

SENT = {
    "session": "session-1",
    "sequence": 0,
    "kind": "value",
    "media": 1.0,
    "label": "valence",
    "value": 0.5,
}
SEGMENT = {"id": "x", "label": "AU12", "start": 1.0, "end": 2.0, "apex": 1.5, "intensity": 5}


def test_an_event_that_fits_is_taken() -> None:
    assert event_of(SENT, TASK) == Event("session-1", 0, "value", 1.0, "valence", 0.5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "delete"},
        {"kind": ["value"]},
        {"kind": None},
        {"device": {"a": 1}},
        {"media": 10**400},
        {"media": float("inf")},
        {"detail": {"x": float("nan")}},
        {"detail": {"x": [{"y": float("inf")}]}},
        {"detail": {"x": "\ud800"}},
        {"label": "joy"},
        {"value": 1.5},
        {"value": None},
        {"value": float("nan")},
        {"value": "1"},
        {"media": None},
        {"media": -1},
        {"sequence": -1},
        {"sequence": True},
        {"session": "s"},
        {"device": "mind"},
        {"detail": [1]},
        {"detail": {"a": "x" * 5000}},
    ],
    ids=ascii,
)
def test_an_event_that_does_not_fit_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        event_of({**SENT, **wrong}, TASK)


@pytest.mark.parametrize(
    "wrong",
    [{"label": "AU99"}, {"end": 0.5}, {"apex": 3.0}, {"intensity": 6}, {"intensity": True}, {"scorable": 1}],
    ids=str,
)
def test_a_segment_that_does_not_fit_is_refused(wrong: dict[str, object]) -> None:
    told = {"session": "session-1", "sequence": 0, "kind": "segment", "label": "AU12", "detail": SEGMENT}
    event_of(told, UNITS)
    with pytest.raises(InputError):
        event_of({**told, "detail": {**SEGMENT, **wrong}}, UNITS)


# ---- assignments ------------------------------------------------------------------------------

VIDEOS = [f"{number:02d}.mp4" for number in range(30)]


def test_each_video_has_as_many_annotators_as_asked_and_work_is_even() -> None:
    items = assign(VIDEOS, ["v", "a"], ["anna", "ben", "cora"], 2, seed=1)
    assert len(items) == len(set(items)) == 120
    for task in ("v", "a"):
        for name in ("anna", "ben", "cora"):
            assert sum((item.task, item.annotator) == (task, name) for item in items) == 20


def test_videos_that_come_later_leave_what_is_assigned() -> None:
    first = assign(VIDEOS[:10], ["v"], ["anna", "ben", "cora"], 2, 1)
    more = assign(VIDEOS, ["v"], ["anna", "ben", "cora"], 2, 1, first)
    assert {item.video for item in more} == set(VIDEOS[10:])
    assert assign(VIDEOS, ["v"], ["anna", "ben", "cora"], 2, 1, (*first, *more)) == ()


def test_each_annotator_has_an_order_of_its_own_that_stays() -> None:
    items = assign(VIDEOS, ["v"], ["anna", "ben"], 2, 1)
    orders = {
        name: [one.video for one in ordered([item for item in items if item.annotator == name], ["v"], 1)]
        for name in ("anna", "ben")
    }
    assert orders["anna"] != orders["ben"] != sorted(VIDEOS)
    assert sorted(orders["anna"]) == VIDEOS


def test_repeats_come_last_and_are_the_part_that_was_asked() -> None:
    items = assign(VIDEOS, ["v"], ["anna"], 1, 1)
    again = repeated(items, 0.1, 1)
    assert len(again) == 3
    assert [item.turn for item in ordered((*items, *again), ["v"], 1)] == [0] * 30 + [1] * 3


def test_few_videos_have_a_repeat_all_the_same() -> None:
    items = assign(VIDEOS[:5], ["v"], ["anna", "ben"], 2, 1)
    assert sorted(item.annotator for item in repeated(items, 0.1, 1)) == ["anna", "ben"]
    assert repeated(items, 0.0, 1) == ()


# ---- the project ------------------------------------------------------------------------------


def test_repeats_follow_videos_that_come_later(tmp_path: Path) -> None:
    text = EXAMPLE.replace("repeats = 0.0", "repeats = 0.1")
    folder = write_project(tmp_path / "p", text, tuple(VIDEOS[:10]))

    def again() -> set[Item]:
        project = Project.open(folder)
        with project.store() as store:
            project.prepare(store)
            return {
                item
                for item in store.assigned()
                if item.turn and (item.annotator, item.task) == ("anna", "valence")
            }

    first = again()
    assert len(first) == 1
    for name in VIDEOS:
        (folder / "videos" / name).touch()
    more = again()
    assert len(more) == 3 and more > first
    assert again() == more


def test_a_video_whose_name_is_no_text_is_named(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "p")
    try:
        (folder / "videos" / os.fsdecode(b"caf\xe9.mp4")).touch()
    except OSError:
        pytest.skip("this disk takes names in UTF-8 alone")
    with pytest.raises(InputError, match=r"b'caf\\xe9\.mp4' is not in UTF-8; rename"):
        _ = Project.open(folder).videos


def test_the_example_is_a_project(tmp_path: Path) -> None:
    project = Project.open(write_project(tmp_path / "p"))
    assert project.annotators == ("anna", "ben", "cora")
    assert [(task.kind, task.units) for task in project.tasks.values()] == [
        ("trace", False),
        ("trace", False),
        ("segments", False),
        ("segments", True),
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seed = 1", "seed = -1", "seed"),
        ("overlap = 3", "overlap = 4", "overlap"),
        ('"ben"', '"anna"', "names one twice"),
        ('"ben"', '"../ben"', "letters"),
        ("repeats = 0.0", "repeat = 0.0", "unknown"),
        ('["valence"]', '["joy"]', "expected valence"),
        ('["arousal"]', '["valence"]', "in two tasks"),
        ('"expression_7"', '"expression_9"', "is none of"),
        ('"expression_7"', '["happiness", "contempt", "other"]', "not all in one of expression_7"),
        ("[[tasks]]", "[[task]]", "unknown"),
        ("seed = 1", "seed =", "cannot be read"),
    ],
)
def test_settings_that_cannot_be_used_are_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    folder = write_project(tmp_path / "p", EXAMPLE.replace(old, new))
    with pytest.raises((SettingsError, InputError), match=said):
        Project.open(folder)


def test_annotations_are_those_of_the_first_turn_unless_asked(tmp_path: Path) -> None:
    project = Project.open(write_project(tmp_path / "p", videos=("talk.mp4",)))
    with project.store() as store:
        project.prepare(store)
        store.open("session-1", ITEM)
        store.append("session-1", [value(0, 0.0, 0.1), value(1, 1.0, 0.2)])
        store.open("session-2", Item("anna", "valence", "talk.mp4", 1), take=True)
        store.append("session-2", [value(0, 0.0, -0.5, "session-2"), Event("session-2", 1, "done")])
    assert [trace.values.tolist() for trace in project.annotations().traces] == [[0.1, 0.2]]
    assert [trace.values.tolist() for trace in project.annotations(turn=1).traces] == [[-0.5]]
    assert project.annotations(finished=True).traces == ()
    assert len(project.annotations(finished=True, turn=1).traces) == 1


def test_attributes_are_what_the_table_of_videos_says(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "p")
    (folder / "videos.csv").write_text("video,subject,age\na.mp4,s1,30\nb.mp4,s2,\n")
    assert Project.open(folder).attributes == {
        "a.mp4": {"subject": "s1", "age": "30"},
        "b.mp4": {"subject": "s2", "age": ""},
    }
    (folder / "videos.csv").write_text("video,subject\na.mp4,s1\na.mp4,s2\n")
    with pytest.raises(InputError, match="row 3"):
        _ = Project.open(folder).attributes


# ---- prefill ----------------------------------------------------------------------------------


def test_suggestions_are_of_the_face_that_is_there_most_and_else_of_another(tmp_path: Path) -> None:
    times = [frame / 10 for frame in range(20)]
    rows = [{"face": 0, "time_s": second, "valence": 0.5, "expression": "fear"} for second in (0.0, 0.1, 2.0)]
    for second in times:
        label = "happiness" if 0.5 <= second < 1.2 else "neutral"
        rows.append({"face": 1, "time_s": second, "valence": second / 2, "expression": label})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "p.parquet")
    trace = suggested(tmp_path / "p.parquet", TASK)
    assert trace["curves"]["valence"] == pytest.approx([*(second / 2 for second in times), 0.5], abs=1e-3)
    found = suggested(tmp_path / "p.parquet", Assigned("e", "segments", ("neutral", "happiness", "fear")))
    assert [(one["label"], one["start"], one["end"]) for one in found["segments"]] == [
        ("neutral", 0.0, 0.5),
        ("happiness", 0.5, 1.2),
        ("neutral", 1.2, 2.0),
    ]
    assert suggested(tmp_path / "p.parquet", UNITS) == {}


def test_where_predictions_are_not_known_their_curve_is_broken(tmp_path: Path) -> None:
    rows = [
        {"face": 0, "time_s": at / 25, "valence": told, "box_w": width, "box_h": 9.0}
        for at, (told, width) in enumerate([(0.1, 9.0), (float("nan"), None), (None, 9.0), (0.4, 9.0)])
    ]
    rows += [{**rows[1], "face": 1}, {**rows[3], "time_s": None}, {**rows[3], "time_s": float("nan")}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "p.parquet")
    told = suggested(tmp_path / "p.parquet", TASK)
    assert told == {"times": [0.0, 0.04, 0.08, 0.12], "curves": {"valence": [0.1, None, None, 0.4]}}


def test_predictions_are_hidden_from_about_the_share_that_was_asked() -> None:
    items = [Item(name, "valence", video) for name in ("anna", "ben") for video in VIDEOS * 1]
    chosen = [hidden(item, 1, 0.25) for item in items]
    assert chosen == [hidden(item, 1, 0.25) for item in items]
    assert 5 <= sum(chosen) <= 25
    assert not any(hidden(item, 1, 0.0) for item in items)
    assert all(hidden(item, 1, 1.0) for item in items)


def test_anchoring_tells_shown_predictions_from_hidden_ones(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "p", EXAMPLE + "[prefill]\nhidden = 0.5\n", ("talk.mp4",))
    rows = [{"face": 0, "time_s": frame / 25, "valence": 0.4 if frame != 7 else None} for frame in range(50)]
    (folder / "prefill" / "talk.mp4").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "prefill" / "talk.mp4" / "predictions.parquet")
    project = Project.open(folder)
    with project.store() as store:
        for name, shown, level in (("anna", 1, 0.5), ("ben", 0, -0.4), ("cora", 0, 0.0)):
            session = f"session-{name}"
            store.open(session, Item(name, "valence", "talk.mp4"))
            told = Event(session, 1, "prefill", value=shown)
            store.append(session, [value(0, 0.0, level, session), told])
    (found,) = anchoring(project)
    assert (found.label, found.items) == ("valence", (1, 2))
    assert (found.shown, found.hidden) == pytest.approx((0.1, 0.6))
