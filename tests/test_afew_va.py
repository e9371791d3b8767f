"""AFEW-VA: what the trial of all databases does not hold it to."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.databases import afew_va
from mien.databases.findings import Findings
from mien.databases.layout import numbered
from mien.errors import DatabaseError
from mien.tasks import VALENCE_AROUSAL
from mien.testing.databases.afew_va import make_afew_va


def write_clip(folder: Path, content: Any, clip: str = "001") -> Path:
    """Write a clip's labels."""
    path = folder / clip / f"{clip}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def clip(frames: dict[str, Any], actor: Any = "A. First") -> dict[str, Any]:
    """Return a clip's labels."""
    return {"video_id": "001", "actor": actor, "frames": frames}


FRAME = {"landmarks": [], "valence": 5.0, "arousal": -2}


def test_labels_are_divided_by_ten(tmp_path: Path) -> None:
    frames = {"00000": {"valence": -10.0, "arousal": 10}, "00001": {"valence": 3.0, "arousal": -1.0}}
    write_clip(tmp_path, clip(frames))
    values = afew_va.read(tmp_path, Findings()).labels.values[VALENCE_AROUSAL]
    np.testing.assert_allclose(values, [[-1, 1], [0.3, -0.1]], atol=1e-7)


def test_folders_may_be_flat_or_in_archives(tmp_path: Path) -> None:
    made = make_afew_va(tmp_path / "made")
    flat = tmp_path / "flat"
    for archive in sorted(made.folder.iterdir()):
        for inner in archive.iterdir():
            shutil.copytree(inner, flat / inner.name)
    videos = [afew_va.read(folder, Findings()).video.text() for folder in (made.folder, flat)]
    assert videos[0] == videos[1]


def test_frame_zero_is_picture_zero(tmp_path: Path) -> None:
    made = make_afew_va(tmp_path)
    index = afew_va.read(made.folder, Findings())
    found = numbered(made.folder / index.media.at(0), Findings())
    assert found[int(index.frame[0]) + index.numbering].name == "00000.png"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "3",
        '{"frames": []}',
        '{"frames": {"00000": 1',
        "[" * 100_000,
        '{"frames": null}',
    ],
)
def test_a_damaged_file_is_named_and_skipped_only_when_asked(tmp_path: Path, content: str) -> None:
    made = make_afew_va(tmp_path)
    path = made.folder / "01/002/002.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DatabaseError, match=r"01/002/002\.json: "):
        afew_va.read(made.folder, Findings())
    findings = Findings(skip=True)
    index = afew_va.read(made.folder, findings)
    assert findings.malformed.count == 1
    assert set(index.video.counts()) == {"001", "051", "333", "599", "600"}


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("00001", {"valence": 11, "arousal": 0}),
        ("00001", {"valence": True, "arousal": 0}),
        ("00001", {"valence": "3", "arousal": 0}),
        ("00001", {"valence": float("nan"), "arousal": 0}),
        ("00001", {"valence": 10**40, "arousal": 0}),
        ("00001", {"valence": 0}),
        ("00001", 4),
        ("0", FRAME),
        ("١", FRAME),
        ("-1", FRAME),
        ("9" * 30, FRAME),
    ],
)
def test_a_damaged_frame_is_left_out_alone(tmp_path: Path, name: str, frame: Any) -> None:
    write_clip(tmp_path, clip({"00000": FRAME, name: frame, "00002": FRAME}))
    with pytest.raises(DatabaseError, match=r"001\.json: frame "):
        afew_va.read(tmp_path, Findings())
    findings = Findings(skip=True)
    assert afew_va.read(tmp_path, findings).frame.tolist() == [0, 2]
    assert findings.malformed.count == 1


@pytest.mark.parametrize("actor", [None, "", " ", 7, "\ud800"])
def test_a_clip_without_an_actor_is_refused(tmp_path: Path, actor: Any) -> None:
    write_clip(tmp_path, clip({"00000": FRAME}, actor))
    with pytest.raises(DatabaseError, match='"actor" is'):
        afew_va.read(tmp_path, Findings())
    assert afew_va.read(tmp_path, Findings(skip=True)).subject.at(0) == ""


def test_a_clip_in_two_folders_is_refused(tmp_path: Path) -> None:
    write_clip(tmp_path / "01", clip({"00000": FRAME}))
    write_clip(tmp_path / "02", clip({"00000": FRAME}))
    with pytest.raises(DatabaseError, match="a second folder of clip 001"):
        afew_va.read(tmp_path, Findings())


def test_what_has_no_counterpart_is_told(tmp_path: Path) -> None:
    made = make_afew_va(tmp_path)
    (made.folder / "12/599/599.json").unlink()
    path = made.folder / "01/001/001.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"video_id": "001"', '"video_id": "2"'))
    findings = Findings()
    afew_va.read(made.folder, findings)
    assert {kind: tally.examples for kind, tally in findings.unmatched.items()} == {
        "clip whose video_id is another": ["001/001.json"],
        "clip without labels": ["12/599"],
        "label without a picture": ["05/333, picture 3"],
        "picture without a label": ["12/600/00004.png"],
    }


def test_made_folds_never_share_an_actor(tmp_path: Path) -> None:
    made = make_afew_va(tmp_path)
    index = afew_va.read(made.folder, Findings())
    (protocol,) = afew_va.DATABASE.protocols
    tests = []
    for train, validation, test in protocol.parts(index):
        assert len(validation) == 0
        assert not set(index[train].subject.counts()) & set(index[test].subject.counts())
        tests += test.tolist()
    assert sorted(tests) == list(range(len(index)))
