//! Wrong tokens, by the address they come from: after a few of them no token is looked at for a while, except those that
//! were right from there before. So nobody tries tokens out, and nobody locks out a gateway behind the same address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Wrong tokens that an address has free, and in which time it gets one back.
const FREE: u32 = 10;
const ONE_BACK_IN: Duration = Duration::from_secs(6);

/// Right tokens that are remembered of an address: those of the gateways behind it.
const RIGHT: usize = 64;

/// Addresses that are remembered.
const ADDRESSES: usize = 10_000;

/// SHA-256 of a token.
pub type Digest = [u8; 32];

#[derive(Default)]
pub struct Attempts(Mutex<HashMap<IpAddr, Address>>);

struct Address {
    /// When all its free attempts will be back.
    full_at: Instant,
    right: Vec<Digest>,
}

impl Address {
    fn debt(&self) -> Duration {
        self.full_at.saturating_duration_since(Instant::now())
    }
}

impl Attempts {
    /// How long tokens from there are not looked at; `None`: this one is.
    pub fn wait(&self, address: IpAddr, digest: &Digest) -> Option<Duration> {
        let addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = addresses.get(&address)?;
        if known.right.contains(digest) {
            return None;
        }
        let over = (known.debt() + ONE_BACK_IN).checked_sub(ONE_BACK_IN * FREE)?;
        (!over.is_zero()).then_some(over)
    }

    /// A token from there was wrong.
    pub fn wrong(&self, address: IpAddr) {
        self.with(address, |address| address.full_at = Instant::now() + address.debt() + ONE_BACK_IN);
    }

    /// A token from there was right.
    pub fn right(&self, address: IpAddr, digest: &Digest) {
        self.with(address, |address| {
            if !address.right.contains(digest) {
                if address.right.len() == RIGHT {
                    address.right.remove(0);
                }
                address.right.push(*digest);
            }
        });
    }

    fn with(&self, address: IpAddr, act: impl FnOnce(&mut Address)) {
        let mut addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if addresses.len() >= ADDRESSES && !addresses.contains_key(&address) {
            // Those that tried the least go first; of those that tried nothing nothing is lost but a memory.
            if let Some(least) =
                addresses.iter().min_by_key(|(_, address)| address.full_at).map(|(ip, _)| *ip)
            {
                addresses.remove(&least);
            }
        }
        act(addresses
            .entry(address)
            .or_insert_with(|| Address { full_at: Instant::now(), right: Vec::new() }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[tokio::test(start_paused = true)]
    async fn after_ten_wrong_tokens_none_is_looked_at_but_known_ones() {
        let attempts = Attempts::default();
        let (known, other) = ([1; 32], [2; 32]);
        attempts.right(HERE, &known);
        for _ in 0..FREE {
            assert_eq!(attempts.wait(HERE, &other), None);
            attempts.wrong(HERE);
        }
        assert_eq!(attempts.wait(HERE, &other), Some(ONE_BACK_IN));
        assert_eq!(attempts.wait(HERE, &known), None);
        assert_eq!(attempts.wait("10.0.0.1".parse().unwrap(), &other), None);
        tokio::time::advance(ONE_BACK_IN).await;
        assert_eq!(attempts.wait(HERE, &other), None);
        attempts.wrong(HERE);
        assert_eq!(attempts.wait(HERE, &other), Some(ONE_BACK_IN));
        tokio::time::advance(ONE_BACK_IN * FREE * 2).await;
        for _ in 0..FREE {
            assert_eq!(attempts.wait(HERE, &other), None);
            attempts.wrong(HERE);
        }
        assert!(attempts.wait(HERE, &other).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_has_a_bound() {
        let attempts = Attempts::default();
        attempts.wrong(HERE);
        for address in 0..u32::try_from(ADDRESSES).unwrap() + 10 {
            attempts.right(IpAddr::V4((address + (10 << 24)).into()), &[0; 32]);
        }
        let addresses = attempts.0.lock().unwrap();
        assert_eq!(addresses.len(), ADDRESSES);
        assert!(addresses.contains_key(&HERE), "who tried wrong ones is remembered longest");
    }
}
