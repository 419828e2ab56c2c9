package io.socketpass;

import com.google.protobuf.Struct;
import java.util.LinkedHashMap;
import java.util.Map;

/** What becomes of a handshake, when the service, {@code onUnavailable} and the hooks have been asked. */
public final class Admission {
  private final boolean accepted;
  private final Struct reported;
  private final Map<String, Object> user;
  private final String sessionId;
  private final String message;
  private final Close close;
  private final int httpStatus;
  private final Decision decision;

  private Admission(
      boolean accepted,
      Struct reported,
      Map<String, Object> user,
      String sessionId,
      String message,
      Close close,
      int httpStatus,
      Decision decision) {
    this.accepted = accepted;
    this.reported = reported;
    this.user = user;
    this.sessionId = sessionId;
    this.message = message;
    this.close = close;
    this.httpStatus = httpStatus;
    this.decision = decision;
  }

  /** As the service has decided. */
  static Admission granted(Decision decision, Struct user) {
    return new Admission(true, user, decision.user(), decision.sessionId(), "", null, 101, decision);
  }

  /** Against the decision: with a session the service would end the socket. */
  static Admission grantedAnyway(Decision decision) {
    return new Admission(
        true, Decision.NOBODY, Structs.toMap(Decision.NOBODY), "", "", null, 101, decision);
  }

  /** As the service has decided, in these words. */
  static Admission rejected(Decision decision, String message) {
    return refused(decision, message, decision.close(), httpStatus(decision));
  }

  /** By the application, whatever the service has decided. */
  static Admission refusedByApplication(Decision decision, String message) {
    return refused(decision, message, Close.DENIED_BY_POLICY, 403);
  }

  /** By a fault of the application's. */
  static Admission failed(Decision decision) {
    return refused(decision, "Authorization failed", Close.SERVICE_UNAVAILABLE, 503);
  }

  private static Admission refused(Decision decision, String message, Close close, int httpStatus) {
    return new Admission(
        false, Decision.NOBODY, Structs.toMap(Decision.NOBODY), "", message, close, httpStatus, decision);
  }

  private static int httpStatus(Decision decision) {
    return switch (decision.reason()) {
      case REASON_UNSPECIFIED,
          REASON_SESSION_MALFORMED,
          REASON_USER_SOURCE_FAILED,
          REASON_STORE_UNAVAILABLE,
          REASON_GATEWAY_DRAINING -> 503;
      case REASON_ORIGIN_NOT_ALLOWED, REASON_DENIED_BY_POLICY -> 403;
      case REASON_TOO_MANY_SOCKETS -> 429;
      // Also for a reason that is not known here.
      default -> Boolean.TRUE.equals(decision.user().get("logged_in")) ? 403 : 401;
    };
  }

  /** Whether it is let in. */
  public boolean accepted() {
    return accepted;
  }

  /**
   * Who it is; {@code {logged_in: false}} for whoever is let in against the decision. The socket's own: the fleet knows the user
   * as the service does, whatever is written here.
   */
  public Map<String, Object> user() {
    return user;
  }

  /**
   * The session that the socket was opened with; empty without one, and for whoever is let in against the decision. As good as a
   * login.
   */
  public String sessionId() {
    return sessionId;
  }

  /** What to tell a client that is turned away. */
  public String message() {
    return message;
  }

  /** How to close one that is turned away; null for one that is let in. */
  public Close close() {
    return close;
  }

  /** The service's own decision. */
  public Decision decision() {
    return decision;
  }

  /** The HTTP status for a WebSocket that is turned away before its upgrade. */
  public int httpStatus() {
    return httpStatus;
  }

  /** The body that goes with the status: JSON. */
  public String json() {
    Map<String, Object> body = new LinkedHashMap<>();
    body.put("code", close.code());
    body.put("reason", close.reason());
    body.put("message", message);
    return Json.write(body);
  }

  /** The user as it came. */
  Struct reported() {
    return reported;
  }

  /** Without the session id. */
  @Override
  public String toString() {
    return "Admission[accepted=" + accepted + ", user=" + user + ", message=" + message + "]";
  }
}
