//! Filters that were compiled already: gateways and dashboards ask the same ones again and again, with other params.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::expression::{CompileError, Program, Variables};

/// Filters that are kept. An application has a few dozen; at the largest, with a quarter of a megabyte of patterns each, they
/// take as much as a small process.
const KEPT: usize = 128;

/// The programs.
#[derive(Debug, Default)]
pub struct Programs {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    programs: HashMap<Box<str>, (Arc<Program>, u64)>,
    /// Counts how often one was asked for, to tell which was longest ago.
    clock: u64,
}

impl Programs {
    /// The program of a text, if it is kept.
    pub fn kept(&self, text: &str) -> Option<Arc<Program>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clock += 1;
        let now = kept.clock;
        let (program, used) = kept.programs.get_mut(text)?;
        *used = now;
        Some(Arc::clone(program))
    }

    /// The program of a text, compiled now if it is not kept. A long one takes some milliseconds.
    pub fn get(&self, text: &str) -> Result<Arc<Program>, CompileError> {
        if let Some(program) = self.kept(text) {
            return Ok(program);
        }
        // Not while the others wait.
        let program = Arc::new(Program::compile(text, Variables::FILTER)?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.programs.len() >= KEPT {
            let oldest =
                kept.programs.iter().min_by_key(|(_, (_, used))| *used).map(|(text, _)| text.clone());
            if let Some(oldest) = oldest {
                kept.programs.remove(&oldest);
            }
        }
        let now = kept.clock;
        kept.programs.insert(text.into(), (Arc::clone(&program), now));
        Ok(program)
    }
}
