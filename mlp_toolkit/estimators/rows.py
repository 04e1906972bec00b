"""X as it is given to an estimator: frames of any library, arrays, sparse matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlp_toolkit.data import arrays
from mlp_toolkit.errors import UserError

# A network's first layer multiplies dense rows; above this many bytes a sparse matrix is not written out.
MOST_DENSE = 2 * 2**30


def readable(data: Any, who: str) -> Any:
    """Frames and columns of other libraries as pandas has them, sparse matrices dense, masked arrays with gaps.

    Raises:
        UserError: A sparse matrix would take too much memory.
    """
    if is_sparse(data):
        return _dense(data, who)
    data = arrays.unmasked(data)
    if hasattr(data, "to_pandas") and not hasattr(data, "iloc"):
        data = data.to_pandas()
    whole = getattr(getattr(data, "dtype", None), "numpy_dtype", None)  # of nullable types, of which NumPy makes floats
    return data.astype(whole) if whole is not None and whole.kind in "iu" and not data.hasnans else data


def is_frame(data: Any) -> bool:
    """Whether it has rows and columns with names, as a data frame of pandas."""
    return hasattr(data, "iloc") and getattr(data, "ndim", 0) == 2


def is_sparse(data: Any) -> bool:
    """Whether it is a sparse matrix or array of scipy."""
    from scipy import sparse

    return bool(sparse.issparse(data))


def _dense(data: Any, who: str) -> np.ndarray:
    size = float(np.prod(data.shape)) * np.result_type(data.dtype, np.float32).itemsize
    if size > MOST_DENSE:
        raise UserError(
            f"X is sparse, and would take {size / 2**30:.1f} GiB as the dense rows that a network multiplies",
            place=f"{who}: X",
            allowed=f"at most {MOST_DENSE / 2**30:.0f} GiB",
            remedy="Make it narrower first, with sklearn.decomposition.TruncatedSVD or sklearn.feature_selection; or "
            "give fewer rows at a time.",
        )
    dense: np.ndarray = data.toarray()
    return dense
