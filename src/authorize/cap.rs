//! How many sockets one person may have open.

use std::{fmt, sync::Arc};

use super::{
    User,
    explain::{Step, StepName, Trace},
};
use crate::identity;

/// Who knows which sockets are open in the fleet.
pub trait OpenSockets: fmt::Debug + Send + Sync + 'static {
    /// How many somebody has open: by what stands at `user.id_field` of their user, as a text or as the number that is written
    /// so.
    fn of(&self, id: &str) -> u64;
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
        let input = || format!("limits.max_sockets_per_user, {}", self.max);
        let Some(id) = id_of(user, id_field) else {
            trace.step(|| Step::passed(StepName::Cap, input(), why_not_counted(user, id_field)));
            return true;
        };
        let open = self.open.of(&id);
        let allows = self.evicts_oldest || open < self.max;
        trace.step(|| {
            let input = input();
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

fn why_not_counted(user: &User, id_field: &[Box<str>]) -> String {
    if user.logged_in() {
        format!(
            "not counted: no text or number stands at user.id_field, `{}`, of this user",
            id_field.join(".")
        )
    } else {
        "not counted: nobody is logged in".to_owned()
    }
}

/// What tells the sockets of one person.
pub(super) fn id_of(user: &User, id_field: &[Box<str>]) -> Option<String> {
    user.logged_in().then(|| identity::id(user.fields(), id_field)).flatten()
}

impl fmt::Debug for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max, evicts_oldest, open: _ } = self;
        f.debug_struct("Cap").field("max", max).field("evicts_oldest", evicts_oldest).finish_non_exhaustive()
    }
}
