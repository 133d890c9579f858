"""Measurements of many sizes: in their order, however many run at once."""

import threading

import pytest

from pcn_lib.experiments import concurrently
from pcn_lib.experiments.concurrently import at_once


@pytest.mark.parametrize("cores", [None, 1, 2, 16, 64])
def test_results_stand_in_the_order_of_their_points(monkeypatch, cores):
    monkeypatch.setattr(concurrently.os, "cpu_count", lambda: cores)
    assert at_once(lambda point: point**2, range(20)) == [point**2 for point in range(20)]


def test_a_machine_with_cores_measures_several_at_once_and_one_without_does_not(monkeypatch):
    for cores, together in ((8, 4), (2, 1)):
        monkeypatch.setattr(concurrently.os, "cpu_count", lambda cores=cores: cores)
        # All of them wait for each other: fewer threads would never pass.
        gate = threading.Barrier(together)
        names = at_once(lambda _, gate=gate: (gate.wait(20), threading.current_thread().name)[1], range(together))
        assert len(set(names)) == together
