package waitbench;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Map;

/**
 * getrusage(2) of libc. No bean has the context switches, and /proc/self/task forgets those of threads that
 * have ended.
 */
final class Usage {
  private static final int RUSAGE_SELF = 0;

  /** struct rusage of Linux: two timevals and 14 more longs, all of 8 bytes. */
  private static final int WORDS = 18;

  @SuppressWarnings("restricted") // Enable-Native-Access in the manifest
  private static final MethodHandle GETRUSAGE =
      Linker.nativeLinker()
          .downcallHandle(
              Linker.nativeLinker().defaultLookup().find("getrusage").orElseThrow(),
              FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.ADDRESS));

  private Usage() {}

  static void put(Map<String, Object> all) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment usage = arena.allocate(WORDS * 8L, 8);
      if ((int) GETRUSAGE.invokeExact(RUSAGE_SELF, usage) == 0) {
        all.put("cpu_user_s", word(usage, 0) + word(usage, 1) / 1e6);
        all.put("cpu_system_s", word(usage, 2) + word(usage, 3) / 1e6);
        all.put("ctx_voluntary", word(usage, 16));
        all.put("ctx_involuntary", word(usage, 17));
      }
    } catch (Throwable impossible) { // invokeExact declares it
      throw new IllegalStateException(impossible);
    }
  }

  private static long word(MemorySegment usage, int index) {
    return usage.getAtIndex(ValueLayout.JAVA_LONG, index);
  }
}
