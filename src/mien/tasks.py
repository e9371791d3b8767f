"""The three behaviour tasks and their vocabularies: the only place that spells label names.

A `Task` states what a label means: its names in order, its range and its kind. Two databases that
name different sets of expressions have two tasks of the same behaviour, so that no index can be
mistaken for another; labels move between them by name only.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["continuous", "categorical", "binary", "intensity"]
Behaviour = Literal["valence_arousal", "expression", "action_units"]


@dataclass(frozen=True)
class Task:
    """What the numbers of one task mean.

    Attributes:
        name: unique; names the task in files.
        behaviour: which of the three behaviours it measures.
        kind: continuous in [-1, 1], categorical (probabilities that sum to 1), binary (each label
            its own probability) or intensity (each label from 0, absent, to 5, maximum: FACS's A to E).
        labels: label names, in the order of the values.
    """

    name: str
    behaviour: Behaviour
    kind: Kind
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest value of a label."""
        return {"continuous": (-1.0, 1.0), "intensity": (0.0, 5.0)}.get(self.kind, (0.0, 1.0))

    def index(self, label: str) -> int:
        """Return the position of a label.

        Raises:
            ValueError: the task has no such label.
        """
        if label not in self.labels:
            raise ValueError(f"{self.name} has no label {label!r}; it has {', '.join(self.labels)}")
        return self.labels.index(label)


_BASIC = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")

EXPRESSION_7 = Task("expression_7", "expression", "categorical", _BASIC)
"""The seven basic expressions, in Aff-Wild2's order."""

EXPRESSION_8_OTHER = Task("expression_8_other", "expression", "categorical", (*_BASIC, "other"))
"""The seven and *other*: Aff-Wild2 from the third ABAW edition on."""

EXPRESSION_8_CONTEMPT = Task("expression_8_contempt", "expression", "categorical", (*_BASIC, "contempt"))
"""The seven and *contempt*: FERPlus, AffectNet, CK+."""

VALENCE_AROUSAL = Task("valence_arousal", "valence_arousal", "continuous", ("valence", "arousal"))
"""Valence (unpleasant to pleasant) and arousal (calm to excited), each in [-1, 1]."""

ACTION_UNITS_8 = Task(
    "action_units_8",
    "action_units",
    "binary",
    ("AU01", "AU02", "AU04", "AU06", "AU12", "AU15", "AU20", "AU25"),
)
"""The eight action units of Aff-Wild2 in 2019 and 2020."""

ACTION_UNITS_12 = Task(
    "action_units_12",
    "action_units",
    "binary",
    ("AU01", "AU02", "AU04", "AU06", "AU07", "AU10", "AU12", "AU15", "AU23", "AU24", "AU25", "AU26"),
)
"""The twelve action units of Aff-Wild2 from the second ABAW edition on."""


def _units(*numbers: int) -> tuple[str, ...]:
    """Return action units' names, their number in two digits."""
    return tuple(f"AU{number:02d}" for number in numbers)


_DISFA = _units(1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
_BP4D = _units(1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
_BP4D_GRADED = _units(6, 10, 12, 14, 17)
_EMOTIONET = _units(1, 2, 4, 5, 6, 9, 10, 12, 15, 17, 18, 20, 24, 25, 26, 28, 43, 51, 52, 53, 54, 55, 56)

EXPRESSION_7_PERCEIVED = Task("expression_7_perceived", "expression", "categorical", _BASIC)
"""The seven as viewers named them, where a database also has what the actor was asked to show."""

COMPOUND_7 = Task(
    "compound_7",
    "expression",
    "categorical",
    (
        *("fearfully_surprised", "happily_surprised", "sadly_surprised", "disgustedly_surprised"),
        *("angrily_surprised", "sadly_fearful", "sadly_angry"),
    ),
)
"""The seven compound expressions of the ABAW challenges, in their order."""

COMPOUND_11 = Task(
    "compound_11",
    "expression",
    "categorical",
    (
        *("happily_surprised", "happily_disgusted", "sadly_fearful", "sadly_angry", "sadly_surprised"),
        *("sadly_disgusted", "fearfully_angry", "fearfully_surprised", "angrily_surprised"),
        *("angrily_disgusted", "disgustedly_surprised"),
    ),
)
"""The eleven compound expressions of RAF-DB, in its order."""

ACTION_UNITS_DISFA = Task("action_units_disfa", "action_units", "binary", _DISFA)
"""The twelve action units of DISFA, present from intensity 2 on."""

INTENSITIES_DISFA = Task("intensities_disfa", "action_units", "intensity", _DISFA)
"""The twelve action units of DISFA, graded."""

ACTION_UNITS_BP4D = Task("action_units_bp4d", "action_units", "binary", _BP4D)
"""The twelve action units by which BP4D and BP4D+ are scored."""

INTENSITIES_BP4D = Task("intensities_bp4d", "action_units", "intensity", _BP4D_GRADED)
"""The five action units of BP4D that are graded."""

ACTION_UNITS_EMOTIONET = Task("action_units_emotionet", "action_units", "binary", _EMOTIONET)
"""The twenty-three of EmotioNet's 2020 challenge; 51 to 56 are turns and tilts of the head."""

ACTION_UNITS_18 = Task(
    "action_units_18",
    "action_units",
    "binary",
    _units(1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 18, 20, 24, 25, 26, 43),
)
"""The eighteen that the shapes of face models tell (mien.derived), of no database that people coded."""

TASKS = {
    task.name: task
    for task in (
        EXPRESSION_7,
        EXPRESSION_8_OTHER,
        EXPRESSION_8_CONTEMPT,
        VALENCE_AROUSAL,
        ACTION_UNITS_8,
        ACTION_UNITS_12,
        EXPRESSION_7_PERCEIVED,
        COMPOUND_7,
        COMPOUND_11,
        ACTION_UNITS_DISFA,
        INTENSITIES_DISFA,
        ACTION_UNITS_BP4D,
        INTENSITIES_BP4D,
        ACTION_UNITS_EMOTIONET,
        ACTION_UNITS_18,
    )
}
"""Every task by its name."""
