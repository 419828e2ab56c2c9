package io.socketpass;

import io.socketpass.v1.Socket;
import java.time.Instant;
import java.util.Map;

/**
 * A socket that is open somewhere in the fleet.
 *
 * @param gatewayId the process that holds it
 * @param socketId its name there
 * @param namespace Socket.IO's namespace, or the path of a plain WebSocket
 * @param remoteAddress the peer's address; empty for callers who are no admins
 * @param origin the handshake's {@code Origin}
 * @param user who is behind it
 * @param data the application's own
 * @param connectedAt when it opened
 */
public record FleetSocket(
    String gatewayId,
    String socketId,
    String namespace,
    String remoteAddress,
    String origin,
    Map<String, Object> user,
    Map<String, Object> data,
    Instant connectedAt) {

  static FleetSocket of(Socket socket) {
    return new FleetSocket(
        socket.getGatewayId(),
        socket.getSocketId(),
        socket.getNamespace(),
        socket.getRemoteAddress(),
        socket.getOrigin(),
        Structs.toMap(socket.getUser()),
        Structs.toMap(socket.getData()),
        Instant.ofEpochSecond(socket.getConnectedAt().getSeconds(), socket.getConnectedAt().getNanos()));
  }
}
