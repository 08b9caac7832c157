//! Waits in blocking calls: a thread for each connection, the blocking `postgres` crate for the database.

mod http;
mod pool;

use std::collections::HashMap;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use socket2::SockRef;

use http::{Input, Wire};
use pool::Pool;
use waitbench_peer::settings::{fail, raise_open_files, Settings};
use waitbench_peer::stats::Stats;
use waitbench_peer::work::Work;
use waitbench_peer::{Reply, Route, Unavailable};

const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Rust's default of 2 MiB is only address space, but glibc keeps 40 MiB of stacks for the next threads: 20, or 160.
const STACK_BYTES: usize = 256 * 1024;

/// What every thread needs, for as long as the process lives.
struct Server {
    settings: &'static Settings,
    stats: &'static Stats,
    pool: &'static Pool,
    draining: AtomicBool,
    connections: Mutex<HashMap<u64, Arc<TcpStream>>>,
}

fn main() {
    let settings: &Settings = Box::leak(Box::new(Settings::read("rust-threads", false)));
    // Before there are threads, which inherit it: the signals wait until this thread asks for them.
    let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
    signals.thread_block().unwrap_or_else(|error| fail(settings.name, 1, error));
    raise_open_files();
    let stats: &Stats = Box::leak(Box::default());
    let pool = Pool::start(settings, stats)
        .unwrap_or_else(|error| fail(settings.name, 1, format!("cannot connect to the database: {error}")));
    let listener = settings
        .listen()
        .unwrap_or_else(|error| fail(settings.name, 1, format!("cannot listen on {}: {error}", settings.address)));
    let (draining, connections) = (AtomicBool::new(false), Mutex::default());
    let server: &Server = Box::leak(Box::new(Server { settings, stats, pool, draining, connections }));
    let listener: &TcpListener = Box::leak(Box::new(listener));
    thread::spawn(move || server.accept(listener));
    settings.say_listening();
    let _ = signals.wait();
    server.drain(listener);
}

impl Server {
    fn accept(&'static self, listener: &TcpListener) {
        for number in 0.. {
            match listener.accept() {
                Ok((stream, _)) => self.start(number, stream),
                Err(_) if self.draining.load(SeqCst) => return,
                Err(error) => {
                    // Too many open files, say. Some are closed in a while.
                    eprintln!("waitbench {}: accept: {error}", self.settings.name);
                    thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }

    fn start(&'static self, number: u64, stream: TcpStream) {
        let stream = Arc::new(stream);
        self.connections().insert(number, stream.clone());
        self.stats.connections_accepted.add(1);
        let serve = move || {
            // A panic is a mistake here. It ends this connection, which is then counted and forgotten like any other.
            let end = End { server: self, number };
            self.serve(&stream);
            drop(stream);
            drop(end);
        };
        if let Err(error) = thread::Builder::new().stack_size(STACK_BYTES).spawn(serve) {
            eprintln!("waitbench {}: no thread for a connection: {error}", self.settings.name);
            drop(End { server: self, number });
        }
    }

    fn serve(&self, stream: &TcpStream) {
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(IDLE_TIMEOUT));
        let _ = stream.set_write_timeout(Some(WRITE_TIMEOUT));
        let mut wire = Wire::new(stream);
        loop {
            let (reply, is_head, keep_alive) = match wire.read() {
                Input::Request(request) => {
                    let route = Route::of(&request.path, request.query.as_deref(), self.settings);
                    (self.respond(route), request.is_head, request.keep_alive)
                }
                Input::Refused(reply) => (reply, false, false),
                Input::Closed => return,
            };
            self.stats.count(&reply);
            let keep_alive = keep_alive && !self.draining.load(SeqCst);
            if wire.write(&reply, is_head, keep_alive).is_err() || !keep_alive {
                return;
            }
        }
    }

    fn respond(&self, route: Route) -> Reply {
        match route {
            Route::Work(work) => self.work(work).unwrap_or_else(|reason| Reply::unavailable(&reason)),
            Route::Health => Reply::ok(r#"{"status":"ok"}"#),
            Route::Ready => match self.ping() {
                Ok(()) => Reply::ok(r#"{"status":"ready"}"#),
                Err(reason) => Reply::unavailable(&reason),
            },
            Route::Stats => Reply::ok(self.stats.json(self.settings, 0, 1)),
            Route::BadRequest(detail) => Reply::bad_request(&detail),
            Route::NotFound => Reply::not_found(),
        }
    }

    fn work(&self, work: Work) -> Result<Reply, Unavailable> {
        if work.t > 0 {
            thread::sleep(Duration::from_millis(work.t));
        }
        let mut sum = 0;
        if work.n > 0 {
            let mut lease = self.pool.take()?;
            for i in 0..work.n {
                sum += i64::from(lease.run(work.query(i))?);
            }
        }
        Ok(Reply::ok(work.body(sum)))
    }

    fn ping(&self) -> Result<(), Unavailable> {
        self.pool.take()?.ping()
    }

    /// Ends the accepting, and every read: a connection that is idle ends at once, another after its response.
    fn drain(&self, listener: &TcpListener) {
        self.draining.store(true, SeqCst);
        let _ = SockRef::from(listener).shutdown(Shutdown::Both);
        let began = Instant::now();
        loop {
            let connections = self.connections();
            if connections.is_empty() {
                return;
            }
            // Each time, since one may have been accepted meanwhile.
            for stream in connections.values() {
                let _ = stream.shutdown(Shutdown::Read);
            }
            drop(connections);
            if began.elapsed() > DRAIN_TIMEOUT {
                eprintln!("waitbench {}: requests were still under way after {DRAIN_TIMEOUT:?}", self.settings.name);
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn connections(&self) -> MutexGuard<HashMap<u64, Arc<TcpStream>>> {
        self.connections.lock().expect("nothing panics while it is locked")
    }
}

/// Forgets a connection when its thread ends.
struct End {
    server: &'static Server,
    number: u64,
}

impl Drop for End {
    fn drop(&mut self) {
        self.server.connections().remove(&self.number);
        self.server.stats.connections_closed.add(1);
    }
}
