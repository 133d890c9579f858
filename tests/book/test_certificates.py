"""What pages and terminal say of certificates, and of what chapters cost."""

import dataclasses
import json
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from pcn_lib.book import certificates, costs, report
from pcn_lib.book.build import build_book
from pcn_lib.book.costs import Cost
from pcn_lib.book.project import BookError, Project
from pcn_lib.book.records import RunRecord, run_of
from pcn_lib.verify import newest, write
from tests.test_verify import certificate

ROOT = Path(__file__).parents[2]


def test_where_no_certificate_exists_that_is_said_of_each_platform(book: Project):
    found = certificates.committed(book)
    assert found == ()
    cpu, gpu = certificates.missing(found)
    assert cpu.startswith("No certificate of a CPU") and gpu.startswith("No certificate of a GPU exists")
    assert "pcn verify --device gpu --json results/certificates/gpu.json" in gpu


def test_the_report_names_the_newest_certificate_of_each_device_and_the_platform_without_one(book: Project):
    for name, made in (("cpu", certificate()), ("old", certificate(date="2025-01-01 00:00 UTC", tanh=1.0))):
        write(made, certificates.folder(book) / f"{name}.json")
    text = report.terminal(book, report.chapter_reports(book, "quick"))
    assert "certificate  CPU: 12 of 12 claims as expected · 2026-01-02" in text and "2025-01-01" not in text
    assert "No certificate of a GPU" in text and "No certificate of a CPU" not in text


def test_a_row_for_each_precision_names_what_failed():
    (row,) = certificates.rows((certificate(tanh=1.0),))
    assert row == (
        "CPU", "float64, matrix products highest",
        "11 of 12 claims as expected; not so: tanh networks reach equilibrium",
        "jax 0.10.2, commit abc", "2026-01-02 03:04 UTC",
    )  # fmt: skip


def test_a_damaged_certificate_is_one_sentence(book: Project):
    certificates.folder(book).mkdir(parents=True)
    (certificates.folder(book) / "cpu.json").write_text("{}")
    with pytest.raises(BookError, match="cpu.json is not a certificate"):
        certificates.committed(book)


def test_the_committed_certificates_can_be_read_and_one_is_of_a_cpu():
    assert "cpu" in {made.platform for made in newest(ROOT / certificates.FOLDER)}


def ran(book: Project, profile: str, **changes) -> None:
    chapter = book.chapter("halves")
    values = dict(
        chapter=chapter.name, profile=profile, parameters={}, error=None, seconds=95.0, platform="cpu", device="cpu",
        started="2026-01-01T00:00:00+00:00", versions={}, sources="s", key="k", files={}, memory=1536,
    )  # fmt: skip
    folder = run_of(book, chapter, profile).folder
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(dataclasses.asdict(RunRecord(**values | changes))))


def test_costs_are_those_of_the_runs_that_succeeded_by_device(book: Project):
    assert costs.costs(book) == {}
    ran(book, "smoke")
    ran(book, "quick")
    ran(book, "full", error="NameError: x")
    ran(book, "paper", platform="gpu", device="gpu (NVIDIA H100)", memory=None)
    chapter = book.chapter("halves")
    assert costs.costs(book) == {
        (chapter, "CPU"): {"smoke": Cost(95.0, 1536), "quick": Cost(95.0, 1536)},
        (chapter, "gpu (NVIDIA H100)"): {"paper": Cost(95.0)},
    }


def test_on_a_cpu_what_counts_is_how_long_its_cores_worked(book: Project):
    ran(book, "quick", core_seconds=40.0)
    ran(book, "full", platform="gpu", device="gpu (NVIDIA H100)", core_seconds=40.0)
    seconds = {device: cost.seconds for (_, device), row in costs.costs(book).items() for cost in row.values()}
    assert seconds == {"CPU": 40.0, "gpu (NVIDIA H100)": 95.0}


def test_a_recorded_result_says_what_its_profile_cost(book: Project):
    from pcn_lib.study.records import FOLDER, save
    from tests.book.test_diff import by_theory

    save(by_theory("full"), book.root / FOLDER / "halves.nc")
    ((key, row),) = costs.costs(book).items()
    assert key[0].stem == "halves" and row == {"full": Cost(65.0)}
    before = costs.identity(book)
    save(by_theory("full", seconds=70.0), book.root / FOLDER / "halves.nc")
    assert costs.identity(book) != before
    save(by_theory("full").assign_attrs(memory=2048, core_seconds=30.0), book.root / FOLDER / "halves.nc")
    assert list(costs.costs(book).values()) == [{"full": Cost(30.0, 2048)}]


@pytest.mark.slow
def test_the_pages_show_certificates_and_costs_and_follow_them(book: Project):
    write(certificate(), certificates.folder(book) / "cpu.json")
    assert build_book(book, "quick")
    assert "float64, matrix products highest12 of 12 claims as expected" in text(book, "report")
    assert "No certificate of a GPU exists" in text(book, "report")
    assert "Halves––not run" in text(book, "statistics")

    ran(book, "full")
    write(dataclasses.replace(certificate("NVIDIA H100"), platform="gpu"), certificates.folder(book) / "gpu.json")
    assert build_book(book, "quick")
    # A minute and 35 seconds; the runs of these pages are those at quick, of which there is none.
    assert "devicefull, minGiB" in text(book, "statistics") and "HalvesCPU1.61.5not run" in text(book, "statistics")
    assert "NVIDIA H100" in text(book, "report") and "No certificate" not in text(book, "report")


def text(book: Project, name: str) -> str:
    page = BeautifulSoup((book.pages / "chapters" / f"{name}.html").read_text(), "html.parser")
    return page.article.text.replace("\n", "")
