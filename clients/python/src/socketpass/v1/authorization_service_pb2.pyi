from google.protobuf import struct_pb2 as _struct_pb2
from socketpass.v1 import close_pb2 as _close_pb2
from socketpass.v1 import reason_pb2 as _reason_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Handshake(_message.Message):
    __slots__ = ("headers", "url", "auth", "remote_address", "xdomain", "namespace")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    AUTH_FIELD_NUMBER: _ClassVar[int]
    REMOTE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    XDOMAIN_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    headers: _containers.ScalarMap[str, str]
    url: str
    auth: _struct_pb2.Struct
    remote_address: str
    xdomain: bool
    namespace: str
    def __init__(self, headers: _Optional[_Mapping[str, str]] = ..., url: _Optional[str] = ..., auth: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., remote_address: _Optional[str] = ..., xdomain: bool = ..., namespace: _Optional[str] = ...) -> None: ...

class AuthorizeRequest(_message.Message):
    __slots__ = ("handshake", "gateway_id")
    HANDSHAKE_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    handshake: Handshake
    gateway_id: str
    def __init__(self, handshake: _Optional[_Union[Handshake, _Mapping]] = ..., gateway_id: _Optional[str] = ...) -> None: ...

class AuthorizeResponse(_message.Message):
    __slots__ = ("accepted", "reason", "message", "error", "user", "session_id", "close")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    accepted: bool
    reason: _reason_pb2.Reason
    message: str
    error: bool
    user: _struct_pb2.Struct
    session_id: str
    close: _close_pb2.Close
    def __init__(self, accepted: bool = ..., reason: _Optional[_Union[_reason_pb2.Reason, str]] = ..., message: _Optional[str] = ..., error: bool = ..., user: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., session_id: _Optional[str] = ..., close: _Optional[_Union[_close_pb2.Close, _Mapping]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("handshake", "gateway_id")
    HANDSHAKE_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    handshake: Handshake
    gateway_id: str
    def __init__(self, handshake: _Optional[_Union[Handshake, _Mapping]] = ..., gateway_id: _Optional[str] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("decision", "steps")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    decision: AuthorizeResponse
    steps: _containers.RepeatedCompositeFieldContainer[ExplainStep]
    def __init__(self, decision: _Optional[_Union[AuthorizeResponse, _Mapping]] = ..., steps: _Optional[_Iterable[_Union[ExplainStep, _Mapping]]] = ...) -> None: ...

class ExplainStep(_message.Message):
    __slots__ = ("name", "input", "found", "ok", "hint")
    NAME_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    OK_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    name: str
    input: str
    found: str
    ok: bool
    hint: str
    def __init__(self, name: _Optional[str] = ..., input: _Optional[str] = ..., found: _Optional[str] = ..., ok: bool = ..., hint: _Optional[str] = ...) -> None: ...
