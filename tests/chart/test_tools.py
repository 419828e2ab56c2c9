"""The scripts that bring what the tests need, on machines that have less."""

import os
import shutil

import pytest
from helpers import ROOT, run


@pytest.fixture
def machine(tmp_path):
    """Runs a script where there are only a shell, its usual company, and programs that say what they are asked."""

    def machine(script, *args, **programs):
        for name in ("bash", "dirname", "env", "grep", "id", "sed"):
            (tmp_path / name).symlink_to(shutil.which(name))
        for name, says in programs.items():
            path = tmp_path / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\necho {says}\n")
            path.chmod(0o755)
        return run(ROOT / "scripts" / script, *args, env={"PATH": str(tmp_path), "HOME": os.environ["HOME"]})

    return machine


def test_what_is_missing_is_named_where_there_is_no_apt(machine):
    done = machine("install-missing", "buildah", "redis-tools")
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "missing: buildah redis-cli. Install what Debian calls buildah redis-tools with this system's package manager "
        "and run this again."
    )


def test_node_is_asked_for_its_version_by_those_who_need_it(machine):
    done = machine("install-missing", "buildah", buildah="1")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("node", "code"), [("v16.20.2", 1), ("v18.0.0", 0)])
def test_a_node_that_is_too_old_is_refused(machine, node, code):
    done = machine("install-missing", "nodejs", node=node)
    assert done.returncode == code and bool(done.stderr) == bool(code)


def test_another_version_of_a_tool_is_not_taken_for_the_one_that_is_wanted(machine):
    # The image's files were made with the version of another.
    done = machine("install-cargo-tool", "cargo-cyclonedx", "0.0.1", cargo='"$@"', cargo_cyclonedx="here")
    assert done.returncode == 0 and "building cargo-cyclonedx 0.0.1" in done.stderr
    assert done.stdout.split()[0] == "install" and done.stdout.split()[-1] == "cargo-cyclonedx@0.0.1"
