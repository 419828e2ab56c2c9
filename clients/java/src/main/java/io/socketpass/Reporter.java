package io.socketpass;

import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.socketpass.v1.Command;
import io.socketpass.v1.Hello;
import io.socketpass.v1.RegistryServiceGrpc.RegistryServiceStub;
import io.socketpass.v1.Rejection;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Keeps one stream open: whenever it ends, the next one begins with everything that is open. */
final class Reporter implements ReportStream.Owner {
  private static final long AT_ONCE = TimeUnit.MILLISECONDS.toNanos(100);
  private static final long SHORTEST_PAUSE = TimeUnit.MILLISECONDS.toNanos(200);
  private static final long LONGEST_PAUSE = TimeUnit.SECONDS.toNanos(5);

  private final System.Logger log = System.getLogger("io.socketpass");
  private final CauseLog ends = new CauseLog();
  private final CauseLog rejections = new CauseLog();
  private final Loop loop = new Loop("socketpass-report", this::failed);
  /** Sockets may take their time to close; the stream must not wait for them. */
  private final Loop commanding = new Loop("socketpass-commands", this::commandFailed);

  private final ManagedChannel channel;
  private final RegistryServiceStub stub;
  private final OpenSockets sockets;
  private final Commands commands;
  private final Duration closeAfterLoss;
  private final Hello hello;
  private final CompletableFuture<Void> over = new CompletableFuture<>();

  private ReportStream stream;
  private long pause = SHORTEST_PAUSE;
  private boolean leaving;
  private long lostAt;
  private Future<?> loss;

  Reporter(
      ManagedChannel channel, RegistryServiceStub stub, OpenSockets sockets, Commands commands, Settings settings) {
    this.channel = channel;
    this.stub = stub.withExecutor(loop);
    this.sockets = sockets;
    this.commands = commands;
    closeAfterLoss = settings.closeAfterLoss();
    hello =
        Hello.newBuilder()
            .setGatewayId(settings.gatewayId())
            .setIncarnation(UUID.randomUUID().toString())
            .putAllLabels(settings.labels())
            .build();
  }

  void start() {
    sockets.onChange(this::changed);
    loop.execute(
        () -> {
          lost();
          open();
        });
  }

  void changed(OpenSocket socket) {
    loop.execute(
        () -> {
          if (stream != null) {
            stream.changed(socket);
          }
        });
  }

  /** Closes all sockets, takes the gateway off the list, and waits until that is so, but not for longer than this. */
  void stop(Duration patience) throws InterruptedException {
    commanding.execute(
        () -> {
          CompletableFuture<?>[] told =
              sockets.all().stream()
                  .map(socket -> commands.close(socket, Close.GATEWAY_DRAINING))
                  .toArray(CompletableFuture<?>[]::new);
          // A client that takes nothing in keeps the gateway from nothing.
          CompletableFuture.allOf(told)
              .orTimeout(patience.toNanos() / 2, TimeUnit.NANOSECONDS)
              .whenCompleteAsync((all, late) -> leave(), loop);
        });
    try {
      over.get(patience.toNanos(), TimeUnit.NANOSECONDS);
    } catch (ExecutionException | TimeoutException e) {
      log.log(Level.DEBUG, "the stream did not end in time");
    } finally {
      loop.shutdownNow();
      commanding.shutdownNow();
      commands.stop();
    }
  }

  @Override
  public void welcomed() {
    if (loss != null) {
      loss.cancel(false);
    }
    log.log(Level.INFO, "socketpass listens to gateway {0}", hello.getGatewayId());
  }

  @Override
  public void listed() {
    pause = SHORTEST_PAUSE;
  }

  @Override
  public void commanded(ReportStream from, Command command) {
    commanding.execute(
        () -> {
          List<String> done = commands.carryOut(command);
          loop.execute(
              () -> {
                // The stream that has ended was answered for: its caller does not wait any more.
                if (stream == from) {
                  from.result(command, done);
                }
              });
        });
  }

  @Override
  public void rejected(Rejection rejection) {
    String cause = rejection.getField() + ": " + rejection.getMessage();
    rejections.warn(cause, "sockets are listed without a field (" + rejection.getSocketId() + "), " + cause);
  }

  @Override
  public void ended(Status status, boolean welcomed) {
    stream = null;
    if (leaving) {
      over.complete(null);
      return;
    }
    if (welcomed) {
      lost();
    }
    ThreadLocalRandom random = ThreadLocalRandom.current();
    long wait;
    if (welcomed && status.getCode() == Status.Code.UNAVAILABLE) {
      wait = random.nextLong(AT_ONCE);
    } else {
      wait = pause / 2 + random.nextLong(pause / 2);
      pause = Math.min(2 * pause, LONGEST_PAUSE);
    }
    loop.schedule(this::open, wait, TimeUnit.NANOSECONDS);
    ends.warn(status.getCode().name(), "the stream ended: " + Mistakes.describe(status) + Mistakes.hint(status));
  }

  private void open() {
    if (leaving || stream != null) {
      return;
    }
    // gRPC's own pauses between connections grow to two minutes.
    channel.resetConnectBackoff();
    ReportStream next = new ReportStream(loop, sockets, hello, this);
    stub.report(next);
    next.start();
    stream = next;
  }

  /** A fault of the client's own ends a stream at most, and never the reporting. */
  private void failed(Throwable fault) {
    log.log(Level.ERROR, "a fault of the client's own: everything is listed again", fault);
    if (stream == null) {
      loop.schedule(this::open, LONGEST_PAUSE, TimeUnit.NANOSECONDS);
    } else {
      stream.giveUp(Status.INTERNAL.withDescription("a fault of the client's own"));
    }
  }

  private void commandFailed(Throwable fault) {
    log.log(Level.ERROR, "a command was not carried out", fault);
  }

  private void leave() {
    leaving = true;
    if (loss != null) {
      loss.cancel(false);
    }
    if (stream == null) {
      over.complete(null);
    } else {
      stream.goodbye();
    }
  }

  private void lost() {
    lostAt = System.nanoTime();
    if (closeAfterLoss != null) {
      long look = Math.min(closeAfterLoss.toNanos() / 10 + 1, TimeUnit.SECONDS.toNanos(1));
      loss = loop.scheduleAtFixedRate(this::closeLost, look, look, TimeUnit.NANOSECONDS);
    }
  }

  private void closeLost() {
    long now = System.nanoTime();
    for (OpenSocket socket : sockets.all()) {
      long without = Math.min(now - lostAt, now - socket.openedAt);
      if (without >= closeAfterLoss.toNanos()) {
        commanding.execute(() -> commands.close(socket, Close.SERVICE_UNAVAILABLE));
      }
    }
  }
}
