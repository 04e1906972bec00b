"""Which worker a process is, by TF_CONFIG, and how workers wait for each other. Without TensorFlow."""

from __future__ import annotations

import json
import socket
import threading

import pytest

from mlp_toolkit.errors import UserError
from mlp_toolkit.training.engine.sharing.cluster import Place, place_of
from mlp_toolkit.training.engine.sharing.meeting import WorkerLost, meet

TWO = ["a:1", "b:2"]


def said(cluster, kind="worker", index=0):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


@pytest.mark.parametrize(
    ("variables", "number", "addresses"),
    [
        (said({"worker": TWO}), 0, ("a:1", "b:2")),
        (said({"worker": TWO}, index=1), 1, ("a:1", "b:2")),
        (said({"worker": TWO, "chief": ["c:3"]}, "chief"), 0, ("c:3", "a:1", "b:2")),
        (said({"worker": TWO, "chief": ["c:3"]}, index=1), 2, ("c:3", "a:1", "b:2")),
        (said({"worker": ["a:1"]}), 0, ("a:1",)),
    ],
)
def test_the_chief_comes_first_then_the_workers(variables, number, addresses):
    place = place_of("workers", variables)
    assert place == (number, addresses)
    assert place.chief == (number == 0)


def test_other_devices_are_alone_whatever_the_variable_says():
    assert place_of("auto", said({"worker": TWO}, index=1)) == Place()
    assert Place().chief


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, "it is not set"),
        ({"TF_CONFIG": ""}, "launch --workers N RECIPE"),
        ({"TF_CONFIG": "{"}, "is not JSON"),
        ({"TF_CONFIG": "[]"}, "names no cluster"),
        ({"TF_CONFIG": '{"cluster": {"worker": ["a:1"]}}'}, "names no cluster and no task"),
        (said({"worker": TWO}, index=2), "2 tasks of the kind worker"),
        (said({"worker": TWO}, index=True), "counted from 0"),
        (said({"worker": TWO}, "chief"), "0 tasks of the kind chief"),
        (said({"worker": TWO}, "evaluator"), "'evaluator'"),
        (said({"worker": TWO, "ps": ["c:3"]}), "takes no part: 'ps'"),
        (said({"worker": ["a"]}), "as host:port"),
        (said({"worker": ["a:1", "a:1"]}), "twice"),
    ],
)
def test_what_names_no_place_is_refused(variables, says):
    with pytest.raises(UserError, match=says) as refused:
        place_of("workers", variables)
    assert "train.device: workers" in str(refused.value)


def free_ports(number):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def test_workers_go_on_once_all_are_there_whenever_they_come():
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(3))
    met = []

    def one(number):
        meet(Place(number, addresses), lambda _: None, longest=20)
        met.append(number)
        # TensorFlow would listen here now: others that come later still reach this worker.
        with socket.create_server(("", int(addresses[number].split(":")[1]))):
            all_met.wait(20)

    all_met = threading.Event()
    threads = [threading.Thread(target=one, args=(number,)) for number in range(3)]
    for thread in threads[:2]:
        thread.start()
    threads[0].join(0.5)
    assert met == []
    threads[2].start()
    for _ in range(100):
        if len(met) == 3:
            break
        threads[0].join(0.1)
    all_met.set()
    for thread in threads:
        thread.join(20)
    assert sorted(met) == [0, 1, 2]


def test_a_worker_that_does_not_come_is_named():
    one, other = free_ports(2)
    place = Place(0, (f"127.0.0.1:{one}", f"127.0.0.1:{other}"))
    with pytest.raises(WorkerLost, match=f"worker 0 of 2 .*127.0.0.1:{other}"):
        meet(place, lambda _: None, longest=0.1)


def test_an_address_that_is_in_use_is_named():
    with socket.create_server(("", 0)) as taken:
        own = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UserError, match="own address cannot be listened on"):
            meet(Place(0, (own, "127.0.0.1:1")), lambda _: None, longest=0.1)
