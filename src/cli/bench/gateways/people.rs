//! People as a web app of some size has them.

use super::dice::Dice;

/// First names, how an e-mail address spells them, and the gender they usually go with.
const FIRST: [(&str, &str, &str); 40] = [
    ("Ana", "ana", "female"),
    ("Hannah", "hannah", "female"),
    ("Zoë", "zoe", "female"),
    ("María", "maria", "female"),
    ("Aylin", "aylin", "female"),
    ("Ingrid", "ingrid", "female"),
    ("Chloé", "chloe", "female"),
    ("Priya", "priya", "female"),
    ("Fatima", "fatima", "female"),
    ("Noor", "noor", "female"),
    ("Julia", "julia", "female"),
    ("Magdalena", "magdalena", "female"),
    ("Svetlana", "svetlana", "female"),
    ("Emma", "emma", "female"),
    ("Sofia", "sofia", "female"),
    ("Lucía", "lucia", "female"),
    ("Yuki", "yuki", "female"),
    ("Mei", "mei", "female"),
    ("Olga", "olga", "female"),
    ("Katarzyna", "katarzyna", "female"),
    ("José", "jose", "male"),
    ("Jürgen", "juergen", "male"),
    ("Łukasz", "lukasz", "male"),
    ("Daniel", "daniel", "male"),
    ("Stefan", "stefan", "male"),
    ("Mohammed", "mohammed", "male"),
    ("Ivan", "ivan", "male"),
    ("Björn", "bjorn", "male"),
    ("Antonio", "antonio", "male"),
    ("Liam", "liam", "male"),
    ("Paul", "paul", "male"),
    ("François", "francois", "male"),
    ("Tomáš", "tomas", "male"),
    ("Emre", "emre", "male"),
    ("Raj", "raj", "male"),
    ("Hiroshi", "hiroshi", "male"),
    ("Wei", "wei", "male"),
    ("Peter", "peter", "male"),
    ("Noah", "noah", "male"),
    ("Oliver", "oliver", "male"),
];

/// Last names, and how an e-mail address spells them.
const LAST: [(&str, &str); 40] = [
    ("Kowalska", "kowalska"),
    ("Müller", "mueller"),
    ("García", "garcia"),
    ("Smith", "smith"),
    ("Nguyễn", "nguyen"),
    ("Rossi", "rossi"),
    ("Silva", "silva"),
    ("Schmidt", "schmidt"),
    ("Johansson", "johansson"),
    ("Ivanov", "ivanov"),
    ("Yılmaz", "yilmaz"),
    ("Novák", "novak"),
    ("Dubois", "dubois"),
    ("Jensen", "jensen"),
    ("Kim", "kim"),
    ("Tanaka", "tanaka"),
    ("Wang", "wang"),
    ("Singh", "singh"),
    ("Khan", "khan"),
    ("Okafor", "okafor"),
    ("O’Brien", "obrien"),
    ("van den Berg", "vandenberg"),
    ("Papadopoulos", "papadopoulos"),
    ("Horváth", "horvath"),
    ("Popescu", "popescu"),
    ("Nowak", "nowak"),
    ("Fernández", "fernandez"),
    ("Martin", "martin"),
    ("Brown", "brown"),
    ("Weber", "weber"),
    ("Hansen", "hansen"),
    ("Virtanen", "virtanen"),
    ("Bianchi", "bianchi"),
    ("Costa", "costa"),
    ("Haddad", "haddad"),
    ("Cohen", "cohen"),
    ("Mensah", "mensah"),
    ("Tremblay", "tremblay"),
    ("Andersson", "andersson"),
    ("Lee", "lee"),
];

/// The teams, equally large.
pub const TEAMS: [&str; 40] = [
    "accounts",
    "ads",
    "analytics",
    "android",
    "auth",
    "billing",
    "catalog",
    "chat",
    "checkout",
    "cloud",
    "compliance",
    "content",
    "core",
    "data",
    "delivery",
    "design",
    "devices",
    "docs",
    "events",
    "finance",
    "fraud",
    "growth",
    "infra",
    "ios",
    "legal",
    "logistics",
    "mail",
    "maps",
    "media",
    "mobile",
    "orders",
    "payments",
    "platform",
    "search",
    "security",
    "shipping",
    "social",
    "support",
    "video",
    "web",
];

/// Somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// From 1.
    pub(super) id: u32,
    pub(super) first: &'static str,
    pub(super) last: &'static str,
    /// The two as an e-mail address spells them; the whole is `first.last.id@app.example`.
    pub(super) first_in_email: &'static str,
    pub(super) last_in_email: &'static str,
    /// `member` 80 %, `editor` 15 %, `moderator` 4 %, `admin` 1 %.
    pub(super) role: &'static str,
    /// One of [`TEAMS`].
    pub(super) team: &'static str,
    /// `female` and `male` 49 % each, `diverse` 2 %.
    pub(super) gender: &'static str,
}

impl Person {
    /// Who has this number.
    pub(super) fn new(seed: u64, number: u32) -> Self {
        let mut dice = Dice::new([seed, u64::from(number), 0, 1]);
        let (first, first_in_email, usually) = dice.of(&FIRST).unwrap_or_default();
        let (last, last_in_email) = dice.of(&LAST).unwrap_or_default();
        let role = match dice.below(100) {
            0 => "admin",
            1..5 => "moderator",
            5..20 => "editor",
            _ => "member",
        };
        let team = dice.of(&TEAMS).unwrap_or_default();
        let gender = if dice.below(100) < 2 { "diverse" } else { usually };
        Self { id: number.saturating_add(1), first, last, first_in_email, last_in_email, role, team, gender }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_parts_are_as_large_as_they_say() {
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for number in 0..100_000 {
            let Person { role, team, gender, .. } = Person::new(7, number);
            for value in [role, team, gender] {
                *counts.entry(value).or_default() += 1;
            }
        }
        for (value, percent) in [
            ("admin", 1.0),
            ("moderator", 4.0),
            ("editor", 15.0),
            ("member", 80.0),
            ("diverse", 2.0),
            ("female", 49.0),
        ] {
            let seen = f64::from(counts[value]) / 1_000.0;
            assert!((seen - percent).abs() < 1.0_f64.min(percent / 4.0), "{value}: {seen} %");
        }
        assert!(TEAMS.iter().all(|team| (2_000..3_000).contains(&counts[team])), "{counts:?}");
    }
}
