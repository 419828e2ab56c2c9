package io.socketpass.spring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.socketpass.Handshake;
import io.socketpass.SocketPass;
import io.socketpass.testing.ReportCall;
import io.socketpass.testing.ScriptedSocketPass;
import io.socketpass.v1.Command;
import io.socketpass.v1.Send;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.springframework.web.socket.CloseStatus;
import org.springframework.web.socket.TextMessage;
import org.springframework.web.socket.WebSocketSession;
import org.springframework.web.socket.handler.AbstractWebSocketHandler;
import org.springframework.web.socket.handler.SessionLimitExceededException;

class SharedSessionTest {
  private static final String BROKEN = "broken";

  /** What is being sent, and whether it may be: a peer that takes in what the test says. */
  private final BlockingQueue<String> sending = new LinkedBlockingQueue<>();
  private final Semaphore taken = new Semaphore(0);
  private final BlockingQueue<CloseStatus> closed = new LinkedBlockingQueue<>();
  private final Map<String, Object> attributes = new ConcurrentHashMap<>();
  private final WebSocketSession raw =
      (WebSocketSession)
          Proxy.newProxyInstance(
              getClass().getClassLoader(),
              new Class<?>[] {WebSocketSession.class},
              (proxy, method, arguments) ->
                  switch (method.getName()) {
                    case "getId" -> "s";
                    case "isOpen" -> closed.isEmpty();
                    case "getAttributes" -> attributes;
                    case "sendMessage" -> send(((TextMessage) arguments[0]).getPayload());
                    case "close" -> close((CloseStatus) arguments[0]);
                    default -> throw new UnsupportedOperationException(method.getName());
                  });

  private Object send(String text) throws Exception {
    sending.add(text);
    taken.acquire();
    if (text.equals(BROKEN)) {
      throw new IOException(text);
    }
    return null;
  }

  private Object close(CloseStatus status) {
    closed.add(status);
    return null;
  }

  private String nextSending() throws InterruptedException {
    return sending.poll(45, TimeUnit.SECONDS);
  }

  private static CompletableFuture<Void> sendOnAThread(WebSocketSession session, String text) {
    return CompletableFuture.runAsync(
        () -> {
          try {
            session.sendMessage(new TextMessage(text));
          } catch (IOException e) {
            throw new IllegalStateException(e);
          }
        },
        task -> new Thread(task).start());
  }

  @Test
  void oneSendsAtATimeInOrder() throws Exception {
    SharedSession session = new SharedSession(raw);
    CompletableFuture<Void> first = sendOnAThread(session, "a");
    assertEquals("a", nextSending());
    session.sendMessage(new TextMessage("b"));
    session.sendMessage(new TextMessage("c"));
    assertNull(sending.poll());
    taken.release(3);
    assertEquals("b", nextSending());
    assertEquals("c", nextSending());
    first.get(45, TimeUnit.SECONDS);
    taken.release();
    session.sendMessage(new TextMessage("d"));
    assertEquals("d", nextSending());
  }

  @Test
  void nothingIsLostBetweenThreads() throws Exception {
    SharedSession session = new SharedSession(raw);
    taken.release(4_000);
    CountDownLatch all = new CountDownLatch(4);
    for (int thread = 0; thread < 4; thread++) {
      String name = thread + " ";
      new Thread(
              () -> {
                try {
                  for (int i = 0; i < 1_000; i++) {
                    session.sendMessage(new TextMessage(name + i));
                  }
                } catch (IOException e) {
                  throw new IllegalStateException(e);
                } finally {
                  all.countDown();
                }
              })
          .start();
    }
    assertTrue(all.await(45, TimeUnit.SECONDS));
    assertEquals(4_000, sending.size());
    for (int thread = 0; thread < 4; thread++) {
      String name = thread + " ";
      List<String> ofThread = sending.stream().filter(text -> text.startsWith(name)).toList();
      for (int i = 0; i < 1_000; i++) {
        assertEquals(name + i, ofThread.get(i));
      }
    }
  }

  @Test
  void muchMayNotWait() throws Exception {
    SharedSession session = new SharedSession(raw);
    CompletableFuture<Void> first = sendOnAThread(session, "a");
    nextSending();
    session.sendMessage(new TextMessage("x".repeat(512 * 1024 - 1)));
    session.sendMessage(new TextMessage("x"));
    var thrown =
        assertThrows(SessionLimitExceededException.class, () -> session.sendMessage(new TextMessage("x")));
    assertEquals(CloseStatus.SESSION_NOT_RELIABLE, thrown.getStatus());
    taken.release(9);
    first.get(45, TimeUnit.SECONDS);
    session.sendMessage(new TextMessage("x"));
    assertNull(sending.poll(), "sent after what was left out");
    session.close(CloseStatus.NORMAL);
    assertEquals(CloseStatus.SESSION_NOT_RELIABLE, closed.poll());
  }

  @Test
  void nobodyWaitsForLong() throws Exception {
    SharedSession session = new SharedSession(raw, TimeUnit.MILLISECONDS.toNanos(10));
    sendOnAThread(session, "a");
    nextSending();
    Thread.sleep(20);
    assertThrows(SessionLimitExceededException.class, () -> session.sendMessage(new TextMessage("b")));
    taken.release();
  }

  @Test
  void aMessageThatFailsKeepsNoOtherFromBeingSent() throws Exception {
    SharedSession session = new SharedSession(raw);
    CompletableFuture<Void> broken = sendOnAThread(session, BROKEN);
    nextSending();
    session.sendMessage(new TextMessage("b"));
    taken.release(3);
    assertThrows(ExecutionException.class, () -> broken.get(45, TimeUnit.SECONDS));
    session.sendMessage(new TextMessage("c"));
    assertEquals("b", nextSending());
    assertEquals("c", nextSending());
  }

  @Test
  void nothingIsSentAfterAClose() throws Exception {
    SharedSession session = new SharedSession(raw);
    CompletableFuture<Void> first = sendOnAThread(session, "a");
    nextSending();
    session.sendMessage(new TextMessage("b"));
    session.close();
    session.close(CloseStatus.GOING_AWAY);
    session.sendMessage(new TextMessage("c"));
    taken.release(9);
    first.get(45, TimeUnit.SECONDS);
    assertNull(sending.poll());
    assertEquals(List.of(CloseStatus.NORMAL), List.copyOf(closed));
  }

  /** Of what the fleet sends to a peer that takes nothing in, 1 MiB waits. */
  @Test
  void ofWhatTheFleetSendsMuchMayNotWait() throws Exception {
    try (ScriptedSocketPass service = new ScriptedSocketPass();
        SocketPass socketPass = SocketPass.builder().address(service.address()).build()) {
      ReportCall report = service.nextReport();
      report.welcome(60_000);
      Handshake handshake = Handshake.builder().namespace("/").build();
      attributes.put(
          SocketPassHandshakeInterceptor.ADMITTED,
          new SocketPassHandshakeInterceptor.Admitted(handshake, socketPass.authorize(handshake)));
      var handler =
          new SocketPassWebSocketHandler(
              new AbstractWebSocketHandler() {}, socketPass, event -> new TextMessage(event.args().get(0).toString()));
      handler.afterConnectionEstablished(raw);
      report.nextEvent();
      Command send =
          Command.newBuilder()
              .setCommandId("c")
              .setSend(
                  Send.newBuilder()
                      .addSocketIds("s")
                      .setEvent("news")
                      .addArgs(com.google.protobuf.Value.newBuilder().setStringValue("x".repeat(256 * 1024))))
              .build();
      for (int i = 0; i < 4; i++) {
        assertEquals(List.of("s"), report.result(send).getDoneList());
      }
      assertEquals(List.of(), report.result(send).getDoneList());
      taken.release(9);
      for (int i = 0; i < 4; i++) {
        assertNotNull(nextSending());
      }
      assertNull(sending.poll(100, TimeUnit.MILLISECONDS));
    }
  }
}
