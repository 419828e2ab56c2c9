package io.socketpass;

import com.google.protobuf.Struct;
import java.util.Collection;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;

/**
 * The sockets that are open in this process: whatever becomes of a stream, the next one begins with them. Whoever opens, changes
 * or removes one, the stream hears of it.
 */
final class OpenSockets {
  private final Map<String, OpenSocket> open = new ConcurrentHashMap<>();
  private volatile Consumer<String> changed = socketId -> {};

  void onChange(Consumer<String> changed) {
    this.changed = changed;
  }

  void add(OpenSocket socket) {
    open.put(socket.socketId, socket);
    changed.accept(socket.socketId);
  }

  boolean setData(String socketId, Struct data) {
    OpenSocket socket = open.get(socketId);
    if (socket != null) {
      socket.data(data);
      changed.accept(socketId);
    }
    return socket != null;
  }

  void remove(String socketId) {
    if (open.remove(socketId) != null) {
      changed.accept(socketId);
    }
  }

  /** Removes this one alone: its name may be another's by now. */
  void remove(OpenSocket socket) {
    if (open.remove(socket.socketId, socket)) {
      changed.accept(socket.socketId);
    }
  }

  OpenSocket get(String socketId) {
    return open.get(socketId);
  }

  Collection<OpenSocket> all() {
    return open.values();
  }
}
