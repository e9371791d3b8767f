"""Parts that share nobody and are alike: for any list of people, and better than chance."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.annotation.gold import Gold, read_gold
from mien.annotation.partition import Wanted, cells, joined, partition, quartered, table, write_split
from mien.annotation.people import PARTS, Person, read_people, read_split
from mien.databases.names import Names
from mien.errors import InputError, OutputError, SettingsError

CLASSES = ("neutral", "happiness", "sadness", "fear")
UNITS = ("AU01", "AU04", "AU12")


def gold_of(videos: Sequence[str], seed: int = 0, frames: int = 20) -> Gold:
    """Return gold in which each video has its own leaning."""
    rng = np.random.default_rng(seed)
    shares = np.repeat(rng.dirichlet(np.full(len(CLASSES), 0.3), len(videos)), frames, axis=0)
    values = {
        name: np.repeat(rng.uniform(-1, 1, len(videos)), frames)
        + rng.uniform(-0.05, 0.05, len(videos) * frames)
        for name in ("valence", "arousal")
    }
    values = {name: np.clip(column, -1, 1) for name, column in values.items()}
    values |= dict(zip(CLASSES, shares.T, strict=True))
    values |= {unit: np.repeat(rng.random(len(videos)) < 0.3, frames).astype(float) for unit in UNITS}
    return Gold(
        folder=Path("gold"),
        video=Names.of(video for video in videos for _ in range(frames)),
        face=Names.repeat("", frames * len(videos)),
        frame=np.tile(np.arange(frames), len(videos)),
        seconds=np.tile(np.arange(frames) / 25, len(videos)),
        values=values,
    )


def crowd(count: int, seed: int = 0) -> tuple[list[str], list[Person]]:
    """Return videos and their people: one to four videos each, of two genders and any age."""
    rng = np.random.default_rng(seed)
    people: list[Person] = []
    for number in range(count):
        said = {"gender": str(rng.choice(["f", "m"])), "age": str(rng.integers(18, 80))}
        takes = range(rng.integers(1, 5))
        people += [Person(f"{number:03d}_{take}.mp4", "", f"s{number}", said) for take in takes]
    return [person.video for person in people], people


pairs = st.lists(
    st.tuples(st.integers(0, 14), st.integers(0, 20)), min_size=12, max_size=60, unique=True
).filter(lambda told: len({video for video, _ in told}) >= 3)


@settings(max_examples=80, deadline=None)
@given(told=pairs, seed=st.integers(0, 5))
def test_nobody_is_in_two_parts_whoever_shares_a_video(told: list[tuple[int, int]], seed: int) -> None:
    people = [Person(f"{video}.mp4", "", f"s{subject}" if subject else "") for video, subject in told]
    videos = sorted({person.video for person in people})
    groups = joined(videos, people)
    assert sorted(video for group in groups for video in group) == videos
    homes = {video: place for place, group in enumerate(groups) for video in group}
    for one in people:
        for other in people:
            if one.subject and one.subject == other.subject:
                assert homes[one.video] == homes[other.video]
    shares = ((0.7, 0.15, 0.15), (0.5, 0.5, 0.0), (1.0, 0.0, 0.0))[min(2, 3 - min(3, len(groups)))]
    split = partition(gold_of(videos, frames=3), people, Wanted(shares, seed=seed, tries=200))
    seen: dict[str, set[str]] = {}
    for person in people:
        if person.subject:
            seen.setdefault(person.subject, set()).add(split.part[person.video])
    assert all(len(parts) == 1 for parts in seen.values())
    assert set(split.part) == set(videos)
    assert set(split.part.values()) == set(split.wanted.parts)


def test_groups_are_as_small_as_sharing_allows() -> None:
    people = [
        Person(v, "", s) for v, s in (("a", "1"), ("b", "1"), ("b", "2"), ("c", "2"), ("d", "3"), ("e", ""))
    ]
    assert joined(["a", "b", "c", "d", "e", "f"], people) == [["a", "b", "c"], ["d"], ["e"], ["f"]]


def test_the_seed_alone_decides() -> None:
    videos, people = crowd(40)
    gold = gold_of(videos)
    rng = np.random.default_rng(1)
    order = rng.permutation(len(gold))
    mixed = Gold(
        folder=gold.folder,
        video=gold.video[order],
        face=gold.face[order],
        frame=gold.frame[order],
        seconds=gold.seconds[order],
        values={name: column[order] for name, column in gold.values.items()},
    )
    first = partition(gold, people, Wanted(tries=2000))
    again = partition(mixed, [people[place] for place in rng.permutation(len(people))], Wanted(tries=2000))
    assert first.part == again.part
    assert first.part != partition(gold, people, Wanted(seed=1, tries=2000)).part


def test_a_split_is_far_nearer_to_what_was_wanted_than_chance() -> None:
    videos, people = crowd(60)
    split = partition(gold_of(videos), people, Wanted(tries=10_000))
    assert split.deviation() < 0.5 * split.deviation(random=True)
    for attribute in ("length", "valence_arousal", "expression", "action_units", "gender", "age"):
        assert split.deviation(attribute) < 0.7 * split.deviation(attribute, random=True)
    assert split.deviation("length") < 0.05


def test_swaps_help_beyond_the_greedy_start() -> None:
    videos, people = crowd(60)
    gold = gold_of(videos)
    assert (
        partition(gold, people, Wanted()).deviation() < partition(gold, people, Wanted(tries=0)).deviation()
    )


def test_columns_that_too_few_have_are_told_and_not_counted() -> None:
    videos, people = crowd(12)
    rare = [Person(p.video, "", p.subject, {"hat": "yes" if p.subject == "s3" else "no"}) for p in people]
    split = partition(gold_of(videos), rare, Wanted())
    told = {one.name: one for one in split.balances if one.attribute == "hat"}
    assert not told["yes"].counted
    assert told["yes"].units == 1
    assert told["no"].counted
    assert "yes (too few)" in table(split)


def test_attributes_of_faces_are_counted_by_their_own_frames() -> None:
    gold = gold_of(["a.mp4", "b.mp4", "c.mp4"], frames=4)
    face = Names.of(["left", "right", "right", "right"] * 3)
    gold = Gold(gold.folder, gold.video, face, gold.frame, gold.seconds, gold.values)
    people = [
        Person(f"{video}.mp4", side, f"{video}{side}", {"gender": gender})
        for video in "abc"
        for side, gender in (("left", "f"), ("right", "m"))
    ]
    split = partition(gold, people, Wanted())
    frames = {one.name: one.frames for one in split.balances if one.attribute == "gender"}
    assert frames == {"f": 3, "m": 9}
    shared = [Person(p.video, "", p.subject, p.attributes) for p in people]
    split = partition(gold, shared, Wanted())
    assert {one.name: one.frames for one in split.balances if one.attribute == "gender"} == {"f": 6, "m": 6}


def test_numbers_of_many_kinds_are_cut_into_quarters() -> None:
    ages = [str(age) for age in range(20, 60)]
    assert len(set(quartered(ages))) == 4
    assert quartered(["20", "", *ages])[1] == ""
    assert quartered(["a", *ages]) == ["a", *ages]
    assert quartered(["1", "2"]) == ["1", "2"]


def test_values_at_the_ends_have_cells() -> None:
    np.testing.assert_array_equal(
        cells(np.array([-1, -0.61, -0.59, 0, 0.999, 1, np.nan])), [0, 0, 1, 2, 4, 4, -1]
    )


def test_people_that_are_not_known_are_told() -> None:
    videos = [f"{letter}.mp4" for letter in "abcdef"]
    split = partition(gold_of(videos), [], Wanted())
    assert len(split.units) == 6
    assert "6 videos a subject is not known" in split.notes[0]
    people = [Person(video, "", f"s{video}") for video in [*videos, "z.mp4"]]
    assert partition(gold_of(videos), people, Wanted()).notes == (
        "1 videos of the attributes have no gold (z.mp4)",
    )
    with pytest.raises(InputError, match=r"1 videos of the gold are not among the attributes' \(f\.mp4\)"):
        partition(gold_of(videos), people[:5], Wanted())


def test_fewer_people_than_parts_are_refused() -> None:
    people = [Person("a.mp4", "", "1"), Person("b.mp4", "", "1"), Person("c.mp4", "", "2")]
    with pytest.raises(SettingsError, match="2 groups of videos that share nobody, but 3 parts"):
        partition(gold_of(["a.mp4", "b.mp4", "c.mp4"]), people, Wanted())
    split = partition(gold_of(["a.mp4", "b.mp4", "c.mp4"]), people, Wanted((0.5, 0.0, 0.5)))
    assert sorted(set(split.part.values())) == ["test", "train"]


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.5), (1.2, -0.2, 0.0), (float("nan"), 0.5, 0.5)])
def test_shares_that_are_none_are_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(SettingsError, match="expected three"):
        Wanted(shares)


def test_a_split_is_read_back_and_guards_its_list(tmp_path: Path) -> None:
    videos, people = crowd(10)
    split = partition(gold_of(videos), people, Wanted(tries=100))
    path = tmp_path / "split.csv"
    digest = write_split(path, split)
    parts, again, record = read_split(path)
    assert parts == dict(split.part)
    assert again == split.people
    assert record["sha256"] == digest
    assert record["deviation"]["here"] == split.deviation()
    with pytest.raises(OutputError, match="exists already"):
        write_split(path, split)
    assert write_split(path, split, overwrite=True) == digest
    with pytest.raises(OutputError, match=r"say \.csv"):
        write_split(tmp_path / "split.json", split, overwrite=True)
    text = path.read_text()
    moved = next(line for line in text.splitlines() if ",train," in line)
    path.write_text(text.replace(moved, moved.replace(",train,", ",test,")))
    with pytest.raises(InputError, match=r"is in two parts|not the list whose hash"):
        read_split(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,subject\na,1\n", "line 1: 'name,subject'"),
        ("video,video\na,1\n", "line 1"),
        ("video,subject\na.mp4\n", "line 2: 1 cells, expected 2"),
        ("video,subject\n,1\n", "line 2: no video"),
        ("video,subject\na,1\n\na,1\n", "line 4: the same video, face and subject again"),
        ('video,subject\na,"1\n', "line 2"),
        ("video,subject,split\na,1,train\nb,1,test\n", "subject 1 is in two parts"),
        ("video,subject,split\na,1,train\na,2,test\n", "a is in two parts"),
        ("video,subject,split\na,1,dev\n", "part 'dev'"),
        ("video,subject\na,1\n", "part ''"),
    ],
)
def test_lists_that_are_broken_are_refused_with_their_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_split(tmp_path / "list.csv")


def test_lists_that_are_no_text_or_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(b"video\n\xff\n")
    with pytest.raises(InputError, match="no text in UTF-8"):
        read_people(tmp_path / "list.csv")
    with pytest.raises(InputError, match="No such file"):
        read_people(tmp_path / "none.csv")
    (tmp_path / "list.csv").write_text("video,split\na,train\n")
    (tmp_path / "list.json").write_text(json.dumps([1]))
    with pytest.raises(InputError, match="not what `mien split` writes"):
        read_split(tmp_path / "list.csv")
    assert PARTS == ("train", "validation", "test")


GOOD = {
    "video": ["a.mp4", "a.mp4"],
    "frame": [0, 1],
    "time_s": [0.0, 0.04],
    "valence": [0.5, None],
    "expression_fear": [0.25, None],
    "expression_neutral": [0.75, None],
    "AU12": [0.5, 1.0],
    "AU12_known": [False, True],
    "expression_votes": [4, 0],
}


def test_gold_is_read_with_what_is_unknown(tmp_path: Path) -> None:
    pq.write_table(pa.table({**GOOD, "face": pa.array([0, None])}), tmp_path / "gold.parquet")
    gold = read_gold(tmp_path)
    assert gold.face.text() == ["", "0"]
    np.testing.assert_array_equal(gold.frame, [1, 0])
    np.testing.assert_array_equal(gold.values["valence"], [np.nan, 0.5])
    np.testing.assert_array_equal(gold.present("AU12"), [1, np.nan])
    assert gold.expressions == ("neutral", "fear")
    np.testing.assert_array_equal(gold.winners(), [-1, 0])
    np.testing.assert_array_equal(gold.others["expression_votes"], [0, 4])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"valence": [2.0, 0.0]}, "row 1: valence is 2, expected -1 to 1"),
        ({"AU12": [0.0, 1.5]}, "row 2: AU12 is 1.5, expected 0 to 1"),
        ({"expression_fear": [0.5, None]}, "row 1: the sum of the expressions' shares is 1.25"),
        ({"expression_fear": [0.25, 1.0]}, "row 2: the sum"),
        ({"frame": [0, 0]}, "row 2: frame 0 of a.mp4 comes again"),
        ({"frame": [0, -1]}, "row 2: frame is -1"),
        ({"frame": [0, None]}, "row 2: frame is nan"),
        ({"time_s": [0.0, None]}, "row 2: time_s is nan"),
        ({"valence": ["x", "y"]}, "column valence holds no numbers"),
    ],
)
def test_gold_that_is_broken_is_refused_with_its_row(
    columns: dict[str, list[object]], message: str, tmp_path: Path
) -> None:
    pq.write_table(pa.table({**GOOD, **columns}), tmp_path / "gold.parquet")
    with pytest.raises(InputError, match=message):
        read_gold(tmp_path)


def test_folders_without_gold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read as gold"):
        read_gold(tmp_path)
    pq.write_table(pa.table({"video": ["a"]}), tmp_path / "gold.parquet")
    with pytest.raises(InputError, match="no column frame, time_s"):
        read_gold(tmp_path)
    pq.write_table(pa.table(GOOD), tmp_path / "gold.parquet")
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(InputError, match=r"settings\.json: not the settings"):
        read_gold(tmp_path)
