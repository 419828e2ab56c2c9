package io.socketpass;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.socketpass.testing.Certificates;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class SettingsTest {
  private static final Duration FOREVER = ChronoUnit.FOREVER.getDuration();

  @ParameterizedTest(name = "{1}")
  @MethodSource("wrong")
  void whatCannotBeIsRefusedByName(UnaryOperator<SocketPassBuilder> setting, String message) {
    var refused = assertThrows(IllegalArgumentException.class, () -> setting.apply(SocketPass.builder()).build());
    assertEquals(message, refused.getMessage());
  }

  static Stream<Arguments> wrong() {
    Path missing = Path.of("no-such.pem");
    return Stream.of(
        of(b -> b.address("localhost"), "address takes HOST:PORT"),
        of(b -> b.address("localhost:65536"), "address takes HOST:PORT"),
        of(b -> b.address(null), "address takes HOST:PORT"),
        of(b -> b.tls(Tls.trusting(missing)), "tls.ca takes a PEM file that can be read, not no-such.pem"),
        of(b -> b.tls(new Tls(null, missing, null)), "tls takes cert and key together"),
        of(b -> b.tls(new Tls(null, null, missing)), "tls takes cert and key together"),
        of(b -> b.tls(Tls.system().with(missing, missing)), "tls.cert takes a PEM file that can be read, not no-such.pem"),
        of(b -> b.tls(Tls.trusting(Path.of("pom.xml"))), "tls.ca takes a PEM file with certificates, not pom.xml"),
        of(b -> b.tls(Tls.trusting(null)), "tls.ca takes a PEM file"),
        of(b -> b.token((Supplier<String>) null), "token takes what gives the token"),
        of(b -> b.success(null), "success takes a Hook"),
        of(b -> b.fail(null), "fail takes a Hook"),
        of(b -> b.userChanged(null), "userChanged takes what is told of it"),
        of(b -> b.token(""), "token takes visible ASCII characters"),
        of(b -> b.token("to ken"), "token takes visible ASCII characters"),
        of(b -> b.gatewayId(""), "gatewayId takes 1 to 256 bytes without control characters"),
        of(b -> b.gatewayId("é".repeat(129)), "gatewayId takes 1 to 256 bytes without control characters"),
        of(b -> b.gatewayId("a\nb"), "gatewayId takes 1 to 256 bytes without control characters"),
        of(b -> b.labels(Map.of("", "x")), "labels takes names of 1 to 63 bytes and values of at most 256"),
        of(b -> b.labels(null), "labels takes at most 32 labels"),
        of(b -> b.timeout(Duration.ZERO), "timeout takes a duration above zero, 292 years at most"),
        of(b -> b.timeout(null), "timeout takes a duration above zero, 292 years at most"),
        of(b -> b.onUnavailable(null), "onUnavailable takes REJECT or ACCEPT"),
        of(b -> b.closeAfterLoss(Duration.ofMillis(-1)), "closeAfterLoss takes a duration above zero, 292 years at most"),
        of(b -> b.closeAfterLoss(null), "closeAfterLoss takes a duration above zero, 292 years at most"),
        of(b -> b.timeout(FOREVER), "timeout takes a duration above zero, 292 years at most"),
        of(b -> b.closeAfterLoss(FOREVER), "closeAfterLoss takes a duration above zero, 292 years at most"),
        of(b -> b.userProperty(""), "userProperty takes a name"));
  }

  private static Arguments of(UnaryOperator<SocketPassBuilder> setting, String message) {
    return Arguments.of(setting, message);
  }

  @ParameterizedTest
  @ValueSource(strings = {"http://127.0.0.1:50051", "xds:///socketpass", "dns:///"})
  void aTargetThatGrpcDoesNotKnowIsRefusedByName(String address) {
    var refused = assertThrows(IllegalArgumentException.class, () -> SocketPass.builder().address(address).build());
    assertTrue(refused.getMessage().startsWith("address takes HOST:PORT"), refused.getMessage());
  }

  @Test
  void aKeyThatIsNotInPkcs8IsRefusedByName(@TempDir Path folder) throws Exception {
    Certificates mine = Certificates.make(folder, "mine");
    Path old = Files.writeString(folder.resolve("old.key"), "-----BEGIN RSA PRIVATE KEY-----\n");
    var builder = SocketPass.builder().tls(Tls.system().with(mine.cert(), old));
    var refused = assertThrows(IllegalArgumentException.class, builder::build);
    assertTrue(refused.getMessage().startsWith("tls.key takes a PEM file with a key in PKCS#8"), refused.getMessage());
    assertTrue(refused.getMessage().endsWith(old.toString()), refused.getMessage());
  }

  @Test
  void theGatewayIsNamedAfterItsHost() {
    String name = Settings.hostAndRandom();
    assertTrue(name.matches(".+-[0-9a-f]{6}"), name);
  }

  @Test
  void addressesOfGrpcsOwnAreTaken() {
    SocketPass.builder().address("dns:///localhost:1").build().close();
    SocketPass.builder().address("[::1]:1").build().close();
  }
}
