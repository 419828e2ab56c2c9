"""The image, built by its Dockerfile with the stage that compiles replaced by files made on this machine, and started."""

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from helpers import IMAGE, ROOT, free_port, run

FILES = {
    "etc/group",
    "etc/passwd",
    "etc/socketpass/socketpass.toml",
    "etc/ssl/certs/ca-certificates.crt",
    "usr/bin/socketpass",
    "usr/share/sbom/socketpass.cdx.json",
}


class Buildah:
    """buildah with images of its own, that are gone afterwards. `vfs` and `chroot` work inside other containers too."""

    def __init__(self, folder):
        self.storage = ["--storage-driver", "vfs", "--root", f"{folder}/root", "--runroot", f"{folder}/run"]

    def command(self, *args):
        return ["buildah", *self.storage, *map(str, args)]

    def __call__(self, *args):
        done = run(*self.command(*args))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def build(self, tag, *args, image_format="docker"):
        """Docker's format is the one that knows health checks."""
        self("build", "--isolation", "chroot", "--timestamp", "0", "--format", image_format, "--tag", tag, *args)
        return self.inspect(tag)

    def inspect(self, tag):
        return json.loads(self("inspect", "--type", "image", tag))


@pytest.fixture(scope="module")
def buildah():
    if not shutil.which("buildah"):
        pytest.skip("buildah cannot be had here: no image is built")
    folder = tempfile.mkdtemp()
    try:
        buildah = Buildah(folder)
        scratch = Path(folder) / "Containerfile"
        scratch.write_text("FROM scratch\nCOPY . /out/\n")
        done = run(*buildah.command("build", "--isolation", "chroot", "--tag", "files", "--file", scratch, IMAGE))
        if done.returncode != 0:
            pytest.skip(f"buildah cannot build here: {done.stderr[-300:]}")
        yield buildah
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def image(buildah):
    return buildah.build("socketpass", "--build-arg", "BUILDER=localhost/files", "--file", ROOT / "Dockerfile", ROOT)


@pytest.fixture
def container(buildah, image):
    name = buildah("from", "--pull-never", "socketpass")
    yield name
    buildah("rm", name)


def test_it_says_how_it_is_run(image):
    config = image["Docker"]["config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/usr/bin/socketpass"]
    assert config["Cmd"] == ["serve", "--config=/etc/socketpass/socketpass.toml"]
    assert config["Healthcheck"]["Test"][:3] == ["CMD", "/usr/bin/socketpass", "healthcheck"]
    assert set(config["ExposedPorts"]) == {"50051/tcp", "8080/tcp"}
    # Nothing of settings, secret or not.
    assert not [variable for variable in config["Env"] or [] if not variable.startswith("PATH=")]


def test_nothing_else_is_in_it(buildah, container):
    root = Path(buildah("mount", container))
    files = {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}
    assert files == FILES
    assert not [path for path in root.rglob("*") if path.stat().st_uid == 65532]


def test_the_same_files_make_the_same_image(buildah):
    # Docker's format names the container that the builder worked in.
    args = ("--no-cache", "--build-arg", "BUILDER=localhost/files", "--file", ROOT / "Dockerfile", ROOT)
    once, twice = (buildah.build(tag, *args, image_format="oci") for tag in ("once", "twice"))
    assert once["FromImageID"] == twice["FromImageID"]


def test_what_is_sent_to_the_builder_is_what_it_needs(buildah, tmp_path):
    everything = tmp_path / "Containerfile"
    everything.write_text("FROM scratch\nCOPY . /\n")
    buildah("build", "--isolation", "chroot", "--tag", "context", "--file", everything, ROOT)
    container = buildah("from", "--pull-never", "context")
    sent = Path(buildah("mount", container))
    files = {str(path.relative_to(sent)) for path in sent.rglob("*") if path.is_file()}
    tracked = run("git", "ls-files", "src", "proto", "build.rs", "Cargo.toml", "Cargo.lock", cwd=ROOT).stdout.split()
    buildah("rm", container)
    assert not set(tracked) - files
    more = files - set(tracked)
    assert {path for path in more if not path.startswith(("src/", "proto/"))} == {
        "LICENSE",
        # The workspace names it.
        "clients/rust/Cargo.toml",
        "rust-toolchain.toml",
        "scripts/image-files",
        "scripts/install-cargo-tool",
    }


def test_the_list_of_what_it_is_made_of_is_the_lock_files():
    bill = json.loads((IMAGE / "usr/share/sbom/socketpass.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX" and bill["metadata"]["component"]["name"] == "socketpass"
    listed = {(part["name"], part["version"]) for part in bill["components"]}
    tree = run("cargo", "tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}", cwd=ROOT)
    assert tree.returncode == 0, tree.stderr
    used = {tuple(line.split()[:2]) for line in tree.stdout.splitlines() if line.strip()}
    used = {(name, version.lstrip("v")) for name, version in used} - {("socketpass", "0.1.0")}
    # Macros run while building: the list has them as well.
    assert used <= listed and len(listed) >= len(used) > 100
    assert all(part.get("hashes") for part in bill["components"])


def test_it_starts_says_that_it_is_well_and_ends(buildah, image, container, tmp_path):
    config = image["Docker"]["config"]
    settings = tmp_path / "socketpass.toml"
    settings.write_text(f'[grpc]\naddr = "127.0.0.1:0"\n\n[http]\naddr = "127.0.0.1:{free_port()}"\n')
    settings.chmod(0o644)
    mount = ("--volume", f"{settings}:/etc/socketpass/socketpass.toml:ro")

    def in_it(*command, env=()):
        return buildah.command("run", "--isolation", "chroot", *mount, *env, container, "--", *command)

    healthcheck = in_it(*config["Healthcheck"]["Test"][1:])
    assert run(*healthcheck).returncode != 0, "nothing runs yet"
    serve = in_it(*config["Entrypoint"], *config["Cmd"], env=("--env", "SOCKETPASS_SESSION_SECRETS=keyboard cat"))
    process = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        for line in process.stdout:
            if '"serving"' in line:
                break
        else:
            raise AssertionError("it did not start")
        end = time.monotonic() + 30
        while (done := run(*healthcheck)).returncode != 0:
            assert time.monotonic() < end, done.stdout + done.stderr
        assert "readiness: SERVING" in done.stdout
        (program,) = [pid for pid in descendants(process.pid) if executable(pid) == "/usr/bin/socketpass"]
        assert os.stat(f"/proc/{program}").st_uid == 65532
        os.kill(program, signal.SIGTERM)
        assert process.wait(30) == 0
        assert "stopped" in process.stdout.read()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()


def descendants(pid):
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield int(child)
            yield from descendants(int(child))


def executable(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()


def test_the_static_program_asks_dns(tmp_path):
    """glibc in a static program resolves names without files beside it: with search domains, as pods have them."""
    if os.getuid() != 0:
        pytest.skip("only root can put files into a root of its own and listen on port 53")
    root = tmp_path / "root"
    shutil.copytree(IMAGE, root)
    (root / "dev").mkdir()
    # Any address of this machine's own loopback, so that no other name server is in the way.
    address = "127.83.1.53"
    (root / "etc/resolv.conf").write_text(f"nameserver {address}\nsearch passports.svc.cluster.local\noptions ndots:5\n")
    asked = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 53))
        thread = threading.Thread(target=answer_dns, args=(server, asked), daemon=True)
        thread.start()
        script = 'mount --rbind /dev "$0/dev" && exec chroot --userspec=65532:65532 "$0" "$@"'
        port = free_port()
        program = ["/usr/bin/socketpass", "healthcheck", f"--addr=front:{port}", "--timeout=10s"]
        done = run("unshare", "--mount", "sh", "-c", script, root, *program)
        # It has found the address: nobody listens there.
        assert "Connection refused" in done.stderr, done.stderr
        server.sendto(b"", (address, 53))
        thread.join(30)
    assert "front.passports.svc.cluster.local" in asked


def answer_dns(server, asked):
    """Says 127.0.0.1 to whoever asks for an IPv4 address, and knows no other."""
    while True:
        query, client = server.recvfrom(512)
        if not query:
            return
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = struct.unpack("!H", query[at + 1 : at + 3])[0]
        asked.append(".".join(labels))
        question = query[12 : at + 5]
        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 5, 4) + bytes([127, 0, 0, 1]) if kind == 1 else b""
        head = query[:2] + struct.pack("!HHHHH", 0x8580, 1, 1 if record else 0, 0, 0)
        server.sendto(head + question + record, client)
