package io.socketpass;

import com.google.protobuf.Struct;
import com.google.protobuf.Timestamp;
import io.socketpass.v1.Socket;
import java.time.Instant;

/** A socket of this process, and what is reported of it: the user as the service knows it, whatever the application makes of it. */
final class OpenSocket {
  final String socketId;
  final SocketConnection connection;
  final long openedAt = System.nanoTime();
  private volatile Socket reported;

  OpenSocket(String socketId, Handshake handshake, Admission admission, SocketConnection connection) {
    this.socketId = socketId;
    this.connection = connection;
    Instant now = Instant.now();
    reported =
        Socket.newBuilder()
            .setSocketId(socketId)
            .setNamespace(handshake.namespace())
            .setSessionId(admission.sessionId())
            .setRemoteAddress(handshake.remoteAddress())
            .setOrigin(handshake.header("origin"))
            .setUser(admission.reported())
            .setConnectedAt(Timestamp.newBuilder().setSeconds(now.getEpochSecond()).setNanos(now.getNano()))
            .build();
  }

  synchronized void user(Struct user) {
    reported = reported.toBuilder().setUser(user).build();
  }

  synchronized void data(Struct data) {
    reported = reported.toBuilder().setData(data).build();
  }

  Socket toProto() {
    return reported;
  }
}
