"""The values that docs/kubernetes.md shows: the chart takes them, each over the least that it needs."""

import re
import textwrap
import tomllib

import pytest
import yaml
from helpers import ROOT, find, known_settings, render, values_of

PAGE = (ROOT / "docs/kubernetes.md").read_text()
# A hash that the page leaves for the reader to fill in.
EXAMPLES = [
    textwrap.dedent(example).replace("sha256:…", f"sha256:{'0' * 64}")
    for example in re.findall(r"^ *```yaml\n(.*?)^ *```$", PAGE, flags=re.MULTILINE | re.DOTALL)
]


@pytest.fixture(params=EXAMPLES, ids=lambda example: "-".join(yaml.safe_load(example)))
def example(request, tmp_path):
    file = tmp_path / "values.yaml"
    file.write_text(request.param)
    return file


def test_values_on_the_page_are_taken(example):
    manifests = render("--values", values_of("minimal"), "--values", example)
    rendered = tomllib.loads(find(manifests, "ConfigMap", "front-socketpass")["data"]["socketpass.toml"])
    assert {f"{part}.{key}" for part, keys in rendered.items() for key in keys} <= known_settings()
    # What is said to be in a Secret is mounted.
    (pod,) = [manifest for manifest in manifests if manifest["kind"] == "Deployment"]
    volumes = str(pod["spec"]["template"]["spec"]["volumes"])
    for name in re.findall(r"^ *existingSecret: (\S+)", example.read_text(), flags=re.MULTILINE):
        assert f"'{name}'" in volumes


def test_the_page_shows_each_secret_that_the_chart_takes():
    shown = {part for example in EXAMPLES for part in yaml.safe_load(example)}
    assert {"sessionSecrets", "sessionStore", "registryStore", "userSource", "userAuthorization", "callers", "tls"} <= shown
