from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_AUTHORIZED: _ClassVar[Reason]
    REASON_NO_SESSION_ID: _ClassVar[Reason]
    REASON_BAD_SIGNATURE: _ClassVar[Reason]
    REASON_SESSION_NOT_FOUND: _ClassVar[Reason]
    REASON_SESSION_MALFORMED: _ClassVar[Reason]
    REASON_PASSPORT_NOT_INITIALIZED: _ClassVar[Reason]
    REASON_NOT_LOGGED_IN: _ClassVar[Reason]
    REASON_USER_NOT_FOUND: _ClassVar[Reason]
    REASON_USER_SOURCE_FAILED: _ClassVar[Reason]
    REASON_STORE_UNAVAILABLE: _ClassVar[Reason]
    REASON_ORIGIN_NOT_ALLOWED: _ClassVar[Reason]
    REASON_DENIED_BY_POLICY: _ClassVar[Reason]
    REASON_TOO_MANY_SOCKETS: _ClassVar[Reason]
    REASON_ANOTHER_USER: _ClassVar[Reason]
    REASON_DISCONNECTED: _ClassVar[Reason]
    REASON_EVICTED: _ClassVar[Reason]
    REASON_GATEWAY_DRAINING: _ClassVar[Reason]
    REASON_CLOSED: _ClassVar[Reason]
    REASON_GATEWAY_GONE: _ClassVar[Reason]
    REASON_LEFT_FILTER: _ClassVar[Reason]
REASON_UNSPECIFIED: Reason
REASON_AUTHORIZED: Reason
REASON_NO_SESSION_ID: Reason
REASON_BAD_SIGNATURE: Reason
REASON_SESSION_NOT_FOUND: Reason
REASON_SESSION_MALFORMED: Reason
REASON_PASSPORT_NOT_INITIALIZED: Reason
REASON_NOT_LOGGED_IN: Reason
REASON_USER_NOT_FOUND: Reason
REASON_USER_SOURCE_FAILED: Reason
REASON_STORE_UNAVAILABLE: Reason
REASON_ORIGIN_NOT_ALLOWED: Reason
REASON_DENIED_BY_POLICY: Reason
REASON_TOO_MANY_SOCKETS: Reason
REASON_ANOTHER_USER: Reason
REASON_DISCONNECTED: Reason
REASON_EVICTED: Reason
REASON_GATEWAY_DRAINING: Reason
REASON_CLOSED: Reason
REASON_GATEWAY_GONE: Reason
REASON_LEFT_FILTER: Reason
