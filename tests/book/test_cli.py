import pytest

from pcn_lib.book import cli, devices, runner
from pcn_lib.book.devices import Device
from pcn_lib.book.project import BookError, Project, UsageError


@pytest.fixture(autouse=True)
def in_the_book(book: Project, monkeypatch):
    monkeypatch.chdir(book.root)
    monkeypatch.setattr(runner.devices, "probe", lambda wanted: Device("cpu", "cpu", 1))


def test_list_names_every_chapter_and_its_state(capsys):
    assert cli.main(["list"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["01_halves", "not", "run"],
        ["02_thirds", "not", "run"],
    ]


def test_a_mistake_of_the_users_ends_in_one_sentence_and_exit_code_two(capsys):
    assert cli.main(["run", "halfs"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "There is no chapter 'halfs'; the nearest names are: 01_halves.\n" and captured.out == ""


def test_a_command_outside_the_book_says_where_it_belongs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["list"]) == 1
    assert "is not inside the book" in capsys.readouterr().err


def test_a_report_of_claims_that_were_never_run_is_not_a_success(capsys):
    assert cli.main(["report"]) == 1
    assert "0 claims" in capsys.readouterr().out


def test_notebooks_check_fails_on_a_chapter_out_of_form_and_fmt_restores_it(book: Project, capsys):
    path = book.chapter("thirds").path
    path.write_text(path.read_text() + "\n\n")
    assert cli.main(["notebooks", "check"]) == 1
    assert "02_thirds: file: metadata, cell ids or layout" in capsys.readouterr().out
    assert cli.main(["notebooks", "fmt", "thirds"]) == 0
    cli.main(["notebooks", "check"])
    assert "layout" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [[name] for name in ("run", "verify", "diff", "build", "report", "doctor", "clean")]
    + [["notebooks", "check"], ["data", "fetch"]],
)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as done:
        cli.main([*command, "--help"])
    assert done.value.code == 0
    assert "usage: pcn" in capsys.readouterr().out


def test_data_where_names_every_data_set(capsys):
    assert cli.main(["data", "where"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert {"digits", "mnist", "fashion_mnist", "cifar10"} <= set(names)


def test_a_data_set_that_does_not_exist_is_refused_in_one_sentence(capsys):
    assert cli.main(["data", "fetch", "fashion"]) == 1
    error = capsys.readouterr().err
    assert "fashion_mnist" in error and len(error.splitlines()) == 1


def test_a_data_set_that_is_not_here_and_may_not_be_fetched_is_one_sentence(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PCN_OFFLINE", "1")
    monkeypatch.setenv("PCN_CACHE", str(tmp_path))
    monkeypatch.delenv("PCN_DATA", raising=False)
    assert cli.main(["data", "fetch", "tinyshakespeare"]) == 1
    error = capsys.readouterr().err
    assert "PCN_OFFLINE=1" in error and len(error.splitlines()) == 1


class TestDevices:
    """These ask JAX, each time in a process of its own."""

    @pytest.fixture(autouse=True)
    def really_ask(self, monkeypatch):
        monkeypatch.undo()

    def test_a_gpu_asked_for_and_absent_is_one_sentence(self):
        try:
            found = devices.probe("gpu")
        except UsageError as absent:
            assert "A GPU was asked for and JAX sees none" in str(absent)
        else:
            assert found.platform == "gpu"

    def test_a_platform_that_does_not_exist_is_one_sentence(self, monkeypatch):
        monkeypatch.setenv("JAX_PLATFORMS", "abacus")
        with pytest.raises(BookError, match="JAX does not start here .*abacus"):
            devices.probe("auto")
