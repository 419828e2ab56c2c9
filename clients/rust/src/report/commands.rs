//! What the service has this process do with its sockets.

use super::Reporter;
use crate::{
    decision::Close,
    proto::{self, Command, CommandResult, command::Command as What},
    user::User,
    values::{from_struct, from_value},
};

impl Reporter {
    /// Carries a command out. One that is not known here is answered, too: its caller waits.
    pub(super) fn obey(&self, command: Command) -> CommandResult {
        let done = match command.command {
            Some(What::Disconnect(disconnect)) => self.disconnect(disconnect),
            Some(What::Send(send)) => self.send(send),
            Some(What::UserChanged(changed)) => self.user_changed(changed),
            None => vec![],
        };
        CommandResult { command_id: command.command_id, done }
    }

    /// Sockets that were gone already are disconnected, too.
    fn disconnect(&self, disconnect: proto::Disconnect) -> Vec<String> {
        let close =
            disconnect.close.and_then(|close| close.try_into().ok()).unwrap_or_else(Close::disconnected);
        for id in &disconnect.socket_ids {
            self.sockets.disconnect(id, &close);
        }
        disconnect.socket_ids
    }

    fn send(&self, send: proto::Send) -> Vec<String> {
        let args: Vec<_> = send.args.into_iter().map(from_value).collect();
        let handed_over =
            |id: &String| self.sockets.get(id).is_some_and(|socket| socket.send(&send.event, &args));
        send.socket_ids.into_iter().filter(handed_over).collect()
    }

    fn user_changed(&self, changed: proto::UserChanged) -> Vec<String> {
        let user = User::from(from_struct(changed.user.unwrap_or_default()));
        let replace = |id: &String| {
            let Some(socket) = self.sockets.get(id) else { return false };
            socket.change_user(&user);
            if let Some(hook) = &self.user_changed {
                socket.guarded("the hook `user_changed`", || hook(&socket));
            }
            true
        };
        changed.socket_ids.into_iter().filter(replace).collect()
    }
}
