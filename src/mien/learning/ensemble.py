"""Several networks that speak as one: the mean of what each says of the same faces."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mien.errors import SettingsError
from mien.learning.network import Network


class Ensemble(nn.Module):
    """The mean of the raw outputs of its views: a geometric mean of probabilities that adds up to 1.

    A view is a network, and where wanted once more the network before the mirrored face. The state of all
    views is one tensor, that of each after the other, so that it is cut and joined like that of one network.

    Args:
        members: networks with the same tasks, that see and hear alike.
        mirrored: show each the mirrored face too. Only for networks trained on mirrored faces, where left
            and right mean the same.

    Raises:
        SettingsError: there is no member, their tasks or inputs differ, or none sees what is to be mirrored.
    """

    def __init__(self, members: Sequence[Network], mirrored: bool = False) -> None:
        super().__init__()
        if not members:
            raise SettingsError("an ensemble needs at least one network")
        self.members = nn.ModuleList(members)
        first = members[0]
        self.tasks, self.sees, self.hears = first.tasks, first.sees, first.hears
        for network in members:
            if (network.tasks, network.sees, network.hears) != (first.tasks, first.sees, first.hears):
                raise SettingsError("the networks of an ensemble differ in their tasks or in what they see")
        if mirrored and not first.sees:
            raise SettingsError("a network that does not see cannot be shown mirrored faces")
        self._views = [(network, flip) for network in members for flip in (False, *([True] * mirrored))]

    @property
    def memory(self) -> int:
        """Numbers in the state of one clip; 0 for networks without memory."""
        return sum(network.memory for network, _ in self._views)

    def initial(self, batch: int) -> Tensor | None:
        """Return the state before the first frame, (batch, memory); None for networks without memory."""
        states = [network.initial(batch) for network, _ in self._views]
        there = [state for state in states if state is not None]
        return torch.cat(there, dim=1) if there else None

    def forward(
        self, faces: Tensor | None, sound: Tensor | None = None, state: Tensor | None = None
    ) -> tuple[dict[str, Tensor], Tensor | None]:
        """Return the mean raw outputs of each task and the state after; arguments as those of `Network`."""
        sizes = [network.memory for network, _ in self._views]
        states: list[Tensor | None] = [None] * len(sizes)
        if state is not None:
            parts = torch.split(state, sizes, dim=1)
            states = [part if size else None for part, size in zip(parts, sizes, strict=True)]
        said, after = [], []
        for (network, flip), own in zip(self._views, states, strict=True):
            seen = torch.flip(faces, [-1]) if flip and faces is not None else faces
            raw, own = network(seen, sound, own)
            said.append(raw)
            after += [own] if own is not None else []
        means = {name: torch.stack([raw[name] for raw in said]).mean(dim=0) for name in said[0]}
        return means, torch.cat(after, dim=1) if after else None
