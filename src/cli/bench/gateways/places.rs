//! Which of a gateway's places have an open socket.

use super::dice::Dice;

/// A gateway's places, 16 bytes each. A place that is free is taken again with another life.
#[derive(Debug)]
pub(super) struct Places {
    /// All places: those with an open socket first.
    order: Vec<u32>,
    /// Where each place stands in `order`.
    position: Vec<u32>,
    /// Which life each place is in, or was in last.
    life: Vec<u32>,
    /// When that began, in the world's time.
    since: Vec<u32>,
    open: u32,
}

impl Places {
    /// So many places, each with a socket.
    pub(super) fn all_open(count: u32) -> Self {
        let zeros = || (0..count).map(|_| 0).collect();
        Self {
            order: (0..count).collect(),
            position: (0..count).collect(),
            life: zeros(),
            since: zeros(),
            open: count,
        }
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.order.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn is_open(&self, place: u32) -> bool {
        get(&self.position, place).is_some_and(|position| position < self.open)
    }

    pub(super) fn life(&self, place: u32) -> Option<u32> {
        get(&self.life, place)
    }

    pub(super) fn since(&self, place: u32) -> Option<u32> {
        get(&self.since, place)
    }

    /// Opens a socket at one of the free places.
    pub(super) fn open_one(&mut self, dice: &mut Dice, now: u32) -> Option<u32> {
        let position = self.open.saturating_add(dice.below(self.count().saturating_sub(self.open)));
        let place = get(&self.order, position)?;
        self.exchange(position, self.open);
        self.open = self.open.saturating_add(1);
        let life = self.life(place)?.wrapping_add(1);
        set(&mut self.life, place, life);
        set(&mut self.since, place, now);
        Some(place)
    }

    /// Closes one of the open sockets.
    pub(super) fn close_one(&mut self, dice: &mut Dice) -> Option<u32> {
        let place = get(&self.order, dice.below(self.open))?;
        self.close(place).then_some(place)
    }

    /// Closes the socket at a place; false when none is open there.
    pub(super) fn close(&mut self, place: u32) -> bool {
        let position = get(&self.position, place).filter(|position| *position < self.open);
        let Some(position) = position else { return false };
        self.open = self.open.saturating_sub(1);
        self.exchange(position, self.open);
        true
    }

    fn exchange(&mut self, a: u32, b: u32) {
        let (Some(place_a), Some(place_b)) = (get(&self.order, a), get(&self.order, b)) else { return };
        set(&mut self.order, a, place_b);
        set(&mut self.order, b, place_a);
        set(&mut self.position, place_a, b);
        set(&mut self.position, place_b, a);
    }
}

fn get(values: &[u32], index: u32) -> Option<u32> {
    values.get(usize::try_from(index).ok()?).copied()
}

fn set(values: &mut [u32], index: u32, value: u32) {
    if let Some(place) = usize::try_from(index).ok().and_then(|index| values.get_mut(index)) {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn places_open_and_close_as_a_plain_set_would() {
        let mut dice = Dice::new([1; 4]);
        let mut places = Places::all_open(50);
        let mut open: BTreeSet<u32> = (0..50).collect();
        for now in 0..10_000 {
            match dice.below(5) {
                0 | 1 => {
                    let place = places.close_one(&mut dice);
                    assert_eq!(place.is_some(), !open.is_empty());
                    assert!(place.is_none_or(|place| open.remove(&place)));
                }
                2 => {
                    let place = dice.below(60);
                    assert_eq!(places.close(place), open.remove(&place));
                }
                _ => {
                    let place = places.open_one(&mut dice, now);
                    assert_eq!(place.is_some(), open.len() < 50);
                    assert!(place.is_none_or(|place| open.insert(place) && places.since(place) == Some(now)));
                }
            }
            assert_eq!(places.open, u32::try_from(open.len()).expect("few"));
            assert!((0..60).all(|place| places.is_open(place) == open.contains(&place)));
        }
    }

    #[test]
    fn each_time_a_place_is_taken_is_another_life() {
        let mut places = Places::all_open(1);
        let mut dice = Dice::new([1; 4]);
        assert_eq!(places.life(0), Some(0));
        for life in 1..5 {
            assert!(places.close(0));
            assert_eq!((places.open_one(&mut dice, 9), places.life(0)), (Some(0), Some(life)));
        }
        assert_eq!((places.life(1), places.open_one(&mut dice, 9)), (None, None));
    }
}
