"""The packages that packaging/build makes of PSMONITOR_BIN: what is in them, what their checkers say, what installing the RPM
does, and that the image is built and runs. What installing the Debian package does is tests/vm's."""

import contextlib
import gzip
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import tomllib
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CARGO = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
TOOLS = os.environ | {"PATH": f"{ROOT}/tests/.work/tools/bin:{os.environ['PATH']}"}


def run(*command, **options):
    """Runs it to its good end, and gives what it printed."""
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600, **options)
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module", autouse=True)
def built():
    for folder in ("debian", "generate-rpm"):
        shutil.rmtree(ROOT / "target" / folder, ignore_errors=True)
    run(ROOT / "packaging/build", "deb", "rpm")


def package(pattern):
    found = list((ROOT / "target").glob(pattern))
    assert len(found) == 1, found
    return found[0]


@pytest.fixture
def deb(tmp_path):
    """The files of the Debian package, and below DEBIAN its scripts."""
    run("dpkg-deb", "--raw-extract", package("debian/*.deb"), tmp_path)
    return tmp_path


@pytest.fixture
def rpm(tmp_path):
    """The files of the RPM."""
    with subprocess.Popen(["rpm2cpio", package("generate-rpm/*.rpm")], stdout=subprocess.PIPE) as archive:
        run("cpio", "--extract", "--make-directories", "--quiet", stdin=archive.stdout, cwd=tmp_path)
    return tmp_path


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir() and "DEBIAN" not in path.parts}


COMMON = {
    "usr/bin/psmonitor",
    "usr/bin/psmonitor-headless",
    "etc/psmonitor/psmonitor.toml",
    "usr/lib/sysusers.d/psmonitor.conf",
    "usr/share/man/man1/psmonitor.1.gz",
    "usr/share/bash-completion/completions/psmonitor",
    "usr/share/fish/vendor_completions.d/psmonitor.fish",
}


def units():
    """Every unit of the folder is in the packages."""
    return {f"usr/lib/systemd/system/{path.name}" for path in (ROOT / "packaging").glob("psmonitor.s[eo][rc]*")}


def test_debian_files(deb):
    assert files(deb) == COMMON | units() | {
        "usr/share/man/man1/psmonitor-headless.1.gz",
        "usr/share/zsh/vendor-completions/_psmonitor",
        "usr/share/doc/psmonitor/changelog.gz",
        "usr/share/doc/psmonitor/changelog.Debian.gz",
        "usr/share/doc/psmonitor/copyright",
    }
    assert os.readlink(deb / "usr/bin/psmonitor-headless") == "psmonitor"
    assert (deb / "DEBIAN/conffiles").read_text().split() == ["/etc/psmonitor/psmonitor.toml"]
    assert run(deb / "usr/bin/psmonitor-headless", "--version") == f"psmonitor {CARGO['version']}\n"
    postinst = (deb / "DEBIAN/postinst").read_text()
    assert postinst.index("systemd-sysusers") < postinst.index("deb-systemd-invoke start"), "the user comes first"
    with gzip.open(deb / "usr/share/doc/psmonitor/changelog.Debian.gz", "rt") as text:
        newest = text.readline()
    assert newest.startswith(f"psmonitor ({CARGO['version']}-1) "), "packaging/debian/changelog has no entry for this version"
    # One text of the license, in the form that Debian wants.
    words = (deb / "usr/share/doc/psmonitor/copyright").read_text().replace("\n .\n", "\n").split()
    license = (ROOT / "LICENSE").read_text().split()
    assert words[-len(license[license.index("Permission") :]) :] == license[license.index("Permission") :]


def test_debian_lint():
    """No error, and of the warnings none but that the package closes no bug of Debian's."""
    run("lintian", "--allow-root", "--fail-on", "error,warning", "--suppress-tags", "initial-upload-closes-no-bugs", package("debian/*.deb"))


def test_rpm_files(rpm):
    assert files(rpm) == COMMON | units() | {
        "usr/share/man/man1/psmonitor-headless.1",
        "usr/share/zsh/site-functions/_psmonitor",
        "usr/share/doc/psmonitor/CHANGELOG.md",
        "usr/share/licenses/psmonitor/LICENSE",
    }
    path = f"{rpm / 'usr/bin'}:{os.environ['PATH']}"
    assert run("usr/bin/psmonitor-headless", "--version", cwd=rpm, env={"PATH": path}) == f"psmonitor {CARGO['version']}\n"
    name = package("generate-rpm/*.rpm")
    assert run("rpm", "--query", "--configfiles", "--package", name).split() == ["/etc/psmonitor/psmonitor.toml"]
    assert "systemd" in run("rpm", "--query", "--requires", "--package", name).split()
    for line in run("rpm", "--query", "--package", name, "--queryformat", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILENAMES}\\n]").splitlines():
        assert line.startswith(("-rw-r--r-- root /", "-rwxr-xr-x root /")), line


def test_both_hold_the_same_program(tmp_path):
    run("dpkg-deb", "--extract", package("debian/*.deb"), tmp_path / "deb")
    tree = ROOT / "target/package/psmonitor"
    assert (tmp_path / "deb/usr/bin/psmonitor").read_bytes() == tree.read_bytes()


@pytest.mark.parametrize("script", ["post", "preun", "postun"])
def test_rpm_scripts_are_shell(script):
    run("sh", "-n", ROOT / "packaging/rpm" / script)


def test_the_manual_page_is_well_formed():
    """man(1) has nothing to complain about."""
    result = subprocess.run(
        ["man", "--warnings", "--local-file", ROOT / "target/package/psmonitor.1.gz"],
        capture_output=True, text=True, timeout=60, env=os.environ | {"MANWIDTH": "80", "LC_ALL": "C.UTF-8"},
    )
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    assert "psmonitor processes" in result.stdout


@pytest.fixture
def machine(tmp_path):
    """A root to install into: this machine's, as it is below a layer in memory that takes what is written. Gives its
    path, and what runs a command where that path is mounted."""
    root = tmp_path / "root"
    script = f"""
        mount -t tmpfs tmpfs {tmp_path} && cd {tmp_path} && mkdir upper work root &&
        mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root && mount --bind /proc root/proc &&
        mkdir -p root{ROOT}/target/generate-rpm && echo ready && exec sleep 600
    """
    with subprocess.Popen(["unshare", "--mount", "sh", "-c", script], stdout=subprocess.PIPE, text=True) as keeper:
        try:
            assert keeper.stdout.readline() == "ready\n"
            yield root, lambda *command: run("nsenter", "--target", keeper.pid, "--mount", *command)
        finally:
            keeper.kill()


def test_the_rpm_is_installed_upgraded_and_erased(machine, tmp_path_factory):
    """By rpm(8), scripts included. Debian's packages are not in its database, so what it depends on is not looked for."""
    root, inside = machine
    before = tmp_path_factory.mktemp("before") / "before.rpm"
    run(os.environ.get("CARGO", "cargo"), "generate-rpm", "--set-metadata", 'version = "0.0.1"', "--output", before, cwd=ROOT, env=TOOLS)

    def rpm(*arguments):
        return inside("rpm", "--root", root, "--dbpath", "/var/lib/rpm-of-the-test", *arguments)

    def in_root(*command):
        return inside("chroot", root, *command)

    def is_enabled():
        return "enabled" == in_root("sh", "-c", "systemctl is-enabled psmonitor || :").strip()

    rpm("--install", "--nodeps", before)
    assert rpm("--query", "psmonitor").startswith("psmonitor-0.0.1")
    assert in_root("psmonitor-headless", "--version") == f"psmonitor {CARGO['version']}\n"
    assert in_root("id", "--name", "--user", "psmonitor") == "psmonitor\n"
    assert is_enabled(), "Debian's preset is that services are"
    rpm("--verify", "--nodeps", "psmonitor")
    in_root("sh", "-c", "sed -i '1i port = 4501' /etc/psmonitor/psmonitor.toml && systemctl disable psmonitor")
    rpm("--upgrade", "--nodeps", package("generate-rpm/*.rpm"))
    assert rpm("--query", "psmonitor").startswith(f"psmonitor-{CARGO['version']}")
    assert "port = 4501" in in_root("psmonitor", "check-config"), "a file that somebody changed stays"
    assert not is_enabled(), "an upgrade takes back no decision"
    in_root("systemctl", "enable", "psmonitor")
    rpm("--erase", "psmonitor")
    left = in_root("sh", "-c", "ls -d /usr/bin/psmonitor* /usr/lib/systemd/system/psmonitor* /etc/systemd/system/*/psmonitor* /etc/psmonitor/* || :")
    assert left.split() == ["/etc/psmonitor/psmonitor.toml.rpmsave"]
    assert in_root("id", "--name", "--user", "psmonitor") == "psmonitor\n", "files elsewhere may still be its own"


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A container of the image that the Containerfile describes, on a base that has what distroless/cc has: the C library and
    libgcc. Gives what runs a command in it, and the image's settings. Built without a daemon and without a network."""
    store, context = tmp_path_factory.mktemp("store"), tmp_path_factory.mktemp("context")
    containerfile, program = ROOT / "packaging/Containerfile", ROOT / "target/package/psmonitor"

    def buildah(*arguments):
        return ["buildah", "--storage-driver", "vfs", "--root", str(store / "images"), "--runroot", str(store / "run"), *map(str, arguments)]

    base = re.search(r"^FROM (\S+)$", containerfile.read_text(), re.M)[1]
    assert base == "gcr.io/distroless/cc-debian12:nonroot"
    empty = run(*buildah("from", "scratch")).strip()
    files = Path(run(*buildah("mount", empty)).strip())
    for path in re.findall(r"(?:^|\s)(/\S+) ", run("ldd", program)):
        assert Path(path).name in ("ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libgcc_s.so.1"), "not in distroless/cc"
        (files / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, files / path.lstrip("/"))
    (files / "tmp").mkdir()
    run(*buildah("commit", "--quiet", empty, base))

    # Nothing but what cargo makes is in the context.
    (context / "target/release").mkdir(parents=True)
    shutil.copy(program, context / "target/release/psmonitor")
    run(*buildah("build", "--isolation", "chroot", "--pull-never", "--format", "docker", "--tag", "psmonitor", "--file", containerfile, context))
    config = json.loads(run(*buildah("inspect", "--type", "image", "psmonitor")))["Docker"]["config"]
    container = run(*buildah("from", "--pull-never", "psmonitor")).strip()
    return lambda options, *command: buildah("run", "--isolation", "chroot", *options, container, "--", *command), config


def is_inside(process):
    """Whether a process is the server that runs in the container, below the container's own root."""
    with contextlib.suppress(OSError):
        arguments = (process / "cmdline").read_bytes().split(b"\0")
        return arguments[0] == b"/usr/bin/psmonitor" and os.readlink(process / "root") != "/"
    return False


# The two ways of the Containerfile's head: what it is run with, and what /healthz says then.
VIEWS = {
    "own": ([], [], "ok (a container's view)\n"),
    "host": (["--volume", "/:/host:ro"], ["--procfs", "/host/proc", "--sysfs", "/host/sys", "--rootfs", "/host"], "ok\n"),
}


@pytest.mark.parametrize("view", VIEWS)
def test_the_container(image, view):
    """The program runs as the user of the image, answers the image's own health check, and stops when it is told to."""
    inside, config = image
    options, arguments, health = VIEWS[view]
    kind, *check = config["Healthcheck"]["Test"]
    assert (kind, config["User"], list(config["ExposedPorts"])) == ("CMD", "65532:65532", ["4500/tcp"])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = "127.0.0.1:%d" % listener.getsockname()[1]
    options = [*options, "--env", f"PSMONITOR_LISTEN={address}"]

    def is_healthy():
        # The exit code, as for who runs a health check. buildah 1.28 at times loses what a short command prints.
        return subprocess.run(inside(options, *check), capture_output=True, timeout=60).returncode

    with subprocess.Popen(inside(options, *config["Entrypoint"], *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        pid = None
        try:
            assert "listening" in server.stdout.readline()
            (pid,) = [int(path.name) for path in Path("/proc").glob("[0-9]*") if is_inside(path)]
            assert f"\nUid:\t{config['User'].split(':')[0]}\t" in Path(f"/proc/{pid}/status").read_text()
            with urllib.request.urlopen(f"http://{address}/healthz", timeout=20) as answer:
                assert answer.read().decode() == health
            with urllib.request.urlopen(f"http://{address}/api/v1/snapshot", timeout=20) as answer:
                snapshot = json.load(answer)
            assert (snapshot["container"] is not None, snapshot["memory"]["total_bytes"] > 0) == (view == "own", True)
            # The last that is looked at: buildah takes the mark of the container away with the second command.
            assert is_healthy() == 0
            begin = time.monotonic()
            os.kill(pid, signal.SIGTERM)
            assert server.wait(20) == 0 and time.monotonic() - begin < 10
            assert ("this is a container's view (podman)" in server.stderr.read()) == (view == "own")
        finally:
            if server.poll() is None:
                with contextlib.suppress(ProcessLookupError, TypeError):
                    os.kill(pid, signal.SIGKILL)
                server.kill()
    assert is_healthy() == 1, "nobody is there any more"
