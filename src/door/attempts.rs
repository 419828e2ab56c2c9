//! Wrong tokens, by the address they come from: after a few of them the others get a shorter answer for a while, and are
//! counted as one who guesses. A right token is a right one wherever it comes from: nobody locks out gateways that are
//! behind the same address. Tokens that end sessions are counted alike.

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

/// Addresses that are remembered.
const ADDRESSES: usize = 10_000;

/// When all free attempts of an address will be back.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<IpAddr, Instant>>);

impl Attempts {
    /// A token from there was wrong. `Some`: there were too many, for so long.
    pub fn wrong(&self, address: IpAddr) -> Option<Duration> {
        let now = Instant::now();
        let mut addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if addresses.len() >= ADDRESSES && !addresses.contains_key(&address) {
            // Those whose attempts are back soonest tried the least.
            if let Some(least) = addresses.iter().min_by_key(|(_, full_at)| **full_at).map(|(ip, _)| *ip) {
                addresses.remove(&least);
            }
        }
        let full_at = addresses.entry(address).or_insert(now);
        let debt = full_at.saturating_duration_since(now);
        let over = (debt + ONE_BACK_IN).checked_sub(ONE_BACK_IN * FREE).filter(|over| !over.is_zero());
        if over.is_none() {
            *full_at = now + debt + ONE_BACK_IN;
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[tokio::test(start_paused = true)]
    async fn after_ten_wrong_tokens_there_were_too_many_for_a_while() {
        let attempts = Attempts::default();
        for _ in 0..FREE {
            assert_eq!(attempts.wrong(HERE), None);
        }
        assert_eq!(attempts.wrong(HERE), Some(ONE_BACK_IN));
        assert_eq!(attempts.wrong("10.0.0.1".parse().unwrap()), None);
        tokio::time::advance(ONE_BACK_IN).await;
        assert_eq!(attempts.wrong(HERE), None);
        assert_eq!(attempts.wrong(HERE), Some(ONE_BACK_IN));
        tokio::time::advance(ONE_BACK_IN * FREE * 2).await;
        for _ in 0..FREE {
            assert_eq!(attempts.wrong(HERE), None);
        }
        assert!(attempts.wrong(HERE).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_has_a_bound() {
        let attempts = Attempts::default();
        attempts.wrong(HERE);
        tokio::time::advance(Duration::from_millis(1)).await;
        for address in 0..u32::try_from(ADDRESSES).unwrap() + 10 {
            attempts.wrong(IpAddr::V4((address + (10 << 24)).into()));
        }
        assert_eq!(attempts.0.lock().unwrap().len(), ADDRESSES);
    }
}
