package io.socketpass.spring;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** What is to be written to one session, in order. A peer that takes nothing in blocks its own session's writes alone. */
final class Outbox {
  private static final int MOST = 256;
  private static final long MOST_BYTES = 1024 * 1024;

  private static final ExecutorService THREADS =
      Executors.newCachedThreadPool(
          task -> {
            Thread thread = new Thread(task, "socketpass-outbox");
            thread.setDaemon(true);
            return thread;
          });

  interface Write {
    void run() throws Exception;
  }

  private final AtomicInteger waiting = new AtomicInteger();
  private final AtomicLong waitingBytes = new AtomicLong();
  private CompletableFuture<Void> last = CompletableFuture.completedFuture(null);

  boolean isFull() {
    return waiting.get() >= MOST || waitingBytes.get() >= MOST_BYTES;
  }

  /** Complete when it is written, or has failed to be. */
  synchronized CompletableFuture<Void> add(int bytes, Write write) {
    waiting.incrementAndGet();
    waitingBytes.addAndGet(bytes);
    CompletableFuture<Void> written = last.thenRunAsync(() -> run(bytes, write), THREADS);
    last = written.exceptionally(failed -> null);
    return written;
  }

  private void run(int bytes, Write write) {
    try {
      write.run();
    } catch (Exception e) {
      throw new CompletionException(e);
    } finally {
      waiting.decrementAndGet();
      waitingBytes.addAndGet(-bytes);
    }
  }
}
