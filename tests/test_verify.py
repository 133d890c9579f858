"""The certificate of a device: its statements on numbers made by theory, its file, its command, and real ones."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from pcn_lib.network import MLP
from pcn_lib.numerics import TOLERANCES
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.provenance import Provenance
from pcn_lib.rescaling import expected_rescaling
from pcn_lib.study import Report
from pcn_lib.verify import (
    PRECISIONS,
    Certificate,
    CertificateError,
    DeviceMissing,
    Measurement,
    Precision,
    Settings,
    claims,
    measure,
    newest,
    place,
    read,
    verify,
    write,
)
from pcn_lib.verify import __main__ as command
from pcn_lib.verify.measurement import Linear
from pcn_lib.verify.statements import slope_rounding

ROOT = Path(__file__).parents[1]
TINY = Settings(widths=(32, 64), depth=2, seeds=2, square=4, samples=8)
F32, HIGHEST, F64 = PRECISIONS


def spread(value: np.ndarray, seeds: int) -> np.ndarray:
    """Seeds that scatter about a mean by a percent."""
    return np.asarray(value)[..., None] * (1 + 0.01 * np.linspace(-1, 1, seeds))


def by_theory(precision: Precision = F64, platform: str = "cpu", **changes) -> Measurement:
    """What a device without rounding would measure, to leading order in L/N."""
    settings = Settings()
    ratio = settings.depth / np.array(settings.widths)
    shape = (len(settings.widths), settings.seeds)

    def s(width: int, depth: int) -> float:
        return expected_rescaling(MLP(settings.inputs, width, depth, skips=True), mupc_skips())

    def linear(shape, rescaling, ratio) -> Linear:
        zero = np.zeros(shape)
        gaps = (spread(np.asarray(rescaling), settings.seeds), spread(ratio, settings.seeds))
        return Linear(zero, zero, zero, *gaps, spread(2 * ratio, settings.seeds), spread(3 * ratio**2, settings.seeds))

    values = dict(
        settings=settings, precision=precision, tolerance=precision.tolerance(platform),
        wide=linear(shape, [s(width, settings.depth) for width in settings.widths], ratio),
        square=linear(shape[1:], s(settings.square, settings.square), np.array(0.4)),
        tanh=0.0, certified=1.0, samples=0.0, devices=1, sharded=None,
    )  # fmt: skip
    return Measurement(**values | changes)


def failing(measured: Measurement) -> list[str]:
    return [claim.name for claim in claims(measured) if not claim.as_expected]


@pytest.mark.parametrize("precision", PRECISIONS, ids=str)
@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_every_statement_holds_on_numbers_made_by_theory(precision: Precision, platform: str):
    assert failing(by_theory(precision, platform)) == []


def changed(field: str, factor: float = 1.0, plus: float = 0.0) -> Measurement:
    measured = by_theory()
    values = getattr(measured.wide, field) * factor + plus
    return dataclasses.replace(measured, wide=dataclasses.replace(measured.wide, **{field: values}))


@pytest.mark.parametrize(
    "broken, name",
    [
        (changed("residual", plus=1e-3), "exact equilibria of linear networks"),
        (changed("energy", plus=1e-3), "F(z*) = F*"),
        (changed("sweeps", plus=1e-3), "PC gradient of sweeps"),
        (changed("gap", 0, 0.05), "rate of 1 - F*/Loss"),
        (changed("gap", 0), "rate of 1 - F*/Loss"),
        (changed("gap", 1e-12), "rate of 1 - F*/Loss"),
        (changed("gradient", 0, 0.05), "rate of relative gradient error"),
        (changed("direction", 0, 1e-3), "rate of 1 - cos"),
        (changed("rescaling", 1.2), "s - 1 at N = 64, L = 4"),
        (by_theory(tanh=1e-3), "tanh networks reach equilibrium"),
        (by_theory(certified=0.9), "every sample is certified"),
        (by_theory(samples=1e-3), "a batch is its samples"),
        (by_theory(devices=8, sharded=1e-3), "several devices equal one"),
        (by_theory(square=changed("gradient").square.__class__(*[np.zeros(8)] * 7)), "PC is BP at N = L = 16 too"),
    ],
)
def test_a_device_that_computes_wrongly_fails_the_statement(broken: Measurement, name: str):
    assert name in failing(broken)


def test_only_a_gpus_default_products_are_allowed_the_rounding_of_tensorfloat32():
    assert F32.tolerance("gpu") == TOLERANCES["tensorfloat32", "gpu"]
    assert F32.tolerance("cpu") == HIGHEST.tolerance("cpu") == TOLERANCES["float32", "cpu"]
    assert HIGHEST.tolerance("gpu") == TOLERANCES["float32", "gpu"]
    assert F64.tolerance("gpu") == TOLERANCES["float64", "gpu"]


def test_rounding_turns_a_fitted_exponent_by_no_more_than_said():
    widths, relative = (64, 192, 512), np.array([0.01, 0.02, 0.05])
    bound = slope_rounding(widths, relative)
    signs = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T
    slopes = [np.polyfit(np.log(widths), -np.log(widths) + sign * relative, 1)[0] for sign in signs]
    assert np.max(np.abs(np.array(slopes) + 1)) == pytest.approx(bound)


def certificate(device: str = "CPU", date: str = "2026-01-02 03:04 UTC", **broken) -> Certificate:
    origin = Provenance((("seed", "0"),), (0,), "toy task", "float64", "highest", device, (("jax", "0.10.2"),),
                        "abc", False, 1.5, date)  # fmt: skip
    return Certificate("cpu", 1, origin, (Report(claims(by_theory(**broken)), device, str(F64)),))


def test_a_certificate_comes_back_from_its_file_as_it_was(tmp_path: Path):
    given = certificate(tanh=1.0)
    assert read(write(given, tmp_path / "cpu.json")) == given
    content = json.loads((tmp_path / "cpu.json").read_text())
    assert content["verdict"] == "fails" and content["provenance"]["commit"] == "abc"
    assert not given.holds and given.as_expected == len(given.claims) - 1 and "11 of 12" in given.summary


@pytest.mark.parametrize("content", ["", "[]", '{"certificate": 0}', '{"certificate": 1}'])
def test_a_file_that_is_no_certificate_is_refused_by_name(tmp_path: Path, content: str):
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(CertificateError, match="other.json is not a certificate"):
        read(path)


def test_the_newest_certificate_of_each_device_is_chosen(tmp_path: Path):
    new, old = certificate(), certificate(date="2025-12-31 23:59 UTC")
    other = certificate("NVIDIA H100")
    for name, each in (("a", new), ("b", old), ("c", other)):
        write(each, tmp_path / f"{name}.json")
    assert newest(tmp_path) == (new, other)
    assert newest(tmp_path / "nothing") == ()


@pytest.mark.skipif(jax.default_backend() == "gpu", reason="there is a GPU")
def test_a_missing_gpu_is_one_sentence_and_exit_code_two(tmp_path: Path, capsys):
    with pytest.raises(DeviceMissing):
        place("gpu")
    assert command.main(["--device", "gpu", "--json", str(tmp_path / "gpu.json")]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("A GPU was asked for and JAX sees none") and len(captured.err.splitlines()) == 1
    assert captured.out == "" and not (tmp_path / "gpu.json").exists()


def test_the_command_writes_what_it_prints_and_says_by_its_exit_code_whether_it_holds(tmp_path, capsys, monkeypatch):
    path = tmp_path / "cpu.json"
    for broken, code in (({}, 0), ({"tanh": 1.0}, 1)):
        monkeypatch.setattr(command, "verify", lambda where, tell, broken=broken: certificate(**broken))
        assert command.main(["--device", "cpu", "--json", str(path)]) == code
        assert read(path) == certificate(**broken)
        assert certificate(**broken).summary in capsys.readouterr().out


@pytest.mark.slow
def test_what_is_measured_on_this_device_is_what_slow_products_give():
    """K = 1: s, F* and P_l from full matrix products in NumPy."""
    measured = measure(TINY, F64, place("cpu").devices[:1])
    assert measured.wide.residual.shape == (2, 2) and measured.square.residual.shape == (2,)
    network = MLP(TINY.inputs, 64, 2, skips=True).init(
        jax.random.fold_in(jax.random.key(TINY.seed), 1), mupc_skips(), "float64"
    )
    weights = [np.asarray(leaf) for leaf in jax.tree.leaves(network)]
    (readout,) = (weight for weight in weights if weight.shape == (1, 64))
    assert measured.wide.rescaling[1, 1] == pytest.approx(np.sum((readout / 64) ** 2), rel=1e-10)
    exact = [claim for claim in claims(measured) if "rate" not in claim.name and "s - 1" not in claim.name]
    assert all(claim.as_expected for claim in exact), exact


WHOLE = """
import jax
from pcn_lib.numerics import use_float64
from pcn_lib.verify import Settings, place, verify
use_float64()
made = verify(place("cpu"), Settings(widths=(32, 64, 128), depth=2, seeds=4, square=8), tell=print)
names = [claim.name for claim in made.claims]
assert made.devices == 8 == len(jax.devices()) and names.count("several devices equal one") == 3, names
assert made.holds, str(made)
print(made.summary)
"""


@pytest.mark.slow
def test_eight_simulated_devices_are_certified_in_every_precision():
    flags = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
    settings = {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-W", "error", "-c", WHOLE]
    process = subprocess.run(command, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-1].startswith("8 x CPU: 39 of 39 claims as expected")


@pytest.mark.gpu
@pytest.mark.slow
def test_this_gpu_is_certified():
    made = verify(place("gpu"))
    assert made.holds, str(made)
