package io.socketpass;

/** What a {@link Hook} says. */
public final class Verdict {
  private static final Verdict KEEP = new Verdict(null, null);
  private static final Verdict ACCEPT = new Verdict(true, null);

  private final Boolean accepted;
  private final String message;

  private Verdict(Boolean accepted, String message) {
    this.accepted = accepted;
    this.message = message;
  }

  /** The decision stands. */
  public static Verdict keep() {
    return KEEP;
  }

  /** Let in, whatever was decided. */
  public static Verdict accept() {
    return ACCEPT;
  }

  /** Turned away; the client is told the message. */
  public static Verdict reject(String message) {
    return new Verdict(false, message);
  }

  boolean accepts(boolean decided) {
    return accepted == null ? decided : accepted;
  }

  String messageOr(String decided) {
    return message == null ? decided : message;
  }
}
