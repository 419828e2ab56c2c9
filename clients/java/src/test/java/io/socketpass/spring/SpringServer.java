package io.socketpass.spring;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.function.Consumer;
import org.apache.catalina.Context;
import org.apache.catalina.Wrapper;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.websocket.server.WsContextListener;
import org.springframework.beans.factory.config.BeanFactoryPostProcessor;
import org.springframework.web.context.support.AnnotationConfigWebApplicationContext;
import org.springframework.web.servlet.DispatcherServlet;
import org.springframework.web.socket.config.annotation.EnableWebSocket;
import org.springframework.web.socket.config.annotation.WebSocketConfigurer;
import org.springframework.web.socket.config.annotation.WebSocketHandlerRegistry;

/** Spring's WebSockets in an embedded Tomcat, on a free port of 127.0.0.1. */
public final class SpringServer implements AutoCloseable {
  private final Tomcat tomcat = new Tomcat();
  private final Path folder = Files.createTempDirectory("tomcat");
  private boolean closed;

  SpringServer(Consumer<WebSocketHandlerRegistry> handlers) throws Exception {
    this(WebSockets.class, beans -> beans.registerSingleton("handlers", (Handlers) handlers::accept));
  }

  public SpringServer(Class<?> configuration) throws Exception {
    this(configuration, beans -> {});
  }

  private SpringServer(Class<?> configuration, BeanFactoryPostProcessor beans) throws Exception {
    tomcat.setBaseDir(folder.toString());
    tomcat.setSilent(true);
    tomcat.setPort(0);
    tomcat.getConnector().setProperty("address", "127.0.0.1");
    Context context = tomcat.addContext("", folder.toString());
    context.addApplicationListener(WsContextListener.class.getName());
    AnnotationConfigWebApplicationContext spring = new AnnotationConfigWebApplicationContext();
    spring.register(configuration);
    spring.addBeanFactoryPostProcessor(beans);
    Wrapper servlet = Tomcat.addServlet(context, "spring", new DispatcherServlet(spring));
    servlet.setLoadOnStartup(1);
    servlet.setAsyncSupported(true);
    context.addServletMappingDecoded("/", "spring");
    tomcat.start();
  }

  public int port() {
    return tomcat.getConnector().getLocalPort();
  }

  @Override
  public void close() throws Exception {
    if (closed) {
      return;
    }
    closed = true;
    tomcat.stop();
    tomcat.destroy();
    try (var files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
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
