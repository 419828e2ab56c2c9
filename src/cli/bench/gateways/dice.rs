//! Numbers that look random and come again for the same key, so that nothing that follows from them has to be kept.

/// Numbers from one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(key: [u64; 4]) -> Self {
        Self(key.into_iter().fold(0, |state, part| mix(state ^ part).wrapping_add(STEP)))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// Less than `end`; 0 when that is 0.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        let scaled = (u128::from(self.next()) * u128::from(end)) >> u64::BITS;
        u32::try_from(scaled).unwrap_or(0)
    }

    /// One of these.
    pub(super) fn of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let index = self.below(u32::try_from(all.len()).unwrap_or(u32::MAX));
        all.get(usize::try_from(index).ok()?).copied()
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            let next = self.next().to_le_bytes();
            chunk.iter_mut().zip(next).for_each(|(byte, next)| *byte = next);
        }
        bytes
    }
}

/// Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014), SplitMix64.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_gives_the_same_numbers_and_another_others() {
        let first = |key| Dice::new(key).next();
        assert_eq!(first([1, 2, 3, 4]), first([1, 2, 3, 4]));
        let mut all: Vec<_> = (0..10_000).map(|key| first([1, key / 100, key % 100, 0])).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 10_000);
    }

    #[test]
    fn all_numbers_below_the_end_come() {
        let mut dice = Dice::new([0; 4]);
        let mut counts = [0; 5];
        for _ in 0..10_000 {
            counts[usize::try_from(dice.below(5)).expect("small")] += 1;
        }
        assert!(counts.iter().all(|count| (1_800..2_200).contains(count)), "{counts:?}");
        assert_eq!((dice.below(0), dice.below(1), dice.of::<u8>(&[])), (0, 0, None));
    }
}
