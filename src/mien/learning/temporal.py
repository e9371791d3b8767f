"""Temporal parts: what looks back over the frames before, and never ahead.

Both take a clip whole or in pieces. What a piece leaves to the next is its state, one tensor with a row
for each clip, so that states of several faces are cut and joined like rows.
"""

import torch
from torch import Tensor, nn

from mien.errors import SettingsError


class Temporal(nn.Module):
    """What the temporal parts have in common.

    Attributes:
        width: features that come out for each frame.
        kept: shape of one clip's state.
    """

    def __init__(self, width: int, kept: tuple[int, int]) -> None:
        super().__init__()
        self.width = width
        self.kept = kept

    def initial(self, batch: int) -> Tensor:
        """Return the state before the first frame: zeros, (batch, *kept)."""
        return next(self.parameters()).new_zeros(batch, *self.kept)


class Gru(Temporal):
    """Gated recurrent units (Cho et al. 2014), as many layers as wanted.

    It computes in the precision of its weights, also where the rest of a network computes in half: what
    a long clip adds up loses too much there.

    Args:
        inputs: features of a frame.
        units: of each layer.
        layers: how many.
        dropout: share dropped between layers, in training; it is without effect in a single layer.
    """

    def __init__(self, inputs: int, units: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__(units, (layers, units))
        self.gru = nn.GRU(inputs, units, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)

    def forward(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return what comes out for each frame and the state after the last.

        Args:
            features: (batch, time, inputs), time at least 1.
            state: (batch, layers, units), of `initial` or the piece before.
        """
        gru = self.gru
        weights: list[Tensor] = [weight for layer in gru.all_weights for weight in layer]
        before = state.to(weights[0].dtype).transpose(0, 1).contiguous()
        with torch.autocast(features.device.type, enabled=False):
            # What nn.GRU itself calls; its checks before that make tracing for ONNX warn.
            outputs, after = torch.gru(
                features.to(weights[0].dtype),
                before,
                weights,
                gru.bias,
                gru.num_layers,
                gru.dropout,
                self.training,
                gru.bidirectional,
                gru.batch_first,
            )
        return outputs, after.transpose(0, 1)


class DilatedConvolution(Temporal):
    """Convolutions over time that see twice as far back in each layer (van den Oord et al. 2016).

    Features are first brought to `units` by a linear layer. Each layer then adds to what it got the
    ReLU of a convolution over the last `kernel` frames, 1, 2, 4, ... frames apart (a residual sum, He et
    al. 2016). A frame's output depends on that frame and the `reach` frames before it: with 2 layers of
    kernel 3 on 6, with 5 layers on 62, which at 30 frames a second is two seconds. Frames before
    the first count as zeros in every layer.

    Args:
        inputs: features of a frame.
        units: of each layer.
        layers: how many.
        kernel: frames that a layer sees, at least 2.
        dropout: share of a layer's addition dropped, in training.

    Attributes:
        reach: (kernel - 1) * (2 ** layers - 1), the frames that a state holds in all.

    Raises:
        SettingsError: the kernel sees fewer than 2 frames, or there is no layer.
    """

    def __init__(self, inputs: int, units: int, layers: int, kernel: int = 3, dropout: float = 0.0) -> None:
        if kernel < 2 or layers < 1:
            raise SettingsError(
                f"temporal: kernel {kernel} and {layers} layers see no frame before; "
                "expected a kernel of at least 2 and at least 1 layer"
            )
        reach = (kernel - 1) * (2**layers - 1)
        super().__init__(units, (reach, units))
        self.reach = reach
        self.entry = nn.Linear(inputs, units)
        self.backs = [(kernel - 1) * 2**i for i in range(layers)]
        self.layers = nn.ModuleList(nn.Conv1d(units, units, kernel, dilation=2**i) for i in range(layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return what comes out for each frame and the state after the last.

        Args:
            features: (batch, time, inputs), time at least 1.
            state: (batch, reach, units), of `initial` or the piece before: what each layer saw in the
                frames that it still reaches, layer after layer, the oldest frame first.
        """
        x = self.entry(features).transpose(1, 2)
        kept = state.to(x.dtype).transpose(1, 2)
        after = []
        for convolution, back, past in zip(self.layers, self.backs, kept.split(self.backs, 2), strict=True):
            seen = torch.cat([past, x], dim=2)
            after.append(seen[:, :, -back:])
            x = x + self.dropout(torch.relu(convolution(seen)))
        return x.transpose(1, 2), torch.cat(after, dim=2).transpose(1, 2)
