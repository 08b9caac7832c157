package waitbench;

import java.net.URI;
import java.net.URISyntaxException;
import java.util.List;
import java.util.Map;

/** The flag of the command line and the variables of docs/adding-a-server.md. */
record Config(
    boolean virtual,
    String host,
    int port,
    String logLevel,
    URI database,
    String password,
    int poolSize,
    int poolTimeoutSeconds,
    int workers,
    Work defaults) {

  static Config read(String[] arguments, Map<String, String> variables) {
    List<String> flags = List.of("--threads=platform", "--threads=virtual");
    if (arguments.length != 1 || !flags.contains(arguments[0])) {
      throw new IllegalArgumentException("say " + String.join(" or ", flags));
    }
    if (number(variables, "DB_PIPELINE", 0, 0, 1) == 1) {
      throw new IllegalArgumentException("DB_PIPELINE=1: JDBC has no pipelining of single queries");
    }
    String level = variables.getOrDefault("LOG_LEVEL", "warn");
    if (!List.of("error", "warn", "info", "debug").contains(level)) {
      throw new IllegalArgumentException("LOG_LEVEL=" + level + ": must be error, warn, info or debug");
    }
    if (!variables.containsKey("PORT")) {
      throw new IllegalArgumentException("PORT is missing: the TCP port to listen on");
    }
    int poolSize = (int) number(variables, "DB_POOL", 16, 0, 10_000);
    Work defaults =
        new Work(
            (int) number(variables, "N", 1, 0, Work.MAX_N),
            (int) number(variables, "M", 1024, 0, Work.MAX_M),
            (int) number(variables, "W", 0, 0, Work.MAX_N),
            (int) number(variables, "D", 0, 0, Work.MAX_D),
            (int) number(variables, "T", 0, 0, Work.MAX_T),
            0);
    if (defaults.m() > 0 && defaults.m() < Work.MIN_M) {
      throw new IllegalArgumentException("M=" + defaults.m() + ": must be 0, or " + Work.MIN_M + " or more");
    }
    return new Config(
        arguments[0].equals("--threads=virtual"),
        variables.getOrDefault("HOST", "127.0.0.1"),
        (int) number(variables, "PORT", 0, 1, 65_535),
        level,
        url(variables.getOrDefault("DATABASE_URL", "")),
        variables.get("PGPASSWORD"),
        poolSize == 0 ? 16 : poolSize,
        (int) number(variables, "POOL_TIMEOUT", 10, 1, 86_400),
        (int) number(variables, "WORKERS", 0, 0, 1024),
        defaults);
  }

  String name() {
    return virtual ? "java-virtual" : "java-threads";
  }

  String title() {
    return "waitbench " + name();
  }

  String address() {
    return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
  }

  private static long number(Map<String, String> variables, String name, long otherwise, long low, long high) {
    String text = variables.getOrDefault(name, "");
    if (text.isEmpty()) {
      return otherwise;
    }
    try {
      return Work.parse(text, low, high);
    } catch (IllegalArgumentException wrong) {
      throw new IllegalArgumentException(
          name + "=" + text + ": must be a whole number from " + low + " to " + high);
    }
  }

  /** The URL is not repeated in a message: it may hold a password. */
  private static URI url(String text) {
    try {
      URI url = new URI(text);
      String scheme = url.getScheme();
      if (("postgresql".equals(scheme) || "postgres".equals(scheme)) && url.getHost() != null) {
        return url;
      }
    } catch (URISyntaxException wrong) {
      // the same sentence
    }
    throw new IllegalArgumentException(
        "DATABASE_URL: must be a URL such as postgresql://user:password@host:port/database");
  }
}
