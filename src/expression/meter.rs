//! Counts the steps of an evaluation.

use super::{
    error::Fault,
    limits::{BYTES_A_STEP, MAP_BYTES_A_STEP, STEPS},
};

/// The steps that an evaluation has left.
#[derive(Debug)]
pub(super) struct Meter {
    left: u32,
}

impl Default for Meter {
    fn default() -> Self {
        Self { left: STEPS }
    }
}

impl Meter {
    #[inline]
    pub(super) fn take<'v>(&mut self, steps: u32) -> Result<(), Fault<'v>> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                // Whatever is tried instead ends here too.
                self.left = 0;
                Err(Fault::Steps)
            }
        }
    }

    /// Steps that were taken so far.
    #[inline]
    pub(super) fn taken(&self) -> u32 {
        STEPS - self.left
    }

    pub(super) fn many<'v>(&mut self, steps: usize) -> Result<(), Fault<'v>> {
        self.take(u32::try_from(steps).unwrap_or(u32::MAX))
    }

    /// For going through so many bytes of text.
    #[inline]
    pub(super) fn bytes<'v>(&mut self, bytes: usize) -> Result<(), Fault<'v>> {
        if bytes < BYTES_A_STEP { Ok(()) } else { self.many(bytes / BYTES_A_STEP) }
    }

    /// For looking through so many bytes of maps for a name.
    #[inline]
    pub(super) fn map_bytes<'v>(&mut self, bytes: usize) -> Result<(), Fault<'v>> {
        if bytes < MAP_BYTES_A_STEP { Ok(()) } else { self.many(bytes / MAP_BYTES_A_STEP) }
    }
}

/// The steps that many evaluations may take together before others get a turn. What has begun ends.
#[derive(Debug)]
pub struct Steps {
    of: u64,
    taken: u64,
}

impl Steps {
    /// So many.
    pub fn new(of: u64) -> Self {
        Self { of, taken: 0 }
    }

    /// Takes some.
    #[inline]
    pub fn take(&mut self, steps: u64) {
        self.taken = self.taken.saturating_add(steps);
    }

    /// How many were taken.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether none are left.
    #[inline]
    pub fn are_used_up(&self) -> bool {
        self.taken >= self.of
    }
}
