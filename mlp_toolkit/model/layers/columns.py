"""The raw columns of a model file while its graph of layers is built, and which layers encode which kind."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mlp_toolkit.data.columns.encoder import Encoding
from mlp_toolkit.data.columns.part import Part
from mlp_toolkit.model.backend import keras
from mlp_toolkit.model.keras_types import Tensor

# So many columns of a kind have an input each. More come as one matrix: with the number of inputs, the time that Keras
# takes to build, save and load a model grows by the square.
MOST_INPUTS = 200


class Columns:
    """The inputs of a model file, and the names that its layers must not have.

    Args:
        encoding: The encoding.
        taken: Names that other layers have.

    Attributes:
        inputs: (rows, *cell) by the column's own name; or (rows, columns) by the name of a matrix of many columns.
    """

    def __init__(self, encoding: Encoding, taken: Collection[str] = ()) -> None:
        self.inputs: dict[str, Tensor] = {}
        self._taken = set(taken)
        self._columns = set(encoding.columns)
        for part in encoding.parts:
            if len(part.names) > MOST_INPUTS:
                self._add(matrix_name(part, self._columns), (len(part.names),), part.dtype)
                continue
            for name in part.names:
                self._add(name, part.input_shape, part.dtype)

    def _add(self, name: str, shape: tuple[int | None, ...], dtype: str) -> None:
        # Keras allows no slash in a layer's name; the dictionary of inputs keeps the column's own name.
        safe = self.free(name.replace("/", "_") or "column")
        self._taken.add(safe)
        self.inputs[name] = keras.Input(shape, name=safe, dtype=dtype)

    def free(self, name: str) -> str:
        """A layer's name that no column has."""
        return free_name(name, self._taken)

    def side_by_side(self, part: Part, title: str) -> Tensor:
        """Columns of one cell each as one tensor, (rows, columns)."""
        matrix = self.inputs.get(matrix_name(part, self._columns))
        return matrix if matrix is not None else self.joined([self.inputs[name] for name in part.names], title)

    def joined(self, pieces: Sequence[Tensor], title: str) -> Tensor:
        """Tensors side by side, in float64 where one is."""
        if len(pieces) == 1:
            return pieces[0]
        dtype = "float64" if any(piece.dtype == "float64" for piece in pieces) else "float32"
        return keras.layers.Concatenate(name=self.free(title), dtype=dtype)(pieces)


def matrix_name(part: Part, columns: Collection[str]) -> str:
    """The input that holds all columns of a kind, where they are many; no column is called so."""
    return free_name(f"all_{part.kind}", columns)


def inputs_of(encoding: Encoding, taken: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The columns that each input of a model takes.

    Args:
        encoding: The model's.
        taken: The names of its inputs. Which kinds come as a matrix is read from them: in files of earlier versions
            every column has an input.
    """
    found: dict[str, tuple[str, ...]] = {}
    columns = encoding.columns
    for part in encoding.parts:
        matrix = matrix_name(part, columns)
        found |= {matrix: part.names} if matrix in taken else {name: (name,) for name in part.names}
    return found


def free_name(name: str, taken: Collection[str]) -> str:
    """A layer's name that is not taken."""
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate
