'use strict';
// waitbench's peer for Node.js: http, cluster and pg. The primary process starts a worker for each CPU, adds up what
// they count and ends them; the workers serve.

const cluster = require('node:cluster');
const { BadSetting, settings, spread } = require('./settings.js');
const { addUp } = require('./stats.js');

const DRAIN_TIMEOUT_MS = 20000;

function say(text) {
  process.stderr.write(`waitbench node: ${text.replace(/\s+/g, ' ').trim()}\n`);
}

function runPrimary() {
  const config = settings();
  const shares = spread(config.poolSize, Math.min(config.workers, config.poolSize));
  const startTime = new Date().toISOString();
  const asked = new Map(); // a worker's question for /stats, until all have said what they count
  let listening = 0;
  let draining = false;
  let questions = 0;

  const workers = () => Object.values(cluster.workers);
  const giveUp = (text) => {
    if (draining) return;
    draining = true;
    say(text);
    for (const worker of workers()) worker.process.kill('SIGKILL');
    process.exit(1);
  };

  function onStats(worker, id) {
    const question = { worker, id, missing: shares.length, parts: [] };
    asked.set(++questions, question);
    for (const other of workers()) other.send({ count: questions });
  }

  function onCounted(number, part) {
    const question = asked.get(number);
    question.parts.push(part);
    if (--question.missing > 0) return;
    asked.delete(number);
    if (!question.worker.isConnected()) return;
    const whole = addUp(question.parts, { startTime, workers: shares.length, poolSize: config.poolSize });
    question.worker.send({ stats: question.id, whole });
  }

  // Debian's packages of node-pg and what it needs, also for a Node.js that is not Debian's.
  const env = { NODE_PATH: [process.env.NODE_PATH, '/usr/share/nodejs'].filter(Boolean).join(':') };
  // The default of 16 MB is collected often, each time with what the requests under way hold.
  if (!process.env.NODE_OPTIONS) cluster.setupPrimary({ execArgv: ['--max-semi-space-size=64'] });
  for (const share of shares) {
    const worker = cluster.fork({ ...env, WAITBENCH_POOL: share });
    worker.on('message', (message) => {
      if (message.failed) giveUp(message.failed);
      if (message.ask) onStats(worker, message.ask);
      if (message.counted) onCounted(message.counted, message.part);
    });
    worker.on('listening', () => {
      if (++listening === shares.length && !draining) say(`listening on http://${config.host}:${config.port}`);
    });
    worker.on('exit', (code, signal) => {
      if (!draining) giveUp(`a worker has ended (${signal || `exit status ${code}`})`);
      if (workers().length === 0) process.exit(0);
    });
  }

  function drain() {
    if (draining) return;
    draining = true;
    for (const worker of workers()) worker.send({ drain: true });
    setTimeout(() => {
      say(`requests were still under way ${DRAIN_TIMEOUT_MS / 1000} s after SIGTERM`);
      for (const worker of workers()) worker.process.kill('SIGKILL');
      process.exit(1);
    }, DRAIN_TIMEOUT_MS);
  }
  process.on('SIGTERM', drain);
  process.on('SIGINT', drain);
}

if (cluster.isPrimary) {
  try {
    runPrimary();
  } catch (error) {
    if (!(error instanceof BadSetting)) throw error;
    say(error.message);
    process.exitCode = 2;
  }
} else {
  require('./worker.js');
}
