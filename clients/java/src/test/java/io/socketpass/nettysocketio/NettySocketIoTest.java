package io.socketpass.nettysocketio;

import static io.socketpass.testing.ScriptedSocketPass.accepted;
import static io.socketpass.testing.ScriptedSocketPass.answer;
import static io.socketpass.testing.ScriptedSocketPass.rejected;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.corundumstudio.socketio.AuthTokenResult;
import com.corundumstudio.socketio.Configuration;
import com.corundumstudio.socketio.SocketIOClient;
import com.corundumstudio.socketio.SocketIOServer;
import com.corundumstudio.socketio.messages.PacketsMessage;
import io.grpc.Status;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.EventLoop;
import io.socket.client.IO;
import io.socket.client.Socket;
import io.socket.engineio.client.transports.Polling;
import io.socket.engineio.client.transports.WebSocket;
import io.socketpass.SocketPass;
import io.socketpass.testing.ReportCall;
import io.socketpass.testing.ScriptedSocketPass;
import io.socketpass.v1.AuthorizeRequest;
import io.socketpass.v1.Close;
import io.socketpass.v1.Command;
import io.socketpass.v1.Disconnect;
import io.socketpass.v1.Reason;
import io.socketpass.v1.Send;
import io.socketpass.v1.UserChanged;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.json.JSONObject;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A real netty-socketio, with the Socket.IO client for Java and with a WebSocket that says what no client would. */
class NettySocketIoTest {
  private final BlockingQueue<String> application = new LinkedBlockingQueue<>();
  private final List<Socket> clients = new ArrayList<>();
  private ScriptedSocketPass service;
  private SocketPass socketPass;
  private Watched initializer;
  private SocketIOServer server;
  private ReportCall report;
  /** A packet that has passed the gate, and is not read yet. */
  private final CountDownLatch held = new CountDownLatch(1);
  private final CountDownLatch completed = new CountDownLatch(1);
  private int port;

  @BeforeEach
  void start() throws Exception {
    service = new ScriptedSocketPass();
    socketPass = SocketPass.builder().address(service.address()).build();
    report = service.nextReport();
    report.welcome(60_000);
    Configuration configuration = new Configuration();
    configuration.setHostname("127.0.0.1");
    try (ServerSocket free = new ServerSocket(0)) {
      port = free.getLocalPort();
    }
    configuration.setPort(port);
    configuration.getSocketConfig().setReuseAddress(true);
    server = new SocketIOServer(configuration);
    initializer = new Watched(socketPass);
    server.setPipelineFactory(initializer);
    for (String name : List.of("", "/chat")) {
      var namespace = server.addNamespace(name);
      namespace.addConnectListener(client -> application.add("connect " + name + " " + initializer.user(client)));
      namespace.addDisconnectListener(client -> application.add("disconnect " + name + " " + initializer.user(client)));
      namespace.addEventListener(
          "whoami", String.class, (client, data, ack) -> client.sendEvent("you", initializer.user(client)));
      namespace.addEventListener("bin", Object.class, (client, data, ack) -> completed.countDown());
      namespace.addEventListener("hello", String.class, (client, data, ack) -> application.add("hello " + name));
    }
    server.start();
  }

  @AfterEach
  void stop() {
    clients.forEach(Socket::close);
    service.close();
    socketPass.close();
    // It takes four seconds, for which nobody has to wait.
    CompletableFuture.runAsync(server::stop);
  }

  private Socket client(String namespace, String transport, Map<String, String> auth) {
    IO.Options options =
        IO.Options.builder()
            .setForceNew(true)
            .setReconnection(false)
            .setTransports(transport == null ? new String[] {Polling.NAME, WebSocket.NAME} : new String[] {transport})
            .setExtraHeaders(Map.of("Cookie", List.of("connect.sid=x")))
            .setAuth(auth)
            .build();
    Socket socket = IO.socket(URI.create("http://127.0.0.1:" + port + namespace), options);
    clients.add(socket);
    return socket;
  }

  private static BlockingQueue<Object[]> on(Socket socket, String event) {
    BlockingQueue<Object[]> heard = new LinkedBlockingQueue<>();
    socket.on(event, heard::add);
    return heard;
  }

  private static Object[] next(BlockingQueue<Object[]> heard) throws InterruptedException {
    Object[] next = heard.poll(45, TimeUnit.SECONDS);
    if (next == null) {
      throw new AssertionError("the client hears nothing");
    }
    return next;
  }

  private String nextOfApplication() throws InterruptedException {
    return String.valueOf(application.poll(45, TimeUnit.SECONDS));
  }

  private Socket connected(String namespace, String transport) throws InterruptedException {
    Socket socket = client(namespace, transport, null);
    BlockingQueue<Object[]> connect = on(socket, Socket.EVENT_CONNECT);
    socket.connect();
    next(connect);
    return socket;
  }

  @ParameterizedTest
  @ValueSource(strings = {Polling.NAME, WebSocket.NAME, "upgrade"})
  void whoIsAcceptedIsIn(String transport) throws Exception {
    Socket socket = client("/", transport.equals("upgrade") ? null : transport, null);
    BlockingQueue<Object[]> connect = on(socket, Socket.EVENT_CONNECT);
    BlockingQueue<Object[]> you = on(socket, "you");
    socket.connect();
    next(connect);
    assertEquals("connect  {logged_in=true, name=ada}", nextOfApplication());
    socket.emit("whoami");
    assertEquals("ada", ((JSONObject) next(you)[0]).getString("name"));

    AuthorizeRequest asked = service.nextAsked().request();
    assertEquals("connect.sid=x", asked.getHandshake().getHeadersOrThrow("cookie"));
    assertEquals("/", asked.getHandshake().getNamespace());
    assertEquals("127.0.0.1", asked.getHandshake().getRemoteAddress());
    assertTrue(asked.getHandshake().getUrl().startsWith("/socket.io/?"), asked.getHandshake().getUrl());

    var opened = report.nextEvent().getOpened();
    assertEquals(socket.id(), opened.getSocketId());
    assertEquals("/", opened.getNamespace());
    assertEquals("s-ada", opened.getSessionId());
    socket.disconnect();
    assertEquals("disconnect  {logged_in=true, name=ada}", nextOfApplication());
    assertEquals(socket.id() == null ? opened.getSocketId() : socket.id(), report.nextEvent().getClosed().getSocketId());
  }

  @ParameterizedTest
  @ValueSource(strings = {Polling.NAME, WebSocket.NAME})
  void whoIsRejectedHearsWhy(String transport) throws Exception {
    service.authorize = (request, answer) -> answer(answer, rejected(Reason.REASON_NOT_LOGGED_IN, "not in", 4501));
    for (String namespace : List.of("/", "/chat")) {
      Socket socket = client(namespace, transport, null);
      BlockingQueue<Object[]> error = on(socket, Socket.EVENT_CONNECT_ERROR);
      socket.connect();
      JSONObject heard = (JSONObject) next(error)[0];
      assertEquals("not in", heard.getString("message"));
      assertEquals(4501, heard.getJSONObject("data").getInt("code"));
      assertEquals("not_logged_in", heard.getJSONObject("data").getString("reason"));
    }
    assertNull(application.poll());
    assertTrue(server.getAllClients().isEmpty());
  }

  @Test
  void theAuthPayloadIsSentAndKept() throws Exception {
    Socket socket = client("/chat", WebSocket.NAME, Map.of("session_id", "abc"));
    BlockingQueue<Object[]> connect = on(socket, Socket.EVENT_CONNECT);
    socket.connect();
    next(connect);
    var handshake = service.nextAsked().request().getHandshake();
    assertEquals("abc", handshake.getAuth().getFieldsOrThrow("session_id").getStringValue());
    assertEquals("/chat", handshake.getNamespace());
    SocketIOClient client = server.getNamespace("/chat").getAllClients().iterator().next();
    assertEquals(Map.of("session_id", "abc"), client.getHandshakeData().getAuthToken());
    assertEquals(client.getSessionId() + "/chat", initializer.socketId(client));
    assertEquals(initializer.socketId(client), report.nextEvent().getOpened().getSocketId());
    assertTrue(server.getAllClients().isEmpty(), "nobody asked for /");
  }

  @Test
  void theApplicationsOwnListenersForAuthAreAsked() throws Exception {
    server
        .getNamespace("/chat")
        .addAuthTokenListener((auth, client) -> new AuthTokenResult(false, Map.of("message", "my own")));
    Socket socket = client("/chat", WebSocket.NAME, Map.of("a", "b"));
    BlockingQueue<Object[]> error = on(socket, Socket.EVENT_CONNECT_ERROR);
    socket.connect();
    assertEquals("my own", ((JSONObject) next(error)[0]).getString("message"));
    assertNull(application.poll());
  }

  @Test
  void eachNamespaceHasItsOwnUser() throws Exception {
    service.authorize =
        (request, answer) ->
            answer(answer, accepted(request.getHandshake().getNamespace().equals("/") ? "ada" : "bob"));
    IO.Options options = IO.Options.builder().setTransports(new String[] {WebSocket.NAME}).build();
    var manager = new io.socket.client.Manager(URI.create("http://127.0.0.1:" + port), options);
    Socket root = manager.socket("/");
    Socket chat = manager.socket("/chat");
    clients.add(root);
    clients.add(chat);
    BlockingQueue<Object[]> ofRoot = on(root, "you");
    BlockingQueue<Object[]> ofChat = on(chat, "you");
    root.connect();
    chat.connect();
    root.emit("whoami");
    chat.emit("whoami");
    assertEquals("ada", ((JSONObject) next(ofRoot)[0]).getString("name"));
    assertEquals("bob", ((JSONObject) next(ofChat)[0]).getString("name"));
    root.disconnect();
    while (!nextOfApplication().startsWith("disconnect  ")) {}
    chat.emit("whoami");
    assertEquals("bob", ((JSONObject) next(ofChat)[0]).getString("name"));
    assertTrue(server.getAllClients().isEmpty());
  }

  @Test
  void aNamespaceThatDoesNotExistIsNotAskedFor() throws Exception {
    Socket socket = client("/nowhere", WebSocket.NAME, null);
    BlockingQueue<Object[]> error = on(socket, Socket.EVENT_CONNECT_ERROR);
    socket.connect();
    assertEquals("Invalid namespace", ((JSONObject) next(error)[0]).getString("message"));
    assertNull(service.asked.poll());
  }

  @ParameterizedTest
  @ValueSource(strings = {Polling.NAME, WebSocket.NAME})
  void theFleetDisconnects(String transport) throws Exception {
    Socket socket = connected("/chat", transport);
    BlockingQueue<Object[]> close = on(socket, "socketpass:close");
    BlockingQueue<Object[]> disconnect = on(socket, Socket.EVENT_DISCONNECT);
    String id = report.nextEvent().getOpened().getSocketId();
    var result =
        report.result(
            Command.newBuilder()
                .setCommandId("c")
                .setDisconnect(
                    Disconnect.newBuilder().addSocketIds(id).setClose(Close.newBuilder().setCode(4505).setReason("disconnected")))
                .build());
    assertEquals(List.of(id), result.getDoneList());
    JSONObject heard = (JSONObject) next(close)[0];
    assertEquals(4505, heard.getInt("code"));
    assertEquals("disconnected", heard.getString("reason"));
    assertEquals("io server disconnect", next(disconnect)[0]);
    assertTrue(nextOfApplication().startsWith("connect /chat"));
    assertTrue(nextOfApplication().startsWith("disconnect /chat"));
  }

  /** Socket.IO's clients come back when the connection is lost, not when a namespace has disconnected them. */
  @ParameterizedTest
  @ValueSource(strings = {Polling.NAME, WebSocket.NAME})
  void whoMayComeBackLosesTheConnection(String transport) throws Exception {
    Socket socket = connected("/chat", transport);
    BlockingQueue<Object[]> close = on(socket, "socketpass:close");
    BlockingQueue<Object[]> disconnect = on(socket, Socket.EVENT_DISCONNECT);
    String id = report.nextEvent().getOpened().getSocketId();
    var draining = Close.newBuilder().setCode(4001).setReason("gateway_draining");
    var result =
        report.result(
            Command.newBuilder()
                .setCommandId("c")
                .setDisconnect(Disconnect.newBuilder().addSocketIds(id).setClose(draining))
                .build());
    assertEquals(List.of(id), result.getDoneList());
    assertEquals(4001, ((JSONObject) next(close)[0]).getInt("code"));
    assertTrue(((String) next(disconnect)[0]).startsWith("transport "));
    assertTrue(nextOfApplication().startsWith("connect /chat"));
    assertTrue(nextOfApplication().startsWith("disconnect /chat"));
  }

  /** Socket.IO's client for JavaScript hears no event that CLOSE follows in one poll. */
  @Test
  void aPollIsToldBeforeTheNextOneEnds() throws Exception {
    RawPolls polls = new RawPolls(port);
    polls.send("40");
    assertTrue(polls.next().get(0).startsWith("40{"));
    String id = report.nextEvent().getOpened().getSocketId();
    disconnect(id, 4001);
    // The client has not come for it yet, and the connection is to end already.
    awaitThatNothingIsToBeDoneByEventLoops();
    List<String> told = polls.next();
    assertEquals("42[\"socketpass:close\",{", told.get(0).substring(0, 23));
    assertFalse(told.contains("1"), told.toString());
    assertEquals(List.of("1"), polls.next());
    assertTrue(nextOfApplication().startsWith("connect"));
    assertTrue(nextOfApplication().startsWith("disconnect"));
    awaitThatNothingIsToBeDoneByEventLoops();
    assertNull(application.poll());
    assertTrue(server.getAllClients().isEmpty());
  }

  /** It has answered nobody yet, and ends: what follows would come too late. */
  @Test
  void aPollThatWaitsIsToldBeforeTheNextOneEnds() throws Exception {
    RawPolls polls = new RawPolls(port);
    polls.send("40");
    assertTrue(polls.next().get(0).startsWith("40{"));
    String id = report.nextEvent().getOpened().getSocketId();
    CompletableFuture<List<String>> waiting = polls.nextAsync();
    awaitThatNothingIsToBeDoneByEventLoops();
    disconnect(id, 4001);
    List<String> heard = new ArrayList<>(waiting.get(45, TimeUnit.SECONDS));
    assertFalse(heard.contains("1"), heard.toString());
    List<String> last = polls.next();
    while (!last.contains("1")) {
      heard.addAll(last);
      last = polls.next();
    }
    assertEquals(List.of("1"), last);
    assertTrue(heard.get(0).startsWith("42[\"socketpass:close\","), heard.toString());
  }

  /** A WebSocket that takes the place of polls has what waited for them, and ends then. */
  @Test
  void whatWaitedForAPollComesWithTheUpgrade() throws Exception {
    RawPolls polls = new RawPolls(port);
    polls.send("40");
    assertTrue(polls.next().get(0).startsWith("40{"));
    String id = report.nextEvent().getOpened().getSocketId();
    RawWebSocket upgrade = RawWebSocket.beside(polls);
    upgrade.send("2probe");
    assertEquals("3probe", upgrade.next());
    assertEquals(List.of("6"), polls.next());
    disconnect(id, 4001);
    awaitThatNothingIsToBeDoneByEventLoops();
    upgrade.send("5");
    assertTrue(upgrade.nextMessage().startsWith("42[\"socketpass:close\","));
    upgrade.awaitEnd();
    assertTrue(nextOfApplication().startsWith("connect"));
    assertTrue(nextOfApplication().startsWith("disconnect"));
  }

  /** It ends for all of them, and might before the next one is closed. */
  @Test
  void allSocketsOfAConnectionAreToldThatItEnds() throws Exception {
    RawWebSocket raw = new RawWebSocket(port, "");
    raw.send("40");
    assertTrue(raw.nextMessage().startsWith("40{"));
    raw.send("40/chat,");
    assertTrue(raw.nextMessage().startsWith("40/chat,{"));
    String id = report.nextEvent().getOpened().getSocketId();
    disconnect(id, 4001);
    List<String> told = List.of(raw.nextMessage(), raw.nextMessage());
    assertTrue(told.get(0).startsWith("42[\"socketpass:close\","), told.toString());
    assertTrue(told.get(1).startsWith("42/chat,[\"socketpass:close\","), told.toString());
    raw.awaitEnd();
  }

  /** More than the system takes for a client that does not read waits in the process. */
  @Test
  void whatAWebSocketHasNotReadComesBeforeItsEnd() throws Exception {
    RawWebSocket raw = new RawWebSocket(port, "");
    raw.send("40");
    assertTrue(raw.nextMessage().startsWith("40{"));
    String id = report.nextEvent().getOpened().getSocketId();
    SocketIOClient client = server.getAllClients().iterator().next();
    String much = "x".repeat(30_000);
    int events = 500;
    for (int i = 0; i < events; i++) {
      client.sendEvent("much", much);
    }
    disconnect(id, 4001);
    awaitThatNothingIsToBeDoneByEventLoops();
    for (int i = 0; i < events; i++) {
      assertTrue(raw.nextMessage().startsWith("42[\"much\","));
    }
    assertTrue(raw.nextMessage().startsWith("42[\"socketpass:close\","));
    raw.awaitEnd();
  }

  /** Twice: what is done on the first round may leave something for another thread. */
  private void awaitThatNothingIsToBeDoneByEventLoops() throws Exception {
    for (int round = 0; round < 2; round++) {
      for (EventLoop loop : initializer.loops) {
        loop.submit(() -> {}).get(45, TimeUnit.SECONDS);
      }
    }
  }

  private void disconnect(String id, int code) throws InterruptedException {
    var close = Close.newBuilder().setCode(code).setReason("gateway_draining");
    var result =
        report.result(
            Command.newBuilder()
                .setCommandId("c")
                .setDisconnect(Disconnect.newBuilder().addSocketIds(id).setClose(close))
                .build());
    assertEquals(List.of(id), result.getDoneList());
  }

  @Test
  void theFleetSendsAndChangesUsers() throws Exception {
    Socket socket = connected("/", WebSocket.NAME);
    BlockingQueue<Object[]> news = on(socket, "news");
    BlockingQueue<Object[]> you = on(socket, "you");
    String id = report.nextEvent().getOpened().getSocketId();
    var text = com.google.protobuf.Value.newBuilder().setStringValue("héllo").build();
    var sent =
        report.result(
            Command.newBuilder()
                .setCommandId("c-1")
                .setSend(Send.newBuilder().addSocketIds(id).setEvent("news").addArgs(text))
                .build());
    assertEquals(List.of(id), sent.getDoneList());
    assertEquals("héllo", next(news)[0]);
    var changed =
        report.result(
            Command.newBuilder()
                .setCommandId("c-2")
                .setUserChanged(UserChanged.newBuilder().addSocketIds(id).setUser(accepted("eve").getUser()))
                .build());
    assertEquals(List.of(id), changed.getDoneList());
    socket.emit("whoami");
    assertEquals("eve", ((JSONObject) next(you)[0]).getString("name"));
  }

  @Test
  void clientsOfAnotherVersionAreTurnedAway() throws Exception {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/socket.io/?EIO=3&transport=polling")).build();
    HttpResponse<String> response = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
    assertEquals(400, response.statusCode());
    assertEquals("{\"code\":5,\"message\":\"Unsupported protocol version\"}", response.body());
  }

  @Test
  void headersAreReadAsLatin1AndJoined() throws Exception {
    RawWebSocket raw = new RawWebSocket(port, "Cookie: a=\u00e9\r\nX-One: 1\r\nx-one: 2\r\nOrigin: http://a.example\r\n");
    raw.send("40");
    var handshake = service.nextAsked().request().getHandshake();
    assertEquals("a=\u00e9", handshake.getHeadersOrThrow("cookie"));
    assertEquals("1, 2", handshake.getHeadersOrThrow("x-one"));
    assertTrue(handshake.getXdomain());
    raw.close();
  }

  /** netty-socketio would take each of these for a CONNECT, or for an event of somebody in the namespace. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "42[\"hello\"]", "42/[\"hello\"]", "42/,[\"hello\"]", "2:40", "30", "50", "10", "60", "\u0000\u0002?40", "2\u001e2:40",
        "41", "41/", "45" + "1-[\"hello\"]", "42/chat,[\"hello\"]"
      })
  void nobodyComesInBesideTheDoor(String packet) throws Exception {
    RawWebSocket raw = new RawWebSocket(port, "");
    raw.send(packet);
    // What follows is heard after it.
    raw.send("40/nowhere,");
    assertEquals("44/nowhere,{\"message\":\"Invalid namespace\"}", raw.nextMessage());
    assertNull(application.poll());
    assertNull(service.asked.poll());
    assertTrue(server.getAllClients().isEmpty());
    assertTrue(server.getNamespace("/chat").getAllClients().isEmpty());
    raw.close();
  }

  @ParameterizedTest
  @ValueSource(strings = {"D0", "\u00144\u001e40", "2\u001e40", "2\u001e40{}"})
  void whatReadsAsAConnectIsAskedAbout(String packet) throws Exception {
    service.authorize = (request, answer) -> answer(answer, rejected(Reason.REASON_NOT_LOGGED_IN, "no", 4501));
    RawWebSocket raw = new RawWebSocket(port, "");
    raw.send(packet);
    assertTrue(raw.nextMessage().startsWith("44{"));
    assertNull(application.poll());
    raw.close();
  }

  @Test
  void nobodyChoosesAnId() throws Exception {
    String id = UUID.randomUUID().toString();
    RawWebSocket raw = new RawWebSocket(port, "io: " + id + "\r\nCookie: io=" + id + "\r\n");
    raw.send("40/chat,");
    assertFalse(report.nextEvent().getOpened().getSocketId().startsWith(id));
    raw.close();
  }

  @ParameterizedTest
  @ValueSource(strings = {"41/chat,", "41/chat,[", "41/chat,[\"a\"]", "41/chat?a=1,"})
  void whoLeavesIsOutHoweverItIsSaid(String packet) throws Exception {
    RawWebSocket raw = new RawWebSocket(port, "");
    raw.send("40/chat,");
    raw.send("40");
    assertTrue(nextOfApplication().startsWith("connect"));
    assertTrue(nextOfApplication().startsWith("connect"));
    raw.send(packet);
    assertTrue(nextOfApplication().startsWith("disconnect /chat"));
    assertTrue(server.getNamespace("/chat").getAllClients().isEmpty());
    assertEquals(1, server.getAllClients().size());
    raw.close();
  }

  /** A WebSocket's frame is an attachment until a poll completes it: then netty-socketio would read a packet. */
  @Test
  void whatPassesAsAnAttachmentIsReadAsOne() throws Exception {
    RawWebSocket raw = new RawWebSocket(port, "");
    raw.send("40/chat,");
    String connected = raw.nextMessage();
    String sid = new JSONObject(connected.substring(connected.indexOf('{'))).getString("sid");
    raw.send("451-/chat,[\"bin\",{\"_placeholder\":true,\"num\":0}]");
    raw.send("40{}");
    held.await(45, TimeUnit.SECONDS);
    HttpRequest poll =
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/socket.io/?EIO=4&transport=polling&sid=" + sid))
            .POST(HttpRequest.BodyPublishers.ofString("2"))
            .build();
    HttpClient.newHttpClient().send(poll, HttpResponse.BodyHandlers.ofString());
    raw.send("40/nowhere,");
    assertEquals("44/nowhere,{\"message\":\"Invalid namespace\"}", raw.nextMessage());
    assertTrue(server.getAllClients().isEmpty(), "in / without being asked about");
    raw.close();
  }

  @Test
  void aConnectionThatIsInNoNamespaceEnds() throws Exception {
    service.authorize = (request, answer) -> answer(answer, rejected(Reason.REASON_NOT_LOGGED_IN, "no", 4501));
    RawWebSocket raw = new RawWebSocket(port, "");
    raw.send("40");
    assertTrue(raw.nextMessage().startsWith("44"));
    raw.awaitEnd();
  }

  @Test
  void aConnectThatIsRepeatedIsAskedAboutOnce() throws Exception {
    RawWebSocket raw = new RawWebSocket(port, "");
    raw.send("40");
    assertTrue(raw.nextMessage().startsWith("40{"));
    raw.send("40");
    raw.send("40/nowhere,");
    assertTrue(raw.nextMessage().startsWith("44/nowhere"));
    assertEquals(1, service.asked.size());
    raw.close();
    assertTrue(nextOfApplication().startsWith("connect"));
    assertTrue(nextOfApplication().startsWith("disconnect"));
  }

  @Test
  void anEventLoopIsNotHeldUp() throws Exception {
    List<io.grpc.stub.StreamObserver<io.socketpass.v1.AuthorizeResponse>> waiting = new ArrayList<>();
    Socket first = connected("/", WebSocket.NAME);
    BlockingQueue<Object[]> you = on(first, "you");
    service.authorize = (request, answer) -> {
      synchronized (waiting) {
        waiting.add(answer);
      }
    };
    List<RawWebSocket> slow = new ArrayList<>();
    for (int i = 0; i < 16; i++) {
      RawWebSocket raw = new RawWebSocket(port, "");
      raw.send("40");
      slow.add(raw);
    }
    for (int i = 0; i < 17; i++) {
      service.nextAsked();
    }
    first.emit("whoami");
    next(you);
    synchronized (waiting) {
      waiting.forEach(answer -> answer.onError(Status.INTERNAL.asRuntimeException()));
    }
    for (RawWebSocket raw : slow) {
      assertTrue(raw.nextMessage().contains("Authorization service unavailable"));
      raw.close();
    }
    assertFalse(server.getAllClients().isEmpty());
  }

  /** Holds one packet up between the gate and netty-socketio, until an event has come by another way or for a second. */
  private final class Watched extends SocketPassInitializer {
    private final Set<EventLoop> loops = ConcurrentHashMap.newKeySet();

    Watched(SocketPass socketPass) {
      super(socketPass);
    }

    @Override
    protected void addSocketioHandlers(ChannelPipeline pipeline) {
      super.addSocketioHandlers(pipeline);
      loops.add(pipeline.channel().eventLoop());
      pipeline.addBefore(
          PACKET_HANDLER,
          "held",
          new ChannelInboundHandlerAdapter() {
            @Override
            public void channelRead(ChannelHandlerContext context, Object message) throws Exception {
              if (message instanceof PacketsMessage packets
                  && packets.getContent().toString(StandardCharsets.UTF_8).equals("40{}")) {
                held.countDown();
                completed.await(1, TimeUnit.SECONDS);
              }
              context.fireChannelRead(message);
            }
          });
    }
  }
}
