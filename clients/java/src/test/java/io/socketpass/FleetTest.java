package io.socketpass;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

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
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class FleetTest {
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
    List<FleetSocket> sockets = socketPass.filterSockets("user.id == params.id", Map.of("id", 7));
    assertEquals(List.of("a", "b"), sockets.stream().map(FleetSocket::socketId).toList());
    assertEquals(Map.of("id", 7L), sockets.get(0).user());
  }

  @Test
  void countGroups() {
    SocketCount count = socketPass.countSockets("true", Map.of(), "user.team");
    assertEquals(3, count.total());
    assertEquals(Arrays.asList("red", null), new ArrayList<>(count.groups().keySet()));
    assertEquals(2, count.groups().get("red"));
  }

  @Test
  void sendAndDisconnectSayWhatCameOfIt() {
    assertEquals(new Outcome(3, 2, 1, 0), socketPass.sendToSockets("true", Map.of(), "news", List.of(1, "a")));
    assertEquals(new Outcome(4505, 4, 0, 0), socketPass.disconnectSockets("true", Map.of(), new Close(4505, "disconnected")));
    assertEquals(new Outcome(0, 4, 0, 0), socketPass.disconnectSockets("true", Map.of(), null));
  }

  @Test
  void aFilterThatIsRefusedIsAnError() {
    var refused = assertThrows(StatusRuntimeException.class, () -> socketPass.filterSockets("", Map.of()));
    assertEquals(Status.Code.INVALID_ARGUMENT, refused.getStatus().getCode());
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
        answer.onNext(FilterSocketsResponse.newBuilder().addSockets(socket).build());
      }
      answer.onCompleted();
    }

    @Override
    public void countSockets(CountSocketsRequest request, StreamObserver<CountSocketsResponse> answer) {
      answer.onNext(
          CountSocketsResponse.newBuilder()
              .setTotal(3)
              .addGroups(Group.newBuilder().setKey(Structs.toValue("red")).setCount(2))
              .addGroups(Group.newBuilder().setKey(Structs.toValue(null)).setCount(1))
              .build());
      answer.onCompleted();
    }

    @Override
    public void sendToSockets(SendToSocketsRequest request, StreamObserver<SendToSocketsResponse> answer) {
      answer.onNext(SendToSocketsResponse.newBuilder().setMatched(3).build());
      answer.onNext(SendToSocketsResponse.newBuilder().setMatched(3).setDone(request.getArgsCount()).setFailed(1).build());
      answer.onCompleted();
    }

    @Override
    public void disconnectSockets(DisconnectSocketsRequest request, StreamObserver<DisconnectSocketsResponse> answer) {
      answer.onNext(
          DisconnectSocketsResponse.newBuilder().setMatched(request.getClose().getCode()).setDone(4).build());
      answer.onCompleted();
    }
  }
}
