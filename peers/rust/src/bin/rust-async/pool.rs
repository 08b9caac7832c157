//! The sessions with the database, which each have a task that keeps one up. A request takes a lease; with DB_PIPELINE
//! `depth` requests have a lease of one session, and tokio-postgres sends their queries without waiting for results.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Statement};
use waitbench_peer::settings::Settings;
use waitbench_peer::stats::Stats;
use waitbench_peer::work::{Query, STATEMENTS};
use waitbench_peer::{ends_session, Unavailable};

/// As in the servers in C: more wait until one has its response.
const DEPTH: usize = 256;

pub struct Pool {
    depth: usize,
    settings: &'static Settings,
    stats: &'static Stats,
    state: Mutex<State>,
}

struct State {
    slots: Vec<Slot>,
    /// First come, first served. Empty while a session has room.
    waiting: VecDeque<oneshot::Sender<Lease>>,
    /// The last attempt to make a session has failed.
    failing: bool,
}

#[derive(Default)]
struct Slot {
    session: Option<Arc<Session>>,
    users: usize,
}

struct Session {
    client: Client,
    statements: Vec<Statement>,
}

impl Pool {
    pub fn new(settings: &'static Settings, stats: &'static Stats) -> &'static Pool {
        let slots = (0..settings.db_pool).map(|_| Slot::default()).collect();
        let state = Mutex::new(State { slots, waiting: VecDeque::new(), failing: false });
        let depth = if settings.db_pipeline { DEPTH } else { 1 };
        Box::leak(Box::new(Pool { depth, settings, stats, state }))
    }

    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Makes all sessions and keeps them. Returns when the first is up, or with the error if it cannot be made.
    pub async fn start(&'static self) -> Result<(), tokio_postgres::Error> {
        let (session, driver) = Session::open(self.settings).await?;
        tokio::spawn(async move {
            self.use_session(0, session, driver).await;
            self.keep_session(0).await
        });
        for slot in 1..self.settings.db_pool {
            tokio::spawn(self.keep_session(slot));
        }
        Ok(())
    }

    async fn keep_session(&'static self, slot: usize) {
        const FIRST_DELAY: Duration = Duration::from_millis(50);
        let mut delay = FIRST_DELAY;
        loop {
            match Session::open(self.settings).await {
                Ok((session, driver)) => {
                    delay = FIRST_DELAY;
                    self.use_session(slot, session, driver).await;
                }
                Err(error) => {
                    self.note_failure(&error);
                    tokio::time::sleep(delay).await;
                    delay = (delay * 2).min(Duration::from_secs(1));
                }
            }
        }
    }

    /// Returns when the session has ended.
    async fn use_session(&'static self, slot: usize, session: Session, driver: Driver) {
        self.add(slot, session);
        let _ = driver.await;
        self.stats.db_lost.add(1);
        self.lock().slots[slot] = Slot::default();
    }

    fn add(&'static self, slot: usize, session: Session) {
        self.stats.db_connects.add(1);
        let mut state = self.lock();
        if std::mem::replace(&mut state.failing, false) {
            eprintln!("waitbench {}: connected to the database again", self.settings.name);
        }
        state.slots[slot] = Slot { session: Some(Arc::new(session)), users: 0 };
        self.hand_out(state);
    }

    fn note_failure(&self, error: &tokio_postgres::Error) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.failing, true) {
            eprintln!("waitbench {}: cannot connect to the database: {error}", self.settings.name);
        }
        if state.is_down() {
            state.waiting.clear(); // they get a 503
        }
    }

    pub async fn take(&'static self) -> Result<Lease, Unavailable> {
        let receiver = {
            let mut state = self.lock();
            if let Some(lease) = self.lease(&mut state) {
                return Ok(lease);
            }
            if state.is_down() {
                return Err(Unavailable::Down);
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push_back(sender);
            receiver
        };
        let began = Instant::now();
        let outcome = tokio::time::timeout(self.settings.pool_timeout, receiver).await;
        self.stats.pool_waits.add(1);
        self.stats.pool_wait_time.add_time(began.elapsed());
        outcome.map_err(|_| Unavailable::TimedOut)?.map_err(|_| Unavailable::Down)
    }

    /// Of the session that fewest requests use.
    fn lease(&'static self, state: &mut State) -> Option<Lease> {
        let slots = state.slots.iter_mut().enumerate().filter(|(_, slot)| slot.has_room(self.depth));
        let (index, slot) = slots.min_by_key(|(_, slot)| slot.users)?;
        slot.users += 1;
        let session = slot.session.clone();
        Some(Lease { pool: self, slot: index, session, queries: 0, time: Duration::ZERO, under_way: false })
    }

    fn hand_out(&'static self, mut state: MutexGuard<State>) {
        while !state.waiting.is_empty() {
            let Some(lease) = self.lease(&mut state) else { return };
            let waiter = state.waiting.pop_front().expect("it is not empty");
            if let Err(mut lease) = waiter.send(lease) {
                // Its client has left or it has waited too long. Dropped, the lease would lock the state again.
                lease.session = None;
                state.slots[lease.slot].users -= 1;
            }
        }
    }

    fn give_back(&'static self, slot: usize, session: &Arc<Session>, ended: bool) {
        let mut state = self.lock();
        let place = &mut state.slots[slot];
        if place.session.as_ref().is_some_and(|current| Arc::ptr_eq(current, session)) {
            place.users -= 1;
            if ended {
                *place = Slot::default(); // its task makes another when the last lease is gone
            } else {
                self.hand_out(state);
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
        self.failing && self.slots.iter().all(|slot| slot.session.is_none())
    }
}

impl Slot {
    fn has_room(&self, depth: usize) -> bool {
        self.users < depth && self.session.as_ref().is_some_and(|session| !session.client.is_closed())
    }
}

/// Reads and writes for a session until it ends.
type Driver = tokio::task::JoinHandle<Result<(), tokio_postgres::Error>>;

impl Session {
    async fn open(settings: &Settings) -> Result<(Session, Driver), tokio_postgres::Error> {
        let (client, connection) = settings.database.connect(NoTls).await?;
        let driver = tokio::spawn(connection);
        let mut statements = Vec::new();
        for statement in STATEMENTS {
            statements.push(client.prepare(statement).await?);
        }
        Ok((Session { client, statements }, driver))
    }
}

/// A session, or with DB_PIPELINE a place in one. Goes back to the pool when dropped.
pub struct Lease {
    pool: &'static Pool,
    slot: usize,
    /// None: it is not to be given back any more.
    session: Option<Arc<Session>>,
    queries: u64,
    time: Duration,
    under_way: bool,
}

impl Lease {
    /// Runs one query and returns its `value`.
    pub async fn run(&mut self, query: Query) -> Result<i32, Unavailable> {
        let session = self.session.as_ref().expect("a lease in use has its session");
        let parameters: [&(dyn ToSql + Sync); 2] = [&query.id, &query.delay];
        let parameters = &parameters[..if query.delay.is_some() { 2 } else { 1 }];
        let began = Instant::now();
        self.queries += 1;
        self.under_way = true;
        let outcome = session.client.query_one(&session.statements[query.statement], parameters).await;
        self.under_way = false;
        self.time += began.elapsed();
        self.checked(outcome).map(|row| row.get(0))
    }

    pub async fn ping(&mut self) -> Result<(), Unavailable> {
        let session = self.session.as_ref().expect("a lease in use has its session");
        self.under_way = true;
        let outcome = session.client.simple_query("SELECT 1").await;
        self.under_way = false;
        self.checked(outcome).map(|_| ())
    }

    fn checked<T>(&mut self, outcome: Result<T, tokio_postgres::Error>) -> Result<T, Unavailable> {
        outcome.map_err(|error| {
            eprintln!("waitbench {}: {error}", self.pool.settings.name);
            if ends_session(&error) {
                self.give_back(true);
            }
            Unavailable::Failed
        })
    }

    fn give_back(&mut self, ended: bool) {
        if let Some(session) = self.session.take() {
            self.pool.give_back(self.slot, &session, ended);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.stats.queries.add(self.queries);
        self.pool.stats.query_time.add_time(self.time);
        let Some(session) = self.session.as_ref().filter(|_| self.under_way) else {
            return self.give_back(false);
        };
        // The client has left, and hyper has dropped the request in the middle of a query, which PostgreSQL still runs.
        // A request that got the session now would wait behind that query: an empty one behind it says when it is over.
        let (pool, slot, session) = (self.pool, self.slot, session.clone());
        self.session = None;
        tokio::spawn(async move {
            let outcome = session.client.simple_query("").await;
            pool.give_back(slot, &session, outcome.is_err());
        });
    }
}
