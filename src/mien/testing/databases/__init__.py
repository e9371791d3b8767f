"""Small, valid copies of databases in their own file formats, with drawn faces.

    made = make_fer2013(folder)

`MAKERS` has one maker for each release of each database that mien reads; all pass the same trial in
tests/test_databases.py.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from mien.testing.databases.afew import make_afew, make_afew_faces
from mien.testing.databases.afew_va import make_afew_va
from mien.testing.databases.aff_wild import make_aff_wild
from mien.testing.databases.aff_wild2 import (
    make_aff_wild2_abaw1,
    make_aff_wild2_abaw2,
    make_aff_wild2_abaw3,
    make_aff_wild2_abaw6,
    make_aff_wild2_lsd,
    make_aff_wild2_mtl,
    make_aff_wild2_noncompetition,
    make_aff_wild2_videos,
)
from mien.testing.databases.affectnet import make_affectnet_2017, make_affectnet_2021
from mien.testing.databases.bp4d import make_bp4d
from mien.testing.databases.bp4d_plus import make_bp4d_plus
from mien.testing.databases.crema_d import make_crema_d
from mien.testing.databases.disfa import make_disfa, make_disfa_images
from mien.testing.databases.disfa_plus import make_disfa_plus
from mien.testing.databases.emotionet import (
    make_emotionet_automatic,
    make_emotionet_csv,
    make_emotionet_xlsx,
)
from mien.testing.databases.fer2013 import make_fer2013, make_fer2013_folders, make_ferplus_folders
from mien.testing.databases.made import Made
from mien.testing.databases.omg_emotion import make_omg_emotion
from mien.testing.databases.raf_db import make_raf_db
from mien.testing.databases.ravdess import make_ravdess
from mien.testing.databases.recola import make_recola_avec, make_recola_original
from mien.testing.databases.sewa import make_sewa, make_sewa_avec
from mien.testing.databases.table import make_table_csv, make_table_index, make_table_parquet

MAKERS: dict[str, tuple[str, Callable[[Path], Made]]] = {
    "afew": ("afew", make_afew),
    "afew_faces": ("afew", make_afew_faces),
    "afew_va": ("afew_va", make_afew_va),
    "aff_wild": ("aff_wild", make_aff_wild),
    "aff_wild2_abaw1": ("aff_wild2", make_aff_wild2_abaw1),
    "aff_wild2_abaw2": ("aff_wild2", make_aff_wild2_abaw2),
    "aff_wild2_abaw3": ("aff_wild2", make_aff_wild2_abaw3),
    "aff_wild2_abaw6": ("aff_wild2", make_aff_wild2_abaw6),
    "aff_wild2_lsd": ("aff_wild2", make_aff_wild2_lsd),
    "aff_wild2_mtl": ("aff_wild2", make_aff_wild2_mtl),
    "aff_wild2_noncompetition": ("aff_wild2", make_aff_wild2_noncompetition),
    "aff_wild2_videos": ("aff_wild2", make_aff_wild2_videos),
    "affectnet_2017": ("affectnet", make_affectnet_2017),
    "affectnet_2021": ("affectnet", make_affectnet_2021),
    "bp4d": ("bp4d", make_bp4d),
    "bp4d_plus": ("bp4d_plus", make_bp4d_plus),
    "crema_d": ("crema_d", make_crema_d),
    "disfa": ("disfa", make_disfa),
    "disfa_images": ("disfa", make_disfa_images),
    "disfa_plus": ("disfa_plus", make_disfa_plus),
    "emotionet_automatic": ("emotionet", make_emotionet_automatic),
    "emotionet_csv": ("emotionet", make_emotionet_csv),
    **({"emotionet_xlsx": ("emotionet", make_emotionet_xlsx)} if find_spec("openpyxl") else {}),
    "fer2013": ("fer2013", make_fer2013),
    "fer2013_folders": ("fer2013", make_fer2013_folders),
    "ferplus_folders": ("fer2013", make_ferplus_folders),
    "omg_emotion": ("omg_emotion", make_omg_emotion),
    "raf_db": ("raf_db", make_raf_db),
    "ravdess": ("ravdess", make_ravdess),
    "recola_avec": ("recola", make_recola_avec),
    "recola_original": ("recola", make_recola_original),
    "sewa": ("sewa", make_sewa),
    "sewa_avec": ("sewa", make_sewa_avec),
    "table_csv": ("table", make_table_csv),
    "table_index": ("table", make_table_index),
    "table_parquet": ("table", make_table_parquet),
}
"""Release -> (name in DATABASES, maker)."""
