"""Where a network is trained: on one device, or on several that share each batch.

What is here has run on processors only, several logical ones and several processes among them; no GPU was at hand.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mlp_toolkit.errors import UserError, listing
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Layer, Network
from mlp_toolkit.model.members.ensemble import Ensemble
from mlp_toolkit.training.engine.sharing import cluster, workers
from mlp_toolkit.training.engine.steps import has_own
from mlp_toolkit.training.engine.variables import variables

SEEDS_APART = 0x9E3779B1  # odd: no two workers meet


@contextlib.contextmanager
def placed(device: str) -> Iterator[Any]:
    """Runs the block on a device.

    Args:
        device: auto (TensorFlow's choice: the first GPU where there is one), cpu, gpu (the first), gpu:N, all: every
            GPU, or every logical processor where there is no GPU; or workers: the group of processes that was joined.

    Yields:
        TensorFlow's strategy by which several share each batch, or None.

    Raises:
        UserError: The device is not visible; the message lists those that are. Or no group was joined.
    """
    if device == cluster.WORKERS:
        yield workers.of_this_process().strategy
        return
    kind, _, number = str(device).partition(":")
    visible = tf.config.list_logical_devices()
    names = [f"{d.device_type.lower()}:{d.name.rsplit(':', 1)[-1]}" for d in visible]
    wanted = f"{kind}:{number or 0}"
    if device in ("auto", "all"):
        same = [name for name in names if name.startswith("gpu")] or [name for name in names if name.startswith("cpu")]
        several = same if device == "all" and len(same) > 1 else []
        yield _mirroring(several) if several else None
        return
    if kind not in ("cpu", "gpu") or wanted not in names:
        raise UserError(
            "no such device",
            place="device",
            found=device,
            allowed=["auto", "all", *names],
            remedy=f"TensorFlow sees: {listing(names)}.",
        )
    with tf.device(f"/{wanted}"):
        yield None


def _mirroring(names: list[str]) -> Any:
    """The strategy for devices of one machine, for instance gpu:0 and gpu:1.

    Sums are made on one device. The strategy's own choice for several processors, collective operations, may meet in
    different order on different devices where batch normalization and gradients are summed in one step.
    """
    return tf.distribute.MirroredStrategy(
        [name.upper() for name in names], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def mirrored(model: Network, strategy: Any, batch_size: int) -> Network:
    """A copy of a compiled model whose variables are mirrored on several devices, in the same state.

    Batch normalization counts over the whole batch there, as it does on one device.

    Args:
        model: The model; it stays as it is.
        strategy: TensorFlow's, as `placed` gives it.
        batch_size: Rows of a step, over all devices.

    Raises:
        UserError: The batch cannot be parted equally, or the model cannot be copied, or not trained that way.
    """
    of_workers = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    sharing = _Sharing("workers", "device: workers") if of_workers else _Sharing("devices", "device: all")
    _check_shareable(model, strategy.num_replicas_in_sync, sharing, batch_size)

    def copied(layer: Layer) -> Layer:
        config = layer.get_config()
        if isinstance(layer, keras.layers.BatchNormalization):
            config["synchronized"] = True
        return type(layer).from_config(config)

    with strategy.scope():
        try:
            copy: Network = keras.models.clone_model(model, clone_function=copied)
            copy.compile_from_config(model.get_compile_config())
        except (TypeError, ValueError, NotImplementedError, AttributeError) as error:  # what Keras raises of them
            raise UserError(
                f"this model cannot be copied to several {sharing.who}: {str(error).splitlines()[0]}",
                place=sharing.place,
                remedy="Train it on one device, or build and compile it from registered Keras objects.",
            ) from None
        copy.optimizer.build(copy.trainable_variables)
    model.optimizer.build(model.trainable_variables)
    for theirs, own in zip(variables(model), variables(copy), strict=True):
        own.assign(theirs.numpy())
    if of_workers:
        _draws_its_own(copy)
    return copy


def _draws_its_own(copy: Network) -> None:
    """Lets each worker draw dropout of its own: from seeds that begin at the chief's and go apart."""
    index = workers.of_this_process().place.number
    for variable in copy.variables:
        if variable.name == "seed_generator_state":
            seed, counter = (int(value) for value in variable.numpy())
            variable.assign(np.array([(seed + index * SEEDS_APART) % 2**32, counter], np.uint32))


class _Sharing(NamedTuple):
    """Who shares a batch, and what a recipe calls it, for messages."""

    who: str
    place: str


def _check_shareable(model: Network, number: int, sharing: _Sharing, batch_size: int) -> None:
    """Refuses what several devices would compute otherwise than one."""
    who, place = sharing
    if isinstance(model, Ensemble):  # a copy would be trained on the loss of the members' mean
        raise UserError(
            "the members of an ensemble are trained on one device",
            place=place,
            remedy="Take device: auto, cpu or gpu.",
        )
    if batch_size % number:
        raise UserError(
            f"a batch of {batch_size} rows cannot be parted equally among {number} {who}",
            place=place,
            remedy=f"Take a batch size that {number} divides: {-(-batch_size // number) * number}.",
        )
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)  # inside of float16's scaling
    clipping = [name for name in ("clipnorm", "global_clipnorm", "clipvalue") if getattr(optimizer, name, None)]
    if clipping:
        raise UserError(
            f"{clipping[0]} on several {who} would clip each one's share of the gradient, not the gradient",
            place=place,
            remedy="Train on one device, or without clipping.",
        )

    own = [step for step in ("train_step", "test_step") if has_own(model, step)]
    if own:
        raise UserError(
            f"the model has a {own[0]} of its own, and copies of the model on several {who} would not have it",
            place=place,
            remedy="Train it on one device.",
        )
    reduction = getattr(model.loss, "reduction", "sum_over_batch_size")
    if reduction not in ("sum_over_batch_size", "mean"):
        raise UserError(
            f"a loss with reduction={reduction!r} is not the mean over the batch that several {who} share",
            place=place,
            remedy="Use the mean over the batch, or train on one device.",
        )


def unmirrored(copy: Network, model: Network) -> None:
    """Brings a model into the state of its mirrored copy."""
    for theirs, own in zip(variables(copy), variables(model), strict=True):
        own.assign(theirs.numpy())
