package io.socketpass.nettysocketio;

import com.corundumstudio.socketio.Transport;
import com.corundumstudio.socketio.handler.ClientHead;
import com.corundumstudio.socketio.handler.EncoderHandler;
import com.corundumstudio.socketio.messages.OutPacketMessage;
import com.corundumstudio.socketio.protocol.Packet;
import com.corundumstudio.socketio.protocol.PacketType;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandler.Sharable;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Ends the connections of clients that are to go, and not before they have heard all that they were told.
 *
 * <p>It stands where netty-socketio asks for a channel to be given what waits for its client: with every packet, and with every
 * new poll. Then, on the channel's own thread, it is known what waits, and what becomes of it; the one that sends a packet cannot
 * know: the poll that it sees may be answered by now, or a WebSocket may have taken its place, and a write to a poll that is
 * answered already succeeds without anything being written.
 */
@Sharable
final class Farewell extends ChannelOutboundHandlerAdapter {
  private final Set<ClientHead> leaving = ConcurrentHashMap.newKeySet();

  /** Whether that is new: ends the connection when the client has fetched all that waits for it. */
  boolean begin(ClientHead head) {
    if (!leaving.add(head)) {
      return false;
    }
    // What waits is written with it, and a poll that has nothing to tell ends, so that the next one comes.
    head.send(new Packet(PacketType.NOOP, head.getEngineIOVersion()));
    return true;
  }

  /** Ends the connection whatever its client has fetched. */
  void end(ClientHead head) {
    leaving.remove(head);
    if (head.isConnected()) {
      var told = head.send(new Packet(PacketType.NOOP, head.getEngineIOVersion()));
      if (told != null) {
        told.addListener(ChannelFutureListener.CLOSE);
      }
      head.onChannelDisconnect();
    }
  }

  @Override
  public void write(ChannelHandlerContext context, Object message, ChannelPromise written) {
    if (!(message instanceof OutPacketMessage packets) || !leaving.contains(packets.getClientHead())) {
      context.write(message, written);
    } else if (packets.getTransport() == Transport.POLLING) {
      poll(context, packets, written);
    } else {
      context.write(message, written);
      if (isUpgraded(packets.getClientHead())) {
        // The promise counts no text; this is written when all before it is. Here, some clients take CLOSE for the end of all.
        context.channel().writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(ChannelFutureListener.CLOSE);
      }
    }
  }

  /**
   * Socket.IO's client hears no event that CLOSE follows in the same poll: it is still on its way from one of its layers to the
   * next. Who comes again has heard what the last poll told.
   */
  private static void poll(ChannelHandlerContext context, OutPacketMessage packets, ChannelPromise written) {
    ClientHead head = packets.getClientHead();
    Queue<Packet> waiting = head.getPacketsQueue(Transport.POLLING);
    if (waiting.isEmpty() && !isUpgraded(head) && isUnanswered(context.channel())) {
      waiting.add(new Packet(PacketType.CLOSE, head.getEngineIOVersion()));
      written.addListener(
          told -> {
            if (told.isSuccess()) {
              // Later: netty-socketio is about to put the client of this poll into / if it is in no namespace.
              context.executor().execute(head::onChannelDisconnect);
            }
          });
    }
    context.write(packets, written);
  }

  private static boolean isUnanswered(Channel poll) {
    return poll.isActive() && poll.attr(EncoderHandler.WRITE_ONCE).get() == null;
  }

  /** Whether the WebSocket is more than a trial: it gives what waits for polls then, which is first, and is the one to send on. */
  private static boolean isUpgraded(ClientHead head) {
    return head.getCurrentTransport() == Transport.WEBSOCKET
        || head.getPacketsQueue(Transport.WEBSOCKET) == head.getPacketsQueue(Transport.POLLING);
  }
}
