package io.socketpass.nettysocketio;

import com.corundumstudio.socketio.SocketIONamespace;
import com.corundumstudio.socketio.Transport;
import com.corundumstudio.socketio.handler.ClientHead;
import com.corundumstudio.socketio.namespace.Namespace;
import com.corundumstudio.socketio.transport.NamespaceClient;
import io.netty.channel.EventLoop;
import io.socketpass.Admission;
import io.socketpass.Close;
import io.socketpass.Handshake;
import io.socketpass.SocketConnection;
import io.socketpass.SocketEvent;
import io.socketpass.SocketPass;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/** The sockets that were let in. One connection may hold several, one in each namespace. */
final class Sockets {
  /** A client that was told to go is waited for: the transport would be gone before what it was told. */
  private static final long GRACE_SECONDS = 2;

  /** Packets for a client that does not come for them. */
  private static final int MOST_WAITING = 256;

  /** By client: one of its sockets, which leads to the others. Most clients have no other. */
  private final Map<ClientHead, Connection> connections = new ConcurrentHashMap<>();

  private final SocketPass socketPass;
  private final Lobby lobby;
  private final Farewell farewell;

  Sockets(SocketPass socketPass, Lobby lobby, Farewell farewell) {
    this.socketPass = socketPass;
    this.lobby = lobby;
    this.farewell = farewell;
  }

  static String id(UUID client, SocketIONamespace namespace) {
    return client + namespace.getName();
  }

  /** A store is the whole connection's: each of its namespaces has a user of its own. */
  static String userKey(SocketPass socketPass, SocketIONamespace namespace) {
    // Every store keeps it: once is enough.
    return (socketPass.userProperty() + namespace.getName()).intern();
  }

  boolean isOpen(ClientHead head, String namespace) {
    return find(head, namespace) != null && socketPass.isOpen(head.getSessionId() + namespace);
  }

  void open(ClientHead head, NamespaceClient client, Handshake handshake, Admission admission, EventLoop loop) {
    SocketIONamespace namespace = client.getNamespace();
    client.set(userKey(socketPass, namespace), admission.user());
    Connection connection = new Connection(client, loop);
    connections.compute(
        head,
        (same, first) -> {
          connection.next = without(first, namespace.getName());
          return connection;
        });
    socketPass.opened(id(head.getSessionId(), namespace), handshake, admission, connection);
  }

  /** A client has left a namespace. */
  void left(ClientHead head, String namespace) {
    Connection connection = find(head, namespace);
    if (connection != null) {
      connections.computeIfPresent(head, (same, first) -> without(first, namespace));
      if (connection.isIn()) {
        connection.client.onDisconnect();
      }
      connection.ended();
    }
    if (!head.getNamespaces().isEmpty()) {
      lobby.takeIn(head);
      if (!lobby.holds(head) && !isOpen(head, Namespace.DEFAULT_NAME)) {
        // A poll on another thread was quicker, and netty-socketio has put the client back.
        head.disconnect();
      }
    }
  }

  /** A connection has ended. */
  void ended(ClientHead head) {
    for (Connection connection = connections.remove(head); connection != null; connection = connection.next) {
      connection.ended();
    }
  }

  private Connection find(ClientHead head, String namespace) {
    Connection connection = connections.get(head);
    while (connection != null && !connection.isOf(namespace)) {
      connection = connection.next;
    }
    return connection;
  }

  /** The client's sockets without the one in this namespace. One at a time changes them, while others may look. */
  private static Connection without(Connection first, String namespace) {
    if (first == null || first.isOf(namespace)) {
      return first == null ? null : first.next;
    }
    first.next = without(first.next, namespace);
    return first;
  }

  /** Ends the connection if it is in no namespace by then. */
  void endSoon(ClientHead head, EventLoop loop) {
    soon(
        loop,
        () -> {
          if (lobby.holdsOnly(head)) {
            head.disconnect();
          }
        });
  }

  private static void soon(EventLoop loop, Runnable task) {
    if (loop.isShuttingDown()) {
      task.run();
    } else {
      loop.schedule(task, GRACE_SECONDS, TimeUnit.SECONDS);
    }
  }

  private final class Connection implements SocketConnection {
    private final NamespaceClient client;
    private final EventLoop loop;
    private volatile Connection next;

    /** Null until its client was told to go, or it has ended. */
    private CompletableFuture<Void> gone;

    Connection(NamespaceClient client, EventLoop loop) {
      this.client = client;
      this.loop = loop;
    }

    @Override
    public CompletionStage<Void> close(Close close) {
      tell(close);
      if (close.isFinal()) {
        // This asks the client to leave, no more.
        client.disconnect();
        soon(loop, this::leave);
      } else {
        // The connection's other sockets lose it, too; whoever closes them next might find it gone.
        for (Connection other = connections.get(head()); other != null; other = other.next) {
          other.tell(close);
        }
        loop.execute(this::drop);
      }
      return gone();
    }

    @Override
    public boolean send(SocketEvent event) {
      if (!head().isConnected() || isFull()) {
        return false;
      }
      client.sendEvent(event.name(), event.args().toArray());
      return true;
    }

    @Override
    public void userChanged(Map<String, Object> user) {
      client.set(userKey(socketPass, client.getNamespace()), user);
    }

    /** Whether much waits for a client that takes nothing in. */
    private boolean isFull() {
      ClientHead head = head();
      return head.getCurrentTransport() == Transport.POLLING
          ? head.getPacketsQueue(Transport.POLLING).size() >= MOST_WAITING
          : !head.isWritable();
    }

    private boolean isOf(String namespace) {
      return client.getNamespace().getName().equals(namespace);
    }

    private ClientHead head() {
      return client.getBaseClient();
    }

    /** Once, whoever ends the socket. */
    private void tell(Close close) {
      synchronized (this) {
        if (gone != null) {
          return;
        }
        gone();
      }
      client.sendEvent("socketpass:close", Map.of("code", close.code(), "reason", close.reason()));
    }

    private synchronized CompletableFuture<Void> gone() {
      if (gone == null) {
        gone = new CompletableFuture<>();
      }
      return gone;
    }

    private boolean isIn() {
      return head().getChildClient((Namespace) client.getNamespace()) == client;
    }

    private void ended() {
      socketPass.closed(id(client.getSessionId(), client.getNamespace()));
      gone().complete(null);
    }

    /**
     * Ends the whole connection: Socket.IO's clients stay away from a namespace that has disconnected them, and come back by
     * themselves when the connection is lost.
     */
    private void drop() {
      ClientHead head = head();
      if (head.isConnected() && farewell.begin(head)) {
        soon(loop, () -> farewell.end(head));
      }
    }

    private void leave() {
      ClientHead head = head();
      if (isIn()) {
        left(head, client.getNamespace().getName());
      }
      if (lobby.holdsOnly(head)) {
        head.disconnect();
      }
      gone().complete(null);
    }
  }
}
