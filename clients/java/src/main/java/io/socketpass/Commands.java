package io.socketpass;

import io.socketpass.v1.Command;
import io.socketpass.v1.Disconnect;
import io.socketpass.v1.Send;
import io.socketpass.v1.UserChanged;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import java.util.function.Predicate;

/** Carries out what the fleet commands. */
final class Commands {
  private final System.Logger log = System.getLogger("io.socketpass");
  private final OpenSockets sockets;
  private final BiConsumer<String, Map<String, Object>> userChanged;

  Commands(OpenSockets sockets, BiConsumer<String, Map<String, Object>> userChanged) {
    this.sockets = sockets;
    this.userChanged = userChanged;
  }

  /** The sockets for which it is so now; none for a command that is not known here. */
  List<String> carryOut(Command command) {
    return switch (command.getCommandCase()) {
      case DISCONNECT -> disconnect(command.getDisconnect());
      case SEND -> send(command.getSend());
      case USER_CHANGED -> changeUser(command.getUserChanged());
      case COMMAND_NOT_SET -> List.of();
    };
  }

  /** Closes the socket, which is listed no more from now on; complete when its client was told. */
  CompletableFuture<Void> close(OpenSocket socket, Close close) {
    if (sockets.remove(socket.socketId) != null) {
      try {
        return socket.connection.close(close).toCompletableFuture();
      } catch (RuntimeException e) {
        log.log(Level.WARNING, "a socket did not close as it should", e);
      }
    }
    return CompletableFuture.completedFuture(null);
  }

  private List<String> disconnect(Disconnect disconnect) {
    Close close = Close.of(disconnect.getClose());
    return done(
        disconnect.getSocketIdsList(),
        socketId -> {
          OpenSocket socket = sockets.get(socketId);
          if (socket != null) {
            close(socket, close);
          }
          // One that was gone already is disconnected, too.
          return true;
        });
  }

  private List<String> send(Send send) {
    SocketEvent event = new SocketEvent(send.getEvent(), Structs.toList(send.getArgsList()));
    return done(
        send.getSocketIdsList(),
        socketId -> {
          OpenSocket socket = sockets.get(socketId);
          return socket != null && socket.connection.send(event);
        });
  }

  private List<String> changeUser(UserChanged changed) {
    Map<String, Object> user = Structs.toMap(changed.getUser());
    return done(
        changed.getSocketIdsList(),
        socketId -> {
          OpenSocket socket = sockets.get(socketId);
          if (socket == null) {
            return false;
          }
          socket.user(user);
          socket.connection.userChanged(user);
          userChanged.accept(socketId, user);
          return true;
        });
  }

  /** One socket that cannot be served keeps no other from it. */
  private List<String> done(List<String> socketIds, Predicate<String> serve) {
    return socketIds.stream()
        .filter(
            socketId -> {
              try {
                return serve.test(socketId);
              } catch (RuntimeException e) {
                log.log(Level.WARNING, "a command failed for a socket", e);
                return false;
              }
            })
        .toList();
  }
}
