"""From which probability an action unit counts as present, where a form wants yes or no."""

from collections.abc import Mapping, Sequence

from mien.errors import SettingsError

Threshold = float | Mapping[str, float]
"""One for all action units, or some by name."""


def thresholds(
    units: Sequence[str], given: Threshold | None, unasked: str, stated: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Return the threshold of each action unit: as given, else as the network states it, else 0.5.

    Args:
        units: those that are written.
        given: from 0 to 1; None for what is stated.
        unasked: what to say of a unit that is named and not written.
        stated: by a calibrated network, for some units or none.

    Raises:
        SettingsError: a threshold outside 0 to 1, or for an action unit that is not written.
    """
    if given is None:
        named: Mapping[str, float] = {}
    else:
        named = given if isinstance(given, Mapping) else dict.fromkeys(units, given)
    unknown = sorted(set(named) - set(units))
    if unknown:
        raise SettingsError(f"thresholds for {', '.join(unknown)}, {unasked}")
    for unit, value in named.items():
        if not 0 <= value <= 1:
            raise SettingsError(f"the threshold of {unit} is {value}, expected 0 to 1")
    fallback = stated or {}
    return {unit: named.get(unit, fallback.get(unit, 0.5)) for unit in units}
