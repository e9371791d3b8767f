"""The databases mien reads: name -> how to read it and what must be said of it."""

from mien.databases import (
    afew,
    afew_va,
    aff_wild,
    aff_wild2,
    affectnet,
    bp4d,
    bp4d_plus,
    crema_d,
    disfa,
    disfa_plus,
    emotionet,
    fer2013,
    omg_emotion,
    raf_db,
    ravdess,
    recola,
    sewa,
    table,
)
from mien.databases.catalog import Database

DATABASES: dict[str, Database] = {
    "afew": afew.DATABASE,
    "afew_va": afew_va.DATABASE,
    "aff_wild": aff_wild.DATABASE,
    "aff_wild2": aff_wild2.DATABASE,
    "affectnet": affectnet.DATABASE,
    "bp4d": bp4d.DATABASE,
    "bp4d_plus": bp4d_plus.DATABASE,
    "crema_d": crema_d.DATABASE,
    "disfa": disfa.DATABASE,
    "disfa_plus": disfa_plus.DATABASE,
    "emotionet": emotionet.DATABASE,
    "fer2013": fer2013.DATABASE,
    "omg_emotion": omg_emotion.DATABASE,
    "raf_db": raf_db.DATABASE,
    "ravdess": ravdess.DATABASE,
    "recola": recola.DATABASE,
    "sewa": sewa.DATABASE,
    "table": table.DATABASE,
}
"""In order of name."""
