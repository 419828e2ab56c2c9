package io.socketpass;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What somebody sends to sockets of the fleet.
 *
 * @param name the event's name
 * @param args its arguments: JSON values
 */
public record SocketEvent(String name, List<Object> args) {
  /** As plain WebSockets get it: {@code {"event": name, "args": [...]}}. */
  public String toJson() {
    Map<String, Object> message = new LinkedHashMap<>();
    message.put("event", name);
    message.put("args", args);
    return Json.write(message);
  }
}
