package io.socketpass;

import java.lang.System.Logger.Level;
import java.util.HashSet;
import java.util.Set;

/** Logs each cause once, not once for each try, until all is well again. */
final class CauseLog {
  private final System.Logger log = System.getLogger("io.socketpass");
  private final Set<String> known = new HashSet<>();

  synchronized void warn(String cause, String message, Throwable thrown) {
    if (known.add(cause)) {
      log.log(Level.WARNING, message, thrown);
    }
  }

  synchronized void well() {
    known.clear();
  }
}
