package io.socketpass;

import io.socketpass.v1.AuthorizeResponse;
import io.socketpass.v1.Reason;
import java.util.Map;

/**
 * What the service says about a handshake.
 *
 * @param accepted whether to let it in
 * @param reason why, for programs; {@code REASON_UNSPECIFIED} when the service gave no decision
 * @param message why it is rejected, for people; empty when accepted
 * @param error passport.socketio's {@code critical} flag
 * @param user who it is; always has {@code logged_in}
 * @param sessionId the session that was looked up, or an empty text; as good as a login
 * @param close what to tell the client when it is rejected, else null
 */
public record Decision(
    boolean accepted,
    Reason reason,
    String message,
    boolean error,
    Map<String, Object> user,
    String sessionId,
    Close close) {

  static final Map<String, Object> NOBODY = Map.of("logged_in", false);

  /** Stands in where the service gave none. */
  static final Decision NONE =
      new Decision(
          false,
          Reason.REASON_UNSPECIFIED,
          "Authorization service unavailable",
          true,
          NOBODY,
          "",
          Close.SERVICE_UNAVAILABLE);

  static Decision of(AuthorizeResponse response) {
    return new Decision(
        // A reason that cannot be read comes from a service that is newer: nobody is let in on one.
        response.getAccepted() && response.getReason() != Reason.REASON_UNSPECIFIED,
        response.getReason(),
        response.getMessage(),
        response.getError(),
        response.hasUser() ? Structs.toMap(response.getUser()) : NOBODY,
        response.getSessionId(),
        response.hasClose() ? Close.of(response.getClose()) : null);
  }

  /** Whether the service was kept from deciding, or did not answer. */
  public boolean fault() {
    return switch (reason) {
      case REASON_SESSION_MALFORMED, REASON_USER_SOURCE_FAILED, REASON_STORE_UNAVAILABLE -> true;
      default -> this == NONE;
    };
  }

  /** Without the session id. */
  @Override
  public String toString() {
    return "Decision[accepted=" + accepted + ", reason=" + reason + ", message=" + message + ", user=" + user + "]";
  }
}
