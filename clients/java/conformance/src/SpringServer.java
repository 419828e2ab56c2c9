import com.fasterxml.jackson.databind.JsonNode;
import io.opentelemetry.api.GlobalOpenTelemetry;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.Scope;
import io.opentelemetry.context.propagation.TextMapGetter;
import io.socketpass.SocketPass;
import io.socketpass.spring.SocketPassHandshakeInterceptor;
import io.socketpass.spring.SocketPassWebSocketHandler;
import jakarta.servlet.Filter;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.catalina.Wrapper;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.util.descriptor.web.FilterDef;
import org.apache.tomcat.util.descriptor.web.FilterMap;
import org.apache.tomcat.websocket.server.WsContextListener;
import org.springframework.web.context.support.AnnotationConfigWebApplicationContext;
import org.springframework.web.servlet.DispatcherServlet;
import org.springframework.web.socket.CloseStatus;
import org.springframework.web.socket.TextMessage;
import org.springframework.web.socket.WebSocketSession;
import org.springframework.web.socket.config.annotation.EnableWebSocket;
import org.springframework.web.socket.config.annotation.WebSocketConfigurer;
import org.springframework.web.socket.config.annotation.WebSocketHandlerRegistry;
import org.springframework.web.socket.handler.TextWebSocketHandler;

/** Spring WebSocket in an embedded Tomcat. */
final class SpringServer implements Subject.Server {
  private final Map<String, WebSocketSession> sessions = new ConcurrentHashMap<>();
  private final Tomcat tomcat = new Tomcat();

  SpringServer(SocketPass socketPass, boolean rejectAfterUpgrade) throws Exception {
    String folder = Files.createTempDirectory("subject").toString();
    tomcat.setBaseDir(folder);
    tomcat.setSilent(true);
    tomcat.setPort(0);
    tomcat.getConnector().setProperty("address", "127.0.0.1");
    // Tomcat's own is 8,192.
    tomcat.getConnector().setProperty("maxConnections", "20000");
    var context = tomcat.addContext("", folder);
    context.addApplicationListener(WsContextListener.class.getName());
    FilterDef filter = new FilterDef();
    filter.setFilterName("outside");
    filter.setFilter(new Outside());
    filter.setAsyncSupported("true");
    context.addFilterDef(filter);
    FilterMap everywhere = new FilterMap();
    everywhere.setFilterName("outside");
    everywhere.addURLPattern("/*");
    context.addFilterMap(everywhere);
    AnnotationConfigWebApplicationContext spring = new AnnotationConfigWebApplicationContext();
    Registrar guarded =
        registry ->
            registry
                .addHandler(new SocketPassWebSocketHandler(new Application(), socketPass), "/**")
                .addInterceptors(new SocketPassHandshakeInterceptor(socketPass, rejectAfterUpgrade))
                .setAllowedOriginPatterns("*");
    Registrar bare = registry -> registry.addHandler(new Application(), "/**").setAllowedOriginPatterns("*");
    Registrar registrar = socketPass == null ? bare : guarded;
    spring.addBeanFactoryPostProcessor(beans -> beans.registerSingleton("registrar", registrar));
    spring.register(WebSockets.class);
    Wrapper servlet = Tomcat.addServlet(context, "spring", new DispatcherServlet(spring));
    servlet.setLoadOnStartup(1);
    servlet.setAsyncSupported(true);
    context.addServletMappingDecoded("/", "spring");
    tomcat.start();
  }

  @Override
  public int port() {
    return tomcat.getConnector().getLocalPort();
  }

  @Override
  public Map<String, Map<String, Object>> local(String namespace) {
    Map<String, Map<String, Object>> sockets = new HashMap<>();
    sessions.forEach(
        (id, session) -> {
          if (session.getUri().getRawPath().equals(namespace)) {
            sockets.put(id, user(session));
          }
        });
    return sockets;
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> user(WebSocketSession session) {
    return (Map<String, Object>) session.getAttributes().getOrDefault("user", Map.of());
  }

  private final class Application extends TextWebSocketHandler {
    @Override
    public void afterConnectionEstablished(WebSocketSession session) throws Exception {
      sessions.put(session.getId(), session);
      Lines.say("opened", "socket_id", session.getId());
      you(session);
    }

    @Override
    protected void handleTextMessage(WebSocketSession session, TextMessage message) throws Exception {
      JsonNode said = Lines.JSON.readTree(message.getPayload());
      if (said.path("event").asText().equals("whoami")) {
        you(session);
      }
    }

    @Override
    public void afterConnectionClosed(WebSocketSession session, CloseStatus status) {
      sessions.remove(session.getId());
      Lines.say("closed", "socket_id", session.getId());
    }

    private void you(WebSocketSession session) throws IOException {
      Map<String, Object> message = Map.of("event", "you", "args", List.of(user(session)));
      session.sendMessage(new TextMessage(Lines.JSON.writeValueAsString(message)));
    }
  }

  interface Registrar {
    void register(WebSocketHandlerRegistry registry);
  }

  @EnableWebSocket
  static class WebSockets implements WebSocketConfigurer {
    private final Registrar registrar;

    WebSockets(Registrar registrar) {
      this.registrar = registrar;
    }

    @Override
    public void registerWebSocketHandlers(WebSocketHandlerRegistry registry) {
      registrar.register(registry);
    }
  }

  /** What is around the WebSockets: nothing is at /off, and the trace of a request is current, as a server would have it. */
  private static final class Outside implements Filter {
    @Override
    public void doFilter(ServletRequest request, ServletResponse response, FilterChain chain)
        throws IOException, ServletException {
      HttpServletRequest http = (HttpServletRequest) request;
      if (http.getRequestURI().equals("/off")) {
        ((HttpServletResponse) response).sendError(HttpServletResponse.SC_NOT_FOUND);
        return;
      }
      Context context =
          GlobalOpenTelemetry.getPropagators().getTextMapPropagator().extract(Context.current(), http, new Getter());
      try (Scope scope = context.makeCurrent()) {
        chain.doFilter(request, response);
      }
    }
  }

  private static final class Getter implements TextMapGetter<HttpServletRequest> {
    @Override
    public Iterable<String> keys(HttpServletRequest request) {
      return Collections.list(request.getHeaderNames());
    }

    @Override
    public String get(HttpServletRequest request, String name) {
      return request.getHeader(name);
    }
  }
}
