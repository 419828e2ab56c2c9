package io.socketpass;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Struct;
import com.google.protobuf.Timestamp;
import io.socketpass.v1.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Instant;

/** A socket of this process, and what is reported of it: the user as the service knows it, whatever the application makes of it. */
final class OpenSocket {
  private static final int MAX_TEXT = 1024;
  private static final int MAX_USER = 64 * 1024;
  private static final CauseLog LEFT_OUT = new CauseLog();

  final String socketId;
  final SocketConnection connection;
  final long openedAt = System.nanoTime();

  /** The stream by which the service knows that it is open; for the streams' own thread. */
  ReportStream toldBy;

  /** What is reported but for the id, encoded: as objects it would take five times the memory. */
  private volatile byte[] reported;

  OpenSocket(String socketId, Handshake handshake, Admission admission, SocketConnection connection) {
    this.socketId = socketId;
    this.connection = connection;
    Instant now = Instant.now();
    reported =
        Socket.newBuilder()
            .setNamespace(fitting("namespace", handshake.namespace()))
            .setSessionId(fitting("session_id", admission.sessionId()))
            .setRemoteAddress(fitting("remote_address", handshake.remoteAddress()))
            .setOrigin(fitting("origin", handshake.header("origin")))
            .setUser(fitting(admission.reported()))
            .setConnectedAt(Timestamp.newBuilder().setSeconds(now.getEpochSecond()).setNanos(now.getNano()))
            .build()
            .toByteArray();
  }

  synchronized void user(Struct user) {
    reported = decoded().setUser(fitting(user)).build().toByteArray();
  }

  synchronized void data(Struct data) {
    reported = decoded().setData(data).build().toByteArray();
  }

  Socket toProto() {
    return decoded().setSocketId(socketId).build();
  }

  private Socket.Builder decoded() {
    try {
      return Socket.newBuilder().mergeFrom(reported);
    } catch (InvalidProtocolBufferException e) {
      throw new IllegalStateException(e);
    }
  }

  /** What the service would not take is left out: a batch must not fail for it. */
  private static String fitting(String field, String text) {
    return fits(field, text.getBytes(StandardCharsets.UTF_8).length, MAX_TEXT) ? text : "";
  }

  private static Struct fitting(Struct user) {
    return fits("user", user.getSerializedSize(), MAX_USER) ? user : Struct.getDefaultInstance();
  }

  private static boolean fits(String field, int size, int most) {
    if (size > most) {
      LEFT_OUT.warn(field, "sockets are listed without a field, " + field + ": more than " + most + " bytes");
    }
    return size <= most;
  }
}
