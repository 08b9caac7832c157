'use strict';
// A worker: an event loop that serves requests with its share of the database connections.

const http = require('node:http');
const { setTimeout: sleep } = require('node:timers/promises');
const { settings } = require('./settings.js');
const { ofThisProcess } = require('./stats.js');
const { bodyOf, parseWork, runQueries } = require('./work.js');

const config = settings();
const say = (text) => process.stderr.write(`waitbench node: ${text}\n`);
const fail = (text) => process.send({ failed: text });

const counts = {
  requests: 0,
  replies_4xx: 0,
  replies_5xx: 0,
  queries: 0,
  query_s: 0,
  connections_open: 0,
  connections_accepted: 0,
};
const fresh = new Set(); // connections that have sent no request yet
const asking = new Map(); // requests for /stats that wait for the primary process
let database;
let draining = false;
let questions = 0;

function reply(response, status, body) {
  counts.requests++;
  if (status >= 500) counts.replies_5xx++;
  else if (status >= 400) counts.replies_4xx++;
  if (draining) response.shouldKeepAlive = false;
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length });
  response.end(body, 'latin1');
}

function refuse(response, status) {
  reply(response, status, JSON.stringify({ title: http.STATUS_CODES[status], status }));
}

async function work(response, query) {
  const asked = parseWork(query, config.defaults);
  if (!asked) return refuse(response, 400);
  if (asked.t > 0) await sleep(asked.t + 1); // a timer of Node.js may end up to 1 ms early
  let sum = 0;
  if (asked.n > 0) sum = await database.use((client) => runQueries(database, client, asked, counts));
  reply(response, 200, bodyOf(asked.n, asked.m, sum));
}

async function stats(response) {
  const whole = await new Promise((resolve) => {
    asking.set(++questions, resolve);
    process.send({ ask: questions });
  });
  reply(response, 200, JSON.stringify(whole));
}

async function route(request, response) {
  fresh.delete(request.socket);
  const [path, query] = request.url.split('?', 2);
  try {
    if (path === '/work') await work(response, query);
    else if (path === '/healthz') reply(response, 200, '{"status":"ok"}');
    else if (path === '/stats') await stats(response);
    else if (path === '/readyz') {
      await database.ping();
      reply(response, 200, '{"status":"ready"}');
    } else refuse(response, 404);
  } catch {
    refuse(response, 503);
  }
}

const server = http.createServer({ keepAliveTimeout: 75000, headersTimeout: 75000 }, route);
server.on('connection', (socket) => {
  counts.connections_accepted++;
  counts.connections_open++;
  fresh.add(socket);
  socket.on('close', () => {
    counts.connections_open--;
    fresh.delete(socket);
  });
});
server.on('error', (error) => fail(`cannot listen on ${config.host}:${config.port}: ${error.message}`));

/** Answers what is under way; connections that have sent nothing get a second. */
function drain() {
  draining = true;
  server.close(() => database.pool.end(() => process.exit(0)));
  setInterval(() => server.closeIdleConnections(), 50);
  setTimeout(() => fresh.forEach((socket) => socket.destroy()), 1000);
}

process.on('message', (message) => {
  if (message.count) {
    const part = { ...counts, ...database.counts, ...ofThisProcess(), pg: require('pg/package.json').version };
    process.send({ counted: message.count, part });
  } else if (message.stats) {
    asking.get(message.stats)(message.whole);
    asking.delete(message.stats);
  } else if (message.drain) drain();
});
for (const name of ['SIGTERM', 'SIGINT']) process.on(name, () => {}); // the primary process says when

async function main() {
  let Database;
  try {
    ({ Database } = require('./database.js'));
  } catch {
    return fail('needs pg: apt-get install --no-install-recommends node-pg');
  }
  database = new Database(config, Number(process.env.WAITBENCH_POOL), say);
  try {
    await database.open();
  } catch (error) {
    return fail(`cannot connect to the database: ${error.message || error.code}`);
  }
  server.listen({ host: config.host, port: config.port, backlog: 4096 });
}

main();
