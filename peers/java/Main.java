package waitbench;

import com.zaxxer.hikari.pool.HikariPool;
import java.io.IOException;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.eclipse.jetty.io.ConnectionStatistics;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.handler.GracefulHandler;
import org.eclipse.jetty.util.thread.QueuedThreadPool;

/** Starts the server, and ends it on SIGTERM. */
public final class Main {
  /** As many as requests under way; Jetty's default of 200 would be a second queue before the database's. */
  private static final int MAX_THREADS = 20_000;

  private static final int BACKLOG = 4096;
  private static final long KEEP_ALIVE_MS = 75_000;
  private static final long DRAIN_MS = 20_000;

  public static void main(String[] arguments) throws Exception {
    Config config = null;
    try {
      config = Config.read(arguments, System.getenv());
    } catch (IllegalArgumentException wrong) {
      die(2, "waitbench: " + wrong.getMessage());
    }
    System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", config.logLevel());
    // A stack trace for each connection that is lost; Routes has a line for it.
    System.setProperty("org.slf4j.simpleLogger.log.com.zaxxer.hikari", "off");
    if (config.workers() > 0) {
      System.setProperty("jdk.virtualThreadScheduler.parallelism", "" + config.workers());
    }
    try {
      serve(config);
    } catch (HikariPool.PoolInitializationException refused) {
      die(1, config.title() + ": cannot connect to the database: " + root(refused).getMessage());
    } catch (IOException refused) {
      die(1, config.title() + ": cannot listen on " + config.address() + ": " + root(refused).getMessage());
    }
  }

  private static void serve(Config config) throws Exception {
    Database database = new Database(config);
    QueuedThreadPool threads = new QueuedThreadPool(MAX_THREADS);
    if (config.virtual()) {
      threads.setVirtualThreadsExecutor(Executors.newVirtualThreadPerTaskExecutor());
    }
    Server server = new Server(threads);
    HttpConfiguration http = new HttpConfiguration();
    http.setSendServerVersion(false);
    http.setSendDateHeader(true);
    ServerConnector connector = new ServerConnector(server, new HttpConnectionFactory(http));
    connector.setHost(config.host());
    connector.setPort(config.port());
    connector.setAcceptQueueSize(BACKLOG);
    connector.setIdleTimeout(KEEP_ALIVE_MS);
    ConnectionStatistics connections = new ConnectionStatistics();
    connector.addBean(connections);
    server.addConnector(connector);
    Routes routes = new Routes(config, database, new Stats(config, database, connections));
    GracefulHandler requests = new GracefulHandler(routes);
    server.setHandler(requests);
    server.setStopTimeout(DRAIN_MS);
    server.start();
    Runnable stop =
        () -> {
          connector.close(); // of what listens; server.stop() alone would answer 503 to what still comes
          routes.closeConnections();
          await(() -> requests.getCurrentRequestCount() == 0);
          stop(config, server, database);
        };
    Runtime.getRuntime().addShutdownHook(new Thread(stop));
    System.err.println(config.title() + ": listening on http://" + config.address());
  }

  /** A JVM that SIGTERM ends has the status 143, whatever its hooks do, unless one of them halts it. */
  private static void stop(Config config, Server server, Database database) {
    int status = 0;
    try {
      server.stop();
      database.close();
    } catch (Exception late) {
      System.err.println(config.title() + ": requests were cut off: " + late);
      status = 1;
    }
    Runtime.getRuntime().halt(status);
  }

  private static void await(BooleanSupplier done) {
    long deadline = System.nanoTime() + DRAIN_MS * 1_000_000;
    while (!done.getAsBoolean() && System.nanoTime() < deadline) {
      LockSupport.parkNanos(10_000_000);
    }
  }

  private static Throwable root(Throwable error) {
    return error.getCause() == null ? error : root(error.getCause());
  }

  private static void die(int status, String sentence) {
    System.err.println(sentence.replace('\n', ' '));
    System.exit(status);
  }
}
