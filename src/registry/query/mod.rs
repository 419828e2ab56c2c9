//! Asking the view: which sockets match a filter.

use sha2::{Digest as _, Sha256};

use crate::{
    expression::{
        Bound as Filter, CompileError, Expr, Operator, Program, Steps,
        path::{Path, Root},
        scope::SocketField,
    },
    registry::{
        change::Shard,
        view::{View, member::Member},
    },
};

pub mod count;
mod look;
pub mod page;
pub mod plan;
pub mod programs;
pub mod set;

use self::{
    plan::Plan,
    set::{Found, Set},
};

/// A filter with its params, and how it is answered.
#[derive(Clone, Debug)]
pub struct Query {
    /// The whole filter.
    whole: Filter,
    plan: Plan,
    /// What indexes give.
    set: Set,
    /// What has to hold beside, if anything.
    rest: Option<Filter>,
    hash: u64,
}

/// One step on the way to an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The part of the filter, as CEL.
    pub expression: String,
    /// The paths whose indexes answer it; empty: it is evaluated one by one.
    pub index: String,
    /// How many sockets the indexes give, or it is evaluated on.
    pub sockets: u64,
}

impl Query {
    /// A program with these params, an object packed.
    pub fn new(program: &Program, view: &View, params: &[u8]) -> Result<Self, CompileError> {
        let whole = program.bind(params)?;
        if !asks_only_for_whole_session_ids(whole.expr()) {
            return Err(CompileError::whole(
                "socket.session_id is as good as a login: it can be compared by ==, != and in, and nothing else",
            ));
        }
        let hash =
            Sha256::new().chain_update(program.text()).chain_update([0]).chain_update(params).finalize();
        let hash = hash.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        Ok(Self { hash, ..Self::of(whole, view) })
    }

    /// An expression of the settings, which may ask for whatever it likes. It is paged by nobody.
    pub fn of(whole: Filter, view: &View) -> Self {
        let plan = Plan::of(whole.expr(), &|path| view.is_indexed(path));
        Self { set: plan.set(), rest: plan.rest(), whole, plan, hash: 0 }
    }

    /// Whether a socket matches; takes the steps that it takes to know.
    pub fn matches(&self, member: &Member, steps: &mut Steps) -> bool {
        self.whole.matches_within(&member, steps)
    }

    /// Whether this field of sockets or gateways is asked for.
    pub fn asks_for(&self, field: Root) -> bool {
        let is_asked = |path: &Path| path.root == field;
        self.whole.expr().any(&|expr| matches!(expr, Expr::Select(path) | Expr::Has(path) if is_asked(path)))
    }

    /// Tells this filter and its params from others, in every replica.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Whether it takes a look at every socket: none of it is answered by an index.
    fn looks_at_all(&self) -> bool {
        matches!(self.set, Set::All) && self.rest.is_some()
    }

    /// How it is answered.
    pub fn explain(&self, view: &View) -> Vec<Step> {
        let count = |set: &Set| -> u64 {
            Shard::all()
                .map(|shard| {
                    let shard = view.shard(shard);
                    set.count(&shard).unwrap_or_else(|| set.find(&shard, shard.all()).slots.len())
                })
                .sum()
        };
        let indexed = self.plan.indexed.iter().map(|(part, set)| {
            let mut paths = Vec::new();
            set.paths(&mut paths);
            let names: Vec<_> = paths.iter().map(Path::to_string).collect();
            let index = if names.is_empty() { "gateway".to_owned() } else { names.join(", ") };
            Step { expression: part.to_string(), index, sockets: count(set) }
        });
        let left = count(&self.set);
        let rest = self.plan.rest.iter().map(|part| Step {
            expression: part.to_string(),
            index: String::new(),
            sockets: left,
        });
        indexed.chain(rest).collect()
    }

    /// What has to be asked of each of the slots that were found.
    fn test(&self, found: &Found<'_>) -> Option<&Filter> {
        if found.exact { self.rest.as_ref() } else { Some(&self.whole) }
    }
}

/// Whether a session id is nowhere compared but with whole ones. Part by part, a few hundred questions would find it out.
fn asks_only_for_whole_session_ids(expr: &Expr) -> bool {
    let is_session_id =
        |expr: &Expr| matches!(expr, Expr::Select(path) if path.root == Root::Socket(SocketField::SessionId));
    let may_be_one = |expr: &Expr| is_session_id(expr) || asks_only_for_whole_session_ids(expr);
    match expr {
        Expr::Compare(Operator::Eq | Operator::Ne, left, right) => may_be_one(left) && may_be_one(right),
        Expr::In(element, container) => may_be_one(element) && asks_only_for_whole_session_ids(container),
        expr => !is_session_id(expr) && expr.parts().into_iter().all(asks_only_for_whole_session_ids),
    }
}
