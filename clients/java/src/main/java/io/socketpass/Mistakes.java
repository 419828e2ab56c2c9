package io.socketpass;

import io.grpc.Status;

/** What a status means for whoever runs the gateway. */
final class Mistakes {
  private Mistakes() {}

  /** Whether the service understood and refused: trying again changes nothing. */
  static boolean own(Status status) {
    return switch (status.getCode()) {
      case UNAUTHENTICATED, PERMISSION_DENIED, INVALID_ARGUMENT, UNIMPLEMENTED -> true;
      default -> false;
    };
  }

  /** The setting to look at, in brackets, or nothing: a field that the service does not take is named by its own words. */
  static String hint(Status status) {
    return switch (status.getCode()) {
      case UNAUTHENTICATED, PERMISSION_DENIED -> " (look at: token, tls)";
      case UNIMPLEMENTED, INTERNAL, UNKNOWN -> " (look at: address, where something else than socketpass may be)";
      case UNAVAILABLE, DEADLINE_EXCEEDED -> " (look at: address, tls)";
      case ALREADY_EXISTS, ABORTED -> " (look at: gatewayId, which another process has)";
      default -> "";
    };
  }

  static String describe(Status status) {
    String description = status.getDescription();
    Throwable cause = status.getCause();
    return status.getCode()
        + (description == null ? "" : ": " + description)
        + (cause == null ? "" : ": " + cause.getMessage());
  }
}
