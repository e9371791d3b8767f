"""What a track of an ABAW challenge asks of a prepared Aff-Wild2: which frames, in which form, scored how.

edition 1 to 3        VA, EXPR, AU    a file for each video
edition 5 on          VA, EXPR, AU    one file with the frames of all videos
edition 4, 7 and 11   MTL             one file with the pictures of the multi-task list
"""

from collections import Counter
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from mien.arrays import IntArray
from mien.benchmark.tally import labelled
from mien.databases.aff_wild2 import DATABASE
from mien.databases.catalog import Protocol
from mien.databases.index import Index
from mien.errors import DatabaseError, SettingsError
from mien.interchange.abaw import BY_VIDEO, Part

Track = Literal["VA", "EXPR", "AU", "MTL"]
Split = Literal["validation", "test"]

_EACH = (1, 2, 3, 5, 6, 8, 10)
EDITIONS: dict[Track, tuple[int, ...]] = {"VA": (*_EACH, 9), "EXPR": _EACH, "AU": _EACH, "MTL": (4, 7, 11)}
"""The editions that had a track; edition 3 had a multi-task one too, whose form is not known."""

BY_VIDEO_UNTIL = 4
"""The last edition that asked for a file for each video."""

_EARLY: dict[tuple[Track, int], str] = {
    ("EXPR", 1): "EXPR of ABAW 1 and 2",
    ("EXPR", 2): "EXPR of ABAW 1 and 2",
    ("AU", 1): "AU of ABAW 1",
    ("AU", 2): "AU of ABAW 2",
}
_PROTOCOLS = {protocol.name: protocol for protocol in DATABASE.protocols}


@dataclass(frozen=True)
class Challenge:
    """One track of one edition, and the part of Aff-Wild2 that is answered.

    Attributes:
        edition: of the ABAW challenges, from 1.
        track: what is asked.
        split: the part.

    Raises:
        SettingsError: the edition had no such track.
    """

    edition: int
    track: Track
    split: Split = "validation"

    def __post_init__(self) -> None:
        editions = sorted(EDITIONS[self.track])
        if self.edition not in editions:
            known = ", ".join(map(str, editions))
            raise SettingsError(
                f"edition {self.edition} of ABAW: no form of {self.track} is known; choose one of {known}"
            )

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """The protocols of Aff-Wild2 whose figures are added to make the score."""
        if self.track == "MTL":
            return tuple(_PROTOCOLS[name] for name in DATABASE.sums["MTL"])
        return (_PROTOCOLS[_EARLY.get((self.track, self.edition), self.track)],)

    @property
    def parts(self) -> tuple[Part, ...]:
        """What the columns of its files answer."""
        return tuple(BY_VIDEO[protocol.task][0] for protocol in self.protocols)

    @property
    def by_video(self) -> bool:
        """Whether each video has a file of its own."""
        return self.edition <= BY_VIDEO_UNTIL and self.track != "MTL"

    @property
    def header(self) -> str:
        """The first line of its files."""
        if self.track == "MTL":
            return "image,valence,arousal,expression,aus"
        columns = BY_VIDEO[self.parts[0].task][1]
        return columns if self.by_video else f"image_location,{columns}"

    def __str__(self) -> str:
        return f"{self.track} of ABAW {self.edition}, {self.split} part"


def frame_of(name: str) -> tuple[str, int]:
    """Return the video, with the face, and the frame from 0 of a name such as "video1_left/00001.jpg".

    Where there is no such number the frame is -1.
    """
    video, _, picture = name.rpartition("/")
    number = picture.partition(".")[0]
    return video, int(number) - 1 if number.isascii() and number.isdigit() else -1


@dataclass(frozen=True)
class Asked:
    """What a challenge asks of a prepared database.

    Attributes:
        split: (m,) all rows of the part.
        rows: (n,) those of the faces that are answered: that have a label, or all where none has.
        names: (n,) what the files call each, "video_left/00001.jpg".
        wanted: what the files call every frame that is answered, in order.
        frames: name of each video, with the face -> its number of frames.
    """

    split: IntArray
    rows: IntArray
    names: list[str]
    wanted: list[str]
    frames: dict[str, int]

    @classmethod
    def of(cls, challenge: Challenge, index: Index, every_face: bool = False) -> Self:
        """Return what a challenge asks of a database: all faces with a label of it, to their last rows.

        Args:
            challenge: the track.
            index: of the database.
            every_face: with the faces that have no label of it.

        Raises:
            DatabaseError: the part has no rows, or two of one frame.
        """
        split = np.flatnonzero(index.split.matches(challenge.split))
        if not len(split):
            raise DatabaseError(
                f"{index.database}: the {challenge.split} part has no rows; Aff-Wild2's test part "
                "came without labels, prepare a table of its frames (split 'test') for it"
            )
        part = index[split]
        pairs = np.stack([part.video.codes, part.face.codes], axis=1)
        faces, own = np.unique(pairs, axis=0, return_inverse=True)
        own = own.reshape(-1)
        known = np.zeros(len(split), bool)
        for protocol in challenge.protocols:
            known |= labelled(protocol, part)[1].any(axis=1)
        chosen = np.isin(own, own[known]) if known.any() and not every_face else known | True
        stems = [
            "_".join(filter(None, (str(part.video.vocabulary[video]), str(part.face.vocabulary[face]))))
            for video, face in faces
        ]
        names = [
            f"{stems[face]}/{frame + 1:05d}.jpg"
            for face, frame in zip(own[chosen].tolist(), part.frame[chosen].tolist(), strict=True)
        ]
        if len(set(names)) < len(names):
            twice = Counter(names).most_common(1)[0][0]
            raise DatabaseError(
                f"{index.database}: {twice} stands for several rows of the {challenge.split} part"
            )
        frames = {
            stems[face]: int(part.frame[own == face].max()) + 1
            for face in dict.fromkeys(own[chosen].tolist())
        }
        wanted = [
            f"{stem}/{number:05d}.jpg" for stem, count in frames.items() for number in range(1, count + 1)
        ]
        return cls(split, split[chosen], names, names if challenge.track == "MTL" else wanted, frames)
