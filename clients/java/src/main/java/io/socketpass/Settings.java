package io.socketpass;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.BiConsumer;
import java.util.function.Supplier;
import java.util.regex.Pattern;

/** What a client was made with. A setting that cannot be is refused here, by its name. */
record Settings(
    String address,
    Tls tls,
    Supplier<String> token,
    String gatewayId,
    Map<String, String> labels,
    Duration timeout,
    OnUnavailable onUnavailable,
    Duration closeAfterLoss,
    Hook success,
    Hook fail,
    BiConsumer<String, Map<String, Object>> userChanged,
    String userProperty) {

  private static final Pattern HOST_AND_PORT = Pattern.compile("(\\[[^\\]\\s]+]|[^:/\\s\\[\\]]+):(\\d{1,5})");
  private static final String PKCS8 = "-----BEGIN PRIVATE KEY-----";
  private static final Pattern VISIBLE_ASCII = Pattern.compile("[!-~]+");

  /** What a clock counts up to. */
  private static final Duration LONGEST = Duration.ofNanos(Long.MAX_VALUE);

  static final String A_DURATION = "a duration above zero, 292 years at most";

  Settings {
    address(address);
    if (tls != null) {
      tls(tls);
    }
    require(bytes(gatewayId) >= 1 && bytes(gatewayId) <= 256 && !hasControls(gatewayId),
        "gatewayId", "1 to 256 bytes without control characters");
    require(labels != null && labels.size() <= 32, "labels", "at most 32 labels");
    labels.forEach(
        (name, value) ->
            require(bytes(name) >= 1 && bytes(name) <= 63 && value != null && bytes(value) <= 256,
                "labels", "names of 1 to 63 bytes and values of at most 256"));
    labels = Map.copyOf(labels);
    require(possible(timeout), "timeout", A_DURATION);
    require(closeAfterLoss == null || possible(closeAfterLoss), "closeAfterLoss", A_DURATION);
    require(onUnavailable != null, "onUnavailable", "REJECT or ACCEPT");
    require(userProperty != null && !userProperty.isEmpty(), "userProperty", "a name");
  }

  static String token(String token) {
    require(token != null && VISIBLE_ASCII.matcher(token).matches(), "token", "visible ASCII characters");
    return token;
  }

  static String hostAndRandom() {
    String host;
    try {
      host = InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException e) {
      host = "localhost";
    }
    byte[] random = new byte[3];
    ThreadLocalRandom.current().nextBytes(random);
    return host + "-" + HexFormat.of().formatHex(random);
  }

  /** A target of gRPC's own, {@code dns:///name:port}, is taken as it is. */
  private static void address(String address) {
    if (address != null && address.contains("://")) {
      return;
    }
    var parts = HOST_AND_PORT.matcher(address == null ? "" : address);
    require(parts.matches() && Integer.parseInt(parts.group(2)) <= 65_535, "address", "HOST:PORT");
  }

  private static void tls(Tls tls) {
    require((tls.cert() == null) == (tls.key() == null), "tls", "cert and key together");
    certificates(tls.ca(), "tls.ca");
    certificates(tls.cert(), "tls.cert");
    if (tls.key() != null) {
      String key = new String(read(tls.key(), "tls.key"), StandardCharsets.ISO_8859_1);
      require(key.contains(PKCS8), "tls.key", "a PEM file with a key in PKCS#8 (" + PKCS8 + "), not " + tls.key());
    }
  }

  private static void certificates(Path file, String setting) {
    if (file == null) {
      return;
    }
    boolean found;
    try {
      CertificateFactory x509 = CertificateFactory.getInstance("X.509");
      found = !x509.generateCertificates(new ByteArrayInputStream(read(file, setting))).isEmpty();
    } catch (CertificateException e) {
      found = false;
    }
    require(found, setting, "a PEM file with certificates, not " + file);
  }

  private static byte[] read(Path file, String setting) {
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new IllegalArgumentException(setting + " takes a PEM file that can be read, not " + file, e);
    }
  }

  private static boolean possible(Duration duration) {
    return duration != null && duration.compareTo(Duration.ZERO) > 0 && duration.compareTo(LONGEST) <= 0;
  }

  private static int bytes(String text) {
    return text == null ? 0 : text.getBytes(StandardCharsets.UTF_8).length;
  }

  private static boolean hasControls(String text) {
    return text.chars().anyMatch(Character::isISOControl);
  }

  static void require(boolean holds, String setting, String takes) {
    if (!holds) {
      throw new IllegalArgumentException(setting + " takes " + takes);
    }
  }
}
