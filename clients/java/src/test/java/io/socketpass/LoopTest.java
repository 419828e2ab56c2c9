package io.socketpass;

import static org.junit.jupiter.api.Assertions.assertSame;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class LoopTest {
  @Test
  void aTaskThatFailsIsToldOf() throws Exception {
    BlockingQueue<Throwable> told = new LinkedBlockingQueue<>();
    Loop loop = new Loop("loop", told::add);
    RuntimeException fault = new RuntimeException("of the test");
    Runnable failing =
        () -> {
          throw fault;
        };
    loop.execute(failing);
    assertSame(fault, told.poll(45, TimeUnit.SECONDS));
    loop.schedule(failing, 1, TimeUnit.MILLISECONDS);
    assertSame(fault, told.poll(45, TimeUnit.SECONDS));
    loop.scheduleAtFixedRate(failing, 1, 1, TimeUnit.MILLISECONDS);
    assertSame(fault, told.poll(45, TimeUnit.SECONDS));
    loop.shutdownNow();
  }
}
