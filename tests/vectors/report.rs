//! How many cases of each group ran and passed, and what the quirks change.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    io::Write as _,
};

use super::{
    Outcome,
    case::{Case, Door, Mode},
};

#[derive(Default)]
pub struct Report {
    groups: BTreeMap<String, Group>,
    quirks: BTreeMap<String, BTreeSet<String>>,
    failures: Vec<String>,
}

#[derive(Default)]
struct Group {
    cases: BTreeSet<String>,
    passed: BTreeMap<(Mode, Door), usize>,
    skipped: BTreeSet<String>,
}

impl Report {
    pub fn add(&mut self, case: &Case, mode: Mode, door: Door, outcome: Outcome) {
        let id = case.id().to_owned();
        if let Some(quirk) = case.quirk() {
            self.quirks.entry(quirk.to_owned()).or_default().insert(id.clone());
        }
        let group = self.groups.entry(case.group().to_owned()).or_default();
        group.cases.insert(id.clone());
        match outcome {
            Outcome::Passed => *group.passed.entry((mode, door)).or_default() += 1,
            Outcome::Failed(how) => {
                self.failures.push(format!("{id} ({}; {mode:?}, {door:?}): {how}", case.0["note"]));
            }
            Outcome::Skipped => drop(group.skipped.insert(id)),
            Outcome::NotThisDoor => {}
        }
    }

    /// A case to which the mode makes no difference, asked at one door.
    pub fn add_plain_case(&mut self, group: &str, id: &str, door: Door, failure: Option<String>) {
        let group = self.groups.entry(group.to_owned()).or_default();
        group.cases.insert(id.to_owned());
        match failure {
            None => *group.passed.entry((Mode::Signed, door)).or_default() += 1,
            Some(how) => self.failures.push(format!("{id}: {how}")),
        }
    }

    pub fn print(&self) {
        let mut text =
            String::from("\nvectors: cases that passed, by mode of session.id_outside_cookie and door\n");
        writeln!(
            text,
            "  {:15} {:>6} {:>15} {:>12} {:>17} {:>14}",
            "group", "cases", "signed library", "signed gRPC", "unsigned library", "unsigned gRPC"
        )
        .unwrap();
        let mut all = 0;
        for (name, group) in &self.groups {
            let passed = |mode, door| group.passed.get(&(mode, door)).copied().unwrap_or(0);
            write!(
                text,
                "  {name:15} {:6} {:15} {:12} {:17} {:14}",
                group.cases.len(),
                passed(Mode::Signed, Door::Library),
                passed(Mode::Signed, Door::Grpc),
                passed(Mode::Unsigned, Door::Library),
                passed(Mode::Unsigned, Door::Grpc),
            )
            .unwrap();
            all += group.cases.len();
            if !group.skipped.is_empty() {
                write!(text, "  {} only in JavaScript", group.skipped.len()).unwrap();
            }
            text.push('\n');
        }
        let quirks: Vec<_> =
            self.quirks.iter().map(|(quirk, cases)| format!("{quirk} {}", cases.len())).collect();
        writeln!(
            text,
            "  {all} cases in all; of a quirk (tests/vectors/data/README.md): {}",
            quirks.join(", ")
        )
        .unwrap();
        // Past the test runner's capture: this table is for people to read.
        std::io::stderr().write_all(text.as_bytes()).unwrap();
    }

    pub fn assert_passed(&self) {
        let shown = self.failures.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.failures.is_empty(), "{} answers differ, among them\n{shown}", self.failures.len());
    }
}
