package io.socketpass;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.EquivalentAddressGroup;
import io.grpc.InsecureServerCredentials;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.NameResolverRegistry;
import io.grpc.StatusOr;
import io.grpc.TlsServerCredentials;
import io.socketpass.testing.Certificates;
import io.socketpass.testing.ReportCall;
import io.socketpass.testing.ScriptedSocketPass;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.URI;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ConnectionTest {
  private static final Handshake HANDSHAKE = Handshake.builder().build();

  @TempDir Path folder;

  private static boolean accepted(String address, Tls tls) {
    try (SocketPass socketPass = SocketPass.builder().address(address).tls(tls).build()) {
      return socketPass.authorize(HANDSHAKE).accepted();
    }
  }

  @Test
  void tlsTrustsWhomItIsTold() throws Exception {
    Certificates server = Certificates.make(folder, "server");
    Certificates other = Certificates.make(folder, "other");
    var credentials = TlsServerCredentials.create(server.cert().toFile(), server.key().toFile());
    try (ScriptedSocketPass service = new ScriptedSocketPass(0, credentials)) {
      assertTrue(accepted(service.address(), Tls.trusting(server.cert())));
      assertFalse(accepted(service.address(), Tls.trusting(other.cert())));
      assertFalse(accepted(service.address(), Tls.system()));
      assertFalse(accepted(service.address(), null));
    }
  }

  @Test
  void mutualTlsShowsACertificate() throws Exception {
    Certificates server = Certificates.make(folder, "server");
    Certificates client = Certificates.make(folder, "client");
    var credentials =
        TlsServerCredentials.newBuilder()
            .keyManager(server.cert().toFile(), server.key().toFile())
            .trustManager(client.cert().toFile())
            .clientAuth(TlsServerCredentials.ClientAuth.REQUIRE)
            .build();
    try (ScriptedSocketPass service = new ScriptedSocketPass(0, credentials)) {
      assertTrue(accepted(service.address(), Tls.trusting(server.cert()).with(client.cert(), client.key())));
      assertFalse(accepted(service.address(), Tls.trusting(server.cert())));
    }
  }

  @Test
  void aServiceThatComesBackIsFound() throws Exception {
    ScriptedSocketPass service = new ScriptedSocketPass();
    try (SocketPass socketPass = SocketPass.builder().address(service.address()).build()) {
      service.nextReport().welcome(60_000);
      service.close();
      assertFalse(socketPass.authorize(HANDSHAKE).accepted());
      try (ScriptedSocketPass again = new ScriptedSocketPass(service.port(), InsecureServerCredentials.create())) {
        ReportCall call = again.nextReport();
        call.welcome(60_000);
        call.listing();
        assertTrue(socketPass.authorize(HANDSHAKE).accepted());
      }
    }
  }

  @Test
  void callsGoRoundAllAddresses() throws Exception {
    try (ScriptedSocketPass one = new ScriptedSocketPass();
        ScriptedSocketPass two = new ScriptedSocketPass()) {
      NameResolverProvider names = new TwoAddresses(List.of(one.port(), two.port()));
      NameResolverRegistry.getDefaultRegistry().register(names);
      try (SocketPass socketPass = SocketPass.builder().address("two:///socketpass").build()) {
        // Both are connected when both have been asked.
        while (one.asked.isEmpty() || two.asked.isEmpty()) {
          assertTrue(socketPass.authorize(HANDSHAKE).accepted());
        }
        one.asked.clear();
        two.asked.clear();
        for (int i = 0; i < 20; i++) {
          assertTrue(socketPass.authorize(HANDSHAKE).accepted());
        }
        assertEquals(10, one.asked.size());
        assertEquals(10, two.asked.size());
        one.close();
        for (int i = 0; i < 20; i++) {
          assertTrue(socketPass.authorize(HANDSHAKE).accepted(), "a handshake was lost with the replica");
        }
      } finally {
        NameResolverRegistry.getDefaultRegistry().deregister(names);
      }
    }
  }

  /** What DNS would say of a name with two addresses. */
  private static final class TwoAddresses extends NameResolverProvider {
    private final List<Integer> ports;

    TwoAddresses(List<Integer> ports) {
      this.ports = ports;
    }

    @Override
    public NameResolver newNameResolver(URI target, NameResolver.Args args) {
      return new NameResolver() {
        @Override
        public String getServiceAuthority() {
          return "socketpass";
        }

        @Override
        public void start(Listener2 listener) {
          List<EquivalentAddressGroup> groups =
              ports.stream()
                  .map(port -> new EquivalentAddressGroup(new InetSocketAddress("127.0.0.1", port)))
                  .toList();
          listener.onResult(ResolutionResult.newBuilder().setAddressesOrError(StatusOr.fromValue(groups)).build());
        }

        @Override
        public void shutdown() {}
      };
    }

    @Override
    public String getDefaultScheme() {
      return "two";
    }

    @Override
    protected boolean isAvailable() {
      return true;
    }

    @Override
    protected int priority() {
      return 1;
    }

    @Override
    public Collection<Class<? extends SocketAddress>> getProducedSocketAddressTypes() {
      return List.of(InetSocketAddress.class);
    }
  }
}
