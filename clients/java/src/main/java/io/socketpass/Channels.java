package io.socketpass;

import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.TlsChannelCredentials;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** The one connection to each replica. */
final class Channels {
  /** Answers come in messages of at most 500 sockets, each with a user and data of up to 64 KiB. */
  private static final int MAX_ANSWER = 64 * 1024 * 1024;

  /** A decision changes nothing and may be asked for again: a replica that goes loses no handshake. */
  private static final Map<String, ?> RETRY =
      Map.of(
          "methodConfig",
          List.of(
              Map.of(
                  "name",
                  List.of(Map.of("service", "socketpass.v1.AuthorizationService")),
                  "retryPolicy",
                  Map.of(
                      "maxAttempts", 4.0,
                      "initialBackoff", "0.05s",
                      "maxBackoff", "1s",
                      "backoffMultiplier", 2.0,
                      "retryableStatusCodes", List.of("UNAVAILABLE")))));

  private Channels() {}

  static ManagedChannel open(Settings settings) {
    ManagedChannelBuilder<?> builder = builder(settings);
    try {
      return configured(builder).build();
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("address takes HOST:PORT, or a target of gRPC's own: " + e.getMessage(), e);
    }
  }

  private static ManagedChannelBuilder<?> configured(ManagedChannelBuilder<?> builder) {
    return builder
        .defaultLoadBalancingPolicy("round_robin")
        .defaultServiceConfig(RETRY)
        // A connection that is dead is noticed within fifteen seconds, without calls too.
        .keepAliveTime(10, TimeUnit.SECONDS)
        .keepAliveTimeout(5, TimeUnit.SECONDS)
        .keepAliveWithoutCalls(true)
        .maxInboundMessageSize(MAX_ANSWER);
  }

  private static ManagedChannelBuilder<?> builder(Settings settings) {
    String target = target(settings.address());
    Tls tls = settings.tls();
    if (tls == null) {
      return Grpc.newChannelBuilder(target, InsecureChannelCredentials.create());
    }
    try {
      return Grpc.newChannelBuilder(target, credentials(tls));
    } catch (IOException | RuntimeException e) {
      throw new IllegalArgumentException("tls takes PEM files that go together: " + e.getMessage(), e);
    }
  }

  private static String target(String address) {
    return address.contains("://") ? address : "dns:///" + address.replace("[", "%5B").replace("]", "%5D");
  }

  private static ChannelCredentials credentials(Tls tls) throws IOException {
    TlsChannelCredentials.Builder credentials = TlsChannelCredentials.newBuilder();
    if (tls.ca() != null) {
      credentials.trustManager(tls.ca().toFile());
    }
    if (tls.cert() != null) {
      credentials.keyManager(tls.cert().toFile(), tls.key().toFile());
    }
    return credentials.build();
  }
}
