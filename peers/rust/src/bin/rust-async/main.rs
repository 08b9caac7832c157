//! Waits in async functions: hyper on tokio's work-stealing threads, tokio-postgres for the database.

mod pool;

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderValue, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::signal::unix::{signal, SignalKind};

use pool::Pool;
use waitbench_peer::settings::{fail, raise_open_files, Settings};
use waitbench_peer::stats::Stats;
use waitbench_peer::work::Work;
use waitbench_peer::{Reply, Route, Unavailable};

const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// What every request needs, for as long as the process lives.
#[derive(Clone, Copy)]
struct Server {
    settings: &'static Settings,
    stats: &'static Stats,
    pool: &'static Pool,
}

fn main() {
    let settings: &Settings = Box::leak(Box::new(Settings::read("rust-async", true)));
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(settings.workers).enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| fail(settings.name, 1, error));
    // On a worker thread: what block_on() runs stays on the main thread, and the accepting would not be stolen.
    let outcome = runtime.block_on(async { tokio::spawn(serve(settings)).await });
    if let Err(reason) = outcome.expect("the server does not panic") {
        fail(settings.name, 1, reason);
    }
    std::process::exit(0); // without waiting for the sessions' tasks, which go on for ever
}

async fn serve(settings: &'static Settings) -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let stats: &Stats = Box::leak(Box::default());
    let pool = Pool::new(settings, stats);
    let server = Server { settings, stats, pool };
    pool.start().await.map_err(|error| format!("cannot connect to the database: {error}"))?;
    let listener = listen(settings).map_err(|error| format!("cannot listen on {}: {error}", settings.address))?;
    settings.say_listening();
    let connections = GracefulShutdown::new();
    tokio::select! {
        _ = server.accept(listener, &connections) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    if tokio::time::timeout(DRAIN_TIMEOUT, connections.shutdown()).await.is_err() {
        eprintln!("waitbench {}: requests were still under way after {DRAIN_TIMEOUT:?}", settings.name);
    }
    Ok(())
}

fn listen(settings: &Settings) -> std::io::Result<TcpListener> {
    let listener = settings.listen()?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

impl Server {
    async fn accept(self, listener: TcpListener, connections: &GracefulShutdown) {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Too many open files, say. Some are closed in a while.
                    eprintln!("waitbench {}: accept: {error}", self.settings.name);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let _ = stream.set_nodelay(true);
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(IDLE_TIMEOUT) // it runs between requests, too
                .serve_connection(TokioIo::new(stream), service_fn(move |request| self.respond(request)));
            let connection = connections.watch(connection);
            self.stats.connections_accepted.add(1);
            tokio::spawn(async move {
                let _ = connection.await; // an error is one of the client: it left, or did not speak HTTP
                self.stats.connections_closed.add(1);
            });
        }
    }

    async fn respond(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let uri = request.uri();
        let reply = match Route::of(uri.path(), uri.query(), self.settings) {
            Route::Work(work) => self.work(work).await.unwrap_or_else(|reason| Reply::unavailable(&reason)),
            Route::Health => Reply::ok(r#"{"status":"ok"}"#),
            Route::Ready => match self.ping().await {
                Ok(()) => Reply::ok(r#"{"status":"ready"}"#),
                Err(reason) => Reply::unavailable(&reason),
            },
            Route::Stats => Reply::ok(self.stats.json(self.settings, self.settings.workers, self.pool.depth())),
            Route::BadRequest(detail) => Reply::bad_request(&detail),
            Route::NotFound => Reply::not_found(),
        };
        self.stats.count(&reply);
        let mut response = Response::new(Full::from(reply.body));
        *response.status_mut() = StatusCode::from_u16(reply.status).expect("a status of ours");
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }

    async fn work(self, work: Work) -> Result<Reply, Unavailable> {
        if work.t > 0 {
            tokio::time::sleep(Duration::from_millis(work.t)).await;
        }
        let mut sum = 0;
        if work.n > 0 {
            let mut lease = self.pool.take().await?;
            for i in 0..work.n {
                sum += i64::from(lease.run(work.query(i)).await?);
            }
        }
        Ok(Reply::ok(work.body(sum)))
    }

    async fn ping(self) -> Result<(), Unavailable> {
        self.pool.take().await?.ping().await
    }
}
