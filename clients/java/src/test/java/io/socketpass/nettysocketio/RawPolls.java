package io.socketpass.nettysocketio;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.json.JSONObject;

/** Polls of a Socket.IO server that come when they are told to, and give what each of them was answered. */
final class RawPolls {
  private final int port;
  private final String sid;

  RawPolls(int port) throws Exception {
    this.port = port;
    String open = http().send(request("").build(), BodyHandlers.ofString()).body();
    sid = new JSONObject(open.substring(1)).getString("sid");
  }

  int port() {
    return port;
  }

  String sid() {
    return sid;
  }

  void send(String packet) throws IOException, InterruptedException {
    http().send(
        request("&sid=" + sid).POST(HttpRequest.BodyPublishers.ofString(packet)).build(), BodyHandlers.discarding());
  }

  /** The packets of one poll. */
  List<String> next() throws IOException, InterruptedException {
    return packets(http().send(request("&sid=" + sid).build(), BodyHandlers.ofString()));
  }

  CompletableFuture<List<String>> nextAsync() {
    return http().sendAsync(request("&sid=" + sid).build(), BodyHandlers.ofString()).thenApply(RawPolls::packets);
  }

  /** Anew each time: the server keeps no connection, but says that it does. */
  private static HttpClient http() {
    return HttpClient.newHttpClient();
  }

  private static List<String> packets(HttpResponse<String> answer) {
    if (answer.statusCode() != 200) {
      throw new AssertionError("a poll is answered with " + answer.statusCode());
    }
    return List.of(answer.body().split("\u001e"));
  }

  private HttpRequest.Builder request(String query) {
    return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/socket.io/?EIO=4&transport=polling" + query))
        .version(HttpClient.Version.HTTP_1_1)
        .timeout(Duration.ofSeconds(45));
  }
}
