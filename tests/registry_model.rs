//! Whatever gateways and replicas do, what is listed is what a plain model says, and what watchers were told adds up to
//! it.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::json;
use socketpass::registry::ledger::{Claimed, Fault, Sign, Tenure};
use tokio::runtime::Runtime;

use crate::support::{
    redis::Redis,
    registry::{Replica, close, granted, info, open},
    until,
};

const GATEWAYS: [&str; 3] = ["chat-1", "chat-2", "chat-3"];

/// One thing that happens.
#[derive(Clone, Debug)]
enum Op {
    /// A gateway reports, at a replica.
    Write {
        gateway: usize,
        replica: usize,
        events: Vec<(u8, Option<u8>)>,
    },
    /// Its stream breaks, and a new one lists everything anew.
    List {
        gateway: usize,
        replica: usize,
        sockets: BTreeMap<u8, u8>,
        another_process: bool,
    },
    /// The same, and the stream breaks again before the listing is complete.
    ListHalf {
        gateway: usize,
        replica: usize,
        sockets: BTreeMap<u8, u8>,
    },
    /// A stream that ended long ago still says something.
    WriteLate {
        gateway: usize,
        replica: usize,
        socket: u8,
    },
    Cut {
        gateway: usize,
    },
    Goodbye {
        gateway: usize,
        replica: usize,
    },
    /// A replica dies, and another starts.
    Die {
        replica: usize,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let (gateway, replica) = (0..GATEWAYS.len(), 0..2_usize);
    let place = (gateway, replica);
    let sockets = || btree_map(0..6_u8, 0..4_u8, 0..6);
    prop_oneof![
        6 => (place.clone(), vec((0..6_u8, prop::option::of(0..4_u8)), 0..8))
            .prop_map(|((gateway, replica), events)| Op::Write { gateway, replica, events }),
        3 => (place.clone(), sockets(), any::<bool>())
            .prop_map(|((gateway, replica), sockets, another_process)| Op::List { gateway, replica, sockets, another_process }),
        1 => (place.clone(), sockets())
            .prop_map(|((gateway, replica), sockets)| Op::ListHalf { gateway, replica, sockets }),
        1 => (place.clone(), 0..6_u8)
            .prop_map(|((gateway, replica), socket)| Op::WriteLate { gateway, replica, socket }),
        1 => (0..GATEWAYS.len()).prop_map(|gateway| Op::Cut { gateway }),
        1 => place.prop_map(|(gateway, replica)| Op::Goodbye { gateway, replica }),
        1 => (0..2_usize).prop_map(|replica| Op::Die { replica }),
    ]
}

/// What should be: users by gateway and socket.
#[derive(Default)]
struct Model {
    listed: BTreeMap<(usize, u8), u8>,
    /// The stream that each gateway has, and those that it had.
    streams: [Vec<Tenure>; GATEWAYS.len()],
    processes: [u32; GATEWAYS.len()],
    /// The tenure of whoever holds each gateway id.
    held: [Option<u64>; GATEWAYS.len()],
}

impl Model {
    async fn claim(&mut self, replica: &Replica, gateway: usize) -> Tenure {
        let info = info(GATEWAYS[gateway], &self.processes[gateway].to_string());
        let mut sign: Option<Sign> = None;
        loop {
            match replica.ledger.claim(&info, sign.as_ref()).await.unwrap() {
                Claimed::Held(last) => sign = Some(last),
                claimed => {
                    let tenure = granted(Ok(claimed));
                    self.streams[gateway].push(tenure.clone());
                    self.held[gateway] = Some(tenure.number);
                    return tenure;
                }
            }
        }
    }

    async fn list(&mut self, replica: &Replica, gateway: usize, sockets: &BTreeMap<u8, u8>) -> Tenure {
        let tenure = self.claim(replica, gateway).await;
        let events = sockets.iter().map(|(socket, user)| open(&name(*socket), (*user).into())).collect();
        replica.ledger.write(&tenure, events).await.unwrap();
        self.listed.extend(sockets.iter().map(|(socket, user)| ((gateway, *socket), *user)));
        tenure
    }

    fn forget(&mut self, gateway: usize, except: impl Fn(u8) -> bool) {
        self.listed.retain(|(of, socket), _| *of != gateway || except(*socket));
    }

    async fn does(&mut self, replicas: &mut [Replica; 2], url: &str, settings: &[(&str, &str)], op: &Op) {
        match op {
            Op::Write { gateway, replica, events } => {
                let Some(tenure) = self.streams[*gateway].last().cloned() else { return };
                let told = events.iter().map(|(socket, user)| match user {
                    Some(user) => open(&name(*socket), (*user).into()),
                    None => close(&name(*socket)),
                });
                match replicas[*replica].ledger.write(&tenure, told.collect()).await {
                    Ok(()) => {
                        for (socket, user) in events {
                            match user {
                                Some(user) => drop(self.listed.insert((*gateway, *socket), *user)),
                                None => drop(self.listed.remove(&(*gateway, *socket))),
                            }
                        }
                    }
                    // It said goodbye before.
                    Err(fault) => assert_eq!(fault, Fault::Superseded(None)),
                }
            }
            Op::List { gateway, replica, sockets, another_process } => {
                self.processes[*gateway] += u32::from(*another_process);
                let tenure = self.list(&replicas[*replica], *gateway, sockets).await;
                let named: HashSet<Box<str>> = sockets.keys().map(|socket| name(*socket).into()).collect();
                replicas[*replica].ledger.complete(&tenure, &named).await.unwrap();
                self.forget(*gateway, |socket| sockets.contains_key(&socket));
            }
            Op::ListHalf { gateway, replica, sockets } => {
                self.list(&replicas[*replica], *gateway, sockets).await;
            }
            Op::WriteLate { gateway, replica, socket } => {
                let [earlier @ .., _] = &self.streams[*gateway][..] else { return };
                for tenure in earlier {
                    let written =
                        replicas[*replica].ledger.write(tenure, vec![open(&name(*socket), 9)]).await;
                    assert!(matches!(written, Err(Fault::Superseded(_))), "{written:?}");
                }
            }
            Op::Cut { gateway } => {
                if let Some(tenure) = self.streams[*gateway].last() {
                    let _ = replicas[0].ledger.cut(tenure).await;
                }
            }
            Op::Goodbye { gateway, replica } => {
                let Some(tenure) = self.streams[*gateway].last() else { return };
                match replicas[*replica].ledger.goodbye(tenure).await {
                    Ok(()) => {
                        self.forget(*gateway, |_| false);
                        self.held[*gateway] = None;
                    }
                    Err(fault) => assert_eq!(fault, Fault::Superseded(None)),
                }
            }
            // What is in memory alone ends with its replica.
            Op::Die { .. } if url == "memory:" => {}
            Op::Die { replica } => replicas[*replica] = Replica::open(url, settings),
        }
    }
}

fn name(socket: u8) -> String {
    format!("s{socket}")
}

type Listed = BTreeMap<(String, String), serde_json::Value>;

/// What a watcher knows who was told everything from the beginning of this replica on.
fn replayed(replica: &Replica, mut known: Listed) -> Listed {
    for gateway_id in GATEWAYS {
        for (socket, what) in replica.told(gateway_id) {
            let key = (gateway_id.to_owned(), socket);
            match what {
                Ok(user) => drop(known.insert(key, user)),
                Err(_) => drop(known.remove(&key)),
            }
        }
    }
    known
}

async fn run(url: &str, prefix: &str, ops: &[Op]) {
    let settings = [("REGISTRY_PREFIX", prefix)];
    let mut replicas = [(); 2].map(|()| Replica::open(url, &settings));
    if url == "memory:" {
        // One replica in two places: there are no others.
        let [first, second] = &mut replicas;
        second.ledger = Arc::clone(&first.ledger);
        second.view = Arc::clone(&first.view);
    }
    for replica in &replicas {
        replica.has_begun().await;
    }
    let mut model = Model::default();
    for op in ops {
        model.does(&mut replicas, url, &settings, op).await;
    }
    let expected: Listed = model
        .listed
        .iter()
        .map(|((gateway, socket), user)| {
            ((GATEWAYS[*gateway].to_owned(), name(*socket)), json!({"id": user}))
        })
        .collect();
    for replica in &replicas {
        until(&format!("{expected:?} is listed"), || async { replica.listed() == expected }).await;
        assert_eq!(replayed(replica, Listed::new()), expected, "what was told adds up to what is listed");
        let holders: BTreeSet<_> = model.held.iter().flatten().copied().collect();
        until("the holders are those that they should be", || async {
            let known = GATEWAYS.iter().filter_map(|id| replica.holder(id)).map(|holder| holder.tenure);
            known.collect::<BTreeSet<_>>() == holders
        })
        .await;
    }
}

fn check(cases: u32, url: &str) {
    let runtime = Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let number = std::cell::Cell::new(0);
    let checked = runner.run(&vec(op(), 1..40), |ops| {
        number.set(number.get() + 1);
        // Each case on keys of its own.
        runtime.block_on(run(url, &format!("case {}:", number.get()), &ops));
        Ok(())
    });
    checked.unwrap();
}

#[test]
fn in_memory() {
    check(128, "memory:");
}

#[test]
fn on_redis() {
    let runtime = Runtime::new().unwrap();
    let redis = runtime.block_on(Redis::start());
    check(48, &redis.url());
}
