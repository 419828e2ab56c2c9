package io.socketpass;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * What a client sent when it asked for a socket.
 *
 * @param headers by name in lower case, bytes read as Latin-1, repeated ones joined
 * @param url the request target with its query
 * @param auth Socket.IO's {@code auth} payload; empty without one
 * @param remoteAddress the peer's address, or an empty text
 * @param xdomain whether the handshake is known to be cross-domain
 * @param namespace Socket.IO's namespace, or the path of a plain WebSocket
 */
public record Handshake(
    Map<String, String> headers,
    String url,
    Map<String, Object> auth,
    String remoteAddress,
    boolean xdomain,
    String namespace) {

  /** Starts a handshake to which headers are added as they came. */
  public static Builder builder() {
    return new Builder();
  }

  /** The header's value, or an empty text. */
  public String header(String name) {
    return headers.getOrDefault(name.toLowerCase(Locale.ROOT), "");
  }

  /** Without headers, url and auth payload: whoever has them is logged in. */
  @Override
  public String toString() {
    return "Handshake[namespace=" + namespace + ", remoteAddress=" + remoteAddress + "]";
  }

  /** A handshake in the making. */
  public static final class Builder {
    private final Map<String, String> headers = new LinkedHashMap<>();
    private String url = "";
    private Map<String, Object> auth = Map.of();
    private String remoteAddress = "";
    private boolean xdomain;
    private String namespace = "";

    private Builder() {}

    /** Adds a header. One that came before is continued, as RFC 9110 (5.3) and RFC 9113 (8.2.3) have it. */
    public Builder header(String name, String value) {
      String lower = name.toLowerCase(Locale.ROOT);
      String separator = lower.equals("cookie") ? "; " : ", ";
      headers.merge(lower, value, (before, more) -> before + separator + more);
      return this;
    }

    /** The request target with its query. */
    public Builder url(String url) {
      this.url = url;
      return this;
    }

    /** Socket.IO's {@code auth} payload. */
    public Builder auth(Map<String, Object> auth) {
      this.auth = auth;
      return this;
    }

    /** The peer's address. */
    public Builder remoteAddress(String remoteAddress) {
      this.remoteAddress = remoteAddress;
      return this;
    }

    /** Whether the handshake is known to be cross-domain. */
    public Builder xdomain(boolean xdomain) {
      this.xdomain = xdomain;
      return this;
    }

    /** Socket.IO's namespace, or the path of a plain WebSocket. */
    public Builder namespace(String namespace) {
      this.namespace = namespace;
      return this;
    }

    /** The handshake. */
    public Handshake build() {
      return new Handshake(Map.copyOf(headers), url, auth, remoteAddress, xdomain, namespace);
    }
  }
}
