package io.socketpass;

/**
 * The application's own say about a handshake, after the service's. One that throws rejects. It may wait for something of
 * its own: it is called on a thread for that.
 */
@FunctionalInterface
public interface Hook {
  /** Says what becomes of the handshake: {@link Verdict#keep()} to leave it at the decision. */
  Verdict decide(Handshake handshake, Decision decision) throws Exception;
}
