import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from socketpass.v1 import close_pb2 as _close_pb2
from socketpass.v1 import reason_pb2 as _reason_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GatewayState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GATEWAY_STATE_UNSPECIFIED: _ClassVar[GatewayState]
    GATEWAY_STATE_LIVE: _ClassVar[GatewayState]
    GATEWAY_STATE_LATE: _ClassVar[GatewayState]
GATEWAY_STATE_UNSPECIFIED: GatewayState
GATEWAY_STATE_LIVE: GatewayState
GATEWAY_STATE_LATE: GatewayState

class ReportRequest(_message.Message):
    __slots__ = ("hello", "batch", "command_result", "goodbye")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    COMMAND_RESULT_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    batch: Batch
    command_result: CommandResult
    goodbye: Goodbye
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., batch: _Optional[_Union[Batch, _Mapping]] = ..., command_result: _Optional[_Union[CommandResult, _Mapping]] = ..., goodbye: _Optional[_Union[Goodbye, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("gateway_id", "incarnation", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    gateway_id: str
    incarnation: str
    labels: _containers.ScalarMap[str, str]
    def __init__(self, gateway_id: _Optional[str] = ..., incarnation: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("sequence", "events", "complete")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    events: _containers.RepeatedCompositeFieldContainer[Event]
    complete: bool
    def __init__(self, sequence: _Optional[int] = ..., events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., complete: bool = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("opened", "closed")
    OPENED_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    opened: Socket
    closed: SocketClosed
    def __init__(self, opened: _Optional[_Union[Socket, _Mapping]] = ..., closed: _Optional[_Union[SocketClosed, _Mapping]] = ...) -> None: ...

class SocketClosed(_message.Message):
    __slots__ = ("socket_id",)
    SOCKET_ID_FIELD_NUMBER: _ClassVar[int]
    socket_id: str
    def __init__(self, socket_id: _Optional[str] = ...) -> None: ...

class Goodbye(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Socket(_message.Message):
    __slots__ = ("gateway_id", "socket_id", "namespace", "session_id", "remote_address", "origin", "user", "data", "connected_at")
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    SOCKET_ID_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REMOTE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_AT_FIELD_NUMBER: _ClassVar[int]
    gateway_id: str
    socket_id: str
    namespace: str
    session_id: str
    remote_address: str
    origin: str
    user: _struct_pb2.Struct
    data: _struct_pb2.Struct
    connected_at: _timestamp_pb2.Timestamp
    def __init__(self, gateway_id: _Optional[str] = ..., socket_id: _Optional[str] = ..., namespace: _Optional[str] = ..., session_id: _Optional[str] = ..., remote_address: _Optional[str] = ..., origin: _Optional[str] = ..., user: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., data: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., connected_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReportResponse(_message.Message):
    __slots__ = ("welcome", "ack", "command")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    ack: Ack
    command: Command
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., command: _Optional[_Union[Command, _Mapping]] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("lease",)
    LEASE_FIELD_NUMBER: _ClassVar[int]
    lease: _duration_pb2.Duration
    def __init__(self, lease: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("sequence", "rejected")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    rejected: _containers.RepeatedCompositeFieldContainer[Rejection]
    def __init__(self, sequence: _Optional[int] = ..., rejected: _Optional[_Iterable[_Union[Rejection, _Mapping]]] = ...) -> None: ...

class Rejection(_message.Message):
    __slots__ = ("socket_id", "field", "message")
    SOCKET_ID_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    socket_id: str
    field: str
    message: str
    def __init__(self, socket_id: _Optional[str] = ..., field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Command(_message.Message):
    __slots__ = ("command_id", "disconnect", "send", "user_changed")
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    DISCONNECT_FIELD_NUMBER: _ClassVar[int]
    SEND_FIELD_NUMBER: _ClassVar[int]
    USER_CHANGED_FIELD_NUMBER: _ClassVar[int]
    command_id: str
    disconnect: Disconnect
    send: Send
    user_changed: UserChanged
    def __init__(self, command_id: _Optional[str] = ..., disconnect: _Optional[_Union[Disconnect, _Mapping]] = ..., send: _Optional[_Union[Send, _Mapping]] = ..., user_changed: _Optional[_Union[UserChanged, _Mapping]] = ...) -> None: ...

class Disconnect(_message.Message):
    __slots__ = ("socket_ids", "close")
    SOCKET_IDS_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    socket_ids: _containers.RepeatedScalarFieldContainer[str]
    close: _close_pb2.Close
    def __init__(self, socket_ids: _Optional[_Iterable[str]] = ..., close: _Optional[_Union[_close_pb2.Close, _Mapping]] = ...) -> None: ...

class Send(_message.Message):
    __slots__ = ("socket_ids", "event", "args")
    SOCKET_IDS_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    socket_ids: _containers.RepeatedScalarFieldContainer[str]
    event: str
    args: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Value]
    def __init__(self, socket_ids: _Optional[_Iterable[str]] = ..., event: _Optional[str] = ..., args: _Optional[_Iterable[_Union[_struct_pb2.Value, _Mapping]]] = ...) -> None: ...

class UserChanged(_message.Message):
    __slots__ = ("socket_ids", "user")
    SOCKET_IDS_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    socket_ids: _containers.RepeatedScalarFieldContainer[str]
    user: _struct_pb2.Struct
    def __init__(self, socket_ids: _Optional[_Iterable[str]] = ..., user: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class CommandResult(_message.Message):
    __slots__ = ("command_id", "done")
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    command_id: str
    done: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, command_id: _Optional[str] = ..., done: _Optional[_Iterable[str]] = ...) -> None: ...

class View(_message.Message):
    __slots__ = ("age", "incomplete_gateways", "warming_up")
    AGE_FIELD_NUMBER: _ClassVar[int]
    INCOMPLETE_GATEWAYS_FIELD_NUMBER: _ClassVar[int]
    WARMING_UP_FIELD_NUMBER: _ClassVar[int]
    age: _duration_pb2.Duration
    incomplete_gateways: _containers.RepeatedScalarFieldContainer[str]
    warming_up: bool
    def __init__(self, age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., incomplete_gateways: _Optional[_Iterable[str]] = ..., warming_up: bool = ...) -> None: ...

class FilterSocketsRequest(_message.Message):
    __slots__ = ("filter", "params", "limit", "cursor")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    filter: str
    params: _struct_pb2.Struct
    limit: int
    cursor: str
    def __init__(self, filter: _Optional[str] = ..., params: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class FilterSocketsResponse(_message.Message):
    __slots__ = ("sockets", "next_cursor", "view")
    SOCKETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    sockets: _containers.RepeatedCompositeFieldContainer[Socket]
    next_cursor: str
    view: View
    def __init__(self, sockets: _Optional[_Iterable[_Union[Socket, _Mapping]]] = ..., next_cursor: _Optional[str] = ..., view: _Optional[_Union[View, _Mapping]] = ...) -> None: ...

class CountSocketsRequest(_message.Message):
    __slots__ = ("filter", "params", "group_by")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    filter: str
    params: _struct_pb2.Struct
    group_by: str
    def __init__(self, filter: _Optional[str] = ..., params: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., group_by: _Optional[str] = ...) -> None: ...

class CountSocketsResponse(_message.Message):
    __slots__ = ("total", "groups", "view")
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    total: int
    groups: _containers.RepeatedCompositeFieldContainer[Group]
    view: View
    def __init__(self, total: _Optional[int] = ..., groups: _Optional[_Iterable[_Union[Group, _Mapping]]] = ..., view: _Optional[_Union[View, _Mapping]] = ...) -> None: ...

class Group(_message.Message):
    __slots__ = ("key", "count")
    KEY_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    key: _struct_pb2.Value
    count: int
    def __init__(self, key: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., count: _Optional[int] = ...) -> None: ...

class WatchSocketsRequest(_message.Message):
    __slots__ = ("filter", "params", "from_revision")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    FROM_REVISION_FIELD_NUMBER: _ClassVar[int]
    filter: str
    params: _struct_pb2.Struct
    from_revision: str
    def __init__(self, filter: _Optional[str] = ..., params: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., from_revision: _Optional[str] = ...) -> None: ...

class WatchSocketsResponse(_message.Message):
    __slots__ = ("opened", "closed", "checkpoint", "revision")
    OPENED_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    opened: Socket
    closed: WatchedSocketClosed
    checkpoint: View
    revision: str
    def __init__(self, opened: _Optional[_Union[Socket, _Mapping]] = ..., closed: _Optional[_Union[WatchedSocketClosed, _Mapping]] = ..., checkpoint: _Optional[_Union[View, _Mapping]] = ..., revision: _Optional[str] = ...) -> None: ...

class WatchedSocketClosed(_message.Message):
    __slots__ = ("socket", "reason")
    SOCKET_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    socket: Socket
    reason: _reason_pb2.Reason
    def __init__(self, socket: _Optional[_Union[Socket, _Mapping]] = ..., reason: _Optional[_Union[_reason_pb2.Reason, str]] = ...) -> None: ...

class DisconnectSocketsRequest(_message.Message):
    __slots__ = ("filter", "params", "close", "max_per_second")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    MAX_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    filter: str
    params: _struct_pb2.Struct
    close: _close_pb2.Close
    max_per_second: int
    def __init__(self, filter: _Optional[str] = ..., params: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., close: _Optional[_Union[_close_pb2.Close, _Mapping]] = ..., max_per_second: _Optional[int] = ...) -> None: ...

class DisconnectSocketsResponse(_message.Message):
    __slots__ = ("matched", "done", "failed", "unreachable", "view")
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    UNREACHABLE_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    matched: int
    done: int
    failed: int
    unreachable: int
    view: View
    def __init__(self, matched: _Optional[int] = ..., done: _Optional[int] = ..., failed: _Optional[int] = ..., unreachable: _Optional[int] = ..., view: _Optional[_Union[View, _Mapping]] = ...) -> None: ...

class SendToSocketsRequest(_message.Message):
    __slots__ = ("filter", "params", "event", "args")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    filter: str
    params: _struct_pb2.Struct
    event: str
    args: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Value]
    def __init__(self, filter: _Optional[str] = ..., params: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., event: _Optional[str] = ..., args: _Optional[_Iterable[_Union[_struct_pb2.Value, _Mapping]]] = ...) -> None: ...

class SendToSocketsResponse(_message.Message):
    __slots__ = ("matched", "done", "failed", "unreachable", "view")
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    UNREACHABLE_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    matched: int
    done: int
    failed: int
    unreachable: int
    view: View
    def __init__(self, matched: _Optional[int] = ..., done: _Optional[int] = ..., failed: _Optional[int] = ..., unreachable: _Optional[int] = ..., view: _Optional[_Union[View, _Mapping]] = ...) -> None: ...

class EndSessionsRequest(_message.Message):
    __slots__ = ("filter", "params")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    filter: str
    params: _struct_pb2.Struct
    def __init__(self, filter: _Optional[str] = ..., params: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class EndSessionsResponse(_message.Message):
    __slots__ = ("matched", "view", "without_session")
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_SESSION_FIELD_NUMBER: _ClassVar[int]
    matched: int
    view: View
    without_session: int
    def __init__(self, matched: _Optional[int] = ..., view: _Optional[_Union[View, _Mapping]] = ..., without_session: _Optional[int] = ...) -> None: ...

class WatchSessionEndsRequest(_message.Message):
    __slots__ = ("from_revision", "checkpoints")
    FROM_REVISION_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINTS_FIELD_NUMBER: _ClassVar[int]
    from_revision: str
    checkpoints: bool
    def __init__(self, from_revision: _Optional[str] = ..., checkpoints: bool = ...) -> None: ...

class WatchSessionEndsResponse(_message.Message):
    __slots__ = ("session_id", "user", "reason", "sockets", "at", "revision")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SOCKETS_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    user: _struct_pb2.Struct
    reason: _reason_pb2.Reason
    sockets: int
    at: _timestamp_pb2.Timestamp
    revision: str
    def __init__(self, session_id: _Optional[str] = ..., user: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., reason: _Optional[_Union[_reason_pb2.Reason, str]] = ..., sockets: _Optional[int] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revision: _Optional[str] = ...) -> None: ...

class ExplainFilterRequest(_message.Message):
    __slots__ = ("filter", "params")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    filter: str
    params: _struct_pb2.Struct
    def __init__(self, filter: _Optional[str] = ..., params: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class ExplainFilterResponse(_message.Message):
    __slots__ = ("steps",)
    STEPS_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[FilterStep]
    def __init__(self, steps: _Optional[_Iterable[_Union[FilterStep, _Mapping]]] = ...) -> None: ...

class FilterStep(_message.Message):
    __slots__ = ("expression", "index", "sockets")
    EXPRESSION_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SOCKETS_FIELD_NUMBER: _ClassVar[int]
    expression: str
    index: str
    sockets: int
    def __init__(self, expression: _Optional[str] = ..., index: _Optional[str] = ..., sockets: _Optional[int] = ...) -> None: ...

class ListGatewaysRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListGatewaysResponse(_message.Message):
    __slots__ = ("gateways", "view")
    GATEWAYS_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    gateways: _containers.RepeatedCompositeFieldContainer[Gateway]
    view: View
    def __init__(self, gateways: _Optional[_Iterable[_Union[Gateway, _Mapping]]] = ..., view: _Optional[_Union[View, _Mapping]] = ...) -> None: ...

class Gateway(_message.Message):
    __slots__ = ("gateway_id", "incarnation", "labels", "state", "sockets", "last_seen")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SOCKETS_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_FIELD_NUMBER: _ClassVar[int]
    gateway_id: str
    incarnation: str
    labels: _containers.ScalarMap[str, str]
    state: GatewayState
    sockets: int
    last_seen: _timestamp_pb2.Timestamp
    def __init__(self, gateway_id: _Optional[str] = ..., incarnation: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., state: _Optional[_Union[GatewayState, str]] = ..., sockets: _Optional[int] = ..., last_seen: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
