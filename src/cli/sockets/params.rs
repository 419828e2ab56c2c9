//! `--param name=value`, and arguments that are JSON where they can be.

use clap::Args;
use serde_json::{Map, Value};

use crate::{
    cli::Error,
    expression::{Expr, Program, Variables, packed::Packer},
    grpc::{convert, pb::FilterSocketsRequest},
};

/// Values for the filter.
#[derive(Debug, Args)]
pub struct ParamArgs {
    /// A value that the filter sees as `params.NAME`: JSON, or text if it is no JSON; may be given several times.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = param)]
    params: Vec<(String, Value)>,
}

impl ParamArgs {
    /// The question that these and a filter are. An error if the filter needs another one: it would match nothing, without
    /// a word.
    pub(in crate::cli) fn with_filter(self, filter: String) -> Result<FilterSocketsRequest, Error> {
        let params: Map<_, _> = self.params.into_iter().collect();
        if let Some(name) = missing(&filter, &params) {
            return Err(Error::Input(format!(
                "the filter uses params.{name}, and --param {name}=… is not given"
            )));
        }
        let params = (!params.is_empty()).then(|| convert::object(params));
        Ok(FilterSocketsRequest { filter, params, ..FilterSocketsRequest::default() })
    }
}

/// A param that a filter needs and that is not there. What it asks for with `has(params.name)` it does not need.
fn missing(filter: &str, params: &Map<String, Value>) -> Option<String> {
    // What is wrong with the filter itself the service says, which may be of another version.
    let program = Program::compile(filter, Variables::FILTER).ok()?;
    let absent_with = |params: &Map<String, Value>| {
        let mut packer = Packer::default();
        packer.json(&Value::Object(params.clone()));
        let bound = program.bind(&packer.into_bytes()).ok()?;
        let mut names = Vec::new();
        absent(bound.expr(), &mut names);
        Some(names)
    };
    absent_with(params)?.into_iter().find(|name| {
        // A param that is there may itself lack a field of this name: another param does not change that.
        let with_it = [(name.clone(), Value::Null)];
        let with_it: Map<_, _> = params.clone().into_iter().chain(with_it).collect();
        !params.contains_key(name) && absent_with(&with_it).is_some_and(|names| !names.contains(name))
    })
}

/// The fields for whose absence parts of an expression are bound to fail, whatever the socket.
fn absent(expr: &Expr, names: &mut Vec<String>) {
    if let Expr::Fails(why) = expr
        && let Some(name) = why.strip_prefix("there is no field `").and_then(|why| why.strip_suffix('`'))
    {
        names.push(name.to_owned());
    }
    expr.parts().into_iter().for_each(|part| absent(part, names));
}

fn param(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        None | Some(("", _)) => {
            Err("it should be a name, `=` and a value, such as team=payments or 'ids=[1,2]'".to_owned())
        }
        Some((name, value)) => Ok((name.to_owned(), json_or_text(value))),
    }
}

/// `1`, `true`, `null`, `"1"`, `[…]` and `{…}` are what they are in JSON; anything else is text.
pub(super) fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_no_json| Value::from(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_json_or_text() {
        for (text, name, value) in [
            ("team=payments", "team", json!("payments")),
            ("id=7", "id", json!(7)),
            ("id=\"7\"", "id", json!("7")),
            ("on=true", "on", json!(true)),
            ("ids=[1, \"a\"]", "ids", json!([1, "a"])),
            ("user={\"id\":1}", "user", json!({"id": 1})),
            ("broken={\"id\":", "broken", json!("{\"id\":")),
            ("empty=", "empty", json!("")),
            ("sum=a=b", "sum", json!("a=b")),
        ] {
            assert_eq!(param(text), Ok((name.to_owned(), value)), "{text}");
        }
        for text in ["", "team", "=payments"] {
            assert!(param(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_last_of_a_repeated_name_counts() {
        let params = ParamArgs { params: vec![("a".to_owned(), json!(1)), ("a".to_owned(), json!(2))] };
        let request = params.with_filter("true".to_owned()).expect("no param is missing");
        assert_eq!(convert::json_object(&request.params.expect("params")), json!({"a": 2}));
    }
    #[test]
    fn a_param_that_the_filter_needs_has_to_be_given() {
        let params = json!({"id": 1, "user": {"id": 1}});
        let params = params.as_object().expect("an object");
        for (filter, expected) in [
            ("user.team == params.team", Some("team")),
            ("user.id == params.id || user.team in params.teams", Some("teams")),
            ("user.teams.exists(t, t == params.team)", Some("team")),
            ("user.name.matches(params.pattern)", Some("pattern")),
            ("socket.connected_at < timestamp(params.t)", Some("t")),
            ("user.id == params.id && user.name != 'params.team'", None),
            ("has(params.team) && user.team == params.team", None),
            ("!has(params.team) || user.team == params.team", None),
            ("has(params.team) ? user.team == params.team : user.id == 1", None),
            ("user.team == 'a' && !has(user.params.team)", None),
            // There is a param, and it lacks something: its own business.
            ("user.id == params.user.name", None),
            ("user.team ==", None),
        ] {
            assert_eq!(missing(filter, params).as_deref(), expected, "{filter}");
        }
    }
}
