//! GET /work: its parameters, the rows that it reads, its body.

/// In this order they are prepared, and `Work::query` names them by index.
pub const STATEMENTS: [&str; 4] = [
    "SELECT value FROM world WHERE id = $1",
    "UPDATE world SET hits = hits + 1 WHERE id = $1 RETURNING value",
    "SELECT value FROM world, pg_sleep($2) WHERE id = $1",
    "UPDATE world SET hits = hits + 1 FROM pg_sleep($2) WHERE id = $1 RETURNING value",
];

#[derive(Clone)]
pub struct Work {
    pub n: u64,
    pub m: u64,
    pub w: u64,
    /// ms that the database adds to each query
    pub d: u64,
    /// ms before the first query
    pub t: u64,
    pub seed: u64,
}

/// One query: which of STATEMENTS, the row, and the delay in seconds for those that have one.
pub struct Query {
    pub statement: usize,
    pub id: i32,
    pub delay: Option<f64>,
}

impl Work {
    pub const MAX: [(&'static str, u64); 6] =
        [("n", 1000), ("m", 16_777_216), ("w", 1000), ("d", 10_000), ("t", 60_000), ("seed", i64::MAX as u64)];

    pub fn parse(query: &str, defaults: &Work) -> Result<Work, String> {
        let mut given = [None; Self::MAX.len()];
        for pair in query.split('&').filter(|_| !query.is_empty()) {
            let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(index) = Self::MAX.iter().position(|(known, _)| *known == name) else {
                return Err("The parameters are n, m, w, d, t and seed.".into());
            };
            let most = Self::MAX[index].1;
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let value = text.parse().ok().filter(|value| digits && *value <= most);
            let value = value.ok_or_else(|| format!("{name} is a whole number from 0 to {most}."))?;
            if given[index].replace(value).is_some() {
                return Err(format!("{name} is there twice."));
            }
        }
        let [n, m, w, d, t, seed] = given;
        let n = n.unwrap_or(defaults.n);
        let work = Work {
            n,
            m: m.unwrap_or(defaults.m),
            w: w.unwrap_or(defaults.w.min(n)),
            d: d.unwrap_or(defaults.d),
            t: t.unwrap_or(defaults.t),
            seed: seed.unwrap_or_else(|| fastrand::u64(..) >> 1),
        };
        if (1..64).contains(&work.m) {
            return Err("m is 0, or 64 or more.".into());
        }
        if work.w > work.n {
            return Err("w is at most n.".into());
        }
        Ok(work)
    }

    /// Query number i, from 0: the last w are updates.
    pub fn query(&self, i: u64) -> Query {
        let update = i >= self.n - self.w;
        Query {
            statement: usize::from(update) + if self.d > 0 { 2 } else { 0 },
            id: row(self.seed, i),
            delay: (self.d > 0).then_some(self.d as f64 / 1000.0),
        }
    }

    /// Padded to exactly m bytes, if that is more than the members need.
    pub fn body(&self, sum: i64) -> Vec<u8> {
        use std::io::Write;
        let mut body = Vec::with_capacity(self.m.max(64) as usize);
        write!(body, r#"{{"n":{},"sum":{sum},"pad":""#, self.n).expect("a Vec takes all");
        body.resize((self.m as usize).saturating_sub(2).max(body.len()), b'x');
        body.extend_from_slice(br#""}"#);
        body
    }
}

/// The id that common/API.md documents: SplitMix64's finalizer.
fn row(seed: u64, i: u64) -> i32 {
    let z = seed.wrapping_add((i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    1 + ((z ^ (z >> 31)) % 100_000) as i32
}
