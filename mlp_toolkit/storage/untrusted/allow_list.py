"""The classes and functions that a model file may name, each in its own role; nothing else is ever built.

The lists are spelled out: a class that a later Keras brings is not trusted before somebody has read it. Left out are
those that run code or read files (Lambda, TFSMLayer, TorchModuleWrapper, JaxLayer, FlaxLayer), those that compute
tables of a size that the file does not hold (MelSpectrogram, STFTSpectrogram), and base classes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.model.layers import names

# Layers that run code or read files named in their configuration.
REFUSED = ("Lambda", "__lambda__", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer")
DEEPEST = 60
MOST = 2**31  # of whole numbers: sizes, steps, dates
IDENTIFIERS = ("seed", "shared_object_id")  # whole numbers of any size
COMPILED = ("loss", "metric")
LARGEST_METRIC = 2_000  # classes, thresholds: some metrics keep their square
ANY, OWN = "class", "class of one's own"  # roles: any of those below; the inside of what the program registered

_LAYERS = """
Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D
AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add AdditiveAttention AlphaDropout Attention AugMix
AutoContrast Average AveragePooling1D AveragePooling2D AveragePooling3D BatchNormalization Bidirectional
CategoryEncoding CenterCrop Concatenate Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D
ConvLSTM2D ConvLSTM3D Cropping1D Cropping2D Cropping3D CutMix Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot
Dropout ELU EinsumDense Embedding Equalization Flatten GRU GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D
GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
GroupNormalization GroupQueryAttention HashedCrossing Hashing Identity InputLayer IntegerLookup LSTM LSTMCell
LayerNormalization LeakyReLU Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum MixUp MultiHeadAttention
Multiply Normalization PReLU Permute Pipeline RMSNormalization RNN RandAugment RandomBrightness RandomColorDegeneration
RandomColorJitter RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur
RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation RandomSaturation
RandomSharpness RandomShear RandomTranslation RandomZoom ReLU RepeatVector Rescaling Reshape Resizing
ReversibleEmbedding SeparableConv1D SeparableConv2D SimpleRNN SimpleRNNCell Softmax Solarization SpatialDropout1D
SpatialDropout2D SpatialDropout3D SpectralNormalization StackedRNNCells StringLookup Subtract TextVectorization
TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
"""
_INITIALIZERS = """
Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal LecunUniform Ones Orthogonal RandomNormal
RandomUniform TruncatedNormal VarianceScaling Zeros IdentityInitializer OrthogonalInitializer
"""
_LOSSES = """
BinaryCrossentropy BinaryFocalCrossentropy CTC CategoricalCrossentropy CategoricalFocalCrossentropy
CategoricalGeneralizedCrossEntropy CategoricalHinge Circle CosineSimilarity Dice Hinge Huber KLDivergence LogCosh
MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError Poisson
SparseCategoricalCrossentropy SquaredHinge Tversky
"""
_METRICS = """
AUC Accuracy BinaryAccuracy BinaryCrossentropy BinaryIoU CategoricalAccuracy CategoricalCrossentropy CategoricalHinge
ConcordanceCorrelation CosineSimilarity F1Score FBetaScore FalseNegatives FalsePositives Hinge IoU KLDivergence
LogCoshError Mean MeanAbsoluteError MeanAbsolutePercentageError MeanIoU MeanMetricWrapper MeanSquaredError
MeanSquaredLogarithmicError OneHotIoU OneHotMeanIoU PearsonCorrelation Poisson Precision PrecisionAtRecall R2Score
Recall RecallAtPrecision RootMeanSquaredError SensitivityAtSpecificity SparseCategoricalAccuracy
SparseCategoricalCrossentropy SparseTopKCategoricalAccuracy SpecificityAtSensitivity SquaredHinge Sum
TopKCategoricalAccuracy TrueNegatives TruePositives
"""
_OPTIMIZERS = """
Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion LossScaleOptimizer Muon Nadam RMSprop SGD ScheduleFreeAdamW
"""
_SCHEDULES = """
CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay PiecewiseConstantDecay PolynomialDecay
"""
_ACTIVATIONS = """
celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear log_sigmoid
log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid
sparsemax squareplus swish tanh tanh_shrink threshold
"""
_LOSS_FUNCTIONS = """
binary_crossentropy binary_focal_crossentropy categorical_crossentropy categorical_focal_crossentropy
categorical_generalized_cross_entropy categorical_hinge circle cosine_similarity ctc dice hinge huber kl_divergence
log_cosh mean_absolute_error mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error poisson
sparse_categorical_crossentropy squared_hinge tversky
"""
_METRIC_FUNCTIONS = """
binary_accuracy categorical_accuracy concordance_correlation pearson_correlation sparse_categorical_accuracy
sparse_top_k_categorical_accuracy top_k_categorical_accuracy
"""

CLASSES: dict[str, frozenset[str]] = {
    "layer": frozenset(_LAYERS.split()) | names.registered("layer"),
    "model": frozenset({"Functional", "Sequential", "Model"}) | names.registered("model"),
    "initializer": frozenset(_INITIALIZERS.split()),
    "regularizer": frozenset({"L1", "L1L2", "L2", "OrthogonalRegularizer"}),
    "constraint": frozenset({"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"}),
    "loss": frozenset(_LOSSES.split()),
    "metric": frozenset(_METRICS.split()),
    "optimizer": frozenset(_OPTIMIZERS.split()) | names.registered("optimizer"),
    "schedule": frozenset(_SCHEDULES.split()) | names.registered("schedule"),
    "dtype policy": frozenset({"DTypePolicy", "DTypePolicyMap", "FloatDTypePolicy"}),
    "value": frozenset({"__tuple__", "__keras_tensor__", "__numpy__", "__tensor__"}),
}
FUNCTIONS: dict[str, frozenset[str]] = {
    "activation": frozenset(_ACTIVATIONS.split()) | names.registered("activation"),
    "loss": frozenset(_LOSS_FUNCTIONS.split()),
    "metric": frozenset(_METRIC_FUNCTIONS.split()) | frozenset(_LOSS_FUNCTIONS.split()),
}
# Where each is found in public; models name the module that they lie in.
MODULES = {
    "layer": "keras.layers",
    "initializer": "keras.initializers",
    "regularizer": "keras.regularizers",
    "constraint": "keras.constraints",
    "loss": "keras.losses",
    "metric": "keras.metrics",
    "optimizer": "keras.optimizers",
    "schedule": "keras.optimizers.schedules",
    "activation": "keras.activations",
    "dtype policy": "keras.dtype_policies",
}
FUNCTION_MODULES = (None, "builtins", "keras.activations", "keras.losses", "keras.metrics")
_MODEL_MODULES = re.compile(
    r"keras|keras\.models|keras\.(src\.)?(models|engine)\.(functional|sequential|training|model)"
)
_SHORT = """
mse mae mape msle bce kld acc accuracy ce crossentropy uniform normal zero one l1l2 logcosh cosine_proximity
kullback_leibler_divergence mean_io_u f1_score
"""

# What a key of a configuration holds, by its last words.
_KEYS = re.compile(
    r"(?:(?P<layer>layers?|cells?|forward_layer|backward_layer)|(?P<loss>loss)|(?P<metric>(?:weighted_)?metrics)"
    r"|(?P<optimizer>optimizer|optimizer_config|inner_optimizer)|(?P<schedule>learning_rate)|(?P<dtype>dtype)"
    r"|(?:.*_)?(?:(?P<activation>activation)|(?P<initializer>initializer)|(?P<regularizer>regularizer)"
    r"|(?P<constraint>constraint)))"
)
# Classes of other roles that may stand there, too.
_ALSO = {
    "layer": ("model",),
    "activation": ("layer",),
    "metric": ("loss",),
    "dtype": ("dtype policy",),
}


def registered() -> Mapping[str, Any]:
    """What the running program has registered with Keras; nothing where it has not imported Keras."""
    keras = sys.modules.get("keras")
    return keras.saving.get_custom_objects() if keras is not None and hasattr(keras, "saving") else {}


def mappings(node: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """All mappings in a configuration, the outermost first.

    Raises:
        UserError: They are nested too deep.
    """
    if depth > DEEPEST:
        raise UserError(f"a configuration nested deeper than {DEEPEST}")
    if isinstance(node, dict):
        yield node
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        if isinstance(value, dict | list):
            yield from mappings(value, depth + 1)


def refused(*configs: Any) -> list[str]:
    """The names in configurations that are never built, each once."""
    found: dict[str, None] = {}
    for config in configs:
        _Checker(keep=found).mapping_or_list(config, ANY, 0)
    return sorted(found)


def check_classes(config: Any, place: str) -> None:
    """Refuses whatever a configuration names that is not Keras's own, ours, or registered by the running program.

    Raises:
        UserError: A name is refused, or a number, or a path where values belong.
    """
    _Checker(place).mapping_or_list(config, ANY, 0)


def pinned(config: Any) -> Any:
    """A checked configuration in which no name of the file is left that Keras would import.

    Keras looks a class up by its registered name, and where it finds none imports the module that the file names. What
    is registered needs no module, and a function's is Keras's own.
    """
    if isinstance(config, list):
        return [pinned(value) for value in config]
    if not isinstance(config, dict):
        return config
    plain = {key: pinned(value) for key, value in config.items()}
    name, full = plain.get("class_name"), plain.get("registered_name")
    if not isinstance(name, str):
        return plain
    ours = full if isinstance(full, str) and ">" in full else name
    if name == "function":
        module = plain.get("module")
        plain["module"] = module if module in FUNCTION_MODULES else "builtins"
    elif ">" in ours or name in registered():
        plain |= {"module": None, "registered_name": ours}
    return plain


class _Checker:
    """Goes over a configuration, with the role that each part has by its place.

    Args:
        place: Names the file in messages.
        keep: Where refused names are kept; without it they are an error.
    """

    def __init__(self, place: str | None = None, keep: dict[str, None] | None = None) -> None:
        self.place, self.keep, self.custom = place, keep, registered()

    def refuse(self, name: object, why: str, remedy: str | None = None) -> None:
        if self.keep is None:
            raise UserError(f"refused: {why}", place=self.place, remedy=remedy)
        self.keep[shorten(name)] = None

    def mapping_or_list(self, node: Any, role: str, depth: int) -> None:
        if depth > DEEPEST:
            raise UserError(f"a configuration nested deeper than {DEEPEST}", place=self.place)
        if isinstance(node, dict):
            named = "class_name" in node
            found = self.named(node, role) if named else role
            if found is None:
                return
            role = found
            for key, value in node.items():
                self.value(key, value, OWN if role == OWN else ANY if named else role, depth)
        elif isinstance(node, list):
            for value in node:
                self.value("", value, role, depth)

    def value(self, key: str, value: Any, role: str, depth: int) -> None:
        known = _KEYS.fullmatch(key)
        if key == "classes" and isinstance(value, list) and all(type(item) is int for item in value):
            return  # labels, which may be any whole numbers: nothing is as large as they say
        if role == OWN or (not key and role != ANY) or (role in COMPILED and not known):
            inner = role  # an item of a list has the list's role; losses and metrics stand under names of outputs
        else:
            inner = (known.lastgroup if known else None) or ANY
        if isinstance(value, dict | list):
            self.mapping_or_list(value, inner, depth + 1)
        elif isinstance(value, str):
            if inner in (*COMPILED, "activation", "initializer", "regularizer", "constraint", "optimizer"):
                self.word(value, inner)
            elif key in ("vocabulary", "idf_weights", "filepath", "path", "url"):
                self.refuse(key, f"a layer reads its {key} from another file")
        elif isinstance(value, int) and abs(value) > MOST and key not in IDENTIFIERS:
            self.refuse(key, f"{shorten(key)!r} is a number too large for any use: {shorten(value, 40)}")

    def word(self, name: str, role: str) -> None:
        """A class or function by its plain name."""
        known = CLASSES.get(role, frozenset()) | FUNCTIONS.get(role, frozenset()) | set(_SHORT.split())
        folded = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", item).lower() for item in known} | {n.lower() for n in known}
        if name not in known and name.lower() not in folded and name not in self.custom:
            self.refuse(name, f"the file names {shorten(name)!r} where {_article(role)} belongs")

    def named(self, node: dict[str, Any], role: str) -> str | None:
        """The role that a class is found in; refuses what has none here."""
        name, full = node["class_name"], node.get("registered_name")
        module, inner = node.get("module"), node.get("config")
        if not isinstance(name, str) or not isinstance(full, str | None) or not isinstance(module, str | None):
            self.refuse(name, "a class whose name is none")
            return None
        if name.split(">")[-1] in REFUSED or str(full).split(">")[-1] in REFUSED:
            title = name if name.split(">")[-1] in REFUSED else str(full)
            self.refuse(
                title,
                f"the file holds {title}, which can run code when it is loaded",
                "Load it with Keras itself if you know where it comes from.",
            )
            return None
        found = self.function(inner, full, module, role) if name == "function" else self.role(name, full, module, role)
        if found is None:
            self.unknown(node, role)
            return None
        if found == "metric" and isinstance(inner, dict):
            self.metric(name, inner)
        return found

    def unknown(self, node: dict[str, Any], role: str) -> None:
        """Refuses what has no role here, and says whether it would have one elsewhere."""
        name, full, module = node["class_name"], node.get("registered_name"), node.get("module")
        is_function = name == "function"
        shown = node.get("config") if is_function else name
        title = f"{'function' if is_function else 'class'} {shorten(shown)!r}"
        title += f" of {shorten(module)!r}" if module else ""
        elsewhere = self.function(shown, full, module, ANY) if is_function else self.role(name, full, module, ANY)
        if elsewhere:
            self.refuse(name, f"the file has the {title} where {_article(role)} belongs")
            return
        self.refuse(
            name,
            f"the file holds the {title}, which is neither Keras's own nor registered",
            "If it is yours, register it with keras.saving.register_keras_serializable before loading.",
        )

    def role(self, name: str, full: str | None, module: str | None, role: str) -> str | None:
        """A class's role, where it is known and may stand in this one."""
        ours = full if full and ">" in full else name
        if ">" in ours:  # registered: in HDF5 under `class_name`, in archives under `registered_name`
            if name not in (ours, ours.split(">")[-1]):
                return None
            if ours not in self.custom and not ours.startswith("mlp_toolkit>"):
                return None
        elif full not in (None, name):
            return None
        elif name in self.custom:
            return OWN
        candidates = [role, *_ALSO.get(role, ())] if role not in (ANY, OWN) else list(CLASSES)
        candidates += ["value"]
        for candidate in candidates:
            if ours in CLASSES.get(candidate, ()) and (">" in ours or _fits(module, candidate)):
                return candidate
        return OWN if ours in self.custom and not ours.startswith("mlp_toolkit>") else None

    def function(self, name: Any, full: str | None, module: str | None, role: str) -> str | None:
        """A function's role, likewise."""
        if not isinstance(name, str):
            return None
        ours = [f"mlp_toolkit>{name}", *(key for key in self.custom if key == name or key.endswith(f">{name}"))]
        if full not in (None, "function", name, *ours):  # Keras writes "function" there
            return None
        for known in FUNCTIONS.values() if role in (ANY, OWN) else [FUNCTIONS.get(role, frozenset())]:
            if {name, ours[0]} & known and (module in FUNCTION_MODULES or not {name} & known or ">" in name):
                return "function"
        return OWN if len(ours) > 1 and not ours[1].startswith("mlp_toolkit>") else None

    def metric(self, name: str, config: dict[str, Any]) -> None:
        """No metric that keeps more numbers than a model may have."""
        for key in ("num_thresholds", "num_classes", "num_labels"):
            size = config.get(key)
            if isinstance(size, int) and size > LARGEST_METRIC:
                self.refuse(name, f"the metric {name} asks for {size:,} values ({key}); at most {LARGEST_METRIC:,}")


def _fits(module: str | None, role: str) -> bool:
    """Whether a class of a role may say that it lies there. A module is imported by its name."""
    if role == "value" or module is None:
        return module is None
    if role == "model":
        return bool(_MODEL_MODULES.fullmatch(module))
    return module in (MODULES[role], "keras") if role != "dtype policy" else module in ("keras", MODULES[role])


def _article(role: str) -> str:
    return f"{'an' if role[:1] in 'aeiou' else 'a'} {role}"
