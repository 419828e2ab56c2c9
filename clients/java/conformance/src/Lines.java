import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/** What the subject says and hears: one JSON object a line. */
final class Lines {
  static final ObjectMapper JSON = new ObjectMapper();
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  interface Heard {
    Map<String, Object> answer(JsonNode line) throws Exception;
  }

  private Lines() {}

  static void say(String event, Object... members) {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("event", event);
    for (int i = 0; i < members.length; i += 2) {
      line.put((String) members[i], members[i + 1]);
    }
    say(line);
  }

  /** Answers the lines that come, until there are no more. */
  static void hear(Heard heard) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String text; (text = in.readLine()) != null; ) {
      JsonNode line = JSON.readTree(text);
      Map<String, Object> answer = new LinkedHashMap<>();
      answer.put("event", "answer");
      answer.put("id", line.get("id").asLong());
      try {
        answer.putAll(heard.answer(line));
      } catch (RuntimeException e) {
        answer.put("error", e.getMessage());
      }
      say(answer);
    }
  }

  @SuppressWarnings("unchecked")
  static Map<String, Object> map(JsonNode node) {
    return node == null ? Map.of() : JSON.convertValue(node, Map.class);
  }

  private static void say(Map<String, Object> line) {
    try {
      OUT.println(JSON.writeValueAsString(line));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
