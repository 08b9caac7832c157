//! The sessions with the database, and the thread that makes them. A request takes a lease and gives it back.

use std::collections::VecDeque;
use std::sync::mpsc::{channel, sync_channel, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use postgres::types::ToSql;
use postgres::{Client, NoTls, Statement};
use waitbench_peer::settings::Settings;
use waitbench_peer::stats::Stats;
use waitbench_peer::work::{Query, STATEMENTS};
use waitbench_peer::{ends_session, Unavailable};

/// How often idle sessions are asked whether they are still there.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How long they have for an answer: on a busy machine it takes a while.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

pub struct Pool {
    settings: &'static Settings,
    stats: &'static Stats,
    state: Mutex<State>,
    keeper: Sender<()>,
}

struct State {
    idle: Vec<Session>,
    /// First come, first served. Empty while a session is idle.
    waiting: VecDeque<SyncSender<Lease>>,
    up: usize,
    /// The last attempt to make a session has failed.
    failing: bool,
    /// Sessions that were last used before this may be lost, too.
    last_loss: Instant,
}

struct Session {
    client: Client,
    statements: Vec<Statement>,
    used: Instant,
}

impl Pool {
    /// Makes the first session, and starts the thread that makes the others.
    pub fn start(settings: &'static Settings, stats: &'static Stats) -> Result<&'static Pool, postgres::Error> {
        let first = Session::open(settings)?;
        let (keeper, orders) = channel();
        let state = State { idle: vec![], waiting: VecDeque::new(), up: 0, failing: false, last_loss: first.used };
        let pool: &Pool = Box::leak(Box::new(Pool { settings, stats, state: Mutex::new(state), keeper }));
        pool.add(first);
        for _ in 1..settings.db_pool {
            pool.order_session();
        }
        std::thread::spawn(move || pool.keep(orders));
        Ok(pool)
    }

    pub fn take(&'static self) -> Result<Lease, Unavailable> {
        loop {
            let (mut lease, last_loss) = self.take_any()?;
            let session = lease.session.as_mut().expect("a new lease has its session");
            // The blocking client does not notice that an idle session has ended.
            if session.used > last_loss || session.is_there() {
                return Ok(lease);
            }
            lease.lose();
        }
    }

    fn take_any(&'static self) -> Result<(Lease, Instant), Unavailable> {
        let mut state = self.lock();
        let last_loss = state.last_loss;
        if let Some(session) = state.idle.pop() {
            return Ok((self.lease(session), last_loss));
        }
        if state.is_down() {
            return Err(Unavailable::Down);
        }
        let (sender, receiver) = sync_channel(1);
        state.waiting.push_back(sender);
        drop(state);
        let began = Instant::now();
        let outcome = receiver.recv_timeout(self.settings.pool_timeout);
        self.stats.pool_waits.add(1);
        self.stats.pool_wait_time.add_time(began.elapsed());
        match outcome {
            Ok(lease) => Ok((lease, self.lock().last_loss)),
            Err(RecvTimeoutError::Timeout) => Err(Unavailable::TimedOut),
            Err(RecvTimeoutError::Disconnected) => Err(Unavailable::Down),
        }
    }

    fn lease(&'static self, session: Session) -> Lease {
        Lease { pool: self, session: Some(session), queries: 0, time: Duration::ZERO }
    }

    /// To the one who has waited longest. What arrives too late for that one goes to the next.
    fn give_back(&'static self, session: Session) {
        let mut lease = self.lease(session);
        let mut state = self.lock();
        while let Some(waiter) = state.waiting.pop_front() {
            drop(state); // the one that wakes up would wait for the lock
            match waiter.send(lease) {
                Ok(()) => return, // at once: there is room for one
                Err(error) => lease = error.0,
            }
            state = self.lock();
        }
        state.idle.extend(lease.session.take());
    }

    fn add(&'static self, session: Session) {
        self.stats.db_connects.add(1);
        let mut state = self.lock();
        state.up += 1;
        if std::mem::replace(&mut state.failing, false) {
            eprintln!("waitbench {}: connected to the database again", self.settings.name);
        }
        drop(state);
        self.give_back(session);
    }

    fn order_session(&self) {
        self.keeper.send(()).expect("the keeper lives as long as the pool");
    }

    /// One session after another, each when it is ordered; and a look at those that nobody uses.
    fn keep(&'static self, orders: Receiver<()>) {
        let mut checked = Instant::now();
        loop {
            if orders.recv_timeout(CHECK_INTERVAL.saturating_sub(checked.elapsed())).is_ok() {
                self.add(self.open());
            }
            if checked.elapsed() >= CHECK_INTERVAL {
                self.check_idle();
                checked = Instant::now();
            }
        }
    }

    fn open(&self) -> Session {
        let mut delay = Duration::from_millis(50);
        loop {
            match Session::open(self.settings) {
                Ok(session) => return session,
                Err(error) => self.note_failure(&error),
            }
            std::thread::sleep(delay);
            delay = (delay * 2).min(Duration::from_secs(1));
        }
    }

    fn note_failure(&self, error: &postgres::Error) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.failing, true) {
            eprintln!("waitbench {}: cannot connect to the database: {error}", self.settings.name);
        }
        if state.is_down() {
            state.waiting.clear(); // they get a 503
        }
    }

    fn check_idle(&'static self) {
        loop {
            let mut state = self.lock();
            let unused = state.idle.iter().position(|session| session.used.elapsed() >= CHECK_INTERVAL);
            let Some(unused) = unused else { return };
            let mut lease = self.lease(state.idle.swap_remove(unused));
            drop(state);
            let session = lease.session.as_mut().expect("a new lease has its session");
            if !session.is_there() {
                lease.lose();
            }
        }
    }

    fn lock(&self) -> MutexGuard<State> {
        self.state.lock().expect("nothing panics while it is locked")
    }
}

impl State {
    /// Waiting makes no sense.
    fn is_down(&self) -> bool {
        self.failing && self.up == 0
    }
}

impl Session {
    fn open(settings: &Settings) -> Result<Session, postgres::Error> {
        let mut client = postgres::Config::from(settings.database.clone()).connect(NoTls)?;
        let statements = STATEMENTS.iter().map(|statement| client.prepare(statement)).collect::<Result<_, _>>()?;
        Ok(Session { client, statements, used: Instant::now() })
    }

    fn is_there(&mut self) -> bool {
        let outcome = self.client.is_valid(CHECK_TIMEOUT);
        self.used = Instant::now();
        outcome.is_ok()
    }
}

/// A session that nobody else uses. Goes back to the pool when dropped.
pub struct Lease {
    pool: &'static Pool,
    /// None: it is not to be given back any more.
    session: Option<Session>,
    queries: u64,
    time: Duration,
}

impl Lease {
    /// Runs one query and returns its `value`.
    pub fn run(&mut self, query: Query) -> Result<i32, Unavailable> {
        let session = self.session.as_mut().expect("a lease in use has its session");
        let parameters: [&(dyn ToSql + Sync); 2] = [&query.id, &query.delay];
        let parameters = &parameters[..if query.delay.is_some() { 2 } else { 1 }];
        let began = Instant::now();
        let outcome = session.client.query_one(&session.statements[query.statement], parameters);
        session.used = Instant::now();
        self.queries += 1;
        self.time += session.used - began;
        self.checked(outcome).map(|row| row.get(0))
    }

    pub fn ping(&mut self) -> Result<(), Unavailable> {
        let session = self.session.as_mut().expect("a lease in use has its session");
        let outcome = session.client.simple_query("SELECT 1");
        self.checked(outcome).map(|_| ())
    }

    fn checked<T>(&mut self, outcome: Result<T, postgres::Error>) -> Result<T, Unavailable> {
        outcome.map_err(|error| {
            eprintln!("waitbench {}: {error}", self.pool.settings.name);
            if ends_session(&error) {
                self.lose();
            }
            Unavailable::Failed
        })
    }

    fn lose(&mut self) {
        self.session = None;
        self.pool.stats.db_lost.add(1);
        let mut state = self.pool.lock();
        state.up -= 1;
        state.last_loss = Instant::now();
        drop(state);
        self.pool.order_session();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.stats.queries.add(self.queries);
        self.pool.stats.query_time.add_time(self.time);
        if let Some(session) = self.session.take() {
            self.pool.give_back(session);
        }
    }
}
