package io.socketpass.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Says who a user is: the app's `deserializeUser`. The app serves it and socketpass calls it (`user.source =
 * "grpc://app:50051"`).
 * Metadata `authorization` is `user.authorization`, absent when that is not set. A call has the deadline `user.timeout`. It may
 * come twice, if a connection broke: it should change nothing.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class UserSourceServiceGrpc {

  private UserSourceServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "socketpass.v1.UserSourceService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.socketpass.v1.ResolveUserRequest,
      io.socketpass.v1.ResolveUserResponse> getResolveUserMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ResolveUser",
      requestType = io.socketpass.v1.ResolveUserRequest.class,
      responseType = io.socketpass.v1.ResolveUserResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.socketpass.v1.ResolveUserRequest,
      io.socketpass.v1.ResolveUserResponse> getResolveUserMethod() {
    io.grpc.MethodDescriptor<io.socketpass.v1.ResolveUserRequest, io.socketpass.v1.ResolveUserResponse> getResolveUserMethod;
    if ((getResolveUserMethod = UserSourceServiceGrpc.getResolveUserMethod) == null) {
      synchronized (UserSourceServiceGrpc.class) {
        if ((getResolveUserMethod = UserSourceServiceGrpc.getResolveUserMethod) == null) {
          UserSourceServiceGrpc.getResolveUserMethod = getResolveUserMethod =
              io.grpc.MethodDescriptor.<io.socketpass.v1.ResolveUserRequest, io.socketpass.v1.ResolveUserResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ResolveUser"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.ResolveUserRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.ResolveUserResponse.getDefaultInstance()))
              .setSchemaDescriptor(new UserSourceServiceMethodDescriptorSupplier("ResolveUser"))
              .build();
        }
      }
    }
    return getResolveUserMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static UserSourceServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<UserSourceServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<UserSourceServiceStub>() {
        @java.lang.Override
        public UserSourceServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new UserSourceServiceStub(channel, callOptions);
        }
      };
    return UserSourceServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static UserSourceServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<UserSourceServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<UserSourceServiceBlockingV2Stub>() {
        @java.lang.Override
        public UserSourceServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new UserSourceServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return UserSourceServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static UserSourceServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<UserSourceServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<UserSourceServiceBlockingStub>() {
        @java.lang.Override
        public UserSourceServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new UserSourceServiceBlockingStub(channel, callOptions);
        }
      };
    return UserSourceServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static UserSourceServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<UserSourceServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<UserSourceServiceFutureStub>() {
        @java.lang.Override
        public UserSourceServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new UserSourceServiceFutureStub(channel, callOptions);
        }
      };
    return UserSourceServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Says who a user is: the app's `deserializeUser`. The app serves it and socketpass calls it (`user.source =
   * "grpc://app:50051"`).
   * Metadata `authorization` is `user.authorization`, absent when that is not set. A call has the deadline `user.timeout`. It may
   * come twice, if a connection broke: it should change nothing.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * The user of an id. NOT_FOUND: there is no such user (any more), and whoever asks is rejected with USER_NOT_FOUND. Any
     * other status is USER_SOURCE_FAILED; with UNAVAILABLE, DEADLINE_EXCEEDED and the like the source counts as down.
     * </pre>
     */
    default void resolveUser(io.socketpass.v1.ResolveUserRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.ResolveUserResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getResolveUserMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service UserSourceService.
   * <pre>
   * Says who a user is: the app's `deserializeUser`. The app serves it and socketpass calls it (`user.source =
   * "grpc://app:50051"`).
   * Metadata `authorization` is `user.authorization`, absent when that is not set. A call has the deadline `user.timeout`. It may
   * come twice, if a connection broke: it should change nothing.
   * </pre>
   */
  public static abstract class UserSourceServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return UserSourceServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service UserSourceService.
   * <pre>
   * Says who a user is: the app's `deserializeUser`. The app serves it and socketpass calls it (`user.source =
   * "grpc://app:50051"`).
   * Metadata `authorization` is `user.authorization`, absent when that is not set. A call has the deadline `user.timeout`. It may
   * come twice, if a connection broke: it should change nothing.
   * </pre>
   */
  public static final class UserSourceServiceStub
      extends io.grpc.stub.AbstractAsyncStub<UserSourceServiceStub> {
    private UserSourceServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected UserSourceServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new UserSourceServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * The user of an id. NOT_FOUND: there is no such user (any more), and whoever asks is rejected with USER_NOT_FOUND. Any
     * other status is USER_SOURCE_FAILED; with UNAVAILABLE, DEADLINE_EXCEEDED and the like the source counts as down.
     * </pre>
     */
    public void resolveUser(io.socketpass.v1.ResolveUserRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.ResolveUserResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getResolveUserMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service UserSourceService.
   * <pre>
   * Says who a user is: the app's `deserializeUser`. The app serves it and socketpass calls it (`user.source =
   * "grpc://app:50051"`).
   * Metadata `authorization` is `user.authorization`, absent when that is not set. A call has the deadline `user.timeout`. It may
   * come twice, if a connection broke: it should change nothing.
   * </pre>
   */
  public static final class UserSourceServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<UserSourceServiceBlockingV2Stub> {
    private UserSourceServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected UserSourceServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new UserSourceServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * The user of an id. NOT_FOUND: there is no such user (any more), and whoever asks is rejected with USER_NOT_FOUND. Any
     * other status is USER_SOURCE_FAILED; with UNAVAILABLE, DEADLINE_EXCEEDED and the like the source counts as down.
     * </pre>
     */
    public io.socketpass.v1.ResolveUserResponse resolveUser(io.socketpass.v1.ResolveUserRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getResolveUserMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service UserSourceService.
   * <pre>
   * Says who a user is: the app's `deserializeUser`. The app serves it and socketpass calls it (`user.source =
   * "grpc://app:50051"`).
   * Metadata `authorization` is `user.authorization`, absent when that is not set. A call has the deadline `user.timeout`. It may
   * come twice, if a connection broke: it should change nothing.
   * </pre>
   */
  public static final class UserSourceServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<UserSourceServiceBlockingStub> {
    private UserSourceServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected UserSourceServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new UserSourceServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * The user of an id. NOT_FOUND: there is no such user (any more), and whoever asks is rejected with USER_NOT_FOUND. Any
     * other status is USER_SOURCE_FAILED; with UNAVAILABLE, DEADLINE_EXCEEDED and the like the source counts as down.
     * </pre>
     */
    public io.socketpass.v1.ResolveUserResponse resolveUser(io.socketpass.v1.ResolveUserRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getResolveUserMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service UserSourceService.
   * <pre>
   * Says who a user is: the app's `deserializeUser`. The app serves it and socketpass calls it (`user.source =
   * "grpc://app:50051"`).
   * Metadata `authorization` is `user.authorization`, absent when that is not set. A call has the deadline `user.timeout`. It may
   * come twice, if a connection broke: it should change nothing.
   * </pre>
   */
  public static final class UserSourceServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<UserSourceServiceFutureStub> {
    private UserSourceServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected UserSourceServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new UserSourceServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * The user of an id. NOT_FOUND: there is no such user (any more), and whoever asks is rejected with USER_NOT_FOUND. Any
     * other status is USER_SOURCE_FAILED; with UNAVAILABLE, DEADLINE_EXCEEDED and the like the source counts as down.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.socketpass.v1.ResolveUserResponse> resolveUser(
        io.socketpass.v1.ResolveUserRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getResolveUserMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_RESOLVE_USER = 0;

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
        case METHODID_RESOLVE_USER:
          serviceImpl.resolveUser((io.socketpass.v1.ResolveUserRequest) request,
              (io.grpc.stub.StreamObserver<io.socketpass.v1.ResolveUserResponse>) responseObserver);
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
          getResolveUserMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.socketpass.v1.ResolveUserRequest,
              io.socketpass.v1.ResolveUserResponse>(
                service, METHODID_RESOLVE_USER)))
        .build();
  }

  private static abstract class UserSourceServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    UserSourceServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.socketpass.v1.UserSourceServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("UserSourceService");
    }
  }

  private static final class UserSourceServiceFileDescriptorSupplier
      extends UserSourceServiceBaseDescriptorSupplier {
    UserSourceServiceFileDescriptorSupplier() {}
  }

  private static final class UserSourceServiceMethodDescriptorSupplier
      extends UserSourceServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    UserSourceServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (UserSourceServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new UserSourceServiceFileDescriptorSupplier())
              .addMethod(getResolveUserMethod())
              .build();
        }
      }
    }
    return result;
  }
}
