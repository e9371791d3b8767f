"""The databases mien reads: name -> how to read it and what must be said of it."""

from mien.databases import (
    afew_va,
    aff_wild,
    aff_wild2,
    affectnet,
    bp4d,
    bp4d_plus,
    disfa,
    disfa_plus,
    emotionet,
    fer2013,
    raf_db,
)
from mien.databases.catalog import Database

DATABASES: dict[str, Database] = {
    "afew_va": afew_va.DATABASE,
    "aff_wild": aff_wild.DATABASE,
    "aff_wild2": aff_wild2.DATABASE,
    "affectnet": affectnet.DATABASE,
    "bp4d": bp4d.DATABASE,
    "bp4d_plus": bp4d_plus.DATABASE,
    "disfa": disfa.DATABASE,
    "disfa_plus": disfa_plus.DATABASE,
    "emotionet": emotionet.DATABASE,
    "fer2013": fer2013.DATABASE,
    "raf_db": raf_db.DATABASE,
}
"""In order of name."""
