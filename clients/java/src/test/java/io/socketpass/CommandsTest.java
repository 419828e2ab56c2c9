package io.socketpass;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.socketpass.testing.RecordedConnection;
import io.socketpass.testing.ReportCall;
import io.socketpass.testing.ScriptedSocketPass;
import io.socketpass.v1.Command;
import io.socketpass.v1.CommandResult;
import io.socketpass.v1.Disconnect;
import io.socketpass.v1.Send;
import io.socketpass.v1.UserChanged;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class CommandsTest {
  private static final Handshake HANDSHAKE = Handshake.builder().namespace("/").build();
  private static final Admission ADMISSION =
      new Admission(true, Map.of("logged_in", true), "s-1", "", null, Decision.NONE);

  private final CompletableFuture<Map<String, Object>> told = new CompletableFuture<>();
  private ScriptedSocketPass service;
  private SocketPass socketPass;
  private ReportCall call;

  @BeforeEach
  void start() throws Exception {
    service = new ScriptedSocketPass();
    socketPass =
        SocketPass.builder().address(service.address()).userChanged((socketId, user) -> told.complete(user)).build();
    call = service.nextReport();
    call.welcome(60_000);
    call.listing();
  }

  @AfterEach
  void stop() {
    service.close();
    socketPass.close();
  }

  private <C extends SocketConnection> C open(String socketId, C connection) throws InterruptedException {
    socketPass.opened(socketId, HANDSHAKE, ADMISSION, connection);
    call.nextEvent();
    return connection;
  }

  @Test
  void disconnectClosesAndCountsThoseThatAreGone() throws Exception {
    RecordedConnection a = open("a", new RecordedConnection());
    CommandResult result =
        call.result(
            Command.newBuilder()
                .setCommandId("c-1")
                .setDisconnect(
                    Disconnect.newBuilder()
                        .addSocketIds("a").addSocketIds("gone")
                        .setClose(io.socketpass.v1.Close.newBuilder().setCode(4505).setReason("disconnected")))
                .build());
    assertEquals("c-1", result.getCommandId());
    assertEquals(List.of("a", "gone"), result.getDoneList());
    assertEquals(new Close(4505, "disconnected"), a.closed.get());
    assertFalse(socketPass.isOpen("a"));
    // It is listed no more by the result alone.
    socketPass.closed("a");
    assertNull(call.nextOrNull(100));
  }

  @Test
  void sendNamesThoseItWasHandedTo() throws Exception {
    RecordedConnection a = open("a", new RecordedConnection());
    open("b", new RecordedConnection(false));
    open("c", new ThrowingConnection());
    CommandResult result =
        call.result(
            Command.newBuilder()
                .setCommandId("c-2")
                .setSend(
                    Send.newBuilder()
                        .addAllSocketIds(List.of("a", "b", "c", "gone"))
                        .setEvent("news")
                        .addArgs(Structs.toValue(Map.of("n", 1)))
                        .addArgs(Structs.toValue(null)))
                .build());
    assertEquals(List.of("a"), result.getDoneList());
    assertEquals("news", a.sent.get().name());
    assertEquals(java.util.Arrays.asList(Map.of("n", 1L), null), a.sent.get().args());
    // It is listed still, until it closes.
    socketPass.closed("a");
    assertEquals("a", call.next().getBatch().getEvents(0).getClosed().getSocketId());
  }

  @Test
  void anotherUserReplacesTheFirst() throws Exception {
    RecordedConnection a = open("a", new RecordedConnection());
    Map<String, Object> user = Map.of("logged_in", true, "role", "admin");
    CommandResult result =
        call.result(
            Command.newBuilder()
                .setCommandId("c-3")
                .setUserChanged(
                    UserChanged.newBuilder().addSocketIds("a").addSocketIds("gone").setUser(Structs.toStruct(user)))
                .build());
    assertEquals(List.of("a"), result.getDoneList());
    assertEquals(user, a.user.get());
    assertEquals(user, told.get());
    call.end(io.grpc.Status.UNAVAILABLE);
    ReportCall next = service.nextReport();
    next.welcome(60_000);
    assertEquals(user, Structs.toMap(next.listing().get(0).getUser()));
  }

  @Test
  void aCommandThatIsNotKnownIsAnswered() throws Exception {
    CommandResult result = call.result(Command.newBuilder().setCommandId("c-4").build());
    assertEquals("c-4", result.getCommandId());
    assertEquals(List.of(), result.getDoneList());
  }

  private static final class ThrowingConnection implements SocketConnection {
    @Override
    public CompletionStage<Void> close(Close close) {
      throw new IllegalStateException();
    }

    @Override
    public boolean send(SocketEvent event) {
      throw new IllegalStateException();
    }

    @Override
    public void userChanged(Map<String, Object> user) {
      throw new IllegalStateException();
    }
  }
}
