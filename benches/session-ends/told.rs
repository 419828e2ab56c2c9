//! What a client saw, as one line from its process to the one that counts.

use std::{
    fmt,
    str::FromStr,
    time::{SystemTime, UNIX_EPOCH},
};

/// Nanoseconds since 1970: one clock for all processes of the machine.
pub fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

/// What became of a client's socket, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub client: usize,
    pub what: What,
    pub at: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Opened,
    /// With this code.
    Closed(u16),
    /// The handshake was answered with this status: the client need not come back.
    Rejected(u16),
    /// The connection broke.
    Lost,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, what, at } = self;
        let (word, number) = match what {
            What::Opened => ("opened", 0),
            What::Closed(code) => ("closed", *code),
            What::Rejected(status) => ("rejected", *status),
            What::Lost => ("lost", 0),
        };
        write!(f, "{client} {word} {number} {at}")
    }
}

impl FromStr for Told {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        let fields: Vec<&str> = line.split(' ').collect();
        let [client, word, number, at] = fields[..] else { return Err(()) };
        let number = number.parse().map_err(|_| ())?;
        let what = match word {
            "opened" => What::Opened,
            "closed" => What::Closed(number),
            "rejected" => What::Rejected(number),
            "lost" => What::Lost,
            _ => return Err(()),
        };
        Ok(Self { client: client.parse().map_err(|_| ())?, what, at: at.parse().map_err(|_| ())? })
    }
}
