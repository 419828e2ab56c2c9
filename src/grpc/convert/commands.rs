//! Commands to gateways, between messages and the registry.

use prost::Message as _;
use prost_types::Value;
use tonic::Status;

use super::{invalid, pb, structs};
use crate::{
    expression::packed::Packer,
    reason::Reason,
    registry::command::{CloseText, Command, Task},
};

/// Codes that an application may close with (RFC 6455, 7.4.2: the private range), and those a reason of ours can have.
const CODES: std::ops::RangeInclusive<u32> = 4000..=4999;
/// Of a close reason, in ASCII characters.
const REASON: usize = 32;
/// Of an event's name, in bytes.
const EVENT: usize = 256;
/// Of an event's arguments together, in bytes.
const ARGS: usize = 256 << 10;

/// What to disconnect with.
pub(in crate::grpc) fn disconnect(close: Option<pb::Close>) -> Result<Task, Status> {
    let close = match close {
        None => {
            let close = Reason::Disconnected.close();
            let (code, reason) = close.map_or((4505, "disconnected"), |close| (close.code, close.reason));
            CloseText { code, reason: reason.to_owned() }
        }
        Some(pb::Close { code, reason }) => {
            if !CODES.contains(&code) {
                return Err(invalid("close.code", "it should be between 4000 and 4999"));
            }
            if !reason.is_ascii() || reason.len() > REASON || reason.chars().any(char::is_control) {
                return Err(invalid("close.reason", "it should have at most 32 ASCII characters"));
            }
            CloseText { code: u16::try_from(code).unwrap_or(4505), reason }
        }
    };
    Ok(Task::Disconnect { socket_ids: Vec::new(), close, reason: Reason::Disconnected })
}

/// What to send.
pub(in crate::grpc) fn send(event: String, args: &[Value]) -> Result<Task, Status> {
    if event.is_empty() || event.len() > EVENT {
        return Err(invalid("event", "it should have 1 to 256 bytes"));
    }
    if args.iter().map(Value::encoded_len).sum::<usize>() > ARGS {
        return Err(invalid("args", "together they are larger than 256 KiB"));
    }
    for arg in args {
        let fields = [(String::new(), arg.clone())].into();
        // One level more than the argument itself.
        if let Err(unfit) = structs::pack(&prost_types::Struct { fields }, &mut Packer::default()) {
            return Err(invalid("args", unfit));
        }
    }
    Ok(Task::Send { socket_ids: Vec::new(), event, args: args.iter().map(structs::json).collect() })
}

/// A command as a gateway reads it.
pub(in crate::grpc) fn command(command: Command) -> pb::Command {
    let Command { command_id, task } = command;
    let task = match task {
        Task::Disconnect { socket_ids, close: CloseText { code, reason }, reason: _ } => {
            let close = Some(pb::Close { code: code.into(), reason });
            pb::command::Command::Disconnect(pb::Disconnect { socket_ids, close })
        }
        Task::Send { socket_ids, event, args } => {
            let args = args.into_iter().map(structs::value).collect();
            pb::command::Command::Send(pb::Send { socket_ids, event, args })
        }
        Task::UserChanged { socket_ids, user } => {
            let user = Some(structs::object(user));
            pb::command::Command::UserChanged(pb::UserChanged { socket_ids, user })
        }
    };
    pb::Command { command_id, command: Some(task) }
}
