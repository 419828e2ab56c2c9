package io.socketpass;

import io.grpc.CallCredentials;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.concurrent.Executor;
import java.util.function.Supplier;

/** Sends the token with every call. */
final class TokenCredentials extends CallCredentials {
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private final Supplier<String> token;

  TokenCredentials(Supplier<String> token) {
    this.token = token;
  }

  @Override
  public void applyRequestMetadata(RequestInfo call, Executor executor, MetadataApplier applier) {
    executor.execute(
        () -> {
          Metadata metadata = new Metadata();
          try {
            metadata.put(AUTHORIZATION, "Bearer " + Settings.token(token.get()));
          } catch (RuntimeException e) {
            applier.fail(Status.UNAUTHENTICATED.withDescription("no token to send").withCause(e));
            return;
          }
          applier.apply(metadata);
        });
  }
}
