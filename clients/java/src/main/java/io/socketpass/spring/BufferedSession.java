package io.socketpass.spring;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.TimeUnit;
import org.springframework.web.socket.CloseStatus;
import org.springframework.web.socket.WebSocketMessage;
import org.springframework.web.socket.WebSocketSession;
import org.springframework.web.socket.handler.WebSocketSessionDecorator;

/**
 * A session that may be sent to from several threads: one sends, what the others have waits for it. It does what Spring's {@code
 * ConcurrentWebSocketSessionDecorator} does, which takes as much memory as all else that is kept of a socket.
 */
final class BufferedSession extends WebSocketSessionDecorator {
  private static final long SEND_WITHIN = TimeUnit.SECONDS.toNanos(10);
  private static final int MOST_BYTES = 512 * 1024;

  /** Null as long as nobody has had to wait. */
  private Queue<WebSocketMessage<?>> waiting;

  private int waitingBytes;
  private boolean sending;
  private long sendingSince;

  BufferedSession(WebSocketSession session) {
    super(session);
  }

  @Override
  public void sendMessage(WebSocketMessage<?> message) throws IOException {
    if (!begin(message)) {
      return;
    }
    try {
      for (WebSocketMessage<?> next = message; next != null; next = next()) {
        super.sendMessage(next);
      }
    } catch (IOException | RuntimeException e) {
      giveUp();
      throw e;
    }
  }

  /** Whether the message is the caller's to send; else whoever sends now does it. */
  private boolean begin(WebSocketMessage<?> message) throws IOException {
    synchronized (this) {
      if (!sending) {
        sending = true;
        sendingSince = System.nanoTime();
        return true;
      }
      if (System.nanoTime() - sendingSince < SEND_WITHIN && waitingBytes + message.getPayloadLength() <= MOST_BYTES) {
        if (waiting == null) {
          waiting = new ArrayDeque<>();
        }
        waiting.add(message);
        waitingBytes += message.getPayloadLength();
        return false;
      }
    }
    close(CloseStatus.SESSION_NOT_RELIABLE);
    throw new IOException("the peer of session " + getId() + " does not take in what is sent to it");
  }

  private synchronized WebSocketMessage<?> next() {
    WebSocketMessage<?> next = waiting == null ? null : waiting.poll();
    if (next == null) {
      sending = false;
      waiting = null;
    } else {
      waitingBytes -= next.getPayloadLength();
      sendingSince = System.nanoTime();
    }
    return next;
  }

  private synchronized void giveUp() {
    sending = false;
    waiting = null;
    waitingBytes = 0;
  }
}
