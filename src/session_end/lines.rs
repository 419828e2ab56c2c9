//! How it stands with each gateway: what it was told and has not answered, and whether it is worth telling it more. One that
//! is silent holds up nobody but itself.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Sockets that a gateway may be asked to end and has not answered for.
const SOCKETS: usize = 2_000;

/// Commands about changed users that a gateway may have open: few, so that ends always find a place.
const COMMANDS: usize = 16;

/// A gateway that has not answered for so long is told no more, until it does.
const SILENT: Duration = Duration::from_secs(1);

/// The longest pause after which a gateway that did not answer is told again.
const LONGEST: Duration = Duration::from_secs(10);

/// Before it is looked at again whether there is room.
const SHORTLY: Duration = Duration::from_millis(100);

/// The pause before something is tried again, after one of so long.
pub(super) fn longer(pause: Option<Duration>) -> Duration {
    const SHORTEST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(30);
    pause.map_or(SHORTEST, |pause| (pause * 2).min(LONGEST))
}

/// What a gateway can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// To end sockets.
    Ends,
    /// That users have changed.
    Users,
}

/// The gateways' lines.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<HashMap<Arc<str>, Line>>);

#[derive(Debug, Default)]
struct Line {
    /// Which stream it is: another one begins anew.
    tenure: u64,
    /// Sockets that are being ended.
    sockets: usize,
    /// Commands about users that are open.
    commands: usize,
    /// Since when something is open, with no answer in between.
    silent_since: Option<Instant>,
    /// It did not answer: nothing before this.
    pause: Option<(Instant, Duration)>,
}

impl Line {
    fn open(&self) -> usize {
        self.sockets + self.commands
    }
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much more a gateway can be told; `Err`: look again after this. `tenure` is that of its stream.
    pub(super) fn room(&self, gateway_id: &Arc<str>, tenure: u64, kind: Kind) -> Result<usize, Duration> {
        let now = Instant::now();
        let mut lines = self.lock();
        let line = lines.entry(Arc::clone(gateway_id)).or_default();
        if line.tenure != tenure {
            // What the earlier stream was told comes back by itself.
            *line = Line { tenure, ..Line::default() };
        }
        if let Some((until, _)) = line.pause.filter(|(until, _)| now < *until) {
            return Err(until - now);
        }
        if let Some(silence) = line.silent_since.map(|since| now - since).filter(|silence| *silence > SILENT)
        {
            return Err(silence.min(LONGEST));
        }
        let room = match kind {
            Kind::Ends => SOCKETS.saturating_sub(line.sockets),
            Kind::Users => COMMANDS.saturating_sub(line.commands),
        };
        // After a pause one try has to do.
        let is_trying = line.pause.is_some() && line.open() > 0;
        if room == 0 || is_trying { Err(SHORTLY) } else { Ok(room) }
    }

    /// A gateway is told something of so many sockets, or by so many commands.
    pub(super) fn tell(self: &Arc<Self>, gateway_id: &Arc<str>, kind: Kind, count: usize) -> Open {
        let mut lines = self.lock();
        let line = lines.entry(Arc::clone(gateway_id)).or_default();
        match kind {
            Kind::Ends => line.sockets += count,
            Kind::Users => line.commands += count,
        }
        line.silent_since.get_or_insert_with(Instant::now);
        Open { lines: Arc::clone(self), gateway_id: Arc::clone(gateway_id), tenure: line.tenure, kind, count }
    }

    /// Those are forgotten for which this does not hold.
    pub(super) fn keep(&self, mut holds: impl FnMut(&str) -> bool) {
        self.lock().retain(|gateway_id, line| line.open() > 0 || holds(gateway_id));
    }
}

/// What a gateway was told and has not answered. Dropped, it did not.
#[derive(Debug)]
pub(super) struct Open {
    lines: Arc<Lines>,
    gateway_id: Arc<str>,
    tenure: u64,
    kind: Kind,
    count: usize,
}

impl Open {
    /// It has answered.
    pub(super) fn answered(self) {
        if let Some(line) =
            self.lines.lock().get_mut(&self.gateway_id).filter(|line| line.tenure == self.tenure)
        {
            line.pause = None;
            line.silent_since = Some(Instant::now());
        }
    }

    /// When it may be told again what it did not answer.
    pub(super) fn unanswered(self) -> Duration {
        let mut lines = self.lines.lock();
        let Some(line) = lines.get_mut(&self.gateway_id).filter(|line| line.tenure == self.tenure) else {
            return longer(None);
        };
        let now = Instant::now();
        let pause = match line.pause {
            // Another command of the same silence has said so.
            Some((until, _)) if now < until => return until - now,
            Some((_, pause)) => longer(Some(pause)).min(LONGEST),
            None => longer(None),
        };
        line.pause = Some((now + pause, pause));
        pause
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut lines = self.lines.lock();
        let Some(line) = lines.get_mut(&self.gateway_id).filter(|line| line.tenure == self.tenure) else {
            return;
        };
        match self.kind {
            Kind::Ends => line.sockets = line.sockets.saturating_sub(self.count),
            Kind::Users => line.commands = line.commands.saturating_sub(self.count),
        }
        if line.open() == 0 {
            line.silent_since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn gateway() -> (Arc<Lines>, Arc<str>) {
        (Arc::default(), Arc::from("g"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_that_is_silent_is_told_no_more_until_it_answers() {
        let (lines, gateway) = gateway();
        assert_eq!(lines.room(&gateway, 1, Kind::Ends), Ok(SOCKETS));
        let first = lines.tell(&gateway, Kind::Ends, 500);
        assert_eq!(lines.room(&gateway, 1, Kind::Ends), Ok(SOCKETS - 500));
        advance(SILENT * 3).await;
        assert_eq!(lines.room(&gateway, 1, Kind::Ends), Err(SILENT * 3));
        assert_eq!(lines.room(&gateway, 1, Kind::Users), Err(SILENT * 3));
        assert_eq!(lines.room(&Arc::from("another"), 1, Kind::Ends), Ok(SOCKETS));
        first.answered();
        assert_eq!(lines.room(&gateway, 1, Kind::Ends), Ok(SOCKETS));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_did_not_answer_is_tried_after_pauses_that_grow() {
        let (lines, gateway) = gateway();
        let mut pauses = Vec::new();
        for _ in 0..6 {
            assert_eq!(lines.room(&gateway, 1, Kind::Ends), Ok(SOCKETS));
            let (one, two) = (lines.tell(&gateway, Kind::Ends, 1), lines.tell(&gateway, Kind::Ends, 1));
            let pause = one.unanswered();
            assert_eq!(two.unanswered(), pause, "of the same silence");
            assert_eq!(lines.room(&gateway, 1, Kind::Ends), Err(pause));
            advance(pause).await;
            pauses.push(pause.as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10]);
        // One try at a time, and when that is answered all goes on.
        let trying = lines.tell(&gateway, Kind::Ends, 1);
        assert_eq!(lines.room(&gateway, 1, Kind::Ends), Err(SHORTLY));
        trying.answered();
        assert_eq!(lines.room(&gateway, 1, Kind::Ends), Ok(SOCKETS));
    }

    #[tokio::test(start_paused = true)]
    async fn another_stream_begins_anew() {
        let (lines, gateway) = gateway();
        lines.room(&gateway, 1, Kind::Ends).expect("room");
        let old = lines.tell(&gateway, Kind::Ends, SOCKETS);
        advance(SILENT * 2).await;
        assert_eq!(lines.room(&gateway, 2, Kind::Ends), Ok(SOCKETS));
        let new = lines.tell(&gateway, Kind::Ends, 1);
        old.unanswered();
        assert_eq!(lines.room(&gateway, 2, Kind::Ends), Ok(SOCKETS - 1));
        drop(new);
        lines.keep(|_| false);
        assert!(lines.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn changed_users_leave_room_for_ends() {
        let (lines, gateway) = gateway();
        lines.room(&gateway, 1, Kind::Users).expect("room");
        let open: Vec<_> = (0..COMMANDS).map(|_| lines.tell(&gateway, Kind::Users, 1)).collect();
        assert_eq!(lines.room(&gateway, 1, Kind::Users), Err(SHORTLY));
        assert_eq!(lines.room(&gateway, 1, Kind::Ends), Ok(SOCKETS));
        drop(open);
    }
}
