"""Settings from profiles: what is replaced, and what is refused in one sentence."""

from dataclasses import dataclass

import pytest

from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose


@dataclass(frozen=True)
class Settings:
    width: int = 8
    depths: tuple[int, ...] = (2, 4)
    rate: float = 0.1
    verbose: bool = False

    def __post_init__(self):
        check_sizes(self, width=1, depths=2)


PRESETS = {"smoke": Settings(width=4), "quick": Settings()}


def test_none_keeps_the_profiles_value_and_anything_else_replaces_it():
    assert choose(PRESETS, "smoke", {"width": None, "depths": (3,), "verbose": False}) == Settings(4, (3,))


def test_an_integer_is_a_float_and_a_truth_value_is_no_integer():
    assert choose(PRESETS, "quick", {"rate": 1}).rate == 1
    with pytest.raises(SettingsError, match="width = True given; a value of type int is needed, such as 8"):
        choose(PRESETS, "quick", {"width": True})


@pytest.mark.parametrize("depths", [3, [2, 4], (2, 4.0), ("2",)])
def test_a_tuple_of_sizes_is_nothing_else(depths):
    with pytest.raises(SettingsError, match="depths = .* given"):
        choose(PRESETS, "quick", {"depths": depths})


def test_an_unknown_profile_is_refused_with_the_nearest_name():
    with pytest.raises(SettingsError, match="profile 'quik' given; known are smoke, quick: did you mean 'quick'"):
        choose(PRESETS, "quik", {})


def test_an_unknown_setting_is_refused_even_where_its_value_would_be_kept():
    with pytest.raises(SettingsError, match="did you mean 'depths'"):
        choose(PRESETS, "quick", {"depth": None})


@pytest.mark.parametrize(("name", "value"), [("width", 0), ("depths", ()), ("depths", (2, 1))])
def test_a_size_that_is_too_small_is_refused(name, value):
    with pytest.raises(SettingsError, match=f"{name} = .* given; at least . is needed: choose {name} >= ."):
        choose(PRESETS, "quick", {name: value})
