"""A real API server with nothing behind it: it admits and keeps objects, and no pod ever starts."""

import json
import secrets
import subprocess
import tempfile
import time
from pathlib import Path

from helpers import BIN, NAMESPACE, ROOT, free_port, run, tool

READY_SECONDS = 120

# Of the operators' own resources only cert-manager's definitions can be had here; test_render.py reads the others into
# the operator's types.
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def definition(group, kind, plural):
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": ANYTHING}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


class ApiServer:
    def __enter__(self):
        etcd, server = tool("etcd"), tool("kube-apiserver")
        self.folder = tempfile.TemporaryDirectory()
        folder = Path(self.folder.name)
        self.processes = []
        try:
            self._start(folder, etcd, server)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self, folder, etcd, server):
        token = secrets.token_hex(16)
        (folder / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
        key = folder / "accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        clients, peers, port = free_port(), free_port(), free_port()
        self._run(
            folder / "etcd.log",
            etcd,
            f"--data-dir={folder}/etcd",
            f"--listen-client-urls=http://127.0.0.1:{clients}",
            f"--advertise-client-urls=http://127.0.0.1:{clients}",
            f"--listen-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-cluster=default=http://127.0.0.1:{peers}",
            "--unsafe-no-fsync",
        )
        self._run(
            folder / "api.log",
            server,
            f"--etcd-servers=http://127.0.0.1:{clients}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--cert-dir={folder}/certificates",
            f"--token-auth-file={folder}/tokens.csv",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://localhost",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            # Nothing makes the accounts of a namespace here.
            "--disable-admission-plugins=ServiceAccount",
        )
        self.config = folder / "kubeconfig"
        self.config.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "it",
                    "contexts": [{"name": "it", "context": {"cluster": "it", "user": "admin"}}],
                    "clusters": [
                        {
                            "name": "it",
                            "cluster": {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True},
                        }
                    ],
                    "users": [{"name": "admin", "user": {"token": token}}],
                }
            )
        )
        self._wait_until_ready(folder)
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": RESTRICTED}})
        self.apply(definition("monitoring.coreos.com", "ServiceMonitor", "servicemonitors"))
        self.apply(definition("monitoring.coreos.com", "PrometheusRule", "prometheusrules"))
        module = run(
            "go", "list", "-m", "-f", "{{.Dir}}", "github.com/cert-manager/cert-manager", cwd=ROOT / "tests/chart/tools"
        )
        certificates = Path(module.stdout.strip()) / "deploy/crds/cert-manager.io_certificates.yaml"
        self.kubectl("apply", "--filename", certificates)
        crds = ("certificates.cert-manager.io", "servicemonitors.monitoring.coreos.com", "prometheusrules.monitoring.coreos.com")
        for crd in crds:
            self.kubectl("wait", "--for=condition=established", f"crd/{crd}", "--timeout=60s")

    def _run(self, log, *command):
        with open(log, "wb") as output:
            self.processes.append(subprocess.Popen(command, stdout=output, stderr=output))

    def _wait_until_ready(self, folder):
        end = time.monotonic() + READY_SECONDS
        while self.kubectl("get", "--raw", "/readyz", check=False).returncode != 0:
            ended = [process.args[0] for process in self.processes if process.poll() is not None]
            logs = "\n".join(path.read_text()[-2000:] for path in folder.glob("*.log"))
            assert not ended and time.monotonic() < end, f"{ended}\n{logs}"
            # Nothing tells when it is up: it has to be asked again and again.
            time.sleep(0.2)

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.folder.cleanup()

    def kubectl(self, *args, check=True, **options):
        done = run(BIN / "kubectl", "--kubeconfig", self.config, *args, **options)
        assert not check or done.returncode == 0, done.stderr
        return done

    def apply(self, manifest, *args, check=True):
        return self.kubectl("apply", "--filename", "-", *args, stdin=json.dumps(manifest), check=check)

    def helm(self, version, *args, check=True):
        done = run(BIN / version, "--kubeconfig", self.config, "--namespace", NAMESPACE, *args)
        assert not check or done.returncode == 0, done.stderr
        return done

    def secret(self, name):
        return json.loads(self.kubectl("--namespace", NAMESPACE, "get", "secret", name, "--output=json").stdout)["data"]


# What the namespace admits, and warns of.
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
