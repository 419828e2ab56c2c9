import com.corundumstudio.socketio.Configuration;
import com.corundumstudio.socketio.SocketIOClient;
import com.corundumstudio.socketio.SocketIOServer;
import io.grpc.StatusRuntimeException;
import io.socketpass.SocketPass;
import io.socketpass.nettysocketio.SocketPassInitializer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** The Java room: netty-socketio. */
public class Chat {
  private static final String ROOM = "java";

  // Asking the fleet waits for its answer, and netty's event loops must not.
  private final ExecutorService asking = Executors.newFixedThreadPool(8);
  private final SocketPass socketPass;
  private final SocketPassInitializer guard;

  public static void main(String[] args) {
    Configuration configuration = new Configuration();
    configuration.setHostname(setting("HOST", "127.0.0.1"));
    configuration.setPort(Integer.parseInt(setting("PORT", "3004")));
    SocketPass socketPass =
        SocketPass.builder()
            .address(setting("SOCKETPASS_ADDR", "127.0.0.1:50051"))
            .token(System.getenv("SOCKETPASS_TOKEN"))
            .gatewayId(ROOM)
            .build();
    new Chat(socketPass).serve(new SocketIOServer(configuration));
    System.out.println("listening on http://" + configuration.getHostname() + ":" + configuration.getPort());

    // On SIGTERM: every socket is told, and is off the list.
    Runtime.getRuntime().addShutdownHook(new Thread(socketPass::close));
  }

  private Chat(SocketPass socketPass) {
    this.socketPass = socketPass;
    guard = new SocketPassInitializer(socketPass);
  }

  private void serve(SocketIOServer server) {
    server.setPipelineFactory(guard);
    server.addEventListener("say", String.class, (client, text, ack) -> ask(client, "say", () -> say(client, text)));
    server.addEventListener("who", String.class, (client, filter, ack) -> ask(client, "who", () -> who(client, filter)));
    server.start();
  }

  private void say(SocketIOClient client, String text) {
    Map<String, Object> message = Map.of("room", ROOM, "from", guard.user(client).get("name"), "text", text);
    socketPass.sendToSockets("gateway.gateway_id == params.room", Map.of("room", ROOM), "said", List.of(message));
  }

  private void who(SocketIOClient client, String filter) {
    List<Map<String, Object>> online = new ArrayList<>();
    for (var socket : socketPass.filterSockets(filter, Map.of())) {
      Map<String, Object> person = new HashMap<>(Map.of("room", socket.gatewayId()));
      for (String field : List.of("id", "name", "role")) {
        person.put(field, socket.user().get(field));
      }
      online.add(person);
    }
    client.sendEvent("online", online);
  }

  private void ask(SocketIOClient client, String event, Runnable question) {
    asking.execute(
        () -> {
          try {
            question.run();
          } catch (StatusRuntimeException problem) {
            client.sendEvent("problem", event, problem.getStatus().getDescription());
          }
        });
  }

  private static String setting(String name, String otherwise) {
    return System.getenv().getOrDefault(name, otherwise);
  }
}
