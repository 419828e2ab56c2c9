package io.socketpass.nettysocketio;

import com.corundumstudio.socketio.AuthTokenResult;
import com.corundumstudio.socketio.HandshakeData;
import com.corundumstudio.socketio.handler.ClientHead;
import com.corundumstudio.socketio.namespace.Namespace;
import com.corundumstudio.socketio.namespace.NamespacesHub;
import com.corundumstudio.socketio.protocol.ConnPacket;
import com.corundumstudio.socketio.protocol.JsonSupport;
import com.corundumstudio.socketio.protocol.Packet;
import com.corundumstudio.socketio.protocol.PacketType;
import com.corundumstudio.socketio.transport.NamespaceClient;
import io.netty.buffer.ByteBufInputStream;
import io.netty.buffer.Unpooled;
import io.netty.channel.EventLoop;
import io.socketpass.Admission;
import io.socketpass.Handshake;
import io.socketpass.SocketPass;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** Lets clients into namespaces, or tells them why not. */
final class Door {
  /** Sockets that are asked about. */
  private final Set<String> asked = ConcurrentHashMap.newKeySet();

  private final SocketPass socketPass;
  private final NamespacesHub namespaces;
  private final Sockets sockets;
  private final Lobby lobby;
  private final JsonSupport json;

  Door(SocketPass socketPass, NamespacesHub namespaces, Sockets sockets, Lobby lobby, JsonSupport json) {
    this.socketPass = socketPass;
    this.namespaces = namespaces;
    this.sockets = sockets;
    this.lobby = lobby;
    this.json = json;
  }

  void connect(ClientHead head, String name, String payload, EventLoop loop) throws IOException {
    Namespace namespace = namespaces.get(name);
    if (namespace == null) {
      refuse(head, name, Map.of("message", "Invalid namespace"), loop);
      return;
    }
    Handshake handshake = handshake(head.getHandshakeData(), parse(name, payload), name);
    String id = Sockets.id(head.getSessionId(), namespace);
    if (sockets.isOpen(head, name) || !asked.add(id)) {
      return;
    }
    socketPass
        .authorizeAsync(handshake)
        .whenCompleteAsync(
            (admission, thrown) -> {
              asked.remove(id);
              if (!head.isConnected()) {
                return;
              }
              if (admission.accepted()) {
                admit(head, namespace, handshake, admission, loop);
              } else {
                refuse(head, name, told(admission), loop);
              }
            },
            loop);
  }

  /** What netty-socketio itself does with a CONNECT. */
  private void admit(ClientHead head, Namespace namespace, Handshake handshake, Admission admission, EventLoop loop) {
    if (!handshake.auth().isEmpty()) {
      head.getHandshakeData().setAuthToken(handshake.auth());
      AuthTokenResult own = namespace.onAuthData(lobby.client(head), handshake.auth());
      if (!own.isSuccess()) {
        refuse(head, namespace.getName(), own.getErrorData(), loop);
        return;
      }
    }
    NamespaceClient client = lobby.letInto(namespace, head);
    sockets.open(head, client, handshake, admission, loop);
    if (!head.isConnected()) {
      // It ended meanwhile, and nobody would take the client out of the namespace any more.
      client.onDisconnect();
      sockets.ended(head);
      return;
    }
    Packet packet = packet(head, namespace.getName(), PacketType.CONNECT);
    packet.setData(new ConnPacket(head.getSessionId()));
    head.send(packet);
    namespace.onConnect(client);
  }

  private void refuse(ClientHead head, String namespace, Object told, EventLoop loop) {
    Packet packet = packet(head, namespace, PacketType.ERROR);
    packet.setData(told);
    head.send(packet);
    sockets.endSoon(head, loop);
  }

  private static Map<String, Object> told(Admission admission) {
    return Map.of(
        "message", admission.message(),
        "data", Map.of("code", admission.close().code(), "reason", admission.close().reason()));
  }

  private static Packet packet(ClientHead head, String namespace, PacketType type) {
    Packet packet = new Packet(PacketType.MESSAGE, head.getEngineIOVersion());
    packet.setSubType(type);
    packet.setNsp(namespace);
    return packet;
  }

  @SuppressWarnings("unchecked")
  private Map<String, Object> parse(String namespace, String payload) throws IOException {
    if (payload.isEmpty()) {
      return Map.of();
    }
    ByteBufInputStream in = new ByteBufInputStream(Unpooled.copiedBuffer(payload, StandardCharsets.UTF_8));
    Map<String, Object> auth = json.readValue(namespace, in, Map.class);
    return auth == null ? Map.of() : auth;
  }

  private static Handshake handshake(HandshakeData data, Map<String, Object> auth, String namespace) {
    Handshake.Builder handshake =
        Handshake.builder()
            .url(data.getUrl())
            .auth(auth)
            .remoteAddress(address(data.getAddress()))
            .xdomain(data.isXdomain())
            .namespace(namespace.equals(Namespace.DEFAULT_NAME) ? "/" : namespace);
    data.getHttpHeaders().forEach(header -> handshake.header(header.getKey(), header.getValue()));
    return handshake.build();
  }

  private static String address(InetSocketAddress address) {
    return address == null ? "" : address.getAddress().getHostAddress();
  }
}
