package io.socketpass;

import java.time.Duration;
import java.util.List;

/**
 * How much an answer of the registry knows.
 *
 * @param age how old it may be
 * @param incompleteGateways gateways whose sockets may not be as listed
 * @param warmingUp whether the registry began without data less than a lease ago: gateways may be missing that have not come
 *     back yet
 */
public record View(Duration age, List<String> incompleteGateways, boolean warmingUp) {
  static View of(io.socketpass.v1.View view) {
    return new View(
        Duration.ofSeconds(view.getAge().getSeconds(), view.getAge().getNanos()),
        List.copyOf(view.getIncompleteGatewaysList()),
        view.getWarmingUp());
  }
}
