'use strict';
// This process's share of the database connections.

const { Pool } = require('pg');

// The statements of common/handler/statements.c; pg prepares each by its name when a connection runs it first.
const STATEMENTS = {
  ping: "SELECT current_setting('default_transaction_read_only')",
  work_read: 'SELECT value FROM world WHERE id = $1',
  work_read_delayed: 'SELECT value FROM world, pg_sleep($2) WHERE id = $1',
  work_write: 'UPDATE world SET hits = hits + 1 WHERE id = $1 RETURNING value',
  work_write_delayed: 'UPDATE world SET hits = hits + 1 FROM pg_sleep($2) WHERE id = $1 RETURNING value',
};

const ignore = () => {};

class Database {
  constructor({ databaseUrl, poolTimeoutMs }, size, say) {
    this.size = size;
    this.say = say;
    this.isDown = false;
    this.counts = { pool_waits: 0, pool_wait_s: 0, db_connects: 0, db_lost: 0 };
    this.pool = new Pool({
      connectionString: databaseUrl,
      application_name: 'waitbench-node',
      statement_timeout: 15000, // as the servers in C have both
      options: '-c client_connection_check_interval=1s',
      max: size,
      idleTimeoutMillis: 0, // kept for ever
      connectionTimeoutMillis: poolTimeoutMs,
    });
    this.pool.on('error', (error) => this.report(error)); // of an idle connection, which the pool then removes
    this.pool.on('remove', () => this.counts.db_lost++);
    this.pool.on('connect', (client) => {
      this.counts.db_connects++;
      client.on('error', ignore); // of one in use: its query fails as well
    });
  }

  async open() {
    await Promise.all(this.fill());
    setInterval(() => this.fill(), 1000).unref();
  }

  /** Makes the connections that are missing: those that the pool is asked for at once, beside the idle ones. */
  fill() {
    const missing = this.size - this.pool.totalCount;
    const wanted = missing > 0 ? missing + this.pool.idleCount : 0;
    const made = Array.from({ length: wanted }, () => this.pool.connect().then((client) => client.release()));
    for (const one of made) one.catch(ignore);
    return made;
  }

  /** Calls f with a connection that nobody else has meanwhile; the caller that waits longest is next. */
  async use(f) {
    const began = this.pool.idleCount > this.pool.waitingCount ? 0 : performance.now();
    let client;
    let failure;
    try {
      client = await this.pool.connect();
      if (began) {
        this.counts.pool_waits++;
        this.counts.pool_wait_s += (performance.now() - began) / 1000;
      }
      return await f(client);
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      client?.release(failure); // closed after a failure: another takes its place
      this.report(failure);
    }
  }

  query(client, name, values) {
    return client.query({ name, text: STATEMENTS[name], values, rowMode: 'array' });
  }

  ping() {
    return this.use((client) => this.query(client, 'ping', []));
  }

  /** Logs the first of the errors that follow each other. */
  report(error) {
    if (error && !this.isDown) this.say(`the database: ${error.message}`);
    else if (!error && this.isDown) this.say('the database is back');
    this.isDown = Boolean(error);
  }
}

module.exports = { Database };
