"""The three behaviour tasks and their vocabularies: the only place that spells label names.

A `Task` states what a label means: its names in order, its range and its kind. Two databases that
name different sets of expressions have two tasks of the same behaviour, so that no index can be
mistaken for another; labels move between them by name only.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["continuous", "categorical", "binary"]
Behaviour = Literal["valence_arousal", "expression", "action_units"]


@dataclass(frozen=True)
class Task:
    """What the numbers of one task mean.

    Attributes:
        name: unique; names the task in files.
        behaviour: which of the three behaviours it measures.
        kind: continuous in [-1, 1], categorical (probabilities that sum to 1) or binary (each
            label its own probability).
        labels: label names, in the order of the values.
    """

    name: str
    behaviour: Behaviour
    kind: Kind
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

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

TASKS = {
    task.name: task
    for task in (
        EXPRESSION_7,
        EXPRESSION_8_OTHER,
        EXPRESSION_8_CONTEMPT,
        VALENCE_AROUSAL,
        ACTION_UNITS_8,
        ACTION_UNITS_12,
    )
}
