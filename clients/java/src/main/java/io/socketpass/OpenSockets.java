package io.socketpass;

import java.util.Collection;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The sockets that are open in this process: whatever becomes of a stream, the next one begins with them. */
final class OpenSockets {
  private final Map<String, OpenSocket> open = new ConcurrentHashMap<>();

  void add(OpenSocket socket) {
    open.put(socket.socketId, socket);
  }

  OpenSocket get(String socketId) {
    return open.get(socketId);
  }

  OpenSocket remove(String socketId) {
    return open.remove(socketId);
  }

  Collection<OpenSocket> all() {
    return open.values();
  }
}
