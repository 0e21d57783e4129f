"""packaging/psmonitor.service: systemd accepts it, and it stays as tight as it is."""

import os
import re
import signal
import subprocess
from pathlib import Path

import requests
from conftest import ROOT, program, running

UNIT = ROOT / "packaging" / "psmonitor.service"
SYSUSERS = ROOT / "packaging" / "psmonitor.sysusers"

SOCKET = ROOT / "packaging" / "psmonitor.socket"

# The most exposure that `systemd-analyze security` may find, in tenths: what systemd 252 finds. Others weigh differently.
EXPOSURE = 25


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60)


def test_systemd_accepts_the_unit(tmp_path):
    """With the program's path replaced by the one under test, which is not installed."""
    text = UNIT.read_text()
    assert "ExecStart=/usr/bin/psmonitor" in text
    unit = tmp_path / "psmonitor.service"
    unit.write_text(text.replace("/usr/bin/psmonitor", program()))
    result = analyze("verify", "--man=no", str(unit))
    complaints = [line for line in result.stderr.splitlines() if "psmonitor.service" in line]
    assert result.returncode == 0 and not complaints, result.stderr


def test_a_bad_unit_is_noticed(tmp_path):
    """The check above can fail."""
    unit = tmp_path / "psmonitor.service"
    unit.write_text(UNIT.read_text().replace("/usr/bin/psmonitor", "/no/such/program"))
    assert analyze("verify", "--man=no", str(unit)).returncode != 0


def test_exposure():
    result = analyze("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE}", str(UNIT))
    assert result.returncode == 0, result.stdout[-300:] + result.stderr


def allowed_calls():
    """The system calls that the unit's filter lets through, as systemd spells its groups out."""
    groups, group = {}, None
    for line in analyze("syscall-filter", "--no-pager").stdout.splitlines():
        if line.startswith("@"):
            group = groups.setdefault(line.strip(), [])
        elif line.strip() and not line.strip().startswith("#") and group is not None:
            group.append(line.strip())

    def calls(name):
        return set().union(*map(calls, groups[name])) if name.startswith("@") else {name}

    allowed = set()
    for line in UNIT.read_text().splitlines():
        key, _, value = line.partition("=")
        if key == "SystemCallFilter":
            named = set().union(*map(calls, value.removeprefix("~").split()))
            allowed = allowed - named if value.startswith("~") else allowed | named
    return allowed


def test_every_system_call_is_let_through(tmp_path):
    """What the program asks the kernel for while it serves, history, a UNIX socket and a login included."""
    trace = tmp_path / "trace"
    wrapper = ["strace", "-f", "-qq", "-o", str(trace), "-e", "signal=none"]
    data, unix = tmp_path / "data", tmp_path / "psmonitor.sock"
    arguments = ["--listen", "127.0.0.1:0", "--listen", f"unix:{unix}", "--data-dir", str(data)]
    with running(*arguments, wrapper=wrapper) as server:
        for path in ("/system", "/network", "/metrics", "/api/v1/snapshot", "/api/network", "/api/process?pid=1", "/api/v1/history"):
            assert requests.get(server.url + path, timeout=60).status_code == 200, path
        with server.connect() as ws:
            ws.recv(60)
            ws.recv(60)
        server.reload("read again")
        os.kill(server.pid, signal.SIGTERM)
        server.process.wait(60)
    used = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(errors="replace"), re.M))
    assert {"adjtimex", "clock_adjtime"} & used, "the clock's state was never asked for"
    # strace sees how the program itself is started.
    assert used - allowed_calls() - {"execve"} == set()


def test_the_socket_unit():
    text = SOCKET.read_text()
    assert "WantedBy=sockets.target" in text.splitlines()
    lines = [line for line in text.splitlines() if line.startswith("ListenStream=")]
    assert lines == ["ListenStream=127.0.0.1:4500", "ListenStream=[::1]:4500"], "the default of the program"


def test_what_would_falsify_the_numbers_is_missing():
    """Each of these hides or changes what the program is there to tell."""
    settings = {}
    for line in UNIT.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            settings.setdefault(key, []).append(value)
    for key in (
        "ProtectProc",
        "ProcSubset",
        "ProtectHome",
        "ProtectSystem",
        "PrivateTmp",
        "PrivateNetwork",
        "PrivateUsers",
        "DynamicUser",
        # Forbids reading the clock's state.
        "ProtectClock",
        # Each a mount that only the service sees.
        "StateDirectory",
        "RuntimeDirectory",
        "CacheDirectory",
    ):
        assert key not in settings, key
    families = set(settings["RestrictAddressFamilies"][0].split())
    assert families == {"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"}


def test_the_unit_and_the_sysusers_file_name_the_same_user():
    assert "User=psmonitor" in UNIT.read_text().splitlines()
    rows = [line.split() for line in SYSUSERS.read_text().splitlines() if line and not line.startswith("#")]
    assert [row[:2] for row in rows] == [["u", "psmonitor"]]


def filesystems(server):
    """What is told of mounts, without the numbers that move."""
    page = requests.get(f"{server.url}/metrics?collect[]=filesystem", timeout=60).text
    told = {line for line in page.splitlines() if line.startswith(("node_filesystem_size", "node_filesystem_readonly"))}
    disks = requests.get(f"{server.url}/api/disk", timeout=60).json()["disk_usage"]
    return told | {(disk["path"], disk["fstype"], disk["total"]) for disk in disks}


def test_mounts_that_only_the_service_sees_are_not_told(tmp_path):
    """In a name space as systemd makes it: a folder hidden below a tmpfs, another a mount of its own, one read-only."""
    for name in ("hidden", "own", "readonly"):
        (tmp_path / name).mkdir()
    script = f"""
        mount -t tmpfs tmpfs {tmp_path}/hidden && mount --bind {tmp_path}/own {tmp_path}/own &&
        mount --bind /etc /etc && mount -o remount,bind,ro /etc && exec "$0" "$@"
    """
    rights = [] if os.geteuid() == 0 else ["--map-root-user"]
    unshare = ["unshare", *rights, "--mount", "--propagation", "slave", "sh", "-c", script]
    with running() as plain, running(wrapper=unshare) as service:
        table = Path(f"/proc/{service.pid}/mountinfo").read_text()
        assert f" {tmp_path}/hidden " in table and f" {tmp_path}/own " in table and " /etc ro" in table
        assert filesystems(service) == filesystems(plain)
