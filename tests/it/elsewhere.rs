//! Machines that are not the one that the program runs on: boards whose sensors have other names, hosts seen from a
//! container, roots in a plain folder.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::fixtures::ask;
use crate::machine::Machine;
use crate::support::{self, Server};

/// Writes files, named from the machine's folder.
fn put(machine: &Machine, files: &[(&str, &str)]) {
    for (file, text) in files {
        let path = machine.path(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
}

/// A server whose environment names no time zone.
fn start(machine: &Machine) -> Server {
    let mut command = support::program(&machine.args());
    Server::launch(command.args(["--listen", "127.0.0.1:0"]).env_remove("TZ"))
}

/// The value of the first line of `/metrics` that begins with `name`.
fn metric(server: &Server, name: &str) -> Option<String> {
    let page = server.get("/metrics").text();
    page.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned())
}

#[test]
fn the_cpu_of_each_board_has_its_temperature() {
    let zone = |number: u32, kind: &str, temp: &str| {
        let folder = format!("sys/class/thermal/thermal_zone{number}");
        [(format!("{folder}/type"), format!("{kind}\n")), (format!("{folder}/temp"), format!("{temp}\n"))]
    };
    let chip = |file: &str, text: &str| (format!("sys/class/hwmon/hwmon0/{file}"), format!("{text}\n"));
    let zones = |all: &[(&str, &str)]| -> Vec<(String, String)> {
        all.iter().enumerate().flat_map(|(at, (kind, temp))| zone(at as u32, kind, temp)).collect()
    };
    let boards = [
        (
            "RK3588",
            zones(&[("gpu-thermal", "60000"), ("package-thermal", "36100"), ("bigcore0-thermal", "35200")]),
            json!(36.1),
        ),
        ("Pine64", zones(&[("gpu0-thermal", "55000"), ("cpu0-thermal", "48100")]), json!(48.1)),
        (
            "atk0110",
            vec![
                chip("name", "atk0110"),
                chip("temp1_label", "MB Temperature"),
                chip("temp1_input", "60000"),
                chip("temp2_label", "CPU Temperature"),
                chip("temp2_input", "51000"),
            ],
            json!(51.0),
        ),
        ("Amlogic", zones(&[("aml_thermal", "41500")]), json!(41.5)),
        ("nothing but graphics and a battery", zones(&[("gpu-thermal", "60000"), ("BAT0", "30000")]), Value::Null),
    ];
    for (board, files, expected) in boards {
        let machine = Machine::copy();
        for folder in ["hwmon", "thermal"] {
            fs::remove_dir_all(machine.path("sys/class").join(folder)).expect("the laptop's sensors");
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
        put(&machine, &files);
        let server = start(&machine);
        assert_eq!(server.json("/system")["cpu"]["temp"], expected, "{board}");
        assert_eq!(server.json("/api/v1/snapshot")["cpu_temperature_celsius"], expected, "{board}");
    }
}

#[test]
fn a_core_that_stands_still_is_in_no_mean() {
    let machine = Machine::copy();
    for core in 0..3 {
        put(&machine, &[(&format!("sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq"), "2000000\n")]);
    }
    put(&machine, &[("sys/devices/system/cpu/cpu2/cpufreq/scaling_cur_freq", "0\n")]);
    let of_last = machine.path("sys/devices/system/cpu/cpu3/cpufreq/scaling_cur_freq");
    fs::remove_file(of_last).expect("the clock of the driver");
    put(&machine, &[("sys/devices/system/cpu/cpu3/cpufreq/cpuinfo_cur_freq", "800000\n")]);
    let server = start(&machine);
    assert_eq!(server.json("/system")["cpu"]["freq"], json!(1600.0));
    let cores = server.json("/api/v1/snapshot")["cpu"]["cores"].clone();
    assert_eq!((&cores[2]["frequency_mhz"], &cores[3]["frequency_mhz"]), (&Value::Null, &json!(800.0)));
}

#[test]
fn links_of_another_machine_stay_below_its_root() {
    let release = |name: &str, id: &str| format!("NAME=\"{name}\"\nPRETTY_NAME=\"{name}\"\nID={id}\n");
    let bare = || {
        let machine = Machine::copy();
        for file in ["os-release", "debian_version", "passwd", "machine-id"] {
            fs::remove_file(machine.path("root/etc").join(file)).expect("the laptop's");
        }
        machine
    };
    let link = |machine: &Machine, target: &str, file: &str| symlink(target, machine.path(file)).expect("a link");

    let arch = bare();
    put(&arch, &[("root/usr/lib/os-release", &release("Arch Linux", "arch"))]);
    link(&arch, "/usr/lib/os-release", "root/etc/os-release");

    let nixos = bare();
    put(&nixos, &[("root/nix/store/x-etc/etc/os-release", &release("NixOS 25.05", "nixos"))]);
    link(&nixos, "/nix/store/x-etc/etc", "root/etc/static");
    link(&nixos, "/etc/static/os-release", "root/etc/os-release");
    // Everything else that is read there.
    put(&nixos, &[("root/nix/store/x-etc/etc/passwd", "root:x:0:0::/:/bin/sh\nann:x:1000:1000::/:/bin/sh\n")]);
    put(&nixos, &[("root/nix/store/x-etc/etc/machine-id", "0123456789abcdef0123456789abcdef\n")]);
    for file in ["passwd", "machine-id"] {
        link(&nixos, &format!("/etc/static/{file}"), &format!("root/etc/{file}"));
    }
    let mut block = b"TZif2".to_vec();
    block.extend([0; 31]);
    block.extend([0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0]);
    block.extend(b"UTC\0");
    let zone = [block.clone(), block, b"\n<+0545>-5:45\n".to_vec()].concat();
    fs::create_dir_all(nixos.path("root/usr/share/zoneinfo/Asia")).expect("a folder");
    fs::write(nixos.path("root/usr/share/zoneinfo/Asia/Kathmandu"), zone).expect("a zone");
    link(&nixos, "/etc/zoneinfo/Asia/Kathmandu", "root/etc/localtime");
    link(&nixos, "/usr/share/zoneinfo", "root/etc/zoneinfo");

    for (machine, name, id) in [(&arch, "Arch Linux", "arch"), (&nixos, "NixOS 25.05", "nixos")] {
        let server = start(machine);
        assert_eq!(server.json("/system")["platform"]["distro"], name);
        assert_eq!(server.json("/api/platform")["platform"], id);
        let info = metric(&server, "node_os_info{").unwrap_or_default();
        assert!(info.contains(&format!("pretty_name=\"{name}\"")), "{info}");
    }
    let server = start(&nixos);
    let users: Vec<Value> = server.json("/system")["processes"]
        .as_array()
        .expect("processes")
        .iter()
        .map(|process| process["username"].clone())
        .collect();
    assert!(users.contains(&json!("ann")), "{users:?}");
    assert_eq!(server.json("/api/v1/snapshot")["host"]["machine_id"], "0123456789abcdef0123456789abcdef");
    assert_eq!(metric(&server, "node_time_zone_offset_seconds{time_zone=\"+0545\"}").as_deref(), Some("20700"));

    // A link that leads out finds nothing, whatever lies there.
    let outside = bare();
    put(&outside, &[("os-release", &release("Somebody else's", "else"))]);
    let target = outside.path("os-release");
    link(&outside, target.to_str().expect("text"), "root/etc/os-release");
    link(&outside, "../../os-release", "root/usr-release");
    assert_eq!(start(&outside).json("/system")["platform"]["distro"], Value::Null);
}

#[test]
fn below_a_hosts_proc_the_network_is_the_hosts() {
    let machine = Machine::copy();
    let head = "Inter-|   Receive                                                |  Transmit\n \
                face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";
    let of = |name: &str, bytes: u64| format!("  {name}: {bytes} 7 3 4 0 0 0 11 52428800 5 5 6 0 0 0 0\n");
    let tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
               0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0 100 0 0 10 0\n";
    let wireless = "Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n \
                    face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n \
                    wlx9: 0000   35.  -70.  -256        0      0      0     12     87        0\n";
    // What a container sees of itself, and what its host has.
    for (folder, interfaces, number) in
        [("proc/net", of("lo", 1), 1_u32), ("proc/1/net", of("lo", 1_048_576) + &of("eth0", 104_857_600), 2)]
    {
        let file = |name: &str| format!("{folder}/{name}");
        put(
            &machine,
            &[
                (&file("dev"), &format!("{head}{interfaces}")),
                (&file("tcp"), if number == 2 { tcp } else { tcp.lines().next().expect("a head") }),
                (&file("udp"), "  sl  local_address\n"),
                (&file("netstat"), &format!("TcpExt: SyncookiesSent\nTcpExt: {number}\n")),
                (&file("snmp"), &format!("Tcp: ActiveOpens\nTcp: 1{number}\n")),
                (&file("snmp6"), &format!("Ip6InOctets  2{number}\n")),
                (&file("sockstat"), &format!("sockets: used 3{number}\n")),
                (&file("softnet_stat"), &format!("0000000{number} 0 0 0 0 0 0 0 0 0 0 00000000\n")),
                (&file("stat/nf_conntrack"), &format!("entries  found\n0000004{number}  0000000{number}\n")),
                (&file("arp"), &format!("IP Device\n10.0.0.1 0x1 0x2 02:00:00:00:00:01 * dev{number}\n")),
                (&file("wireless"), if number == 2 { wireless } else { "" }),
                (&file("if_inet6"), &format!("20010db800000001000000000000000{number} 02 40 00 80     eth0\n")),
            ],
        );
        for table in ["tcp6", "udp6", "unix"] {
            let _ = fs::remove_file(machine.path(file(table)));
        }
    }
    put(&machine, &[("proc/sys/net/netfilter/nf_conntrack_count", "5\n")]);
    put(&machine, &[("proc/sys/net/netfilter/nf_conntrack_max", "65536\n")]);
    let server = start(&machine);
    let network = server.json("/network");
    assert_eq!(network["interfaces"], json!(["lo", "eth0"]));
    assert_eq!(network["statistics"]["eth0"]["mb_received"], json!(100.0));
    let heartbeat = server.json("/api/network");
    assert_eq!(heartbeat["io_usage"][1]["bytesRecv"], json!(104_857_600));
    assert_eq!(heartbeat["connections"].as_array().map(Vec::len), Some(1));
    assert_eq!(heartbeat["connections"][0]["localaddr"]["port"], json!(5432));
    assert_eq!(heartbeat["interfaces"][1]["addrs"], json!([{"addr": "2001:db8:0:1::2/64"}]));
    let wireless = server.json("/api/v1/snapshot")["wireless"].clone();
    assert_eq!(wireless.as_array().map(Vec::len), Some(1), "{wireless}");
    for (name, value) in [
        ("node_network_receive_bytes_total{device=\"eth0\"}", "104857600"),
        ("node_netstat_TcpExt_SyncookiesSent", "2"),
        ("node_netstat_Tcp_ActiveOpens", "12"),
        ("node_netstat_Ip6_InOctets", "22"),
        ("node_sockstat_sockets_used", "32"),
        ("node_softnet_processed_total{cpu=\"0\"}", "2"),
        ("node_arp_entries{device=\"dev2\"}", "1"),
        ("node_nf_conntrack_entries ", "66"),
        ("node_nf_conntrack_stat_found", "2"),
    ] {
        assert_eq!(metric(&server, name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn a_root_that_no_mount_table_lists_has_its_disk() {
    let machine = Machine::copy();
    for process in ["1", "self"] {
        let path = machine.path("proc").join(process).join("mountinfo");
        let text = fs::read_to_string(&path).expect("the table");
        let rows: Vec<&str> = text.lines().filter(|row| row.split(' ').nth(4) != Some("/")).collect();
        assert!(rows.len() + 1 == text.lines().count(), "one row is the root's");
        fs::write(path, rows.join("\n") + "\n").expect("the table");
    }
    let server = start(&machine);
    let total = || {
        let now = rustix::fs::statvfs(machine.path("root").as_path()).expect("the disk's numbers");
        now.f_blocks * now.f_frsize
    };
    let disk = server.json("/system")["disk"].clone();
    let gibibytes = (total() as f64 / 1_073_741_824.0 * 100.0).round() / 100.0;
    assert_eq!(disk["total"], json!(gibibytes), "{disk}");
    assert!(["used", "free", "percent"].iter().all(|key| disk[key].is_number()), "{disk}");
    let mut socket = server.socket("/");
    let root = ask(&mut socket, json!({"name": "disk.root.getstats"}));
    assert_eq!(root["data"]["total"], json!(total()));
    // It has neither device nor type, so it is in no list of devices.
    for list in [
        ask(&mut socket, json!({"name": "disk.getall"}))["data"].clone(),
        server.json("/api/disk")["disk_usage"].clone(),
    ] {
        assert!(list.as_array().is_some_and(|rows| !rows.is_empty()), "{list}");
        assert!(!list.to_string().contains("\"/\""), "{list}");
    }
    assert_eq!(metric(&server, "node_filesystem_size_bytes{device=\"\""), None);
}
