package io.socketpass.spring;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Test;

class OutboxTest {
  @Test
  void whatFailsToBeWrittenKeepsNothingElseFromIt() throws Exception {
    Outbox outbox = new Outbox();
    var broken =
        outbox.add(
            1,
            () -> {
              throw new IOException("broken");
            });
    outbox.add(1, () -> {}).get();
    assertThrows(ExecutionException.class, broken::get);
  }

  @Test
  void muchMayNotWait() throws Exception {
    Outbox outbox = new Outbox();
    CountDownLatch taken = new CountDownLatch(1);
    outbox.add(1024 * 1024 - 1, taken::await);
    assertFalse(outbox.isFull());
    var last = outbox.add(1, () -> {});
    assertTrue(outbox.isFull());
    taken.countDown();
    last.get();
    assertFalse(outbox.isFull());
  }
}
