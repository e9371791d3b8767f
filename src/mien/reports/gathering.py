"""The Summary of a medium, put together while its frames pass by; its size has a bound."""

from collections.abc import Mapping

from mien.analysis import FrameResult, Summary, Thumbnail
from mien.arrays import Image
from mien.inputs import Preprocessing
from mien.media.frames import MediaInfo
from mien.reports.overlay import thumbnail

THUMBNAILS = 64
"""Most thumbnails kept of a video; when there are more, every second one goes."""

PICTURES = 400
"""Most pictures of a folder that are shown in its report."""

PORTRAITS = 400
"""Most faces of which a portrait is kept."""

_PORTRAIT = Preprocessing(size=96, zoom=0.9, centre=0.53, colour="rgb")


class Gatherer:
    """Takes in FrameResults and gives the Summary.

    Args:
        info: of the medium.
        card: the bundle's card.
        detector: its name.
    """

    def __init__(self, info: MediaInfo, card: Mapping[str, object], detector: str) -> None:
        self._info = info
        self._card = card
        self._detector = detector
        self._frames = self._with_face = 0
        self._first = self._last = float("nan")
        self._cuts: list[float] = []
        self._thumbnails: list[Thumbnail] = []
        self._step = 1
        self._portraits: dict[int, tuple[float, bytes]] = {}
        self._problems: list[str] = []

    def take_frame(self, result: FrameResult) -> None:
        """Take in a frame of a video or camera."""
        if self._frames % self._step == 0:
            self._thumbnails.append(_thumbnail("", result, result.frame.image))
            if len(self._thumbnails) > THUMBNAILS:
                self._thumbnails = self._thumbnails[::2]
                self._step *= 2
        if self._frames == 0:
            self._first = result.frame.seconds
        self._last = result.frame.seconds
        if result.cut and self._frames:
            self._cuts.append(result.frame.seconds)
        self._count(result)
        self._take_portraits(result)

    def take_picture(self, title: str, result: FrameResult, drawn: Image) -> None:
        """Take in a still, with the picture that is to be shown of it."""
        if len(self._thumbnails) < PICTURES:
            self._thumbnails.append(_thumbnail(title, result, drawn, width=320))
        self._count(result)

    def take_problem(self, line: str) -> None:
        """Take in one line on what could not be read."""
        self._problems.append(line)

    def summary(self) -> Summary:
        """Return what was gathered."""
        return Summary(
            info=self._info,
            frames=self._frames,
            frames_with_face=self._with_face,
            first_seconds=self._first,
            last_seconds=self._last,
            cuts=tuple(self._cuts),
            thumbnails=tuple(self._thumbnails),
            portraits={face: jpeg for face, (_, jpeg) in self._portraits.items()},
            card=self._card,
            detector=self._detector,
            problems=tuple(self._problems),
        )

    def _count(self, result: FrameResult) -> None:
        self._frames += 1
        self._with_face += len(result.ids) > 0

    def _take_portraits(self, result: FrameResult) -> None:
        """Keep a face's crop when it is clearly larger and surer than the one kept before."""
        for face, box, points, score in zip(
            result.ids.tolist(), result.faces.boxes, result.faces.landmarks, result.faces.scores, strict=True
        ):
            quality = float(score) * min(float(box[3]), 200.0)
            kept = self._portraits.get(face)
            if (kept is None and len(self._portraits) < PORTRAITS) or (kept and quality > 1.2 * kept[0]):
                self._portraits[face] = (
                    quality,
                    thumbnail(_PORTRAIT.crop(result.frame.image, points), _PORTRAIT.size),
                )


def _thumbnail(title: str, result: FrameResult, image: Image, width: int = 160) -> Thumbnail:
    """Return a picture scaled to a width, with its place in time."""
    return Thumbnail(title, result.frame.number, result.frame.seconds, thumbnail(image, width))
