"""The workflows: of a known form, pinned, with the least permissions, and with steps that work in a clean clone."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pcn_lib.book.cli import _parser

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in FILES}
#: Beyond reading: what each job that has it writes.
WRITES = {
    ("pages", "colab"): {"contents": "write"},
    ("pages", "deploy"): {"pages": "write", "id-token": "write"},
}
#: Steps that are not tried here, and why.
LEFT_OUT = {
    ".ci/run": "these tests themselves, in a fresh environment",
    "make book": "every chapter at quick size, which .ci/run does",
    ".venv/bin/python -m pytest -m slow": "these tests themselves",
    ".venv/bin/pip install --upgrade": "needs a network",
    "git -C colab push": "needs GitHub",
    "tar -xf artifact.tar": "has a test of its own",
}
STEPS = [
    (name, step["run"])
    for name, workflow in WORKFLOWS.items()
    for job in workflow["jobs"].values()
    for step in job["steps"]
    if "run" in step
]


def here(step: str) -> str:
    """A step as this machine can do it: on a CPU, small, and one chapter."""
    step = step.replace("${{ inputs.profile || 'paper' }}", "smoke").replace("--device gpu", "--device cpu")
    return step.replace("pcn run ", "pcn run overview ")


def test_what_is_left_out_is_there():
    assert all(any(step.startswith(left) for _, step in STEPS) for left in LEFT_OUT)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_actions_are_pinned_by_hash_with_their_version_beside(path: Path):
    uses = re.findall(r"uses: (.*)", path.read_text())
    assert uses and all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one) for one in uses)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_reads_and_only_the_jobs_that_publish_write(name: str):
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] == {"contents": "read"}
    for job, said in workflow["jobs"].items():
        assert said.get("permissions", {}) == WRITES.get((name, job), {})
        for step in said["steps"]:
            if step.get("uses", "").startswith("actions/checkout"):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("step", [step for _, step in STEPS if "bin/pcn" in step])
def test_a_step_calls_the_command_line_as_it_is(step: str):
    for arguments in re.findall(r"bin/pcn ([^|\n]*)", here(step)):
        _parser().parse_args(arguments.split())


@pytest.mark.parametrize("step", [step for _, step in STEPS if step.startswith("make ")])
def test_a_step_makes_what_the_makefile_has(step: str):
    subprocess.run(["make", "--dry-run", *step.split()[1:]], cwd=ROOT, check=True, capture_output=True)


def test_the_branch_of_notebooks_is_made_of_the_pages_artifact(tmp_path: Path):
    """As actions/upload-pages-artifact packs it."""
    (tmp_path / "html" / "colab").mkdir(parents=True)
    (tmp_path / "html" / "colab" / "01_a.ipynb").write_text("{}")
    (tmp_path / "html" / "index.html").write_text("")
    subprocess.run(["tar", "--directory", "html", "-cf", "artifact.tar", "."], cwd=tmp_path, check=True)
    (step,) = (step for _, step in STEPS if step.startswith("tar -xf"))
    subprocess.run(["bash", "-e", "-c", step.replace("${{ github.sha }}", "x")], cwd=tmp_path, check=True)
    listed = ["git", "-C", "colab", "ls-tree", "--name-only", "colab"]
    assert subprocess.run(listed, cwd=tmp_path, capture_output=True, text=True).stdout == "01_a.ipynb\n"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("check_jsonschema") is None, reason="`pip install -e '.[check]'` has it")
def test_workflows_are_of_githubs_schema():
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
        *map(str, FILES),
    ]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.slow
@pytest.mark.skipif(not Path(sys.prefix, ".installed").exists(), reason="this environment was not made by `make`")
def test_steps_work_in_a_clean_clone(tmp_path: Path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    (clone / ".venv").symlink_to(sys.prefix)
    # Older than what is installed, so that nothing is installed again; nor could it be.
    os.utime(clone / "pyproject.toml", (0, 0))
    environment = os.environ | {"PYTHONPATH": str(clone), "PIP_NO_INDEX": "1"}
    for name, step in STEPS:
        if not step.startswith(tuple(LEFT_OUT)):
            ran = subprocess.run(
                ["bash", "-e", "-c", here(step)], cwd=clone, env=environment, capture_output=True, text=True
            )
            # One chapter was run, and the report says of the others that they were not.
            assert ran.returncode == ("pcn report" in step), f"{name}: {step}: {ran.stdout[-2000:]}{ran.stderr[-2000:]}"
