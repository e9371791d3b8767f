"""The single scores by which challenges rank, from parts that were computed before.

ABAW (Kollias et al. 2020 to 2026), by edition and track:

    1, 2             valence and arousal    abaw_mean of the two CCCs
    1, 2             expressions            abaw_expression_2020, macro F1 and accuracy over 7 classes
    1, 2             action units           abaw_action_units_2020; 8 units in edition 1, 12 in edition 2
    3, 5, 6, 8 to 10 valence and arousal    abaw_mean of the two CCCs
    3, 5, 6, 8, 10   expressions            macro F1 over 8 classes
    3, 5, 6, 8, 10   action units           abaw_mean of the F1 of 12 units
    3, 4, 7, 11      multi-task             abaw_multi_task of the three before
    4                synthetic faces        macro F1 over 6 classes
    5; 6, 8, 10      reactions; mimicry     abaw_mean of 7; of 6 PCCs
    6 to 9           compound expressions   macro F1 over 7 classes
    8; 10, 11        ambivalence            weighted F1 over 2 classes, frames; macro F1, videos
    9, 10            violence               macro F1 over 2 classes

CCC is counted once over the frames of all videos together. In F1 what neither truth nor prediction has
counts as 0. All parts are floats, or arrays (samples,) of a bootstrap. An undefined part makes the score NaN.
"""

import numpy as np

from mien.arrays import FloatArray

Values = float | FloatArray


def abaw_mean(parts: FloatArray) -> FloatArray:
    """Return the mean of all labels' CCC, PCC or F1, (...), NaN where one is.

    Args:
        parts: (..., labels).
    """
    return np.asarray(np.mean(parts, axis=-1))


def abaw_expression_2020(macro_f1: Values, accuracy: Values) -> Values:
    """Return the score of expressions in editions 1 and 2, 0.67 macro F1 + 0.33 accuracy, in [0, 1]."""
    return 0.67 * macro_f1 + 0.33 * accuracy


def abaw_action_units_2020(mean_f1: Values, total_accuracy: Values) -> Values:
    """Return the score of action units in editions 1 and 2, in [0, 1].

    Args:
        mean_f1: mean over action units of their F1.
        total_accuracy: share of right cells of all action units at once.
    """
    return 0.5 * mean_f1 + 0.5 * total_accuracy


def abaw_multi_task(mean_ccc: Values, macro_f1: Values, mean_f1: Values) -> Values:
    """Return the multi-task score of editions 3, 4, 7 and 11, the sum of its parts, at most 3.

    Args:
        mean_ccc: of valence and arousal.
        macro_f1: of the eight expressions.
        mean_f1: of the twelve action units.
    """
    return mean_ccc + macro_f1 + mean_f1


def emotionet(mean_accuracy: Values, mean_f1: Values) -> Values:
    """Return the one figure that papers quote of EmotioNet's challenges, in [0, 1].

    The organisers (Benitez-Quiroz et al. 2017 to 2020) rank on accuracy and F1; this is their mean.

    Args:
        mean_accuracy: mean over action units of each one's accuracy over its known pictures.
        mean_f1: mean over action units of their F1.
    """
    return 0.5 * mean_accuracy + 0.5 * mean_f1
