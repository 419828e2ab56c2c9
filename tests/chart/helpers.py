"""What the tests of the chart share: Helm, the files of the repository, and free ports."""

import errno
import functools
import random
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm/socketpass"
TOOLS = ROOT / "target/chart"
BIN = TOOLS / "bin"
# The image's files, as scripts/image-files makes them.
IMAGE = TOOLS / "image"
VALUES = sorted((CHART / "ci").glob("*-values.yaml"))

NAMESPACE = "passports"
RELEASE = "front"

# The oldest version that Chart.yaml takes, and the newest that schemas are at hand for.
OLDEST = "1.25.0"
NEWEST = "1.37.0"


def helms():
    return [path.name for path in (BIN / "helm3", BIN / "helm4") if path.exists()]


def values_of(name):
    return CHART / "ci" / f"{name}-values.yaml"


def tool(name):
    """The path of a program that some machines cannot have; where it is missing, the test is skipped and says so."""
    path = BIN / name
    found = str(path) if path.exists() else shutil.which(name)
    if not found:
        pytest.skip(f"{name} cannot be had here: scripts/install-chart-tools says why")
    return found


def run(*command, stdin=None, **options):
    return subprocess.run([str(part) for part in command], input=stdin, capture_output=True, text=True, **options)


def helm(*args, version=None, **options):
    return run(BIN / (version or helms()[-1]), *args, **options)


def template(*args, version=None, kubernetes=NEWEST, chart=CHART):
    return helm(
        "template", RELEASE, chart, "--namespace", NAMESPACE, "--kube-version", kubernetes, *args, version=version
    )


def render(*args, **options):
    """The manifests that these values give."""
    done = template(*args, **options)
    assert done.returncode == 0, done.stderr
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def refusal(*args, **options):
    """What Helm says about values that it refuses."""
    done = template(*args, **options)
    assert done.returncode != 0, f"{args} were taken"
    return done.stderr


def find(manifests, kind, name=None):
    found = [m for m in manifests if m["kind"] == kind and name in (None, m["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} {kind} {name or ''}"
    return found[0]


def pods(manifests):
    """The pods that these manifests make: name and spec."""
    for manifest in manifests:
        if manifest["kind"] == "Pod":
            yield manifest["metadata"]["name"], manifest["metadata"], manifest["spec"]
        elif manifest["kind"] == "Deployment":
            pod = manifest["spec"]["template"]
            yield manifest["metadata"]["name"], pod["metadata"], pod["spec"]


def free_port():
    """One of those that no system gives to outgoing connections: it is free still when it is used."""
    while True:
        port = random.randrange(10_000, 30_000)
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return port


@functools.cache
def known_settings():
    """The settings that the program knows, by name; with those of files."""
    reference = run(IMAGE / "usr/bin/socketpass", "config", "--reference")
    assert reference.returncode == 0, reference.stderr
    return set(re.findall(r"^- (?:Set by|Or its file): `([a-z0-9_.]+)`", reference.stdout, flags=re.MULTILINE))
