//! Every socket that there can be: made from a seed and its place, so that none has to be kept.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{dice::Dice, people::Person};
use crate::grpc::{convert, pb};

/// All sockets and the people behind them.
#[derive(Clone, Copy, Debug)]
pub(super) struct World {
    seed: u64,
    people: u32,
    /// When it began, in microseconds since 1970.
    began: u64,
}

/// Text of a known length, on the stack.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) struct Text<const N: usize>([u8; N]);

impl<const N: usize> Text<N> {
    /// These bytes as base64 for URLs, which `N` has room for.
    fn base64(bytes: &[u8]) -> Self {
        let mut text = [b'A'; N];
        // The lengths fit: 15 bytes are 20 characters and 24 are 32.
        let _ = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        Self(text)
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// One socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    /// As engine.io makes them: 11 random bytes and a count of four.
    pub(super) id: Text<20>,
    pub(super) person: Person,
    /// As express-session makes them. Most people's sockets share one.
    pub(super) session_id: Text<32>,
    /// What follows `10.`.
    pub(super) address: [u8; 3],
    /// `/` 70 %, `/chat` 25 %, `/admin` 5 %.
    pub(super) namespace: &'static str,
    pub(super) origin: &'static str,
    /// Microseconds since 1970.
    pub(super) connected_at: u64,
}

/// How far back the sockets were opened that are there from the start, in microseconds: eight hours.
const OPEN_BEFORE: u32 = 8 * 3_600;

/// What one dice is thrown for is not to be seen in another.
const ID: u64 = 2;
const SESSION: u64 = 3;
const REST: u64 = 4;

impl World {
    /// One of so many sockets, with 1.3 of them to each person who is there.
    pub(super) fn new(seed: u64, sockets: u32) -> Self {
        // Each socket is of one of so many people, whoever it may be: 0.55 sockets to each of them, and 1.3 to each who
        // has one at all (0.55 / (1 - e^-0.55)).
        let people = u32::try_from(u64::from(sockets) * 20 / 11).unwrap_or(u32::MAX).max(1);
        Self { seed, people, began: micros(SystemTime::now()) }
    }

    /// The socket at a gateway's place. Each time that the place is taken again is another life, the first is 0; `since`
    /// is when, in [`World::now`], and does not count for the first life, which was there before.
    pub(super) fn socket(&self, gateway: u32, place: u32, life: u32, since: u32) -> Socket {
        let mut dice = self.dice(gateway, place, life, REST);
        let number = dice.below(self.people);
        // One in four is on another device.
        let device = u64::from(dice.below(4) == 0);
        let mut person_dice = Dice::new([self.seed, number.into(), device, SESSION]);
        let address = person_dice.bytes();
        let session_id = Text::base64(&person_dice.bytes::<24>());
        let namespace = match dice.below(20) {
            0 => "/admin",
            1..6 => "/chat",
            _ => "/",
        };
        let origin = match dice.below(10) {
            0 => "https://www.app.example",
            1..4 => "https://m.app.example",
            _ => "https://app.example",
        };
        let connected_at = match life {
            0 => self.began.saturating_sub(u64::from(dice.below(OPEN_BEFORE)) * 1_000_000),
            _ => self.began.saturating_add(u64::from(since) * TICK),
        };
        let person = Person::new(self.seed, number);
        let id = self.socket_id(gateway, place, life);
        Socket { id, person, session_id, address, namespace, origin, connected_at }
    }

    /// Its id alone.
    pub(super) fn socket_id(&self, gateway: u32, place: u32, life: u32) -> Text<20> {
        let random = self.dice(gateway, place, life, ID).bytes::<11>();
        let mut bytes = [0; 15];
        let count = place.to_be_bytes();
        bytes.iter_mut().zip(random.into_iter().chain(count)).for_each(|(byte, source)| *byte = source);
        Text::base64(&bytes)
    }

    /// The place that an id names, if it is one of ours in the place's present life.
    pub(super) fn place_of(
        &self,
        gateway: u32,
        socket_id: &str,
        life: impl Fn(u32) -> Option<u32>,
    ) -> Option<u32> {
        let bytes = URL_SAFE_NO_PAD.decode(socket_id).ok()?;
        let count: [u8; 4] = bytes.get(11..)?.try_into().ok()?;
        let place = u32::from_be_bytes(count);
        (self.socket_id(gateway, place, life(place)?).as_str() == socket_id).then_some(place)
    }

    /// Tenths of a millisecond since the world began: small enough to be kept for each socket.
    pub(super) fn now(&self) -> u32 {
        let since = micros(SystemTime::now()).saturating_sub(self.began);
        u32::try_from(since / TICK).unwrap_or(u32::MAX)
    }

    pub(super) fn dice(&self, gateway: u32, place: u32, life: u32, what: u64) -> Dice {
        Dice::new([self.seed, what, u64::from(gateway) << 32 | u64::from(place), life.into()])
    }
}

/// Microseconds of [`World::now`]'s unit.
const TICK: u64 = 100;

fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

impl Socket {
    /// The generated type, for whoever wants to look at it.
    pub(super) fn message(&self) -> pb::Socket {
        let Self { id, person, session_id, address: [a, b, c], namespace, origin, connected_at } = self;
        let Person { id: number, first, last, first_in_email, last_in_email, role, team, gender } = person;
        let user = serde_json::json!({
            "id": number,
            "name": format!("{first} {last}"),
            "email": format!("{first_in_email}.{last_in_email}.{number}@app.example"),
            "role": role,
            "team": team,
            "gender": gender,
            "logged_in": true,
        });
        let nanos = i32::try_from(connected_at % 1_000_000 * 1_000).unwrap_or(0);
        let seconds = i64::try_from(connected_at / 1_000_000).unwrap_or(i64::MAX);
        pb::Socket {
            gateway_id: String::new(),
            socket_id: id.as_str().to_owned(),
            namespace: (*namespace).to_owned(),
            session_id: session_id.as_str().to_owned(),
            remote_address: format!("10.{a}.{b}.{c}"),
            origin: (*origin).to_owned(),
            user: user.as_object().cloned().map(convert::object),
            data: None,
            connected_at: Some(prost_types::Timestamp { seconds, nanos }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn ids_are_those_of_engine_io_and_express_session_and_all_different() {
        let world = World::new(7, 10_000);
        let mut ids = HashSet::new();
        for gateway in 0..10 {
            for place in 0..1_000 {
                let socket = world.socket(gateway, place, 0, 0);
                assert_eq!((socket.id.as_str().len(), socket.session_id.as_str().len()), (20, 32));
                ids.insert(socket.id.as_str().to_owned());
            }
        }
        ids.insert(world.socket_id(0, 0, 1).as_str().to_owned());
        assert_eq!(ids.len(), 10_001);
    }

    #[test]
    fn a_place_is_found_by_the_id_of_its_present_life() {
        let world = World::new(7, 10_000);
        let id = world.socket_id(3, 70_000, 2);
        let lives = |life| move |place| (place == 70_000).then_some(life);
        assert_eq!(world.place_of(3, id.as_str(), lives(2)), Some(70_000));
        assert_eq!(world.place_of(3, id.as_str(), lives(3)), None);
        assert_eq!(world.place_of(4, id.as_str(), lives(2)), None);
        for odd in ["", "AAAA", "ÄÄÄÄ", &"A".repeat(20), &"A".repeat(200)] {
            assert_eq!(world.place_of(3, odd, lives(2)), None, "{odd}");
        }
    }

    #[test]
    fn people_have_1_3_sockets_and_share_their_sessions() {
        let world = World::new(7, 100_000);
        let (mut people, mut sessions) = (HashMap::new(), HashSet::new());
        for place in 0..100_000 {
            let socket = world.socket(0, place, 0, 0);
            *people.entry(socket.person.id).or_insert(0) += 1;
            sessions.insert(socket.session_id);
        }
        let each = 100_000.0 / f64::from(u32::try_from(people.len()).expect("few"));
        assert!((1.28..1.32).contains(&each), "{each}");
        assert!(
            sessions.len() > people.len() && sessions.len() < 95_000,
            "{} {}",
            people.len(),
            sessions.len()
        );
    }

    #[test]
    fn what_is_opened_later_says_when() {
        let world = World::new(7, 10);
        assert!(world.socket(0, 0, 0, 0).connected_at <= world.began);
        assert_eq!(world.socket(0, 0, 1, 25).connected_at, world.began + 2_500);
    }
}
