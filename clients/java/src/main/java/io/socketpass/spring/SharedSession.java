package io.socketpass.spring;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.TimeUnit;
import org.springframework.web.socket.CloseStatus;
import org.springframework.web.socket.WebSocketMessage;
import org.springframework.web.socket.WebSocketSession;
import org.springframework.web.socket.handler.SessionLimitExceededException;
import org.springframework.web.socket.handler.WebSocketSessionDecorator;

/**
 * A session that may be sent to from several threads: one sends, and what the others have waits for it. It does what Spring's
 * {@code ConcurrentWebSocketSessionDecorator} does, whose queue and locks would be half of what is kept of a socket.
 */
final class SharedSession extends WebSocketSessionDecorator {
  private static final int MOST_BYTES = 512 * 1024;

  private final long sendWithin;

  /** In order; null as long as nobody has had to wait. */
  private Queue<WebSocketMessage<?>> waiting;

  private int waitingBytes;
  private long sendingSince;
  private boolean sending;
  private boolean late;
  private boolean closing;

  SharedSession(WebSocketSession session) {
    this(session, TimeUnit.SECONDS.toNanos(10));
  }

  SharedSession(WebSocketSession session, long sendWithin) {
    super(session);
    this.sendWithin = sendWithin;
  }

  /**
   * Returns when the message is sent, or when it waits for a thread that sends already.
   *
   * @throws SessionLimitExceededException if too much waits, or has been waiting for too long: nothing is sent any more
   */
  @Override
  public void sendMessage(WebSocketMessage<?> message) throws IOException {
    for (WebSocketMessage<?> next = first(message); next != null; next = next()) {
      boolean sent = false;
      try {
        super.sendMessage(next);
        sent = true;
      } finally {
        if (!sent) {
          stopped();
        }
      }
    }
  }

  @Override
  public void close() throws IOException {
    close(CloseStatus.NORMAL);
  }

  /** What waits is not sent any more. */
  @Override
  public void close(CloseStatus status) throws IOException {
    boolean reliable;
    synchronized (this) {
      if (closing) {
        return;
      }
      closing = true;
      waiting = null;
      reliable = !late && !isSlow();
    }
    super.close(reliable ? status : CloseStatus.SESSION_NOT_RELIABLE);
  }

  /** What the caller is to send now; null if somebody else sends, or nobody is to. */
  private synchronized WebSocketMessage<?> first(WebSocketMessage<?> message) {
    if (late || closing) {
      return null;
    }
    if (!sending && waiting == null) {
      return sending(message);
    }
    if (waiting == null) {
      waiting = new ArrayDeque<>();
    }
    waiting.add(message);
    waitingBytes += message.getPayloadLength();
    if (!sending) {
      // What waits since a message that failed is sent before.
      return next();
    }
    if (isSlow() || waitingBytes > MOST_BYTES) {
      late = true;
      waiting = null;
      throw new SessionLimitExceededException(
          "session " + getId() + " does not take in what is sent to it", CloseStatus.SESSION_NOT_RELIABLE);
    }
    return null;
  }

  private synchronized WebSocketMessage<?> next() {
    WebSocketMessage<?> next = waiting == null ? null : waiting.poll();
    if (next == null) {
      stopped();
      waiting = null;
      waitingBytes = 0;
      return null;
    }
    waitingBytes -= next.getPayloadLength();
    return sending(next);
  }

  private WebSocketMessage<?> sending(WebSocketMessage<?> message) {
    sending = true;
    sendingSince = System.nanoTime();
    return message;
  }

  private synchronized void stopped() {
    sending = false;
  }

  private boolean isSlow() {
    return sending && System.nanoTime() - sendingSince > sendWithin;
  }
}
