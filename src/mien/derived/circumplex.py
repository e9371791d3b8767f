"""Valence and arousal derived from expressions: their mean place on the circumplex.

Places are means of people's ratings of emotion words (Russell and Mehrabian 1977, pleasure and arousal of
"happy", "angry", "disgusted", "fearful", "sad", "surprised", as others reproduce that table). Contempt is not
in it: its place is ours, unpleasant and mildly aroused. Neutral is the origin. Nobody looked at a face and
rated it: what is derived repeats what the expressions say, on two other axes.
"""

from collections.abc import Mapping

import numpy as np

from mien.arrays import FloatArray
from mien.tasks import Task

PLACES: Mapping[str, tuple[float, float]] = {
    "neutral": (0.0, 0.0),
    "anger": (-0.51, 0.59),
    "disgust": (-0.60, 0.35),
    "fear": (-0.64, 0.60),
    "happiness": (0.81, 0.51),
    "sadness": (-0.63, -0.27),
    "surprise": (0.40, 0.67),
    "contempt": (-0.55, 0.20),
}
"""Expression -> valence and arousal, each in -1 to 1."""


def places(task: Task) -> FloatArray:
    """Return the places (classes, 2) of a task's expressions, valence first.

    Raises:
        KeyError: an expression has no place, such as "other".
    """
    return np.array([PLACES[label] for label in task.labels], np.float32)


def on_circumplex(task: Task, shares: FloatArray) -> FloatArray:
    """Return the mean valence and arousal (n, 2) of distributions over expressions; NaN rows stay NaN.

    Args:
        task: a categorical task whose expressions all have a place.
        shares: (n, classes), each row adds up to 1.
    """
    return np.asarray(shares @ places(task), np.float32)


def spread(task: Task, shares: FloatArray) -> FloatArray:
    """Return the standard deviation (n, 2) of valence and arousal under distributions over expressions.

    0 where all weight is on one expression; arguments as in `on_circumplex`.
    """
    mean = on_circumplex(task, shares)
    squares = shares @ places(task) ** 2
    return np.asarray(np.sqrt(np.maximum(squares - mean**2, 0)), np.float32)
