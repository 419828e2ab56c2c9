package io.socketpass;

/** What becomes of a handshake that the service could not answer, or answered with a fault. */
public enum OnUnavailable {
  /** It is turned away. */
  REJECT,
  /** It is let in, without a user. */
  ACCEPT
}
