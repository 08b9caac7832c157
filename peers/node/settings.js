'use strict';
// The environment variables. A value that makes no sense throws.

const os = require('node:os');

class BadSetting extends Error {}

function whole(name, low, high, fallback) {
  const text = process.env[name];
  if (text === undefined) return fallback;
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < low || number > high) {
    throw new BadSetting(`${name}=${text}: must be a whole number from ${low} to ${high}`);
  }
  return number;
}

function databaseUrl() {
  const text = process.env.DATABASE_URL || '';
  let url;
  try {
    url = new URL(text);
  } catch {
    url = {};
  }
  if (!['postgresql:', 'postgres:'].includes(url.protocol)) {
    throw new BadSetting('DATABASE_URL: must be postgresql://user:password@host:port/database'); // no password shown
  }
  return text;
}

function settings() {
  const n = whole('N', 0, 1000, 1);
  const m = whole('M', 0, 16777216, 1024);
  const w = whole('W', 0, 1000, 0);
  if (m > 0 && m < 64) throw new BadSetting(`M=${m}: must be 0, or at least 64 bytes`);
  if (w > n) throw new BadSetting(`W=${w}: must not be more than N=${n}`);
  if (whole('DB_PIPELINE', 0, 1, 0) === 1) {
    throw new BadSetting('DB_PIPELINE=1: pg sends a query when the last has returned; use DB_PIPELINE=0');
  }
  return {
    defaults: { n, m, w, d: whole('D', 0, 10000, 0), t: whole('T', 0, 60000, 0) },
    host: process.env.HOST ?? '127.0.0.1',
    port: whole('PORT', 1, 65535, 8080),
    databaseUrl: databaseUrl(),
    poolSize: whole('DB_POOL', 0, 10000, 16) || 16,
    poolTimeoutMs: whole('POOL_TIMEOUT', 1, 86400, 10) * 1000,
    workers: whole('WORKERS', 0, 1024, 0) || os.availableParallelism(),
  };
}

/** Splits a number into so many parts that differ by one at most. */
function spread(total, parts) {
  return Array.from({ length: parts }, (_, i) => Math.floor(total / parts) + (i < total % parts ? 1 : 0));
}

module.exports = { BadSetting, settings, spread };
