package io.socketpass;

import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.socketpass.v1.Batch;
import io.socketpass.v1.Command;
import io.socketpass.v1.CommandResult;
import io.socketpass.v1.Event;
import io.socketpass.v1.Goodbye;
import io.socketpass.v1.Hello;
import io.socketpass.v1.Rejection;
import io.socketpass.v1.ReportRequest;
import io.socketpass.v1.ReportResponse;
import io.socketpass.v1.SocketClosed;
import io.socketpass.v1.Welcome;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * One stream, from hello to its end, whatever the status: everything that is open, then what changes, and a sign of life when
 * nothing does. All of it happens on one thread.
 */
final class ReportStream implements ClientResponseObserver<ReportRequest, ReportResponse> {
  /** Whoever opened the stream. */
  interface Owner {
    void welcomed();

    /** The service has all that was open. */
    void listed();

    void commanded(ReportStream stream, Command command);

    void rejected(Rejection rejection);

    void ended(Status status, boolean welcomed);
  }

  /** A hello may wait for half a lease until the gateway's former life is over. */
  private static final long WELCOME_WITHIN = TimeUnit.SECONDS.toNanos(20);

  private static final long BATCH_EVERY = TimeUnit.MILLISECONDS.toNanos(20);
  private static final int EVENTS_A_BATCH = 500;

  /** The last event may go beyond it: a user and data may take 128 KiB together, and a message 4 MiB. */
  private static final int BYTES_A_BATCH = 1024 * 1024;

  private static final int BATCHES_UNDER_WAY = 16;

  private final ScheduledExecutorService loop;
  private final OpenSockets sockets;
  private final Hello hello;
  private final Owner owner;
  private ClientCallStreamObserver<ReportRequest> call;

  private long lease;
  private boolean welcomed;

  /** Nothing more is said. */
  private boolean leaving;

  /** Ids of sockets of which there is something to tell; one that opens and closes in between is not told at all. */
  private final Set<String> waiting = new LinkedHashSet<>();

  /** Ids that the service knows as open, by this stream, though nothing of that name is; an open socket knows it itself. */
  private final Set<String> toldAndGone = new HashSet<>();

  /** How much of what waits belongs to the first listing. */
  private int listing;

  /** The batch that ends the first listing; 0 until it is sent. */
  private long complete;
  private long sequence;
  private long acked;
  private long lastBatch;
  private Future<?> batch;
  private Future<?> signOfLife;
  private Future<?> giveUp;
  private Status givenUp;

  ReportStream(ScheduledExecutorService loop, OpenSockets sockets, Hello hello, Owner owner) {
    this.loop = loop;
    this.sockets = sockets;
    this.hello = hello;
    this.owner = owner;
  }

  @Override
  public void beforeStart(ClientCallStreamObserver<ReportRequest> call) {
    this.call = call;
  }

  void start() {
    giveUpAfter(WELCOME_WITHIN, "no welcome came");
    call.onNext(ReportRequest.newBuilder().setHello(hello).build());
  }

  void changed(OpenSocket socket) {
    if (socket.toldBy == this && sockets.get(socket.socketId) != socket) {
      toldAndGone.add(socket.socketId);
    }
    changed(socket.socketId);
  }

  private void changed(String socketId) {
    if (welcomed) {
      waiting.add(socketId);
      batchSoon();
    }
  }

  void result(Command command, List<String> done) {
    if (leaving) {
      return;
    }
    if (command.hasDisconnect()) {
      Set<String> listed = new HashSet<>(command.getDisconnect().getSocketIdsList());
      done.forEach(listed::remove);
      for (String socketId : listed) {
        told(socketId);
        changed(socketId);
      }
    }
    CommandResult result =
        CommandResult.newBuilder().setCommandId(command.getCommandId()).addAllDone(done).build();
    call.onNext(ReportRequest.newBuilder().setCommandResult(result).build());
  }

  void goodbye() {
    leaving = true;
    call.onNext(ReportRequest.newBuilder().setGoodbye(Goodbye.getDefaultInstance()).build());
    call.onCompleted();
  }

  /** Gives the stream up: it ends with this status. */
  void giveUp(Status why) {
    leaving = true;
    givenUp = why;
    call.cancel(why.getDescription(), null);
  }

  @Override
  public void onNext(ReportResponse response) {
    switch (response.getMessageCase()) {
      case WELCOME -> welcome(response.getWelcome());
      case ACK -> {
        response.getAck().getRejectedList().forEach(owner::rejected);
        acked(response.getAck().getSequence());
      }
      case COMMAND -> command(response.getCommand());
      case MESSAGE_NOT_SET -> {
        // Of a newer version.
      }
    }
  }

  private void command(Command command) {
    if (command.hasDisconnect()) {
      // The result alone takes them off the list: they are disconnected, and did not go by themselves.
      command.getDisconnect().getSocketIdsList().forEach(this::untold);
    }
    owner.commanded(this, command);
  }

  @Override
  public void onError(Throwable thrown) {
    end(Status.fromThrowable(thrown));
  }

  @Override
  public void onCompleted() {
    end(Status.OK);
  }

  private void end(Status status) {
    leaving = true;
    forget(batch);
    forget(signOfLife);
    forget(giveUp);
    owner.ended(givenUp == null ? status : givenUp, welcomed);
  }

  private void welcome(Welcome welcome) {
    if (welcomed) {
      return;
    }
    welcomed = true;
    forget(giveUp);
    lease = TimeUnit.SECONDS.toNanos(welcome.getLease().getSeconds()) + welcome.getLease().getNanos();
    owner.welcomed();
    sockets.all().forEach(socket -> waiting.add(socket.socketId));
    listing = waiting.size();
    lastBatch = System.nanoTime() - BATCH_EVERY;
    batchSoon();
    // Batches that find nothing to tell are a quarter of the lease apart at most.
    signOfLife =
        loop.scheduleAtFixedRate(this::signOfLife, lease / 8, Math.max(lease / 8, 1), TimeUnit.NANOSECONDS);
  }

  private void signOfLife() {
    if (!leaving && System.nanoTime() - lastBatch >= lease / 8 && sequence - acked < BATCHES_UNDER_WAY) {
      send(next());
    }
  }

  private void acked(long upTo) {
    if (complete > acked && complete <= upTo) {
      owner.listed();
    }
    acked = upTo;
    forget(giveUp);
    if (acked < sequence) {
      giveUpAfter(lease / 2, "batches wait for their ack");
    }
    batchSoon();
  }

  private void batchSoon() {
    boolean due = !waiting.isEmpty() || complete == 0;
    boolean scheduled = batch != null && !batch.isDone();
    if (leaving || scheduled || !due || sequence - acked >= BATCHES_UNDER_WAY) {
      return;
    }
    long pause = Math.max(0, lastBatch + BATCH_EVERY - System.nanoTime());
    batch = loop.schedule(this::sendAndGoOn, pause, TimeUnit.NANOSECONDS);
  }

  private void sendAndGoOn() {
    if (!leaving) {
      Batch.Builder next = next();
      if (next.getEventsCount() > 0 || next.getComplete()) {
        send(next);
      }
    }
    // This one counts as done only when it has returned.
    batch = null;
    batchSoon();
  }

  private Batch.Builder next() {
    Batch.Builder next = Batch.newBuilder();
    int bytes = 0;
    for (Iterator<String> ids = waiting.iterator();
        ids.hasNext() && next.getEventsCount() < EVENTS_A_BATCH && bytes < BYTES_A_BATCH; ) {
      Event event = event(ids.next());
      ids.remove();
      if (listing > 0) {
        listing--;
      }
      if (event != null) {
        bytes += event.getSerializedSize();
        next.addEvents(event);
      }
    }
    if (complete == 0 && listing == 0) {
      complete = sequence + 1;
      next.setComplete(true);
    }
    return next;
  }

  private void send(Batch.Builder next) {
    next.setSequence(++sequence);
    lastBatch = System.nanoTime();
    if (sequence == acked + 1) {
      giveUpAfter(lease / 2, "batches wait for their ack");
    }
    call.onNext(ReportRequest.newBuilder().setBatch(next).build());
  }

  private Event event(String socketId) {
    OpenSocket socket = sockets.get(socketId);
    boolean told = toldAndGone.remove(socketId);
    if (socket != null) {
      socket.toldBy = this;
      return Event.newBuilder().setOpened(socket.toProto()).build();
    }
    return told
        ? Event.newBuilder().setClosed(SocketClosed.newBuilder().setSocketId(socketId)).build()
        : null;
  }

  /** The service knows it as open. */
  private void told(String socketId) {
    OpenSocket socket = sockets.get(socketId);
    if (socket == null) {
      toldAndGone.add(socketId);
    } else {
      socket.toldBy = this;
    }
  }

  /** The service does not know it as open any more. */
  private void untold(String socketId) {
    OpenSocket socket = sockets.get(socketId);
    if (socket != null) {
      socket.toldBy = null;
    }
    toldAndGone.remove(socketId);
  }

  /** A replica that hangs ends no stream and holds its connections open: only the missing answer tells. */
  private void giveUpAfter(long nanos, String why) {
    giveUp = loop.schedule(() -> giveUp(Status.DEADLINE_EXCEEDED.withDescription(why)), nanos, TimeUnit.NANOSECONDS);
  }

  private static void forget(Future<?> scheduled) {
    if (scheduled != null) {
      scheduled.cancel(false);
    }
  }
}
