package waitbench;

import java.util.concurrent.ThreadLocalRandom;
import org.eclipse.jetty.util.Fields;

/** The parameters of GET /work, and what common/API.md says of them. */
record Work(int n, int m, int w, int d, int t, long seed) {
  static final int MAX_N = 1000;
  static final int MAX_M = 16_777_216;
  static final int MIN_M = 64;
  static final int MAX_D = 10_000;
  static final int MAX_T = 60_000;
  private static final int ROWS = 100_000;

  /** Throws IllegalArgumentException, whose message is for the client. */
  static Work parse(Fields query, Work defaults) {
    long n = defaults.n;
    long m = defaults.m;
    long w = -1;
    long d = defaults.d;
    long t = defaults.t;
    long seed = -1;
    for (Fields.Field field : query) {
      if (field.hasMultipleValues()) {
        throw new IllegalArgumentException("a parameter is repeated");
      }
      String text = field.getValue();
      switch (field.getName()) {
        case "n" -> n = parse(text, 0, MAX_N);
        case "m" -> m = parse(text, 0, MAX_M);
        case "w" -> w = parse(text, 0, MAX_N);
        case "d" -> d = parse(text, 0, MAX_D);
        case "t" -> t = parse(text, 0, MAX_T);
        case "seed" -> seed = parse(text, 0, Long.MAX_VALUE);
        default -> throw new IllegalArgumentException("there is no such parameter");
      }
    }
    if (m > 0 && m < MIN_M || w > n) {
      throw new IllegalArgumentException(w > n ? "w is more than n" : "m is 1 to 63");
    }
    return new Work(
        (int) n,
        (int) m,
        (int) (w < 0 ? Math.min(defaults.w, n) : w),
        (int) d,
        (int) t,
        seed < 0 ? ThreadLocalRandom.current().nextLong() & Long.MAX_VALUE : seed);
  }

  /** Long.parseLong takes signs and the digits of other scripts, too. */
  static long parse(String text, long low, long high) {
    for (int i = 0; i < text.length(); i++) {
      if (text.charAt(i) < '0' || text.charAt(i) > '9') {
        throw new IllegalArgumentException("a value is not a whole number");
      }
    }
    long value = Long.parseLong(text); // NumberFormatException: empty, or beyond 63 bits
    if (value < low || value > high) {
      throw new IllegalArgumentException("a value is out of range");
    }
    return value;
  }

  /** The row of query i: SplitMix64. */
  int id(int i) {
    long z = seed + (i + 1) * 0x9E3779B97F4A7C15L;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    z ^= z >>> 31;
    return 1 + (int) Long.remainderUnsigned(z, ROWS);
  }
}
