package io.socketpass.nettysocketio;

import com.corundumstudio.socketio.Configuration;
import com.corundumstudio.socketio.SocketIOChannelInitializer;
import com.corundumstudio.socketio.SocketIOClient;
import com.corundumstudio.socketio.handler.ClientHead;
import com.corundumstudio.socketio.namespace.NamespacesHub;
import io.netty.channel.Channel;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.WriteBufferWaterMark;
import io.socketpass.SocketPass;
import java.util.Map;

/**
 * Has socketpass authorize every socket of a {@code SocketIOServer}:
 *
 * <pre>{@code
 * server.setPipelineFactory(new SocketPassInitializer(socketPass));
 * server.start();
 * }</pre>
 *
 * <p>A socket is asked about when its client connects to a namespace, as Socket.IO 4 does it, without holding up an event loop.
 * One that is rejected hears {@code connect_error}; no listener of the application hears of it.
 */
public class SocketPassInitializer extends SocketIOChannelInitializer {
  private static final WriteBufferWaterMark WAITING = new WriteBufferWaterMark(512 * 1024, 1024 * 1024);

  private final SocketPass socketPass;
  private Sockets sockets;
  private Gate gate;
  private Lobby lobby;
  private Farewell farewell;

  /** Guards one server with this client. */
  public SocketPassInitializer(SocketPass socketPass) {
    this.socketPass = socketPass;
  }

  /** The user behind a socket; null for one that was not let in. */
  public Map<String, Object> user(SocketIOClient client) {
    return client.get(Sockets.userKey(socketPass, client.getNamespace()));
  }

  /** The socket's id in the fleet: the client's id, and behind it the namespace if that is not {@code /}. */
  public String socketId(SocketIOClient client) {
    return Sockets.id(client.getSessionId(), client.getNamespace());
  }

  @Override
  public void start(Configuration configuration, NamespacesHub namespaces) {
    // Otherwise clients would choose their ids, and one could take another's.
    configuration.setRandomSession(true);
    super.start(configuration, namespaces);
    lobby = new Lobby(configuration);
    farewell = new Farewell();
    sockets = new Sockets(socketPass, lobby, farewell);
    Door door = new Door(socketPass, namespaces, sockets, lobby, configuration.getJsonSupport());
    gate = new Gate(configuration, door, sockets);
  }

  @Override
  protected void initChannel(Channel channel) throws Exception {
    super.initChannel(channel);
    // What waits for a client that reads nothing has a bound; as netty has it, it is less than an event may have.
    if (channel.config().getWriteBufferHighWaterMark() < WAITING.high()) {
      channel.config().setWriteBufferWaterMark(WAITING);
    }
  }

  @Override
  protected void addSocketioHandlers(ChannelPipeline pipeline) {
    super.addSocketioHandlers(pipeline);
    pipeline.addBefore(PACKET_HANDLER, "socketpassGate", gate);
    pipeline.addAfter(AUTHORIZE_HANDLER, "socketpassLobby", lobby);
    pipeline.addAfter(SOCKETIO_ENCODER, "socketpassFarewell", farewell);
  }

  @Override
  public void onDisconnect(ClientHead head) {
    sockets.ended(head);
    super.onDisconnect(head);
  }
}
