package io.socketpass.spring;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.apache.catalina.Context;
import org.apache.catalina.Wrapper;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.websocket.server.WsContextListener;
import org.springframework.web.context.support.AnnotationConfigWebApplicationContext;
import org.springframework.web.servlet.DispatcherServlet;
import org.springframework.web.socket.config.annotation.EnableWebSocket;
import org.springframework.web.socket.config.annotation.WebSocketConfigurer;
import org.springframework.web.socket.config.annotation.WebSocketHandlerRegistry;

/** Spring's WebSockets in an embedded Tomcat, on a free port of 127.0.0.1. */
final class SpringServer implements AutoCloseable {
  private final Tomcat tomcat = new Tomcat();
  private final Path folder = Files.createTempDirectory("tomcat");

  SpringServer(Consumer<WebSocketHandlerRegistry> handlers) throws Exception {
    tomcat.setBaseDir(folder.toString());
    tomcat.setSilent(true);
    tomcat.setHostname("127.0.0.1");
    tomcat.setPort(0);
    tomcat.getConnector().setProperty("address", "127.0.0.1");
    Context context = tomcat.addContext("", folder.toString());
    context.addApplicationListener(WsContextListener.class.getName());
    AnnotationConfigWebApplicationContext spring = new AnnotationConfigWebApplicationContext();
    spring.register(WebSockets.class);
    spring.addBeanFactoryPostProcessor(beans -> beans.registerSingleton("handlers", (Handlers) handlers::accept));
    Wrapper servlet = Tomcat.addServlet(context, "spring", new DispatcherServlet(spring));
    servlet.setLoadOnStartup(1);
    servlet.setAsyncSupported(true);
    context.addServletMappingDecoded("/", "spring");
    tomcat.start();
  }

  int port() {
    return tomcat.getConnector().getLocalPort();
  }

  @Override
  public void close() throws Exception {
    tomcat.stop();
    tomcat.destroy();
    try (var files = Files.walk(folder)) {
      for (Path file : files.sorted(java.util.Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }

  interface Handlers {
    void addTo(WebSocketHandlerRegistry registry);
  }

  @EnableWebSocket
  static class WebSockets implements WebSocketConfigurer {
    private final Handlers handlers;

    WebSockets(Handlers handlers) {
      this.handlers = handlers;
    }

    @Override
    public void registerWebSocketHandlers(WebSocketHandlerRegistry registry) {
      handlers.addTo(registry);
    }
  }
}
