import com.corundumstudio.socketio.Configuration;
import com.corundumstudio.socketio.SocketIOChannelInitializer;
import com.corundumstudio.socketio.SocketIOClient;
import com.corundumstudio.socketio.SocketIONamespace;
import com.corundumstudio.socketio.SocketIOServer;
import com.corundumstudio.socketio.messages.PacketsMessage;
import com.corundumstudio.socketio.protocol.JacksonJsonSupport;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.netty.channel.ChannelHandler.Sharable;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelPipeline;
import io.netty.handler.codec.http.HttpHeaders;
import io.opentelemetry.api.GlobalOpenTelemetry;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.Scope;
import io.opentelemetry.context.propagation.TextMapGetter;
import io.socketpass.SocketPass;
import io.socketpass.nettysocketio.SocketPassInitializer;
import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;

/** netty-socketio. */
final class SocketIoServer implements Subject.Server {
  private final SocketPassInitializer initializer; // None when the server is bare.
  private final SocketIOServer server;
  private final int port;

  SocketIoServer(SocketPass socketPass) throws IOException {
    port = freePort();
    Configuration configuration = new Configuration();
    configuration.setHostname("127.0.0.1");
    configuration.setPort(port);
    configuration.setJsonSupport(new WithNulls());
    server = new SocketIOServer(configuration);
    initializer = socketPass == null ? null : new Traced(socketPass);
    server.setPipelineFactory(initializer == null ? new BareTraced() : initializer);
    for (String name : List.of("", "/chat")) {
      SocketIONamespace namespace = server.addNamespace(name);
      namespace.addConnectListener(
          client -> {
            Lines.say("opened", "socket_id", id(client));
            you(client);
          });
      namespace.addDisconnectListener(client -> Lines.say("closed", "socket_id", id(client)));
      namespace.addEventListener("whoami", Object.class, (client, data, ack) -> you(client));
    }
    server.start();
  }

  @Override
  public int port() {
    return port;
  }

  @Override
  public Map<String, Map<String, Object>> local(String namespace) {
    Map<String, Map<String, Object>> sockets = new HashMap<>();
    server
        .getNamespace(namespace.equals("/") ? "" : namespace)
        .getAllClients()
        .forEach(client -> sockets.put(id(client), initializer.user(client)));
    return sockets;
  }

  private void you(SocketIOClient client) {
    client.sendEvent("you", initializer == null ? Map.of() : initializer.user(client));
  }

  private String id(SocketIOClient client) {
    return initializer == null ? null : initializer.socketId(client);
  }

  /**
   * netty-socketio does not tell which port it was given. One of those that no system gives to
   * outgoing connections is free still when it is used.
   */
  private static int freePort() throws IOException {
    while (true) {
      int port = ThreadLocalRandom.current().nextInt(10_000, 30_000);
      try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
        return socket.getLocalPort();
      } catch (BindException e) {
        // Somebody has it.
      }
    }
  }

  /** netty-socketio leaves members out that are null, unless it is told otherwise. */
  private static final class WithNulls extends JacksonJsonSupport {
    @Override
    protected void init(ObjectMapper mapper) {
      super.init(mapper);
      mapper.setDefaultPropertyInclusion(JsonInclude.Include.ALWAYS);
    }
  }

  /** Has the trace of a handshake current, as instrumentation would. */
  private static final class Traced extends SocketPassInitializer {
    Traced(SocketPass socketPass) {
      super(socketPass);
    }

    @Override
    protected void addSocketioHandlers(ChannelPipeline pipeline) {
      super.addSocketioHandlers(pipeline);
      pipeline.addAfter(HTTP_ENCODER, "trace", new Trace());
    }
  }

  /** The same for a bare server. */
  private static final class BareTraced extends SocketIOChannelInitializer {
    @Override
    protected void addSocketioHandlers(ChannelPipeline pipeline) {
      super.addSocketioHandlers(pipeline);
      pipeline.addAfter(HTTP_ENCODER, "trace", new Trace());
    }
  }

  @Sharable
  private static final class Trace extends ChannelInboundHandlerAdapter {
    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
      Context current = Context.current();
      if (message instanceof PacketsMessage packets) {
        HttpHeaders headers = packets.getClient().getHandshakeData().getHttpHeaders();
        current = GlobalOpenTelemetry.getPropagators().getTextMapPropagator().extract(current, headers, new Getter());
      }
      try (Scope scope = current.makeCurrent()) {
        context.fireChannelRead(message);
      }
    }
  }

  private static final class Getter implements TextMapGetter<HttpHeaders> {
    @Override
    public Iterable<String> keys(HttpHeaders headers) {
      return headers.names();
    }

    @Override
    public String get(HttpHeaders headers, String name) {
      return headers.get(name);
    }
  }
}
