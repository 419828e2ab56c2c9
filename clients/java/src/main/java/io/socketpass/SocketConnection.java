package io.socketpass;

import java.util.Map;
import java.util.concurrent.CompletionStage;

/**
 * An open socket, as its server has it: what {@link SocketPass} asks for when the fleet commands. The methods are called on a
 * thread of the client's own, one after the other: whatever may have to wait for a slow peer is to be handed on.
 */
public interface SocketConnection {
  /**
   * Closes the socket and tells its client why; complete when that has been sent. If it throws, or gives what has failed already,
   * the socket counts as open.
   */
  CompletionStage<Void> close(Close close);

  /** Hands the event over to be sent, and says whether it could. */
  boolean send(SocketEvent event);

  /** Replaces the user that is kept with the socket. */
  void userChanged(Map<String, Object> user);
}
