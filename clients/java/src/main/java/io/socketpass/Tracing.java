package io.socketpass;

import io.grpc.Metadata;
import io.opentelemetry.api.GlobalOpenTelemetry;
import io.opentelemetry.context.Context;

/** Sends the OpenTelemetry context along, if there is OpenTelemetry. */
final class Tracing {
  private static final boolean AVAILABLE = available();

  private Tracing() {}

  /** The current context by the propagator that is set; nothing without one. */
  static Metadata current() {
    Metadata metadata = new Metadata();
    if (AVAILABLE) {
      OpenTelemetry.inject(metadata);
    }
    return metadata;
  }

  private static boolean available() {
    try {
      Class.forName("io.opentelemetry.api.GlobalOpenTelemetry", false, Tracing.class.getClassLoader())
          .getMethod("getOrNoop");
      return true;
    } catch (ReflectiveOperationException e) {
      return false;
    }
  }

  /** Its own class, so that OpenTelemetry's are looked for only where they are. */
  private static final class OpenTelemetry {
    static void inject(Metadata metadata) {
      // get() would keep the application from setting its own later.
      GlobalOpenTelemetry.getOrNoop()
          .getPropagators()
          .getTextMapPropagator()
          .inject(
              Context.current(),
              metadata,
              (into, name, value) -> into.put(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER), value));
    }
  }
}
