//! The id that a session is stored under.

use std::fmt;

/// A session id: as good as a login. Prints shortened; [`SessionId::expose`] gives it whole.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(String);

/// How much of a session id may be seen: enough to find it in the store, far from enough to use it.
const SHOWN: usize = 3;

impl SessionId {
    /// `None` when it is empty: an empty id is never looked up.
    pub fn new(id: String) -> Option<Self> {
        (!id.is_empty()).then_some(Self(id))
    }

    /// The id whole.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The id whole, to give away.
    pub fn into_exposed(self) -> String {
        self.0
    }

    /// The first characters and an ellipsis; of an id so short that they would be much of it, the ellipsis alone.
    pub fn shortened(&self) -> String {
        let shown = if self.0.chars().nth(4 * SHOWN).is_some() { SHOWN } else { 0 };
        self.0.chars().take(shown).flat_map(char::escape_default).chain(['…']).collect()
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shortened())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_prints_shortened() {
        let id = SessionId::new("Zk3q9vWmT1n8yLxR4sPb7uCdEfGhJkMa".to_owned()).expect("not empty");
        assert_eq!(format!("{id:?}"), "Zk3…");
        assert_eq!(SessionId::new("short".to_owned()).map(|id| id.shortened()).as_deref(), Some("…"));
        assert_eq!(SessionId::new(String::new()), None);
    }
}
