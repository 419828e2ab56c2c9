package io.socketpass.testing;

import io.socketpass.Close;
import io.socketpass.SocketConnection;
import io.socketpass.SocketEvent;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** A socket of which the test sees what was asked of it. */
public class RecordedConnection implements SocketConnection {
  public final CompletableFuture<Close> closed = new CompletableFuture<>();
  public final CompletableFuture<SocketEvent> sent = new CompletableFuture<>();
  public final CompletableFuture<Map<String, Object>> user = new CompletableFuture<>();
  private final boolean takes;

  public RecordedConnection() {
    this(true);
  }

  public RecordedConnection(boolean takes) {
    this.takes = takes;
  }

  @Override
  public CompletionStage<Void> close(Close close) {
    closed.complete(close);
    return CompletableFuture.completedFuture(null);
  }

  @Override
  public boolean send(SocketEvent event) {
    sent.complete(event);
    return takes;
  }

  @Override
  public void userChanged(Map<String, Object> changed) {
    user.complete(changed);
  }
}
