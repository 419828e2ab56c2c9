package io.socketpass;

import java.time.Duration;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.Supplier;

/** The settings of a {@link SocketPass}; each has a default. */
public final class SocketPassBuilder {
  private String address = "127.0.0.1:50051";
  private Tls tls;
  private Supplier<String> token;
  private String gatewayId = Settings.hostAndRandom();
  private Map<String, String> labels = Map.of();
  private Duration timeout = Duration.ofSeconds(5);
  private OnUnavailable onUnavailable = OnUnavailable.REJECT;
  private Duration closeAfterLoss;
  private Hook success = (handshake, decision) -> Verdict.keep();
  private Hook fail = (handshake, decision) -> Verdict.keep();
  private BiConsumer<String, Map<String, Object>> userChanged = (socketId, user) -> {};
  private String userProperty = "user";

  SocketPassBuilder() {}

  /**
   * Where socketpass is: {@code HOST:PORT}, default {@code 127.0.0.1:50051}. A name that has several addresses is asked again
   * when connections are lost, and calls go round all of them.
   */
  public SocketPassBuilder address(String address) {
    this.address = address;
    return this;
  }

  /** Speaks TLS; default plaintext. */
  public SocketPassBuilder tls(Tls tls) {
    this.tls = tls;
    return this;
  }

  /** What {@code socketpass token} made; null, as {@code System.getenv} gives it, is none, which is the default. */
  public SocketPassBuilder token(String token) {
    this.token = token == null ? null : supplying(Settings.token(token));
    return this;
  }

  /** Gives the token, and is asked for every call, so that a token can be exchanged. It may wait for something. */
  public SocketPassBuilder token(Supplier<String> token) {
    Settings.require(token != null, "token", "what gives the token");
    this.token = token;
    return this;
  }

  /**
   * The process' name in the fleet, 1 to 256 bytes; default the host's name and six random hex digits. Give a name that is the
   * same after a restart (a pod's name): then nothing is listed twice for a lease.
   */
  public SocketPassBuilder gatewayId(String gatewayId) {
    this.gatewayId = gatewayId;
    return this;
  }

  /** The gateway's labels, for filters; default none. */
  public SocketPassBuilder labels(Map<String, String> labels) {
    this.labels = labels;
    return this;
  }

  /** How long an Authorize may take, repetitions included; default 5 s. */
  public SocketPassBuilder timeout(Duration timeout) {
    this.timeout = timeout;
    return this;
  }

  /** What becomes of handshakes that the service could not answer, or answered with a fault; default they are rejected. */
  public SocketPassBuilder onUnavailable(OnUnavailable onUnavailable) {
    this.onUnavailable = onUnavailable;
    return this;
  }

  /** How long a socket may be open without a stream until the client closes it; default for ever. */
  public SocketPassBuilder closeAfterLoss(Duration closeAfterLoss) {
    Settings.require(closeAfterLoss != null, "closeAfterLoss", Settings.A_DURATION);
    this.closeAfterLoss = closeAfterLoss;
    return this;
  }

  /** Is asked about handshakes that are accepted. */
  public SocketPassBuilder success(Hook success) {
    Settings.require(success != null, "success", "a Hook");
    this.success = success;
    return this;
  }

  /** Is asked about handshakes that are rejected. */
  public SocketPassBuilder fail(Hook fail) {
    Settings.require(fail != null, "fail", "a Hook");
    this.fail = fail;
    return this;
  }

  /** Is told the socket's id and its user, when the user behind an open socket has changed. */
  public SocketPassBuilder userChanged(BiConsumer<String, Map<String, Object>> userChanged) {
    Settings.require(userChanged != null, "userChanged", "what is told of it");
    this.userChanged = userChanged;
    return this;
  }

  /** The name under which a socket keeps its user; default {@code user}. */
  public SocketPassBuilder userProperty(String userProperty) {
    this.userProperty = userProperty;
    return this;
  }

  /**
   * Makes the client, and opens its stream.
   *
   * @throws IllegalArgumentException if a setting cannot be; the message names it
   */
  public SocketPass build() {
    return new SocketPass(settings());
  }

  Settings settings() {
    return new Settings(
        address,
        tls,
        token,
        gatewayId,
        labels,
        timeout,
        onUnavailable,
        closeAfterLoss,
        success,
        fail,
        userChanged,
        userProperty);
  }

  private static Supplier<String> supplying(String token) {
    return () -> token;
  }
}
