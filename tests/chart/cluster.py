"""As much of a cluster as one pod needs: its volumes as kubelet lays them, its program in the image's files and nothing
else, kubelet's probes, the names of its Services."""

import base64
import contextlib
import hashlib
import hmac
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import grpc
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc
from helpers import IMAGE, NAMESPACE, ROOT, TOOLS, find, free_port, render, run, tool
from redis import Redis as RedisClient

USER = GROUP = 65532


def compile_stubs():
    folder = TOOLS / "stubs"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    files = sorted((ROOT / "proto").glob("socketpass/v1/*.proto"))
    done = run(
        sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={ROOT}/proto",
        f"--python_out={folder}", f"--grpc_python_out={folder}", *files,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    sys.path.insert(0, str(folder))
    from socketpass.v1 import (
        authorization_service_pb2,
        authorization_service_pb2_grpc,
        registry_service_pb2,
        registry_service_pb2_grpc,
    )

    return (
        authorization_service_pb2,
        authorization_service_pb2_grpc,
        registry_service_pb2,
        registry_service_pb2_grpc,
    )


def cookie(session_id, secret, name="connect.sid"):
    """The Cookie header that express-session's cookie comes back in."""
    signature = hmac.digest(secret.encode(), session_id.encode(), "sha256")
    signed = f"s:{session_id}.{base64.b64encode(signature).decode().rstrip('=')}"
    return f"{name}={quote(signed, safe='')}"


class Redis:
    def __enter__(self):
        self.port = free_port()
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if "Ready to accept connections" in line:
                break
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = RedisClient(port=self.port)
        return self

    def log_in(self, session_id, user):
        self.client.set(f"sess:{session_id}", f'{{"cookie":{{}},"passport":{{"user":{user}}}}}')

    @contextlib.contextmanager
    def frozen(self):
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def __exit__(self, *_):
        self.client.close()
        self.process.terminate()
        self.process.wait(30)
        self.process.stdout.close()


class Volume:
    """A projected volume, with its files behind a symbolic link that is swapped when they change, as kubelet does it."""

    def __init__(self, folder, volume, objects):
        self.folder, self.volume, self.count = folder, volume, 0
        self.write(objects)

    def write(self, objects):
        self.count += 1
        data = self.folder / f"..{self.count}"
        for source in self.volume["projected"]["sources"]:
            ((kind, source),) = source.items()
            for item in source["items"]:
                path = data / item["path"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(objects[kind, source["name"]][item["key"]])
                path.chmod(self.volume["projected"]["defaultMode"])
                if os.getuid() == 0:
                    os.chown(path, 0, GROUP)
        swap = self.folder / "..data_tmp"
        swap.symlink_to(data.name)
        swap.rename(self.folder / "..data")
        for path in data.iterdir():
            link = self.folder / path.name
            if not link.is_symlink():
                link.symlink_to(f"..data/{path.name}")


class Cluster:
    """What one release is run in. `objects` are Secrets of one's own: their data by ("secret", name)."""

    def __init__(self, *args, objects=()):
        # Alone on this machine, the pods of other tests are neighbours on the same address.
        self.grpc_port, self.http_port = free_port(), free_port()
        ports = f"ports.grpc={self.grpc_port},ports.http={self.http_port}"
        self.manifests = render(*args, "--set", ports)
        self.objects = {}
        for manifest in self.manifests:
            if manifest["kind"] in ("ConfigMap", "Secret"):
                data = manifest.get("data", {})
                if manifest["kind"] == "Secret":
                    data = {key: base64.b64decode(value).decode() for key, value in data.items()}
                kind = "configMap" if manifest["kind"] == "ConfigMap" else "secret"
                self.objects[kind, manifest["metadata"]["name"]] = data
        self.objects |= dict(objects)
        self.folder = tempfile.TemporaryDirectory()
        self.running = []
        for name in ("unshare", "chroot"):
            tool(name)
        if run("unshare", *as_root(), "--mount", "true").returncode != 0:
            pytest.skip("this machine lets nobody make a mount namespace, which the pod's files are put in")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.folder.cleanup()

    @property
    def deployment(self):
        return find(self.manifests, "Deployment")["spec"]["template"]["spec"]

    def start(self, spec, container, image=IMAGE, variables=()):
        """Runs a container of a pod; its standard output and error come back in one pipe, its volumes by name."""
        root = Path(tempfile.mkdtemp(dir=self.folder.name))
        root.chmod(0o755)
        # What every container runtime puts there.
        (root / "dev").mkdir()
        (root / "proc").mkdir()
        shutil.copytree(image, root, dirs_exist_ok=True, copy_function=link_or_copy)
        names = [
            f"{m['metadata']['name']}{suffix}"
            for m in self.manifests
            if m["kind"] == "Service"
            for suffix in ("", f".{NAMESPACE}", f".{NAMESPACE}.svc", f".{NAMESPACE}.svc.cluster.local")
        ]
        (root / "etc/hosts").write_text(f"127.0.0.1 localhost {' '.join(names)}\n")
        volumes = {}
        for mount in container.get("volumeMounts", []):
            volume = next(volume for volume in spec["volumes"] if volume["name"] == mount["name"])
            if "secret" in volume:
                source = {"secret": {"name": volume["secret"]["secretName"], "items": volume["secret"]["items"]}}
                volume = {"projected": {"defaultMode": volume["secret"]["defaultMode"], "sources": [source]}}
            folder = root / mount["mountPath"].lstrip("/")
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            volumes[mount["name"]] = Volume(folder, volume, self.objects)
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        for variable in container.get("env", []):
            if "valueFrom" in variable:
                source = variable["valueFrom"]["secretKeyRef"]
                environment[variable["name"]] = self.objects["secret", source["name"]][source["key"]]
            else:
                environment[variable["name"]] = variable["value"]
        environment |= dict(variables)
        # The image's entry point with the pod's arguments: not root, no more rights to gain, nothing to write to.
        ids = f"--userspec={USER}:{GROUP}" if os.getuid() == 0 else "--userspec=0:0"
        script = """
            mount --bind "$0" "$0" && mount --rbind /dev "$0/dev" && mount --rbind /proc "$0/proc" &&
            mount -o remount,bind,ro "$0" && exec setpriv --no-new-privs chroot "$@"
        """
        command = ["unshare", *as_root(), "--mount", "sh", "-c", script, str(root), ids, str(root)]
        command += ["/usr/bin/socketpass", *container["args"]]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.running.append(process)
        return process, volumes

    def start_service(self, address=None, image=IMAGE):
        return Service(self, address, image)

    def run_helm_test(self):
        """What each container of the pod of `helm test` printed, by name; each must have ended well."""
        spec = find(self.manifests, "Pod")["spec"]
        printed = {}
        for container in spec["containers"]:
            process, _ = self.start(spec, container)
            output, _ = process.communicate(timeout=60)
            assert process.returncode == 0, f"{container['name']}: {output}"
            printed[container["name"]] = output
        return printed


class Service:
    """The Deployment's container, watched as kubelet watches it."""

    def __init__(self, cluster, address=None, image=IMAGE):
        self.cluster = cluster
        self.spec = cluster.deployment
        (self.container,) = self.spec["containers"]
        self.address, variables = address or "127.0.0.1", {}
        if address:
            # Where a pod would have one of its own.
            variables["SOCKETPASS_GRPC_ADDR"] = f"{address}:{cluster.grpc_port}"
            variables["SOCKETPASS_HTTP_ADDR"] = f"{address}:{cluster.http_port}"
        self.process, volumes = cluster.start(self.spec, self.container, image, variables)
        self.volume = volumes["settings"]
        self.lines = []
        self.wait_until_started()

    def probe(self, name):
        """Kubelet's own code, as its settings say."""
        probe = self.container[name]
        timeout = f"{probe['timeoutSeconds']}s"
        asked = (str(probe["grpc"]["port"]), probe["grpc"]["service"], timeout)
        return run(tool("kubelet-probe"), self.address, *asked).returncode == 0

    def wait_until_started(self):
        probe = self.container["startupProbe"]
        for _ in range(probe["failureThreshold"]):
            if self.probe("startupProbe"):
                return
            assert self.process.poll() is None, self.process.stdout.read()
            # Kubelet's pace.
            time.sleep(probe["periodSeconds"])
        raise AssertionError("it did not get ready")

    def wait_for_line(self, words, seconds=30):
        """Reads the log until a line has these words."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.process.stdout], [], [], left)[0]:
                line = self.process.stdout.readline()
                if not line:
                    break
                self.lines.append(line)
                if words in line:
                    return line
        raise AssertionError(f"no line has {words!r}:\n{''.join(self.lines)}")

    def end(self):
        """As kubelet ends a pod: SIGTERM, and the grace period."""
        self.process.terminate()
        assert self.process.wait(self.spec["terminationGracePeriodSeconds"]) == 0

    def health(self):
        """What readiness is, and each time that it changes."""
        with grpc.insecure_channel(f"127.0.0.1:{self.cluster.http_port}") as channel:
            health = health_pb2_grpc.HealthStub(channel)
            with contextlib.suppress(grpc.RpcError):
                for answer in health.Watch(health_pb2.HealthCheckRequest(service="readiness")):
                    yield health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def as_root():
    return [] if os.getuid() == 0 else ["--map-root-user"]


def link_or_copy(source, target):
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def digest(token):
    return "sha256:" + hashlib.sha256(token.encode()).hexdigest()


__all__ = ["Cluster", "Redis", "compile_stubs", "cookie", "digest", "yaml"]
