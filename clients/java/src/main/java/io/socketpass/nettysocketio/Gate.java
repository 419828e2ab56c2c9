package io.socketpass.nettysocketio;

import com.corundumstudio.socketio.Configuration;
import com.corundumstudio.socketio.Transport;
import com.corundumstudio.socketio.handler.ClientHead;
import com.corundumstudio.socketio.messages.PacketsMessage;
import com.corundumstudio.socketio.protocol.Packet;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandler.Sharable;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.QueryStringDecoder;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/** Sees packets before netty-socketio: a CONNECT goes to the {@link Door}, a message passes if its socket was let in. */
@Sharable
final class Gate extends ChannelInboundHandlerAdapter {
  private static final String VERSION = "4";

  private final String path;
  private final Door door;
  private final Sockets sockets;

  Gate(Configuration configuration, Door door, Sockets sockets) {
    this.path = configuration.getContext() + "/";
    this.door = door;
    this.sockets = sockets;
  }

  @Override
  public void channelRead(ChannelHandlerContext context, Object message) throws IOException {
    if (message instanceof PacketsMessage packets) {
      // Polls and a WebSocket of one client come on several threads: what is found out here must hold when netty-socketio reads.
      synchronized (packets.getClient()) {
        packets(context, packets);
      }
    } else if (message instanceof FullHttpRequest request && isOfAnotherVersion(request)) {
      request.release();
      refuseVersion(context);
    } else {
      context.fireChannelRead(message);
    }
  }

  private void packets(ChannelHandlerContext context, PacketsMessage message) throws IOException {
    ByteBuf content = message.getContent();
    if (message.getTransport() == Transport.WEBSOCKET && awaitsAttachment(message.getClient())) {
      if (Packets.isPrefixed(content)) {
        // netty-socketio would read this attachment as a frame of Engine.IO 3.
        message.getClient().disconnect();
      } else {
        context.fireChannelRead(message);
      }
      return;
    }
    while (content.isReadable()) {
      int length = content.bytesBefore(Packets.SEPARATOR);
      ByteBuf packet = content.readSlice(length < 0 ? content.readableBytes() : length);
      if (content.isReadable()) {
        content.skipBytes(1);
      }
      if (Packets.isRegular(packet)) {
        packet(context, message, packet);
      }
    }
  }

  private void packet(ChannelHandlerContext context, PacketsMessage message, ByteBuf packet) throws IOException {
    ClientHead head = message.getClient();
    if (Packets.isConnect(packet)) {
      door.connect(head, Packets.wanted(packet), Packets.payload(packet), context.channel().eventLoop());
      return;
    }
    PacketsMessage one = new PacketsMessage(head, packet, message.getTransport());
    if (!Packets.isMessage(packet)) {
      context.fireChannelRead(one);
      return;
    }
    String namespace = Packets.namespace(packet);
    if (!sockets.isOpen(head, namespace)) {
      return;
    }
    if (Packets.isDisconnect(packet)) {
      // netty-socketio might find another namespace in it.
      sockets.left(head, namespace);
    } else {
      context.fireChannelRead(one);
    }
  }

  private static boolean awaitsAttachment(ClientHead head) {
    Packet packet = head.getLastBinaryPacket();
    return packet != null && packet.hasAttachments() && !packet.isAttachmentsLoaded();
  }

  /** Clients of Engine.IO 3 do not ask for a namespace before they are in it. */
  private boolean isOfAnotherVersion(FullHttpRequest request) {
    QueryStringDecoder url = new QueryStringDecoder(request.uri());
    Map<String, List<String>> params = url.parameters();
    return url.path().equals(path)
        && !params.containsKey("sid")
        && !params.getOrDefault("EIO", List.of()).equals(List.of(VERSION));
  }

  private static void refuseVersion(ChannelHandlerContext context) {
    ByteBuf body = Unpooled.copiedBuffer("{\"code\":5,\"message\":\"Unsupported protocol version\"}", StandardCharsets.UTF_8);
    var response = new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.BAD_REQUEST, body);
    response.headers().set(HttpHeaderNames.CONTENT_TYPE, "application/json");
    response.headers().set(HttpHeaderNames.CONTENT_LENGTH, body.readableBytes());
    context.writeAndFlush(response).addListener(ChannelFutureListener.CLOSE);
  }
}
