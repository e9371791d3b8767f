"""Which databases a run learns from, whether they fit it, and what they are known by."""

from collections.abc import Sequence
from pathlib import Path

import torch

from mien.errors import SettingsError
from mien.learning import checkpoint
from mien.learning.optimisation import native_bf16
from mien.learning.recipe import Recipe
from mien.preparation.prepared import Prepared


def named(recipe: Recipe, data: Sequence[Prepared]) -> list[Prepared]:
    """Return the databases that a recipe names, all where it names none."""
    return [d for d in data if not recipe.databases or d.index.name in recipe.databases]


def identity(data: Sequence[Prepared]) -> list[list[str]]:
    """Return name, fold and hashes of each database."""
    return [[d.index.name, d.fold, *sorted(d.manifest.get("sha256", {}).values())] for d in data]


def learned(data: Sequence[Prepared], earlier: Sequence[Path]) -> list[list[str]]:
    """Return name and fold of each database that a run and what it begins with learned from."""
    own = [[d.index.name, d.fold] for d in data]
    before = [entry for path in earlier for entry in checkpoint.record(path).get("learned", [])]
    return [list(entry) for entry in dict.fromkeys(map(tuple, [*before, *own]))]


def chosen(recipe: Recipe, data: Sequence[Prepared], device: torch.device) -> list[Prepared]:
    """Return the databases a recipe learns from.

    Raises:
        SettingsError: one is missing or was prepared for another network, or the processor is too old.
    """
    names = [prepared.index.name for prepared in data]
    missing = [name for name in recipe.databases if name not in names]
    if missing:
        raise SettingsError(f"wants {missing[0]}; prepared are {', '.join(names)}")
    chosen = named(recipe, data)
    check_preprocessing(recipe, chosen)
    if recipe.optimisation.precision == "bf16" and not native_bf16(device):
        raise SettingsError(
            f"precision is bf16, but this {device.type} computes it many times slower; use auto"
        )
    return chosen


def check_preprocessing(recipe: Recipe, data: Sequence[Prepared]) -> None:
    """Refuse databases that were prepared for another network."""
    for prepared in data:
        stored, ours = prepared.preprocessing, recipe.preprocessing
        if not stored.serves(ours):
            raise SettingsError(
                f"{prepared.index.name}: prepared with {stored}, {recipe.name} wants {ours}; prepare it again"
            )
