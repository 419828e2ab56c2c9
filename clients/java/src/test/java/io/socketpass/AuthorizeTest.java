package io.socketpass;

import static io.socketpass.testing.ScriptedSocketPass.accepted;
import static io.socketpass.testing.ScriptedSocketPass.answer;
import static io.socketpass.testing.ScriptedSocketPass.failing;
import static io.socketpass.testing.ScriptedSocketPass.rejected;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import io.opentelemetry.api.GlobalOpenTelemetry;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.ContextPropagators;
import io.opentelemetry.context.propagation.TextMapGetter;
import io.opentelemetry.context.propagation.TextMapPropagator;
import io.opentelemetry.context.propagation.TextMapSetter;
import io.socketpass.testing.ScriptedSocketPass;
import io.socketpass.v1.AuthorizeResponse;
import io.socketpass.v1.Reason;
import java.time.Duration;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class AuthorizeTest {
  private static final Map<String, Object> NOBODY = Map.of("logged_in", false);
  private static final AuthorizeResponse NOT_LOGGED_IN = rejected(Reason.REASON_NOT_LOGGED_IN, "not in", 4501);
  private static final AuthorizeResponse FAULT = rejected(Reason.REASON_STORE_UNAVAILABLE, "no store", 4000);

  private ScriptedSocketPass service;

  @BeforeEach
  void start() throws Exception {
    service = new ScriptedSocketPass();
  }

  @AfterEach
  void stop() {
    service.close();
  }

  private Admission authorize(UnaryOperator<SocketPassBuilder> settings) {
    Handshake handshake = Handshake.builder().header("Cookie", "connect.sid=x").url("/chat?a=1").namespace("/chat").build();
    try (SocketPass socketPass = settings.apply(SocketPass.builder().address(service.address())).build()) {
      return socketPass.authorize(handshake);
    }
  }

  @Test
  void theHandshakeIsSentAsItCame() throws Exception {
    Handshake handshake =
        Handshake.builder()
            .header("Cookie", "name=\u00e9").url("/socket.io/?EIO=4").auth(Map.of("session_id", "s", "n", 1))
            .remoteAddress("203.0.113.7").xdomain(true).namespace("/chat").build();
    try (SocketPass socketPass = SocketPass.builder().address(service.address()).gatewayId("g-1").build()) {
      socketPass.authorize(handshake);
    }
    var request = service.nextAsked().request();
    assertEquals("g-1", request.getGatewayId());
    var sent = request.getHandshake();
    assertEquals(Map.of("cookie", "name=\u00e9"), sent.getHeadersMap());
    assertEquals("/socket.io/?EIO=4", sent.getUrl());
    assertEquals(Map.of("session_id", "s", "n", 1L), Structs.toMap(sent.getAuth()));
    assertEquals("203.0.113.7", sent.getRemoteAddress());
    assertTrue(sent.getXdomain());
    assertEquals("/chat", sent.getNamespace());
  }

  @Test
  void whoIsAcceptedHasAUser() {
    Admission admission = authorize(b -> b);
    assertTrue(admission.accepted());
    assertEquals(Map.of("logged_in", true, "name", "ada"), admission.user());
    assertEquals("s-ada", admission.sessionId());
  }

  @Test
  void whoIsRejectedIsToldWhy() {
    service.authorize = (request, answer) -> answer(answer, NOT_LOGGED_IN);
    Admission admission = authorize(b -> b);
    assertFalse(admission.accepted());
    assertEquals("not in", admission.message());
    assertEquals(new Close(4501, "not_logged_in"), admission.close());
    assertEquals(401, admission.httpStatus());
    assertEquals("{\"code\":4501,\"reason\":\"not_logged_in\",\"message\":\"not in\"}", admission.json());
  }

  @Test
  void theStatusSaysTheKindOfRejection() {
    Map<Reason, Integer> statuses =
        Map.of(
            Reason.REASON_NO_SESSION_ID, 401,
            Reason.REASON_USER_NOT_FOUND, 401,
            Reason.REASON_ORIGIN_NOT_ALLOWED, 403,
            Reason.REASON_DENIED_BY_POLICY, 403,
            Reason.REASON_TOO_MANY_SOCKETS, 429,
            Reason.REASON_SESSION_MALFORMED, 503,
            Reason.REASON_USER_SOURCE_FAILED, 503,
            Reason.REASON_STORE_UNAVAILABLE, 503);
    statuses.forEach(
        (reason, status) -> {
          service.authorize = (request, answer) -> answer(answer, rejected(reason, "no", 4000));
          assertEquals(status, authorize(b -> b).httpStatus(), reason.name());
        });
  }

  @Test
  void aReasonThatCannotBeReadLetsNobodyIn() {
    service.authorize = (request, answer) -> answer(answer, AuthorizeResponse.newBuilder().setAccepted(true).build());
    assertEquals(503, authorize(b -> b).httpStatus());
    assertFalse(authorize(b -> b.onUnavailable(OnUnavailable.ACCEPT)).accepted());
    service.authorize =
        (request, answer) -> answer(answer, AuthorizeResponse.newBuilder().setAccepted(true).setReasonValue(99).build());
    assertFalse(authorize(b -> b).accepted());
  }

  @Test
  void aPayloadThatTheServiceWouldNotTakeIsAMistakeOfTheClientsOwn() throws Exception {
    Map<String, Object> auth = Map.of("a", 1L);
    for (int level = 2; level <= 24; level++) {
      auth = Map.of("a", auth);
    }
    AtomicInteger failed = new AtomicInteger();
    try (SocketPass socketPass =
        SocketPass.builder()
            .address(service.address())
            .onUnavailable(OnUnavailable.ACCEPT)
            .fail(
                (handshake, decision) -> {
                  failed.incrementAndGet();
                  return Verdict.accept();
                })
            .build()) {
      assertTrue(socketPass.authorize(Handshake.builder().auth(auth).build()).accepted());
      service.nextAsked();
      Handshake deeper = Handshake.builder().auth(Map.of("a", List.of(), "b", auth)).build();
      assertFalse(socketPass.authorize(deeper).accepted());
      assertFalse(socketPass.authorizeAsync(deeper).get().accepted());
    }
    assertNull(service.asked.poll());
    assertEquals(2, failed.get());

    Handshake.Builder large = Handshake.builder().auth(Map.of("a", "x".repeat(65_536)));
    Handshake.Builder larger = Handshake.builder().header("cookie", "x".repeat(262_144));
    Handshake.Builder foreign = Handshake.builder().auth(Map.of("a", new Object()));
    for (Handshake.Builder handshake : List.of(large, larger, foreign)) {
      try (SocketPass socketPass =
          SocketPass.builder().address(service.address()).onUnavailable(OnUnavailable.ACCEPT).build()) {
        assertFalse(socketPass.authorize(handshake.build()).accepted());
      }
    }
    assertNull(service.asked.poll());
  }

  @Test
  void whoComesWhileTheClientClosesIsTurnedAway() throws Exception {
    CompletableFuture<StreamObserver<AuthorizeResponse>> waiting = new CompletableFuture<>();
    service.authorize = (request, answer) -> waiting.complete(answer);
    SocketPass socketPass =
        SocketPass.builder()
            .address(service.address())
            .onUnavailable(OnUnavailable.ACCEPT)
            .fail((handshake, decision) -> Verdict.accept())
            .build();
    Handshake handshake = Handshake.builder().build();
    CompletableFuture<Admission> underWay = socketPass.authorizeAsync(handshake);
    waiting.get(45, TimeUnit.SECONDS);
    service.asked.clear();
    socketPass.close();
    for (Admission late :
        List.of(
            underWay.get(45, TimeUnit.SECONDS),
            socketPass.authorize(handshake),
            socketPass.authorizeAsync(handshake).get())) {
      assertFalse(late.accepted());
      assertEquals(new Close(4001, "gateway_draining"), late.close());
      assertEquals("Gateway is shutting down", late.message());
      assertEquals(503, late.httpStatus());
    }
    assertNull(service.asked.poll());
  }

  @Test
  void noTokenIsNone() throws Exception {
    authorize(b -> b.token("secret").token(System.getenv("NO_SUCH_VARIABLE_OF_SOCKETPASS")));
    assertNull(header(service.nextAsked().metadata(), "authorization"));
  }

  @Test
  void aFaultIsForOnUnavailable() {
    service.authorize = (request, answer) -> answer(answer, FAULT);
    Admission rejected = authorize(b -> b);
    assertFalse(rejected.accepted());
    assertEquals(new Close(4000, "store_unavailable"), rejected.close());
    Admission accepted = authorize(b -> b.onUnavailable(OnUnavailable.ACCEPT));
    assertTrue(accepted.accepted());
    assertEquals(NOBODY, accepted.user());
    assertEquals("", accepted.sessionId());
  }

  @ParameterizedTest
  @EnumSource(value = Status.Code.class,
      names = {"UNAVAILABLE", "RESOURCE_EXHAUSTED", "INTERNAL", "UNKNOWN", "DEADLINE_EXCEEDED", "ABORTED"})
  void withoutADecisionOnUnavailableCounts(Status.Code code) {
    service.authorize = failing(code.toStatus());
    AtomicReference<Decision> seen = new AtomicReference<>();
    Admission rejected =
        authorize(
            b -> b.fail(
                (handshake, decision) -> {
                  seen.set(decision);
                  return Verdict.keep();
                }));
    assertFalse(rejected.accepted());
    assertEquals("Authorization service unavailable", rejected.message());
    assertEquals(new Close(4000, "service_unavailable"), rejected.close());
    assertEquals(503, rejected.httpStatus());
    assertEquals(Reason.REASON_UNSPECIFIED, seen.get().reason());
    assertTrue(seen.get().error());
    assertEquals(NOBODY, seen.get().user());
    assertTrue(authorize(b -> b.onUnavailable(OnUnavailable.ACCEPT)).accepted());
  }

  @ParameterizedTest
  @EnumSource(value = Status.Code.class, names = {"UNAUTHENTICATED", "PERMISSION_DENIED", "INVALID_ARGUMENT", "UNIMPLEMENTED"})
  void itsOwnMistakesAlwaysReject(Status.Code code) {
    service.authorize = failing(code.toStatus());
    AtomicInteger asked = new AtomicInteger();
    Admission admission =
        authorize(
            b -> b.onUnavailable(OnUnavailable.ACCEPT).fail(
                (handshake, decision) -> {
                  asked.incrementAndGet();
                  return Verdict.accept();
                }));
    assertFalse(admission.accepted());
    assertEquals(1, asked.get());
  }

  @Test
  void hooksHaveTheLastWord() {
    Admission refused = authorize(b -> b.success((handshake, decision) -> Verdict.reject("refused by the application")));
    assertFalse(refused.accepted());
    assertEquals("refused by the application", refused.message());
    assertEquals(new Close(4504, "denied_by_policy"), refused.close());
    assertEquals(403, refused.httpStatus());
    assertTrue(authorize(b -> b.success((handshake, decision) -> Verdict.keep())).accepted());

    service.authorize =
        (request, answer) -> answer(answer, accepted("ada").toBuilder().setReason(Reason.REASON_NOT_LOGGED_IN).clearUser().build());
    assertEquals(403, authorize(b -> b.success((handshake, decision) -> Verdict.reject("no"))).httpStatus());

    service.authorize = (request, answer) -> answer(answer, NOT_LOGGED_IN);
    Admission letIn = authorize(b -> b.fail((handshake, decision) -> Verdict.accept()));
    assertTrue(letIn.accepted());
    assertEquals(NOBODY, letIn.user());
    assertEquals("", letIn.sessionId());
    assertEquals("my words", authorize(b -> b.fail((handshake, decision) -> Verdict.reject("my words"))).message());
  }

  @Test
  void aHookThatThrowsRejects() {
    Hook throwing =
        (handshake, decision) -> {
          throw new Exception("a secret of the application");
        };
    Admission failed = authorize(b -> b.success(throwing));
    assertFalse(failed.accepted());
    assertEquals("Authorization failed", failed.message());
    assertEquals(new Close(4000, "service_unavailable"), failed.close());
    assertEquals(503, failed.httpStatus());
    service.authorize = (request, answer) -> answer(answer, NOT_LOGGED_IN);
    assertEquals("not in", authorize(b -> b.fail(throwing)).message());
    assertFalse(authorize(b -> b.fail((handshake, decision) -> null)).accepted());
  }

  @Test
  void unavailableIsTriedAgainWithinTheTime() {
    AtomicInteger calls = new AtomicInteger();
    service.authorize =
        (request, answer) -> {
          if (calls.incrementAndGet() < 4) {
            answer.onError(Status.UNAVAILABLE.asRuntimeException());
          } else {
            answer(answer, accepted("ada"));
          }
        };
    assertTrue(authorize(b -> b).accepted());
    assertEquals(4, calls.get());

    calls.set(0);
    service.authorize =
        (request, answer) -> {
          calls.incrementAndGet();
          answer.onError(Status.UNAVAILABLE.asRuntimeException());
        };
    assertFalse(authorize(b -> b).accepted());
    assertEquals(4, calls.get());
  }

  @Test
  void theTimeIsBounded() {
    service.authorize = (request, answer) -> {};
    long before = System.nanoTime();
    assertFalse(authorize(b -> b.timeout(Duration.ofMillis(200))).accepted());
    assertTrue(TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - before) < 4);
  }

  @Test
  void theTokenGoesAlong() throws Exception {
    authorize(b -> b.token("secret"));
    assertEquals("Bearer secret", header(service.nextAsked().metadata(), "authorization"));

    AtomicInteger calls = new AtomicInteger();
    try (SocketPass socketPass =
        SocketPass.builder().address(service.address()).token(() -> "t" + calls.incrementAndGet()).build()) {
      socketPass.authorize(Handshake.builder().build());
      socketPass.authorize(Handshake.builder().build());
    }
    String first = header(service.nextAsked().metadata(), "authorization");
    String second = header(service.nextAsked().metadata(), "authorization");
    assertTrue(first.startsWith("Bearer t") && !first.equals(second), first + " " + second);

    Admission without =
        authorize(
            b -> b.onUnavailable(OnUnavailable.ACCEPT).token(
                () -> {
                  throw new IllegalStateException("no file");
                }));
    assertFalse(without.accepted());
  }

  @Test
  @ResourceLock("OpenTelemetry")
  void theTraceGoesOn() throws Exception {
    authorize(b -> b);
    assertNull(header(service.nextAsked().metadata(), "traceparent"));

    GlobalOpenTelemetry.set(
        OpenTelemetry.propagating(ContextPropagators.create(W3CTraceContextPropagator.getInstance())));
    SpanContext span =
        SpanContext.create(
            "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", TraceFlags.getSampled(), TraceState.getDefault());
    try (var scope = Span.wrap(span).makeCurrent()) {
      authorize(b -> b);
    } finally {
      GlobalOpenTelemetry.resetForTest();
    }
    assertEquals(
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        header(service.nextAsked().metadata(), "traceparent"));
  }

  @Test
  @ResourceLock("OpenTelemetry")
  void ofTheTraceGoesOnWhatGrpcCanCarry() throws Exception {
    Map<String, String> fields = new LinkedHashMap<>();
    TextMapPropagator own =
        new TextMapPropagator() {
          @Override
          public Collection<String> fields() {
            return fields.keySet();
          }

          @Override
          public <C> void inject(Context context, C carrier, TextMapSetter<C> setter) {
            fields.forEach((name, value) -> setter.set(carrier, name, value));
          }

          @Override
          public <C> Context extract(Context context, C carrier, TextMapGetter<C> getter) {
            return context;
          }
        };
    fields.put("x trace", "no name");
    fields.put("trace-bin", "no bytes");
    fields.put("x-text", "\u00e9");
    fields.put("x-trace", "1");
    GlobalOpenTelemetry.set(OpenTelemetry.propagating(ContextPropagators.create(own)));
    try {
      assertTrue(authorize(b -> b).accepted());
      Metadata sent = service.nextAsked().metadata();
      assertEquals("1", header(sent, "x-trace"));
      assertNull(header(sent, "x-text"));
      fields.put("x-more", "x".repeat(8 * 1024));
      assertTrue(authorize(b -> b).accepted());
      assertNull(header(service.nextAsked().metadata(), "x-trace"));
    } finally {
      GlobalOpenTelemetry.resetForTest();
    }
  }

  private static String header(Metadata metadata, String name) {
    return metadata.get(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER));
  }
}
