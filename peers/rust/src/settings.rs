//! Environment variables, each with a flag of the same name (DB_POOL is --db-pool=16), and the listening socket.

use std::collections::HashMap;
use std::fmt::Display;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::{Duration, SystemTime};

use socket2::{Domain, Socket, Type};

use crate::work::Work;

/// What `--help` lists: name, default, meaning.
const KNOWN: [(&str, &str, &str); 13] = [
    ("HOST", "127.0.0.1", "address to listen on"),
    ("PORT", "8080", "TCP port to listen on"),
    ("DATABASE_URL", "", "postgresql://user:password@host:port/database; PGPASSWORD if it has no password"),
    ("DB_POOL", "16", "database connections in total"),
    ("POOL_TIMEOUT", "10", "seconds that a request waits for a database connection"),
    ("WORKERS", "0", "threads of the event loop in rust-async; 0: one for each CPU"),
    ("LOG_LEVEL", "info", "ignored: nothing is logged but what is wrong"),
    ("N", "1", "default of GET /work: queries"),
    ("M", "1024", "default of GET /work: bytes of the body"),
    ("W", "0", "default of GET /work: updates among the queries"),
    ("D", "0", "default of GET /work: ms that the database adds to a query"),
    ("T", "0", "default of GET /work: ms to wait before the first query"),
    ("DB_PIPELINE", "0", "1: requests share the database connections; DB_POOL=0 is then one for each CPU"),
];

pub struct Settings {
    pub name: &'static str,
    pub started: SystemTime,
    pub address: SocketAddr,
    pub database: tokio_postgres::Config,
    pub db_pool: usize,
    pub db_pipeline: bool,
    pub pool_timeout: Duration,
    pub workers: usize,
    pub defaults: Work,
}

/// The last line that a server which cannot go on writes.
pub fn fail(name: &str, status: i32, reason: impl Display) -> ! {
    eprintln!("waitbench {name}: {reason}");
    std::process::exit(status)
}

impl Settings {
    /// Ends the program if there is nothing to serve: `--help`, or a value that makes no sense.
    pub fn read(name: &'static str, has_pipeline: bool) -> Settings {
        let known = &KNOWN[..KNOWN.len() - usize::from(!has_pipeline)];
        if std::env::args().any(|argument| argument == "--help") {
            let mut help = format!("Usage: {name} [--NAME=VALUE]...\n\nEach is an environment variable, too:\n\n");
            for (variable, default, meaning) in known {
                help += &format!("  {variable:<13} {meaning} [{default}]\n");
            }
            let _ = std::io::stdout().write_all(help.as_bytes());
            std::process::exit(0);
        }
        Settings::parse(name, known, has_pipeline).unwrap_or_else(|reason| fail(name, 2, reason))
    }

    fn parse(name: &'static str, known: &[(&str, &str, &str)], has_pipeline: bool) -> Result<Settings, String> {
        let mut values = HashMap::new();
        for (variable, default, _) in KNOWN {
            values.insert(variable, std::env::var(variable).unwrap_or_else(|_| default.into()));
        }
        for argument in std::env::args().skip(1) {
            let flag = argument.strip_prefix("--").and_then(|flag| flag.split_once('='));
            let (flag, value) = flag.ok_or(format!("{argument} is no flag such as --port=8080; --help lists them"))?;
            let variable = flag.replace('-', "_").to_uppercase();
            let variable = known.iter().find(|(known, ..)| *known == variable);
            let (variable, ..) = variable.ok_or(format!("there is no flag --{flag}; --help lists them"))?;
            values.insert(variable, value.into());
        }
        let number = |variable: &str, low: u64, high: u64| {
            let value = values[variable].parse().ok().filter(|value| (low..=high).contains(value));
            value.ok_or(format!("{variable} is a whole number from {low} to {high}, not \"{}\"", values[variable]))
        };
        let defaults = Work {
            n: number("N", 0, 1000)?,
            m: number("M", 0, 16_777_216)?,
            w: number("W", 0, 1000)?,
            d: number("D", 0, 10_000)?,
            t: number("T", 0, 60_000)?,
            seed: 0,
        };
        if (1..64).contains(&defaults.m) {
            return Err("M is 0, or 64 or more".into());
        }
        let db_pipeline = number("DB_PIPELINE", 0, 1)? == 1;
        if db_pipeline && !has_pipeline {
            return Err("DB_PIPELINE: requests cannot share a database connection here; it has to be 0".into());
        }
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let or_cpus = |value: u64| if value == 0 { cpus } else { value as usize };
        Ok(Settings {
            name,
            started: SystemTime::now(),
            address: address(&values["HOST"], number("PORT", 1, 65_535)? as u16)?,
            database: database(&values["DATABASE_URL"], name)?,
            db_pool: or_cpus(number("DB_POOL", u64::from(!db_pipeline), 10_000)?),
            db_pipeline,
            pool_timeout: Duration::from_secs(number("POOL_TIMEOUT", 1, 86_400)?),
            workers: or_cpus(number("WORKERS", 0, 1024)?),
            defaults,
        })
    }

    /// A socket that listens. A client that comes now is in its queue until the program accepts.
    pub fn listen(&self) -> std::io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&self.address.into())?;
        socket.listen(4096)?; // std's own 128 overflows when thousands of clients come at once
        Ok(socket.into())
    }

    pub fn say_listening(&self) {
        eprintln!("waitbench {}: listening on http://{}", self.name, self.address);
    }
}

fn address(host: &str, port: u16) -> Result<SocketAddr, String> {
    let found = (host, port).to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    found.ok_or(format!("HOST is an address to listen on, not \"{host}\""))
}

fn database(url: &str, name: &str) -> Result<tokio_postgres::Config, String> {
    if url.is_empty() {
        return Err("DATABASE_URL is not set: postgresql://user:password@host:port/database".into());
    }
    // The error is not shown as it is: it may hold the password.
    let parsed = url.parse::<tokio_postgres::Config>();
    let mut config = parsed.map_err(|_| "DATABASE_URL is not postgresql://user:password@host:port/database")?;
    if let (None, Ok(password)) = (config.get_password(), std::env::var("PGPASSWORD")) {
        config.password(password);
    }
    config.application_name(format!("waitbench-{name}"));
    // Without these a database whose machine is gone holds a request for as long as TCP tries.
    config.connect_timeout(Duration::from_secs(5));
    config.tcp_user_timeout(Duration::from_secs(10));
    config.keepalives_idle(Duration::from_secs(10));
    Ok(config)
}

/// As many connections as the system allows: the soft limit of open files is often 1024.
pub fn raise_open_files() {
    use nix::sys::resource::{getrlimit, setrlimit, Resource::RLIMIT_NOFILE};
    if let Ok((_, hard)) = getrlimit(RLIMIT_NOFILE) {
        let _ = setrlimit(RLIMIT_NOFILE, hard, hard);
    }
}
