//! GET /stats: what the process counts, and what Linux knows of it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use nix::sys::resource::{getrusage, UsageWho};
use nix::sys::time::TimeValLike;
use serde_json::json;

use crate::settings::Settings;
use crate::Reply;

#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub fn add_time(&self, time: Duration) {
        self.add(time.as_nanos() as u64);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn seconds(&self) -> f64 {
        self.get() as f64 / 1e9
    }
}

#[derive(Default)]
pub struct Stats {
    requests: Counter,
    replies_4xx: Counter,
    replies_5xx: Counter,
    pub connections_accepted: Counter,
    pub connections_closed: Counter,
    pub queries: Counter,
    pub query_time: Counter,
    pub pool_waits: Counter,
    pub pool_wait_time: Counter,
    pub db_connects: Counter,
    pub db_lost: Counter,
}

impl Stats {
    pub fn count(&self, reply: &Reply) {
        self.requests.add(1);
        match reply.status {
            400..=499 => self.replies_4xx.add(1),
            500.. => self.replies_5xx.add(1),
            _ => {}
        }
    }

    pub fn connections_open(&self) -> u64 {
        // In this order: one that is closed in between does not make it negative.
        let closed = self.connections_closed.get();
        self.connections_accepted.get() - closed
    }

    pub fn json(&self, settings: &Settings, workers: usize, pipeline_depth: usize) -> String {
        let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the own usage");
        let seconds = |time: nix::sys::time::TimeVal| time.num_microseconds() as f64 / 1e6;
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        };
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        json!({
            "model": settings.name,
            "version": option_env!("WAITBENCH_VERSION").unwrap_or("unknown"),
            "build": if cfg!(debug_assertions) { "debug" } else { "release" },
            "pid": std::process::id(),
            "boot_id": boot_id.trim(),
            "cpus": online_cpus(),
            "start_time": humantime::format_rfc3339_millis(settings.started).to_string(),
            "cpu_user_s": seconds(usage.user_time()),
            "cpu_system_s": seconds(usage.system_time()),
            "ctx_voluntary": usage.voluntary_context_switches(),
            "ctx_involuntary": usage.involuntary_context_switches(),
            "rss_kib": field("VmRSS"),
            "rss_peak_kib": field("VmHWM"),
            "threads": field("Threads"),
            "workers": workers,
            "connections_open": self.connections_open(),
            "connections_accepted": self.connections_accepted.get(),
            "requests": self.requests.get(),
            "replies_4xx": self.replies_4xx.get(),
            "replies_5xx": self.replies_5xx.get(),
            "queries": self.queries.get(),
            "query_s": self.query_time.seconds(),
            "pool_size": settings.db_pool,
            "pool_waits": self.pool_waits.get(),
            "pool_wait_s": self.pool_wait_time.seconds(),
            "pipeline_depth": pipeline_depth,
            "db_connects": self.db_connects.get(),
            "db_lost": self.db_lost.get(),
        })
        .to_string()
    }
}

/// CPUs of the machine, whether or not this process may use them.
fn online_cpus() -> Option<usize> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    Some(stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count())
}
