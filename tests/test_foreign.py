"""Files of other annotation tools: what they say arrives, and what is broken is named with its place."""

import contextlib
import json
import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.annotation.foreign import READERS, collect, tool_of, write
from mien.annotation.foreign.source import Collected, Settings
from mien.annotation.records import Segment, read_annotations
from mien.errors import InputError, MienError, OutputError, SettingsError
from mien.testing.media import make_video

CARMA = """"media_open","2026/02/03 09:30:00:456"
"Multimedia File","C:\\Clips\\talk.mp4"
"Lower Label","bad"
"Upper Label","good"
"Minimum Value",-100
"Maximum Value",100
"Number of Steps",9
"Second","Rating"
"%%%%%%","%%%%%%"
0.5,0
1,50
1.5,
2,-100
"""
DARMA = """"Time of Rating","2026-02-03 09:30:00",,
"Multimedia File","talk.mp4",61.2,
"Magnitude",1000,,
"Second","Affiliation","Dominance","Button"
"%%%%%%","%%%%%%","%%%%%%","%%%%%%"
0.5,500,-1000,0
1,,NaN,1
1.5,0,250,1
"""
PAGAN = """OriginalName,DatabaseName,Participant,SessionID,Timestamp,VideoTime,Value
talk.mp4,proj7_2,p11,s01,1767600000000,100,0
talk.mp4,proj7_2,p11,s01,1767600000500,600,5
walk.mp4,proj7_3,p11,s02,1767600100000,0,10
talk.mp4,proj7_2,p12,s03,1767600200000,0,2
talk.mp4,proj7_2,p12,s03,1767600201000,1000,4
talk.mp4,proj7_2,p12,s03,1767600202000,2000,6
talk.mp4,proj7_2,p12,s03,1767600203000,500,8
"""
NOVA = """<?xml version="1.0" ?>
<annotation ssi-v="3">
    <info ftype="ASCII" size="3" />
    <meta annotator="cleo" role="person1"/>
    <scheme name="Valence" type="CONTINUOUS" sr="25" min="0" max="4" mincolor="#FF0000" maxcolor="#0000FF" />
</annotation>
"""
NOVA_DATA = "1.0;1.0\n4;0.5\nnan;0.0\n"
CLASSES = """<annotation ssi-v="3">
    <info ftype="ASCII" size="3" />
    <meta annotator="cleo" role="person1"/>
    <scheme name="looks" type="DISCRETE"><item name="happiness" id="0" color="#1"/>
    <item name="Sad" id="1" color="#2"/></scheme>
</annotation>
"""
CLASSES_DATA = "0.5;1.25;0;1.0\n2;3;1;0.5;note=x\n4;5;-1;1.0\n"
FREE = CLASSES.replace("DISCRETE", "FREE").replace('size="3"', 'size="1"')


def named(start: float, end: float, name: str, confidence: float) -> bytes:
    """A row of a free scheme in NOVA's binary form."""
    units = len(name.encode("utf-16-le")) // 2
    return struct.pack("<ddI", start, end, units) + name.encode() + struct.pack("<f", confidence)


STUDIO = [
    {
        "data": {"video": "/data/upload/3/0123abcd-talk.mp4"},
        "predictions": [{"result": []}],
        "annotations": [
            {
                "completed_by": {"id": 9, "email": "somebody@example.org"},
                "result": [
                    {
                        "type": "timelinelabels",
                        "value": {
                            "ranges": [{"start": 1, "end": 5}, {"start": 8, "end": 8}],
                            "timelinelabels": ["happiness", "AU 12"],
                        },
                    },
                    {"type": "choices", "value": {"choices": ["calm"]}},
                ],
            },
            {"completed_by": 10, "was_cancelled": True, "result": []},
        ],
    }
]
CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><task><name>one</name><source>talk.mp4</source></task></meta>
<track id="0" label="person" source="manual">
<box frame="0" keyframe="1" outside="0" occluded="0" xtl="10.5" ytl="20" xbr="50.5" ybr="70" z_order="0"/>
<box frame="1" keyframe="0" outside="0" occluded="0" xtl="11" ytl="20" xbr="51" ybr="70" z_order="0"/>
<box frame="2" keyframe="1" outside="1" occluded="0" xtl="11" ytl="20" xbr="51" ybr="70" z_order="0"/>
</track>
<track id="1" label="face"><box frame="1" keyframe="1" outside="0" xtl="80" ytl="20" xbr="90" ybr="30">
<attribute name="face">right</attribute></box></track>
<track id="2" label="car"><box frame="1" outside="0" xtl="80" ytl="20" xbr="90" ybr="30"/></track>
</annotations>
"""
ELAN = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT FORMAT="3.0" VERSION="3.0">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
<MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/clips/talk.mp4" MIME_TYPE="video/mp4" TIME_ORIGIN="1000"/>
<MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/clips/talk.wav" MIME_TYPE="audio/x-wav"/></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="250"/>
<TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="500"/><TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="2000"/>
<TIME_SLOT TIME_SLOT_ID="ts5"/></TIME_ORDER>
<TIER TIER_ID="looks" ANNOTATOR="dora" PARTICIPANT="face 0" LINGUISTIC_TYPE_REF="l">
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts3">
<ANNOTATION_VALUE>happiness</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4">
<ANNOTATION_VALUE>AU12 C</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER TIER_ID="looks apex" ANNOTATOR="dora" PARENT_REF="looks" LINGUISTIC_TYPE_REF="l">
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
<ANNOTATION_VALUE></ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER TIER_ID="AU4" ANNOTATOR="dora" LINGUISTIC_TYPE_REF="l">
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a4" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts4">
<ANNOTATION_VALUE>?</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER TIER_ID="AU4 intensity" ANNOTATOR="dora" PARENT_REF="AU4" LINGUISTIC_TYPE_REF="l">
<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a5" ANNOTATION_REF="a4">
<ANNOTATION_VALUE>E</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION></TIER>
<TIER TIER_ID="words" ANNOTATOR="dora" PARENT_REF="looks" LINGUISTIC_TYPE_REF="l">
<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a6" ANNOTATION_REF="a1">
<ANNOTATION_VALUE>hello</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION></TIER>
</ANNOTATION_DOCUMENT>
"""

RATED = Settings(annotator="anna", label="valence")
TWO_AXES = Settings(annotator="anna", rename={"Affiliation": "valence", "dominance": "arousal"})
COUNTED = Settings(label="arousal", low=0, high=10)
NAMED = Settings(video="talk.mp4", rename={"sad": "sadness"})
FRAMES = Settings(rate=25)
FACES = Settings(rename={"person": "face", "car": ""})

SAMPLES: dict[str, tuple[str, dict[str, str], Settings]] = {
    "carma": ("talk.csv", {"talk.csv": CARMA}, RATED),
    "darma": ("talk.csv", {"talk.csv": DARMA}, TWO_AXES),
    "pagan": ("log.csv", {"log.csv": PAGAN}, COUNTED),
    "nova": ("v.annotation", {"v.annotation": NOVA, "v.annotation~": NOVA_DATA}, NAMED),
    "nova classes": ("c.annotation", {"c.annotation": CLASSES, "c.annotation~": CLASSES_DATA}, NAMED),
    "label_studio": ("export.json", {"export.json": json.dumps(STUDIO)}, FRAMES),
    "cvat": ("tracks.xml", {"tracks.xml": CVAT}, FACES),
    "elan": ("talk.eaf", {"talk.eaf": ELAN}, Settings()),
}
each_tool = pytest.mark.parametrize("tool", SAMPLES)


def laid(folder: Path, tool: str) -> tuple[Path, Settings]:
    """Return a tool's sample, written, and what it does not say itself."""
    name, files, said = SAMPLES[tool]
    for inside, text in files.items():
        (folder / inside).write_text(text, encoding="utf-8")
    return folder / name, said


def found(folder: Path, tool: str) -> Collected:
    path, said = laid(folder, tool)
    return collect([path], said)


@each_tool
def test_content_tells_the_tool(tool: str, tmp_path: Path) -> None:
    path, _ = laid(tmp_path, tool)
    assert tool_of(path) == tool.split()[0]
    assert set(READERS) >= {tool.split()[0]}


@each_tool
def test_what_is_collected_is_read_back(tool: str, tmp_path: Path) -> None:
    path, said = laid(tmp_path, tool)
    collected = collect([path], said)
    write(tmp_path / "annotations", collected, [path], said)
    again = read_annotations(tmp_path / "annotations")
    assert again.segments == collected.annotations.segments
    assert [(t.video, t.annotator, t.label, t.marks) for t in again.traces] == [
        (t.video, t.annotator, t.label, t.marks) for t in collected.annotations.traces
    ]
    for one, other in zip(again.traces, collected.annotations.traces, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
    record = json.loads((tmp_path / "annotations/collected.json").read_bytes())
    assert record["files"][0]["name"] == str(path)
    assert (tmp_path / "annotations/tracks.parquet").exists() == (tool == "cvat")


def test_carma_is_scaled_from_its_range(tmp_path: Path) -> None:
    (trace,) = found(tmp_path, "carma").annotations.traces
    assert (trace.video, trace.annotator, trace.label) == ("talk.mp4", "anna", "valence")
    np.testing.assert_array_equal(trace.seconds, [0.5, 1, 1.5, 2])
    np.testing.assert_array_equal(trace.values, [0, 0.5, np.nan, -1])


def test_a_mean_of_carma_is_told(tmp_path: Path) -> None:
    path, said = laid(tmp_path, "carma")
    path.write_text(CARMA.replace("media_open", "Time of Rating"))
    assert "a mean" in collect([path], said).notes[0]


def test_darma_gives_both_axes_and_its_button(tmp_path: Path) -> None:
    valence, arousal = found(tmp_path, "darma").annotations.traces
    assert (valence.label, arousal.label) == ("valence", "arousal")
    np.testing.assert_array_equal(valence.values, [0.5, np.nan, 0])
    np.testing.assert_array_equal(arousal.values, [-1, np.nan, 0.25])
    assert valence.marks == {"button": 2}


def test_an_axis_renamed_to_nothing_is_left_out(tmp_path: Path) -> None:
    path, _ = laid(tmp_path, "darma")
    collected = collect([path], Settings(annotator="a", rename={"affiliation": "valence", "dominance": ""}))
    assert [trace.label for trace in collected.annotations.traces] == ["valence"]


def test_pagan_overwrites_what_was_gone_back_over(tmp_path: Path) -> None:
    first, second, third = found(tmp_path, "pagan").annotations.traces
    assert [(t.video, t.annotator) for t in (first, second, third)] == [
        ("talk.mp4", "p11"),
        ("walk.mp4", "p11"),
        ("talk.mp4", "p12"),
    ]
    np.testing.assert_allclose(first.seconds, [0.1, 0.6])
    np.testing.assert_allclose(first.values, [-1, 0])
    np.testing.assert_allclose(third.seconds, [0, 0.5])
    np.testing.assert_allclose(third.values, [-0.6, 0.6])
    assert third.marks == {"seek": 1}


def test_pagan_in_seconds_is_recognised(tmp_path: Path) -> None:
    text = re.sub(r",(\d+),(\d+)$", lambda m: f",{int(m[1]) / 1000},{m[2]}", PAGAN, flags=re.MULTILINE)
    (tmp_path / "log.csv").write_text(text)
    np.testing.assert_allclose(
        collect([tmp_path / "log.csv"], COUNTED).annotations.traces[0].seconds, [0.1, 0.6]
    )


def test_nova_gives_a_trace_on_its_own_rate(tmp_path: Path) -> None:
    (trace,) = found(tmp_path, "nova").annotations.traces
    assert (trace.annotator, trace.label) == ("cleo", "valence")
    np.testing.assert_allclose(trace.seconds, [0, 0.04, 0.08])
    np.testing.assert_array_equal(trace.values, [-0.5, 1, np.nan])


def test_garbage_of_nova_cannot_be_scored(tmp_path: Path) -> None:
    told = found(tmp_path, "nova classes").annotations.segments
    assert [(s.label, s.start, s.end, s.scorable) for s in told] == [
        ("happiness", 0.5, 1.25, True),
        ("sadness", 2, 3, True),
        ("happiness", 4, 5, False),
        ("sadness", 4, 5, False),
    ]


def test_free_labels_of_nova_are_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "f.annotation").write_text(FREE)
    (tmp_path / "f.annotation~").write_text("1;2;Fear;1.0;color=#1\n")
    both = [tmp_path / "f.annotation", tmp_path / "f.annotation~"]
    assert collect(both, NAMED).annotations.segments == (Segment("talk.mp4", "cleo", "fear", 1, 2),)
    with pytest.raises(InputError, match=r"give its header f\.annotation instead"):
        collect(both[1:], NAMED)


NOVA_BINARY: Mapping[str, tuple[str, bytes]] = {
    "trace": (NOVA, struct.pack("<6f", 1, 1, 4, 0.5, float("nan"), 0)),
    "classes": (
        CLASSES,
        struct.pack("<ddIf", 0.5, 1.25, 0, 1)
        + struct.pack("<ddIf", 2, 3, 1, 0.5)
        + struct.pack("<ddIf", 4, 5, 2**32 - 1, 1),
    ),
    "free": (
        FREE.replace('"1"', '"2"', 1),
        named(1, 2, "Freude \U0001f600 groß", 0.5) + named(3, 4, "Fear", 1),
    ),
}


def test_a_score_of_nova_may_be_past_its_range_by_what_float32_rounds(tmp_path: Path) -> None:
    header = NOVA.replace('min="0" max="4"', 'min="-0.3" max="0.3"').replace('size="3"', 'size="2"')
    (tmp_path / "x.annotation").write_text(header.replace("ASCII", "BINARY"))
    (tmp_path / "x.annotation~").write_bytes(struct.pack("<4f", 0.3, 1, -0.3, 1))
    (trace,) = collect([tmp_path / "x.annotation"], NAMED).annotations.traces
    assert trace.values.tolist() == [1, -1]
    (tmp_path / "x.annotation~").write_bytes(struct.pack("<4f", 0.3001, 1, -0.3, 1))
    with pytest.raises(InputError, match=r"row 1: the score is '0\.3000"):
        collect([tmp_path / "x.annotation"], NAMED)
    (tmp_path / "x.annotation").write_text(header)
    (tmp_path / "x.annotation~").write_text("0.30000001;1\n0;1\n")
    with pytest.raises(InputError, match="line 1: the score"):
        collect([tmp_path / "x.annotation"], NAMED)


@pytest.mark.parametrize("kind", NOVA_BINARY)
def test_binary_data_of_nova_says_what_text_says(tmp_path: Path, kind: str) -> None:
    header, data = NOVA_BINARY[kind]
    text = {
        "trace": NOVA_DATA,
        "classes": CLASSES_DATA,
        "free": "1;2;Freude \U0001f600 groß;0.5\n3;4;Fear;1\n",
    }
    said = Settings(video="talk.mp4", rename={"sad": "sadness", "Freude \U0001f600 groß": "happiness"})
    found = {}
    for form, stored in (("ASCII", text[kind].encode()), ("BINARY", data)):
        (tmp_path / form).mkdir()
        (tmp_path / form / "x.annotation").write_text(header.replace("ASCII", form))
        (tmp_path / form / "x.annotation~").write_bytes(stored)
        found[form] = collect([tmp_path / form / "x.annotation"], said).annotations
    assert found["BINARY"].segments == found["ASCII"].segments
    traces = [found[form].traces for form in ("ASCII", "BINARY")]
    assert bool(traces[0]) == (kind == "trace")
    for one, other in zip(*traces, strict=True):
        np.testing.assert_array_equal(one.seconds, other.seconds)
        np.testing.assert_array_equal(one.values, other.values)
    with open(tmp_path / "BINARY" / "x.annotation~", "ab") as file:
        file.write(b"\xff")
    with pytest.raises(InputError, match=r"x\.annotation~, row \d: cut short"):
        collect([tmp_path / "BINARY" / "x.annotation"], said)


def test_label_studio_counts_frames_from_one(tmp_path: Path) -> None:
    collected = found(tmp_path, "label_studio")
    spans = [(0.0, 0.2), (0.28, 0.32)]
    assert collected.annotations.segments == tuple(
        Segment("talk.mp4", "9", label, *span) for span in spans for label in ("happiness", "AU12")
    )
    assert [note.split(": ")[1] for note in collected.notes] == [
        "1 cancelled annotations left out",
        "1 predictions of networks left out",
        "1 results with choices left out",
    ]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/data/local-files/?d=clips/one.mp4", "one.mp4"),
        ("http://localhost:8080/data/local-files/?d=clips%2Fmy%20talk.mp4", "my talk.mp4"),
        ("s3://bucket/my%20talk.mp4", "my talk.mp4"),
        ("https://example.org/clips/what%3F.mp4?token=a", "what?.mp4"),
        ("/data/upload/3/0123abcd-my%20talk.mp4", "my talk.mp4"),
    ],
)
@pytest.mark.parametrize("key", ["video", "clip"])
def test_addresses_of_label_studio_are_read_as_files(tmp_path: Path, url: str, name: str, key: str) -> None:
    (tmp_path / "export.json").write_text(json.dumps([{**STUDIO[0], "data": {key: url, "text": "look"}}]))
    assert collect([tmp_path / "export.json"], FRAMES).annotations.videos == (name,)


def test_local_storage_that_tells_no_file_is_no_video(tmp_path: Path) -> None:
    told = [{**STUDIO[0], "data": {"video": "/data/local-files/"}}]
    (tmp_path / "export.json").write_text(json.dumps(told))
    with pytest.raises(InputError, match="does not say of which video"):
        collect([tmp_path / "export.json"], FRAMES)


def test_an_address_of_elan_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "talk.eaf").write_text(ELAN.replace("clips/talk.mp4", "clips/my%20talk.mp4"))
    assert collect([tmp_path / "talk.eaf"], Settings()).annotations.videos == ("my talk.mp4",)


def test_frames_take_their_times_from_the_video_itself(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    times = [0, 0.1, 0.15, 0.4, 0.5, 0.9, 1.0, 1.25]
    make_video(tmp_path / "videos/talk.mp4", times=times)
    path, _ = laid(tmp_path, "label_studio")
    told = collect([path], Settings(videos=tmp_path / "videos")).annotations.segments
    assert (told[0].start, told[0].end) == (0, pytest.approx(0.9))
    assert told[2].start == pytest.approx(1.25)
    path.write_text(json.dumps(STUDIO).replace('"end": 8', '"end": 9'))
    with pytest.raises(InputError, match=r"task 1, annotation 1, result 1: frame 10, but the video has 8"):
        collect([path], Settings(videos=tmp_path / "videos"))


def test_cvat_gives_boxes_of_faces(tmp_path: Path) -> None:
    path, said = laid(tmp_path, "cvat")
    write(tmp_path / "annotations", collect([path], said), [path], said)
    rows = pq.read_table(tmp_path / "annotations/tracks.parquet").to_pylist()
    assert [(row["face"], row["frame"], row["keyframe"]) for row in rows] == [
        ("0", 0, True),
        ("0", 1, False),
        ("right", 1, True),
    ]
    assert [rows[0][f"box_{side}"] for side in "xywh"] == [10.5, 20, 40, 50]


def test_the_only_track_of_a_video_is_its_only_face(tmp_path: Path) -> None:
    path, _ = laid(tmp_path, "cvat")
    collected = collect([path], Settings(rename={"person": "face", "face": "", "car": ""}))
    assert {box.face for box in collected.boxes} == {""}


def test_elan_gives_segments_with_apex_and_grade(tmp_path: Path) -> None:
    collected = found(tmp_path, "elan")
    assert collected.annotations.segments == (
        Segment("talk.mp4", "dora", "happiness", 1.0, 1.5, apex=1.25, face="0"),
        Segment("talk.mp4", "dora", "AU12", 1.5, 3.0, intensity=3, face="0"),
        Segment("talk.mp4", "dora", "AU04", 1.0, 3.0, intensity=5, scorable=False),
    )
    assert collected.notes == ("talk.eaf: tier 'words' depends on another; left out",)


def test_names_of_tiers_can_tell_annotator_face_and_label(tmp_path: Path) -> None:
    text = re.sub(r'TIER_ID="AU4"(.*?)>', r'TIER_ID="emil:left:AU4"\1>', ELAN, count=1)
    text = re.sub(r'<TIER TIER_ID="looks.*?</TIER>', "", text, flags=re.DOTALL)
    text = re.sub(r'<TIER TIER_ID="(words|AU4 i).*?</TIER>', "", text, flags=re.DOTALL)
    (tmp_path / "talk.eaf").write_text(text)
    told = collect([tmp_path / "talk.eaf"], Settings(tier="{annotator}:{face}:{label}"))
    assert told.annotations.segments == (
        Segment("talk.mp4", "emil", "AU04", 1.0, 3.0, scorable=False, face="left"),
    )


def test_events_written_for_elan_come_back(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from mien.courses import elan

    row = {
        "video": "talk.mp4",
        "face": 0,
        "behaviour": "action_units",
        "label": "AU12",
        "onset_s": 1.0,
        "start_s": 1.1,
        "offset_s": 2.0,
        "duration_s": 0.8,
        "frames": 20,
        "apex_s": 1.5,
        "apex": 0.93,
    }
    elan.write(pa.Table.from_pylist([row]), tmp_path / "talk.eaf", tmp_path / "talk.mp4")
    told = collect([tmp_path / "talk.eaf"], Settings())
    assert told.annotations.segments == (Segment("talk.mp4", "mien", "AU12", 1.0, 2.0, apex=1.5, face="0"),)


def test_a_pattern_of_the_path_tells_annotator_and_label(tmp_path: Path) -> None:
    paths = []
    for who in ("anna", "bert"):
        for label in ("valence", "arousal"):
            (tmp_path / who).mkdir(exist_ok=True)
            paths.append(tmp_path / who / f"talk_{label}.csv")
            paths[-1].write_text(CARMA)
    told = collect(paths, Settings(pattern="{annotator}/talk_{label}")).annotations
    assert [(t.annotator, t.label) for t in told.traces] == [
        ("anna", "valence"),
        ("anna", "arousal"),
        ("bert", "valence"),
        ("bert", "arousal"),
    ]
    with pytest.raises(InputError, match="does not end like"):
        collect(paths, Settings(pattern="{annotator}/walk_{label}"))
    with pytest.raises(InputError, match="second trace of valence over talk"):
        collect(paths, RATED)


def test_a_path_that_a_pattern_divides_in_several_ways_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "my_talk_anna.csv").write_text(CARMA)
    pattern = "{video}_{annotator}"
    with pytest.raises(
        InputError, match="video 'my' and annotator 'talk_anna', or video 'my_talk' and annotator 'anna'"
    ):
        collect([tmp_path / "my_talk_anna.csv"], Settings(label="valence", pattern=pattern))
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/my_talk.mp4").touch()
    said = Settings(label="valence", pattern=pattern, videos=tmp_path / "videos")
    (trace,) = collect([tmp_path / "my_talk_anna.csv"], said).annotations.traces
    assert (trace.video, trace.annotator) == ("my_talk.mp4", "anna")
    (tmp_path / "videos/my.mp4").touch()
    with pytest.raises(InputError, match="in several ways"):
        collect([tmp_path / "my_talk_anna.csv"], said)


@pytest.mark.parametrize("label", ["valence", "Up_Down"])
def test_of_several_divisions_the_one_whose_label_is_known_is_meant(tmp_path: Path, label: str) -> None:
    (tmp_path / f"my_talk_{label}.csv").write_text(CARMA)
    said = Settings(annotator="anna", pattern="{video}_{label}", rename={"up_down": "valence"})
    (trace,) = collect([tmp_path / f"my_talk_{label}.csv"], said).annotations.traces
    assert (trace.video, trace.label) == ("my_talk", "valence")


def test_names_without_a_suffix_are_completed_from_the_videos(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for name in ("talk.mkv", "talk.txt", "walk.mp4"):
        (tmp_path / "videos" / name).touch()
    path, _ = laid(tmp_path, "nova")

    def video(name: str) -> str:
        return collect([path], Settings(video=name, videos=tmp_path / "videos")).annotations.videos[0]

    assert video("walk") == "walk.mp4"
    assert video("talk.mkv") == "talk.mkv"
    with pytest.raises(InputError, match=r"2 videos \(talk\.mkv, talk\.txt\) called talk"):
        video("talk")
    with pytest.raises(InputError, match="no video called run"):
        video("run")


def nova(header: str = NOVA, data: str = NOVA_DATA) -> dict[str, str]:
    return {"v.annotation": header, "v.annotation~": data}


STUDIO_TEXT = json.dumps(STUDIO)
BROKEN: Sequence[tuple[str, dict[str, str], str]] = [
    ("carma", {"talk.csv": CARMA.replace("%%%%%%", "######", 1)}, "no row of %%%%%%|of none of"),
    ("carma", {"talk.csv": CARMA.replace("1,50", "1,150")}, r"line 11: Rating is '150', .* -100 to 100"),
    ("carma", {"talk.csv": CARMA.replace("1,50", "1,x")}, r"line 11: Rating is 'x'"),
    ("carma", {"talk.csv": CARMA.replace("1,50", "1,5_0")}, r"line 11: Rating is '5_0'"),
    ("carma", {"talk.csv": CARMA.replace("1,50", "0.5,50")}, r"line 11: second 0.5 after 0.5"),
    ("carma", {"talk.csv": CARMA.replace("1,50", "1,50,7")}, r"line 11: 3 cells, expected 2"),
    ("carma", {"talk.csv": CARMA.replace("1,50", "inf,50")}, r"line 11: Second is 'inf'"),
    ("carma", {"talk.csv": CARMA.replace('"Maximum Value",100\n', "")}, "no 'Maximum Value' in its head"),
    ("carma", {"talk.csv": CARMA.replace('Value",100', 'Value",-100')}, "values go from -100 to -100"),
    ("carma", {"talk.csv": CARMA.replace('Value",100', 'Value",')}, "no 'Maximum Value'"),
    ("carma", {"talk.csv": CARMA.replace('"Multimedia File"', '"File"')}, "no 'Multimedia File'"),
    ("carma", {"talk.csv": CARMA.replace('"Second"', '"Time"')}, "expected one from 'Second' on"),
    ("carma", {"talk.csv": CARMA[: CARMA.index("0.5,0")]}, "no rating in it"),
    ("carma", {"talk.csv": CARMA + '3,"4'}, r"line 14"),
    ("carma", {"talk.csv": CARMA + "3,\0"}, r"line 14: a zero byte"),
    ("darma", {"talk.csv": DARMA.replace("Affiliation", "Warmth")}, r"line 4: the label is 'Warmth', which"),
    ("darma", {"talk.csv": DARMA.replace('"Magnitude",1000', '"Magnitude",0')}, "Magnitude is 0"),
    ("darma", {"talk.csv": DARMA.replace("500,", "5000,")}, r"line 6: Affiliation is '5000'"),
    ("darma", {"talk.csv": DARMA.replace("Affiliation", "Dominance")}, "two axes are both arousal"),
    ("pagan", {"log.csv": PAGAN.replace("s01,1767600000500,600,5", "s01,1,2,3,4")}, r"line 3: 8 cells"),
    ("pagan", {"log.csv": PAGAN.replace("600,5", "600,11")}, r"line 3: Value is '11'"),
    ("pagan", {"log.csv": PAGAN.replace("600,5", "-1,5")}, r"line 3: VideoTime is '-1'"),
    ("pagan", {"log.csv": PAGAN.replace("p11,s01,1767600000500", "p11,s09,1767600000500")}, "p11 has 2 sess"),
    ("pagan", {"log.csv": PAGAN.replace("DatabaseName", "Name")}, r"line 1: "),
    ("pagan", {"log.csv": PAGAN.splitlines()[0]}, "no rating in it"),
    ("pagan", {"log.csv": PAGAN.replace("1000,4", "9000000,4")[:-1] + "0"}, "line 8|VideoTime runs"),
    ("nova", nova(data="1;1\n9;1\nnan;0\n"), r"v\.annotation~, line 2: the score is '9'"),
    ("nova", nova(data="1;1\n2,5;1\nnan;0\n"), r"line 2: the score is '2,5'"),
    ("nova", nova(data="1;1\n2\nnan;0\n"), r"line 2: 1 cells"),
    ("nova", nova(data="1;1\n"), r"1 rows, but v\.annotation says 3"),
    ("nova", {"v.annotation": NOVA}, r"v\.annotation~: No such file"),
    ("nova", nova(NOVA.replace("ASCII", "LATER")), r"line 3: the data is LATER, expected ASCII or BINARY"),
    ("nova", nova(NOVA.replace("ASCII", "BINARY"), "1;1"), r"row 1: cut short"),
    ("nova", nova(NOVA.replace("CONTINUOUS", "POINT")), r"line 5: scheme POINT"),
    ("nova", nova(NOVA.replace('sr="25"', "")), r"line 5: <scheme> without 'sr'"),
    ("nova", nova(NOVA.replace('max="4"', 'max="0"')), r"line 5: from 0 to 0"),
    ("nova", nova(NOVA.replace('"Valence"', '"Warmth"')), "the label is 'Warmth'"),
    ("nova", nova(NOVA.replace("<info", "<infos")), "0 <info> in it"),
    ("nova", nova(NOVA.replace("</annotation>", "")), "no whole XML"),
    ("nova", nova(NOVA.replace('annotator="cleo"', "")), "does not say who annotated"),
    ("nova", nova(CLASSES, "0;1;5;1\n" * 3), r"line 1: id '5', but the scheme has \[0, 1\]"),
    ("nova", nova(CLASSES, "2;1;0;1\n" * 3), r"line 1: it ends at 1 s, before it starts at 2 s"),
    ("nova", nova(CLASSES, "0;1;0\n" * 3), r"line 1: 3 cells"),
    ("nova", nova(CLASSES.replace('id="1"', 'id="0"'), CLASSES_DATA), r"line 5: a second item with id 0"),
    ("label_studio", {"export.json": STUDIO_TEXT[:-5]}, r"line 1: no JSON"),
    ("label_studio", {"export.json": "[" * 100_000}, "nested too deep"),
    ("label_studio", {"export.json": '[{"data": {}}]'}, "task 1: no 'annotations'"),
    ("label_studio", {"export.json": "[7]"}, "task 1 is 7, expected an object"),
    (
        "label_studio",
        {"export.json": STUDIO_TEXT.replace('"start": 8', '"start": 9')},
        "ends with frame 8, before",
    ),
    (
        "label_studio",
        {"export.json": STUDIO_TEXT.replace('"start": 8', '"start": 0')},
        "start is 0, expected",
    ),
    ("label_studio", {"export.json": STUDIO_TEXT.replace('"start": 8', '"start": NaN')}, "start is nan|NaN"),
    ("label_studio", {"export.json": STUDIO_TEXT.replace('"AU 12"', "12")}, "label is 12, expected a text"),
    (
        "label_studio",
        {"export.json": STUDIO_TEXT.replace("happiness", "glee")},
        "result 1: the label is 'glee'",
    ),
    ("label_studio", {"export.json": STUDIO_TEXT.replace('"id": 9', '"id": "x"')}, "who annotated"),
    (
        "label_studio",
        {"export.json": STUDIO_TEXT.replace('"video"', '"clip"').replace(".mp4", "")},
        "which video",
    ),
    ("cvat", {"tracks.xml": CVAT.replace('label="person"', 'label="dog"')}, r"line 4: a track of 'dog'"),
    ("cvat", {"tracks.xml": CVAT.replace('xbr="50.5"', 'xbr="5"')}, r"line 5: a box from 10.5, 20 to 5, 70"),
    ("cvat", {"tracks.xml": CVAT.replace(' frame="1"', ' frame="0"')}, r"line 6: a second box of face '0'"),
    ("cvat", {"tracks.xml": CVAT.replace(' frame="1"', ' frame="x"')}, r"line 6: frame is 'x'"),
    ("cvat", {"tracks.xml": CVAT.replace('outside="0"', 'outside="maybe"')}, r"line 5: outside is 'maybe'"),
    ("cvat", {"tracks.xml": CVAT.replace('z_order="0"', 'rotation="9"')}, r"line 5: a rotated box"),
    ("cvat", {"tracks.xml": CVAT.replace('ytl="20"', "")}, r"line 5: <box> without 'ytl'"),
    ("cvat", {"tracks.xml": CVAT.replace("<source>talk.mp4</source>", "")}, "does not say of which video"),
    ("cvat", {"tracks.xml": CVAT.replace("</task>", "<source>b.mp4</source></task>")}, "of 2 videos"),
    ("elan", {"talk.eaf": ELAN.replace("happiness", "glee")}, r"line 10: the label is 'glee'"),
    (
        "elan",
        {"talk.eaf": ELAN.replace("<ANNOTATION_VALUE>?", "<ANNOTATION_VALUE>odd")},
        "'odd' in the tier of",
    ),
    ("elan", {"talk.eaf": ELAN.replace('REF2="ts3"', 'REF2="ts5"')}, r"line 10: time ts5 has no value"),
    ("elan", {"talk.eaf": ELAN.replace('VALUE="250"', 'VALUE="soon"')}, r"line 6: TIME_VALUE is 'soon'"),
    ("elan", {"talk.eaf": ELAN.replace('ANNOTATOR="dora"', "")}, "does not say who annotated"),
    (
        "elan",
        {"talk.eaf": ELAN.replace('PARENT_REF="looks"', 'PARENT_REF="lips"')},
        "tier 'lips', which is not",
    ),
    ("elan", {"talk.eaf": ELAN.replace("milliseconds", "NTSC-frames")}, "times in NTSC-frames"),
    ("elan", {"talk.eaf": ELAN.replace("happiness", "")}, r"line 10: an annotation without a text"),
]


@pytest.mark.parametrize(("tool", "files", "message"), BROKEN)
def test_what_is_broken_is_named_with_its_place(
    tool: str, files: dict[str, str], message: str, tmp_path: Path
) -> None:
    name, _, said = SAMPLES[tool]
    for inside, text in files.items():
        (tmp_path / inside).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        collect([tmp_path / name], said)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("tool", "said", "message"),
    [
        ("carma", Settings(label="valence"), "does not say who annotated"),
        ("carma", Settings(annotator="anna"), r"does not say what was rated \(from 'bad' to 'good'\)"),
        ("pagan", Settings(label="valence"), "does not state the range"),
        ("nova", Settings(), "does not say of which video"),
        ("label_studio", Settings(), "counts frames"),
        ("darma", Settings(annotator="anna"), "--rename 'Affiliation=LABEL'"),
    ],
)
def test_what_a_file_does_not_say_must_be_said(
    tool: str, said: Settings, message: str, tmp_path: Path
) -> None:
    path, _ = laid(tmp_path, tool)
    with pytest.raises(InputError, match=message):
        collect([path], said)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"label": "warmth"}, "'warmth' is no label"),
        ({"rename": {"a": "warmth"}}, "'warmth' is no label"),
        ({"low": 1.0}, "its lowest and its highest"),
        ({"low": 1.0, "high": 1.0}, "the range from"),
        ({"low": float("nan"), "high": 1.0}, "the range from"),
        ({"rate": 0.0}, "0.0 frames per second"),
        ({"pattern": "{who}"}, r"pattern '\{who\}': \{who\}"),
        ({"tier": "{face}{face}"}, "once at most"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings(**wrong)


def test_a_document_type_is_refused_before_any_entity(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE lol [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    theft = f'<!DOCTYPE lol [<!ENTITY a SYSTEM "{tmp_path}/secret">]>'
    (tmp_path / "secret").write_text("hush")
    for doctype in (bomb, theft):
        text = ELAN.replace("<ANNOTATION_DOCUMENT", f"{doctype}<ANNOTATION_DOCUMENT", 1)
        (tmp_path / "talk.eaf").write_text(text.replace("happiness", "&b;"))
        with pytest.raises(InputError, match=r"line 2: a document type <!DOCTYPE lol>"):
            collect([tmp_path / "talk.eaf"], Settings())


def test_elements_without_end_are_refused(tmp_path: Path) -> None:
    (tmp_path / "deep.xml").write_text("<annotations>" * 5000)
    with pytest.raises(InputError, match="more than 100 elements within each other"):
        collect([tmp_path / "deep.xml"], FACES)


def test_other_files_are_of_no_tool(tmp_path: Path) -> None:
    for name, content in (("a.csv", "a,b\n1,2\n"), ("a.xml", "<html/>"), ("a.txt", ""), ("a.json", "7")):
        (tmp_path / name).write_text(content)
        with pytest.raises(InputError, match=name):
            collect([tmp_path / name], RATED)
    (tmp_path / "b.csv").write_bytes(CARMA.encode() + b"\xff,1\n")
    with pytest.raises(InputError, match=r"line 14: no text in utf-8"):
        collect([tmp_path / "b.csv"], RATED)
    with pytest.raises(InputError, match="No such file"):
        collect([tmp_path / "c.csv"], RATED)
    with pytest.raises(SettingsError, match="no tool 'feeltrace'"):
        collect([tmp_path / "a.csv"], RATED, "feeltrace")


def test_texts_in_another_encoding_are_read_when_it_is_said(tmp_path: Path) -> None:
    path, _ = laid(tmp_path, "carma")
    path.write_bytes(CARMA.replace("talk.mp4", "gespräch.mp4").encode("cp1252"))
    said = Settings(annotator="anna", label="valence", encoding="cp1252")
    assert collect([path], said).annotations.videos == ("gespräch.mp4",)
    with pytest.raises(SettingsError, match="no encoding"):
        collect([path], Settings(encoding="klingon"), "carma")


def test_an_earlier_collection_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    path, said = laid(tmp_path, "carma")
    collected = collect([path], said)
    write(tmp_path / "annotations", collected, [path], said)
    with pytest.raises(OutputError, match="exists already"):
        write(tmp_path / "annotations", collected, [path], said)
    write(tmp_path / "annotations", collected, [path], said, overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").touch()
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="exists already"):
            write(tmp_path / "mine", collected, [path], said, overwrite)


def test_what_lies_beside_an_earlier_collection_is_never_removed(tmp_path: Path) -> None:
    path, said = laid(tmp_path, "cvat")
    collected = collect([path], said)
    write(tmp_path / "annotations", collected, [path], said)
    write(tmp_path / "annotations/repeats", collected, [path], said)
    with pytest.raises(OutputError, match="did not write repeats"):
        write(tmp_path / "annotations", collected, [path], said, overwrite=True)
    assert (tmp_path / "annotations/repeats/tracks.parquet").is_file()


@settings(max_examples=150, deadline=None)
@given(data=st.data(), tool=st.sampled_from(sorted(SAMPLES)))
def test_no_damage_ends_in_anything_but_a_clear_message(
    data: st.DataObject, tool: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    path, said = laid(folder, tool)
    victim = folder / data.draw(st.sampled_from(sorted(SAMPLES[tool][1])))
    content = bytearray(victim.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        length = data.draw(st.integers(0, 30))
        content[place : place + length] = data.draw(st.binary(max_size=6))
        if not content:
            break
    victim.write_bytes(bytes(content))
    with contextlib.suppress(MienError):
        write(folder / "annotations", collect([path], said), [path], said)
