package io.socketpass;

import io.socketpass.v1.Command;
import io.socketpass.v1.Disconnect;
import io.socketpass.v1.Send;
import io.socketpass.v1.UserChanged;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import java.util.function.Predicate;

/** Carries out what the fleet commands. */
final class Commands {
  private final CauseLog causes = new CauseLog();
  private final OpenSockets sockets;
  private final BiConsumer<String, Map<String, Object>> userChanged;
  /** The application may take its time, and no command waits for it. */
  private final Loop telling =
      new Loop("socketpass-user-changed", thrown -> warn("userChanged failed", thrown));

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

  /**
   * Closes the socket, which is listed no more from then on; complete when its client was told. One that cannot be closed stays
   * listed.
   */
  CompletableFuture<Void> close(OpenSocket socket, Close close) {
    if (sockets.get(socket.socketId) != socket) {
      // One that was gone already is closed, too.
      return CompletableFuture.completedFuture(null);
    }
    CompletableFuture<Void> told;
    try {
      told = socket.connection.close(close).toCompletableFuture();
    } catch (RuntimeException e) {
      told = CompletableFuture.failedFuture(e);
    }
    if (!told.isCompletedExceptionally()) {
      sockets.remove(socket);
    }
    told.whenComplete(
        (nothing, thrown) -> {
          if (thrown != null) {
            warn("a socket could not be closed", thrown);
          }
        });
    return told;
  }

  /** What the application is to be told still, it is told. */
  void stop() {
    telling.shutdown();
  }

  private List<String> disconnect(Disconnect disconnect) {
    Close close = Close.of(disconnect.getClose(), Close.DISCONNECTED);
    return done(
        disconnect.getSocketIdsList(),
        socketId -> {
          OpenSocket socket = sockets.get(socketId);
          return socket == null || !close(socket, close).isCompletedExceptionally();
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
    return done(
        changed.getSocketIdsList(),
        socketId -> {
          OpenSocket socket = sockets.get(socketId);
          if (socket == null) {
            return false;
          }
          socket.user(changed.getUser());
          Map<String, Object> itsOwn = Structs.toMap(changed.getUser());
          socket.connection.userChanged(itsOwn);
          telling.execute(() -> userChanged.accept(socketId, itsOwn));
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
                warn("a command failed for a socket", e);
                return false;
              }
            })
        .toList();
  }

  private void warn(String what, Throwable thrown) {
    causes.warn(what + ": " + thrown.getClass().getName(), what, thrown);
  }
}
