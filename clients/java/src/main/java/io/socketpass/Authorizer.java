package io.socketpass;

import com.google.common.util.concurrent.FutureCallback;
import com.google.common.util.concurrent.Futures;
import com.google.common.util.concurrent.ListenableFuture;
import com.google.common.util.concurrent.MoreExecutors;
import com.google.protobuf.Struct;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.MetadataUtils;
import io.socketpass.v1.AuthorizationServiceGrpc.AuthorizationServiceFutureStub;
import io.socketpass.v1.AuthorizeRequest;
import io.socketpass.v1.AuthorizeResponse;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** From a handshake to what becomes of it: the service's decision, {@code onUnavailable}, the hooks. */
final class Authorizer {
  /** What the service said, and the user as it came; after a mistake of the client's own nobody may say otherwise. */
  private record Answer(Decision decision, Struct user, boolean ownMistake) {}

  /** For hooks when there was nothing to wait for: whoever asks has no time for them. */
  private static final Executor HOOKS =
      Executors.newCachedThreadPool(
          task -> {
            Thread thread = new Thread(task, "socketpass-hooks");
            thread.setDaemon(true);
            return thread;
          });

  private static final int MAX_AUTH = 64 * 1024;
  private static final int MAX_REQUEST = 256 * 1024;

  private final CauseLog causes = new CauseLog();
  private final AuthorizationServiceFutureStub stub;
  private final Settings settings;
  private final BooleanSupplier closing;

  Authorizer(AuthorizationServiceFutureStub stub, Settings settings, BooleanSupplier closing) {
    this.stub = stub;
    this.settings = settings;
    this.closing = closing;
  }

  /** Calls the hooks on this thread. */
  Admission authorize(Handshake handshake) {
    return closing.getAsBoolean() ? draining() : admit(handshake, ask(handshake).join());
  }

  /** Calls the hooks on another thread. Never fails. */
  CompletableFuture<Admission> authorizeAsync(Handshake handshake) {
    if (closing.getAsBoolean()) {
      return CompletableFuture.completedFuture(draining());
    }
    CompletableFuture<Answer> asked = ask(handshake);
    return asked.isDone()
        ? asked.thenApplyAsync(answer -> admit(handshake, answer), HOOKS)
        : asked.thenApply(answer -> admit(handshake, answer));
  }

  /** Never fails: no answer is one, too. */
  private CompletableFuture<Answer> ask(Handshake handshake) {
    AuthorizeRequest request;
    AuthorizationServiceFutureStub call = stub.withDeadlineAfter(settings.timeout().toNanos(), TimeUnit.NANOSECONDS);
    try {
      request = request(handshake);
      Metadata trace = Tracing.current();
      if (!trace.keys().isEmpty()) {
        call = call.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(trace));
      }
    } catch (RuntimeException e) {
      // The service would not take it, or could not even read it: then it would call that a fault of its own.
      return CompletableFuture.completedFuture(none("preparing", Status.INVALID_ARGUMENT.withDescription(e.toString())));
    }
    CompletableFuture<Answer> answer = new CompletableFuture<>();
    ListenableFuture<AuthorizeResponse> response = call.authorize(request);
    Futures.addCallback(
        response,
        new FutureCallback<>() {
          @Override
          public void onSuccess(AuthorizeResponse decision) {
            answer.complete(new Answer(Decision.of(decision), Decision.user(decision), false));
          }

          @Override
          public void onFailure(Throwable thrown) {
            Status status = Status.fromThrowable(thrown);
            answer.complete(none(status.getCode().name(), status));
          }
        },
        MoreExecutors.directExecutor());
    return answer;
  }

  private Admission admit(Handshake handshake, Answer answer) {
    if (closing.getAsBoolean()) {
      return draining();
    }
    Decision decision = answer.decision();
    boolean mayBeLetIn = !answer.ownMistake();
    if (decision.fault() && mayBeLetIn && settings.onUnavailable() == OnUnavailable.ACCEPT) {
      return Admission.grantedAnyway(decision);
    }
    return decision.accepted() ? success(handshake, answer) : fail(handshake, decision, mayBeLetIn);
  }

  private Admission success(Handshake handshake, Answer answer) {
    Decision decision = answer.decision();
    try {
      Verdict verdict = settings.success().decide(handshake, decision);
      return verdict.accepts(true)
          ? Admission.granted(decision, answer.user())
          : Admission.refusedByApplication(decision, verdict.messageOr(decision.message()));
    } catch (Exception e) {
      hookFailed("success", e);
      return Admission.failed(decision);
    }
  }

  private Admission fail(Handshake handshake, Decision decision, boolean mayBeLetIn) {
    try {
      Verdict verdict = settings.fail().decide(handshake, decision);
      return verdict.accepts(false) && mayBeLetIn
          ? Admission.grantedAnyway(decision)
          : Admission.rejected(decision, verdict.messageOr(decision.message()));
    } catch (Exception e) {
      hookFailed("fail", e);
      return Admission.rejected(decision, decision.message());
    }
  }

  private void hookFailed(String hook, Exception thrown) {
    causes.warn(
        hook + " " + thrown.getClass().getName(), "the hook " + hook + " failed: handshakes are rejected", thrown);
  }

  private static Admission draining() {
    return Admission.rejected(Decision.DRAINING, Decision.DRAINING.message());
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
      Struct auth = Structs.toStruct(handshake.auth());
      Settings.require(auth.getSerializedSize() <= MAX_AUTH, "auth", "at most 64 KiB");
      sent.setAuth(auth);
    }
    AuthorizeRequest request =
        AuthorizeRequest.newBuilder().setHandshake(sent).setGatewayId(settings.gatewayId()).build();
    Settings.require(request.getSerializedSize() <= MAX_REQUEST, "a handshake", "at most 256 KiB");
    return request;
  }

  private Answer none(String cause, Status status) {
    boolean own = Mistakes.own(status);
    String consequence =
        own || settings.onUnavailable() == OnUnavailable.REJECT ? "rejected" : "let in without a user";
    causes.warn(
        cause,
        "no decision, handshakes are " + consequence + ": " + Mistakes.describe(status) + Mistakes.hint(status));
    return new Answer(Decision.NONE, Decision.NOBODY, own);
  }
}
