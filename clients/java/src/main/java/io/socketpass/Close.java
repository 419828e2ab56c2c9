package io.socketpass;

import java.nio.charset.StandardCharsets;

/**
 * How a socket is closed.
 *
 * @param code a WebSocket close code, 4000 to 4999: below 4500 the client may come back, from there on it need not
 * @param reason why, for programs: {@code session_not_found}
 */
public record Close(int code, String reason) {
  static final Close SERVICE_UNAVAILABLE = new Close(4000, "service_unavailable");
  static final Close GATEWAY_DRAINING = new Close(4001, "gateway_draining");
  static final Close DENIED_BY_POLICY = new Close(4504, "denied_by_policy");
  static final Close DISCONNECTED = new Close(4505, "disconnected");

  /** What a close frame has room for. */
  private static final int MAX_REASON = 123;

  /** Whether the client need not come back. */
  public boolean isFinal() {
    return code >= 4500;
  }

  /** As the service has it, or the other one if no server could close a socket like that. */
  static Close of(io.socketpass.v1.Close close, Close otherwise) {
    boolean usable =
        close.getCode() >= 4000
            && close.getCode() <= 4999
            && close.getReason().getBytes(StandardCharsets.UTF_8).length <= MAX_REASON;
    return usable ? new Close(close.getCode(), close.getReason()) : otherwise;
  }
}
