//! What both servers decide alike: settings, parameters, the queries of a request, errors, counters. Nothing in here
//! waits; the two programs differ in how they do.

pub mod settings;
pub mod stats;
pub mod work;

use settings::Settings;
use tokio_postgres::error::Severity;
use work::Work;

/// What a request asks for.
pub enum Route {
    Work(Work),
    Health,
    Ready,
    Stats,
    BadRequest(String),
    NotFound,
}

impl Route {
    pub fn of(path: &str, query: Option<&str>, settings: &Settings) -> Route {
        match path {
            "/work" => match Work::parse(query.unwrap_or(""), &settings.defaults) {
                Ok(work) => Route::Work(work),
                Err(detail) => Route::BadRequest(detail),
            },
            "/healthz" => Route::Health,
            "/readyz" => Route::Ready,
            "/stats" => Route::Stats,
            _ => Route::NotFound,
        }
    }
}

/// A response, but for what HTTP adds.
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn ok(body: impl Into<Vec<u8>>) -> Reply {
        Reply { status: 200, body: body.into() }
    }

    pub fn error(status: u16, title: &str, detail: &str) -> Reply {
        let body = serde_json::json!({"title": title, "status": status, "detail": detail});
        Reply { status, body: body.to_string().into() }
    }

    pub fn bad_request(detail: &str) -> Reply {
        Reply::error(400, "Bad Request", detail)
    }

    pub fn not_found() -> Reply {
        Reply::error(404, "Not Found", "The paths are /work, /healthz, /readyz and /stats.")
    }

    pub fn unavailable(reason: &Unavailable) -> Reply {
        Reply::error(503, "Service Unavailable", &reason.to_string())
    }
}

/// Why the database did not serve a request.
#[derive(Debug)]
pub enum Unavailable {
    Down,
    TimedOut,
    Failed,
}

impl std::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unavailable::Down => "There is no connection to the database.",
            Unavailable::TimedOut => "No database connection became free in POOL_TIMEOUT.",
            Unavailable::Failed => "A query failed; if it was an update, it may or may not have been made.",
        })
    }
}

/// Whether the session is of no more use after this error. The database reports an error of a query (a cancelled one,
/// say) and goes on; anything else, FATAL included, ends the session.
pub fn ends_session(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().and_then(|error| error.parsed_severity()) != Some(Severity::Error)
}
