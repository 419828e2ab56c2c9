package io.socketpass.testing;

import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerCredentials;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.socketpass.v1.AuthorizationServiceGrpc;
import io.socketpass.v1.AuthorizeRequest;
import io.socketpass.v1.AuthorizeResponse;
import io.socketpass.v1.Close;
import io.socketpass.v1.Reason;
import io.socketpass.v1.RegistryServiceGrpc;
import io.socketpass.v1.ReportRequest;
import io.socketpass.v1.ReportResponse;
import java.io.IOException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;

/** A socketpass that answers what the test says, on a free port. */
public final class ScriptedSocketPass implements AutoCloseable {
  private static final Context.Key<Metadata> METADATA = Context.key("metadata");

  /** An Authorize that came. */
  public record Asked(AuthorizeRequest request, Metadata metadata) {}

  public final BlockingQueue<Asked> asked = new LinkedBlockingQueue<>();
  public final BlockingQueue<ReportCall> reports = new LinkedBlockingQueue<>();
  public volatile BiConsumer<AuthorizeRequest, StreamObserver<AuthorizeResponse>> authorize =
      (request, answer) -> answer(answer, accepted("ada"));
  /** What else the registry is asked. */
  public volatile RegistryServiceGrpc.RegistryServiceImplBase registry =
      new RegistryServiceGrpc.RegistryServiceImplBase() {};

  private final Server server;
  private final int port;

  public ScriptedSocketPass() throws IOException {
    this(0, InsecureServerCredentials.create());
  }

  public ScriptedSocketPass(int port, ServerCredentials credentials) throws IOException {
    server =
        Grpc.newServerBuilderForPort(port, credentials)
            .addService(new Authorization())
            .addService(new Registry())
            .intercept(new KeepMetadata())
            .build()
            .start();
    this.port = server.getPort();
  }

  public int port() {
    return port;
  }

  public String address() {
    return "127.0.0.1:" + port();
  }

  public ReportCall nextReport() throws InterruptedException {
    ReportCall call = reports.poll(45, TimeUnit.SECONDS);
    if (call == null) {
      throw new AssertionError("no stream was opened");
    }
    return call;
  }

  public Asked nextAsked() throws InterruptedException {
    Asked next = asked.poll(45, TimeUnit.SECONDS);
    if (next == null) {
      throw new AssertionError("nobody asked");
    }
    return next;
  }

  @Override
  public void close() {
    try {
      server.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  public static void answer(StreamObserver<AuthorizeResponse> to, AuthorizeResponse response) {
    to.onNext(response);
    to.onCompleted();
  }

  public static AuthorizeResponse accepted(String name) {
    AuthorizeResponse.Builder response =
        AuthorizeResponse.newBuilder().setAccepted(true).setReason(Reason.REASON_AUTHORIZED).setSessionId("s-" + name);
    response
        .getUserBuilder()
        .putFields("logged_in", com.google.protobuf.Value.newBuilder().setBoolValue(true).build())
        .putFields("name", com.google.protobuf.Value.newBuilder().setStringValue(name).build());
    return response.build();
  }

  public static AuthorizeResponse rejected(Reason reason, String message, int code) {
    String name = reason.name().substring("REASON_".length()).toLowerCase(java.util.Locale.ROOT);
    return AuthorizeResponse.newBuilder()
        .setReason(reason)
        .setMessage(message)
        .setClose(Close.newBuilder().setCode(code).setReason(name))
        .build();
  }

  private final class Authorization extends AuthorizationServiceGrpc.AuthorizationServiceImplBase {
    @Override
    public void authorize(AuthorizeRequest request, StreamObserver<AuthorizeResponse> answer) {
      asked.add(new Asked(request, METADATA.get()));
      authorize.accept(request, answer);
    }
  }

  private final class Registry extends RegistryServiceGrpc.RegistryServiceImplBase {
    @Override
    public StreamObserver<ReportRequest> report(StreamObserver<ReportResponse> responses) {
      ReportCall call = new ReportCall((ServerCallStreamObserver<ReportResponse>) responses, METADATA.get());
      reports.add(call);
      return call;
    }

    @Override
    public void filterSockets(
        io.socketpass.v1.FilterSocketsRequest request, StreamObserver<io.socketpass.v1.FilterSocketsResponse> answer) {
      registry.filterSockets(request, answer);
    }

    @Override
    public void countSockets(
        io.socketpass.v1.CountSocketsRequest request, StreamObserver<io.socketpass.v1.CountSocketsResponse> answer) {
      registry.countSockets(request, answer);
    }

    @Override
    public void sendToSockets(
        io.socketpass.v1.SendToSocketsRequest request, StreamObserver<io.socketpass.v1.SendToSocketsResponse> answer) {
      registry.sendToSockets(request, answer);
    }

    @Override
    public void disconnectSockets(
        io.socketpass.v1.DisconnectSocketsRequest request,
        StreamObserver<io.socketpass.v1.DisconnectSocketsResponse> answer) {
      registry.disconnectSockets(request, answer);
    }
  }

  private static final class KeepMetadata implements ServerInterceptor {
    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
        ServerCall<Q, A> call, Metadata metadata, ServerCallHandler<Q, A> next) {
      return Contexts.interceptCall(Context.current().withValue(METADATA, metadata), call, metadata, next);
    }
  }

  public static BiConsumer<AuthorizeRequest, StreamObserver<AuthorizeResponse>> failing(Status status) {
    return (request, answer) -> answer.onError(status.asRuntimeException());
  }
}
