package io.socketpass;

import io.socketpass.v1.DisconnectSocketsResponse;
import io.socketpass.v1.SendToSocketsResponse;

/**
 * What came of a command to the fleet's sockets.
 *
 * @param matched sockets that matched at the beginning
 * @param done those of them for which it is so now
 * @param failed those whose gateway could not
 * @param unreachable those whose gateway did not answer
 * @param view how much the answer knows
 */
public record Outcome(long matched, long done, long failed, long unreachable, View view) {
  static Outcome of(SendToSocketsResponse sent) {
    return new Outcome(
        sent.getMatched(), sent.getDone(), sent.getFailed(), sent.getUnreachable(), View.of(sent.getView()));
  }

  static Outcome of(DisconnectSocketsResponse ended) {
    return new Outcome(
        ended.getMatched(), ended.getDone(), ended.getFailed(), ended.getUnreachable(), View.of(ended.getView()));
  }
}
