//! HTTP/1.1 on a blocking socket: what httparse leaves to do.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::time::SystemTime;

use httparse::Status;
use waitbench_peer::Reply;

const MAX_HEAD: usize = 16 * 1024;
const MAX_FIELDS: usize = 64;

pub struct Request {
    pub path: String,
    pub query: Option<String>,
    pub is_head: bool,
    pub keep_alive: bool,
}

pub enum Input {
    Request(Request),
    /// What came is no request that can be served: respond, and close.
    Refused(Reply),
    /// The client has closed the connection, or has been idle for too long.
    Closed,
}

/// One connection of a client.
pub struct Wire<'a> {
    stream: &'a TcpStream,
    received: Vec<u8>,
    head: Vec<u8>,
}

impl<'a> Wire<'a> {
    pub fn new(stream: &'a TcpStream) -> Wire<'a> {
        Wire { stream, received: Vec::with_capacity(1024), head: Vec::with_capacity(256) }
    }

    /// Blocks until there is a whole head. What follows it is kept for the next call.
    pub fn read(&mut self) -> Input {
        let mut chunk = [0; 4096];
        loop {
            match parse(&self.received) {
                Ok(Some((input, length))) => {
                    self.received.drain(..length);
                    return input;
                }
                Ok(None) => {}
                Err(reply) => return Input::Refused(reply),
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Input::Closed,
                Ok(length) => self.received.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Input::Closed,
            }
        }
    }

    /// Head and body in one system call.
    pub fn write(&mut self, reply: &Reply, is_head: bool, keep_alive: bool) -> std::io::Result<()> {
        self.head.clear();
        let (status, reason) = (reply.status, reason(reply.status));
        let (length, date) = (reply.body.len(), httpdate::HttpDate::from(SystemTime::now()));
        let connection = if keep_alive { "" } else { "connection: close\r\n" };
        write!(
            self.head,
            "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             date: {date}\r\n{connection}\r\n"
        )?;
        let body = if is_head { &[][..] } else { &reply.body };
        let written = self.stream.write_vectored(&[IoSlice::new(&self.head), IoSlice::new(body)])?;
        self.stream.write_all(&self.head[written.min(self.head.len())..])?;
        self.stream.write_all(&body[written.saturating_sub(self.head.len())..])
    }
}

/// The first request of these bytes and the length of its head; None while some of it is missing.
fn parse(received: &[u8]) -> Result<Option<(Input, usize)>, Reply> {
    if received.is_empty() {
        return Ok(None);
    }
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request.parse(received) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if received.len() < MAX_HEAD => return Ok(None),
        Ok(Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Err(Reply::error(431, "Request Header Fields Too Large", "The head is too large."))
        }
        Err(error) => return Err(Reply::bad_request(&error.to_string())),
    };
    let mut keep_alive = request.version == Some(1);
    for field in request.headers.iter() {
        if field.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Reply::error(501, "Not Implemented", "No request here has a body."));
        }
        // A body is not read, so nothing can come after it.
        let has_body = field.name.eq_ignore_ascii_case("content-length") && field.value != b"0";
        if has_body || field.name.eq_ignore_ascii_case("connection") && has_close(field.value) {
            keep_alive = false;
        }
    }
    let target = request.path.unwrap_or("/");
    let target = target.strip_prefix("http://").map_or(target, |rest| rest.find('/').map_or("/", |at| &rest[at..]));
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let (path, query) = (path.to_owned(), query.map(str::to_owned));
    let is_head = request.method == Some("HEAD");
    Ok(Some((Input::Request(Request { path, query, is_head, keep_alive }), length)))
}

fn has_close(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        _ => "Service Unavailable",
    }
}
