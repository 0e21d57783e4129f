"""packaging/psmonitor.service: systemd accepts it, and it stays as tight as it is."""

import subprocess

from conftest import ROOT, program

UNIT = ROOT / "packaging" / "psmonitor.service"
SYSUSERS = ROOT / "packaging" / "psmonitor.sysusers"

# The most exposure that `systemd-analyze security` may find, in tenths. systemd 252 finds 25; others weigh differently.
EXPOSURE = 30


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
    ):
        assert key not in settings, key
    families = set(settings["RestrictAddressFamilies"][0].split())
    assert families == {"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"}


def test_the_unit_and_the_sysusers_file_name_the_same_user():
    assert "User=psmonitor" in UNIT.read_text().splitlines()
    rows = [line.split() for line in SYSUSERS.read_text().splitlines() if line and not line.startswith("#")]
    assert [row[:2] for row in rows] == [["u", "psmonitor"]]
