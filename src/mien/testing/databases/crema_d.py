"""A made CREMA-D."""

from pathlib import Path

from mien.tasks import EXPRESSION_7, EXPRESSION_7_PERCEIVED, Task
from mien.testing.databases.made import Bad, Made, Row, write_lines
from mien.testing.media import make_sound, make_video

_CLASSES = {"anger", "disgust", "fear", "happiness", "neutral", "sadness"}

_CLIPS = (
    ("9001_IEO_ANG_HI", "anger", "A", ("anger",)),
    ("9001_IEO_ANG_LO", "anger", "A:D", ("anger", "disgust")),
    ("9001_TIE_NEU_XX", "neutral", "N", ("neutral",)),
    ("9002_DFA_HAP_XX", "happiness", "H", ("happiness",)),
    ("9002_ITH_SAD_XX", "sadness", "N:S:F", ("neutral", "sadness", "fear")),
    ("9003_WSI_FEA_XX", "fear", "S", ("sadness",)),
    ("9003_WSI_DIS_XX", "disgust", "", ()),
    ("9004_IEO_HAP_MD", "happiness", "H", ("happiness",)),
    ("9005_MTI_SAD_XX", "sadness", "N", ("neutral",)),
    ("9006_MTI_FEA_XX", "fear", "F", ("fear",)),
)
"""Clip, the emotion that was meant, the vote as it is written, and who was voted for."""


def make_crema_d(folder: Path, seed: int = 0) -> Made:  # noqa: ARG001  (nothing is random)
    """Write ten clips of six actors.

    One clip is called "..._SAD_X" as a real one, one has an .mp4 only, one a sound only, one is a link
    of git-lfs, one has no vote, one no file at all, and ties have two or three letters.
    """
    for inner in ("VideoFlash", "VideoMP4", "AudioWAV"):
        (folder / inner).mkdir(parents=True)
    for name, *_ in _CLIPS[:7]:
        spelled = name.replace("9002_ITH_SAD_XX", "9002_ITH_SAD_X")
        (folder / "VideoFlash" / f"{spelled}.flv").touch()
        make_sound(folder / "AudioWAV" / f"{spelled}.wav", seconds=0.05, rate=16_000, layout="mono")
    make_video(folder / "VideoFlash" / f"{_CLIPS[0][0]}.flv", frames=3, sound=True)
    make_video(folder / "VideoMP4" / f"{_CLIPS[7][0]}.mp4", frames=3, sound=True)
    (folder / "VideoMP4" / f"{_CLIPS[0][0]}.mp4").touch()
    make_sound(folder / "AudioWAV" / f"{_CLIPS[8][0]}.wav", seconds=0.05, rate=16_000, layout="mono")
    link = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    (folder / "VideoFlash" / f"{_CLIPS[8][0]}.flv").write_bytes(link)
    header = (
        '"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel","MultiModalVote","MultiModalLevel"'
    )
    votes = [
        f'"{k}","{name}","N","69.1","{vote}","50:60","A:H","57.38"'
        for k, (name, _, vote, _) in enumerate(_CLIPS, 1)
    ]
    people = [
        '9001,51,"Male","Caucasian","Not Hispanic"',
        '9002,21,"Female","African American","Not Hispanic"',
        '9003,38,"Female","Unknown","Hispanic"',
        '9004,30,"Male","Asian","Not Hispanic"',
        '9005,29,"Female","Caucasian","Hispanic"',
    ]
    texts = [
        write_lines(folder / "processedResults" / "summaryTable.csv", [header, *votes]),
        write_lines(folder / "VideoDemographics.csv", ['"ActorID","Age","Sex","Race","Ethnicity"', *people]),
    ]
    rows = [
        Row("", name, 0, _labels(meant, voted), subject=name[:4], picture=place < 8)
        for place, (name, meant, _, voted) in enumerate(_CLIPS)
    ]
    bads = [
        Bad(texts[0], 3, '"2","9001_IEO_ANG_LO","N","1","A:Q","1","A","1"', frozenset({rows[1].key})),
        Bad(texts[1], 4, '9003,old,"Female","Unknown","Hispanic"', frozenset()),
    ]
    lost = {
        folder / "VideoFlash/9002_DFA_HAP_XX.flv": frozenset({rows[3].key}),
        folder / "VideoMP4/9004_IEO_HAP_MD.mp4": frozenset({rows[7].key}),
    }
    return Made(folder, rows, bads, texts, lost=lost)


def _labels(meant: str, voted: tuple[str, ...]) -> dict[Task, dict[str, float]]:
    """Return a clip's truth; a tie is divided evenly."""
    perceived = {name: 1 / len(voted) for name in voted}
    assert {meant, *voted} <= _CLASSES
    return {EXPRESSION_7: {meant: 1.0}, **({EXPRESSION_7_PERCEIVED: perceived} if voted else {})}
