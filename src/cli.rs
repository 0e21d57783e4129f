//! The command line exactly as typed: what was not typed is `None`. Each comment is the text of `--help`; what it means, and
//! what holds where nothing was typed, is `config`'s business.

#![expect(clippy::doc_markdown, rustdoc::bare_urls, reason = "these comments are the text of --help")]

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Parser, Subcommand, ValueEnum};

/// A headless system monitor server; start it and open http://localhost:4500
#[derive(Clone, Debug, Parser)]
#[command(name = "psmonitor", version, max_term_width = 100)]
pub struct Args {
    /// What to do instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Configuration file, in TOML; without this flag /etc/psmonitor/psmonitor.toml, where there is one
    #[arg(long, value_name = "FILE", env = "PSMONITOR_CONFIG", global = true)]
    pub config: Option<PathBuf>,

    /// Address or host name to listen on; every address that the name has is listened on
    #[arg(long, value_name = "ADDRESS", env = "PSMONITOR_ADDRESS")]
    pub address: Option<String>,

    /// Port to listen on; 0 takes a free one
    #[arg(long, short, value_name = "PORT", env = "PSMONITOR_PORT")]
    pub port: Option<u16>,

    /// Listen here instead of on --address and --port, as ADDRESS:PORT or unix:PATH; may be given several times, separated by commas in the variable
    #[arg(long, value_name = "ADDRESS:PORT", env = "PSMONITOR_LISTEN", value_delimiter = ',')]
    pub listen: Option<Vec<String>>,

    /// Permissions of the UNIX sockets of --listen, in octal
    #[arg(long, value_name = "MODE", env = "PSMONITOR_SOCKET_MODE")]
    pub socket_mode: Option<String>,

    /// Time between two samples: seconds, or a number with ms, s, m or h (100ms to 1h)
    #[arg(long, value_name = "TIME", env = "PSMONITOR_INTERVAL")]
    pub interval: Option<String>,

    /// Most streams (WebSockets and event streams) at once
    #[arg(long, value_name = "N", env = "PSMONITOR_MAX_CONNECTIONS")]
    pub max_connections: Option<usize>,

    /// Most streams from one address; loopback is exempt
    #[arg(long, value_name = "N", env = "PSMONITOR_MAX_PER_ADDRESS")]
    pub max_per_address: Option<usize>,

    /// Most workers that wait to be claimed
    #[arg(long, value_name = "N", env = "PSMONITOR_MAX_UNCLAIMED")]
    pub max_unclaimed: Option<usize>,

    /// Threads that serve requests; the default is one a core, at most 4
    #[arg(long, value_name = "N", env = "PSMONITOR_WORKERS")]
    pub workers: Option<usize>,

    /// Folder for what happened: a day by 10 s, 14 days by the minute, 2 years by the hour; without it the last hour is kept in memory
    #[arg(long, value_name = "FOLDER", env = "PSMONITOR_DATA_DIR")]
    pub data_dir: Option<PathBuf>,

    /// Host name that clients may use for this server, besides loopback names and the addresses it listens on; repeatable
    #[arg(long, value_name = "NAME", env = "PSMONITOR_ALLOW_HOST", value_delimiter = ',')]
    pub allow_host: Option<Vec<String>>,

    /// Origin of web pages that may read from this server, such as https://dash.example.com, or *; repeatable
    #[arg(long, value_name = "ORIGIN", env = "PSMONITOR_ALLOW_ORIGIN", value_delimiter = ',')]
    pub allow_origin: Option<Vec<String>>,

    /// Path below which a proxy shows this server, such as /monitor
    #[arg(long, value_name = "PATH", env = "PSMONITOR_BASE_PATH")]
    pub base_path: Option<String>,

    /// Proxy whose X-Forwarded-For, -Proto and -Host or Forwarded say who its clients are: an address, a network as 10.0.0.0/8, or unix for those on a UNIX socket; repeatable
    #[arg(long, value_name = "PROXY", env = "PSMONITOR_TRUSTED_PROXY", value_delimiter = ',')]
    pub trusted_proxy: Option<Vec<String>>,

    /// File with one token a line, or `report TOKEN` for one that only hands in reports; every route but /healthz and the dashboard's own files then needs one
    #[arg(long, value_name = "FILE", env = "PSMONITOR_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,

    /// File with one NAME:HASH a line, as `psmonitor hash-password` makes them; users log in with POST /authenticate
    #[arg(long, value_name = "FILE", env = "PSMONITOR_USERS_FILE")]
    pub users_file: Option<PathBuf>,

    /// File with the certificate chain in PEM, the server's own first; every address then speaks TLS
    #[arg(long, value_name = "FILE", env = "PSMONITOR_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,

    /// File with the private key of --tls-cert in PEM, without a passphrase
    #[arg(long, value_name = "FILE", env = "PSMONITOR_TLS_KEY")]
    pub tls_key: Option<PathBuf>,

    /// Listen beyond loopback without tokens or users: everybody who can reach the port sees everything
    #[arg(long, env = "PSMONITOR_NO_AUTH", value_name = "YES", value_parser = BoolishValueParser::new(),
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub no_auth: Option<bool>,

    /// Let psiod clients that hold a token end processes (process.kill)
    #[arg(long, env = "PSMONITOR_ALLOW_KILL", value_name = "YES", value_parser = BoolishValueParser::new(),
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub allow_kill: Option<bool>,

    /// Let System Monitor agents, and psmonitor's own, report to this server; needs --data-dir
    #[arg(long, env = "PSMONITOR_RECEIVE", value_name = "YES", value_parser = BoolishValueParser::new(),
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub receive: Option<bool>,

    /// With --receive: systems that nobody named may report, too, and are known from their first report on
    #[arg(long, env = "PSMONITOR_AUTO_REGISTER", value_name = "YES", value_parser = BoolishValueParser::new(),
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub auto_register: Option<bool>,

    /// Mount points that /metrics leaves out, a regular expression as node_exporter's
    #[arg(long, value_name = "REGEX", env = "PSMONITOR_MOUNT_POINTS_EXCLUDE")]
    pub mount_points_exclude: Option<String>,

    /// Types of file systems that /metrics leaves out, a regular expression
    #[arg(long, value_name = "REGEX", env = "PSMONITOR_FS_TYPES_EXCLUDE")]
    pub fs_types_exclude: Option<String>,

    /// Network interfaces that /metrics leaves out, a regular expression; none of them if empty
    #[arg(long, value_name = "REGEX", env = "PSMONITOR_INTERFACES_EXCLUDE")]
    pub interfaces_exclude: Option<String>,

    /// What a line of the log is: text, or a JSON object
    #[arg(long, value_name = "FORMAT", env = "PSMONITOR_LOG_FORMAT", value_parser = ["text", "json"], hide_possible_values = true)]
    pub log_format: Option<String>,

    /// Who reads the machine: the files of Linux, or what the sysinfo library knows, which is less; the only one elsewhere
    #[arg(long, value_name = "WHO", env = "PSMONITOR_COLLECTOR")]
    pub collector: Option<Collector>,

    /// With --receive: a system that may report; repeatable
    #[arg(long, value_name = "NAME", env = "PSMONITOR_REGISTER_SYSTEM", value_delimiter = ',')]
    pub register_system: Option<Vec<String>>,

    /// With --receive: most systems
    #[arg(long, value_name = "N", env = "PSMONITOR_MAX_SYSTEMS")]
    pub max_systems: Option<usize>,

    /// With --receive: after so long a silence a system that registered itself is forgotten (hours, as 720h)
    #[arg(long, value_name = "TIME", env = "PSMONITOR_FORGET_AFTER")]
    pub forget_after: Option<String>,

    /// With --receive: most MiB that the last reports of all systems may take on the disk
    #[arg(long, value_name = "MIB", env = "PSMONITOR_RECEIVER_MIB")]
    pub receiver_mib: Option<u64>,

    /// Report this machine to a receiver, another psmonitor or a System Monitor server, at this http or https address
    #[arg(long, value_name = "URL", env = "PSMONITOR_AGENT_URL")]
    pub agent_url: Option<String>,

    /// Time between two reports: seconds, or a number with s, m or h
    #[arg(long, value_name = "TIME", env = "PSMONITOR_AGENT_INTERVAL")]
    pub agent_interval: Option<String>,

    /// This machine's name at the receiver; made of its machine-id where none is given
    #[arg(long, value_name = "NAME", env = "PSMONITOR_AGENT_SYSTEM_ID")]
    pub agent_system_id: Option<String>,

    /// File with the token that the receiver asks for
    #[arg(long, value_name = "FILE", env = "PSMONITOR_AGENT_TOKEN_FILE")]
    pub agent_token_file: Option<PathBuf>,

    /// File with certificates in PEM to trust at the receiver, instead of the system's
    #[arg(long, value_name = "FILE", env = "PSMONITOR_AGENT_CA_FILE")]
    pub agent_ca_file: Option<PathBuf>,

    /// With --receive and --agent-url: pass the reports of other systems on, too
    #[arg(long, env = "PSMONITOR_AGENT_FORWARD", value_name = "YES", value_parser = BoolishValueParser::new(),
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub agent_forward: Option<bool>,

    /// Send this machine's metrics, and those of received systems, by Prometheus remote write to this address
    #[arg(long, value_name = "URL", env = "PSMONITOR_REMOTE_WRITE_URL")]
    pub remote_write_url: Option<String>,

    /// Time between two sets of samples: seconds, or a number with s, m or h
    #[arg(long, value_name = "TIME", env = "PSMONITOR_REMOTE_WRITE_INTERVAL")]
    pub remote_write_interval: Option<String>,

    /// File with the token for remote write
    #[arg(long, value_name = "FILE", env = "PSMONITOR_REMOTE_WRITE_TOKEN_FILE")]
    pub remote_write_token_file: Option<PathBuf>,

    /// File with certificates in PEM to trust for remote write, instead of the system's
    #[arg(long, value_name = "FILE", env = "PSMONITOR_REMOTE_WRITE_CA_FILE")]
    pub remote_write_ca_file: Option<PathBuf>,

    /// Collector to send, as in collect[] of /metrics; repeatable; all where none is named
    #[arg(long, value_name = "NAME", env = "PSMONITOR_REMOTE_WRITE_COLLECT", value_delimiter = ',')]
    pub remote_write_collect: Option<Vec<String>>,

    /// Name of a series to send, with * for anything, as node_cpu_*; repeatable; all where none is named
    #[arg(long, value_name = "PATTERN", env = "PSMONITOR_REMOTE_WRITE_SERIES", value_delimiter = ',')]
    pub remote_write_series: Option<Vec<String>>,

    /// Label `job` of every sample
    #[arg(long, value_name = "NAME", env = "PSMONITOR_REMOTE_WRITE_JOB")]
    pub remote_write_job: Option<String>,

    /// Label `instance` of every sample; the machine's host name where none is given
    #[arg(long, value_name = "NAME", env = "PSMONITOR_REMOTE_WRITE_INSTANCE")]
    pub remote_write_instance: Option<String>,

    /// A further label of every sample, as site=berlin; repeatable
    #[arg(long, value_name = "NAME=VALUE", env = "PSMONITOR_REMOTE_WRITE_LABEL", value_delimiter = ',')]
    pub remote_write_label: Option<Vec<String>>,

    /// Most MiB that wait on the disk for a receiver that is away, for the agent and for remote write each
    #[arg(long, value_name = "MIB", env = "PSMONITOR_SPOOL_MIB")]
    pub spool_mib: Option<u64>,

    /// How long what waits for a receiver is worth sending (hours, as 168h)
    #[arg(long, value_name = "TIME", env = "PSMONITOR_SPOOL_AGE")]
    pub spool_age: Option<String>,

    /// Where /proc of the watched machine is
    #[arg(long, value_name = "FOLDER", env = "PSMONITOR_PROCFS")]
    pub procfs: Option<PathBuf>,

    /// Where /sys of the watched machine is
    #[arg(long, value_name = "FOLDER", env = "PSMONITOR_SYSFS")]
    pub sysfs: Option<PathBuf>,

    /// Where the root of the watched machine is
    #[arg(long, value_name = "FOLDER", env = "PSMONITOR_ROOTFS")]
    pub rootfs: Option<PathBuf>,

    /// Print the manual page, or the completions of a shell; for those who make packages
    #[arg(long, value_name = "WHAT", hide = true)]
    pub generate: Option<Page>,
}

/// What is made of the list of flags and commands, beside the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// psmonitor(1).
    Man,
    /// Completions for bash.
    Bash,
    /// Completions for zsh.
    Zsh,
    /// Completions for fish.
    Fish,
}

/// Who reads the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Collector {
    /// The files of Linux
    Linux,
    /// The sysinfo library
    Portable,
}

/// What the program does instead of serving.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Print the hash of a password for the users file; asks for it, or reads it from standard input
    HashPassword,

    /// Validate the settings, the configuration file and the files that it names; print each setting and where it was set
    CheckConfig,

    /// Print statistics without a server
    #[command(flatten)]
    Statistics(Statistics),

    /// Tell whether a server is up and how old its numbers are; the exit code is 0 if it is, else 1
    Status(Status),

    /// Print a new name for a machine that reports to a System Monitor server
    #[command(alias = "generate_system_id")]
    GenerateSystemId,

    /// Report this machine to a receiver without serving anything; --config may name a System Monitor config.json
    Background(Background),

    /// Ask whether there is a receiver at the address that reports go to
    #[command(alias = "check_url")]
    CheckUrl(Receiver),

    /// Ask a receiver whether it knows this machine's name
    #[command(alias = "check_system_id")]
    CheckSystemId(Named),
}

/// A receiver. What is not given stands in the settings of the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Receiver {
    /// Where reports go, http or https
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,

    /// File with the token that the receiver asks for
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// File with certificates in PEM to trust instead of the system's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// A receiver, and this machine's name there.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Named {
    /// The receiver
    #[command(flatten)]
    pub receiver: Receiver,

    /// This machine's name there
    #[arg(long, value_name = "NAME")]
    pub system_id: Option<String>,
}

/// How to report.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Background {
    /// Where, and as whom
    #[command(flatten)]
    pub named: Named,

    /// Time between two reports: seconds, or a number with s, m or h
    #[arg(long, value_name = "TIME")]
    pub interval: Option<String>,

    /// Folder for what waits while the receiver is away; without it that is kept in memory
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
}

/// Statistics that are printed without a server.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Statistics {
    /// Print how busy the processors are, measured over a second
    Cpu(Show),

    /// Print how much memory is used
    Memory(Show),

    /// Print the processes
    Processes(Show),

    /// Print how full the disks are
    Disks(Show),

    /// Print the network interfaces, and what they received and sent
    Network(Show),
}

/// How statistics are printed.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Show {
    /// Print JSON on a terminal too; whatever else reads gets JSON anyway
    #[arg(long)]
    pub json: bool,

    /// Print again and again, in place on a terminal, this often: seconds, or a number with ms, s, m or h (100ms to 1h)
    #[arg(long, short, value_name = "TIME", num_args = 0..=1, default_missing_value = "1s")]
    pub watch: Option<String>,
}

/// Which server is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Status {
    /// http://HOST:PORT, https://HOST or unix:/PATH; without it the server that the settings of this program start
    #[arg(value_name = "URL")]
    pub url: Option<String>,

    /// File in PEM with the server's own certificate, or those of authorities that may have signed it; without it the system's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

impl Statistics {
    /// How they are printed.
    #[must_use]
    pub fn show(&self) -> &Show {
        let (Self::Cpu(show) | Self::Memory(show) | Self::Processes(show) | Self::Disks(show) | Self::Network(show)) =
            self;
        show
    }
}

/// What is wrong and the hint, out of clap's answer of several lines: `error: ...`, then `tip: ...` or `[possible values: ...]`
/// among the usage.
#[must_use]
pub fn one_line(answer: &str) -> String {
    let mut lines = answer.lines().map(str::trim);
    let first = lines.next().unwrap_or_default().trim_start_matches("error: ");
    let is_hint = |line: &&str| line.starts_with("tip: ") || line.starts_with("[possible values");
    std::iter::once(first).chain(lines.filter(is_hint)).collect::<Vec<_>>().join("; ")
}
