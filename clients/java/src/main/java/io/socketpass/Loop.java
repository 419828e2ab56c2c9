package io.socketpass;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.function.Consumer;

/** One thread, for what happens one after the other. A task that fails is told of: by itself it would end without a word. */
final class Loop extends ScheduledThreadPoolExecutor {
  private final Consumer<Throwable> failed;

  Loop(String name, Consumer<Throwable> failed) {
    super(
        1,
        task -> {
          Thread thread = new Thread(task, name);
          thread.setDaemon(true);
          return thread;
        },
        // What comes after the client's end has nobody to hear it.
        new ThreadPoolExecutor.DiscardPolicy());
    this.failed = failed;
    setRemoveOnCancelPolicy(true);
  }

  @Override
  protected void afterExecute(Runnable task, Throwable none) {
    // A scheduled task keeps what it has thrown.
    if (task instanceof Future<?> future && future.isDone() && !future.isCancelled()) {
      try {
        future.get();
      } catch (ExecutionException e) {
        failed.accept(e.getCause());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
