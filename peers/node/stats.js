'use strict';
// GET /stats: common/API.md has the units.

const fs = require('node:fs');
const os = require('node:os');

const read = (path) => fs.readFileSync(path, 'utf8').trim();

/** What the system knows about this process. */
function ofThisProcess() {
  const usage = process.resourceUsage();
  const status = read('/proc/self/status');
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)[1]);
  return {
    cpu_user_s: usage.userCPUTime / 1e6,
    cpu_system_s: usage.systemCPUTime / 1e6,
    ctx_voluntary: usage.voluntaryContextSwitches,
    ctx_involuntary: usage.involuntaryContextSwitches,
    rss_kib: field('VmRSS'),
    rss_peak_kib: field('VmHWM'),
    threads: field('Threads'),
  };
}

/** In the primary process: what the workers count, and what it is itself. */
function addUp(parts, { startTime, workers, poolSize }) {
  const sum = ofThisProcess();
  const { pg } = parts[0];
  for (const part of parts) {
    delete part.pg;
    for (const [name, value] of Object.entries(part)) sum[name] = (sum[name] ?? 0) + value;
  }
  return {
    model: 'node',
    version: `node ${process.version} pg ${pg}`,
    build: `v8 ${process.versions.v8}`,
    pid: process.pid,
    boot_id: read('/proc/sys/kernel/random/boot_id'),
    cpus: os.cpus().length,
    start_time: startTime,
    uptime_s: process.uptime(),
    workers,
    pool_size: poolSize,
    ...sum,
  };
}

module.exports = { addUp, ofThisProcess };
