'use strict';
// GET /work: its parameters, its rows and its body.

const MAX = { n: 1000n, m: 16777216n, w: 1000n, d: 10000n, t: 60000n, seed: 2n ** 63n - 1n };
const GOLDEN_GAMMA = 0x9e3779b97f4a7c15n;

/** The parameters, or undefined when they make no sense. */
function parseWork(query, defaults) {
  const asked = { ...defaults };
  const given = new Set();
  for (const [name, text] of new URLSearchParams(query)) {
    if (!Object.hasOwn(MAX, name) || given.has(name) || !/^\d+$/.test(text)) return undefined;
    const value = BigInt(text);
    if (value > MAX[name]) return undefined;
    given.add(name);
    asked[name] = name === 'seed' ? value : Number(value);
  }
  if (!given.has('w')) asked.w = Math.min(asked.w, asked.n); // the default of w belongs to the default of n
  if (asked.w > asked.n || (asked.m > 0 && asked.m < 64)) return undefined;
  asked.seed ??= BigInt(Math.floor(Math.random() * Number.MAX_SAFE_INTEGER));
  return asked;
}

/** SplitMix64's finalizer, modulo the number of rows. */
function rowId(seed, i) {
  let z = BigInt.asUintN(64, seed + BigInt(i + 1) * GOLDEN_GAMMA);
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return 1 + Number((z ^ (z >> 31n)) % 100000n);
}

async function runQueries(database, client, { n, w, d, seed }, counts) {
  const began = performance.now();
  let sum = 0; // at most 1000 values below 2^31: exact
  let done = 0;
  try {
    while (done < n) {
      const kind = done < n - w ? 'work_read' : 'work_write';
      const id = rowId(seed, done);
      const { rows } =
        d > 0
          ? await database.query(client, `${kind}_delayed`, [id, d / 1000])
          : await database.query(client, kind, [id]);
      sum += rows[0][0];
      done++;
    }
  } finally {
    counts.queries += done;
    counts.query_s += (performance.now() - began) / 1000;
  }
  return sum;
}

function bodyOf(n, m, sum) {
  const head = `{"n":${n},"sum":${sum},"pad":"`;
  return `${head}${'x'.repeat(Math.max(0, m - head.length - 2))}"}`;
}

module.exports = { bodyOf, parseWork, runQueries };
