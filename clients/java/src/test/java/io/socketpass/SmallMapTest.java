package io.socketpass;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.util.ArrayList;
import java.util.ConcurrentModificationException;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SmallMapTest {
  private final Map<String, Object> map = new SmallMap(new Object[] {"a", 1, "b", null, "c", 3});

  private static void assertAlike(Map<String, Object> expected, Map<String, Object> map) {
    assertEquals(new ArrayList<>(expected.entrySet()), new ArrayList<>(map.entrySet()));
    assertEquals(expected, map);
    assertEquals(map, expected);
    assertEquals(expected.hashCode(), map.hashCode());
    assertEquals(expected.toString(), map.toString());
  }

  @Test
  void itIsWhatAnyMapIs() {
    Map<String, Object> expected = new LinkedHashMap<>();
    Map<String, Object> small = new SmallMap();
    Random random = new Random(1);
    for (int i = 0; i < 10_000; i++) {
      String name = "n" + random.nextInt(8);
      Object value = random.nextInt(4) == 0 ? null : random.nextInt(4);
      switch (random.nextInt(6)) {
        case 0, 1 -> assertEquals(expected.put(name, value), small.put(name, value));
        case 2 -> assertEquals(expected.remove(name), small.remove(name));
        case 3 -> assertEquals(expected.putIfAbsent(name, value), small.putIfAbsent(name, value));
        case 4 -> assertEquals(expected.values().removeIf(held -> held == value), small.values().removeIf(held -> held == value));
        default -> assertEquals(expected.keySet().remove(name), small.keySet().remove(name));
      }
      assertAlike(expected, small);
      assertEquals(expected.containsKey(name), small.containsKey(name));
      assertEquals(expected.get(name), small.get(name));
    }
    small.clear();
    assertAlike(Map.of(), small);
  }

  @Test
  void aNullIsAMemberAndWhatIsNotThereIsNone() {
    assertTrue(map.containsKey("b"));
    assertNull(map.get("b"));
    assertFalse(map.containsKey("d"));
    assertFalse(map.containsKey(null));
    assertFalse(map.containsKey(1));
    assertEquals(4, map.getOrDefault("d", 4));
    map.put(null, 5);
    assertEquals(5, map.get(null));
  }

  @Test
  void entriesWriteThrough() {
    map.entrySet().forEach(entry -> assertEquals(map.get(entry.getKey()), entry.setValue(entry.getKey() + "!")));
    assertEquals("{a=a!, b=b!, c=c!}", map.toString());
    map.replaceAll((name, value) -> name);
    assertEquals("{a=a, b=b, c=c}", map.toString());
  }

  @Test
  void whoeverIteratesIsToldOfChanges() {
    Iterator<String> names = map.keySet().iterator();
    assertThrows(IllegalStateException.class, names::remove);
    names.next();
    names.remove();
    assertThrows(IllegalStateException.class, names::remove);
    assertEquals("b", names.next());
    map.put("c", 4);
    assertEquals("c", names.next());
    assertThrows(NoSuchElementException.class, names::next);
    map.put("d", 5);
    assertThrows(ConcurrentModificationException.class, names::next);
    assertThrows(ConcurrentModificationException.class, names::remove);
  }

  @Test
  void whatIsSerializedNeedsNoClassOfTheClients() throws Exception {
    Map<String, Object> user = Map.of("user", List.of(map));
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
      out.writeObject(user);
    }
    try (ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
      Map<?, ?> read = (Map<?, ?>) in.readObject();
      assertEquals(user, read);
      assertEquals(LinkedHashMap.class, ((List<?>) read.get("user")).get(0).getClass());
    }
  }
}
