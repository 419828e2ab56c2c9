package io.socketpass.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Who is connected, in the whole fleet. Gateways report their sockets; whoever may asks for them by what their users are.
 * `filter` is a CEL expression over `user`, `socket`, `gateway` and `params`: `user.team == params.team &amp;&amp;
 * socket.namespace == "/chat"`. `socket.*` and `gateway.*` are the fields of the messages Socket and Gateway. A whole
 * number in `user`, `data` or `params` is a CEL int, any other a double. An error while evaluating, such as a missing
 * field, is no match. Everybody is `true`; an empty filter is INVALID_ARGUMENT, and so is one that does not compile or
 * breaks a limit: 16 KiB of text, 100 levels (parentheses count, each operator of a chain is one deeper), comprehensions
 * 2 inside one another; the message names the limit. An evaluation ends after 10,000 steps, as an error.
 * Every answer carries a View, so that none is silently partial. A session id goes in and never comes out: filters may
 * compare it with whole ones, by ==, != and in, and nothing else.
 * Errors: INVALID_ARGUMENT (names the field), OUT_OF_RANGE (a revision that cannot be gone on from), UNAVAILABLE (call
 * again, at any replica), RESOURCE_EXHAUSTED (the message is too large), DEADLINE_EXCEEDED. Metadata `x-request-id` as in
 * AuthorizationService.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class RegistryServiceGrpc {

  private RegistryServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "socketpass.v1.RegistryService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.socketpass.v1.ReportRequest,
      io.socketpass.v1.ReportResponse> getReportMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Report",
      requestType = io.socketpass.v1.ReportRequest.class,
      responseType = io.socketpass.v1.ReportResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
  public static io.grpc.MethodDescriptor<io.socketpass.v1.ReportRequest,
      io.socketpass.v1.ReportResponse> getReportMethod() {
    io.grpc.MethodDescriptor<io.socketpass.v1.ReportRequest, io.socketpass.v1.ReportResponse> getReportMethod;
    if ((getReportMethod = RegistryServiceGrpc.getReportMethod) == null) {
      synchronized (RegistryServiceGrpc.class) {
        if ((getReportMethod = RegistryServiceGrpc.getReportMethod) == null) {
          RegistryServiceGrpc.getReportMethod = getReportMethod =
              io.grpc.MethodDescriptor.<io.socketpass.v1.ReportRequest, io.socketpass.v1.ReportResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Report"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.ReportRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.ReportResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RegistryServiceMethodDescriptorSupplier("Report"))
              .build();
        }
      }
    }
    return getReportMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.socketpass.v1.FilterSocketsRequest,
      io.socketpass.v1.FilterSocketsResponse> getFilterSocketsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "FilterSockets",
      requestType = io.socketpass.v1.FilterSocketsRequest.class,
      responseType = io.socketpass.v1.FilterSocketsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<io.socketpass.v1.FilterSocketsRequest,
      io.socketpass.v1.FilterSocketsResponse> getFilterSocketsMethod() {
    io.grpc.MethodDescriptor<io.socketpass.v1.FilterSocketsRequest, io.socketpass.v1.FilterSocketsResponse> getFilterSocketsMethod;
    if ((getFilterSocketsMethod = RegistryServiceGrpc.getFilterSocketsMethod) == null) {
      synchronized (RegistryServiceGrpc.class) {
        if ((getFilterSocketsMethod = RegistryServiceGrpc.getFilterSocketsMethod) == null) {
          RegistryServiceGrpc.getFilterSocketsMethod = getFilterSocketsMethod =
              io.grpc.MethodDescriptor.<io.socketpass.v1.FilterSocketsRequest, io.socketpass.v1.FilterSocketsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "FilterSockets"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.FilterSocketsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.FilterSocketsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RegistryServiceMethodDescriptorSupplier("FilterSockets"))
              .build();
        }
      }
    }
    return getFilterSocketsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.socketpass.v1.CountSocketsRequest,
      io.socketpass.v1.CountSocketsResponse> getCountSocketsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CountSockets",
      requestType = io.socketpass.v1.CountSocketsRequest.class,
      responseType = io.socketpass.v1.CountSocketsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.socketpass.v1.CountSocketsRequest,
      io.socketpass.v1.CountSocketsResponse> getCountSocketsMethod() {
    io.grpc.MethodDescriptor<io.socketpass.v1.CountSocketsRequest, io.socketpass.v1.CountSocketsResponse> getCountSocketsMethod;
    if ((getCountSocketsMethod = RegistryServiceGrpc.getCountSocketsMethod) == null) {
      synchronized (RegistryServiceGrpc.class) {
        if ((getCountSocketsMethod = RegistryServiceGrpc.getCountSocketsMethod) == null) {
          RegistryServiceGrpc.getCountSocketsMethod = getCountSocketsMethod =
              io.grpc.MethodDescriptor.<io.socketpass.v1.CountSocketsRequest, io.socketpass.v1.CountSocketsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CountSockets"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.CountSocketsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.CountSocketsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RegistryServiceMethodDescriptorSupplier("CountSockets"))
              .build();
        }
      }
    }
    return getCountSocketsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.socketpass.v1.WatchSocketsRequest,
      io.socketpass.v1.WatchSocketsResponse> getWatchSocketsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "WatchSockets",
      requestType = io.socketpass.v1.WatchSocketsRequest.class,
      responseType = io.socketpass.v1.WatchSocketsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<io.socketpass.v1.WatchSocketsRequest,
      io.socketpass.v1.WatchSocketsResponse> getWatchSocketsMethod() {
    io.grpc.MethodDescriptor<io.socketpass.v1.WatchSocketsRequest, io.socketpass.v1.WatchSocketsResponse> getWatchSocketsMethod;
    if ((getWatchSocketsMethod = RegistryServiceGrpc.getWatchSocketsMethod) == null) {
      synchronized (RegistryServiceGrpc.class) {
        if ((getWatchSocketsMethod = RegistryServiceGrpc.getWatchSocketsMethod) == null) {
          RegistryServiceGrpc.getWatchSocketsMethod = getWatchSocketsMethod =
              io.grpc.MethodDescriptor.<io.socketpass.v1.WatchSocketsRequest, io.socketpass.v1.WatchSocketsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "WatchSockets"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.WatchSocketsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.WatchSocketsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RegistryServiceMethodDescriptorSupplier("WatchSockets"))
              .build();
        }
      }
    }
    return getWatchSocketsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.socketpass.v1.DisconnectSocketsRequest,
      io.socketpass.v1.DisconnectSocketsResponse> getDisconnectSocketsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "DisconnectSockets",
      requestType = io.socketpass.v1.DisconnectSocketsRequest.class,
      responseType = io.socketpass.v1.DisconnectSocketsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<io.socketpass.v1.DisconnectSocketsRequest,
      io.socketpass.v1.DisconnectSocketsResponse> getDisconnectSocketsMethod() {
    io.grpc.MethodDescriptor<io.socketpass.v1.DisconnectSocketsRequest, io.socketpass.v1.DisconnectSocketsResponse> getDisconnectSocketsMethod;
    if ((getDisconnectSocketsMethod = RegistryServiceGrpc.getDisconnectSocketsMethod) == null) {
      synchronized (RegistryServiceGrpc.class) {
        if ((getDisconnectSocketsMethod = RegistryServiceGrpc.getDisconnectSocketsMethod) == null) {
          RegistryServiceGrpc.getDisconnectSocketsMethod = getDisconnectSocketsMethod =
              io.grpc.MethodDescriptor.<io.socketpass.v1.DisconnectSocketsRequest, io.socketpass.v1.DisconnectSocketsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "DisconnectSockets"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.DisconnectSocketsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.DisconnectSocketsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RegistryServiceMethodDescriptorSupplier("DisconnectSockets"))
              .build();
        }
      }
    }
    return getDisconnectSocketsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.socketpass.v1.SendToSocketsRequest,
      io.socketpass.v1.SendToSocketsResponse> getSendToSocketsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "SendToSockets",
      requestType = io.socketpass.v1.SendToSocketsRequest.class,
      responseType = io.socketpass.v1.SendToSocketsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<io.socketpass.v1.SendToSocketsRequest,
      io.socketpass.v1.SendToSocketsResponse> getSendToSocketsMethod() {
    io.grpc.MethodDescriptor<io.socketpass.v1.SendToSocketsRequest, io.socketpass.v1.SendToSocketsResponse> getSendToSocketsMethod;
    if ((getSendToSocketsMethod = RegistryServiceGrpc.getSendToSocketsMethod) == null) {
      synchronized (RegistryServiceGrpc.class) {
        if ((getSendToSocketsMethod = RegistryServiceGrpc.getSendToSocketsMethod) == null) {
          RegistryServiceGrpc.getSendToSocketsMethod = getSendToSocketsMethod =
              io.grpc.MethodDescriptor.<io.socketpass.v1.SendToSocketsRequest, io.socketpass.v1.SendToSocketsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "SendToSockets"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.SendToSocketsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.SendToSocketsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RegistryServiceMethodDescriptorSupplier("SendToSockets"))
              .build();
        }
      }
    }
    return getSendToSocketsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.socketpass.v1.EndSessionsRequest,
      io.socketpass.v1.EndSessionsResponse> getEndSessionsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "EndSessions",
      requestType = io.socketpass.v1.EndSessionsRequest.class,
      responseType = io.socketpass.v1.EndSessionsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.socketpass.v1.EndSessionsRequest,
      io.socketpass.v1.EndSessionsResponse> getEndSessionsMethod() {
    io.grpc.MethodDescriptor<io.socketpass.v1.EndSessionsRequest, io.socketpass.v1.EndSessionsResponse> getEndSessionsMethod;
    if ((getEndSessionsMethod = RegistryServiceGrpc.getEndSessionsMethod) == null) {
      synchronized (RegistryServiceGrpc.class) {
        if ((getEndSessionsMethod = RegistryServiceGrpc.getEndSessionsMethod) == null) {
          RegistryServiceGrpc.getEndSessionsMethod = getEndSessionsMethod =
              io.grpc.MethodDescriptor.<io.socketpass.v1.EndSessionsRequest, io.socketpass.v1.EndSessionsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "EndSessions"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.EndSessionsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.EndSessionsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RegistryServiceMethodDescriptorSupplier("EndSessions"))
              .build();
        }
      }
    }
    return getEndSessionsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.socketpass.v1.WatchSessionEndsRequest,
      io.socketpass.v1.WatchSessionEndsResponse> getWatchSessionEndsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "WatchSessionEnds",
      requestType = io.socketpass.v1.WatchSessionEndsRequest.class,
      responseType = io.socketpass.v1.WatchSessionEndsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<io.socketpass.v1.WatchSessionEndsRequest,
      io.socketpass.v1.WatchSessionEndsResponse> getWatchSessionEndsMethod() {
    io.grpc.MethodDescriptor<io.socketpass.v1.WatchSessionEndsRequest, io.socketpass.v1.WatchSessionEndsResponse> getWatchSessionEndsMethod;
    if ((getWatchSessionEndsMethod = RegistryServiceGrpc.getWatchSessionEndsMethod) == null) {
      synchronized (RegistryServiceGrpc.class) {
        if ((getWatchSessionEndsMethod = RegistryServiceGrpc.getWatchSessionEndsMethod) == null) {
          RegistryServiceGrpc.getWatchSessionEndsMethod = getWatchSessionEndsMethod =
              io.grpc.MethodDescriptor.<io.socketpass.v1.WatchSessionEndsRequest, io.socketpass.v1.WatchSessionEndsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "WatchSessionEnds"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.WatchSessionEndsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.WatchSessionEndsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RegistryServiceMethodDescriptorSupplier("WatchSessionEnds"))
              .build();
        }
      }
    }
    return getWatchSessionEndsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.socketpass.v1.ExplainFilterRequest,
      io.socketpass.v1.ExplainFilterResponse> getExplainFilterMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ExplainFilter",
      requestType = io.socketpass.v1.ExplainFilterRequest.class,
      responseType = io.socketpass.v1.ExplainFilterResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.socketpass.v1.ExplainFilterRequest,
      io.socketpass.v1.ExplainFilterResponse> getExplainFilterMethod() {
    io.grpc.MethodDescriptor<io.socketpass.v1.ExplainFilterRequest, io.socketpass.v1.ExplainFilterResponse> getExplainFilterMethod;
    if ((getExplainFilterMethod = RegistryServiceGrpc.getExplainFilterMethod) == null) {
      synchronized (RegistryServiceGrpc.class) {
        if ((getExplainFilterMethod = RegistryServiceGrpc.getExplainFilterMethod) == null) {
          RegistryServiceGrpc.getExplainFilterMethod = getExplainFilterMethod =
              io.grpc.MethodDescriptor.<io.socketpass.v1.ExplainFilterRequest, io.socketpass.v1.ExplainFilterResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ExplainFilter"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.ExplainFilterRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.ExplainFilterResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RegistryServiceMethodDescriptorSupplier("ExplainFilter"))
              .build();
        }
      }
    }
    return getExplainFilterMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.socketpass.v1.ListGatewaysRequest,
      io.socketpass.v1.ListGatewaysResponse> getListGatewaysMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListGateways",
      requestType = io.socketpass.v1.ListGatewaysRequest.class,
      responseType = io.socketpass.v1.ListGatewaysResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.socketpass.v1.ListGatewaysRequest,
      io.socketpass.v1.ListGatewaysResponse> getListGatewaysMethod() {
    io.grpc.MethodDescriptor<io.socketpass.v1.ListGatewaysRequest, io.socketpass.v1.ListGatewaysResponse> getListGatewaysMethod;
    if ((getListGatewaysMethod = RegistryServiceGrpc.getListGatewaysMethod) == null) {
      synchronized (RegistryServiceGrpc.class) {
        if ((getListGatewaysMethod = RegistryServiceGrpc.getListGatewaysMethod) == null) {
          RegistryServiceGrpc.getListGatewaysMethod = getListGatewaysMethod =
              io.grpc.MethodDescriptor.<io.socketpass.v1.ListGatewaysRequest, io.socketpass.v1.ListGatewaysResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListGateways"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.ListGatewaysRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.socketpass.v1.ListGatewaysResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RegistryServiceMethodDescriptorSupplier("ListGateways"))
              .build();
        }
      }
    }
    return getListGatewaysMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static RegistryServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<RegistryServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<RegistryServiceStub>() {
        @java.lang.Override
        public RegistryServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new RegistryServiceStub(channel, callOptions);
        }
      };
    return RegistryServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static RegistryServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<RegistryServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<RegistryServiceBlockingV2Stub>() {
        @java.lang.Override
        public RegistryServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new RegistryServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return RegistryServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static RegistryServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<RegistryServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<RegistryServiceBlockingStub>() {
        @java.lang.Override
        public RegistryServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new RegistryServiceBlockingStub(channel, callOptions);
        }
      };
    return RegistryServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static RegistryServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<RegistryServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<RegistryServiceFutureStub>() {
        @java.lang.Override
        public RegistryServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new RegistryServiceFutureStub(channel, callOptions);
        }
      };
    return RegistryServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Who is connected, in the whole fleet. Gateways report their sockets; whoever may asks for them by what their users are.
   * `filter` is a CEL expression over `user`, `socket`, `gateway` and `params`: `user.team == params.team &amp;&amp;
   * socket.namespace == "/chat"`. `socket.*` and `gateway.*` are the fields of the messages Socket and Gateway. A whole
   * number in `user`, `data` or `params` is a CEL int, any other a double. An error while evaluating, such as a missing
   * field, is no match. Everybody is `true`; an empty filter is INVALID_ARGUMENT, and so is one that does not compile or
   * breaks a limit: 16 KiB of text, 100 levels (parentheses count, each operator of a chain is one deeper), comprehensions
   * 2 inside one another; the message names the limit. An evaluation ends after 10,000 steps, as an error.
   * Every answer carries a View, so that none is silently partial. A session id goes in and never comes out: filters may
   * compare it with whole ones, by ==, != and in, and nothing else.
   * Errors: INVALID_ARGUMENT (names the field), OUT_OF_RANGE (a revision that cannot be gone on from), UNAVAILABLE (call
   * again, at any replica), RESOURCE_EXHAUSTED (the message is too large), DEADLINE_EXCEEDED. Metadata `x-request-id` as in
   * AuthorizationService.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * A gateway's one stream: hello, then every open socket, then what changes. Whenever it ends, whatever the status, the
     * gateway opens another (jittered backoff, any replica) and starts over.
     * INVALID_ARGUMENT: the first message is no hello, a field of hello is wrong, a batch is out of sequence or too large.
     * ALREADY_EXISTS: another incarnation holds the gateway id and still speaks. ABORTED: another incarnation has taken the
     * gateway id for good, or a newer stream of the same one goes on. UNAVAILABLE: open another stream and list again.
     * DEADLINE_EXCEEDED: no hello came within 10 s. RESOURCE_EXHAUSTED: a message is too large (`limits.max_message_bytes`),
     * or there are as many gateways as there may be (`limits.max_gateways`).
     * </pre>
     */
    default io.grpc.stub.StreamObserver<io.socketpass.v1.ReportRequest> report(
        io.grpc.stub.StreamObserver<io.socketpass.v1.ReportResponse> responseObserver) {
      return io.grpc.stub.ServerCalls.asyncUnimplementedStreamingCall(getReportMethod(), responseObserver);
    }

    /**
     * <pre>
     * The sockets that match, ordered by (gateway_id, socket_id), in messages of at most 500. Reads only.
     * </pre>
     */
    default void filterSockets(io.socketpass.v1.FilterSocketsRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.FilterSocketsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getFilterSocketsMethod(), responseObserver);
    }

    /**
     * <pre>
     * How many sockets match, in groups if wanted. Reads only.
     * </pre>
     */
    default void countSockets(io.socketpass.v1.CountSocketsRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.CountSocketsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCountSocketsMethod(), responseObserver);
    }

    /**
     * <pre>
     * The sockets that match, and then what changes about that, in order for each gateway. A changed socket is opened
     * again; one that ceases to match is closed with LEFT_FILTER. The stream ends with UNAVAILABLE when the replica goes:
     * go on from the last revision at another. OUT_OF_RANGE when this watcher is slower than the changes, or
     * `from_revision` cannot be gone on from: start afresh. RESOURCE_EXHAUSTED: as many watches are open at this replica as
     * may be (`limits.max_watches`).
     * </pre>
     */
    default void watchSockets(io.socketpass.v1.WatchSocketsRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.WatchSocketsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getWatchSocketsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Has the gateways disconnect the sockets that match now. Each message counts anew; the last one has everything
     * settled. Safe to repeat.
     * </pre>
     */
    default void disconnectSockets(io.socketpass.v1.DisconnectSocketsRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.DisconnectSocketsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDisconnectSocketsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Has the gateways emit an event to the sockets that match now, each once or never: what the fleet's
     * `filterSocketsByUser(io, filter).forEach(socket =&gt; socket.emit(...))` would do.
     * </pre>
     */
    default void sendToSockets(io.socketpass.v1.SendToSocketsRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.SendToSocketsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSendToSocketsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Destroys the sessions behind the sockets that match, in the session store: the web app logs out too, and all sockets of
     * these sessions end. A session that is back 2 s later, written by a request that was under way, is destroyed again. Safe
     * to repeat. FAILED_PRECONDITION: sessions are in cookies (`cookie-session:`), which nobody can destroy from here; or the
     * store refuses to delete, since its user may only read.
     * UNAVAILABLE: the store does not answer, and some of the sessions may be left: call again.
     * </pre>
     */
    default void endSessions(io.socketpass.v1.EndSessionsRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.EndSessionsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getEndSessionsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Which sessions end, for whom and why: what has ended behind open sockets, in the whole fleet, each once. A stream of
     * what is revoked, for proxies and audit. It begins with what comes next; `socketpass-revision` of the answer's metadata
     * is where it begins. It ends with UNAVAILABLE when the replica goes: go on from the last revision at another.
     * OUT_OF_RANGE when this watcher is slower than the ends, or `from_revision` cannot be gone on from: start afresh.
     * RESOURCE_EXHAUSTED: as many watches are open at this replica as may be (`limits.max_watches`).
     * </pre>
     */
    default void watchSessionEnds(io.socketpass.v1.WatchSessionEndsRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.WatchSessionEndsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getWatchSessionEndsMethod(), responseObserver);
    }

    /**
     * <pre>
     * How a filter is answered: what comes from an index, with how many sockets, and what is evaluated one by one.
     * </pre>
     */
    default void explainFilter(io.socketpass.v1.ExplainFilterRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.ExplainFilterResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getExplainFilterMethod(), responseObserver);
    }

    /**
     * <pre>
     * The gateways that hold sockets or have told of themselves, ordered by gateway id.
     * </pre>
     */
    default void listGateways(io.socketpass.v1.ListGatewaysRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.ListGatewaysResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListGatewaysMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service RegistryService.
   * <pre>
   * Who is connected, in the whole fleet. Gateways report their sockets; whoever may asks for them by what their users are.
   * `filter` is a CEL expression over `user`, `socket`, `gateway` and `params`: `user.team == params.team &amp;&amp;
   * socket.namespace == "/chat"`. `socket.*` and `gateway.*` are the fields of the messages Socket and Gateway. A whole
   * number in `user`, `data` or `params` is a CEL int, any other a double. An error while evaluating, such as a missing
   * field, is no match. Everybody is `true`; an empty filter is INVALID_ARGUMENT, and so is one that does not compile or
   * breaks a limit: 16 KiB of text, 100 levels (parentheses count, each operator of a chain is one deeper), comprehensions
   * 2 inside one another; the message names the limit. An evaluation ends after 10,000 steps, as an error.
   * Every answer carries a View, so that none is silently partial. A session id goes in and never comes out: filters may
   * compare it with whole ones, by ==, != and in, and nothing else.
   * Errors: INVALID_ARGUMENT (names the field), OUT_OF_RANGE (a revision that cannot be gone on from), UNAVAILABLE (call
   * again, at any replica), RESOURCE_EXHAUSTED (the message is too large), DEADLINE_EXCEEDED. Metadata `x-request-id` as in
   * AuthorizationService.
   * </pre>
   */
  public static abstract class RegistryServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return RegistryServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service RegistryService.
   * <pre>
   * Who is connected, in the whole fleet. Gateways report their sockets; whoever may asks for them by what their users are.
   * `filter` is a CEL expression over `user`, `socket`, `gateway` and `params`: `user.team == params.team &amp;&amp;
   * socket.namespace == "/chat"`. `socket.*` and `gateway.*` are the fields of the messages Socket and Gateway. A whole
   * number in `user`, `data` or `params` is a CEL int, any other a double. An error while evaluating, such as a missing
   * field, is no match. Everybody is `true`; an empty filter is INVALID_ARGUMENT, and so is one that does not compile or
   * breaks a limit: 16 KiB of text, 100 levels (parentheses count, each operator of a chain is one deeper), comprehensions
   * 2 inside one another; the message names the limit. An evaluation ends after 10,000 steps, as an error.
   * Every answer carries a View, so that none is silently partial. A session id goes in and never comes out: filters may
   * compare it with whole ones, by ==, != and in, and nothing else.
   * Errors: INVALID_ARGUMENT (names the field), OUT_OF_RANGE (a revision that cannot be gone on from), UNAVAILABLE (call
   * again, at any replica), RESOURCE_EXHAUSTED (the message is too large), DEADLINE_EXCEEDED. Metadata `x-request-id` as in
   * AuthorizationService.
   * </pre>
   */
  public static final class RegistryServiceStub
      extends io.grpc.stub.AbstractAsyncStub<RegistryServiceStub> {
    private RegistryServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected RegistryServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new RegistryServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * A gateway's one stream: hello, then every open socket, then what changes. Whenever it ends, whatever the status, the
     * gateway opens another (jittered backoff, any replica) and starts over.
     * INVALID_ARGUMENT: the first message is no hello, a field of hello is wrong, a batch is out of sequence or too large.
     * ALREADY_EXISTS: another incarnation holds the gateway id and still speaks. ABORTED: another incarnation has taken the
     * gateway id for good, or a newer stream of the same one goes on. UNAVAILABLE: open another stream and list again.
     * DEADLINE_EXCEEDED: no hello came within 10 s. RESOURCE_EXHAUSTED: a message is too large (`limits.max_message_bytes`),
     * or there are as many gateways as there may be (`limits.max_gateways`).
     * </pre>
     */
    public io.grpc.stub.StreamObserver<io.socketpass.v1.ReportRequest> report(
        io.grpc.stub.StreamObserver<io.socketpass.v1.ReportResponse> responseObserver) {
      return io.grpc.stub.ClientCalls.asyncBidiStreamingCall(
          getChannel().newCall(getReportMethod(), getCallOptions()), responseObserver);
    }

    /**
     * <pre>
     * The sockets that match, ordered by (gateway_id, socket_id), in messages of at most 500. Reads only.
     * </pre>
     */
    public void filterSockets(io.socketpass.v1.FilterSocketsRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.FilterSocketsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getFilterSocketsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * How many sockets match, in groups if wanted. Reads only.
     * </pre>
     */
    public void countSockets(io.socketpass.v1.CountSocketsRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.CountSocketsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCountSocketsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * The sockets that match, and then what changes about that, in order for each gateway. A changed socket is opened
     * again; one that ceases to match is closed with LEFT_FILTER. The stream ends with UNAVAILABLE when the replica goes:
     * go on from the last revision at another. OUT_OF_RANGE when this watcher is slower than the changes, or
     * `from_revision` cannot be gone on from: start afresh. RESOURCE_EXHAUSTED: as many watches are open at this replica as
     * may be (`limits.max_watches`).
     * </pre>
     */
    public void watchSockets(io.socketpass.v1.WatchSocketsRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.WatchSocketsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getWatchSocketsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Has the gateways disconnect the sockets that match now. Each message counts anew; the last one has everything
     * settled. Safe to repeat.
     * </pre>
     */
    public void disconnectSockets(io.socketpass.v1.DisconnectSocketsRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.DisconnectSocketsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getDisconnectSocketsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Has the gateways emit an event to the sockets that match now, each once or never: what the fleet's
     * `filterSocketsByUser(io, filter).forEach(socket =&gt; socket.emit(...))` would do.
     * </pre>
     */
    public void sendToSockets(io.socketpass.v1.SendToSocketsRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.SendToSocketsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getSendToSocketsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Destroys the sessions behind the sockets that match, in the session store: the web app logs out too, and all sockets of
     * these sessions end. A session that is back 2 s later, written by a request that was under way, is destroyed again. Safe
     * to repeat. FAILED_PRECONDITION: sessions are in cookies (`cookie-session:`), which nobody can destroy from here; or the
     * store refuses to delete, since its user may only read.
     * UNAVAILABLE: the store does not answer, and some of the sessions may be left: call again.
     * </pre>
     */
    public void endSessions(io.socketpass.v1.EndSessionsRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.EndSessionsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getEndSessionsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Which sessions end, for whom and why: what has ended behind open sockets, in the whole fleet, each once. A stream of
     * what is revoked, for proxies and audit. It begins with what comes next; `socketpass-revision` of the answer's metadata
     * is where it begins. It ends with UNAVAILABLE when the replica goes: go on from the last revision at another.
     * OUT_OF_RANGE when this watcher is slower than the ends, or `from_revision` cannot be gone on from: start afresh.
     * RESOURCE_EXHAUSTED: as many watches are open at this replica as may be (`limits.max_watches`).
     * </pre>
     */
    public void watchSessionEnds(io.socketpass.v1.WatchSessionEndsRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.WatchSessionEndsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getWatchSessionEndsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * How a filter is answered: what comes from an index, with how many sockets, and what is evaluated one by one.
     * </pre>
     */
    public void explainFilter(io.socketpass.v1.ExplainFilterRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.ExplainFilterResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getExplainFilterMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * The gateways that hold sockets or have told of themselves, ordered by gateway id.
     * </pre>
     */
    public void listGateways(io.socketpass.v1.ListGatewaysRequest request,
        io.grpc.stub.StreamObserver<io.socketpass.v1.ListGatewaysResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListGatewaysMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service RegistryService.
   * <pre>
   * Who is connected, in the whole fleet. Gateways report their sockets; whoever may asks for them by what their users are.
   * `filter` is a CEL expression over `user`, `socket`, `gateway` and `params`: `user.team == params.team &amp;&amp;
   * socket.namespace == "/chat"`. `socket.*` and `gateway.*` are the fields of the messages Socket and Gateway. A whole
   * number in `user`, `data` or `params` is a CEL int, any other a double. An error while evaluating, such as a missing
   * field, is no match. Everybody is `true`; an empty filter is INVALID_ARGUMENT, and so is one that does not compile or
   * breaks a limit: 16 KiB of text, 100 levels (parentheses count, each operator of a chain is one deeper), comprehensions
   * 2 inside one another; the message names the limit. An evaluation ends after 10,000 steps, as an error.
   * Every answer carries a View, so that none is silently partial. A session id goes in and never comes out: filters may
   * compare it with whole ones, by ==, != and in, and nothing else.
   * Errors: INVALID_ARGUMENT (names the field), OUT_OF_RANGE (a revision that cannot be gone on from), UNAVAILABLE (call
   * again, at any replica), RESOURCE_EXHAUSTED (the message is too large), DEADLINE_EXCEEDED. Metadata `x-request-id` as in
   * AuthorizationService.
   * </pre>
   */
  public static final class RegistryServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<RegistryServiceBlockingV2Stub> {
    private RegistryServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected RegistryServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new RegistryServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * A gateway's one stream: hello, then every open socket, then what changes. Whenever it ends, whatever the status, the
     * gateway opens another (jittered backoff, any replica) and starts over.
     * INVALID_ARGUMENT: the first message is no hello, a field of hello is wrong, a batch is out of sequence or too large.
     * ALREADY_EXISTS: another incarnation holds the gateway id and still speaks. ABORTED: another incarnation has taken the
     * gateway id for good, or a newer stream of the same one goes on. UNAVAILABLE: open another stream and list again.
     * DEADLINE_EXCEEDED: no hello came within 10 s. RESOURCE_EXHAUSTED: a message is too large (`limits.max_message_bytes`),
     * or there are as many gateways as there may be (`limits.max_gateways`).
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<io.socketpass.v1.ReportRequest, io.socketpass.v1.ReportResponse>
        report() {
      return io.grpc.stub.ClientCalls.blockingBidiStreamingCall(
          getChannel(), getReportMethod(), getCallOptions());
    }

    /**
     * <pre>
     * The sockets that match, ordered by (gateway_id, socket_id), in messages of at most 500. Reads only.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, io.socketpass.v1.FilterSocketsResponse>
        filterSockets(io.socketpass.v1.FilterSocketsRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getFilterSocketsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * How many sockets match, in groups if wanted. Reads only.
     * </pre>
     */
    public io.socketpass.v1.CountSocketsResponse countSockets(io.socketpass.v1.CountSocketsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCountSocketsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * The sockets that match, and then what changes about that, in order for each gateway. A changed socket is opened
     * again; one that ceases to match is closed with LEFT_FILTER. The stream ends with UNAVAILABLE when the replica goes:
     * go on from the last revision at another. OUT_OF_RANGE when this watcher is slower than the changes, or
     * `from_revision` cannot be gone on from: start afresh. RESOURCE_EXHAUSTED: as many watches are open at this replica as
     * may be (`limits.max_watches`).
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, io.socketpass.v1.WatchSocketsResponse>
        watchSockets(io.socketpass.v1.WatchSocketsRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getWatchSocketsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Has the gateways disconnect the sockets that match now. Each message counts anew; the last one has everything
     * settled. Safe to repeat.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, io.socketpass.v1.DisconnectSocketsResponse>
        disconnectSockets(io.socketpass.v1.DisconnectSocketsRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getDisconnectSocketsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Has the gateways emit an event to the sockets that match now, each once or never: what the fleet's
     * `filterSocketsByUser(io, filter).forEach(socket =&gt; socket.emit(...))` would do.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, io.socketpass.v1.SendToSocketsResponse>
        sendToSockets(io.socketpass.v1.SendToSocketsRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getSendToSocketsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Destroys the sessions behind the sockets that match, in the session store: the web app logs out too, and all sockets of
     * these sessions end. A session that is back 2 s later, written by a request that was under way, is destroyed again. Safe
     * to repeat. FAILED_PRECONDITION: sessions are in cookies (`cookie-session:`), which nobody can destroy from here; or the
     * store refuses to delete, since its user may only read.
     * UNAVAILABLE: the store does not answer, and some of the sessions may be left: call again.
     * </pre>
     */
    public io.socketpass.v1.EndSessionsResponse endSessions(io.socketpass.v1.EndSessionsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getEndSessionsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Which sessions end, for whom and why: what has ended behind open sockets, in the whole fleet, each once. A stream of
     * what is revoked, for proxies and audit. It begins with what comes next; `socketpass-revision` of the answer's metadata
     * is where it begins. It ends with UNAVAILABLE when the replica goes: go on from the last revision at another.
     * OUT_OF_RANGE when this watcher is slower than the ends, or `from_revision` cannot be gone on from: start afresh.
     * RESOURCE_EXHAUSTED: as many watches are open at this replica as may be (`limits.max_watches`).
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, io.socketpass.v1.WatchSessionEndsResponse>
        watchSessionEnds(io.socketpass.v1.WatchSessionEndsRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getWatchSessionEndsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * How a filter is answered: what comes from an index, with how many sockets, and what is evaluated one by one.
     * </pre>
     */
    public io.socketpass.v1.ExplainFilterResponse explainFilter(io.socketpass.v1.ExplainFilterRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getExplainFilterMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * The gateways that hold sockets or have told of themselves, ordered by gateway id.
     * </pre>
     */
    public io.socketpass.v1.ListGatewaysResponse listGateways(io.socketpass.v1.ListGatewaysRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListGatewaysMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service RegistryService.
   * <pre>
   * Who is connected, in the whole fleet. Gateways report their sockets; whoever may asks for them by what their users are.
   * `filter` is a CEL expression over `user`, `socket`, `gateway` and `params`: `user.team == params.team &amp;&amp;
   * socket.namespace == "/chat"`. `socket.*` and `gateway.*` are the fields of the messages Socket and Gateway. A whole
   * number in `user`, `data` or `params` is a CEL int, any other a double. An error while evaluating, such as a missing
   * field, is no match. Everybody is `true`; an empty filter is INVALID_ARGUMENT, and so is one that does not compile or
   * breaks a limit: 16 KiB of text, 100 levels (parentheses count, each operator of a chain is one deeper), comprehensions
   * 2 inside one another; the message names the limit. An evaluation ends after 10,000 steps, as an error.
   * Every answer carries a View, so that none is silently partial. A session id goes in and never comes out: filters may
   * compare it with whole ones, by ==, != and in, and nothing else.
   * Errors: INVALID_ARGUMENT (names the field), OUT_OF_RANGE (a revision that cannot be gone on from), UNAVAILABLE (call
   * again, at any replica), RESOURCE_EXHAUSTED (the message is too large), DEADLINE_EXCEEDED. Metadata `x-request-id` as in
   * AuthorizationService.
   * </pre>
   */
  public static final class RegistryServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<RegistryServiceBlockingStub> {
    private RegistryServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected RegistryServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new RegistryServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * The sockets that match, ordered by (gateway_id, socket_id), in messages of at most 500. Reads only.
     * </pre>
     */
    public java.util.Iterator<io.socketpass.v1.FilterSocketsResponse> filterSockets(
        io.socketpass.v1.FilterSocketsRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getFilterSocketsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * How many sockets match, in groups if wanted. Reads only.
     * </pre>
     */
    public io.socketpass.v1.CountSocketsResponse countSockets(io.socketpass.v1.CountSocketsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCountSocketsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * The sockets that match, and then what changes about that, in order for each gateway. A changed socket is opened
     * again; one that ceases to match is closed with LEFT_FILTER. The stream ends with UNAVAILABLE when the replica goes:
     * go on from the last revision at another. OUT_OF_RANGE when this watcher is slower than the changes, or
     * `from_revision` cannot be gone on from: start afresh. RESOURCE_EXHAUSTED: as many watches are open at this replica as
     * may be (`limits.max_watches`).
     * </pre>
     */
    public java.util.Iterator<io.socketpass.v1.WatchSocketsResponse> watchSockets(
        io.socketpass.v1.WatchSocketsRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getWatchSocketsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Has the gateways disconnect the sockets that match now. Each message counts anew; the last one has everything
     * settled. Safe to repeat.
     * </pre>
     */
    public java.util.Iterator<io.socketpass.v1.DisconnectSocketsResponse> disconnectSockets(
        io.socketpass.v1.DisconnectSocketsRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getDisconnectSocketsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Has the gateways emit an event to the sockets that match now, each once or never: what the fleet's
     * `filterSocketsByUser(io, filter).forEach(socket =&gt; socket.emit(...))` would do.
     * </pre>
     */
    public java.util.Iterator<io.socketpass.v1.SendToSocketsResponse> sendToSockets(
        io.socketpass.v1.SendToSocketsRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getSendToSocketsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Destroys the sessions behind the sockets that match, in the session store: the web app logs out too, and all sockets of
     * these sessions end. A session that is back 2 s later, written by a request that was under way, is destroyed again. Safe
     * to repeat. FAILED_PRECONDITION: sessions are in cookies (`cookie-session:`), which nobody can destroy from here; or the
     * store refuses to delete, since its user may only read.
     * UNAVAILABLE: the store does not answer, and some of the sessions may be left: call again.
     * </pre>
     */
    public io.socketpass.v1.EndSessionsResponse endSessions(io.socketpass.v1.EndSessionsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getEndSessionsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Which sessions end, for whom and why: what has ended behind open sockets, in the whole fleet, each once. A stream of
     * what is revoked, for proxies and audit. It begins with what comes next; `socketpass-revision` of the answer's metadata
     * is where it begins. It ends with UNAVAILABLE when the replica goes: go on from the last revision at another.
     * OUT_OF_RANGE when this watcher is slower than the ends, or `from_revision` cannot be gone on from: start afresh.
     * RESOURCE_EXHAUSTED: as many watches are open at this replica as may be (`limits.max_watches`).
     * </pre>
     */
    public java.util.Iterator<io.socketpass.v1.WatchSessionEndsResponse> watchSessionEnds(
        io.socketpass.v1.WatchSessionEndsRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getWatchSessionEndsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * How a filter is answered: what comes from an index, with how many sockets, and what is evaluated one by one.
     * </pre>
     */
    public io.socketpass.v1.ExplainFilterResponse explainFilter(io.socketpass.v1.ExplainFilterRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getExplainFilterMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * The gateways that hold sockets or have told of themselves, ordered by gateway id.
     * </pre>
     */
    public io.socketpass.v1.ListGatewaysResponse listGateways(io.socketpass.v1.ListGatewaysRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListGatewaysMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service RegistryService.
   * <pre>
   * Who is connected, in the whole fleet. Gateways report their sockets; whoever may asks for them by what their users are.
   * `filter` is a CEL expression over `user`, `socket`, `gateway` and `params`: `user.team == params.team &amp;&amp;
   * socket.namespace == "/chat"`. `socket.*` and `gateway.*` are the fields of the messages Socket and Gateway. A whole
   * number in `user`, `data` or `params` is a CEL int, any other a double. An error while evaluating, such as a missing
   * field, is no match. Everybody is `true`; an empty filter is INVALID_ARGUMENT, and so is one that does not compile or
   * breaks a limit: 16 KiB of text, 100 levels (parentheses count, each operator of a chain is one deeper), comprehensions
   * 2 inside one another; the message names the limit. An evaluation ends after 10,000 steps, as an error.
   * Every answer carries a View, so that none is silently partial. A session id goes in and never comes out: filters may
   * compare it with whole ones, by ==, != and in, and nothing else.
   * Errors: INVALID_ARGUMENT (names the field), OUT_OF_RANGE (a revision that cannot be gone on from), UNAVAILABLE (call
   * again, at any replica), RESOURCE_EXHAUSTED (the message is too large), DEADLINE_EXCEEDED. Metadata `x-request-id` as in
   * AuthorizationService.
   * </pre>
   */
  public static final class RegistryServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<RegistryServiceFutureStub> {
    private RegistryServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected RegistryServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new RegistryServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * How many sockets match, in groups if wanted. Reads only.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.socketpass.v1.CountSocketsResponse> countSockets(
        io.socketpass.v1.CountSocketsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCountSocketsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Destroys the sessions behind the sockets that match, in the session store: the web app logs out too, and all sockets of
     * these sessions end. A session that is back 2 s later, written by a request that was under way, is destroyed again. Safe
     * to repeat. FAILED_PRECONDITION: sessions are in cookies (`cookie-session:`), which nobody can destroy from here; or the
     * store refuses to delete, since its user may only read.
     * UNAVAILABLE: the store does not answer, and some of the sessions may be left: call again.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.socketpass.v1.EndSessionsResponse> endSessions(
        io.socketpass.v1.EndSessionsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getEndSessionsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * How a filter is answered: what comes from an index, with how many sockets, and what is evaluated one by one.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.socketpass.v1.ExplainFilterResponse> explainFilter(
        io.socketpass.v1.ExplainFilterRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getExplainFilterMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * The gateways that hold sockets or have told of themselves, ordered by gateway id.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.socketpass.v1.ListGatewaysResponse> listGateways(
        io.socketpass.v1.ListGatewaysRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListGatewaysMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_FILTER_SOCKETS = 0;
  private static final int METHODID_COUNT_SOCKETS = 1;
  private static final int METHODID_WATCH_SOCKETS = 2;
  private static final int METHODID_DISCONNECT_SOCKETS = 3;
  private static final int METHODID_SEND_TO_SOCKETS = 4;
  private static final int METHODID_END_SESSIONS = 5;
  private static final int METHODID_WATCH_SESSION_ENDS = 6;
  private static final int METHODID_EXPLAIN_FILTER = 7;
  private static final int METHODID_LIST_GATEWAYS = 8;
  private static final int METHODID_REPORT = 9;

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
        case METHODID_FILTER_SOCKETS:
          serviceImpl.filterSockets((io.socketpass.v1.FilterSocketsRequest) request,
              (io.grpc.stub.StreamObserver<io.socketpass.v1.FilterSocketsResponse>) responseObserver);
          break;
        case METHODID_COUNT_SOCKETS:
          serviceImpl.countSockets((io.socketpass.v1.CountSocketsRequest) request,
              (io.grpc.stub.StreamObserver<io.socketpass.v1.CountSocketsResponse>) responseObserver);
          break;
        case METHODID_WATCH_SOCKETS:
          serviceImpl.watchSockets((io.socketpass.v1.WatchSocketsRequest) request,
              (io.grpc.stub.StreamObserver<io.socketpass.v1.WatchSocketsResponse>) responseObserver);
          break;
        case METHODID_DISCONNECT_SOCKETS:
          serviceImpl.disconnectSockets((io.socketpass.v1.DisconnectSocketsRequest) request,
              (io.grpc.stub.StreamObserver<io.socketpass.v1.DisconnectSocketsResponse>) responseObserver);
          break;
        case METHODID_SEND_TO_SOCKETS:
          serviceImpl.sendToSockets((io.socketpass.v1.SendToSocketsRequest) request,
              (io.grpc.stub.StreamObserver<io.socketpass.v1.SendToSocketsResponse>) responseObserver);
          break;
        case METHODID_END_SESSIONS:
          serviceImpl.endSessions((io.socketpass.v1.EndSessionsRequest) request,
              (io.grpc.stub.StreamObserver<io.socketpass.v1.EndSessionsResponse>) responseObserver);
          break;
        case METHODID_WATCH_SESSION_ENDS:
          serviceImpl.watchSessionEnds((io.socketpass.v1.WatchSessionEndsRequest) request,
              (io.grpc.stub.StreamObserver<io.socketpass.v1.WatchSessionEndsResponse>) responseObserver);
          break;
        case METHODID_EXPLAIN_FILTER:
          serviceImpl.explainFilter((io.socketpass.v1.ExplainFilterRequest) request,
              (io.grpc.stub.StreamObserver<io.socketpass.v1.ExplainFilterResponse>) responseObserver);
          break;
        case METHODID_LIST_GATEWAYS:
          serviceImpl.listGateways((io.socketpass.v1.ListGatewaysRequest) request,
              (io.grpc.stub.StreamObserver<io.socketpass.v1.ListGatewaysResponse>) responseObserver);
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
        case METHODID_REPORT:
          return (io.grpc.stub.StreamObserver<Req>) serviceImpl.report(
              (io.grpc.stub.StreamObserver<io.socketpass.v1.ReportResponse>) responseObserver);
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getReportMethod(),
          io.grpc.stub.ServerCalls.asyncBidiStreamingCall(
            new MethodHandlers<
              io.socketpass.v1.ReportRequest,
              io.socketpass.v1.ReportResponse>(
                service, METHODID_REPORT)))
        .addMethod(
          getFilterSocketsMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              io.socketpass.v1.FilterSocketsRequest,
              io.socketpass.v1.FilterSocketsResponse>(
                service, METHODID_FILTER_SOCKETS)))
        .addMethod(
          getCountSocketsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.socketpass.v1.CountSocketsRequest,
              io.socketpass.v1.CountSocketsResponse>(
                service, METHODID_COUNT_SOCKETS)))
        .addMethod(
          getWatchSocketsMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              io.socketpass.v1.WatchSocketsRequest,
              io.socketpass.v1.WatchSocketsResponse>(
                service, METHODID_WATCH_SOCKETS)))
        .addMethod(
          getDisconnectSocketsMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              io.socketpass.v1.DisconnectSocketsRequest,
              io.socketpass.v1.DisconnectSocketsResponse>(
                service, METHODID_DISCONNECT_SOCKETS)))
        .addMethod(
          getSendToSocketsMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              io.socketpass.v1.SendToSocketsRequest,
              io.socketpass.v1.SendToSocketsResponse>(
                service, METHODID_SEND_TO_SOCKETS)))
        .addMethod(
          getEndSessionsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.socketpass.v1.EndSessionsRequest,
              io.socketpass.v1.EndSessionsResponse>(
                service, METHODID_END_SESSIONS)))
        .addMethod(
          getWatchSessionEndsMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              io.socketpass.v1.WatchSessionEndsRequest,
              io.socketpass.v1.WatchSessionEndsResponse>(
                service, METHODID_WATCH_SESSION_ENDS)))
        .addMethod(
          getExplainFilterMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.socketpass.v1.ExplainFilterRequest,
              io.socketpass.v1.ExplainFilterResponse>(
                service, METHODID_EXPLAIN_FILTER)))
        .addMethod(
          getListGatewaysMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.socketpass.v1.ListGatewaysRequest,
              io.socketpass.v1.ListGatewaysResponse>(
                service, METHODID_LIST_GATEWAYS)))
        .build();
  }

  private static abstract class RegistryServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    RegistryServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.socketpass.v1.RegistryServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("RegistryService");
    }
  }

  private static final class RegistryServiceFileDescriptorSupplier
      extends RegistryServiceBaseDescriptorSupplier {
    RegistryServiceFileDescriptorSupplier() {}
  }

  private static final class RegistryServiceMethodDescriptorSupplier
      extends RegistryServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    RegistryServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (RegistryServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new RegistryServiceFileDescriptorSupplier())
              .addMethod(getReportMethod())
              .addMethod(getFilterSocketsMethod())
              .addMethod(getCountSocketsMethod())
              .addMethod(getWatchSocketsMethod())
              .addMethod(getDisconnectSocketsMethod())
              .addMethod(getSendToSocketsMethod())
              .addMethod(getEndSessionsMethod())
              .addMethod(getWatchSessionEndsMethod())
              .addMethod(getExplainFilterMethod())
              .addMethod(getListGatewaysMethod())
              .build();
        }
      }
    }
    return result;
  }
}
