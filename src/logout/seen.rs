//! Which tokens were taken already, as far as they could be taken again.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest as _, Sha256};

/// Tokens that are remembered: some megabytes. Only the issuer's own get here. When there are more, those are forgotten that
/// could be taken again for the shortest time.
const MOST: usize = 100_000;

type Id = [u8; 32];

/// The tokens that were taken.
#[derive(Debug, Default)]
pub struct Seen(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    tokens: HashMap<Id, Token>,
    /// In the order in which they may be forgotten.
    ends: BTreeSet<(u64, Id)>,
}

#[derive(Debug)]
struct Token {
    is_taken: bool,
    forget_at: u64,
}

/// Whether a token is new.
pub enum Place {
    /// It is; it counts as being taken until this is dropped.
    Free(Taking),
    /// It is being taken.
    UnderWay,
    /// It was taken.
    Taken,
}

/// A token that is being taken. Dropped before [`Taking::done`], it was not.
pub struct Taking {
    seen: Arc<Seen>,
    id: Id,
    is_taken: bool,
}

impl Seen {
    /// The place of the token with this id, which could be taken again until `forget_at`; times are seconds since 1970.
    pub fn place(self: &Arc<Self>, id: &str, forget_at: u64, now: f64) -> Place {
        let id: Id = Sha256::digest(id).into();
        let mut memory = self.memory();
        match memory.tokens.get(&id) {
            Some(Token { is_taken: true, .. }) => Place::Taken,
            Some(Token { is_taken: false, .. }) => Place::UnderWay,
            None => {
                memory.forget(now);
                memory.tokens.insert(id, Token { is_taken: false, forget_at });
                memory.ends.insert((forget_at, id));
                Place::Free(Taking { seen: Arc::clone(self), id, is_taken: false })
            }
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// What cannot be taken again any more, and what there is no room for beside one more.
    fn forget(&mut self, now: f64) {
        while let Some((forget_at, id)) = self.ends.first().copied() {
            let is_over = now > seconds(forget_at);
            if !is_over && self.tokens.len() < MOST {
                return;
            }
            self.remove(id, forget_at);
        }
    }

    fn remove(&mut self, id: Id, forget_at: u64) {
        self.tokens.remove(&id);
        self.ends.remove(&(forget_at, id));
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact for some hundred million years")]
fn seconds(time: u64) -> f64 {
    time as f64
}

impl Taking {
    /// It was taken.
    pub fn done(mut self) {
        self.is_taken = true;
        if let Some(token) = self.seen.memory().tokens.get_mut(&self.id) {
            token.is_taken = true;
        }
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        if self.is_taken {
            return;
        }
        let mut memory = self.seen.memory();
        if let Some(forget_at) = memory.tokens.get(&self.id).map(|token| token.forget_at) {
            memory.remove(self.id, forget_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_once_and_one_that_was_given_up_may_come_again() {
        let seen = Arc::new(Seen::default());
        let Place::Free(first) = seen.place("a", 100, 0.0) else { panic!() };
        assert!(matches!(seen.place("a", 100, 0.0), Place::UnderWay));
        drop(first);
        let Place::Free(second) = seen.place("a", 100, 0.0) else { panic!() };
        assert!(matches!(seen.place("b", 100, 0.0), Place::Free(_)));
        second.done();
        assert!(matches!(seen.place("a", 100, 99.0), Place::Taken));
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let seen = Arc::new(Seen::default());
        for number in 0..=MOST {
            let Place::Free(taking) = seen.place(&number.to_string(), u64::try_from(number).unwrap(), 0.0)
            else {
                panic!()
            };
            taking.done();
        }
        let count = || {
            let memory = seen.memory();
            (memory.tokens.len(), memory.ends.len())
        };
        assert_eq!(count(), (MOST, MOST));
        assert!(matches!(seen.place("1", 1, 0.0), Place::Taken));
        assert!(matches!(seen.place("0", 0, 0.0), Place::Free(_)), "the first to end made room");
        assert!(matches!(seen.place("new", 1_000_000, 200_000.0), Place::Free(_)), "all others have ended");
        assert_eq!(count(), (0, 0));
    }
}
