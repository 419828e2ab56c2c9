package io.socketpass;

import com.google.protobuf.Struct;
import com.google.protobuf.Timestamp;
import io.socketpass.v1.Socket;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A socket of this process, and what is reported of it. */
final class OpenSocket {
  final String socketId;
  final SocketConnection connection;
  final long openedAt = System.nanoTime();
  /** The stream that has told that it is open; for the streams' own thread. */
  ReportStream toldBy;

  private final long connectedAt = System.currentTimeMillis();
  private final String namespace;
  private final String sessionId;
  private final String remoteAddress;
  private final String origin;
  private volatile Map<String, Object> user;
  private volatile Struct data;

  OpenSocket(String socketId, Handshake handshake, Admission admission, SocketConnection connection) {
    this.socketId = socketId;
    this.connection = connection;
    namespace = handshake.namespace();
    sessionId = admission.sessionId();
    remoteAddress = handshake.remoteAddress();
    origin = handshake.header("origin");
    user = admission.user();
  }

  void user(Map<String, Object> user) {
    this.user = user;
  }

  void data(Struct data) {
    this.data = data;
  }

  Socket toProto() {
    Socket.Builder socket =
        Socket.newBuilder()
            .setSocketId(socketId)
            .setNamespace(namespace)
            .setSessionId(sessionId)
            .setRemoteAddress(remoteAddress)
            .setOrigin(origin)
            .setUser(Structs.toStruct(user))
            .setConnectedAt(
                Timestamp.newBuilder()
                    .setSeconds(connectedAt / 1_000)
                    .setNanos((int) TimeUnit.MILLISECONDS.toNanos(connectedAt % 1_000)));
    if (data != null) {
      socket.setData(data);
    }
    return socket.build();
  }
}
