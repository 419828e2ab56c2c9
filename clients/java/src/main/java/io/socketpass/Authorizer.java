package io.socketpass;

import com.google.common.util.concurrent.FutureCallback;
import com.google.common.util.concurrent.Futures;
import com.google.common.util.concurrent.ListenableFuture;
import com.google.common.util.concurrent.MoreExecutors;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.MetadataUtils;
import io.socketpass.v1.AuthorizationServiceGrpc.AuthorizationServiceFutureStub;
import io.socketpass.v1.AuthorizeRequest;
import io.socketpass.v1.AuthorizeResponse;
import java.lang.System.Logger.Level;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** From a handshake to what becomes of it: the service's decision, {@code onUnavailable}, the hooks. */
final class Authorizer {
  /** What the service said; after a mistake of the client's own nobody may say otherwise. */
  record Answer(Decision decision, boolean ownMistake) {}

  private final System.Logger log = System.getLogger("io.socketpass");
  private final CauseLog causes = new CauseLog();
  private final AuthorizationServiceFutureStub stub;
  private final Settings settings;

  Authorizer(AuthorizationServiceFutureStub stub, Settings settings) {
    this.stub = stub;
    this.settings = settings;
  }

  /** Never fails: no answer is one, too. */
  CompletableFuture<Answer> ask(Handshake handshake) {
    Metadata trace = Tracing.current();
    AuthorizationServiceFutureStub call = stub.withDeadlineAfter(settings.timeout().toNanos(), TimeUnit.NANOSECONDS);
    if (!trace.keys().isEmpty()) {
      call = call.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(trace));
    }
    CompletableFuture<Answer> answer = new CompletableFuture<>();
    ListenableFuture<AuthorizeResponse> response = call.authorize(request(handshake));
    Futures.addCallback(
        response,
        new FutureCallback<>() {
          @Override
          public void onSuccess(AuthorizeResponse decision) {
            causes.well();
            answer.complete(new Answer(Decision.of(decision), false));
          }

          @Override
          public void onFailure(Throwable thrown) {
            answer.complete(none(Status.fromThrowable(thrown)));
          }
        },
        MoreExecutors.directExecutor());
    return answer;
  }

  Admission admit(Handshake handshake, Answer answer) {
    Decision decision = answer.decision();
    boolean mayBeLetIn = !answer.ownMistake();
    if (decision.fault() && mayBeLetIn && settings.onUnavailable() == OnUnavailable.ACCEPT) {
      return Admission.granted(decision);
    }
    boolean accepted = decision.accepted();
    Hook hook = accepted ? settings.success() : settings.fail();
    try {
      Verdict verdict = hook.decide(handshake, decision);
      return verdict.accepts(accepted) && mayBeLetIn
          ? Admission.granted(decision)
          : Admission.refused(decision, verdict.messageOr(decision.message()));
    } catch (Exception e) {
      log.log(Level.WARNING, "the hook " + (accepted ? "success" : "fail") + " failed: the handshake is rejected", e);
      return Admission.refused(decision, accepted ? "Refused by the application" : decision.message());
    }
  }

  private AuthorizeRequest request(Handshake handshake) {
    io.socketpass.v1.Handshake.Builder sent =
        io.socketpass.v1.Handshake.newBuilder()
            .putAllHeaders(handshake.headers())
            .setUrl(handshake.url())
            .setRemoteAddress(handshake.remoteAddress())
            .setXdomain(handshake.xdomain())
            .setNamespace(handshake.namespace());
    if (!handshake.auth().isEmpty()) {
      sent.setAuth(Structs.toStruct(handshake.auth()));
    }
    return AuthorizeRequest.newBuilder().setHandshake(sent).setGatewayId(settings.gatewayId()).build();
  }

  private Answer none(Status status) {
    boolean own = Mistakes.own(status);
    String consequence =
        own || settings.onUnavailable() == OnUnavailable.REJECT ? "rejected" : "let in without a user";
    causes.warn(
        status.getCode().name(),
        "no decision, handshakes are " + consequence + ": " + Mistakes.describe(status) + Mistakes.hint(status));
    return new Answer(Decision.NONE, own);
  }
}
