package io.socketpass;

import io.grpc.Metadata;
import io.opentelemetry.api.GlobalOpenTelemetry;
import io.opentelemetry.context.Context;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;

/** Sends the OpenTelemetry context along, if there is OpenTelemetry. */
final class Tracing {
  private static final boolean AVAILABLE = available();

  /** What gRPC's metadata can carry. */
  private static final Pattern NAME = Pattern.compile("[0-9a-z_.-]+");

  private static final Pattern VALUE = Pattern.compile("[ -~]*");

  /** Servers bound what they read. */
  private static final int MOST = 8 * 1024;

  private Tracing() {}

  /** The current context by the propagator that is set; nothing without one. */
  static Metadata current() {
    Map<String, String> context = new LinkedHashMap<>();
    if (AVAILABLE) {
      OpenTelemetry.inject(context);
    }
    context.entrySet().removeIf(entry -> !isMetadata(entry.getKey(), entry.getValue()));
    Metadata metadata = new Metadata();
    if (context.entrySet().stream().mapToInt(entry -> entry.getKey().length() + entry.getValue().length()).sum() <= MOST) {
      context.forEach((name, value) -> metadata.put(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER), value));
    }
    return metadata;
  }

  /** What ends in {@code -bin} would have to be bytes. */
  private static boolean isMetadata(String name, String value) {
    return NAME.matcher(name).matches() && !name.endsWith("-bin") && VALUE.matcher(value).matches();
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
    static void inject(Map<String, String> context) {
      // get() would keep the application from setting its own later.
      GlobalOpenTelemetry.getOrNoop()
          .getPropagators()
          .getTextMapPropagator()
          .inject(Context.current(), context, Map::put);
    }
  }
}
