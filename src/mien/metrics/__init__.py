"""All metrics of the field, in plain numpy: each has one definition, its source, and one home.

Three kinds of labels, and for each a class of *statistics* from which its metrics follow:

    continuous     Moments    ccc, pcc, mse, rmse, mae, sagr, icc of truth and prediction
    categorical    Confusion  accuracy, macro_f1, weighted_f1, uar, recalls
    action units   Outcomes   binary_f1, f1_norm, accuracy of each unit and of all cells

Statistics are counted per group (video, subject) in one pass over the rows, chunk by chunk, added, and
summed with weights, so that a bootstrap over groups never looks at a row again. The functions of the same
names are for two plain arrays and use the same formulas. `icc` and `auc` are not reducible and need all
values. Undefined is NaN; `mean_defined` also says of how many values a mean is.
"""

from mien.metrics.agreement import icc
from mien.metrics.categorical import (
    Confusion,
    accuracy,
    confusion,
    macro_f1,
    recalls,
    uar,
    weighted_f1,
)
from mien.metrics.challenges import (
    abaw_action_units_2020,
    abaw_expression_2020,
    abaw_mean,
    abaw_multi_task,
    emotionet,
)
from mien.metrics.confidence import calibration_error, confidence_bins
from mien.metrics.continuous import Moments, ccc, mae, mse, pcc, rmse, sagr
from mien.metrics.score import Score
from mien.metrics.statistics import mean_defined
from mien.metrics.units import Outcomes, auc, binary_f1, f1_norm

__all__ = [
    "Confusion",
    "Moments",
    "Outcomes",
    "Score",
    "abaw_action_units_2020",
    "abaw_expression_2020",
    "abaw_mean",
    "abaw_multi_task",
    "accuracy",
    "auc",
    "binary_f1",
    "calibration_error",
    "ccc",
    "confidence_bins",
    "confusion",
    "emotionet",
    "f1_norm",
    "icc",
    "macro_f1",
    "mae",
    "mean_defined",
    "mse",
    "pcc",
    "recalls",
    "rmse",
    "sagr",
    "uar",
    "weighted_f1",
]
