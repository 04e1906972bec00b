"""How does scikit-learn use it?

Constructor arguments and frames or arrays come in; fitted estimators go out.

base: what both estimators do.
arguments: what their arguments stand for in a recipe.
rows: X as it is given.
classifier: `MLPClassifier`.
regressor: `MLPRegressor`.
perceptron: the perceptron of 1958, in numpy.
"""
