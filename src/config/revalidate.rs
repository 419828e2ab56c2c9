//! `[revalidate]`: how the decision is asked again behind open sockets.

use std::time::Duration;

use super::{
    reader::Reader,
    setting::{Kind, Setting},
};

/// `[revalidate]`.
#[derive(Clone, Debug)]
pub struct Revalidate {
    /// Each session with open sockets is asked again at least this often.
    pub interval: Duration,
}

const INTERVAL: Setting = Setting {
    name: "revalidate.interval",
    kind: Kind::Duration,
    default: Some("30s"),
    about: "How often the decision is asked again behind each open socket, whether the store tells of changes or not: its \
            session, its user, its policy. A socket ends at most this and a second after its session. Each session with \
            sockets costs a read of the store in this time, and with a user source a question to that (`user.cache_ttl`). \
            From `1s` to `1h`.",
};

impl Revalidate {
    pub(super) const SETTINGS: &[&Setting] = &[&INTERVAL];

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let bounds = Duration::from_secs(1)..=Duration::from_secs(60 * 60);
        Self { interval: reader.duration_within(&INTERVAL, bounds) }
    }
}
