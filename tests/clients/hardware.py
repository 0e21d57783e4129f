"""A /sys and a / with hardware that a virtual machine lacks: sensors, zones, batteries, clocks, a board, a disk of udev."""

CORETEMP = "devices/platform/coretemp.0/hwmon/hwmon1"
SUPERIO = "devices/platform/nct6775.656/hwmon/hwmon2"
NVME = "devices/pci0000:00/0000:03:00.0/nvme/nvme0/hwmon4"
ACPI = "devices/virtual/hwmon/hwmon3"
CPUS = "devices/system/cpu"

HWMON = {
    CORETEMP: {
        "name": "coretemp",
        "temp1_input": "42000",
        "temp1_label": "Package id 0",
        "temp1_max": "80000",
        "temp1_crit": "100000",
        "temp1_crit_alarm": "0",
        "temp2_input": "-3500",
        "temp2_label": 'Core "0"\\',
        "temp3_fault": "1",
        "temp3_type": "4",
    },
    SUPERIO: {
        "name": "nct6779",
        "beep_enable": "1",
        "cpu0_vid": "1200",
        "curr1_input": "2500",
        "curr1_max": "5000",
        "energy1_input": "123456789",
        "fan1_alarm": "1",
        "fan1_beep": "0",
        "fan1_input": "1200",
        "fan1_min": "0",
        "fan1_pulses": "2",
        "fan2_target": "900",
        "humidity1_input": "45000",
        "in0_input": "1016",
        "in0_label": "Vcore",
        "in0_max": "1744",
        "in0_min": "0",
        "intrusion0_alarm": "0",
        "power1_accuracy": "950000",
        "power1_average": "11000000",
        "power1_average_interval": "1000",
        "power1_cap": "90000000",
        "power1_input": "12000000",
        "pwm1": "128",
        "pwm1_auto_point1_pwm": "77",
        "pwm1_enable": "2",
        "update_interval": "1500",
        "vrm": "110",
    },
    ACPI: {"name": "acpitz", "temp1_input": "27800"},
    NVME: {"name": "nvme", "temp1_input": "35850", "temp1_label": "Composite", "temp1_min": "-273150"},
}

SYS = {
    "class/thermal/thermal_zone0/type": "x86_pkg_temp",
    "class/thermal/thermal_zone0/policy": "step_wise",
    "class/thermal/thermal_zone0/temp": "44000",
    "class/thermal/thermal_zone12/type": "acpitz",
    "class/thermal/thermal_zone12/policy": "step_wise",
    "class/thermal/thermal_zone12/temp": "-1234",
    "class/thermal/cooling_device0/type": "Processor",
    "class/thermal/cooling_device0/cur_state": "1",
    "class/thermal/cooling_device0/max_state": "3",
    "class/power_supply/AC/type": "Mains",
    "class/power_supply/AC/online": "0",
    "class/power_supply/BAT0/type": "Battery",
    "class/power_supply/BAT0/status": "Discharging",
    "class/power_supply/BAT0/capacity": "81",
    "class/power_supply/BAT0/capacity_level": "Normal",
    "class/power_supply/BAT0/charge_now": "100000",
    "class/power_supply/BAT0/current_now": "52000",
    "class/power_supply/BAT0/cycle_count": "12",
    "class/power_supply/BAT0/energy_full": "45070000",
    "class/power_supply/BAT0/energy_full_design": "47520000",
    "class/power_supply/BAT0/energy_now": "36580000",
    "class/power_supply/BAT0/manufacturer": "LGC",
    "class/power_supply/BAT0/model_name": "LNV-45N1",
    "class/power_supply/BAT0/power_now": "4830000",
    "class/power_supply/BAT0/present": "1",
    "class/power_supply/BAT0/serial_number": "38109",
    "class/power_supply/BAT0/technology": "Li-ion",
    "class/power_supply/BAT0/temp": "305",
    "class/power_supply/BAT0/time_to_empty_now": "3600",
    "class/power_supply/BAT0/uevent": "X=1",
    "class/power_supply/BAT0/voltage_min_design": "10800000",
    "class/power_supply/BAT0/voltage_now": "11750000",
    "class/dmi/id/bios_date": "04/12/2021",
    "class/dmi/id/bios_vendor": "Dell Inc.",
    "class/dmi/id/bios_version": "2.2.4",
    "class/dmi/id/board_name": "07PXPY",
    "class/dmi/id/chassis_version": "",
    "class/dmi/id/product_name": "R6515",
    "class/dmi/id/sys_vendor": 'Dell "Inc" é\\',
    "devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet acpi_pm",
    "devices/system/clocksource/clocksource0/current_clocksource": "tsc",
}

INTERFACE = {
    "addr_assign_type": "3",
    "address": "01:01:01:01:01:01",
    "broadcast": "ff:ff:ff:ff:ff:ff",
    "carrier": "1",
    "carrier_changes": "3",
    "carrier_down_count": "1",
    "carrier_up_count": "2",
    "dev_id": "0x20",
    "dormant": "1",
    "duplex": "full",
    "flags": "0x1303",
    "ifalias": "up link",
    "ifindex": "2",
    "iflink": "2",
    "link_mode": "1",
    "mtu": "1500",
    "name_assign_type": "2",
    "netdev_group": "0",
    "operstate": "up",
    "speed": "1000",
    "statistics/rx_nohandler": "0",
    "tx_queue_len": "1000",
    "type": "1",
}

FREQUENCIES = {
    "cpuinfo_cur_freq": "1219917",
    "cpuinfo_max_freq": "3700000",
    "cpuinfo_min_freq": "800000",
    "cpuinfo_transition_latency": "0",
    "related_cpus": "0",
    "scaling_available_governors": "performance powersave",
    "scaling_cur_freq": "1219950",
    "scaling_driver": "intel_pstate",
    "scaling_governor": "powersave",
    "scaling_max_freq": "3600000",
    "scaling_min_freq": "900000",
    "scaling_setspeed": "<unsupported>",
}

UDEV = """N:{name}
S:disk/by-id/x
E:ID_MODEL=VirtDisk
E:ID_SERIAL_SHORT=abc
E:ID_SERIAL=VirtDisk_abc
E:ID_PATH=pci-0000:00:05.0
E:ID_WWN=0x5000
E:ID_REVISION=1.1
E:ID_FS_TYPE=ext4
E:ID_FS_USAGE=filesystem
E:ID_FS_UUID=0b4e
E:ID_FS_VERSION=1.0
E:ID_ATA=1
E:ID_ATA_WRITE_CACHE=1
E:ID_ATA_WRITE_CACHE_ENABLED=0
E:ID_ATA_ROTATION_RATE_RPM=7200
E:DM_NAME=vg-root
E:DM_UUID=LVM-1
E:DM_VG_NAME=vg
E:DM_LV_NAME=root
E:DM_LV_LAYER=thin
"""

OS_RELEASE = """NAME="Rocky Linux"
VERSION="8.9 (Green \\"Obsidian\\")"
ID="rocky"
ID_LIKE='rhel centos'
VERSION_ID="8.9"
PRETTY_NAME=Rocky
"""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target, target_is_directory=True)


def make_sys(root):
    """Fills a directory as /sys."""
    for place, files in HWMON.items():
        for name, text in files.items():
            write(root / place / name, text + "\n")
        link(root / "class/hwmon" / place.rsplit("/", 1)[1], root / place)
    link(root / CORETEMP / "device", root / "devices/platform/coretemp.0")
    link(root / SUPERIO / "device", root / "devices/platform/nct6775.656")
    link(root / NVME / "device", (root / NVME).parent)
    (root / SUPERIO / "power").mkdir()
    for path, text in SYS.items():
        write(root / path, text + "\n")
    for name in ("bond0", "gone0"):
        for file, text in INTERFACE.items():
            write(root / "class/net" / name / file, text + "\n")
    write(root / "class/net/bonding_masters", "")
    for cpu in range(4):
        write(root / CPUS / f"cpu{cpu}/topology/core_id", f"{cpu // 2}\n")
        write(root / CPUS / f"cpu{cpu}/topology/physical_package_id", "0\n")
        write(root / CPUS / f"cpu{cpu}/thermal_throttle/core_throttle_count", f"{5 + cpu // 2}\n")
        write(root / CPUS / f"cpu{cpu}/thermal_throttle/package_throttle_count", "30\n")
        for file, text in FREQUENCIES.items():
            write(root / CPUS / f"cpu{cpu}/cpufreq" / file, text + "\n")


def make_root(root, disks):
    """Fills a directory as /, with udev's notes on the disks: name and device number."""
    for name, number in disks:
        write(root / "run/udev/data" / f"b{number}", UDEV.format(name=name))
    write(root / "etc/os-release", OS_RELEASE)
