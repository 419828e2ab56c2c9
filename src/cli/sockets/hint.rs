//! What people overlook whose filter matches no socket: that a text and a number are different.

use std::io::Write as _;

use serde_json::Value;

use crate::{
    cli::style::HINT,
    expression::{Constant, Expr, Program, Variables, packed::Packer},
    grpc::{convert, pb::FilterSocketsRequest},
};

/// Which of the two an id is, its digits do not tell.
const TEXT_OR_NUMBER: &str = "a text and a number are different: an id that is the text 4711 is `\"4711\"` in a filter, and \
                              --param 'id=\"4711\"'; `user.id in [4711, \"4711\"]` finds it either way";

/// Says on standard error what may be wrong with a question that nothing matched.
pub(in crate::cli) fn nothing_matches(question: &FilterSocketsRequest) {
    if compares_digits(question).unwrap_or(false) {
        // Where even this cannot be written, there is nobody to be told.
        let _ = writeln!(anstream::stderr(), "{HINT}hint:{HINT:#} {TEXT_OR_NUMBER}");
    }
}

/// Whether the filter, its params put in, compares something with a number or a text that could be one. `None`: the
/// service is of another version and understands what is not understood here.
fn compares_digits(question: &FilterSocketsRequest) -> Option<bool> {
    let program = Program::compile(&question.filter, Variables::FILTER).ok()?;
    let params =
        question.params.as_ref().map_or_else(|| Value::Object(Default::default()), convert::json_object);
    let mut packer = Packer::default();
    packer.json(&params);
    let bound = program.bind(&packer.into_bytes()).ok()?;
    Some(bound.expr().any(&|part| match part {
        Expr::Compare(_, _, with) | Expr::In(_, with) => is_one_of_both(with),
        _ => false,
    }))
}

/// A number or a text of digits; of a list whether it has the ones without the others.
fn is_one_of_both(expr: &Expr) -> bool {
    let Expr::Constant(constant) = expr else { return false };
    let constants = match constant {
        Constant::List(list) => list.elements(),
        other => std::slice::from_ref(other),
    };
    constants.iter().any(is_number) != constants.iter().any(is_digits)
}

fn is_number(constant: &Constant) -> bool {
    matches!(constant, Constant::Int(_) | Constant::Uint(_) | Constant::Double(_))
}

fn is_digits(constant: &Constant) -> bool {
    matches!(constant, Constant::Text(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn digits_are_either_a_text_or_a_number() {
        let params = json!({"id": 4711, "text": "4711", "team": "a"});
        let params = params.as_object().cloned().map(convert::object);
        for (filter, expected) in [
            ("user.id == 4711", true),
            ("4711 == user.id", true),
            ("user.id == '4711'", true),
            ("user.team == 'a' && !(user.id != 4711)", true),
            ("user.id in [1, 2]", true),
            ("user.id == params.id", true),
            ("user.id in [params.text]", true),
            ("user.id in [4711, '4711']", false),
            ("user.id == 'u4711'", false),
            ("user.id == ''", false),
            ("user.team == params.team", false),
            ("socket.connected_at < timestamp('2026-11-25T08:00:00Z')", false),
            ("true", false),
        ] {
            let question = FilterSocketsRequest {
                filter: filter.to_owned(),
                params: params.clone(),
                ..FilterSocketsRequest::default()
            };
            assert_eq!(compares_digits(&question), Some(expected), "{filter}");
        }
    }
}
