package io.socketpass.spring;

import static io.socketpass.testing.ScriptedSocketPass.accepted;
import static io.socketpass.testing.ScriptedSocketPass.answer;
import static io.socketpass.testing.ScriptedSocketPass.rejected;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Value;
import io.socketpass.SocketPass;
import io.socketpass.testing.ReportCall;
import io.socketpass.testing.ScriptedSocketPass;
import io.socketpass.v1.Close;
import io.socketpass.v1.Command;
import io.socketpass.v1.Disconnect;
import io.socketpass.v1.Reason;
import io.socketpass.v1.Send;
import io.socketpass.v1.UserChanged;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.net.http.WebSocketHandshakeException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.web.socket.CloseStatus;
import org.springframework.web.socket.TextMessage;
import org.springframework.web.socket.WebSocketHandler;
import org.springframework.web.socket.WebSocketSession;
import org.springframework.web.socket.config.annotation.WebSocketHandlerRegistry;
import org.springframework.web.socket.handler.TextWebSocketHandler;

/** Spring in an embedded Tomcat, with Java's own WebSocket client. */
class SpringWebSocketTest {
  private final BlockingQueue<String> application = new LinkedBlockingQueue<>();
  private ScriptedSocketPass service;
  private SocketPass socketPass;
  private SpringServer server;
  private ReportCall report;

  @BeforeEach
  void start() throws Exception {
    service = new ScriptedSocketPass();
    socketPass = SocketPass.builder().address(service.address()).build();
    report = service.nextReport();
    report.welcome(60_000);
    server = new SpringServer(this::handlers);
  }

  @AfterEach
  void stop() throws Exception {
    service.close();
    socketPass.close();
    server.close();
  }

  private void handlers(WebSocketHandlerRegistry registry) {
    WebSocketHandler handler = new SocketPassWebSocketHandler(new Application(), socketPass);
    registry
        .addHandler(handler, "/chat", "/rooms/*")
        .addInterceptors(new SocketPassHandshakeInterceptor(socketPass))
        .setAllowedOrigins("*");
    registry
        .addHandler(handler, "/after")
        .addInterceptors(new SocketPassHandshakeInterceptor(socketPass, true))
        .setAllowedOrigins("*");
    registry.addHandler(handler, "/unguarded").setAllowedOrigins("*");
    registry
        .addHandler(
            new SocketPassWebSocketHandler(new Application(), socketPass, event -> new TextMessage(event.name())), "/own")
        .addInterceptors(new SocketPassHandshakeInterceptor(socketPass))
        .setAllowedOrigins("*");
  }

  private Client connect(String path) {
    Client client = new Client();
    client.socket =
        HttpClient.newHttpClient()
            .newWebSocketBuilder()
            .header("Cookie", "connect.sid=x")
            .header("Origin", "https://a.example")
            .buildAsync(URI.create("ws://127.0.0.1:" + server.port() + path), client)
            .join();
    return client;
  }

  private String nextOfApplication() throws InterruptedException {
    return String.valueOf(application.poll(45, TimeUnit.SECONDS));
  }

  @Test
  void whoIsAcceptedIsIn() throws Exception {
    Client client = connect("/rooms/a%20b?x=1");
    assertEquals("open {logged_in=true, name=ada}", nextOfApplication());
    var handshake = service.nextAsked().request().getHandshake();
    assertEquals("connect.sid=x", handshake.getHeadersOrThrow("cookie"));
    assertEquals("/rooms/a%20b?x=1", handshake.getUrl());
    assertEquals("/rooms/a b", handshake.getNamespace());
    assertEquals("127.0.0.1", handshake.getRemoteAddress());
    var opened = report.nextEvent().getOpened();
    assertEquals("/rooms/a b", opened.getNamespace());
    assertEquals("https://a.example", opened.getOrigin());
    assertEquals("s-ada", opened.getSessionId());
    client.socket.sendText("hi", true);
    assertEquals("echo hi", client.next());
    client.socket.sendClose(1000, "");
    assertEquals("close 1000", nextOfApplication());
    assertEquals(opened.getSocketId(), report.nextEvent().getClosed().getSocketId());
  }

  @ParameterizedTest
  @CsvSource({
    "/%63hat, /chat",
    "/chat;v=1, /chat",
    "/rooms/a%3Bb, /rooms/a;b",
    "/rooms/%C3%A9, /rooms/\u00e9"
  })
  void theNamespaceIsThePathAsRoutesSeeIt(String path, String namespace) throws Exception {
    bodyOfUpgrade(path, "");
    assertEquals("open {logged_in=true, name=ada}", nextOfApplication());
    var handshake = service.nextAsked().request().getHandshake();
    assertEquals(path, handshake.getUrl());
    assertEquals(namespace, handshake.getNamespace());
  }

  @Test
  void whoIsRejectedGetsAStatus() throws Exception {
    service.authorize = (request, answer) -> answer(answer, rejected(Reason.REASON_NOT_LOGGED_IN, "not in", 4501));
    var refused = (WebSocketHandshakeException) failure("/chat");
    assertEquals(401, refused.getResponse().statusCode());
    // The client for WebSockets does not show the body.
    assertEquals(
        "{\"code\":4501,\"reason\":\"not_logged_in\",\"message\":\"not in\"}", bodyOfUpgrade("/chat"));
    assertNull(application.poll());
  }

  @Test
  void whoIsRejectedAfterTheUpgradeGetsACode() throws Exception {
    service.authorize = (request, answer) -> answer(answer, rejected(Reason.REASON_NOT_LOGGED_IN, "not in", 4501));
    assertEquals("closed 4501 not_logged_in", connect("/after").next());
    assertNull(application.poll());
  }

  @Test
  void aHandlerWithoutTheInterceptorLetsNobodyIn() throws Exception {
    assertTrue(connect("/unguarded").next().startsWith("closed 1011"));
    assertNull(application.poll());
    assertNull(service.asked.poll());
  }

  @Test
  void theFleetCommands() throws Exception {
    Client client = connect("/chat");
    String id = report.nextEvent().getOpened().getSocketId();
    Value text = Value.newBuilder().setStringValue("h\u00e9llo").build();
    Command send =
        Command.newBuilder()
            .setCommandId("c-1")
            .setSend(Send.newBuilder().addSocketIds(id).setEvent("news").addArgs(text))
            .build();
    assertEquals(List.of(id), report.result(send).getDoneList());
    assertEquals("{\"event\":\"news\",\"args\":[\"h\u00e9llo\"]}", client.next());

    Command change =
        Command.newBuilder()
            .setCommandId("c-2")
            .setUserChanged(UserChanged.newBuilder().addSocketIds(id).setUser(accepted("eve").getUser()))
            .build();
    assertEquals(List.of(id), report.result(change).getDoneList());
    client.socket.sendText("whoami", true);
    assertEquals("echo {logged_in=true, name=eve}", client.next());

    Command disconnect =
        Command.newBuilder()
            .setCommandId("c-3")
            .setDisconnect(
                Disconnect.newBuilder().addSocketIds(id).setClose(Close.newBuilder().setCode(4505).setReason("disconnected")))
            .build();
    assertEquals(List.of(id), report.result(disconnect).getDoneList());
    assertEquals("closed 4505 disconnected", client.next());
  }

  @Test
  void eventsAreWrittenAsTheApplicationSays() throws Exception {
    Client client = connect("/own");
    String id = report.nextEvent().getOpened().getSocketId();
    report.result(
        Command.newBuilder().setCommandId("c").setSend(Send.newBuilder().addSocketIds(id).setEvent("news")).build());
    assertEquals("news", client.next());
  }

  @Test
  void aCloseThatNoServerCanSendIsADisconnect() throws Exception {
    Client client = connect("/chat");
    String id = report.nextEvent().getOpened().getSocketId();
    Command disconnect =
        Command.newBuilder().setCommandId("c").setDisconnect(Disconnect.newBuilder().addSocketIds(id)).build();
    assertEquals(List.of(id), report.result(disconnect).getDoneList());
    assertEquals("closed 4505 disconnected", client.next());
  }

  @Test
  void whatASocketSaysThatWasToldToCloseIsNotHeard() throws Exception {
    try (Socket socket = new Socket("127.0.0.1", server.port())) {
      upgrade(socket, "/chat", "");
      String id = report.nextEvent().getOpened().getSocketId();
      assertTrue(nextOfApplication().startsWith("open"));
      report.result(
          Command.newBuilder().setCommandId("c").setDisconnect(Disconnect.newBuilder().addSocketIds(id)).build());
      // A masked frame with the text "x".
      socket.getOutputStream().write(new byte[] {(byte) 0x81, (byte) 0x81, 0, 0, 0, 0, 'x'});
    }
    // It has gone without another word.
    assertTrue(nextOfApplication().startsWith("close"));
  }

  @Test
  void closingTellsEverybody() throws Exception {
    Client client = connect("/chat");
    report.nextEvent();
    socketPass.close();
    assertEquals("closed 4001 gateway_draining", client.next());
    assertTrue(report.completed.isDone());
  }

  @Test
  void headersAreReadAsLatin1AndJoined() throws Exception {
    bodyOfUpgrade("/chat", "Cookie: a=\u00e9\r\nX-One: 1\r\nx-one: 2\r\n");
    var handshake = service.nextAsked().request().getHandshake();
    assertEquals("a=\u00e9", handshake.getHeadersOrThrow("cookie"));
    assertEquals("1, 2", handshake.getHeadersOrThrow("x-one"));
    assertFalse(handshake.containsHeaders("X-One"));
  }

  private Throwable failure(String path) {
    try {
      connect(path);
      throw new AssertionError("let in");
    } catch (CompletionException e) {
      return e.getCause();
    }
  }

  private String bodyOfUpgrade(String path, String... headers) throws Exception {
    try (Socket socket = new Socket("127.0.0.1", server.port())) {
      socket.setSoTimeout(45_000);
      upgrade(socket, path, headers);
      if (headers.length > 0) {
        socket.getInputStream().read();
        return "";
      }
      String response = new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      return response.substring(response.indexOf('{'), response.lastIndexOf('}') + 1);
    }
  }

  private static void upgrade(Socket socket, String path, String... headers) throws IOException {
    String request =
        "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n"
            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            + String.join("", headers)
            + "\r\n";
    socket.getOutputStream().write(request.getBytes(StandardCharsets.ISO_8859_1));
  }

  private final class Application extends TextWebSocketHandler {
    @Override
    public void afterConnectionEstablished(WebSocketSession session) {
      application.add("open " + session.getAttributes().get("user"));
    }

    @Override
    protected void handleTextMessage(WebSocketSession session, TextMessage message) throws Exception {
      if (message.getPayload().equals("x")) {
        application.add("heard");
      }
      Object said = message.getPayload().equals("whoami") ? session.getAttributes().get("user") : message.getPayload();
      session.sendMessage(new TextMessage("echo " + said));
    }

    @Override
    public void afterConnectionClosed(WebSocketSession session, CloseStatus status) {
      application.add("close " + status.getCode());
    }
  }

  private static final class Client implements WebSocket.Listener {
    private final BlockingQueue<String> heard = new LinkedBlockingQueue<>();
    private WebSocket socket;

    @Override
    public CompletionStage<?> onText(WebSocket webSocket, CharSequence data, boolean last) {
      heard.add(data.toString());
      webSocket.request(1);
      return null;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket webSocket, int code, String reason) {
      heard.add("closed " + code + " " + reason);
      return null;
    }

    String next() throws InterruptedException {
      return String.valueOf(heard.poll(45, TimeUnit.SECONDS));
    }
  }
}
