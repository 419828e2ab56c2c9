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
  private volatile Consumer<OpenSocket> changed = socket -> {};

  void onChange(Consumer<OpenSocket> changed) {
    this.changed = changed;
  }

  void add(OpenSocket socket) {
    OpenSocket before = open.put(socket.socketId, socket);
    if (before != null) {
      changed.accept(before);
    }
    changed.accept(socket);
  }

  boolean setData(String socketId, Struct data) {
    OpenSocket socket = open.get(socketId);
    if (socket != null) {
      socket.data(data);
      changed.accept(socket);
    }
    return socket != null;
  }

  void remove(String socketId) {
    OpenSocket socket = open.remove(socketId);
    if (socket != null) {
      changed.accept(socket);
    }
  }

  /** Removes this one alone: its name may be another's by now. */
  void remove(OpenSocket socket) {
    if (open.remove(socket.socketId, socket)) {
      changed.accept(socket);
    }
  }

  OpenSocket get(String socketId) {
    return open.get(socketId);
  }

  Collection<OpenSocket> all() {
    return open.values();
  }
}
