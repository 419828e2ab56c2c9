package io.socketpass.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Decides who stands behind a socket's handshake, and whether they may come in.
 * A decision is an OK reply, also when it says no. gRPC errors are for the caller: INVALID_ARGUMENT (names the field),
 * RESOURCE_EXHAUSTED (the message is too large), DEADLINE_EXCEEDED. Metadata `x-request-id`, 1-128 visible ASCII
 * characters, is echoed and logged; one is made up when it is absent or anything else.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class AuthorizationServiceGrpc {

  private AuthorizationServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "socketpass.v1.AuthorizationService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.socketpass.v1.AuthorizeRequest,
      io.socketpass.v1.AuthorizeResponse> getAuthorizeMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Authorize",
      requestType = io.socketpass.v1.AuthorizeRequest.class,
      responseType = io.socketpass.v1.AuthorizeResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.socketpass.v1.AuthorizeRequest,
      io.socketpass.v1.AuthorizeResponse> getAuthorizeMethod() {
    io.grpc.MethodDescriptor<io.socketpass.v1.AuthorizeRequest, io.socketpass.v1.AuthorizeResponse> getAuthorizeMethod;
    if ((getAuthorizeMethod = AuthorizationServiceGrpc.getAuthorizeMethod) == null) {
      synchronized (AuthorizationServiceGrpc.class) {
        if ((getAuthorizeMethod = AuthorizationServiceGrpc.getAuthorizeMethod) == null) {
          AuthorizationServiceGrpc.getAuthorizeMethod = getAuthorizeMethod =
              io.grpc.MethodDescriptor.<io.socketpass.v1.AuthorizeRequest, io.socketpass.v1.AuthorizeResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Authorize"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.AuthorizeRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.AuthorizeResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AuthorizationServiceMethodDescriptorSupplier("Authorize"))
              .build();
        }
      }
    }
    return getAuthorizeMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.socketpass.v1.ExplainRequest,
      io.socketpass.v1.ExplainResponse> getExplainMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Explain",
      requestType = io.socketpass.v1.ExplainRequest.class,
      responseType = io.socketpass.v1.ExplainResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.socketpass.v1.ExplainRequest,
      io.socketpass.v1.ExplainResponse> getExplainMethod() {
    io.grpc.MethodDescriptor<io.socketpass.v1.ExplainRequest, io.socketpass.v1.ExplainResponse> getExplainMethod;
    if ((getExplainMethod = AuthorizationServiceGrpc.getExplainMethod) == null) {
      synchronized (AuthorizationServiceGrpc.class) {
        if ((getExplainMethod = AuthorizationServiceGrpc.getExplainMethod) == null) {
          AuthorizationServiceGrpc.getExplainMethod = getExplainMethod =
              io.grpc.MethodDescriptor.<io.socketpass.v1.ExplainRequest, io.socketpass.v1.ExplainResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Explain"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.ExplainRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.ExplainResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AuthorizationServiceMethodDescriptorSupplier("Explain"))
              .build();
        }
      }
    }
    return getExplainMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static AuthorizationServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<AuthorizationServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<AuthorizationServiceStub>() {
        @java.lang.Override
        public AuthorizationServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new AuthorizationServiceStub(channel, callOptions);
        }
      };
    return AuthorizationServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static AuthorizationServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<AuthorizationServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<AuthorizationServiceBlockingV2Stub>() {
        @java.lang.Override
        public AuthorizationServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new AuthorizationServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return AuthorizationServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static AuthorizationServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<AuthorizationServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<AuthorizationServiceBlockingStub>() {
        @java.lang.Override
        public AuthorizationServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new AuthorizationServiceBlockingStub(channel, callOptions);
        }
      };
    return AuthorizationServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static AuthorizationServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<AuthorizationServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<AuthorizationServiceFutureStub>() {
        @java.lang.Override
        public AuthorizationServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new AuthorizationServiceFutureStub(channel, callOptions);
        }
      };
    return AuthorizationServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Decides who stands behind a socket's handshake, and whether they may come in.
   * A decision is an OK reply, also when it says no. gRPC errors are for the caller: INVALID_ARGUMENT (names the field),
   * RESOURCE_EXHAUSTED (the message is too large), DEADLINE_EXCEEDED. Metadata `x-request-id`, 1-128 visible ASCII
   * characters, is echoed and logged; one is made up when it is absent or anything else.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Handshake in, decision out. Reads the session store once and writes nothing: safe to repeat.
     * </pre>
     */
    default void authorize(io.socketpass.v1.AuthorizeRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.AuthorizeResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getAuthorizeMethod(), responseObserver);
    }

    /**
     * <pre>
     * The same decision with every step that led to it, for people who ask why. Answers neither secrets nor signatures,
     * and session ids only shortened.
     * </pre>
     */
    default void explain(io.socketpass.v1.ExplainRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.ExplainResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getExplainMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service AuthorizationService.
   * <pre>
   * Decides who stands behind a socket's handshake, and whether they may come in.
   * A decision is an OK reply, also when it says no. gRPC errors are for the caller: INVALID_ARGUMENT (names the field),
   * RESOURCE_EXHAUSTED (the message is too large), DEADLINE_EXCEEDED. Metadata `x-request-id`, 1-128 visible ASCII
   * characters, is echoed and logged; one is made up when it is absent or anything else.
   * </pre>
   */
  public static abstract class AuthorizationServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return AuthorizationServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service AuthorizationService.
   * <pre>
   * Decides who stands behind a socket's handshake, and whether they may come in.
   * A decision is an OK reply, also when it says no. gRPC errors are for the caller: INVALID_ARGUMENT (names the field),
   * RESOURCE_EXHAUSTED (the message is too large), DEADLINE_EXCEEDED. Metadata `x-request-id`, 1-128 visible ASCII
   * characters, is echoed and logged; one is made up when it is absent or anything else.
   * </pre>
   */
  public static final class AuthorizationServiceStub
      extends io.grpc.stub.AbstractAsyncStub<AuthorizationServiceStub> {
    private AuthorizationServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected AuthorizationServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new AuthorizationServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Handshake in, decision out. Reads the session store once and writes nothing: safe to repeat.
     * </pre>
     */
    public void authorize(io.socketpass.v1.AuthorizeRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.AuthorizeResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getAuthorizeMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * The same decision with every step that led to it, for people who ask why. Answers neither secrets nor signatures,
     * and session ids only shortened.
     * </pre>
     */
    public void explain(io.socketpass.v1.ExplainRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.ExplainResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getExplainMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service AuthorizationService.
   * <pre>
   * Decides who stands behind a socket's handshake, and whether they may come in.
   * A decision is an OK reply, also when it says no. gRPC errors are for the caller: INVALID_ARGUMENT (names the field),
   * RESOURCE_EXHAUSTED (the message is too large), DEADLINE_EXCEEDED. Metadata `x-request-id`, 1-128 visible ASCII
   * characters, is echoed and logged; one is made up when it is absent or anything else.
   * </pre>
   */
  public static final class AuthorizationServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<AuthorizationServiceBlockingV2Stub> {
    private AuthorizationServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected AuthorizationServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new AuthorizationServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Handshake in, decision out. Reads the session store once and writes nothing: safe to repeat.
     * </pre>
     */
    public io.socketpass.v1.AuthorizeResponse authorize(io.socketpass.v1.AuthorizeRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getAuthorizeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * The same decision with every step that led to it, for people who ask why. Answers neither secrets nor signatures,
     * and session ids only shortened.
     * </pre>
     */
    public io.socketpass.v1.ExplainResponse explain(io.socketpass.v1.ExplainRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getExplainMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service AuthorizationService.
   * <pre>
   * Decides who stands behind a socket's handshake, and whether they may come in.
   * A decision is an OK reply, also when it says no. gRPC errors are for the caller: INVALID_ARGUMENT (names the field),
   * RESOURCE_EXHAUSTED (the message is too large), DEADLINE_EXCEEDED. Metadata `x-request-id`, 1-128 visible ASCII
   * characters, is echoed and logged; one is made up when it is absent or anything else.
   * </pre>
   */
  public static final class AuthorizationServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<AuthorizationServiceBlockingStub> {
    private AuthorizationServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected AuthorizationServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new AuthorizationServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Handshake in, decision out. Reads the session store once and writes nothing: safe to repeat.
     * </pre>
     */
    public io.socketpass.v1.AuthorizeResponse authorize(io.socketpass.v1.AuthorizeRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getAuthorizeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * The same decision with every step that led to it, for people who ask why. Answers neither secrets nor signatures,
     * and session ids only shortened.
     * </pre>
     */
    public io.socketpass.v1.ExplainResponse explain(io.socketpass.v1.ExplainRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getExplainMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service AuthorizationService.
   * <pre>
   * Decides who stands behind a socket's handshake, and whether they may come in.
   * A decision is an OK reply, also when it says no. gRPC errors are for the caller: INVALID_ARGUMENT (names the field),
   * RESOURCE_EXHAUSTED (the message is too large), DEADLINE_EXCEEDED. Metadata `x-request-id`, 1-128 visible ASCII
   * characters, is echoed and logged; one is made up when it is absent or anything else.
   * </pre>
   */
  public static final class AuthorizationServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<AuthorizationServiceFutureStub> {
    private AuthorizationServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected AuthorizationServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new AuthorizationServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Handshake in, decision out. Reads the session store once and writes nothing: safe to repeat.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.socketpass.v1.AuthorizeResponse> authorize(
        io.socketpass.v1.AuthorizeRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getAuthorizeMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * The same decision with every step that led to it, for people who ask why. Answers neither secrets nor signatures,
     * and session ids only shortened.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.socketpass.v1.ExplainResponse> explain(
        io.socketpass.v1.ExplainRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getExplainMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_AUTHORIZE = 0;
  private static final int METHODID_EXPLAIN = 1;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final AsyncService serviceImpl;
    private final int methodId;

    MethodHandlers(AsyncService serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_AUTHORIZE:
          serviceImpl.authorize((io.socketpass.v1.AuthorizeRequest) request,
              (io.grpc.stub.StreamObserver<io.socketpass.v1.AuthorizeResponse>) responseObserver);
          break;
        case METHODID_EXPLAIN:
          serviceImpl.explain((io.socketpass.v1.ExplainRequest) request,
              (io.grpc.stub.StreamObserver<io.socketpass.v1.ExplainResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getAuthorizeMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.socketpass.v1.AuthorizeRequest,
              io.socketpass.v1.AuthorizeResponse>(
                service, METHODID_AUTHORIZE)))
        .addMethod(
          getExplainMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.socketpass.v1.ExplainRequest,
              io.socketpass.v1.ExplainResponse>(
                service, METHODID_EXPLAIN)))
        .build();
  }

  private static abstract class AuthorizationServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    AuthorizationServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.socketpass.v1.AuthorizationServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("AuthorizationService");
    }
  }

  private static final class AuthorizationServiceFileDescriptorSupplier
      extends AuthorizationServiceBaseDescriptorSupplier {
    AuthorizationServiceFileDescriptorSupplier() {}
  }

  private static final class AuthorizationServiceMethodDescriptorSupplier
      extends AuthorizationServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    AuthorizationServiceMethodDescriptorSupplier(java.lang.String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (AuthorizationServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new AuthorizationServiceFileDescriptorSupplier())
              .addMethod(getAuthorizeMethod())
              .addMethod(getExplainMethod())
              .build();
        }
      }
    }
    return result;
  }
}
