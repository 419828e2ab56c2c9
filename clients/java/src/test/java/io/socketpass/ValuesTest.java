package io.socketpass;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.socketpass.v1.Reason;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ValuesTest {
  private static Map<String, Object> everything() {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("text", "é\"\\\n");
    map.put("whole", 4711L);
    map.put("half", 0.5);
    map.put("yes", true);
    map.put("nothing", null);
    map.put("list", Arrays.asList(1L, null, Map.of("a", List.of())));
    return map;
  }

  @Test
  void valuesComeBackAsTheyWere() {
    assertEquals(everything(), Structs.toMap(Structs.toStruct(everything())));
  }

  @Test
  void usersOfManyFieldsAreKeptInOrderToo() {
    for (int fields : new int[] {0, 1, 16, 17, 1_000}) {
      Map<String, Object> map = new LinkedHashMap<>();
      for (int i = 0; i < fields; i++) {
        map.put("n" + i, (long) i);
      }
      Map<String, Object> read = Structs.toMap(Structs.toStruct(map));
      assertEquals(List.copyOf(map.keySet()), List.copyOf(read.keySet()));
      read.put("more", true);
      map.put("more", true);
      assertEquals(map, read);
    }
  }

  @Test
  void numbersOfAllKindsAreNumbers() {
    assertEquals(Map.of("a", 1L, "b", 1.5, "c", 1e300), Structs.toMap(Structs.toStruct(Map.of("a", 1, "b", 1.5f, "c", 1e300))));
  }

  @Test
  void whatIsNoJsonIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> Structs.toStruct(Map.of("a", new Object())));
  }

  @Test
  void whatIsTooDeepForTheServiceIsRefused() {
    assertEquals(nested(24), Structs.toMap(Structs.toStruct(nested(24))));
    assertThrows(IllegalArgumentException.class, () -> Structs.toStruct(nested(25)));
    assertThrows(IllegalArgumentException.class, () -> Structs.toStruct(Map.of("a", List.of(nested(23)))));
    Map<String, Object> itself = new LinkedHashMap<>();
    itself.put("a", itself);
    assertThrows(IllegalArgumentException.class, () -> Structs.toStruct(itself));
  }

  private static Map<String, Object> nested(int levels) {
    return levels == 1 ? Map.of("a", 1L) : Map.of("a", nested(levels - 1));
  }

  @Test
  void jsonIsWritten() {
    assertEquals(
        "{\"text\":\"é\\\"\\\\\\u000a\",\"whole\":4711,\"half\":0.5,\"yes\":true,\"nothing\":null,\"list\":[1,null,{\"a\":[]}]}",
        Json.write(everything()));
    assertEquals("{\"event\":\"news\",\"args\":[1,\"a\"]}", new SocketEvent("news", List.of(1L, "a")).toJson());
  }

  @Test
  void whatIsAsGoodAsALoginIsNotPrinted() {
    Decision decision = new Decision(true, Reason.REASON_AUTHORIZED, "", false, Map.of(), "secret", null);
    Handshake handshake =
        Handshake.builder().header("cookie", "secret").url("/?session_id=secret").auth(Map.of("a", "secret")).build();
    String printed = handshake + " " + decision + " " + Admission.granted(decision, Decision.NOBODY);
    assertFalse(printed.contains("secret"), printed);
  }

  @Test
  void repeatedHeadersAreJoined() {
    Handshake handshake =
        Handshake.builder()
            .header("Cookie", "a=1").header("cookie", "b=2")
            .header("X-Forwarded-For", "1.1.1.1").header("x-forwarded-for", "2.2.2.2")
            .build();
    assertEquals(Map.of("cookie", "a=1; b=2", "x-forwarded-for", "1.1.1.1, 2.2.2.2"), handshake.headers());
    assertEquals("a=1; b=2", handshake.header("COOKIE"));
    assertEquals("", handshake.header("origin"));
  }
}
