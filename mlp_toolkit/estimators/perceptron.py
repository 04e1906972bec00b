"""The perceptron and its training algorithm (Rosenblatt 1958), in numpy: where multilayer networks come from."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from mlp_toolkit.errors import UserError


class Perceptron(ClassifierMixin, BaseEstimator):
    """One neuron with a step function, trained on its mistakes.

    It goes through the rows one after another. A row on the wrong side of the line, or on the line, moves it:
    `w ← w + α·y·x` and `b ← b + α·y`, where y is −1 or +1. Where a line parts the classes, it is found after a bounded
    number of such moves (Novikoff 1962); where none does, the algorithm never comes to rest.

    Args:
        learning_rate: α, above 0. Starting from zero it scales weights and bias alone; no prediction depends on it.
        passes: Passes over the rows at most, 1 or more. Training ends after a pass without a mistake.
        shuffle: Whether each pass takes the rows in another order.
        random_state: The seed of that order, 0 or more.

    Attributes:
        coef_: (1, columns) the weights w.
        intercept_: (1,) the bias b.
        classes_: The two labels; the second is the one for y = +1.
        errors_per_pass_: Mistakes in each pass, a list; its last is 0 if the algorithm came to rest.
        converged_: Whether it did.
        path_: (moves + 1, columns + 1) the weights and the bias before the first move and after each one.
        n_iter_: Passes done.

    Example:
        >>> Perceptron().fit([[0, 0], [0, 1], [1, 0], [1, 1]], [-1, -1, -1, 1]).predict([[1, 1]])  # AND
        array([1])
    """

    def __init__(
        self, *, learning_rate: float = 1.0, passes: int = 100, shuffle: bool = False, random_state: int = 0
    ) -> None:
        self.learning_rate = learning_rate
        self.passes = passes
        self.shuffle = shuffle
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Trains from weights and bias of zero.

        Args:
            X: (rows, columns) numbers.
            y: (rows,) labels of two kinds, −1 and +1 for instance.

        Returns:
            Itself.

        Raises:
            UserError: There are not two kinds of labels, or an argument is out of range.
        """
        rate = self.learning_rate
        if isinstance(rate, bool) or not isinstance(rate, int | float | np.number) or not 0 < rate < math.inf:
            raise UserError("a number above 0", place="Perceptron: learning_rate", found=rate)
        if isinstance(self.passes, bool) or not isinstance(self.passes, int | np.integer) or self.passes < 1:
            raise UserError("a whole number of 1 or more", place="Perceptron: passes", found=self.passes)
        X, y = validate_data(self, X, y, dtype=float)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) == 1:
            only = self.classes_.tolist()[0]
            raise UserError("y has one class only: there is nothing to tell apart", place="Perceptron: y", found=only)
        if len(self.classes_) > 2:
            raise UserError(
                f"Only binary classification is supported, and y has {len(self.classes_)} classes",
                place="Perceptron: y",
                remedy="mlp_toolkit.MLPClassifier takes any number of classes.",
            )
        signs = np.where(y == self.classes_[1], 1.0, -1.0)
        random = np.random.default_rng(self.random_state)
        rows = np.arange(len(X))
        w, b = np.zeros(X.shape[1]), 0.0
        path = [np.append(w, b)]
        self.errors_per_pass_: list[int] = []
        for _ in range(self.passes):
            errors = 0
            for row in random.permutation(rows) if self.shuffle else rows:
                if signs[row] * (X[row] @ w + b) <= 0:
                    w = w + rate * signs[row] * X[row]
                    b = b + rate * signs[row]
                    path.append(np.append(w, b))
                    errors += 1
            self.errors_per_pass_.append(errors)
            if not errors:
                break
        self.coef_, self.intercept_, self.path_ = w[None, :], np.array([b]), np.array(path)
        self.n_iter_, self.converged_ = len(self.errors_per_pass_), errors == 0
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """(rows,) weighted sums w·x + b: above 0 on the side of the second class.

        Args:
            X: (rows, columns) numbers.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=float, reset=False)
        sums: np.ndarray = X @ self.coef_[0] + self.intercept_[0]
        return sums

    def predict(self, X: Any) -> np.ndarray:
        """(rows,) labels.

        Args:
            X: (rows, columns) numbers.
        """
        above = self.decision_function(X) > 0
        labels: np.ndarray = self.classes_[above.astype(int)]
        return labels

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
