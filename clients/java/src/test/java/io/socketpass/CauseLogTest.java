package io.socketpass;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;

class CauseLogTest {
  @Test
  void eachCauseIsLoggedOnceAMinute() {
    List<String> logged = Collections.synchronizedList(new ArrayList<>());
    Handler handler =
        new Handler() {
          @Override
          public void publish(LogRecord record) {
            logged.add(record.getMessage());
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    Logger logger = Logger.getLogger("io.socketpass");
    Level before = logger.getLevel();
    logger.setLevel(Level.WARNING);
    logger.addHandler(handler);
    try {
      CauseLog causes = new CauseLog();
      causes.warn("a", "of the test: a");
      causes.warn("a", "of the test: a again");
      causes.warn("b", "of the test: b");
      causes.warn("a", "of the test: a within a minute");
    } finally {
      logger.removeHandler(handler);
      logger.setLevel(before);
    }
    logged.removeIf(message -> !message.startsWith("of the test"));
    assertEquals(List.of("of the test: a", "of the test: b"), logged);
  }
}
