package io.socketpass;

/**
 * What came of a command to the fleet's sockets.
 *
 * @param matched sockets that matched at the beginning
 * @param done those of them for which it is so now
 * @param failed those whose gateway could not
 * @param unreachable those whose gateway did not answer
 */
public record Outcome(long matched, long done, long failed, long unreachable) {
  static final Outcome NOTHING = new Outcome(0, 0, 0, 0);
}
