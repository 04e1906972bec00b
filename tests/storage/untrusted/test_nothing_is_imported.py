"""No name in a model file reaches an import, whatever stands beside the file or on the path of modules."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from support import python

import mlp_toolkit as mt

PACKAGES = ["keras_hub", "keras_cv", "keras_nlp", "evil"]
LOAD = """
import sys
sys.path.insert(0, "")
import mlp_toolkit as mt
try:
    mt.load(sys.argv[1])
    print("loaded")
except mt.UserError as error:
    print("refused")
print(",".join(name for name in ("keras_hub", "keras_cv", "keras_nlp", "evil") if name in sys.modules))
"""


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """A model file with layers of ours, trained for a step."""
    x = np.random.default_rng(0).normal(size=(30, 2))
    estimator = mt.MLPClassifier(epochs=1).fit(x, x[:, 0] > 0)
    path = tmp_path_factory.mktemp("original") / "model.h5"
    mt.save(estimator.model_, path)
    return path


def named(node, found):
    if isinstance(node, dict):
        if "class_name" in node:
            found.append(node)
        for value in node.values():
            named(value, found)
    elif isinstance(node, list):
        for value in node:
            named(value, found)
    return found


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("registered", ["as it is", "gone", "another"])
def test_a_module_named_in_a_file_is_not_imported(original, tmp_path, package, registered):
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("open('executed', 'w').close()")
    (tmp_path / package / "models.py").write_text("open('executed', 'w').close()")
    (tmp_path / "model.h5").write_bytes(original.read_bytes())
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for node in named(config, []):
            if ">" in node["class_name"] or ">" in str(node.get("registered_name")):
                node["module"] = f"{package}.models"
                if registered != "as it is":
                    node["registered_name"] = None if registered == "gone" else f"{package}>Other"
        file.attrs["model_config"] = json.dumps(config)
    said = python(LOAD, "model.h5", cwd=tmp_path).splitlines()
    assert said[0] in ("loaded", "refused")
    assert said[1:] in ([""], [])
    assert not (tmp_path / "executed").exists()
