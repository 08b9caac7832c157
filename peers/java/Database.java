package waitbench;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.net.URI;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * HikariCP makes, checks and replaces the connections. A fair semaphore stands before it: it serves those
 * who wait in their order, and since nobody gets past it without a connection to take, HikariCP's own
 * timeout says one thing only: the database is gone.
 */
final class Database implements AutoCloseable {
  private static final String READ = "SELECT value FROM world WHERE id = ?";
  private static final String READ_DELAYED = "SELECT value FROM world, pg_sleep(?) WHERE id = ?";
  private static final String UPDATE = "UPDATE world SET hits = hits + 1 WHERE id = ? RETURNING value";
  private static final String UPDATE_DELAYED =
      "UPDATE world SET hits = hits + 1 FROM pg_sleep(?) WHERE id = ? RETURNING value";

  /** How long a request waits for a connection that was lost, and the longest pause between attempts. */
  private static final long RECONNECT_MS = 2_000;

  /** HikariCP would allow a login no more than that; a JVM that has just begun on a busy machine is slower. */
  private static final int LOGIN_SECONDS = 30;

  private final HikariDataSource pool;
  private final Semaphore free;
  private final int timeoutSeconds;
  final LongAdder queries = new LongAdder();
  final LongAdder queryNanos = new LongAdder();
  final LongAdder waits = new LongAdder();
  final LongAdder waitNanos = new LongAdder();
  final LongAdder timeouts = new LongAdder();
  final LongAdder connects = new LongAdder();

  Database(Config config) {
    free = new Semaphore(config.poolSize(), true);
    timeoutSeconds = config.poolTimeoutSeconds();
    HikariConfig hikari = new HikariConfig();
    hikari.setDataSource(source(config));
    hikari.setMaximumPoolSize(config.poolSize());
    hikari.setMaxLifetime(0);
    hikari.setConnectionTimeout(RECONNECT_MS);
    hikari.setValidationTimeout(RECONNECT_MS / 2);
    pool = new HikariDataSource(hikari);
  }

  private PGSimpleDataSource source(Config config) {
    PGSimpleDataSource source =
        new PGSimpleDataSource() {
          @Override
          public Connection getConnection() throws SQLException {
            Connection made = super.getConnection();
            connects.increment();
            return made;
          }

          @Override
          public void setLoginTimeout(int ofHikari) {
            super.setLoginTimeout(LOGIN_SECONDS);
          }
        };
    URI url = config.database();
    String database = url.getRawSchemeSpecificPart().replaceFirst("^//[^/@]*@", "//");
    source.setUrl("jdbc:postgresql:" + database);
    String given = url.getUserInfo() == null ? System.getProperty("user.name") : url.getUserInfo();
    String[] user = given.split(":", 2);
    source.setUser(user[0]);
    source.setPassword(user.length > 1 ? user[1] : config.password());
    source.setApplicationName("waitbench-" + config.name());
    source.setPrepareThreshold(1); // prepared by the database at the first execution, not the fifth
    return source;
  }

  /** The sum of the n values. Throws when there is no connection to be had, or a query fails. */
  long run(Work work) throws SQLException, InterruptedException {
    acquire();
    try (Connection connection = connect()) {
      int reads = work.n() - work.w();
      return run(connection, work.d() == 0 ? READ : READ_DELAYED, work, 0, reads)
          + run(connection, work.d() == 0 ? UPDATE : UPDATE_DELAYED, work, reads, work.n());
    } finally {
      free.release();
    }
  }

  private long run(Connection connection, String sql, Work work, int from, int to) throws SQLException {
    if (from == to) {
      return 0;
    }
    long sum = 0;
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      if (work.d() > 0) {
        statement.setDouble(1, work.d() / 1000.0);
      }
      for (int i = from; i < to; i++) {
        long began = System.nanoTime();
        statement.setInt(work.d() > 0 ? 2 : 1, work.id(i));
        try (ResultSet row = statement.executeQuery()) {
          if (!row.next()) {
            throw new SQLException("there is no row " + work.id(i) + " in the table world");
          }
          sum += row.getInt(1);
        }
        queryNanos.add(System.nanoTime() - began);
        queries.increment();
      }
    }
    return sum;
  }

  boolean isReady() throws InterruptedException {
    try {
      acquire();
    } catch (SQLException none) {
      return false;
    }
    try (Connection connection = connect();
        PreparedStatement statement = connection.prepareStatement("SELECT 1")) {
      return statement.execute();
    } catch (SQLException gone) {
      return false;
    } finally {
      free.release();
    }
  }

  private void acquire() throws SQLException, InterruptedException {
    if (free.tryAcquire(0, TimeUnit.SECONDS)) { // tryAcquire() would overtake those who wait
      return;
    }
    long began = System.nanoTime();
    boolean acquired = free.tryAcquire(timeoutSeconds, TimeUnit.SECONDS);
    waits.increment();
    waitNanos.add(System.nanoTime() - began);
    if (!acquired) {
      timeouts.increment();
      throw new SQLTransientConnectionException("no database connection was free in " + timeoutSeconds + " s");
    }
  }

  /** At once without one when all are lost, so that the requests that wait do not wait for each other. */
  private Connection connect() throws SQLException {
    if (size() == 0) {
      throw new SQLTransientConnectionException("there is no connection to the database");
    }
    return pool.getConnection();
  }

  int size() {
    return pool.getHikariPoolMXBean().getTotalConnections();
  }

  @Override
  public void close() {
    pool.close();
  }
}
