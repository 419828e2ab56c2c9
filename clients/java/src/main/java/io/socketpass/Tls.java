package io.socketpass;

import java.nio.file.Path;

/**
 * TLS to socketpass, with PEM files.
 *
 * @param ca the authorities to trust; null: the system's
 * @param cert the client's own certificate (mTLS), or null
 * @param key its key; it goes together with {@code cert}
 */
public record Tls(Path ca, Path cert, Path key) {
  /** Trusts the system's authorities. */
  public static Tls system() {
    return new Tls(null, null, null);
  }

  /** Trusts the authorities in this file. */
  public static Tls trusting(Path ca) {
    Settings.require(ca != null, "tls.ca", "a PEM file");
    return new Tls(ca, null, null);
  }

  /** The same, with a certificate of the client's own. */
  public Tls with(Path cert, Path key) {
    return new Tls(ca, cert, key);
  }
}
