package io.socketpass.spring;

import io.socketpass.Admission;
import io.socketpass.Close;
import io.socketpass.SocketConnection;
import io.socketpass.SocketEvent;
import io.socketpass.SocketPass;
import io.socketpass.spring.SocketPassHandshakeInterceptor.Admitted;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.springframework.web.socket.CloseStatus;
import org.springframework.web.socket.TextMessage;
import org.springframework.web.socket.WebSocketHandler;
import org.springframework.web.socket.WebSocketMessage;
import org.springframework.web.socket.WebSocketSession;
import org.springframework.web.socket.handler.WebSocketHandlerDecorator;

/**
 * Reports the sessions of the handler that it decorates, and carries out what the fleet commands. It lets nobody in whom a
 * {@link SocketPassHandshakeInterceptor} has not. The socket's id in the fleet is the session's.
 *
 * <p>The sessions that the handler gets may be sent to from several threads.
 */
public class SocketPassWebSocketHandler extends WebSocketHandlerDecorator {
  private final Map<String, WebSocketSession> sessions = new ConcurrentHashMap<>();
  private final SocketPass socketPass;
  private final Function<SocketEvent, WebSocketMessage<?>> writer;

  /** Writes events as {@code {"event": name, "args": [...]}}. */
  public SocketPassWebSocketHandler(WebSocketHandler handler, SocketPass socketPass) {
    this(handler, socketPass, event -> new TextMessage(event.toJson()));
  }

  /** Writes events that are sent to sockets of the fleet as {@code writer} says. */
  public SocketPassWebSocketHandler(
      WebSocketHandler handler, SocketPass socketPass, Function<SocketEvent, WebSocketMessage<?>> writer) {
    super(handler);
    this.socketPass = socketPass;
    this.writer = writer;
  }

  @Override
  public void afterConnectionEstablished(WebSocketSession raw) throws Exception {
    if (!(raw.getAttributes().remove(SocketPassHandshakeInterceptor.ADMITTED) instanceof Admitted admitted)) {
      throw new IllegalStateException("a handshake that no SocketPassHandshakeInterceptor has seen");
    }
    Admission admission = admitted.admission();
    if (!admission.accepted()) {
      raw.close(status(admission.close()));
      return;
    }
    WebSocketSession session = new SharedSession(raw);
    sessions.put(session.getId(), session);
    socketPass.opened(session.getId(), admitted.handshake(), admission, new Connection(session));
    super.afterConnectionEstablished(session);
  }

  @Override
  public void handleMessage(WebSocketSession raw, WebSocketMessage<?> message) throws Exception {
    WebSocketSession session = sessions.get(raw.getId());
    // One that was told to close may say what it likes.
    if (session != null && socketPass.isOpen(session.getId())) {
      super.handleMessage(session, message);
    }
  }

  @Override
  public void handleTransportError(WebSocketSession raw, Throwable exception) throws Exception {
    WebSocketSession session = sessions.get(raw.getId());
    if (session != null) {
      super.handleTransportError(session, exception);
    }
  }

  @Override
  public void afterConnectionClosed(WebSocketSession raw, CloseStatus status) throws Exception {
    WebSocketSession session = sessions.remove(raw.getId());
    if (session != null) {
      socketPass.closed(session.getId());
      super.afterConnectionClosed(session, status);
    }
  }

  private static CloseStatus status(Close close) {
    return new CloseStatus(close.code(), close.reason());
  }

  private final class Connection implements SocketConnection {
    private final WebSocketSession session;

    /** Null until the fleet has something to write: to most it never has. */
    private Outbox outbox;

    Connection(WebSocketSession session) {
      this.session = session;
    }

    @Override
    public CompletionStage<Void> close(Close close) {
      CloseStatus status = status(close);
      return outbox().add(0, () -> session.close(status));
    }

    @Override
    public boolean send(SocketEvent event) {
      if (!session.isOpen() || outbox().isFull()) {
        return false;
      }
      WebSocketMessage<?> message = writer.apply(event);
      // What fails here fails with the session: its end is reported by the server.
      outbox().add(message.getPayloadLength(), () -> session.sendMessage(message));
      return true;
    }

    private synchronized Outbox outbox() {
      if (outbox == null) {
        outbox = new Outbox();
      }
      return outbox;
    }

    @Override
    public void userChanged(Map<String, Object> user) {
      session.getAttributes().put(socketPass.userProperty(), user);
    }
  }
}
