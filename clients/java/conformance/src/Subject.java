import com.fasterxml.jackson.databind.JsonNode;
import com.sun.management.OperatingSystemMXBean;
import io.opentelemetry.api.GlobalOpenTelemetry;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.propagation.ContextPropagators;
import io.socketpass.Close;
import io.socketpass.Decision;
import io.socketpass.FleetSocket;
import io.socketpass.Handshake;
import io.socketpass.Hook;
import io.socketpass.OnUnavailable;
import io.socketpass.SocketPass;
import io.socketpass.SocketPassBuilder;
import io.socketpass.Tls;
import io.socketpass.Verdict;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryMXBean;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/** A small socket server as an application would write it, for the runner of the conformance suite. */
final class Subject {
  /** One of the servers that the subject can be. */
  interface Server {
    int port();

    /** What the application sees in this process: socket ids and users. */
    Map<String, Map<String, Object>> local(String namespace);
  }

  private final SocketPass socketPass;
  private final Server server;

  private Subject(SocketPass socketPass, Server server) {
    this.socketPass = socketPass;
    this.server = server;
  }

  public static void main(String[] arguments) throws Exception {
    JsonNode settings = Lines.JSON.readTree(System.getenv("SUBJECT"));
    GlobalOpenTelemetry.set(
        OpenTelemetry.propagating(ContextPropagators.create(W3CTraceContextPropagator.getInstance())));
    SocketPass socketPass; // None when the server is bare.
    try {
      socketPass = settings.path("bare").asBoolean() ? null : client(settings);
    } catch (IllegalArgumentException e) {
      Lines.say("error", "message", e.getMessage());
      System.exit(1);
      return;
    }
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  if (socketPass != null) {
                    socketPass.close();
                  }
                  // The JVM's own status would be the signal's.
                  Runtime.getRuntime().halt(0);
                }));
    Server server =
        settings.path("kind").asText().equals("spring")
            ? new SpringServer(socketPass, settings.path("rejectAfterUpgrade").asBoolean())
            : new SocketIoServer(socketPass);
    Lines.say("listening", "port", server.port());
    Lines.hear(new Subject(socketPass, server)::answer);
    Thread.currentThread().join();
  }

  private static SocketPass client(JsonNode settings) {
    SocketPassBuilder builder =
        SocketPass.builder()
            .userChanged((socketId, user) -> Lines.say("user_changed", "socket_id", socketId, "user", user));
    with(settings, "address", value -> builder.address(value.asText()));
    with(settings, "token", value -> builder.token(value.asText()));
    with(settings, "tls", value -> builder.tls(new Tls(path(value, "ca"), path(value, "cert"), path(value, "key"))));
    with(settings, "gatewayId", value -> builder.gatewayId(value.asText()));
    with(
        settings,
        "labels",
        value -> {
          Map<String, String> labels = new LinkedHashMap<>();
          value.fields().forEachRemaining(label -> labels.put(label.getKey(), label.getValue().asText()));
          builder.labels(labels);
        });
    with(
        settings,
        "onUnavailable",
        value -> builder.onUnavailable(value.asText().equals("accept") ? OnUnavailable.ACCEPT : OnUnavailable.REJECT));
    with(settings, "timeoutMs", value -> builder.timeout(Duration.ofMillis(value.asLong())));
    with(settings, "closeAfterLossMs", value -> builder.closeAfterLoss(Duration.ofMillis(value.asLong())));
    if (settings.has("success") || settings.has("fail")) {
      String success = settings.path("success").asText();
      String fail = settings.path("fail").asText();
      builder.success(hook(decision -> Lines.say("success", "user", decision.user()), success));
      builder.fail(hook(Subject::sayFailed, fail));
    }
    return builder.build();
  }

  private static Hook hook(Consumer<Decision> say, String does) {
    return (handshake, decision) -> {
      say.accept(decision);
      return switch (does) {
        case "accept" -> Verdict.accept();
        case "reject" -> Verdict.reject("refused by the application");
        case "throw" -> throw new Exception("a fault of the application");
        default -> Verdict.keep();
      };
    };
  }

  private static void sayFailed(Decision decision) {
    Object close =
        decision.close() == null
            ? null
            : Map.of("code", decision.close().code(), "reason", decision.close().reason());
    Lines.say(
        "fail",
        "reason", decision.reason().name().replaceFirst("^REASON_", ""),
        "message", decision.message(),
        "error", decision.error(),
        "close", close);
  }

  private Map<String, Object> answer(JsonNode line) throws Exception {
    String filter = line.path("filter").asText();
    Map<String, Object> params = Lines.map(line.get("params"));
    return switch (line.path("do").asText()) {
      case "authorize" -> authorize(line);
      case "memory" -> Map.of("bytes", memory());
      case "filter" -> Map.of("sockets", socketPass.filterSockets(filter, params).stream().map(Subject::members).toList());
      case "count" -> Map.of("total", socketPass.countSockets(filter, params, "").total());
      case "send" -> {
        List<?> args = Lines.JSON.convertValue(line.get("args"), List.class);
        yield Map.of("done", socketPass.sendToSockets(filter, params, line.path("name").asText(), args).done());
      }
      case "disconnect" -> {
        Close close = new Close(line.at("/close/code").asInt(), line.at("/close/reason").asText());
        yield Map.of("done", socketPass.disconnectSockets(filter, params, close).done());
      }
      case "data" ->
          Map.of("ok", socketPass.setData(line.path("socket_id").asText(), Lines.map(line.get("data"))));
      case "local" ->
          Map.of(
              "sockets",
              server.local(line.path("namespace").asText()).entrySet().stream()
                  .map(socket -> Map.of("socket_id", socket.getKey(), "user", socket.getValue()))
                  .toList());
      default -> throw new IllegalArgumentException("not known: " + line);
    };
  }

  private static Map<String, Object> members(FleetSocket socket) {
    return Map.of(
        "gateway_id", socket.gatewayId(),
        "socket_id", socket.socketId(),
        "namespace", socket.namespace(),
        "user", socket.user());
  }

  private Map<String, Object> authorize(JsonNode line) throws InterruptedException {
    int calls = line.path("calls").asInt();
    Semaphore free = new Semaphore(line.path("concurrency").asInt());
    CountDownLatch all = new CountDownLatch(calls);
    AtomicInteger accepted = new AtomicInteger();
    Handshake handshake =
        Handshake.builder()
            .header("host", "127.0.0.1")
            .header("cookie", line.path("cookie").asText())
            .url("/socket.io/?EIO=4&transport=websocket")
            .remoteAddress("127.0.0.1")
            .namespace("/")
            .build();
    OperatingSystemMXBean process = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    long wall = System.nanoTime();
    long cpu = process.getProcessCpuTime();
    for (int i = 0; i < calls; i++) {
      free.acquire();
      socketPass
          .authorizeAsync(handshake)
          .thenAccept(
              admission -> {
                if (admission.accepted()) {
                  accepted.incrementAndGet();
                }
                free.release();
                all.countDown();
              });
    }
    all.await();
    return Map.of(
        "calls", calls,
        "accepted", accepted.get(),
        "wall_ms", TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - wall),
        "cpu_ms", TimeUnit.NANOSECONDS.toMillis(process.getProcessCpuTime() - cpu));
  }

  /** What is live on the heap, once collections find no more to free. */
  private static long memory() {
    MemoryMXBean memory = ManagementFactory.getMemoryMXBean();
    long used = Long.MAX_VALUE;
    for (long before = used, now; ; before = now) {
      System.gc();
      now = memory.getHeapMemoryUsage().getUsed();
      used = Math.min(used, now);
      if (now >= before - 10_000) {
        return used;
      }
    }
  }

  private static void with(JsonNode settings, String name, Consumer<JsonNode> set) {
    if (settings.has(name)) {
      set.accept(settings.get(name));
    }
  }

  private static Path path(JsonNode tls, String name) {
    return tls.has(name) ? Path.of(tls.get(name).asText()) : null;
  }
}
