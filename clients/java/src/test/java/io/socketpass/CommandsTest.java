package io.socketpass;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import io.socketpass.testing.RecordedConnection;
import io.socketpass.testing.ReportCall;
import io.socketpass.testing.ScriptedSocketPass;
import io.socketpass.v1.Command;
import io.socketpass.v1.CommandResult;
import io.socketpass.v1.Disconnect;
import io.socketpass.v1.Send;
import io.socketpass.v1.UserChanged;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class CommandsTest {
  private static final Handshake HANDSHAKE = Handshake.builder().namespace("/").build();
  private static final Admission ADMISSION = Admission.grantedAnyway(Decision.NONE);

  private final CompletableFuture<Map<String, Object>> told = new CompletableFuture<>();
  /** Of the application, which is told of another user. */
  private final CountDownLatch takesItsTime = new CountDownLatch(1);
  private ScriptedSocketPass service;
  private SocketPass socketPass;
  private ReportCall call;

  @BeforeEach
  void start() throws Exception {
    service = new ScriptedSocketPass();
    socketPass =
        SocketPass.builder()
            .address(service.address())
            .userChanged(
                (socketId, user) -> {
                  told.complete(user);
                  await(takesItsTime);
                })
            .build();
    call = service.nextReport();
    call.welcome(60_000);
    call.listing();
  }

  @AfterEach
  void stop() {
    takesItsTime.countDown();
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

  private static Command disconnect(String... socketIds) {
    return Command.newBuilder()
        .setCommandId("c-d")
        .setDisconnect(
            Disconnect.newBuilder()
                .addAllSocketIds(List.of(socketIds))
                .setClose(io.socketpass.v1.Close.newBuilder().setCode(4505).setReason("disconnected")))
        .build();
  }

  @Test
  void aStreamThatBeginsMeanwhileHearsOfTheDisconnectToo() throws Exception {
    CountDownLatch closes = new CountDownLatch(1);
    open(
        "a",
        new RecordedConnection() {
          @Override
          public CompletionStage<Void> close(Close close) {
            await(closes);
            return super.close(close);
          }
        });
    call.command(disconnect("a"));
    call.end(Status.UNAVAILABLE);
    ReportCall next = service.nextReport();
    next.welcome(60_000);
    assertEquals("a", next.listing().get(0).getSocketId());
    closes.countDown();
    assertEquals("a", next.nextEvent().getClosed().getSocketId());
  }

  @Test
  void anApplicationThatTakesItsTimeHoldsUpNoCommand() throws Exception {
    open("a", new RecordedConnection());
    RecordedConnection b = open("b", new RecordedConnection());
    call.result(
        Command.newBuilder().setCommandId("c").setUserChanged(UserChanged.newBuilder().addSocketIds("a")).build());
    told.get(45, TimeUnit.SECONDS);
    assertEquals(List.of("b"), call.result(disconnect("b")).getDoneList());
    assertTrue(b.closed.isDone());
  }

  @Test
  void aSocketThatCannotBeClosedIsNotDone() throws Exception {
    open("a", new ThrowingConnection());
    open(
        "b",
        new RecordedConnection() {
          @Override
          public CompletionStage<Void> close(Close close) {
            return CompletableFuture.failedFuture(new IllegalStateException());
          }
        });
    open("c", new RecordedConnection());
    assertEquals(List.of("c"), call.result(disconnect("a", "b", "c")).getDoneList());
    assertTrue(socketPass.isOpen("a"));
    socketPass.closed("b");
    call.next(request -> request.getBatch().getEventsList().stream().anyMatch(event -> event.getClosed().getSocketId().equals("b")));
    call.end(Status.UNAVAILABLE);
    ReportCall next = service.nextReport();
    next.welcome(60_000);
    assertEquals(List.of("a"), next.listing().stream().map(socket -> socket.getSocketId()).toList());
  }

  @Test
  void oneThatGoesByItselfWhileItCannotBeClosedIsToldOf() throws Exception {
    open(
        "a",
        new RecordedConnection() {
          @Override
          public CompletionStage<Void> close(Close close) {
            socketPass.closed("a");
            return CompletableFuture.failedFuture(new IllegalStateException());
          }
        });
    assertEquals(List.of(), call.result(disconnect("a")).getDoneList());
    assertEquals("a", call.nextEvent().getClosed().getSocketId());
    assertNull(call.nextOrNull(100));
  }

  @Test
  void aCloseThatNoServerCanSendIsADisconnect() throws Exception {
    RecordedConnection a = open("a", new RecordedConnection());
    RecordedConnection b = open("b", new RecordedConnection());
    var close = io.socketpass.v1.Close.newBuilder().setCode(1006);
    call.result(
        Command.newBuilder().setCommandId("c-1").setDisconnect(Disconnect.newBuilder().addSocketIds("a")).build());
    call.result(
        Command.newBuilder()
            .setCommandId("c-2")
            .setDisconnect(Disconnect.newBuilder().addSocketIds("b").setClose(close))
            .build());
    assertEquals(new Close(4505, "disconnected"), a.closed.get());
    assertEquals(new Close(4505, "disconnected"), b.closed.get());
  }

  @Test
  void eachSocketHasAUserOfItsOwn() throws Exception {
    RecordedConnection a = open("a", new RecordedConnection());
    RecordedConnection b = open("b", new RecordedConnection());
    call.result(
        Command.newBuilder()
            .setCommandId("c")
            .setUserChanged(UserChanged.newBuilder().addSocketIds("a").addSocketIds("b"))
            .build());
    a.user.get().put("seen", Instant.now());
    assertEquals(Map.of(), b.user.get());
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
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
    call.end(Status.UNAVAILABLE);
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
