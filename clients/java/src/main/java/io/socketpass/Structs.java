package io.socketpass;

import com.google.protobuf.ListValue;
import com.google.protobuf.NullValue;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** protobuf's JSON values and Java's own. */
final class Structs {
  /** The largest double up to which every whole number has one of its own. */
  private static final double SAFE = 0x1p53;

  private Structs() {}

  /** Is never to be written to: what cannot be takes half the memory. */
  static Map<String, Object> toMap(Struct struct) {
    Map<String, Object> map = new HashMap<>(struct.getFieldsCount());
    // Users are alike: ten thousand of them need each name once.
    struct.getFieldsMap().forEach((name, value) -> map.put(name.intern(), toObject(value)));
    // Map.copyOf takes no null, which is a value here.
    return map.containsValue(null) ? Collections.unmodifiableMap(map) : Map.copyOf(map);
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

  static Struct toStruct(Map<String, ?> map) {
    Struct.Builder struct = Struct.newBuilder();
    map.forEach((name, value) -> struct.putFields(name, toValue(value)));
    return struct.build();
  }

  static Value toValue(Object object) {
    Value.Builder value = Value.newBuilder();
    if (object == null) {
      value.setNullValue(NullValue.NULL_VALUE);
    } else if (object instanceof Boolean bool) {
      value.setBoolValue(bool);
    } else if (object instanceof Number number) {
      value.setNumberValue(number.doubleValue());
    } else if (object instanceof Map<?, ?> map) {
      Struct.Builder struct = value.getStructValueBuilder();
      map.forEach((name, member) -> struct.putFields(name.toString(), toValue(member)));
    } else if (object instanceof Iterable<?> items) {
      ListValue.Builder list = value.getListValueBuilder();
      items.forEach(item -> list.addValues(toValue(item)));
    } else if (object instanceof CharSequence || object instanceof Character || object instanceof Enum<?>) {
      value.setStringValue(object.toString());
    } else {
      throw new IllegalArgumentException(
          object.getClass().getName() + " is no JSON value: take a map, a list, a text, a number, a boolean or null");
    }
    return value.build();
  }
}
