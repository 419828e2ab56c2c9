//! Whatever is done to a right token on its way, it is not taken.

use std::sync::Arc;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::json;
use socketpass::logout::{Kind, NotTaken, Receiver, Taken};

use super::{
    door::{self, Door},
    issuer::Issuer,
    logout,
};

/// One thing that is done to a token.
#[derive(Clone, Debug)]
enum Harm {
    Exchanged(prop::sample::Index, char),
    Inserted(prop::sample::Index, char),
    Removed(prop::sample::Index),
    Cut(prop::sample::Index),
    Twice(prop::sample::Index, prop::sample::Index),
    Swapped(prop::sample::Index, prop::sample::Index),
}

fn harm() -> impl Strategy<Value = Harm> {
    let place = any::<prop::sample::Index>;
    let sign = prop_oneof![
        prop::sample::select(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n"
                .chars()
                .collect::<Vec<_>>()
        ),
        any::<char>(),
    ];
    prop_oneof![
        (place(), sign.clone()).prop_map(|(at, sign)| Harm::Exchanged(at, sign)),
        (place(), sign).prop_map(|(at, sign)| Harm::Inserted(at, sign)),
        place().prop_map(Harm::Removed),
        place().prop_map(Harm::Cut),
        (place(), place()).prop_map(|(from, to)| Harm::Twice(from, to)),
        (place(), place()).prop_map(|(one, other)| Harm::Swapped(one, other)),
    ]
}

fn harmed(token: &str, harms: &[Harm]) -> String {
    let mut signs: Vec<char> = token.chars().collect();
    for harm in harms {
        let length = signs.len().max(1);
        match harm {
            Harm::Exchanged(at, sign) => {
                if let Some(place) = signs.get_mut(at.index(length)) {
                    *place = *sign;
                }
            }
            Harm::Inserted(at, sign) => signs.insert(at.index(signs.len() + 1), *sign),
            Harm::Removed(at) if !signs.is_empty() => drop(signs.remove(at.index(length))),
            Harm::Removed(_) => {}
            Harm::Cut(at) => signs.truncate(at.index(length)),
            Harm::Twice(from, to) => {
                let (from, to) = (from.index(signs.len() + 1), to.index(signs.len() + 1));
                let part = signs[from.min(to)..from.max(to)].to_vec();
                signs.extend(part);
            }
            Harm::Swapped(one, other) if !signs.is_empty() => {
                signs.swap(one.index(length), other.index(length));
            }
            Harm::Swapped(..) => {}
        }
    }
    signs.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_mangled_is_refused() {
    let issuer = Issuer::start().await;
    // Of each kind of key one, so that a token names none and no harm has it wait for another.
    issuer.publish(json!({"names": ["rs256", "es256", "eddsa"]})).await;
    let mut tokens = vec![];
    for (key, alg) in [("rs256", "RS256"), ("es256", "ES256"), ("eddsa", "EdDSA")] {
        let header = json!({"alg": alg, "typ": "logout+jwt"});
        tokens.push(issuer.sign(key, &header, &logout(&issuer.url, key).to_string()).await);
    }
    let door = Door::of(&issuer).await;
    let ender: Arc<door::Ender> = Arc::clone(&door.ender);
    let config = door::config(&issuer.url, &issuer.jwks_url(), &[]);
    let receiver = Receiver::open(config.logout.as_ref().unwrap(), Arc::clone(&ender) as _);
    // So that all keys are there.
    let first =
        issuer.sign("rs256", &json!({"alg": "RS256"}), &logout(&issuer.url, "first").to_string()).await;
    assert_eq!(receiver.take(Kind::BackChannel, &first).await, Ok(Taken::Ended(3)));
    let here = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let mut runner =
            TestRunner::new(Config { cases: 3000, failure_persistence: None, ..Config::default() });
        let cases = (prop::sample::select(tokens.clone()), prop::collection::vec(harm(), 1..4));
        let outcome = runner.run(&cases, |(token, harms)| {
            let harmed = harmed(&token, &harms);
            prop_assume!(harmed != token);
            for kind in Kind::ALL {
                let taken = here.block_on(receiver.take(kind, &harmed));
                prop_assert!(matches!(taken, Err(NotTaken::Refused(_))), "{harmed}: {taken:?}");
            }
            Ok(())
        });
        outcome.unwrap();
    });
    assert_eq!(ender.asked().len(), 1);
    for token in tokens {
        assert_eq!(receiver.take(Kind::BackChannel, &token).await, Ok(Taken::Ended(3)), "as it was");
    }
}
