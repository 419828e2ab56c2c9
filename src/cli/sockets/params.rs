//! `--param name=value`, and arguments that are JSON where they can be.

use clap::Args;
use serde_json::{Map, Value};

use crate::grpc::{convert, pb::FilterSocketsRequest};

/// Values for the filter.
#[derive(Debug, Args)]
pub struct ParamArgs {
    /// A value that the filter sees as `params.NAME`: JSON, or text if it is no JSON; may be given several times.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = param)]
    params: Vec<(String, Value)>,
}

impl ParamArgs {
    /// The question that these and a filter are.
    pub(super) fn with_filter(self, filter: String) -> FilterSocketsRequest {
        let params: Map<_, _> = self.params.into_iter().collect();
        let params = (!params.is_empty()).then(|| convert::object(params));
        FilterSocketsRequest { filter, params, ..FilterSocketsRequest::default() }
    }
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
        let request = params.with_filter("true".to_owned());
        assert_eq!(convert::json_object(&request.params.expect("params")), json!({"a": 2}));
    }
}
