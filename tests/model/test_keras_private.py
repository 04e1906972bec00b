"""What is exchanged inside of TensorFlow is put back, whatever other threads do meanwhile."""

from __future__ import annotations

import threading

from mlp_toolkit.model.backend import tf
from mlp_toolkit.model.keras_private import fast_random_numbers


def functions():
    return tf.nn.experimental.stateless_dropout, tf.random.stateless_uniform, tf.random.stateless_normal


def test_two_threads_that_trace_at_once_leave_tensorflow_as_it_was():
    before = functions()
    first_is_in, second_is_in = threading.Event(), threading.Event()

    def first():
        with fast_random_numbers():
            first_is_in.set()
            second_is_in.wait(0.5)  # were both in at once, the first would leave before the second

    def second():
        first_is_in.wait()
        with fast_random_numbers():
            second_is_in.set()

    threads = [threading.Thread(target=target) for target in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert second_is_in.is_set()
    assert functions() == before


def test_other_threads_draw_by_the_usual_algorithm_meanwhile():
    drawn = []
    usual = tf.random.stateless_uniform((4,), (1, 2)).numpy()

    def draw():
        drawn.append(tf.random.stateless_uniform((4,), (1, 2)).numpy())

    with fast_random_numbers():
        own = tf.function(lambda: tf.random.stateless_uniform((4,), (1, 2)), jit_compile=True)().numpy()
        thread = threading.Thread(target=draw)
        thread.start()
        thread.join()
    assert (drawn[0] == usual).all()
    assert (own != usual).any()
