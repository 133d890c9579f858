"""Every claim of every chapter's kept record fails when the record is wrong, and none survives missing numbers."""

import contextlib
import io
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr

from pcn_lib.study import load
from tests.studies.chapters import ROOT, claims_of, defined, studies

RECORDED = ROOT / "results" / "recorded"
STEMS = [one.stem for one in studies() if (RECORDED / f"{one.stem}.nc").is_file()]

#: What may be wrong with a variable; each is a function of its values. The first three show what is made of it.
WRONG: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "noise": lambda values: values * np.exp(np.random.default_rng(0).normal(0, 2, values.shape)),
    "one more": lambda values: values + 1.0,
    "nothing": lambda values: 0.0 * values,
    "huge": lambda values: 1e15 * (1.0 + np.abs(values)),
    "negative": lambda values: -values,
    "a third more": lambda values: 1.3 * values,
    "tenfold": lambda values: 10.0 * values,
    "a thousandth": lambda values: values / 1000,
    "the square root": lambda values: np.sqrt(np.abs(values)),
    "upside down": lambda values: np.flip(values),
    "rounding": lambda values: 1e-15 * values,
}
SHOWING = tuple(WRONG)[:3]


def missing(values: np.ndarray) -> np.ndarray:
    return np.full(values.shape, np.nan)


def variables(record: Any) -> Iterator[tuple[str, str]]:
    """Table and name of every number that was measured."""
    for path, table in tables(record).items():
        yield from ((path, str(name)) for name, values in table.data_vars.items() if values.dtype.kind in "biuf")


def tables(record: Any) -> dict[str, xr.Dataset]:
    if isinstance(record, xr.Dataset):
        return {"": record}
    return {node.path: node.to_dataset() for node in record.subtree if node.data_vars}


def changed(record: Any, wrong: Callable[[np.ndarray], np.ndarray], places: list[tuple[str, str]]) -> Any:
    """The record with some of its variables replaced."""
    made = {
        path: table.assign(
            {name: table[name].copy(data=wrong(table[name].to_numpy().astype(float)))
             for name in table.data_vars if (path, name) in places}
        )
        for path, table in tables(record).items()
    }  # fmt: skip
    return made[""] if isinstance(record, xr.Dataset) else xr.DataTree.from_dict(made)


@pytest.fixture(params=STEMS)
def study(request) -> Iterator[tuple]:
    """A chapter's stem, its kept record, and a function that makes its claims of another record by name."""
    stem = request.param
    record = load(RECORDED / f"{stem}.nc")
    profile, settings = json.loads(record.attrs["recorded"])
    assert not settings, "records kept with the book are made with a profile's own settings"
    # Chapters set precision for themselves and are written for JAX's usual promotion.
    before = jax.config.jax_numpy_dtype_promotion, jax.config.jax_numpy_rank_promotion
    jax.config.update("jax_numpy_dtype_promotion", "standard")
    jax.config.update("jax_numpy_rank_promotion", "allow")
    names = defined(stem, profile=profile)

    def claims(of: Any) -> dict[str, Any] | None:
        """By name; None where the cells themselves refuse such numbers, which no claim survives."""
        with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            try:
                return {claim.name: claim for claim in claims_of(stem, names, of)}
            except (ValueError, ArithmeticError):
                return None

    yield stem, record, claims
    jax.config.update("jax_numpy_dtype_promotion", before[0])
    jax.config.update("jax_numpy_rank_promotion", before[1])


@pytest.mark.filterwarnings("ignore")
def test_the_kept_record_gives_the_claims_that_were_made_of_it(study):
    stem, record, claims = study
    made = {claim["name"]: claim for claim in json.loads(record.attrs["claims"])}
    now = claims(record)
    assert now.keys() == made.keys() and all(claim.as_expected for claim in now.values())
    for name, claim in now.items():
        assert claim.measured == pytest.approx(made[name]["measured"], rel=1e-12, nan_ok=True), name


@pytest.mark.filterwarnings("ignore")
def test_every_claim_fails_when_some_variable_is_wrong_and_none_survives_where_it_is_missing(study):
    stem, record, claims = study
    usual, places = claims(record), sorted(variables(record))
    survivors = lambda found: [name for name, claim in (found or {}).items() if claim.as_expected]  # noqa: E731
    assert survivors(claims(changed(record, missing, places))) == []
    standing, made_of = set(usual), {place: set() for place in places}  # of each variable, the claims made of it
    tables = [list(group) for _, group in itertools.groupby(places, key=lambda place: place[0])]
    for table in tables:
        if all(claims(changed(record, WRONG[wrong], table)) == usual for wrong in SHOWING):
            continue  # No claim is made of a table that may be wrong as a whole.
        for place, wrong in itertools.product(table, SHOWING):
            found = claims(changed(record, WRONG[wrong], [place])) or {}
            made_of[place] |= {name for name, claim in found.items() if claim != usual.get(name)}
            standing -= found.keys() - survivors(found)
    for place in filter(made_of.get, places):
        assert made_of[place].isdisjoint(survivors(claims(changed(record, missing, [place])))), place
    for wrong, place in itertools.product(WRONG, places):
        if wrong not in SHOWING and made_of[place] & standing:
            found = claims(changed(record, WRONG[wrong], [place])) or {}
            standing -= found.keys() - survivors(found)
    assert standing == set(), "no wrong record makes these claims fail"
