//! Much at once, and gateways that do not keep up.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    fleet::{Fleet, anonymous, socket},
    store::Happening,
};
use crate::registry::ledger::Event;

/// A fleet of one gateway for each of these numbers, with so many sockets, each of a session of its own.
async fn fleet(gateways: &[usize]) -> Fleet {
    let mut fleet = Fleet::new();
    for (gateway, count) in gateways.iter().enumerate() {
        let ids: Vec<_> = (0..*count).map(|number| format!("{gateway}-{number}")).collect();
        for id in &ids {
            fleet.store.happens(id, Happening::Written { user: 1, role: 0 }, false);
        }
        let sockets = ids.iter().map(|id| socket(id, id)).collect();
        fleet.gateway(&format!("gateway-{gateway}"), sockets).await;
    }
    // All are asked for the first time.
    fleet.pass(Duration::from_secs(10)).await;
    fleet
}

fn all_are(fleet: &Fleet, gateway: usize, count: usize, happening: Happening) {
    for number in 0..count {
        fleet.store.happens(&format!("{gateway}-{number}"), happening, true);
    }
}

#[tokio::test(start_paused = true)]
async fn a_storm_goes_at_its_pace() {
    let mut fleet = fleet(&[6_000]).await;
    all_are(&fleet, 0, 6_000, Happening::Destroyed);
    fleet.pass(Duration::from_secs(1)).await;
    let after_a_second = fleet.gateways[0].closed.len();
    assert!((2_000..=2_600).contains(&after_a_second), "{after_a_second}");
    assert!(fleet.tally.figures().waiting > 3_000);
    fleet.pass(Duration::from_secs(3)).await;
    assert_eq!(fleet.gateways[0].closed.len(), 6_000);
    assert_eq!(fleet.tally.figures().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_back_before_the_turn_has_come_stays() {
    let mut fleet = fleet(&[6_000]).await;
    all_are(&fleet, 0, 6_000, Happening::Destroyed);
    fleet.pass(Duration::from_secs(1)).await;
    all_are(&fleet, 0, 6_000, Happening::Written { user: 1, role: 0 });
    fleet.pass(Duration::from_millis(100)).await;
    let closed = fleet.gateways[0].closed.len();
    assert!(closed < 3_000, "{closed}");
    fleet.pass(Duration::from_secs(60)).await;
    assert_eq!(fleet.gateways[0].closed.len(), closed);
}

#[tokio::test(start_paused = true)]
async fn gateways_that_do_not_keep_up_hold_up_no_other() {
    let mut fleet = fleet(&[3_000, 3_000, 500]).await;
    fleet.gateways[0].cannot_close = true;
    fleet.gateways[1].deaf_until = Instant::now() + Duration::from_secs(60);
    all_are(&fleet, 0, 3_000, Happening::Destroyed);
    all_are(&fleet, 1, 3_000, Happening::Destroyed);
    for (closed, wait) in [(100, 2), (200, 3), (300, 10), (400, 20)] {
        fleet.pass(Duration::from_secs(wait)).await;
        all_are(&fleet, 2, closed, Happening::Destroyed);
        fleet.pass(Duration::from_millis(200)).await;
        assert_eq!(fleet.gateways[2].closed.len(), closed);
    }
    // And they are told again until they have done it.
    assert_eq!((fleet.gateways[0].closed.len(), fleet.gateways[1].closed.len()), (0, 0));
    fleet.gateways[0].cannot_close = false;
    fleet.pass(Duration::from_secs(70)).await;
    assert_eq!((fleet.gateways[0].closed.len(), fleet.gateways[1].closed.len()), (3_000, 3_000));
}

#[tokio::test(start_paused = true)]
async fn a_changed_user_is_told_until_the_gateway_has_heard_and_holds_up_nobody() {
    let mut fleet = fleet(&[1, 1]).await;
    assert!(fleet.gateways.iter().all(|gateway| gateway.users.is_empty()));
    fleet.gateways[0].deaf_until = Instant::now() + Duration::from_secs(25);
    fleet.store.happens("0-0", Happening::Written { user: 1, role: 1 }, true);
    fleet.store.happens("1-0", Happening::Written { user: 1, role: 1 }, true);
    fleet.pass(Duration::from_secs(1)).await;
    assert_eq!(fleet.gateways[1].role_of("1-0"), Some(1.0));
    // What is told last is what is so.
    fleet.store.happens("0-0", Happening::Written { user: 1, role: 2 }, true);
    fleet.pass(Duration::from_secs(5)).await;
    fleet.store.happens("0-0", Happening::Written { user: 1, role: 0 }, true);
    fleet.pass(Duration::from_secs(50)).await;
    assert_eq!(fleet.gateways[0].role_of("0-0"), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_hears_nothing_does_not_hold_up_the_end_at_another() {
    let mut fleet = Fleet::new();
    fleet.store.happens("one", Happening::Written { user: 1, role: 0 }, false);
    fleet.gateway("deaf", vec![socket("a", "one")]).await;
    fleet.gateway("good", vec![socket("b", "one")]).await;
    fleet.pass(Duration::from_secs(1)).await;
    fleet.gateways[0].deaf_until = Instant::now() + Duration::from_secs(60);
    fleet.store.happens("one", Happening::Written { user: 1, role: 1 }, true);
    fleet.pass(Duration::from_secs(1)).await;
    fleet.store.happens("one", Happening::Destroyed, true);
    fleet.pass(Duration::from_millis(200)).await;
    assert!(fleet.is_closed("b") && !fleet.is_closed("a"));
}

#[tokio::test(start_paused = true)]
async fn many_sockets_of_one_session_hear_in_parts() {
    let mut fleet = Fleet::new();
    fleet.store.happens("one", Happening::Written { user: 1, role: 0 }, false);
    let sockets = (0..2_500).map(|number| socket(&number.to_string(), "one")).collect();
    fleet.gateway("g", sockets).await;
    fleet.pass(Duration::from_secs(1)).await;
    fleet.store.happens("one", Happening::Written { user: 1, role: 1 }, true);
    fleet.pass(Duration::from_secs(1)).await;
    assert_eq!(fleet.gateways[0].users.len(), 2_500);
    fleet.store.happens("one", Happening::LoggedOut, true);
    fleet.pass(Duration::from_secs(3)).await;
    assert_eq!(fleet.gateways[0].closed.len(), 2_500);
}

#[tokio::test(start_paused = true)]
async fn what_a_gateway_does_not_hear_of_users_holds_up_no_end_and_costs_few_questions() {
    let mut fleet = fleet(&[3_000]).await;
    let before = fleet.questions();
    fleet.gateways[0].hears_no_users_until = Instant::now() + Duration::from_secs(25);
    all_are(&fleet, 0, 3_000, Happening::Written { user: 1, role: 1 });
    fleet.pass(Duration::from_secs(5)).await;
    fleet.store.happens("0-7", Happening::Destroyed, true);
    fleet.pass(Duration::from_millis(200)).await;
    assert!(fleet.is_closed("0-7"));
    fleet.pass(Duration::from_secs(60)).await;
    assert_eq!(fleet.gateways[0].users.len(), 2_999);
    // Each once for its change, at least twice in its turn, and once for each that it is told.
    let questions = fleet.questions() - before;
    assert!(questions < 5 * 3_000, "{questions}");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_had_too_much_to_answer_is_told_again_when_it_has_answered_or_never_does() {
    let mut fleet = fleet(&[2]).await;
    fleet.gateways[0].deaf_until = Instant::now() + Duration::from_secs(30);
    // More than may be open on a stream.
    for _ in 0..100 {
        fleet.send("gateway-0", 15).await;
        fleet.pass(Duration::from_millis(10)).await;
    }
    fleet.pass(Duration::from_secs(61)).await;
    fleet.store.happens("0-0", Happening::Destroyed, true);
    fleet.pass(Duration::from_secs(1)).await;
    assert!(fleet.is_closed("0-0"));
}

#[tokio::test(start_paused = true)]
async fn what_is_reported_again_and_is_known_is_no_reason_to_ask() {
    let mut fleet = fleet(&[1]).await;
    let before = fleet.questions();
    for _ in 0..50 {
        fleet.gateways[0].report(vec![Event::Opened(socket("0-0", "0-0"))]).await;
        fleet.pass(Duration::from_millis(60)).await;
    }
    assert_eq!(fleet.questions(), before);
    fleet.gateways[0].report(vec![Event::Opened(anonymous("0-0", "0-0"))]).await;
    fleet.pass(Duration::from_millis(60)).await;
    assert_eq!(fleet.questions(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn turns_do_not_hammer_a_store_that_is_away() {
    let mut fleet = fleet(&[6_000]).await;
    all_are(&fleet, 0, 6_000, Happening::Destroyed);
    fleet.pass(Duration::from_secs(1)).await;
    let before = fleet.questions();
    fleet.store.happens("0-0", Happening::Fault(10_000), false);
    fleet.pass(Duration::from_secs(10)).await;
    let questions = fleet.questions() - before;
    assert!(questions < 6 * 4_000, "each every two seconds: {questions}");
    fleet.pass(Duration::from_secs(10)).await;
    assert_eq!(fleet.gateways[0].closed.len(), 6_000);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_answered_is_not_sent_again_to_whoever_is_back() {
    let mut fleet = fleet(&[1]).await;
    fleet.gateways[0].deaf_until = Instant::now() + Duration::from_secs(1);
    fleet.store.happens("0-0", Happening::Destroyed, true);
    fleet.pass(Duration::from_millis(500)).await;
    fleet.store.happens("0-0", Happening::Written { user: 1, role: 0 }, true);
    fleet.pass(Duration::from_secs(60)).await;
    assert!(!fleet.is_closed("0-0"));
}
