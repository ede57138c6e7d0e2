"""What compiled loops read and write."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
