package io.socketpass;

import io.socketpass.v1.CountSocketsResponse;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * How many sockets match.
 *
 * @param total all of them
 * @param groups how many by the value at {@code groupBy}, the largest first; those that have nothing there are under null
 * @param view how much the answer knows
 */
public record SocketCount(long total, Map<Object, Long> groups, View view) {
  static SocketCount of(CountSocketsResponse response) {
    Map<Object, Long> groups = new LinkedHashMap<>();
    response.getGroupsList().forEach(group -> groups.put(Structs.toObject(group.getKey()), group.getCount()));
    return new SocketCount(response.getTotal(), groups, View.of(response.getView()));
  }
}
