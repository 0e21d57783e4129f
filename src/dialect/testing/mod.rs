//! What the tests of all dialects share: one snapshot of a small server, and the comparisons of [`compare`].

mod compare;

use std::sync::Arc;

pub(crate) use compare::{assert_finite, assert_golden, assert_has_keys, assert_has_shape, text};

use crate::model::average::{Averages, Extremes, WindowAverages};
use crate::model::cpu::RawCpuModel;
use crate::model::cpu::{Core, Cpu, CpuTime, Modes};
use crate::model::load::Load;
use crate::model::memory::{Memory, Swap};
use crate::model::network::{Address, Interface, Link, Traffic};
use crate::model::process::{Process, ProcessMemory, ProcessState, ProcessStates, Processes, Visibility};
use crate::model::socket::{RawSocket, RawSockets, SocketEnd, SocketKind};
use crate::model::storage::{Disk, Filesystem, FilesystemUsage};
use crate::model::system::HostFacts;
use crate::model::{Snapshot, ratio};

const MIB: u64 = 1_048_576;
const MEMORY_BYTES: u64 = 25_276_502_016;

/// A server with two cores, one disk with a partition, two interfaces, seven processes and a dozen sockets.
pub(crate) fn snapshot() -> Snapshot {
    Snapshot {
        time_unix_seconds: 1_795_224_211.5,
        interval_seconds: Some(1.0),
        host: Some(Arc::new(host())),
        uptime_seconds: Some(1781.42),
        cpu: Some(cpu()),
        cpu_frequency_mhz: Some(2000.0),
        cpu_temperature_celsius: Some(47.5),
        memory: Some(memory()),
        swap: Some(swap()),
        averages: Averages {
            cpu: WindowAverages { five: Some(0.253_237_001_39), ten: Some(0.140_256_920_96), fifteen: Some(0.113_115) },
            memory: WindowAverages { five: Some(475_312_127.5), ten: Some(470_000_000.0), fifteen: Some(465e6) },
            memory_since_start: Some(Extremes { min: 450e6, max: 480e6, mean: 462e6 }),
        },
        disks: Some(vec![disk("vda", true), disk("vda1", false)]),
        filesystems: Some(filesystems()),
        load: Some(Load { one: 0.5, five: 0.25, fifteen: 0.125, ..Load::default() }),
        interfaces: Some(vec![loopback(), ethernet()]),
        processes: Some(processes()),
        sockets: Some(Arc::new(RawSockets {
            list: sockets(),
            users: processes().list.iter().filter_map(|process| Some((process.pid, [process.uid?; 4]))).collect(),
        })),
        ..Snapshot::default()
    }
}

fn host() -> HostFacts {
    let flags: Arc<[String]> = ["fpu", "vme", "de", "pse", "tsc", "msr"].map(String::from).into();
    let core = |core: u32| RawCpuModel {
        core,
        vendor: "GenuineIntel".into(),
        family: "6".into(),
        model: "167".into(),
        stepping: Some(8),
        physical_id: "0".into(),
        core_id: core.to_string(),
        model_name: "Intel(R) Xeon(R) Processor".into(),
        mhz: Some(2000.0),
        cache_kibibytes: Some(107_520),
        flags: Arc::clone(&flags),
        microcode: "0x1".into(),
    };
    HostFacts {
        hostname: Some("host1".into()),
        distribution: Some("Debian GNU/Linux 12 (bookworm)".into()),
        distribution_id: Some("debian".into()),
        distribution_like: None,
        distribution_version: Some("12.11".into()),
        kernel: Some("6.12.41-amd64".into()),
        architecture: Some("x86_64".into()),
        machine_id: Some("11111111222243338444555555555555".into()),
        product_uuid: None,
        virtualization: None,
        virtualization_role: Some("guest".into()),
        own_user: Some("psmonitor".into()),
        physical_cores: Some(1),
        pid_max: Some(32_768),
        cpu_models: vec![core(0), core(1)],
    }
}

fn cpu() -> Cpu {
    let time = |busy: f64| CpuTime {
        busy_ratio: Some(busy),
        ratios: Some(Modes { user: busy * 0.75, system: busy * 0.25, idle: 1.0 - busy, ..Modes::default() }),
        seconds: Some(Modes { user: 310.5, system: 88.25, idle: 3100.0, iowait: 4.5, ..Modes::default() }),
    };
    let core = |core: u32, busy: f64| Core {
        core,
        time: time(busy),
        frequency_mhz: Some(2000.0),
        frequency_min_mhz: None,
        frequency_max_mhz: Some(3500.0),
    };
    Cpu {
        total: Some(time(0.193_547_033_645)),
        cores: vec![core(0, 0.42), core(1, 0.083_57)],
        context_switches: Some(8_812_345),
        interrupts: Some(4_412_345),
        soft_interrupts: Some(9_412_345),
        context_switches_per_second: Some(702.0),
        interrupts_per_second: Some(382.0),
        soft_interrupts_per_second: Some(201.0),
        forks: Some(33_012),
        running: Some(2),
        blocked: Some(0),
        boot_time_unix_seconds: Some(1_795_222_430),
    }
}

fn memory() -> Memory {
    Memory {
        total_bytes: Some(MEMORY_BYTES),
        available_bytes: Some(24_801_189_888),
        used_bytes: Some(475_312_128),
        free_bytes: Some(24_324_632_576),
        used_ratio: ratio(475_312_128, MEMORY_BYTES),
        buffers_bytes: Some(40 * MIB),
        cached_bytes: Some(600 * MIB),
        active_bytes: Some(43_425_792),
        inactive_bytes: Some(556_294_144),
        shared_bytes: Some(2 * MIB),
        slab_bytes: Some(90 * MIB),
        slab_reclaimable_bytes: Some(60 * MIB),
        dirty_bytes: Some(4096),
        ..Memory::default()
    }
}

fn swap() -> Swap {
    Swap {
        total_bytes: Some(3_221_225_472),
        used_bytes: Some(2_172_829_696),
        free_bytes: Some(1_048_395_776),
        used_ratio: ratio(2_172_829_696, 3_221_225_472),
        in_bytes: Some(62_363_017_216),
        out_bytes: Some(0),
        in_bytes_per_second: Some(0.0),
        out_bytes_per_second: Some(0.0),
    }
}

fn disk(name: &str, whole: bool) -> Disk {
    Disk {
        name: Arc::from(name),
        major: Some(254),
        minor: Some(u32::from(!whole)),
        whole: Some(whole),
        serial: whole.then(|| Arc::from("ABCD1234XYZ")),
        reads: Some(36_205),
        reads_merged: Some(8_815),
        read_bytes: 2_568_193_024,
        read_seconds: Some(15.506),
        writes: Some(49_779),
        writes_merged: Some(123_029),
        written_bytes: 6_006_722_560,
        write_seconds: Some(64.427),
        in_progress: Some(0),
        busy_seconds: Some(12.06),
        weighted_seconds: Some(81.48),
        reads_per_second: Some(1.0),
        writes_per_second: Some(4.0),
        read_time_ratio: Some(0.0),
        write_time_ratio: Some(0.02),
        read_bytes_per_second: Some(4096.0),
        written_bytes_per_second: Some(1_048_576.0),
        ..Disk::default()
    }
}

fn filesystems() -> Vec<Filesystem> {
    let mount = |device: &str, mount_point: &str, kind: &str, device_backed: bool, usage: Option<_>| Filesystem {
        device: device.into(),
        mount_point: mount_point.into(),
        kind: kind.into(),
        options: "rw,relatime".into(),
        also_at: Vec::new(),
        major: Some(254),
        minor: Some(1),
        device_backed,
        stuck: usage.is_none(),
        usage,
    };
    let root = FilesystemUsage {
        total_bytes: 270_553_174_016,
        used_bytes: 16_684_195_840,
        available_bytes: 80_888_553_472,
        free_bytes: Some(253_868_978_176),
        used_ratio: ratio(16_684_195_840, 16_684_195_840 + 80_888_553_472),
        inodes_total: Some(16_777_216),
        inodes_free: Some(16_279_165),
        inodes_used: Some(498_051),
        inodes_used_ratio: ratio(498_051, 16_777_216),
        read_only: false,
    };
    let zero = Some(0);
    let nothing = FilesystemUsage {
        free_bytes: zero,
        inodes_total: zero,
        inodes_free: zero,
        inodes_used: zero,
        ..FilesystemUsage::default()
    };
    vec![
        mount("/dev/vda1", "/", "ext4", true, Some(root)),
        mount("tmpfs", "/run", "tmpfs", false, Some(nothing)),
        mount("/dev/vda1", "/etc/hosts", "ext4", true, Some(root)),
        mount("/dev/vdb1", "/srv/a \"b\"", "xfs", true, None),
    ]
}

fn traffic(bytes: u64) -> Traffic {
    let none = Some(0);
    Traffic {
        bytes,
        packets: bytes / 100,
        dropped: none,
        fifo: none,
        frame_or_collisions: none,
        compressed: none,
        multicast_or_carrier: none,
        bytes_per_second: Some(2_097_152.0),
        ..Traffic::default()
    }
}

fn loopback() -> Interface {
    let link = Link {
        index: 1,
        flags: Some(0x49),
        mtu_bytes: Some(65_536),
        operational_state: Some("unknown".into()),
        addresses: Some(vec![address("127.0.0.1", 8), address("::1", 128)]),
        ..Link::default()
    };
    Interface {
        name: Arc::from("lo"),
        received: traffic(2_211_266_769),
        sent: traffic(2_211_266_769),
        link: Some(link),
    }
}

fn ethernet() -> Interface {
    let link = Link {
        index: 4,
        flags: Some(0x1043),
        mtu_bytes: Some(1400),
        mac: Some("02:fc:00:00:00:01".into()),
        operational_state: Some("up".into()),
        speed_bits_per_second: Some(1_000_000_000),
        duplex: Some("full".into()),
        addresses: Some(vec![address("192.0.2.2", 24), address("fd00::2", 64), address("fe80::fc:ff:fe00:1", 64)]),
    };
    let received = Traffic { errors: 1, dropped: Some(2), fifo: Some(3), ..traffic(804_438_487) };
    let sent = Traffic { errors: 4, dropped: Some(5), fifo: Some(6), ..traffic(3_122_919) };
    Interface { name: Arc::from("eth0"), received, sent, link: Some(link) }
}

fn address(ip: &str, prefix_length: u8) -> Address {
    Address { ip: ip.parse().expect("an address"), prefix_length }
}

/// A sleeping process of root with round numbers that follow from its PID.
pub(crate) fn process(pid: u32, name: &str) -> Process {
    let resident_bytes = u64::from(pid) * 4096;
    Process {
        pid,
        parent_pid: Some(1),
        name: Arc::from(name),
        state: ProcessState::Sleeping,
        uid: Some(0),
        user: Some(Arc::from("root")),
        threads: Some(1),
        nice: Some(0),
        start_time_unix_seconds: Some(1_795_222_431.25),
        cpu_user_seconds: Some(f64::from(pid % 1000) / 100.0),
        cpu_system_seconds: Some(0.29),
        cpu_seconds: None,
        cpu_ratio: Some(0.012_34),
        memory: Some(ProcessMemory {
            resident_bytes,
            virtual_bytes: resident_bytes * 10,
            shared_bytes: Some(resident_bytes / 2),
            text_bytes: Some(65_536),
            library_bytes: Some(0),
            data_bytes: Some(resident_bytes * 2),
            dirty_bytes: Some(0),
        }),
        memory_ratio: ratio(resident_bytes, MEMORY_BYTES),
        io: None,
        gids: Some([0, 0, 0]),
        children_seconds: Some([1.5, 0.25]),
        waiting_seconds: Some(0.0),
        arguments: Some([format!("/usr/sbin/{name}"), "--pid".to_owned(), pid.to_string()].into()),
    }
}

fn processes() -> Processes {
    let list = vec![
        Process { state: ProcessState::Idle, nice: Some(-20), ..process(2, "kthreadd") },
        Process {
            state: ProcessState::Running,
            threads: Some(12),
            cpu_ratio: Some(1.857_1),
            ..process(42, "worker \"a\"\n")
        },
        Process { uid: Some(33), user: Some(Arc::from("www-data")), ..process(30_466, "nginx") },
        Process { uid: Some(4711), user: None, nice: Some(19), ..process(32_534, "heartbeat-server") },
        Process { state: ProcessState::Zombie, memory: None, memory_ratio: None, ..process(40_000, "") },
        Process { uid: None, user: None, cpu_ratio: None, ..process(40_001, "nginx") },
        Process { state: ProcessState::DiskSleep, ..process(40_002, "naïve-\u{fffd}") },
    ];
    let mut states = ProcessStates::default();
    list.iter().for_each(|process| states.add(process.state));
    let threads = list.iter().map(|process| process.threads.map(u64::from)).sum();
    let (visibility, count) = (Visibility::All, list.len());
    Processes { visibility, count, complete: true, list, states: Some(states), threads }
}

fn sockets() -> Vec<RawSocket> {
    let inet = |kind, local: &str, remote: &str, state, uid, holders: &[(u32, u32)]| {
        let end = |text: &str| {
            let (ip, port) = text.rsplit_once(' ').expect("address and port");
            SocketEnd::Inet(ip.parse().expect("an address"), port.parse().expect("a port"))
        };
        RawSocket { kind, local: end(local), remote: end(remote), state, inode: 77, uid, holders: holders.to_vec() }
    };
    let unix = |path: &str, kind, holders: &[(u32, u32)]| RawSocket {
        kind: SocketKind::Unix(kind),
        local: SocketEnd::Path(Arc::from(path)),
        remote: SocketEnd::Path(Arc::from("")),
        state: 1,
        inode: 78,
        uid: None,
        holders: holders.to_vec(),
    };
    let root = Some(0);
    vec![
        inet(SocketKind::Tcp4, "0.0.0.0 22", "0.0.0.0 0", 10, root, &[]),
        inet(SocketKind::Tcp4, "127.0.0.1 5173", "0.0.0.0 0", 10, root, &[(30_466, 3), (40_001, 3)]),
        inet(SocketKind::Tcp4, "127.0.0.1 4500", "127.0.0.1 37532", 6, root, &[]),
        inet(SocketKind::Tcp6, "::ffff:192.0.2.2 443", "::ffff:192.0.2.9 5000", 1, Some(33), &[(30_466, 9)]),
        inet(SocketKind::Tcp6, "fd00::2 443", "fd00::9 5001", 8, Some(33), &[(99_999, 5)]),
        inet(SocketKind::Tcp6, ":: 80", ":: 0", 99, root, &[]),
        inet(SocketKind::Udp4, "0.0.0.0 68", "0.0.0.0 0", 7, root, &[(42, 6)]),
        inet(SocketKind::Udp6, "fe80::1 546", ":: 0", 7, root, &[]),
        unix("/run/systemd/notify", 2, &[(42, 20), (30_466, 1)]),
        unix("@abstract", 1, &[(40_001, 4)]),
        unix("", 5, &[]),
    ]
}
