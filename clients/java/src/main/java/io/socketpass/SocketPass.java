package io.socketpass;

import com.google.protobuf.Struct;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.AbstractStub;
import io.socketpass.v1.AuthorizationServiceGrpc;
import io.socketpass.v1.CountSocketsRequest;
import io.socketpass.v1.DisconnectSocketsRequest;
import io.socketpass.v1.FilterSocketsRequest;
import io.socketpass.v1.RegistryServiceGrpc;
import io.socketpass.v1.RegistryServiceGrpc.RegistryServiceBlockingStub;
import io.socketpass.v1.SendToSocketsRequest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A process' tie to socketpass: it authorizes handshakes, reports the sockets that are open, carries out what the fleet
 * commands, and asks the registry. One for the whole process; it may be used by any number of threads.
 */
public final class SocketPass implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofSeconds(5);
  private static final int MAX_DATA = 64 * 1024;

  private final OpenSockets sockets = new OpenSockets();
  private final AtomicBoolean closing = new AtomicBoolean();
  private final ManagedChannel channel;
  private final RegistryServiceBlockingStub registry;
  private final Authorizer authorizer;
  private final Commands commands;
  private final Reporter reporter;
  private final String userProperty;

  SocketPass(Settings settings) {
    channel = Channels.open(settings);
    registry = withToken(RegistryServiceGrpc.newBlockingStub(channel), settings);
    authorizer = new Authorizer(withToken(AuthorizationServiceGrpc.newFutureStub(channel), settings), settings);
    commands = new Commands(sockets, settings.userChanged());
    reporter =
        new Reporter(
            channel, withToken(RegistryServiceGrpc.newStub(channel), settings), sockets, commands, settings);
    userProperty = settings.userProperty();
    reporter.start();
  }

  /** The settings, each with its default. */
  public static SocketPassBuilder builder() {
    return new SocketPassBuilder();
  }

  /** The name under which a socket keeps its user. */
  public String userProperty() {
    return userProperty;
  }

  /** Asks what becomes of a handshake, and waits for it; the hooks are called on this thread. */
  public Admission authorize(Handshake handshake) {
    return authorizer.admit(handshake, authorizer.ask(handshake).join());
  }

  /** Asks what becomes of a handshake; never fails. The hooks are called on a thread of gRPC's. */
  public CompletableFuture<Admission> authorizeAsync(Handshake handshake) {
    return authorizer.ask(handshake).thenApply(answer -> authorizer.admit(handshake, answer));
  }

  /**
   * Reports a socket that was let in, from now on until {@link #closed}. For servers that the client has no adapter for.
   *
   * @param socketId its name in this process, 1 to 256 bytes
   */
  public void opened(String socketId, Handshake handshake, Admission admission, SocketConnection connection) {
    OpenSocket socket = new OpenSocket(socketId, handshake, admission, connection);
    sockets.add(socket);
    reporter.changed(socket);
    if (closing.get()) {
      commands.close(socket, Close.GATEWAY_DRAINING);
    }
  }

  /** Reports that a socket is not open any more; nothing if it is not. */
  public void closed(String socketId) {
    OpenSocket socket = sockets.remove(socketId);
    if (socket != null) {
      reporter.changed(socket);
    }
  }

  /** Whether the socket was opened and neither closed nor disconnected by the fleet since. */
  public boolean isOpen(String socketId) {
    return sockets.get(socketId) != null;
  }

  /**
   * Sets what the application says of a socket, for filters: {@code socket.data}.
   *
   * @return whether the socket is open
   * @throws IllegalArgumentException if it is larger than 64 KiB or holds something else than JSON values
   */
  public boolean setData(String socketId, Map<String, ?> data) {
    Struct struct = Structs.toStruct(data);
    Settings.require(struct.getSerializedSize() <= MAX_DATA, "data", "at most 64 KiB");
    OpenSocket socket = sockets.get(socketId);
    if (socket != null) {
      socket.data(struct);
      reporter.changed(socket);
    }
    return socket != null;
  }

  /**
   * The fleet's sockets that match.
   *
   * @param filter CEL over {@code user}, {@code socket}, {@code gateway} and {@code params}; everybody is {@code true}
   * @param params values for the filter: put them here, never into its text
   * @throws StatusRuntimeException if the service does not answer, or refuses the filter
   */
  public List<FleetSocket> filterSockets(String filter, Map<String, ?> params) {
    List<FleetSocket> matching = new ArrayList<>();
    registry
        .filterSockets(
            FilterSocketsRequest.newBuilder().setFilter(filter).setParams(Structs.toStruct(params)).build())
        .forEachRemaining(page -> page.getSocketsList().forEach(socket -> matching.add(FleetSocket.of(socket))));
    return matching;
  }

  /**
   * How many of the fleet's sockets match.
   *
   * @param groupBy a path to count by, {@code user.team}; an empty text for the total alone
   * @throws StatusRuntimeException if the service does not answer, or refuses the filter
   */
  public SocketCount countSockets(String filter, Map<String, ?> params, String groupBy) {
    return SocketCount.of(
        registry.countSockets(
            CountSocketsRequest.newBuilder()
                .setFilter(filter)
                .setParams(Structs.toStruct(params))
                .setGroupBy(groupBy)
                .build()));
  }

  /**
   * Emits an event to the fleet's sockets that match, and waits until all is settled.
   *
   * @throws StatusRuntimeException if the service does not answer, or refuses the filter
   */
  public Outcome sendToSockets(String filter, Map<String, ?> params, String event, List<?> args) {
    SendToSocketsRequest.Builder request =
        SendToSocketsRequest.newBuilder().setFilter(filter).setParams(Structs.toStruct(params)).setEvent(event);
    args.forEach(arg -> request.addArgs(Structs.toValue(arg)));
    Outcome outcome = Outcome.NOTHING;
    for (var answers = registry.sendToSockets(request.build()); answers.hasNext(); ) {
      var answer = answers.next();
      outcome =
          new Outcome(answer.getMatched(), answer.getDone(), answer.getFailed(), answer.getUnreachable());
    }
    return outcome;
  }

  /**
   * Disconnects the fleet's sockets that match, and waits until all is settled. Needs the role {@code admin}.
   *
   * @param close what to tell their clients; null: 4505, {@code disconnected}
   * @throws StatusRuntimeException if the service does not answer, or refuses the filter
   */
  public Outcome disconnectSockets(String filter, Map<String, ?> params, Close close) {
    DisconnectSocketsRequest.Builder request =
        DisconnectSocketsRequest.newBuilder().setFilter(filter).setParams(Structs.toStruct(params));
    if (close != null) {
      request.getCloseBuilder().setCode(close.code()).setReason(close.reason());
    }
    Outcome outcome = Outcome.NOTHING;
    for (var answers = registry.disconnectSockets(request.build()); answers.hasNext(); ) {
      var answer = answers.next();
      outcome =
          new Outcome(answer.getMatched(), answer.getDone(), answer.getFailed(), answer.getUnreachable());
    }
    return outcome;
  }

  /**
   * Closes every socket with 4001, {@code gateway_draining}, and takes them off the list; waits for that, at most 5 s. A
   * socket that opens afterwards is closed at once.
   */
  @Override
  public void close() {
    if (!closing.compareAndSet(false, true)) {
      return;
    }
    try {
      reporter.stop(PATIENCE);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      channel.shutdownNow();
    }
  }

  private static <S extends AbstractStub<S>> S withToken(S stub, Settings settings) {
    return settings.token() == null ? stub : stub.withCallCredentials(new TokenCredentials(settings.token()));
  }
}
