"""The command line `pcn`: list, run, record, new, build, pdf, cite, report, data, notebooks, doctor, clean."""

import argparse
import io
import os
import signal
import sys
import threading
from collections.abc import Sequence

from pcn_lib.book.project import PROFILES, BookError, Chapter, Project, UsageError, find_project
from pcn_lib.files import no_place

DONE, FAILED, INTERRUPTED = 0, 1, 130
GOES_ON = "\nInterrupted: chapters that were done stay done, and the next run goes on from there."
AGAIN = "\nInterrupted: nothing of it was kept; give the command again."


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command; errors of the user's making end in one sentence, not in a traceback."""
    options = _parser().parse_args(arguments)
    _prepare()
    try:
        status = options.command(options)
        sys.stdout.flush()
        return status
    except BookError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Who read the output has gone; nor may the interpreter write to it when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        if (sentence := no_place(error)) is None:
            raise
        print(sentence, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(GOES_ON if options.command in (run, record) else AGAIN, file=sys.stderr)
        return INTERRUPTED


def _prepare() -> None:
    """Letters that a terminal lacks are replaced, and whatever asks for an end is an interruption."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    for number in (signal.SIGTERM, signal.SIGHUP):
        if threading.current_thread() is threading.main_thread() and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def list_chapters(options: argparse.Namespace) -> int:
    """Each chapter, and the state of its run."""
    from pcn_lib.book.report import chapter_reports

    for report in chapter_reports(find_project(), options.profile):
        print(f"{report.chapter.name:<40} {report.state}")
    return DONE


def run(options: argparse.Namespace) -> int:
    from pcn_lib.book.runner import Request, run_chapters
    from pcn_lib.book.together import together

    settings = tuple(options.parameter)
    request = Request(options.profile, settings, options.device, options.jobs, options.force, options.scheduler)
    project = find_project()
    records = run_chapters(project, _chosen(project, options.chapters), request)
    for gathered in together(project, records):
        print(gathered)
    return FAILED if any(record.error for record in records) else DONE


def verify(options: argparse.Namespace) -> int:
    from pcn_lib.verify.__main__ import run as verify_device

    return verify_device(options)


def diff(options: argparse.Namespace) -> int:
    from pcn_lib.book import diff as differences

    if any(name.endswith(".json") for name in options.compared):
        if len(options.compared) != 2:
            raise UsageError(f"{len(options.compared)} files given: two certificates are compared, older one first.")
        found = differences.certificate_differences(*options.compared)
    else:
        project = find_project()
        chapters = _chosen(project, options.compared)
        found = [differences.chapter_difference(project, chapter, options.profile) for chapter in chapters]
    print(differences.text(found, options.all))
    return DONE if differences.unmoved(found) else FAILED


def record(options: argparse.Namespace) -> int:
    from pcn_lib.book.recording import record_chapter

    project = find_project()
    all_right = True
    for chapter in _chosen(project, options.chapters):
        print(f"{chapter.stem}: at profile {options.profile} ...", flush=True)
        made = record_chapter(project, chapter, options.profile, tuple(options.parameter), options.force)
        print(made, flush=True)
        all_right &= all(claim.as_expected for claim in made.claims)
    return DONE if all_right else FAILED


def new(options: argparse.Namespace) -> int:
    from pcn_lib.book.new import new_chapter

    path = new_chapter(find_project(), options.name)
    print(f"Wrote {path}: add `- file: chapters/{path.stem}` to _toc.yml, then `pcn run {path.stem} --profile smoke`.")
    return DONE


def build(options: argparse.Namespace) -> int:
    from pcn_lib.book.build import build_book

    project = find_project()
    print("Building the pages ...", flush=True)
    done = build_book(project, options.profile)
    print(
        f"Built {project.pages}." if done else "Nothing has changed since the last build: the pages stay as they are."
    )
    return DONE


def print_pdf(options: argparse.Namespace) -> int:
    """The whole book on paper."""
    from pcn_lib.book.pdf import print_book

    print("Printing the book ...", flush=True)
    print(f"Printed {print_book(find_project(), options.profile)}.")
    return DONE


def cite(options: argparse.Namespace) -> int:
    from pcn_lib.book.citing import bibtex

    project = find_project()
    print(bibtex(project, project.chapter(options.chapter) if options.chapter else None))
    return DONE


def report(options: argparse.Namespace) -> int:
    from pcn_lib.book.report import all_well, chapter_reports, terminal

    project = find_project()
    reports = chapter_reports(project, options.profile)
    print(terminal(project, reports))
    if (project.pages / "index.html").is_file():
        print(f"Open {(project.pages / 'index.html').as_uri()}")
    return DONE if all_well(project, reports) else FAILED


def where_data(options: argparse.Namespace) -> int:
    from pcn_lib.data import where

    for place in where():
        print(f"{place.name:<20} {place}")
    return DONE


def fetch_data(options: argparse.Namespace) -> int:
    from pcn_lib.data import DataCorrupted, DataMissing, UnknownDataSet, fetch, where

    try:
        for name in options.names or [place.name for place in where() if not place.here]:
            print(f"{name:<20} {fetch(name)}")
    except (DataCorrupted, DataMissing, UnknownDataSet) as error:
        raise BookError(str(error)) from error
    return DONE


def check_notebooks(options: argparse.Namespace) -> int:
    from pcn_lib.book.format import violations

    project = find_project()
    chosen = _chosen(project, options.chapters)
    found = [f"{chapter.name}: {problem}" for chapter in chosen for problem in violations(chapter.path)]
    print("\n".join(found) or f"{len(chosen)} chapters are in the committed form.")
    return FAILED if found else DONE


def format_notebooks(options: argparse.Namespace) -> int:
    from pcn_lib.book.format import format_file

    project = find_project()
    for chapter in _chosen(project, options.chapters):
        print(f"{chapter.name}: {'put in order' if format_file(chapter.path) else 'in order'}")
    return DONE


def doctor(options: argparse.Namespace) -> int:
    from pcn_lib.book.doctor import findings

    for subject, finding in findings(find_project()):
        print(f"{subject:<24} {finding}")
    return DONE


def clean(options: argparse.Namespace) -> int:
    from pcn_lib.book.build import clean as remove

    for folder in remove(find_project()):
        print(f"Removed {folder}.")
    return DONE


def _chosen(project: Project, names: list[str]) -> tuple[Chapter, ...]:
    return tuple(project.chapter(name) for name in names) if names else project.chapters()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pcn", description="Run the book's chapters and render its pages.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    profile = _profile("quick")
    chapters = argparse.ArgumentParser(add_help=False)
    chapters.add_argument("chapters", nargs="*", metavar="CHAPTER", help="name, with or without number (default: all)")

    _add(commands, "list", list_chapters, "list the chapters and whether they have been run", profile)
    _add_run(_add(commands, "run", run, "run chapters that have changed", chapters, profile))
    sentence = "run studies and keep their records with the book"
    _add_settings(_add(commands, "record", record, sentence, chapters, _profile("full")))
    _add_diff(_add(commands, "diff", diff, "compare runs, or certificates, with recorded numbers", profile))
    _add_verify(_add(commands, "verify", verify, "measure the equivalence of PC and BP on a device and certify it"))
    starting = _add(commands, "new", new, "start a chapter of your own that passes the checks")
    starting.add_argument("name", metavar="NAME", help="of letters, digits and underscores, such as 29_my_study")
    _add(commands, "build", build, "render the pages into _build/html", profile)
    _add(commands, "pdf", print_pdf, "print the whole book to _build/book.pdf", profile)
    citing = _add(commands, "cite", cite, "print the BibTeX of what a chapter rests on")
    citing.add_argument(
        "chapter", nargs="?", metavar="CHAPTER", help="name, with or without number (default: the book)"
    )
    _add(commands, "report", report, "show every claim with its verdict", profile)
    data = commands.add_parser("data", help="where data sets are, and fetching them")
    data = data.add_subparsers(required=True, metavar="where|fetch")
    _add(data, "where", where_data, "say where each data set would be read from")
    fetching = _add(data, "fetch", fetch_data, "download data sets into the cache, checked by hash")
    fetching.add_argument("names", nargs="*", metavar="NAME", help="data set (default: all that are not here)")
    form = commands.add_parser("notebooks", help="check or restore the committed form of chapters")
    forms = form.add_subparsers(required=True, metavar="check|fmt")
    _add(forms, "check", check_notebooks, "say where chapters depart from the form", chapters)
    _add(forms, "fmt", format_notebooks, "strip outputs and normalise metadata", chapters)
    _add(commands, "doctor", doctor, "say what this machine has: versions, devices, data")
    _add(commands, "clean", clean, "remove runs, pages and caches")
    return parser


def _profile(default: str) -> argparse.ArgumentParser:
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument("--profile", choices=PROFILES, default=default, help=f"size of the run (default: {default})")
    return parent


def _add(commands, name: str, command, sentence: str, *parents) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=sentence, description=sentence, parents=parents)
    parser.set_defaults(command=command)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="set a parameter")
    parser.add_argument("--force", action="store_true", help="run again even what is up to date")


def _add_run(parser: argparse.ArgumentParser) -> None:
    _add_settings(parser)
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto", help="where to compute")
    parser.add_argument("--jobs", type=int, metavar="N", help="chapters to run at once (default: 2, on a GPU 1)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="run on a Dask cluster: tcp://HOST:PORT, or its file")


def _add_diff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("compared", nargs="*", metavar="CHAPTER", help="chapters (default: all), or two certificates")
    parser.add_argument("--all", action="store_true", help="show what did not move, too")


def _add_verify(parser: argparse.ArgumentParser) -> None:
    # The options of `python -m pcn_lib.verify`, written out so that other commands do not wait for JAX.
    parser.add_argument("--device", choices=("cpu", "gpu"), help="where to compute (default: JAX's choice)")
    parser.add_argument("--json", metavar="FILE", help="write the certificate into this file")


if __name__ == "__main__":
    sys.exit(main())
