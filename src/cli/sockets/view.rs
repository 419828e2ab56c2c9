//! What an answer says about how much it knows, told to whoever reads it.

use std::{io::Write as _, time::Duration};

use crate::{
    cli::style::{HINT, plain},
    grpc::pb::View,
};

/// A replica that follows its Redis is a few milliseconds behind; an answer older than this is of a time when it did not.
const OLD: Duration = Duration::from_secs(3);

/// Gateways that are named; more are counted.
const NAMED: usize = 5;

/// What somebody who reads the answer must know of it, a line each; none when it is whole.
pub(super) fn warnings(view: &View) -> Vec<String> {
    let View { age, incomplete_gateways, warming_up } = view;
    let mut warnings = Vec::new();
    if !incomplete_gateways.is_empty() {
        let named: Vec<_> = incomplete_gateways.iter().take(NAMED).map(|id| plain(id)).collect();
        let more = match incomplete_gateways.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        warnings.push(format!(
            "not up to date: {}{more} (late, or still listing); their sockets may be others than these",
            named.join(", ")
        ));
    }
    if *warming_up {
        warnings.push(
            "incomplete: the registry began without data a moment ago, and gateways may not have come back yet".to_owned(),
        );
    }
    // A span of time below zero would be none.
    let age = age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default();
    if age >= OLD {
        warnings.push(format!(
            "old: this replica was last up to date {} ago; does it reach registry.store?",
            super::people::span(age)
        ));
    }
    warnings
}

/// Tells them on standard error, so that what programs read is not disturbed.
pub(in crate::cli) fn warn(view: Option<&View>) {
    for warning in view.map(warnings).unwrap_or_default() {
        // Where even this cannot be written, there is nobody to be warned.
        let _ = writeln!(anstream::stderr(), "{HINT}warning:{HINT:#} {warning}");
    }
}

/// What answers that came one after another know together: the worst of each.
pub(super) fn add(all: &mut Option<View>, next: View) {
    let Some(view) = all else {
        *all = Some(next);
        return;
    };
    let View { age, incomplete_gateways, warming_up } = next;
    let length = |age: &Option<prost_types::Duration>| age.map(|age| (age.seconds, age.nanos));
    if length(&age) > length(&view.age) {
        view.age = age;
    }
    view.incomplete_gateways.extend(incomplete_gateways);
    view.incomplete_gateways.sort();
    view.incomplete_gateways.dedup();
    view.warming_up |= warming_up;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(seconds: i64, incomplete: &[&str], warming_up: bool) -> View {
        let age = Some(prost_types::Duration { seconds, nanos: 0 });
        let incomplete_gateways = incomplete.iter().map(|id| (*id).to_owned()).collect();
        View { age, incomplete_gateways, warming_up }
    }

    #[test]
    fn a_whole_answer_needs_no_words() {
        assert!(warnings(&view(0, &[], false)).is_empty());
        assert!(warnings(&View::default()).is_empty());
    }

    #[test]
    fn each_doubt_is_a_line() {
        let warnings = warnings(&view(90, &["a\u{1b}", "b", "c", "d", "e", "f", "g"], true));
        let [incomplete, warming_up, old] = warnings.as_slice() else { panic!("{warnings:?}") };
        assert!(incomplete.contains(r"a\u{1b}, b, c, d, e and 2 more"), "{incomplete}");
        assert!(warming_up.contains("began without data"), "{warming_up}");
        assert!(old.contains("1m ago"), "{old}");
    }

    #[test]
    fn answers_together_are_as_good_as_the_worst() {
        let mut all = None;
        for next in [view(1, &["b"], false), view(4, &["a", "b"], true), view(0, &[], false)] {
            add(&mut all, next);
        }
        assert_eq!(all, Some(view(4, &["a", "b"], true)));
    }
}
