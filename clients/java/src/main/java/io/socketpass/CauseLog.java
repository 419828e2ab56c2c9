package io.socketpass;

import java.lang.System.Logger.Level;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Logs each cause once a minute at most, whatever comes between. */
final class CauseLog {
  private static final long SELDOM = TimeUnit.MINUTES.toNanos(1);

  private final System.Logger log = System.getLogger("io.socketpass");
  private final Map<String, Long> lately = new HashMap<>();

  void warn(String cause, String message) {
    warn(cause, message, null);
  }

  synchronized void warn(String cause, String message, Throwable thrown) {
    long now = System.nanoTime();
    lately.values().removeIf(logged -> now - logged > SELDOM);
    if (lately.putIfAbsent(cause, now) == null) {
      log.log(Level.WARNING, message, thrown);
    }
  }
}
