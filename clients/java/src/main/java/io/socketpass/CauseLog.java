package io.socketpass;

import java.lang.System.Logger.Level;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Logs each cause once, not once for each try, until all is well again; and if that changes often, once a minute. */
final class CauseLog {
  private static final long SELDOM = TimeUnit.MINUTES.toNanos(1);

  private final System.Logger log = System.getLogger("io.socketpass");
  private final Map<String, Long> known = new HashMap<>();

  void warn(String cause, String message) {
    warn(cause, message, null);
  }

  synchronized void warn(String cause, String message, Throwable thrown) {
    if (known.putIfAbsent(cause, System.nanoTime()) == null) {
      log.log(Level.WARNING, message, thrown);
    }
  }

  synchronized void well() {
    if (!known.isEmpty()) {
      long now = System.nanoTime();
      known.values().removeIf(logged -> now - logged > SELDOM);
    }
  }
}
