"""What a real API server says to the chart, and what an upgrade keeps."""

import base64
import hashlib
import json

import pytest
from helpers import CHART, NAMESPACE, pods, render, values_of


@pytest.fixture
def release(api, version):
    """A name for a release that is gone after the test."""
    name = f"r-{version}"
    yield name
    api.helm(version, "uninstall", name, "--ignore-not-found")


def test_it_admits_everything(api, values, version):
    done = api.helm(version, "install", "dry", CHART, "--dry-run=server", "--values", values)
    assert "violate PodSecurity" not in done.stderr
    assert "unknown field" not in done.stderr, done.stderr


def test_it_admits_the_pods_where_restricted_is_enforced(api, values):
    for name, metadata, spec in pods(render("--values", values)):
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{name}-pod", "namespace": NAMESPACE, "labels": metadata["labels"]},
            "spec": spec,
        }
        done = api.apply(pod, "--dry-run=server", check=False)
        assert done.returncode == 0, done.stderr


def test_restricted_is_enforced_there(api):
    """Else the test above would say nothing."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "root", "namespace": NAMESPACE},
        "spec": {"containers": [{"name": "root", "image": "root"}]},
    }
    assert "violates PodSecurity" in api.apply(pod, "--dry-run=server", check=False).stderr


def test_made_tokens_survive_upgrades_and_rollbacks(api, version, release):
    minimal = ("--values", values_of("minimal"))
    api.helm(version, "install", release, CHART, *minimal)
    name = f"{release}-socketpass-token"
    first = api.secret(name)
    api.helm(version, "upgrade", release, CHART, *minimal, "--set", "config.policy.message=Not you")
    assert api.secret(name) == first
    api.helm(version, "rollback", release, "1")
    assert api.secret(name) == first
    for line in base64.b64decode(first["tokens"]).splitlines():
        line = json.loads(line)
        token = base64.b64decode(first[line["role"]])
        assert line["hash"] == "sha256:" + hashlib.sha256(token).hexdigest()

    # A way to be rid of tokens that leaked.
    api.kubectl("--namespace", NAMESPACE, "delete", "secret", name)
    api.helm(version, "upgrade", release, CHART, *minimal)
    second = api.secret(name)
    assert set(second) == set(first) and not set(second.values()) & set(first.values())

    # Given tokens take their place.
    given = {"name": "chat", "role": "gateway", "hash": "sha256:" + "0" * 64}
    api.helm(version, "upgrade", release, CHART, *minimal, "--set-json", f"callers.tokens=[{json.dumps(given)}]")
    third = api.secret(name)
    assert set(third) == {"tokens"} and json.loads(base64.b64decode(third["tokens"])) == given


def test_another_url_of_the_registry_replaces_the_pods(api, version, release):
    def annotations(*args, command="upgrade"):
        url = ("--set", "registryStore.url=redis://:one@a")
        api.helm(version, command, release, CHART, "--values", values_of("minimal"), *url, *args)
        return deployed()

    def deployed():
        shown = api.kubectl("--namespace", NAMESPACE, "get", "deployment", f"{release}-socketpass", "--output=json")
        return json.loads(shown.stdout)["spec"]["template"]["metadata"]["annotations"]

    first = annotations(command="install")
    assert annotations() == annotations("--set", "sessionSecrets.values={another}") == first
    second = annotations("--set", "registryStore.url=redis://:two@a")
    assert second != first and annotations("--set", "registryStore.url=redis://:two@a") == second
    api.helm(version, "rollback", release, "1")
    assert deployed() == first and annotations() == first
    third = annotations("--set", "registryStore.url=redis://:two@a")
    assert third not in (first, second)


def test_the_notes_are_shown(api, version, release):
    done = api.helm(version, "install", release, CHART, "--set", "demo=true")
    assert f"dns:///{release}-socketpass-headless.{NAMESPACE}.svc:50051" in done.stdout


def test_several_replicas_come_and_go_by_upgrade(api, version, release):
    """Recreate has no rollingUpdate: the API server must take the change in both directions."""
    minimal = ("--values", values_of("minimal"))
    api.helm(version, "install", release, CHART, *minimal)
    api.helm(version, "upgrade", release, CHART, *minimal, "--set", "registryStore.url=redis://a,replicaCount=3")
    api.helm(version, "upgrade", release, CHART, *minimal)
    shown = api.kubectl("--namespace", NAMESPACE, "get", "deployment", f"{release}-socketpass", "--output=json")
    strategy = json.loads(shown.stdout)["spec"]["strategy"]
    assert strategy == {"type": "Recreate"}
