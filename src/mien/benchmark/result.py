"""What one evaluation found, and all that is needed to repeat it: one JSON file.

    {"format": 1, "mien": "0.1.0", "database": "disfa", "release": ..., "protocol": ..., "settings": {...},
     "networks": [...], "data": {...}, "coverage": {...}, "figures": [...], "notes": [...], ...}

A figure that is undefined or could not be measured is null, never 0 and never left out.
"""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from mien.errors import InputError
from mien.files import whole_file

FORMAT = 1


@dataclass(frozen=True)
class Figure:
    """One number.

    Attributes:
        of: "model", or the baseline: "constant" or "prior".
        metric: by its name in the field.
        label: the label, the fold ("fold 2") or the group ("gender: female") it is of; "" for the
            protocol's own figure.
        value: NaN where it is undefined.
        low: lower end of the 95 % interval; NaN where there are fewer than two subjects or videos.
        high: its upper end.
        count: rows, or clips, counted.
        units: subjects, or videos, that the interval resamples.
        thresholds: of action units: "0.5", or "validation" for those that serve the validation part best;
            "" for other labels.
        note: what a reader must know.
    """

    of: str
    metric: str
    label: str
    value: float
    low: float = math.nan
    high: float = math.nan
    count: int = 0
    units: int = 0
    thresholds: str = ""
    note: str = ""

    def __str__(self) -> str:
        what = " ".join(part for part in (self.metric, self.label) if part)
        at = f" at {self.thresholds}" if self.thresholds else ""
        if not math.isfinite(self.value):
            shown = "undefined"
        elif math.isfinite(self.low):
            shown = f"{self.value:7.4f}  [{self.low:.4f}, {self.high:.4f}]"
        else:
            shown = f"{self.value:7.4f}"
        note = f"  ({self.note})" if self.note else ""
        return f"{self.of:<9} {what + at:<44} {shown:<28} n = {self.count}{note}"


@dataclass(frozen=True)
class Result:
    """One protocol, run.

    Attributes:
        database: its name.
        release: what the prepared folder says it was read from.
        protocol: its name.
        settings: all that the protocol says: task, labels, metric, aggregation, folds, rule for frames
            without a face.
        networks: of each bundle name, hash, what it was trained on and which folds it was tested on.
        data: hash of the prepared folder's index, hash of the tested rows, how many there are in all.
        coverage: rows of the tested parts: all, with a label, with a picture, with a face found, carried
            from an earlier frame, counted.
        mien: version of the program.
        figures: the protocol's own figure first.
        confusion: classes and counts, rows are the truth; empty for other kinds of label.
        units: of each action unit hits, false alarms, misses and correct rejections.
        calibration: of ten bins of confidence the count, the mean confidence and the share that was right.
        density: counts over a grid of valence and arousal, of the truth and of the model.
        notes: what a reader must know.
    """

    database: str
    release: str
    protocol: str
    settings: dict[str, Any]
    networks: list[dict[str, Any]]
    data: dict[str, Any]
    coverage: dict[str, int]
    mien: str
    figures: list[Figure]
    confusion: dict[str, Any] = field(default_factory=dict)
    units: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    density: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def figure(self) -> Figure:
        """The protocol's own figure."""
        return self.figures[0]

    def text(self, verbose: bool = False) -> str:
        """Return it for reading: what was tested, coverage, the figures of all labels together, notes.

        Args:
            verbose: with the figures of single labels and folds.
        """
        counted = self.coverage
        names = ", ".join(dict.fromkeys(network["name"] for network in self.networks))
        seen = f"{counted['face found']} of them with a face found, {counted['carried']} as an earlier frame"
        lines = [
            f"{self.database}: {self.protocol}  ({names})",
            f"  counted {counted['counted']} of {counted['labelled']} labelled rows, {seen}",
        ]
        lines += [f"  {figure}" for figure in self.figures if verbose or not figure.label]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes), ""])

    def save(self, path: Path) -> None:
        """Write it as JSON, at once or not at all."""
        record = _plain({"format": FORMAT, **asdict(self)})
        with whole_file(path) as place:
            place.write_text(
                json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
            )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return what `save` wrote.

        Raises:
            InputError: the file is not such a record, or of another format.
        """
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            found = record.pop("format")
            if found != FORMAT:
                raise ValueError(f"format {found}, this mien reads {FORMAT}: evaluate again")
            figures = [Figure(**_numbered(figure)) for figure in record.pop("figures")]
            return cls(figures=figures, **record)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: not a result of mien evaluate ({error})") from error


def _plain(value: Any) -> Any:
    """Return plain values, in which what is no number is null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _numbered(figure: dict[str, Any]) -> dict[str, Any]:
    """Return a figure's fields, null numbers as NaN."""
    return {
        name: math.nan if value is None and name in ("value", "low", "high") else value
        for name, value in figure.items()
    }
