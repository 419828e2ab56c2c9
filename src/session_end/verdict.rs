//! What an answer means for one socket.

use crate::{
    authorize::again::{Again, Identity, StillAccepted},
    expression::packed::{Map, Packer, Value},
    reason::Reason,
    registry::{
        confirmation::{Confirmation, Who},
        record::Record,
    },
};

/// A larger user stays as its gateway reported it, as one that a gateway reports would not be listed. In bytes, packed.
const LARGEST_USER: usize = 64 << 10;

/// What becomes of the socket.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nobody knows now.
    Unknown,
    /// It stays.
    Stays {
        /// What is new about who is behind it.
        confirm: Option<Confirmation>,
        /// The gateway is to hear who the user is.
        tell: bool,
    },
    /// It ends.
    Ends(Reason),
}

/// An answer, as sockets are held against it.
#[derive(Debug)]
pub(super) struct Answer {
    who: Who,
    /// The user, packed; `None`: larger than a gateway may report.
    user: Option<Vec<u8>>,
}

impl Answer {
    pub(super) fn new(again: &Again) -> Self {
        let mut packer = Packer::default();
        packer.object(again.user().fields());
        let user = Some(packer.into_bytes()).filter(|user| user.len() <= LARGEST_USER);
        Self { who: again.identity().map_or(Who::NOBODY, |Identity(bytes)| Who(bytes)), user }
    }

    /// What it means for this socket. `is_first`: its gateway may not have heard what was found out before.
    pub(super) fn verdict(&self, record: &Record, still: StillAccepted, is_first: bool) -> Verdict {
        let StillAccepted { accepted, reason } = still;
        if reason.is_fault() {
            return Verdict::Unknown;
        }
        if !accepted {
            return Verdict::Ends(reason);
        }
        let was_somebody = match record.who() {
            Some(who) => who != Who::NOBODY,
            // Nobody has asked yet: then it is who it was reported to be.
            None => record.reported_user().get(b"logged_in") == Some(Value::Bool(true)),
        };
        if was_somebody && self.who == Who::NOBODY {
            return Verdict::Ends(reason);
        }
        if was_somebody && record.who().is_some_and(|who| who != self.who) {
            return Verdict::Ends(Reason::AnotherUser);
        }
        let Some(user) = &self.user else { return Verdict::Stays { confirm: None, tell: false } };
        let is_as_reported = record.reported_user() == Map::of(user);
        let confirmation =
            Confirmation::new(record.mark(), self.who, (!is_as_reported).then_some(user.as_slice()));
        let has_changed = record.user() != Map::of(user);
        let tell = has_changed || (is_first && !is_as_reported);
        Verdict::Stays { confirm: record.confirmed(&confirmation).map(|_| confirmation), tell }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::registry::{
        confirmation::{Mark, WHO_BYTES},
        record::{Builder, Socket},
    };

    const ANA: Who = Who([1; WHO_BYTES]);
    const BEN: Who = Who([2; WHO_BYTES]);

    fn packed(user: &Json) -> Vec<u8> {
        let mut packer = Packer::default();
        packer.json(user);
        packer.into_bytes()
    }

    fn reported(user: &Json) -> Record {
        let mut builder = Builder::default();
        builder.packer().json(user);
        builder.packer().json(&json!({}));
        builder.finish(&Socket { socket_id: "s", session_id: "one", ..Socket::default() })
    }

    fn confirmed(user: &Json, who: Who, now: Option<&Json>) -> Record {
        let now = now.map(packed);
        let confirmation = Confirmation::new(Mark::of("one"), who, now.as_deref());
        reported(user).confirmed(&confirmation).expect("it is news")
    }

    fn answer(who: Who, user: &Json) -> Answer {
        Answer { who, user: Some(packed(user)) }
    }

    const IN: StillAccepted = StillAccepted { accepted: true, reason: Reason::Authorized };

    #[test]
    fn the_first_answer_says_who_it_is() {
        let user = json!({"id": 1, "logged_in": true});
        let verdict = answer(ANA, &user).verdict(&reported(&user), IN, true);
        let Verdict::Stays { confirm: Some(confirm), tell: false } = verdict else { panic!("{verdict:?}") };
        let record = reported(&user).confirmed(&confirm).expect("it is news");
        assert_eq!(record.who(), Some(ANA));
        let again = answer(ANA, &user).verdict(&record, IN, false);
        assert_eq!(again, Verdict::Stays { confirm: None, tell: false });
    }

    #[test]
    fn whoever_becomes_somebody_else_ends_and_whoever_changes_stays() {
        let (ana, ben) = (json!({"id": 1, "logged_in": true}), json!({"id": 2, "logged_in": true}));
        let record = confirmed(&ana, ANA, None);
        assert_eq!(answer(BEN, &ben).verdict(&record, IN, false), Verdict::Ends(Reason::AnotherUser));
        let admin = json!({"id": 1, "logged_in": true, "role": "admin"});
        let verdict = answer(ANA, &admin).verdict(&record, IN, false);
        let Verdict::Stays { confirm: Some(confirm), tell: true } = verdict else { panic!("{verdict:?}") };
        let record = record.confirmed(&confirm).expect("it is news");
        assert_eq!(
            answer(ANA, &admin).verdict(&record, IN, false),
            Verdict::Stays { confirm: None, tell: false }
        );
        // Its gateway has listed it again, as it knows it.
        assert_eq!(
            answer(ANA, &admin).verdict(&record, IN, true),
            Verdict::Stays { confirm: None, tell: true }
        );
        // And back to what the gateway reports.
        let verdict = answer(ANA, &ana).verdict(&record, IN, false);
        assert!(matches!(verdict, Verdict::Stays { confirm: Some(_), tell: true }), "{verdict:?}");
    }

    #[test]
    fn nobody_where_somebody_was_ends_and_somebody_where_nobody_was_stays() {
        let (ana, nobody) = (json!({"id": 1, "logged_in": true}), json!({"logged_in": false}));
        let out = StillAccepted { accepted: true, reason: Reason::NotLoggedIn };
        let gone = answer(Who::NOBODY, &nobody);
        assert_eq!(gone.verdict(&confirmed(&ana, ANA, None), out, false), Verdict::Ends(Reason::NotLoggedIn));
        assert_eq!(gone.verdict(&reported(&ana), out, true), Verdict::Ends(Reason::NotLoggedIn));
        let anonymous = confirmed(&nobody, Who::NOBODY, None);
        assert_eq!(gone.verdict(&anonymous, out, false), Verdict::Stays { confirm: None, tell: false });
        let verdict = answer(ANA, &ana).verdict(&anonymous, IN, false);
        assert!(matches!(verdict, Verdict::Stays { confirm: Some(_), tell: true }), "{verdict:?}");
    }

    #[test]
    fn a_rejection_ends_and_a_fault_ends_nothing() {
        let record = confirmed(&json!({"id": 1, "logged_in": true}), ANA, None);
        let gone = answer(Who::NOBODY, &json!({"logged_in": false}));
        for reason in Reason::ALL.into_iter().filter(|reason| reason.is_fault()) {
            let fault = StillAccepted { accepted: false, reason };
            assert_eq!(gone.verdict(&record, fault, false), Verdict::Unknown, "{reason:?}");
        }
        for reason in
            [Reason::SessionNotFound, Reason::NotLoggedIn, Reason::DeniedByPolicy, Reason::UserNotFound]
        {
            let rejected = StillAccepted { accepted: false, reason };
            assert_eq!(gone.verdict(&record, rejected, false), Verdict::Ends(reason));
        }
    }

    #[test]
    fn a_user_that_is_too_large_to_be_listed_changes_nothing() {
        let record = confirmed(&json!({"id": 1, "logged_in": true}), ANA, None);
        let large = Answer { who: ANA, user: None };
        assert_eq!(large.verdict(&record, IN, true), Verdict::Stays { confirm: None, tell: false });
        let another = Answer { who: BEN, user: None };
        assert_eq!(another.verdict(&record, IN, true), Verdict::Ends(Reason::AnotherUser));
    }
}
