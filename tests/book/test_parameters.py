import pytest

from pcn_lib.book import notebooks, parameters
from pcn_lib.book.project import Project, UsageError


@pytest.fixture
def declared(book: Project) -> dict[str, parameters.Parameter]:
    return parameters.declared(notebooks.read(book.chapter("halves").path))


def test_every_assignment_of_the_parameters_cell_is_declared_with_its_type(declared):
    types = {name: parameter.type_name for name, parameter in declared.items()}
    assert types == {
        "profile": "str",
        "seed": "int",
        "width": "Optional[int]",
        "widths": "Sequence[int]",
        "rate": "float",
    }


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("width=512", 512),
        ("width=None", None),
        ("widths=16,32", (16, 32)),
        ("widths=[16, 32]", (16, 32)),
        ("rate=1e-3", 1e-3),
        ("rate=1", 1),
    ],
)
def test_a_setting_of_the_declared_type_is_taken_as_that_type(declared, setting, value):
    name = setting.partition("=")[0]
    assert parameters.parse([setting], declared, "01_halves") == {name: value}


@pytest.mark.parametrize("setting", ["width=3.5", "width=wide", "seed=None", "seed=True", "widths=16", "rate=fast"])
def test_a_setting_of_another_type_is_refused_with_the_type_it_should_have(declared, setting):
    with pytest.raises(UsageError, match="is of type .* which '.*' is not"):
        parameters.parse([setting], declared, "01_halves")


def test_an_unknown_parameter_is_refused_with_the_nearest_names(declared):
    with pytest.raises(UsageError, match="no parameter 'wdth'; the nearest are: width"):
        parameters.parse(["wdth=3"], declared, "01_halves")


def test_a_setting_without_an_equals_sign_is_refused(declared):
    with pytest.raises(UsageError, match="write -p NAME=VALUE"):
        parameters.parse(["width"], declared, "01_halves")


def test_the_profile_is_refused_as_a_setting_because_it_has_its_own_option(declared):
    with pytest.raises(UsageError, match="write --profile full"):
        parameters.parse(["profile=full"], declared, "01_halves")
