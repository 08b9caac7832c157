package waitbench;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import org.eclipse.jetty.io.ConnectionStatistics;
import org.eclipse.jetty.util.Jetty;
import org.eclipse.jetty.util.ajax.JSON;
import org.postgresql.util.DriverInfo;

/** What GET /stats says; common/API.md has the units. */
final class Stats {
  private final Config config;
  private final Database database;
  private final ConnectionStatistics connections;
  private final Instant began = Instant.now().truncatedTo(ChronoUnit.MICROS);
  private final LongAdder requests = new LongAdder();
  private final LongAdder replies4xx = new LongAdder();
  private final LongAdder replies5xx = new LongAdder();

  Stats(Config config, Database database, ConnectionStatistics connections) {
    this.config = config;
    this.database = database;
    this.connections = connections;
  }

  void count(int status) {
    requests.increment();
    if (status >= 500) {
      replies5xx.increment();
    } else if (status >= 400) {
      replies4xx.increment();
    }
  }

  String json() throws IOException {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("model", config.name());
    all.put("version", version());
    all.put("build", String.join(" ", ManagementFactory.getRuntimeMXBean().getInputArguments()));
    all.put("pid", ProcessHandle.current().pid());
    all.put("boot_id", Files.readString(Path.of("/proc/sys/kernel/random/boot_id")).strip());
    all.put("cpus", cpusOfTheMachine());
    all.put("start_time", began.toString());
    all.put("workers", config.virtual() ? carriers() : 0);
    Usage.put(all);
    putStatus(all);
    all.put("connections_open", connections.getConnections());
    all.put("connections_accepted", connections.getConnectionsTotal());
    all.put("requests", requests.sum());
    all.put("replies_4xx", replies4xx.sum());
    all.put("replies_5xx", replies5xx.sum());
    all.put("queries", database.queries.sum());
    all.put("query_s", database.queryNanos.sum() / 1e9);
    all.put("pool_size", config.poolSize());
    all.put("pool_waits", database.waits.sum());
    all.put("pool_wait_s", database.waitNanos.sum() / 1e9);
    all.put("pool_timeouts", database.timeouts.sum());
    long connects = database.connects.sum();
    all.put("db_connects", connects);
    all.put("db_lost", Math.max(0, connects - database.size()));
    return new JSON().toJSON(all);
  }

  private static String version() {
    return "java " + Runtime.version() + " jetty " + Jetty.VERSION + " pgjdbc " + DriverInfo.DRIVER_VERSION;
  }

  private int carriers() {
    return config.workers() > 0 ? config.workers() : Runtime.getRuntime().availableProcessors();
  }

  private static long cpusOfTheMachine() throws IOException {
    try (var lines = Files.lines(Path.of("/proc/stat"))) {
      return lines.filter(line -> line.matches("cpu\\d+ .*")).count();
    }
  }

  private static void putStatus(Map<String, Object> all) throws IOException {
    Map<String, String> names = Map.of("VmRSS", "rss_kib", "VmHWM", "rss_peak_kib", "Threads", "threads");
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      String[] words = line.split("[:\\s]+");
      if (names.containsKey(words[0])) {
        all.put(names.get(words[0]), Long.parseLong(words[1]));
      }
    }
  }
}
