"""Names for the array types that signatures use."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.integer]
Image = NDArray[np.uint8]
"""A picture: (height, width, 3) in BGR order, or (height, width) in grey."""
Rows = slice | IntArray | BoolArray | list[int]
"""What selects rows of a record: a slice, indices or a mask."""
