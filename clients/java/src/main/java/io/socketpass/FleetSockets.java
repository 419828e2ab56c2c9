package io.socketpass;

import java.util.List;

/**
 * The fleet's sockets that match.
 *
 * @param sockets ordered by gateway and socket
 * @param view how much the answer knows
 */
public record FleetSockets(List<FleetSocket> sockets, View view) {}
