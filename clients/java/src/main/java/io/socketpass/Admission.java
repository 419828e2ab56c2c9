package io.socketpass;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What becomes of a handshake, when the service, {@code onUnavailable} and the hooks have been asked.
 *
 * @param accepted whether it is let in
 * @param user who it is; {@code {logged_in: false}} for whoever is let in against the decision
 * @param sessionId the session that the socket was opened with; empty without one, and for whoever is let in against the
 *     decision: with one the service would end the socket
 * @param message what to tell a client that is turned away
 * @param close how to close one that is turned away
 * @param decision the service's own
 */
public record Admission(
    boolean accepted, Map<String, Object> user, String sessionId, String message, Close close, Decision decision) {

  static Admission granted(Decision decision) {
    return decision.accepted()
        ? new Admission(true, decision.user(), decision.sessionId(), "", null, decision)
        : new Admission(true, Decision.NOBODY, "", "", null, decision);
  }

  static Admission refused(Decision decision, String message) {
    // An accepted decision says nothing to a client that the application turns away.
    Close close = decision.close() == null ? Close.DENIED_BY_POLICY : decision.close();
    return new Admission(false, Decision.NOBODY, "", message, close, decision);
  }

  /** The HTTP status for a WebSocket that is turned away before its upgrade. */
  public int httpStatus() {
    if (decision.fault()) {
      return 503;
    }
    return switch (decision.reason()) {
      case REASON_AUTHORIZED, REASON_ORIGIN_NOT_ALLOWED, REASON_DENIED_BY_POLICY -> 403;
      case REASON_TOO_MANY_SOCKETS -> 429;
      // Also for a reason that is not known here.
      default -> Boolean.TRUE.equals(decision.user().get("logged_in")) ? 403 : 401;
    };
  }

  /** The body that goes with the status: JSON. */
  public String json() {
    Map<String, Object> body = new LinkedHashMap<>();
    body.put("code", close.code());
    body.put("reason", close.reason());
    body.put("message", message);
    return Json.write(body);
  }

  /** Without the session id. */
  @Override
  public String toString() {
    return "Admission[accepted=" + accepted + ", user=" + user + ", message=" + message + "]";
  }
}
