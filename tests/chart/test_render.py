"""What the chart makes of values, and which values it refuses."""

import base64
import hashlib
import json
import os
import re
import tomllib

import kubernetes_validate
import pytest
import yaml
from helpers import (
    CHART,
    NAMESPACE,
    NEWEST,
    OLDEST,
    RELEASE,
    ROOT,
    TOOLS,
    find,
    helm,
    helms,
    known_settings,
    pods,
    refusal,
    render,
    run,
    template,
    tool,
    values_of,
)

CUSTOM = {"Certificate", "PrometheusRule", "ServiceMonitor"}
MINIMAL = ("--values", values_of("minimal"))
DEMO = ("--set", "demo=true")
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
CONFIG = SCHEMA["properties"]["config"]["properties"]


def secret(manifests, name):
    return {key: base64.b64decode(value).decode() for key, value in find(manifests, "Secret", name)["data"].items()}


def settings(manifests, name="front-socketpass"):
    return tomllib.loads(find(manifests, "ConfigMap", name)["data"]["socketpass.toml"])


def test_both_helms_are_here():
    assert helms() == ["helm3", "helm4"]


def test_helm_lints_it(values, version):
    done = helm("lint", "--strict", CHART, "--values", values, version=version)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_renders_as_before(values, version):
    """tests/chart/golden has what each file gives; `make chart-golden` writes it anew, for the diff to be read."""
    text = template("--values", values, version=version).stdout
    if "callers:\n" not in values.read_text():
        # What is made up anew each time.
        text = re.sub(r"^  (admin|gateway|tokens): \S+$", r"  \1: (made up)", text, flags=re.MULTILINE)
    golden = ROOT / "tests/chart/golden" / f"{values.stem.removesuffix('-values')}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text(), "run `make chart-golden` and read the difference"


@pytest.mark.parametrize("kubernetes", [OLDEST, NEWEST])
def test_kubernetes_knows_every_field(values, kubernetes):
    for manifest in render("--values", values, kubernetes=kubernetes):
        if manifest["kind"] not in CUSTOM:
            kubernetes_validate.validate(manifest, kubernetes, strict=True)


def test_the_schemas_are_of_the_oldest_version_that_the_chart_takes_and_the_newest_there_is():
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"] == f">={OLDEST}-0"
    assert kubernetes_validate.latest_version() == NEWEST
    assert "incompatible" in refusal(*DEMO, kubernetes="1.24.0")


def test_operators_know_every_field_of_their_resources(values):
    custom = [manifest for manifest in render("--values", values) if manifest["kind"] in CUSTOM]
    done = run(tool("strict-decode"), stdin="\n".join(json.dumps(manifest) for manifest in custom))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [manifest["kind"] for manifest in custom]


# kube-score's checks that do not hold, and why that is right.
ALWAYS = {"container-image-pull-policy": "a tag or a digest names an image for good: there is nothing to look for anew"}
OF_THE_TEST = {"pod-networkpolicy": "a pod that serves nothing"}
IN_MEMORY = {
    "deployment-strategy": "the registry is one replica's own, so there are never two",
    "deployment-replicas": "the same",
    "pod-networkpolicy": "the chart cannot know where the stores are: networkPolicy.egress",
}


@pytest.mark.parametrize(("name", "also"), [("production", {}), ("minimal", IN_MEMORY)])
def test_policies_hold(name, also):
    rendered = template("--values", values_of(name)).stdout
    done = run(tool("kube-score"), "score", "--output-format", "json", "-", stdin=rendered)
    scored = json.loads(done.stdout)
    assert {item["type_meta"]["kind"] for item in scored} >= {"Deployment", "Pod", "Service"}
    bad = []
    for item in scored:
        ignored = {**ALWAYS, **also, **(OF_THE_TEST if item["type_meta"]["kind"] == "Pod" else {})}
        for check in item["checks"]:
            # 10 is all right; the rest goes from critical to almost.
            if not check["skipped"] and check["grade"] < 10 and check["check"]["id"] not in ignored:
                comments = [comment["summary"] for comment in check["comments"] or []]
                bad.append(f"{item['object_name']}: {check['check']['id']}: {comments}")
    assert not bad, "\n".join(bad)


def test_pods_have_no_more_than_they_need(values):
    for name, _, spec in pods(render("--values", values)):
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in spec["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True, container["name"]
            assert security["allowPrivilegeEscalation"] is False, container["name"]
            assert security["capabilities"] == {"drop": ["ALL"]}, container["name"]


def test_the_service_account_has_no_rights(values):
    kinds = {manifest["kind"] for manifest in render("--values", values)}
    assert not kinds & {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


def test_probes_ask_the_plaintext_port(values):
    manifests = render("--values", values)
    (_, _, spec) = next(pod for pod in pods(manifests) if not pod[0].endswith("-test"))
    container = next(container for container in spec["containers"] if container["name"] == "socketpass")
    http = next(port["containerPort"] for port in container["ports"] if port["name"] == "http")
    asked = {probe: container[probe]["grpc"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert asked == {
        "startupProbe": {"port": http, "service": "readiness"},
        "readinessProbe": {"port": http, "service": "readiness"},
        "livenessProbe": {"port": http, "service": "liveness"},
    }


def test_no_secret_stands_outside_a_secret():
    given = ["--set", "sessionSecrets.values={s3cret-one,s3cret-two}", "--set", "sessionStore.url=redis://:s3cret-three@a"]
    manifests = render(*given, "--set", "registryStore.url=redis://:s3cret-four@b")
    outside = [manifest for manifest in manifests if manifest["kind"] != "Secret"]
    assert "s3cret" not in yaml.safe_dump_all(outside)
    assert secret(manifests, "front-socketpass-stores") == {
        "session-secrets": "s3cret-one\ns3cret-two",
        "session-store": "redis://:s3cret-three@a",
        "registry-store": "redis://:s3cret-four@b",
        "registry-store-revision": "1",
    }
    # Nor what a guess could be compared with.
    for hidden in ("s3cret-one", "s3cret-one\ns3cret-two", "redis://:s3cret-three@a", "redis://:s3cret-four@b"):
        assert hashlib.sha256(hidden.encode()).hexdigest() not in yaml.safe_dump_all(outside)


def test_every_secret_setting_has_its_place_in_the_chart():
    # Names of certificates are no secret: they stand under `config`.
    files = {name for name in known_settings() if name.endswith("_file")} - {"callers.certificates_file", "logout.ca_file", "user.ca_file"}
    rendered = set()
    for values in ("production", "existing-secrets", "mtls", "everything"):
        manifests = render("--values", values_of(values))
        name = "passport" if values == "everything" else "front-socketpass"
        for part, keys in settings(manifests, name).items():
            rendered |= {f"{part}.{key}" for key in keys}
    assert not files - rendered


def test_a_secret_of_ones_own_is_taken_instead():
    manifests = render("--values", values_of("existing-secrets"))
    assert not [manifest for manifest in manifests if manifest["kind"] == "Secret"]
    (volume,) = find(manifests, "Deployment")["spec"]["template"]["spec"]["volumes"]
    taken = [
        (source["secret"]["name"], item["key"], item["path"])
        for source in volume["projected"]["sources"]
        if "secret" in source
        for item in source["secret"]["items"]
    ]
    assert taken == [
        ("web-app", "SESSION_SECRET", "secrets/session-secrets"),
        ("redis", "url", "secrets/session-store"),
        ("redis", "url", "secrets/registry-store"),
        ("socketpass-callers", "tokens", "secrets/tokens"),
        ("socketpass-certificate", "tls.crt", "tls/tls.crt"),
        ("socketpass-certificate", "tls.key", "tls/tls.key"),
    ]


def test_tokens_are_made_and_the_service_sees_their_hashes_alone():
    manifests = render(*MINIMAL)
    made = secret(manifests, "front-socketpass-token")
    lines = [json.loads(line) for line in made["tokens"].splitlines()]
    assert lines == [
        {"name": role, "role": role, "hash": "sha256:" + hashlib.sha256(made[role].encode()).hexdigest()}
        for role in ("gateway", "admin")
    ]
    assert made["gateway"] != made["admin"] and len(made["gateway"]) == 43
    (volume,) = find(manifests, "Deployment")["spec"]["template"]["spec"]["volumes"]
    mounted = [source["secret"] for source in volume["projected"]["sources"] if "secret" in source]
    assert {"name": "front-socketpass-token", "items": [{"key": "tokens", "path": "secrets/tokens"}]} in mounted
    assert settings(manifests)["callers"] == {"tokens_file": "/etc/socketpass/secrets/tokens"}


@pytest.mark.parametrize("name", ["anonymous", "demo", "mtls", "existing-secrets"])
def test_no_token_is_made_where_callers_are_given(name):
    manifests = render("--values", values_of(name))
    assert "front-socketpass-token" not in [manifest["metadata"]["name"] for manifest in manifests]


def test_given_tokens_go_to_their_file():
    manifests = render("--values", values_of("everything"))
    given = yaml.safe_load(values_of("everything").read_text())["callers"]["tokens"]
    assert [json.loads(line) for line in secret(manifests, "passport-token")["tokens"].splitlines()] == given


def test_the_registry_has_a_prefix_of_namespace_and_release():
    assert settings(render(*MINIMAL))["registry"] == {"prefix": "socketpass:passports:front:"}
    assert settings(render("--values", values_of("everything")), "passport")["registry"]["prefix"] == "mine:"


def test_settings_are_what_the_values_say():
    given = yaml.safe_load(values_of("anonymous").read_text())["config"]
    rendered = settings(render("--values", values_of("anonymous")))
    for part, keys in given.items():
        assert rendered[part] | keys == rendered[part]
    inline = settings(render("--values", values_of("mtls")))["callers"]["certificates"]
    assert inline == yaml.safe_load(values_of("mtls").read_text())["config"]["callers"]["certificates"]


def test_changed_settings_roll_the_pods():
    def checksum(*args):
        return find(render(*MINIMAL, *args), "Deployment")["spec"]["template"]["metadata"]["annotations"]

    assert checksum() == checksum()
    assert checksum() != checksum("--set", "config.policy.message=Not you")


def test_every_file_of_values_gives_settings_that_the_program_takes(values):
    """Their names; what they hold is asked by running them (test_run.py)."""
    manifests = render("--values", values)
    name = "passport" if values.stem.startswith("everything") else "front-socketpass"
    names = {f"{part}.{key}" for part, keys in settings(manifests, name).items() for key in keys}
    assert not names - known_settings()


def test_in_memory_is_one_replica_at_a_time():
    deployment = find(render(*MINIMAL), "Deployment")["spec"]
    assert deployment["strategy"] == {"type": "Recreate"} and deployment["replicas"] == 1
    shared = find(render(*MINIMAL, "--set", "registryStore.url=redis://a", "--set", "replicaCount=3"), "Deployment")["spec"]
    assert shared["strategy"]["type"] == "RollingUpdate" and shared["replicas"] == 3


def test_alerts_and_dashboard_are_the_files_as_they_are():
    manifests = render("--values", values_of("production"))
    rule = find(manifests, "PrometheusRule")["spec"]["groups"]
    assert rule == yaml.safe_load((CHART / "files/alerts.yaml").read_text())
    dashboard = find(manifests, "ConfigMap", "front-socketpass-dashboard")["data"]["socketpass.json"]
    assert json.loads(dashboard) == json.loads((CHART / "files/dashboard.json").read_text())


def test_alerts_lead_to_the_runbook():
    url = "https://wiki.example/socketpass?raw=1"
    groups = find(render(*DEMO, "--set", f"prometheusRule.enabled=true,prometheusRule.runbookUrl={url}"), "PrometheusRule")
    rules = [rule for group in groups["spec"]["groups"] for rule in group["rules"]]
    assert len(rules) > 20
    for rule in rules:
        assert rule["annotations"]["runbook_url"] == f"{url}#{rule['alert'].lower()}"


def test_the_runbook_is_where_the_repository_is():
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    url = DEFAULTS["prometheusRule"]["runbookUrl"]
    assert url.startswith(package.get("repository", "")) and url.endswith("docs/runbook.md")


REFUSED = {
    "nothing": (
        (),
        ["image:\n  repository: ", "sessionSecrets:\n  values: [", "sessionStore:\n  url: redis://", "--set demo=true"],
    ),
    "no store": (("--set", "sessionSecrets.values={a}"), ["sessionStore:\n  url: redis://"]),
    "no secret": (("--set", "sessionStore.url=redis://a"), ["sessionSecrets:\n  values: ["]),
    "several in memory": ((*MINIMAL, "--set", "replicaCount=2"), ["replicaCount is 2", "memory of one replica"]),
    "scaled in memory": ((*MINIMAL, "--set", "autoscaling.enabled=true"), ["autoscaling.enabled", "memory of one replica"]),
    "several demos": ((*DEMO, "--set", "registryStore.url=redis://a,replicaCount=2"), ["demo:"]),
    "no certificate": ((*DEMO, "--set", "tls.enabled=true"), ["tls.existingSecret", "tls.certManager"]),
    "no issuer": ((*DEMO, "--set", "tls.enabled=true,tls.certManager.enabled=true"), ["issuerRef.name"]),
    "two certificates": (
        (*DEMO, "--set", "tls.enabled=true,tls.existingSecret=a,tls.certManager.enabled=true"),
        ["leave one of them out"],
    ),
    "tls half set": ((*DEMO, "--set", "tls.existingSecret=a"), ["tls.enabled is false"]),
    "no authority": (
        (*DEMO, "--set", "tls.enabled=true,tls.existingSecret=a,tls.clientCerts=required"),
        ["tls.clientCA.existingSecret"],
    ),
    "certificates without an authority": (
        (*MINIMAL, "--set", "config.callers.certificates[0].name=a,config.callers.certificates[0].role=admin"),
        ["tls.clientCA.existingSecret"],
    ),
    "a demo with tokens": ((*DEMO, "--set", "callers.existingSecret=a"), ["demo:"]),
    "killed while it drains": (
        (*DEMO, "--set", "config.limits.drain_timeout=40s"),
        ["terminationGracePeriodSeconds is 40", "preStopSeconds (5)"],
    ),
    "a time to drain that cannot be compared": (
        (*DEMO, "--set", "config.limits.drain_timeout=1week"),
        ["config.limits.drain_timeout is 1week", "1m 30s"],
    ),
    "anonymous with tokens": (
        (*MINIMAL, "--set", "callers.allowAnonymous=true,callers.existingSecret=a"),
        ["callers.allowAnonymous"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_values_that_make_no_sense_are_refused_with_the_way_out(case, version):
    args, words = REFUSED[case]
    said = refusal(*args, version=version)
    assert all(word in said for word in words), said


def test_the_image_is_asked_for_only_where_it_is_nobodys():
    assert "repository:" not in refusal("--set", "image.repository=registry.example/socketpass")
    assert "repository:" not in refusal("--set", "image.registry=registry.example")


ELSEWHERE = [
    f"{part}.{key}"
    for part, table in CONFIG.items()
    for key, schema in table["properties"].items()
    if schema.get("description", "").startswith("Refused")
]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_setting_with_a_value_of_its_own_is_refused_with_the_value(name):
    said = refusal(*DEMO, "--set", f"config.{name}=s3cret")
    value = re.search(rf"config\.{name}: give it as (?:the values? )?([a-zA-Z.]+)", said)
    assert value and "s3cret" not in said, said
    values = DEFAULTS
    for key in value[1].split("."):
        values = values[key]


def test_settings_with_a_value_of_their_own_are_those_that_the_chart_sets():
    assert {"session.secrets", "session.store", "session.store_file", "registry.store", "callers.tokens"} <= set(ELSEWHERE)
    assert {"grpc.addr", "http.addr", "tls.cert_file", "callers.allow_anonymous"} <= set(ELSEWHERE)
    known = {f"{part}.{key}" for part, table in CONFIG.items() for key in table["properties"]}
    assert known_settings() - {"callers.certificates_file"} == known


# As installed, a pod has 40 seconds, of which it waits for 5.
@pytest.mark.parametrize("drain", ["35s", "36 s", "2m", "1min", "30s 5s", "20s15s", "1 hour", "35000ms", "0m 35sec"])
def test_a_pod_is_not_killed_while_it_drains(drain):
    said = refusal(*DEMO, "--set", f"config.limits.drain_timeout={drain}")
    assert "terminationGracePeriodSeconds is 40" in said and f"drain_timeout ({drain})" in said


@pytest.mark.parametrize("drain", ["34s", "34 seconds", "30s 4s", "34999ms", "34999 msec", "0m 34s"])
def test_a_pod_that_drains_in_time_is_taken(drain):
    render(*DEMO, "--set", f"config.limits.drain_timeout={drain}")


def test_a_pod_may_have_longer():
    render(*DEMO, "--set", "config.limits.drain_timeout=1m 30s,terminationGracePeriodSeconds=96")


def objects_of(schema, values, path=""):
    """Every table of values whose keys are known, as a path for --set-json."""
    if schema.get("additionalProperties") is False:
        yield path
        for key, inner in schema["properties"].items():
            below = values.get(key) if isinstance(values, dict) else None
            yield from objects_of(inner, below, f"{path}.{key}" if path else key)


@pytest.mark.parametrize("path", list(objects_of(SCHEMA, DEFAULTS)), ids=lambda path: path or "root")
def test_a_key_that_is_not_known_is_refused(path):
    key = f"{path}.surprise" if path else "surprise"
    assert "surprise" in refusal(*DEMO, "--set", f"{key}=1")


WRONG = [
    "replicaCount=two",
    "ports.grpc=0",
    "ports.http=70000",
    "listenAddress=10.0.0.1",
    "sessionStore.url=http://redis",
    "registryStore.url=",
    "tls.clientCerts=maybe",
    "image.digest=sha256:abc",
    "image.pullPolicy=Sometimes",
    "service.type=Nothing",
    "callers.tokens[0].name=a",
    "prometheusRule.runbookUrl=two words",
    "config.session.secrets={a}",
    "config.session.store=redis://a",
    "config.grpc.addr=0.0.0.0:1",
    "config.callers.allow_anonymous=true",
    "config.log.format=xml",
    "config.limits.max_watches=many",
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_value_is_refused(wrong):
    assert re.split(r"[.\[=]", wrong)[0] in refusal(*DEMO, "--set", wrong)


def test_schema_and_values_name_the_same_keys():
    def compare(schema, values, path):
        if schema.get("additionalProperties") is not False or path == "config":
            return
        keys = set(schema["properties"]) - {"global"}
        if path == "resources":
            keys -= {"claims"}
        assert keys == set(values), path
        for key in keys:
            if isinstance(values[key], dict):
                compare(schema["properties"][key], values[key], f"{path}.{key}".lstrip("."))

    compare(SCHEMA, DEFAULTS, "")


def test_the_schema_knows_the_settings_that_there_are():
    done = run(ROOT / "scripts/chart-schema", "--check")
    assert done.returncode == 0, done.stderr


def test_the_readme_is_made_of_the_values_comments(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text((CHART / "README.md").read_text())
    generator = TOOLS / "readme/node_modules/.bin/readme-generator"
    done = run(generator, "--values", CHART / "values.yaml", "--readme", readme)
    assert done.returncode == 0, done.stdout + done.stderr
    assert readme.read_text() == (CHART / "README.md").read_text(), "run `make chart-docs`"


CALL = r"""grpcurl {} -d '{{"handshake":{{"headers":{{"cookie":"{}=s%3A..."}}}}}}' \
    127.0.0.1:"""
TOKEN = '-H "authorization: Bearer $TOKEN"'
NOTES = {
    "demo": ["This is the demo", "dns:///front-socketpass-headless.passports.svc:50051", "No registry has the image socketpass:"],
    "minimal": ["get secret front-socketpass-token", CALL.format(f"-plaintext {TOKEN}", "connect.sid"), "memory of one replica"],
    "anonymous": ["callers.allowAnonymous", CALL.format("-plaintext", "express.sid")],
    "production": ["It speaks TLS", CALL.format(f"-insecure {TOKEN}", "connect.sid")],
    "mtls": [
        "It asks only for the service's health: it has no certificate",
        "the authority in the Secret gateways-ca that config.callers.certificates gives a role",
        CALL.format("-insecure -cert client.crt -key client.key", "connect.sid"),
    ],
    "everything": [
        "passport.passports.svc:6000",
        "tokens that you gave",
        "where sessions are             Secret passport-stores, key session-store",
        "where users come from          Secret people, key user-source",
        "what that source is shown      Secret people, key user-authorization",
    ],
    "existing-secrets": [
        "what cookies are signed with   Secret web-app, key SESSION_SECRET",
        "where sessions are             Secret redis, key url",
        "Users are what their sessions hold",
    ],
}


def notes(*args):
    # Helm 3 wants a cluster for this: test_api_server.py reads its notes.
    args = ("--namespace", NAMESPACE, "--dry-run=client", *args)
    done = helm("install", RELEASE, CHART, *args, version="helm4", env={"KUBECONFIG": "/dev/null"})
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("NOTES:")[2]


@pytest.mark.parametrize("name", NOTES)
def test_the_notes_say_how_to_call_it(name):
    said = notes("--values", values_of(name))
    assert all(words in said for words in NOTES[name]), said


def test_the_notes_ask_for_a_volume_where_a_file_is_read_and_none_is_mounted():
    files = {"sessionStore.url": "file:/sessions", "userSource.url": "sqlite:/data/users.sqlite"}
    mounted = "extraVolumeMounts[0].name=a,extraVolumeMounts[0].mountPath=/b,extraVolumes[0].name=a,extraVolumes[0].emptyDir={}"
    for name, url in files.items():
        given = (*MINIMAL, "--set", f"{name}={url}")
        assert "no volume brings them" in notes(*given)
        assert "no volume" not in notes(*given, "--set", mounted)
    for args in (MINIMAL, DEMO):
        assert "no volume" not in notes(*args)


def test_the_notes_speak_of_users_in_sessions_only_where_they_are_there():
    said = "Users are what their sessions hold"
    assert said in notes(*MINIMAL)
    for args in (DEMO, (*MINIMAL, "--set", "userSource.url=https://app.example/users/{id}")):
        assert said not in notes(*args)


def test_the_notes_ask_for_a_certificate_where_it_is_needed():
    tls = "tls.enabled=true,tls.existingSecret=a,tls.clientCA.existingSecret=b"
    assert "-cert" not in notes(*MINIMAL, "--set", tls)
    both = notes(*MINIMAL, "--set", tls, "--set", "tls.clientCerts=required")
    assert CALL.format(f"-insecure -cert client.crt -key client.key {TOKEN}", "connect.sid") in both
    by_name = ("--values", values_of("mtls"), "--set", "tls.clientCerts=optional")
    assert CALL.format("-insecure -cert client.crt -key client.key", "connect.sid") in notes(*by_name)


def test_the_notes_of_the_demo_call_as_ana():
    """The test's pod does, and is run (test_run.py)."""
    pod = find(render(*DEMO), "Pod")["spec"]["containers"][1]
    (cookie,) = [arg.removeprefix("--cookie=") for arg in pod["args"] if arg.startswith("--cookie=")]
    assert f'{{"cookie":"connect.sid={cookie}"}}' in notes(*DEMO)


def test_the_notes_say_where_helm_test_asks_only_for_health():
    only = "It asks only for the service's health"
    tokens = (*MINIMAL, "--set", "callers.existingSecret=a")
    assert f"{only}: it has none of your tokens" in notes(*tokens)
    assert "callers.testToken.existingSecret" in notes(*tokens)
    for args in (MINIMAL, DEMO, (*tokens, "--set", "callers.testToken.existingSecret=b")):
        assert only not in notes(*args)


def test_the_notes_speak_of_the_image_only_where_it_is_nobodys():
    for name in ("image.registry", "image.repository"):
        assert "No registry" not in notes(*DEMO, "--set", f"{name}=registry.example/socketpass")
