package io.socketpass.nettysocketio;

import com.corundumstudio.socketio.Configuration;
import com.corundumstudio.socketio.SocketIOClient;
import com.corundumstudio.socketio.handler.ClientHead;
import com.corundumstudio.socketio.namespace.Namespace;
import com.corundumstudio.socketio.transport.NamespaceClient;
import io.netty.channel.ChannelHandler.Sharable;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;

/**
 * Where clients are until they are let into the namespace {@code /}.
 *
 * <p>netty-socketio puts everybody into that namespace with the Engine.IO handshake, before the client has asked for it and has
 * sent its auth payload; it leaves out those who are in it already. A namespace of the same name passes for it, in which nothing
 * is sent and nobody listens. As a handler, the lobby stands between the handshake and the transports, which would put clients
 * into {@code /}.
 */
@Sharable
final class Lobby extends ChannelInboundHandlerAdapter {
  private final Namespace room;

  Lobby(Configuration configuration) {
    room = new Namespace(Namespace.DEFAULT_NAME, configuration);
  }

  @Override
  public void channelRead(ChannelHandlerContext context, Object message) {
    ClientHead head = context.channel().attr(ClientHead.CLIENT).get();
    if (head != null && head.isConnected()) {
      takeIn(head);
    }
    context.fireChannelRead(message);
  }

  /** Takes in whoever is not in {@code /}. */
  void takeIn(ClientHead head) {
    if (!head.getNamespaces().contains(room)) {
      head.addNamespaceClient(room);
    }
  }

  /** Puts the client into a namespace, out of the lobby or of its former life there. */
  NamespaceClient letInto(Namespace namespace, ClientHead head) {
    SocketIOClient before = head.getChildClient(namespace);
    if (before != null) {
      ((Namespace) before.getNamespace()).onDisconnect(before);
    }
    return head.addNamespaceClient(namespace);
  }

  /** Whether the client is in no namespace. */
  boolean holdsOnly(ClientHead head) {
    return head.getNamespaces().size() == 1 && holds(head);
  }

  boolean holds(ClientHead head) {
    SocketIOClient client = client(head);
    return client != null && client.getNamespace() == room;
  }

  /** The client as it is here, or in {@code /}. */
  SocketIOClient client(ClientHead head) {
    return head.getChildClient(room);
  }
}
