package io.socketpass.testing;

import com.google.protobuf.Duration;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.socketpass.v1.Ack;
import io.socketpass.v1.Batch;
import io.socketpass.v1.Command;
import io.socketpass.v1.CommandResult;
import io.socketpass.v1.Event;
import io.socketpass.v1.Hello;
import io.socketpass.v1.Rejection;
import io.socketpass.v1.ReportRequest;
import io.socketpass.v1.ReportResponse;
import io.socketpass.v1.Socket;
import io.socketpass.v1.Welcome;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** A gateway's stream, as the service has it. */
public final class ReportCall implements StreamObserver<ReportRequest> {
  private final BlockingQueue<ReportRequest> received = new LinkedBlockingQueue<>();
  private final ServerCallStreamObserver<ReportResponse> responses;
  public final Metadata metadata;
  /** Complete when the gateway gives the stream up. */
  public final CompletableFuture<Void> cancelled = new CompletableFuture<>();
  /** Complete when the gateway has said everything. */
  public final CompletableFuture<Void> completed = new CompletableFuture<>();
  private volatile boolean acks = true;
  private boolean ended;

  ReportCall(ServerCallStreamObserver<ReportResponse> responses, Metadata metadata) {
    this.responses = responses;
    this.metadata = metadata;
    responses.setOnCancelHandler(() -> cancelled.complete(null));
  }

  @Override
  public void onNext(ReportRequest request) {
    received.add(request);
    if (request.hasBatch() && acks) {
      ack(request.getBatch().getSequence());
    }
  }

  @Override
  public void onError(Throwable thrown) {
    cancelled.complete(null);
  }

  @Override
  public synchronized void onCompleted() {
    if (!ended) {
      ended = true;
      completed.complete(null);
      responses.onCompleted();
    }
  }

  public synchronized void send(ReportResponse response) {
    if (!ended) {
      responses.onNext(response);
    }
  }

  public synchronized void end(Status status) {
    ended = true;
    responses.onError(status.asRuntimeException());
  }

  public ReportCall withoutAcks() {
    acks = false;
    return this;
  }

  public void ack(long sequence, Rejection... rejected) {
    Ack.Builder ack = Ack.newBuilder().setSequence(sequence).addAllRejected(List.of(rejected));
    send(ReportResponse.newBuilder().setAck(ack).build());
  }

  public void command(Command command) {
    send(ReportResponse.newBuilder().setCommand(command).build());
  }

  /** Reads the hello and answers it. */
  public Hello welcome(long leaseMillis) throws InterruptedException {
    Hello hello = next(ReportRequest::hasHello).getHello();
    Duration lease =
        Duration.newBuilder().setSeconds(leaseMillis / 1000).setNanos((int) (leaseMillis % 1000) * 1_000_000).build();
    send(ReportResponse.newBuilder().setWelcome(Welcome.newBuilder().setLease(lease)).build());
    return hello;
  }

  public ReportRequest next() throws InterruptedException {
    ReportRequest next = received.poll(45, TimeUnit.SECONDS);
    if (next == null) {
      throw new AssertionError("the gateway says nothing");
    }
    return next;
  }

  public ReportRequest nextOrNull(long millis) throws InterruptedException {
    return received.poll(millis, TimeUnit.MILLISECONDS);
  }

  public ReportRequest next(Predicate<ReportRequest> wanted) throws InterruptedException {
    while (true) {
      ReportRequest next = next();
      if (wanted.test(next)) {
        return next;
      }
    }
  }

  public Batch nextBatch() throws InterruptedException {
    return next(ReportRequest::hasBatch).getBatch();
  }

  public Event nextEvent() throws InterruptedException {
    return next(request -> request.getBatch().getEventsCount() > 0).getBatch().getEvents(0);
  }

  public CommandResult result(Command command) throws InterruptedException {
    command(command);
    return next(ReportRequest::hasCommandResult).getCommandResult();
  }

  /** What is open, until the listing is complete. */
  public List<Socket> listing() throws InterruptedException {
    List<Socket> listed = new ArrayList<>();
    while (true) {
      Batch batch = nextBatch();
      batch.getEventsList().forEach(event -> listed.add(event.getOpened()));
      if (batch.getComplete()) {
        return listed;
      }
    }
  }
}
