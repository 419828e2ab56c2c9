//! How many sockets one person may have open.

use std::{fmt, sync::Arc};

use serde_json::Value;

use super::{
    User,
    explain::{Step, StepName, Trace},
};

/// Who knows which sockets are open in the fleet.
pub trait OpenSockets: fmt::Debug + Send + Sync + 'static {
    /// How many somebody has open: by what stands at `user.id_field` of their user, a text or a number.
    fn of(&self, id: &Value) -> u64;
}

/// The cap (`limits.max_sockets_per_user`).
#[derive(Clone)]
pub struct Cap {
    /// So many at most.
    pub max: u64,
    /// Another one takes the place of the oldest (`limits.evict_oldest`).
    pub evicts_oldest: bool,
    /// Who counts.
    pub open: Arc<dyn OpenSockets>,
}

impl Cap {
    /// Whether one more may be opened. A user without an id is counted by nobody.
    pub(super) fn allows<T: Trace>(&self, user: &User, id_field: &[Box<str>], trace: &mut T) -> bool {
        let Some(id) = id_of(user, id_field) else { return true };
        let open = self.open.of(id);
        let allows = self.evicts_oldest || open < self.max;
        trace.step(|| {
            let input = format!("limits.max_sockets_per_user, {}", self.max);
            let found = format!("{open} open sockets of this user");
            if allows {
                Step::passed(StepName::Cap, input, found)
            } else {
                Step::failed(StepName::Cap, input, found)
                    .hint("close one of them, or let limits.evict_oldest end the oldest")
            }
        });
        allows
    }
}

/// What tells the sockets of one person, as the registry can find them by.
pub(super) fn id_of<'u>(user: &'u User, id_field: &[Box<str>]) -> Option<&'u Value> {
    if !user.logged_in() {
        return None;
    }
    let (first, names) = id_field.split_first()?;
    let id = names.iter().try_fold(user.fields().get(&**first)?, |value, name| value.get(&**name))?;
    match id {
        Value::Number(_) => Some(id),
        Value::String(text) if !text.is_empty() => Some(id),
        _ => None,
    }
}

impl fmt::Debug for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max, evicts_oldest, open: _ } = self;
        f.debug_struct("Cap").field("max", max).field("evicts_oldest", evicts_oldest).finish_non_exhaustive()
    }
}
