package io.socketpass;

import com.google.protobuf.ListValue;
import com.google.protobuf.NullValue;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** protobuf's JSON values and Java's own. */
final class Structs {
  /** The largest double up to which every whole number has one of its own. */
  private static final double SAFE = 0x1p53;

  /** How deep an object or a list may be that the service takes. */
  private static final int LEVELS = 24;

  /** With more members a map has to find them quicker than one after the other. */
  private static final int FEW = 16;

  private Structs() {}

  /** A map that may be written to. */
  static Map<String, Object> toMap(Struct struct) {
    Map<String, Value> fields = struct.getFieldsMap();
    if (fields.size() > FEW) {
      Map<String, Object> map = new LinkedHashMap<>();
      fields.forEach((name, value) -> map.put(name, toObject(value)));
      return map;
    }
    Object[] members = new Object[2 * fields.size()];
    int next = 0;
    for (Map.Entry<String, Value> field : fields.entrySet()) {
      // Users are alike: ten thousand of them need each name once.
      members[next++] = field.getKey().intern();
      members[next++] = toObject(field.getValue());
    }
    return new SmallMap(members);
  }

  static List<Object> toList(List<Value> values) {
    // Not List.of: null is a value.
    List<Object> list = new ArrayList<>(values.size());
    values.forEach(value -> list.add(toObject(value)));
    return list;
  }

  static Object toObject(Value value) {
    return switch (value.getKindCase()) {
      case BOOL_VALUE -> value.getBoolValue();
      case NUMBER_VALUE -> number(value.getNumberValue());
      case STRING_VALUE -> value.getStringValue();
      case STRUCT_VALUE -> toMap(value.getStructValue());
      case LIST_VALUE -> toList(value.getListValue().getValuesList());
      case NULL_VALUE, KIND_NOT_SET -> null;
    };
  }

  /** A whole number is a Long, so that it is written without a point again. */
  private static Object number(double number) {
    return number == Math.rint(number) && Math.abs(number) <= SAFE ? (Object) (long) number : (Object) number;
  }

  /**
   * As the service takes it.
   *
   * @throws IllegalArgumentException if it is deeper than 24 levels, or holds something else than JSON values
   */
  static Struct toStruct(Map<?, ?> map) {
    return toStruct(map, 1);
  }

  /** The same for an argument of an event. */
  static Value toValue(Object object) {
    return toValue(object, 1);
  }

  private static Struct toStruct(Map<?, ?> map, int level) {
    requireShallow(level);
    Struct.Builder struct = Struct.newBuilder();
    map.forEach((name, value) -> struct.putFields(name.toString(), toValue(value, level + 1)));
    return struct.build();
  }

  private static ListValue toListValue(Iterable<?> items, int level) {
    requireShallow(level);
    ListValue.Builder list = ListValue.newBuilder();
    items.forEach(item -> list.addValues(toValue(item, level + 1)));
    return list.build();
  }

  private static Value toValue(Object object, int level) {
    Value.Builder value = Value.newBuilder();
    if (object == null) {
      value.setNullValue(NullValue.NULL_VALUE);
    } else if (object instanceof Boolean bool) {
      value.setBoolValue(bool);
    } else if (object instanceof Number number) {
      value.setNumberValue(number.doubleValue());
    } else if (object instanceof Map<?, ?> map) {
      value.setStructValue(toStruct(map, level));
    } else if (object instanceof Iterable<?> items) {
      value.setListValue(toListValue(items, level));
    } else if (object instanceof CharSequence || object instanceof Character || object instanceof Enum<?>) {
      value.setStringValue(object.toString());
    } else {
      throw new IllegalArgumentException(
          object.getClass().getName() + " is no JSON value: take a map, a list, a text, a number, a boolean or null");
    }
    return value.build();
  }

  private static void requireShallow(int level) {
    if (level > LEVELS) {
      throw new IllegalArgumentException("deeper than " + LEVELS + " levels");
    }
  }
}
