package io.socketpass.spring;

import io.socketpass.Admission;
import io.socketpass.Handshake;
import io.socketpass.SocketPass;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.stream.Collectors;
import org.springframework.http.HttpStatusCode;
import org.springframework.http.MediaType;
import org.springframework.http.server.PathContainer;
import org.springframework.http.server.ServerHttpRequest;
import org.springframework.http.server.ServerHttpResponse;
import org.springframework.web.socket.WebSocketHandler;
import org.springframework.web.socket.server.HandshakeInterceptor;

/**
 * Has socketpass authorize the handshakes of WebSockets. The user is in the session's attributes, under the name that
 * {@code userProperty} says. It goes together with a {@link SocketPassWebSocketHandler} around the application's handler.
 */
public final class SocketPassHandshakeInterceptor implements HandshakeInterceptor {
  static final String ADMITTED = SocketPassHandshakeInterceptor.class.getName() + ".admitted";

  /** What goes from the handshake to the session. */
  record Admitted(Handshake handshake, Admission admission) {}

  private final SocketPass socketPass;
  private final boolean rejectAfterUpgrade;

  /** Turns handshakes away with an HTTP status. */
  public SocketPassHandshakeInterceptor(SocketPass socketPass) {
    this(socketPass, false);
  }

  /**
   * Turns handshakes away.
   *
   * @param rejectAfterUpgrade whether to let the upgrade happen first and to close right after it, with the code: browsers
   *     see no HTTP status
   */
  public SocketPassHandshakeInterceptor(SocketPass socketPass, boolean rejectAfterUpgrade) {
    this.socketPass = socketPass;
    this.rejectAfterUpgrade = rejectAfterUpgrade;
  }

  @Override
  public boolean beforeHandshake(
      ServerHttpRequest request,
      ServerHttpResponse response,
      WebSocketHandler handler,
      Map<String, Object> attributes)
      throws IOException {
    Handshake handshake = handshake(request);
    Admission admission = socketPass.authorize(handshake);
    if (!admission.accepted() && !rejectAfterUpgrade) {
      response.setStatusCode(HttpStatusCode.valueOf(admission.httpStatus()));
      response.getHeaders().setContentType(MediaType.APPLICATION_JSON);
      response.getBody().write(admission.json().getBytes(StandardCharsets.UTF_8));
      return false;
    }
    attributes.put(socketPass.userProperty(), admission.user());
    attributes.put(ADMITTED, new Admitted(handshake, admission));
    return true;
  }

  @Override
  public void afterHandshake(
      ServerHttpRequest request, ServerHttpResponse response, WebSocketHandler handler, Exception exception) {
    // The session says when it is open.
  }

  private static Handshake handshake(ServerHttpRequest request) {
    URI uri = request.getURI();
    String query = uri.getRawQuery();
    Handshake.Builder handshake =
        Handshake.builder()
            .url(query == null ? uri.getRawPath() : uri.getRawPath() + "?" + query)
            .remoteAddress(address(request.getRemoteAddress()))
            .namespace(path(uri));
    request.getHeaders().forEach((name, values) -> values.forEach(value -> handshake.header(name, value)));
    return handshake.build();
  }

  /** As routes match it: decoded, segment by segment, and without parameters ({@code ;v=1}). */
  private static String path(URI uri) {
    return PathContainer.parsePath(uri.getRawPath()).elements().stream()
        .map(element -> element instanceof PathContainer.PathSegment segment ? segment.valueToMatch() : element.value())
        .collect(Collectors.joining());
  }

  private static String address(InetSocketAddress address) {
    return address.isUnresolved() ? address.getHostString() : address.getAddress().getHostAddress();
  }
}
