"""BP4D+ (Zhang et al. 2016): 140 people in ten tasks; action units coded in four of them, T1, T6, T7 and T8.

    AUCoding/AU_OCC/F001_T1.csv               as in BP4D, frames from 1
    AUCoding/AU_INT/AU06/F001_T1_AU06.csv     as in BP4D
    2D+3D/F001/T1/0000.jpg                    unpacked from 2D+3D/F001.zip; pictures from 0

Unlike in BP4D frame k of the coding is the picture numbered k - 1. Zip files are not looked into: the
labels are read, and a note says to unpack. Sequence F042_T11 is listed and does not exist; what names it
is left out with a note. A subject's name, such as F001, says nothing of BP4D's person of that name.
"""

from pathlib import Path

from mien.databases.bp4d import COUNTED, Coding, read_sequences
from mien.databases.catalog import Count, Database, Protocol
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.published import BP4D_PLUS
from mien.tasks import ACTION_UNITS_BP4D, INTENSITIES_BP4D


def read(folder: Path, findings: Findings) -> Index:
    """Return one row per sequence and coded frame.

    Raises:
        DatabaseError: there is no coding, or a file breaks the format and is not skipped.
    """
    return read_sequences(folder, findings, Coding("bp4d_plus", "BP4D+", 0, ("F042_T11",)))


DATABASE = Database(
    title="BP4D+",
    tasks=(ACTION_UNITS_BP4D, INTENSITIES_BP4D),
    read=read,
    protocols=(
        Protocol(
            name="12 AUs, four folds, F1",
            task=ACTION_UNITS_BP4D,
            metric="binary F1",
            aggregation=COUNTED,
            also=("accuracy",),
            by="subject",
            folds=(),
            made=4,
            note="no official folds; which subjects are in which moves F1 by about 0.065",
        ),
        Protocol(
            name="5 AUs, four folds, ICC(3,1)",
            task=INTENSITIES_BP4D,
            metric="ICC(3,1)",
            aggregation="all graded frames of a fold's test subjects; mean over AUs, then over folds",
            also=("MSE", "PCC"),
            by="subject",
            folds=(),
            made=4,
            note="no official folds",
        ),
    ),
    counts=(Count(140, "subjects"), Count(560, "videos")),
    published=BP4D_PLUS,
    licence="Research only, by agreement with Binghamton University.",
    obtain="By request: www.cs.binghamton.edu/~lijun/Research/3DFE/3DFE_Analysis.html",
    citation="Zhang et al.: Multimodal Spontaneous Emotion Corpus for Human Behavior Analysis, CVPR 2016",
)
