"""Widths that are trained, measured before the first update, or stopped by count: which is which, and in what order."""

from dataclasses import dataclass, fields, replace

import numpy as np
import pytest

from pcn_lib.experiments import trainings
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.experiments.trainings import Curves, KnownAtStart, WiderAtStart


@dataclass(frozen=True)
class Widths(WiderAtStart):
    widths: tuple[int, ...] = (4, 16)
    wide: tuple[int, ...] = (64, 32, 16)
    published: tuple[int, ...] = (8, 16)
    published_trained: tuple[int, ...] = (16, 64)


@dataclass(frozen=True)
class Known(KnownAtStart):
    settings: Widths
    trained: Curves
    wide: Curves


def curves(widths: tuple[int, ...], steps: int) -> Curves:
    """Every number is its width, in whole numbers or as a truth where those are wanted."""
    numbers = np.broadcast_to(np.array(widths, float)[None, :, None], (1, len(widths), steps))
    wanted = {"layers": numbers[..., None], "converged": numbers > 0, "inference_steps": numbers.astype(int)}
    return Curves(**{field.name: wanted.get(field.name, numbers) for field in fields(Curves)})


def test_what_is_not_trained_is_measured_once_and_in_order():
    assert Widths().untrained == (8, 32, 64) and Widths().by_count == (16,)


def test_settings_whose_wider_networks_are_all_trained_are_refused():
    Widths().check_untrained()
    with pytest.raises(SettingsError, match="choose one not in widths"):
        Widths(wide=(4, 16), published=(16,)).check_untrained()


def test_all_widths_are_known_at_the_start_each_in_its_place():
    settings = Widths()
    record = Known(settings, curves(settings.widths, 3), curves(settings.untrained, 1))
    assert record.all_widths == (4, 8, 16, 32, 64)
    for field in fields(Curves):
        seen = getattr(record.start, field.name).squeeze()
        assert seen.dtype == bool or seen.tolist() == [4, 8, 16, 32, 64], field.name


def test_the_gap_is_what_the_energy_lacks_of_the_loss():
    one = replace(curves((2,), 1), energy=np.array([[[3.0]]]), pc_loss=np.array([[[4.0]]]))
    assert one.gap == 0.25


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_every_problem_is_measured_once_and_stands_in_its_place_however_they_are_run(monkeypatch, backend: str):
    monkeypatch.setattr(trainings.jax, "default_backend", lambda: backend)
    table = trainings._table(lambda problem: curves((problem,), 2), [[4, 8, 16], [5, 9, 17]])
    np.testing.assert_array_equal(table.energy[..., 1], [[4, 8, 16], [5, 9, 17]])
