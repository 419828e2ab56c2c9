package io.socketpass;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.socketpass.testing.ReportCall;
import io.socketpass.testing.ScriptedSocketPass;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** It waits for twenty seconds, so it runs beside the others. */
@Execution(ExecutionMode.CONCURRENT)
class WelcomeTest {
  @Test
  void aStreamWithoutAWelcomeIsGivenUp() throws Exception {
    try (ScriptedSocketPass service = new ScriptedSocketPass();
        SocketPass socketPass = SocketPass.builder().address(service.address()).build()) {
      ReportCall first = service.nextReport();
      long before = System.nanoTime();
      first.cancelled.get(45, TimeUnit.SECONDS);
      assertTrue(TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - before) >= 18);
      service.nextReport();
    }
  }
}
