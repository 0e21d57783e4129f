"""The packages that packaging/build makes of PSMONITOR_BIN: what is in them, what their checkers say, and that the program
of the container runs where there is nothing but what its base image has. What installing them does is tests/vm's."""

import gzip
import json
import os
import re
import shutil
import subprocess
import time
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CARGO = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]


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


def test_the_container(tmp_path):
    """Each step of the Containerfile, in a root that has what distroless/cc has: the C library and libgcc. The program runs
    there as the user of the image, answers its own health check, and stops at once when it is told to."""
    steps = dict(
        line.split(" ", 1) for line in (ROOT / "packaging/Containerfile").read_text().splitlines() if line and not line.startswith("#")
    )
    assert steps["FROM"] == "gcr.io/distroless/cc-debian12:nonroot"
    source, target = steps["COPY"].split()
    assert source == "target/release/psmonitor"
    inside = tmp_path / target.lstrip("/")
    inside.parent.mkdir(parents=True)
    shutil.copy(ROOT / "target/package/psmonitor", inside)
    needed = re.findall(r"^\s*(?:(\S+) => )?(/\S+) ", run("ldd", inside), re.M)
    for _, path in needed:
        assert Path(path).name in ("ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libgcc_s.so.1"), "not in distroless/cc"
        to = tmp_path / path.lstrip("/")
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    tmp_path.chmod(0o755)
    for folder in ("proc", "sys", "tmp"):
        (tmp_path / folder).mkdir(exist_ok=True)
    user = steps["USER"]
    entry, check = (json.loads(steps[step][steps[step].index("[") :]) for step in ("ENTRYPOINT", "HEALTHCHECK"))
    script = f"mount --rbind /proc {tmp_path}/proc && mount --rbind /sys {tmp_path}/sys && exec chroot --userspec={user} {tmp_path} "
    variables = {"PATH": os.environ["PATH"], "PSMONITOR_LISTEN": "127.0.0.1:24571"}

    def inside_it(command):
        return ["unshare", "--mount", "sh", "-c", script + " ".join(command)]

    with subprocess.Popen(inside_it(entry), env=variables, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert "listening" in server.stdout.readline()
            assert "its numbers are" in run(*inside_it(check), env=variables)
            begin = time.monotonic()
            server.terminate()
            assert server.wait(20) == 0 and time.monotonic() - begin < 10
        finally:
            server.kill()
    result = subprocess.run(inside_it(check), env=variables, capture_output=True, timeout=60)
    assert result.returncode == 1, "nobody is there any more"
