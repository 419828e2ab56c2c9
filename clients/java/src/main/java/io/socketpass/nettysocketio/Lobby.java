package io.socketpass.nettysocketio;

import com.corundumstudio.socketio.Configuration;
import com.corundumstudio.socketio.SocketIOClient;
import com.corundumstudio.socketio.handler.ClientHead;
import com.corundumstudio.socketio.namespace.Namespace;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandler.Sharable;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;

/**
 * Where clients are until they are let into the namespace {@code /}.
 *
 * <p>netty-socketio puts everybody into that namespace with the Engine.IO handshake, before the client has asked for it and has
 * sent its auth payload; it leaves out those who are in it already. The lobby passes for it: a namespace of the same name, in
 * which nobody is listed, nothing is sent and nobody listens.
 */
final class Lobby extends Namespace {
  Lobby(Configuration configuration) {
    super(DEFAULT_NAME, configuration);
  }

  @Override
  public void addClient(SocketIOClient client) {
    // Not listed.
  }

  /** Takes in whoever is not in {@code /}. */
  void takeIn(ClientHead head) {
    if (!head.getNamespaces().contains(this)) {
      head.addNamespaceClient(this);
    }
  }

  /** Whether the client is in no namespace. */
  boolean holdsOnly(ClientHead head) {
    SocketIOClient client = client(head);
    return head.getNamespaces().size() == 1 && client != null && client.getNamespace() == this;
  }

  /** The client as it is here, or in {@code /}. */
  SocketIOClient client(ClientHead head) {
    return head.getChildClient(this);
  }

  /** Takes in a client between its handshake and the transport, which would put it into {@code /}. */
  ChannelHandler handler() {
    return new Handler();
  }

  @Sharable
  private final class Handler extends ChannelInboundHandlerAdapter {
    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
      ClientHead head = context.channel().attr(ClientHead.CLIENT).get();
      if (head != null && head.isConnected()) {
        takeIn(head);
      }
      context.fireChannelRead(message);
    }
  }
}
