//! What an answer means for one socket.

use super::microseconds_now;
use crate::{
    authorize::{
        User,
        again::{Again, StillAccepted},
    },
    expression::packed::{Map, Packer, Value},
    identity::{Person, Who},
    reason::Reason,
    registry::{confirmation::Confirmation, record::Record},
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
pub(super) struct Answer<'a> {
    /// `None`: nobody.
    person: Option<&'a Person>,
    user: &'a User,
    /// Their fields, packed; `None`: they are larger than a gateway may report.
    packed: Option<Vec<u8>>,
    /// Microseconds since 1970.
    at: i64,
}

impl<'a> Answer<'a> {
    pub(super) fn new(again: &'a Again) -> Self {
        Self::of(again.person(), again.user(), microseconds_now())
    }

    fn of(person: Option<&'a Person>, user: &'a User, at: i64) -> Self {
        let mut packer = Packer::default();
        packer.object(user.fields());
        let packed = Some(packer.into_bytes()).filter(|user| user.len() <= LARGEST_USER);
        Self { person, user, packed, at }
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
        if was_somebody {
            let Some(person) = self.person else { return Verdict::Ends(reason) };
            if record.who().is_some_and(|before| !person.is(&before, self.user.fields())) {
                return Verdict::Ends(Reason::AnotherUser);
            }
        }
        let user = self.packed.as_deref().map(Map::of);
        let another = match user {
            Some(user) => Some(user).filter(|user| record.reported_user() != *user),
            // Too large: what was known of them before counts on.
            None => record.confirmed_user(),
        };
        let who = self.person.map_or(Who::NOBODY, Person::who);
        let since = record.known_since().unwrap_or(self.at);
        let confirmation = Confirmation::new(record.mark(), &who, since, another);
        let has_changed = user.is_some_and(|user| record.user() != user);
        let tell = has_changed || (is_first && user.is_some() && another.is_some());
        Verdict::Stays { confirm: record.confirmed(&confirmation).map(|_| confirmation), tell }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::registry::{
        confirmation::Mark,
        record::{Builder, Socket},
    };

    fn packed(user: &User) -> Vec<u8> {
        let mut packer = Packer::default();
        packer.object(user.fields());
        packer.into_bytes()
    }

    /// Whoever has these fields, which are in the session.
    struct Somebody {
        person: Option<Person>,
        user: User,
    }

    fn somebody(fields: &Json) -> Somebody {
        let id_field = ["id".into()];
        let Json::Object(user) = fields else { panic!("an object") };
        let person = Person::of_passport(fields, &id_field).with_user(user, &id_field);
        Somebody { person: Some(person), user: User::somebody(user.clone()) }
    }

    fn nobody() -> Somebody {
        Somebody { person: None, user: User::nobody() }
    }

    impl Somebody {
        fn answer(&self) -> Answer<'_> {
            Answer::of(self.person.as_ref(), &self.user, 7)
        }

        fn who(&self) -> Who<'_> {
            self.person.as_ref().map_or(Who::NOBODY, Person::who)
        }

        fn reported(&self) -> Record {
            let mut builder = Builder::default();
            builder.packer().object(self.user.fields());
            builder.packer().json(&json!({}));
            builder.finish(&Socket { socket_id: "s", session_id: "one", ..Socket::default() })
        }

        fn confirmed(&self) -> Record {
            let confirmation = Confirmation::new(Mark::of("one"), &self.who(), 3, None);
            self.reported().confirmed(&confirmation).expect("it is news")
        }
    }

    const IN: StillAccepted = StillAccepted { accepted: true, reason: Reason::Authorized };

    fn stays(verdict: &Verdict, tells: bool) -> Option<&Confirmation> {
        let Verdict::Stays { confirm, tell } = verdict else { panic!("{verdict:?}") };
        assert_eq!(*tell, tells);
        confirm.as_ref()
    }

    #[test]
    fn the_first_answer_says_who_it_is() {
        let ana = somebody(&json!({"id": 1}));
        let verdict = ana.answer().verdict(&ana.reported(), IN, true);
        let record = ana.reported().confirmed(stays(&verdict, false).expect("news")).expect("it is news");
        assert_eq!(record.who(), Some(ana.who()));
        assert_eq!(stays(&ana.answer().verdict(&record, IN, false), false), None);
    }

    #[test]
    fn whoever_becomes_somebody_else_ends_and_whoever_changes_stays() {
        let (ana, ben) = (somebody(&json!({"id": 1})), somebody(&json!({"id": 2})));
        let record = ana.confirmed();
        assert_eq!(ben.answer().verdict(&record, IN, false), Verdict::Ends(Reason::AnotherUser));
        let admin = somebody(&json!({"id": 1, "role": "admin"}));
        let verdict = admin.answer().verdict(&record, IN, false);
        let record = record.confirmed(stays(&verdict, true).expect("news")).expect("it is news");
        assert_eq!(record.user(), Map::of(&packed(&admin.user)));
        assert_eq!(record.known_since(), Some(3), "it is the same socket");
        assert_eq!(stays(&admin.answer().verdict(&record, IN, false), false), None);
        // Its gateway has listed it again, as it knows it.
        assert_eq!(stays(&admin.answer().verdict(&record, IN, true), true), None);
        // And back to what the gateway reports.
        assert!(stays(&ana.answer().verdict(&record, IN, false), true).is_some());
    }

    #[test]
    fn nobody_where_somebody_was_ends_and_somebody_where_nobody_was_stays() {
        let (ana, nobody) = (somebody(&json!({"id": 1})), nobody());
        let out = StillAccepted { accepted: true, reason: Reason::NotLoggedIn };
        let gone = nobody.answer();
        assert_eq!(gone.verdict(&ana.confirmed(), out, false), Verdict::Ends(Reason::NotLoggedIn));
        assert_eq!(gone.verdict(&ana.reported(), out, true), Verdict::Ends(Reason::NotLoggedIn));
        let anonymous = nobody.confirmed();
        assert_eq!(stays(&gone.verdict(&anonymous, out, false), false), None);
        assert!(stays(&ana.answer().verdict(&anonymous, IN, false), true).is_some());
    }

    #[test]
    fn a_rejection_ends_and_a_fault_ends_nothing() {
        let (record, gone) = (somebody(&json!({"id": 1})).confirmed(), nobody());
        for reason in Reason::ALL.into_iter().filter(|reason| reason.is_fault()) {
            let fault = StillAccepted { accepted: false, reason };
            assert_eq!(gone.answer().verdict(&record, fault, false), Verdict::Unknown, "{reason:?}");
        }
        for reason in
            [Reason::SessionNotFound, Reason::NotLoggedIn, Reason::DeniedByPolicy, Reason::UserNotFound]
        {
            let rejected = StillAccepted { accepted: false, reason };
            assert_eq!(gone.answer().verdict(&record, rejected, false), Verdict::Ends(reason));
        }
    }

    #[test]
    fn of_a_user_who_is_too_large_to_be_listed_it_is_known_who_it_is() {
        let large = |id| somebody(&json!({"id": id, "text": "x".repeat(LARGEST_USER)}));
        let ana = large(1);
        assert!(ana.answer().packed.is_none());
        // A gateway may not report so much.
        let reported = Somebody { person: None, user: User::somebody(serde_json::Map::new()) }.reported();
        let verdict = ana.answer().verdict(&reported, IN, true);
        let record = reported.confirmed(stays(&verdict, false).expect("news")).expect("it is news");
        assert_eq!((record.who(), record.user()), (Some(ana.who()), record.reported_user()));
        assert_eq!(stays(&ana.answer().verdict(&record, IN, true), false), None);
        // Who grows too large is who they were, not who was reported.
        let member = json!({"id": 1, "role": "member"});
        let reported = somebody(&json!({"id": 1, "role": "admin"})).reported();
        let verdict = somebody(&member).answer().verdict(&reported, IN, true);
        let confirmed = reported.confirmed(stays(&verdict, true).expect("news")).expect("it is news");
        let grown = somebody(&json!({"id": 1, "role": "member", "text": "x".repeat(LARGEST_USER)}));
        let verdict = grown.answer().verdict(&confirmed, IN, false);
        let record = confirmed.confirmed(stays(&verdict, false).expect("news")).expect("it is news");
        assert_eq!(record.user(), confirmed.user());
        let ben = large(2);
        assert_eq!(ben.answer().verdict(&record, IN, true), Verdict::Ends(Reason::AnotherUser));
    }
}
