package io.socketpass;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import io.socketpass.testing.ScriptedSocketPass;
import io.socketpass.v1.CountSocketsRequest;
import io.socketpass.v1.CountSocketsResponse;
import io.socketpass.v1.DisconnectSocketsRequest;
import io.socketpass.v1.DisconnectSocketsResponse;
import io.socketpass.v1.FilterSocketsRequest;
import io.socketpass.v1.FilterSocketsResponse;
import io.socketpass.v1.Group;
import io.socketpass.v1.RegistryServiceGrpc.RegistryServiceImplBase;
import io.socketpass.v1.SendToSocketsRequest;
import io.socketpass.v1.SendToSocketsResponse;
import io.socketpass.v1.Socket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class FleetTest {
  private static final io.socketpass.v1.View VIEW =
      io.socketpass.v1.View.newBuilder()
          .setAge(com.google.protobuf.Duration.newBuilder().setSeconds(1).setNanos(500_000_000))
          .addIncompleteGateways("g-2")
          .setWarmingUp(true)
          .build();
  private static final View SEEN = new View(Duration.ofMillis(1_500), List.of("g-2"), true);

  private ScriptedSocketPass service;
  private SocketPass socketPass;

  @BeforeEach
  void start() throws Exception {
    service = new ScriptedSocketPass();
    service.registry = new Registry();
    socketPass = SocketPass.builder().address(service.address()).build();
  }

  @AfterEach
  void stop() {
    service.close();
    socketPass.close();
  }

  @Test
  void filterGivesAllPages() {
    FleetSockets found = socketPass.filterSockets("user.id == params.id", Map.of("id", 7));
    assertEquals(List.of("a", "b"), found.sockets().stream().map(FleetSocket::socketId).toList());
    assertEquals(Map.of("id", 7L), found.sockets().get(0).user());
    assertEquals(SEEN, found.view());
  }

  @Test
  void countGroups() {
    SocketCount count = socketPass.countSockets("true", Map.of(), "user.team");
    assertEquals(3, count.total());
    assertEquals(Arrays.asList("red", null), new ArrayList<>(count.groups().keySet()));
    assertEquals(2, count.groups().get("red"));
    assertEquals(SEEN, count.view());
    assertEquals(3, socketPass.countSockets("true", Map.of()).total());
    assertEquals(3, socketPass.countSockets("true", Map.of(), null).total());
  }

  @Test
  void sendAndDisconnectSayWhatCameOfIt() {
    assertEquals(
        new Outcome(3, 2, 1, 0, SEEN), socketPass.sendToSockets("true", Map.of(), "news", List.of(1, "a")));
    assertEquals(
        new Outcome(4505, 4, 0, 0, SEEN),
        socketPass.disconnectSockets("true", Map.of(), new Close(4505, "disconnected")));
    assertEquals(new Outcome(0, 4, 0, 0, SEEN), socketPass.disconnectSockets("true", Map.of(), null));
  }

  @Test
  void aFilterThatIsRefusedIsAnError() {
    var refused = assertThrows(StatusRuntimeException.class, () -> socketPass.filterSockets("", Map.of()));
    assertEquals(Status.Code.INVALID_ARGUMENT, refused.getStatus().getCode());
  }

  @Test
  void nobodyWaitsForAnAnswerForEver() throws Exception {
    CompletableFuture<Deadline> deadline = new CompletableFuture<>();
    service.registry =
        new RegistryServiceImplBase() {
          @Override
          public void filterSockets(FilterSocketsRequest request, StreamObserver<FilterSocketsResponse> answer) {
            deadline.complete(Context.current().getDeadline());
            answer.onCompleted();
          }
        };
    assertEquals(List.of(), socketPass.filterSockets("true", Map.of()).sockets());
    long left = deadline.get().timeRemaining(TimeUnit.SECONDS);
    assertTrue(left > 0 && left <= 30, left + " s");
  }

  private static final class Registry extends RegistryServiceImplBase {
    @Override
    public void filterSockets(FilterSocketsRequest request, StreamObserver<FilterSocketsResponse> answer) {
      if (request.getFilter().isEmpty()) {
        answer.onError(Status.INVALID_ARGUMENT.asRuntimeException());
        return;
      }
      for (String id : List.of("a", "b")) {
        Socket socket = Socket.newBuilder().setSocketId(id).setUser(request.getParams()).build();
        answer.onNext(FilterSocketsResponse.newBuilder().addSockets(socket).setView(VIEW).build());
      }
      answer.onCompleted();
    }

    @Override
    public void countSockets(CountSocketsRequest request, StreamObserver<CountSocketsResponse> answer) {
      answer.onNext(
          CountSocketsResponse.newBuilder()
              .setTotal(3)
              .setView(VIEW)
              .addGroups(Group.newBuilder().setKey(Structs.toValue("red")).setCount(2))
              .addGroups(Group.newBuilder().setKey(Structs.toValue(null)).setCount(1))
              .build());
      answer.onCompleted();
    }

    @Override
    public void sendToSockets(SendToSocketsRequest request, StreamObserver<SendToSocketsResponse> answer) {
      answer.onNext(SendToSocketsResponse.newBuilder().setMatched(3).build());
      answer.onNext(
          SendToSocketsResponse.newBuilder()
              .setMatched(3)
              .setDone(request.getArgsCount())
              .setFailed(1)
              .setView(VIEW)
              .build());
      answer.onCompleted();
    }

    @Override
    public void disconnectSockets(DisconnectSocketsRequest request, StreamObserver<DisconnectSocketsResponse> answer) {
      answer.onNext(
          DisconnectSocketsResponse.newBuilder()
              .setMatched(request.getClose().getCode())
              .setDone(4)
              .setView(VIEW)
              .build());
      answer.onCompleted();
    }
  }
}
