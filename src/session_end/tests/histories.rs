//! Random histories.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{
    fleet::{Fleet, INTERVAL, anonymous, socket},
    store::Happening,
};

const SESSIONS: usize = 3;
const GATEWAYS: usize = 2;

/// A gateway that was deaf is told again after its silence, which is given up after ten seconds, and a pause of ten at most.
const HEARS_AGAIN: Duration = Duration::from_secs(30);

/// What happens next, so many milliseconds after what was before.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// To one of the sessions or to the store, which tells of it or not.
    Store { session: usize, happening: Happening, is_told: bool },
    /// One of the gateways answers nothing for so many milliseconds.
    Deaf { gateway: usize, time: u64 },
}

/// Who was logged in at a session, one after the other; `None`: nobody. And the last role.
#[derive(Debug)]
struct Life(Vec<Option<u8>>, u8);

impl Life {
    fn now(&self) -> Option<u8> {
        self.0.last().copied().flatten()
    }

    fn becomes(&mut self, user: Option<u8>) {
        if self.now() != user {
            self.0.push(user);
        }
    }

    /// Whether a socket must be closed or open that was opened by this user; `None`: it depends on who was quicker.
    fn closes(&self, opened_by: Option<u8>) -> Option<bool> {
        match opened_by {
            Some(_) if self.now() != opened_by => Some(true),
            Some(_) => (self.0.len() == 1).then_some(false),
            // Whoever was nobody stays until it was somebody.
            None => {
                let was_somebody = self.0.windows(2).any(|two| matches!(two, [Some(_), _]));
                (!was_somebody).then_some(false)
            }
        }
    }
}

/// What became of a socket.
#[derive(Debug)]
struct Outcome {
    #[expect(dead_code, reason = "it is printed")]
    socket_id: String,
    /// Whether it should be closed, if that is certain.
    should_close: Option<bool>,
    is_closed: bool,
    /// The role that its gateway should know of, and the one that it does; 0 was reported.
    roles: (u8, f64),
}

impl Outcome {
    fn is_right(&self) -> bool {
        let (role, heard) = self.roles;
        self.should_close.is_none_or(|should| should == self.is_closed)
            && (self.is_closed || f64::from(role) == heard)
    }
}

/// Plays it.
async fn play(history: &[(u64, Step)]) -> Vec<Outcome> {
    let mut fleet = Fleet::new();
    let session_id = |session: usize| format!("session-{session}");
    for session in 0..SESSIONS {
        fleet.store.happens(&session_id(session), Happening::Written { user: 1, role: 0 }, false);
    }
    fleet.store.happens("lobby", Happening::LoggedOut, false);
    for gateway in 0..GATEWAYS {
        let of_session = |session: usize| socket(&format!("{gateway}-{session}"), &session_id(session));
        let mut sockets: Vec<_> = (0..SESSIONS).map(of_session).collect();
        sockets.push(anonymous(&format!("{gateway}-lobby"), "lobby"));
        fleet.gateway(&format!("gateway-{gateway}"), sockets).await;
    }
    let mut lives: Vec<_> = (0..SESSIONS).map(|_| Life(vec![Some(1)], 0)).collect();
    lives.push(Life(vec![None], 0));
    for (after, step) in history {
        fleet.pass(Duration::from_millis(*after)).await;
        match *step {
            Step::Deaf { gateway, time } => {
                if let Some(gateway) = fleet.gateways.get_mut(gateway) {
                    gateway.deaf_until = Instant::now() + Duration::from_millis(time);
                }
            }
            Step::Store { session, happening, is_told } => {
                let id = if session < SESSIONS { session_id(session) } else { "lobby".to_owned() };
                fleet.store.happens(&id, happening, is_told);
                let Some(life) = lives.get_mut(session) else { continue };
                match happening {
                    Happening::Written { user, role } => {
                        life.becomes(Some(user));
                        life.1 = role;
                    }
                    Happening::LoggedOut | Happening::Destroyed => {
                        life.becomes(None);
                        life.1 = 0;
                    }
                    Happening::Touched
                    | Happening::Fault(_)
                    | Happening::NotLoadedYet(_)
                    | Happening::Reconnected => {}
                }
            }
        }
    }
    // A fault, the interval, the second read, and what gateways did not hear.
    fleet.pass(Duration::from_secs(5) + INTERVAL + Duration::from_secs(3) + HEARS_AGAIN).await;
    let mut outcome = Vec::new();
    for (number, gateway) in fleet.gateways.iter().enumerate() {
        for (session, life) in lives.iter().enumerate() {
            let (opened_by, name) =
                if session < SESSIONS { (Some(1), session.to_string()) } else { (None, "lobby".to_owned()) };
            let socket_id = format!("{number}-{name}");
            outcome.push(Outcome {
                should_close: life.closes(opened_by),
                is_closed: fleet.is_closed(&socket_id),
                roles: (life.1, gateway.role_of(&socket_id).unwrap_or(0.0)),
                socket_id,
            });
        }
    }
    outcome
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (1_u8..3, 0_u8..3).prop_map(|(user, role)| Happening::Written { user, role }),
        1 => Just(Happening::LoggedOut),
        1 => Just(Happening::Destroyed),
        4 => Just(Happening::Touched),
        2 => (1_u64..5_000).prop_map(Happening::Fault),
        2 => (1_u64..1_900).prop_map(Happening::NotLoadedYet),
        2 => Just(Happening::Reconnected),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..=SESSIONS, happening(), any::<bool>())
            .prop_map(|(session, happening, is_told)| Step::Store { session, happening, is_told }),
        1 => (0..GATEWAYS, 1_u64..20_000).prop_map(|(gateway, time)| Step::Deaf { gateway, time }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn only_what_has_ended_is_closed_and_all_of_it(
        history in proptest::collection::vec((0_u64..20_000, step()), 0..12)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let outcome = runtime.expect("a runtime").block_on(play(&history));
        let wrong: Vec<_> = outcome.into_iter().filter(|socket| !socket.is_right()).collect();
        prop_assert!(wrong.is_empty(), "{wrong:?}");
    }
}
