package io.socketpass;

import com.google.protobuf.Struct;
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

  static final Struct NOBODY = Structs.toStruct(Map.of("logged_in", false));

  /** Stands in where the service gave none. */
  static final Decision NONE =
      rejection(Reason.REASON_UNSPECIFIED, "Authorization service unavailable", true, Close.SERVICE_UNAVAILABLE);

  /** Stands in while the client closes. */
  static final Decision DRAINING =
      rejection(Reason.REASON_GATEWAY_DRAINING, "Gateway is shutting down", false, Close.GATEWAY_DRAINING);

  private static Decision rejection(Reason reason, String message, boolean error, Close close) {
    return new Decision(false, reason, message, error, Map.of("logged_in", false), "", close);
  }

  static Decision of(AuthorizeResponse response) {
    // A reason that cannot be read comes from a service that is newer: nobody is let in on one.
    boolean known =
        response.getReason() != Reason.REASON_UNSPECIFIED && response.getReason() != Reason.UNRECOGNIZED;
    boolean accepted = response.getAccepted() && known;
    return new Decision(
        accepted,
        response.getReason(),
        response.getMessage(),
        response.getError(),
        Structs.toMap(user(response)),
        response.getSessionId(),
        accepted ? null : Close.of(response.getClose(), Close.SERVICE_UNAVAILABLE));
  }

  static Struct user(AuthorizeResponse response) {
    return response.hasUser() ? response.getUser() : NOBODY;
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
