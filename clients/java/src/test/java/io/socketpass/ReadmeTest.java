package io.socketpass;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.socket.client.IO;
import io.socket.client.Socket;
import io.socketpass.spring.SpringServer;
import io.socketpass.testing.Examples;
import io.socketpass.testing.ReportCall;
import io.socketpass.testing.ScriptedSocketPass;
import io.socketpass.v1.ReportRequest;
import java.net.ServerSocket;
import java.net.URI;
import java.net.URLClassLoader;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.json.JSONObject;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The README's examples, as they are written. */
class ReadmeTest {
  @TempDir Path folder;

  /** With {@code readme.classpath} the first one is run as somebody else has built it. */
  @Test
  void theExampleForNettySocketIo() throws Exception {
    String classpath = System.getProperty("readme.classpath");
    if (classpath == null) {
      Examples.compile("Main", folder);
      classpath = folder + ":" + System.getProperty("java.class.path");
    }
    int port;
    try (ServerSocket free = new ServerSocket(0)) {
      port = free.getLocalPort();
    }
    try (ScriptedSocketPass service = new ScriptedSocketPass()) {
      Process main = Examples.start(classpath, "Main", service.address(), port);
      try {
        ReportCall report = service.nextReport();
        report.welcome(60_000);
        CompletableFuture<JSONObject> you = new CompletableFuture<>();
        // The server may not listen yet: the client tries again.
        Socket client =
            IO.socket(URI.create("http://127.0.0.1:" + port), IO.Options.builder().setReconnectionDelay(50).build());
        client.on("you", args -> you.complete((JSONObject) args[0]));
        client.connect();
        assertEquals("ada", you.get(45, TimeUnit.SECONDS).getString("name"));
        CompletableFuture<JSONObject> close = new CompletableFuture<>();
        client.on("socketpass:close", args -> close.complete((JSONObject) args[0]));
        main.destroy();
        assertEquals("gateway_draining", close.get(45, TimeUnit.SECONDS).getString("reason"));
        report.next(ReportRequest::hasGoodbye);
        client.close();
        assertTrue(main.waitFor(45, TimeUnit.SECONDS));
      } finally {
        main.destroyForcibly();
      }
    }
  }

  @Test
  void theExampleForSpring() throws Exception {
    Examples.compile("Sockets", folder);
    try (ScriptedSocketPass service = new ScriptedSocketPass();
        URLClassLoader loader = new URLClassLoader(new java.net.URL[] {folder.toUri().toURL()})) {
      System.setProperty("SOCKETPASS_ADDR", service.address());
      try (SpringServer server = new SpringServer(loader.loadClass("Sockets"))) {
        ReportCall report = service.nextReport();
        report.welcome(60_000);
        CompletableFuture<String> text = new CompletableFuture<>();
        CompletableFuture<Integer> code = new CompletableFuture<>();
        HttpClient.newHttpClient()
            .newWebSocketBuilder()
            .buildAsync(
                URI.create("ws://127.0.0.1:" + server.port() + "/chat"),
                new WebSocket.Listener() {
                  @Override
                  public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
                    text.complete(data.toString());
                    socket.request(1);
                    return null;
                  }

                  @Override
                  public CompletionStage<?> onClose(WebSocket socket, int status, String reason) {
                    code.complete(status);
                    return null;
                  }
                })
            .join();
        assertEquals("hello {logged_in=true, name=ada}", text.get(45, TimeUnit.SECONDS));
        server.close();
        assertEquals(4001, code.get(45, TimeUnit.SECONDS));
        report.next(ReportRequest::hasGoodbye);
      } finally {
        System.clearProperty("SOCKETPASS_ADDR");
      }
    }
  }
}
