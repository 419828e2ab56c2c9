//! Random expressions, asked of this evaluator and of the one in the `cel` crate: whatever both understand, they answer alike.

use std::{collections::HashMap, sync::Arc};

use cel::{Context, Value as Theirs};
use proptest::{prelude::*, sample::select};
use serde_json::{Value as Json, json};

use super::{ALL, Socket, pack};
use crate::expression::Program;

/// What an expression amounts to: true, false, or a fault, whichever.
type Outcome = Option<bool>;

fn ours(text: &str, user: &Json) -> Outcome {
    let bound = Program::compile(text, ALL).ok()?.bind(&pack(&json!({"n": 2, "s": "b"}))).ok()?;
    bound.evaluate(&&Socket::of(user)).ok()
}

fn theirs(text: &str, user: &Json) -> Outcome {
    let program = cel::Program::compile(text).ok()?;
    let mut context = Context::default();
    context.add_variable_from_value("user", their_value(user));
    context.add_variable_from_value("params", their_value(&json!({"n": 2, "s": "b"})));
    match program.execute(&context) {
        Ok(Theirs::Bool(flag)) => Some(flag),
        _ => None,
    }
}

/// As it is here: a whole number is an int.
fn their_value(json: &Json) -> Theirs {
    match json {
        Json::Null => Theirs::Null,
        Json::Bool(flag) => Theirs::Bool(*flag),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Theirs::Float(number.as_f64().unwrap_or(f64::NAN)), Theirs::Int)
        }
        Json::String(text) => Theirs::String(Arc::new(text.clone())),
        Json::Array(elements) => Theirs::List(Arc::new(elements.iter().map(their_value).collect())),
        Json::Object(members) => {
            let members: HashMap<String, Theirs> =
                members.iter().map(|(name, value)| (name.clone(), their_value(value))).collect();
            Theirs::from(members)
        }
    }
}

fn any_scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        select(vec![json!(0), json!(1), json!(2), json!(-1), json!(1.5), json!(1e300)]),
        any_text_value(),
        select(vec![json!(true), json!(false), json!(null)]),
    ]
}

fn any_text_value() -> impl Strategy<Value = Json> {
    select(vec![json!("a"), json!("ab"), json!("b"), json!(""), json!("é")])
}

/// Mostly `number`, `text`, `list` and `map` are what they say, and there.
fn any_user() -> impl Strategy<Value = Json> {
    let odd = || prop::option::weighted(0.2, prop::option::of(any_scalar()));
    let number = select(vec![json!(0), json!(1), json!(2), json!(-3), json!(2.5)]);
    let list = prop::collection::vec(any_scalar(), 0..4).prop_map(Json::from);
    let map = prop::collection::btree_map(select(vec!["a".to_owned(), "b".to_owned()]), any_scalar(), 0..3)
        .prop_map(|members| members.into_iter().collect::<Json>());
    let members = (number, any_text_value(), list, map);
    (members, [odd(), odd(), odd(), odd()]).prop_map(|((number, text, list, map), odd)| {
        let members = [("number", number), ("text", text), ("list", list), ("map", map)];
        members
            .into_iter()
            .zip(odd)
            .filter_map(|((name, usual), odd)| Some((name.to_owned(), odd.unwrap_or(Some(usual))?)))
            .collect()
    })
}

type Texts = BoxedStrategy<String>;

fn one_of(texts: &[&'static str]) -> Texts {
    select(texts.to_vec()).prop_map(str::to_owned).boxed()
}

fn joined(left: &Texts, operators: &[&'static str], right: &Texts) -> Texts {
    (left.clone(), one_of(operators), right.clone())
        .prop_map(|(left, operator, right)| format!("({left} {operator} {right})"))
        .boxed()
}

fn called(on: &Texts, functions: &[&'static str], with: &Texts) -> Texts {
    (on.clone(), one_of(functions), with.clone())
        .prop_map(|(on, function, with)| format!("{on}.{function}({with})"))
        .boxed()
}

fn chosen(condition: &Texts, values: &Texts) -> Texts {
    (condition.clone(), values.clone(), values.clone())
        .prop_map(|(condition, then, otherwise)| format!("({condition} ? {then} : {otherwise})"))
        .boxed()
}

/// Expressions of some kind each, so that most of them come to something.
fn any_expression() -> Texts {
    let mut number = one_of(&[
        "user.number",
        "user.number",
        "user.map.a",
        "params.n",
        "0",
        "1",
        "2",
        "-1",
        "2.5",
        "9223372036854775807",
    ]);
    let mut text = one_of(&[
        "user.text",
        "user.text",
        "user.map[\"b\"]",
        "params.s",
        "\"\"",
        "\"a\"",
        "\"ab\"",
        "\"é\"",
    ]);
    let mut list = one_of(&["user.list", "user.list", "[1, 2]", "[\"a\", \"b\", 1.5, null]", "[]"]);
    let mut truth = one_of(&["true", "false", "has(user.map.a)", "has(user.number)", "user.list[0]"]);
    for _ in 0..3 {
        let order = ["<", "<=", ">", ">=", "==", "!="];
        let element = prop_oneof![number.clone(), text.clone(), Just("null".to_owned())].boxed();
        let about_elements = |truth: &Texts| {
            truth
                .clone()
                .prop_map(|truth| truth.replace("user.number", "e").replace("user.text", "e"))
                .boxed()
        };
        let with_e = about_elements(&truth).prop_map(|body| format!("e, {body}")).boxed();
        let next_truth = prop_oneof![
            3 => joined(&number, &order, &number),
            3 => joined(&text, &order, &text),
            1 => joined(&list, &["==", "!="], &list),
            1 => joined(&element, &order, &element),
            2 => joined(&element, &["in"], &list),
            // Anything but a text is no key to the crate, which is an error; here, as in cel-go, it is not there.
            1 => joined(&one_of(&["\"a\"", "\"b\""]), &["in"], &one_of(&["user.map", "{\"a\": 1}"])),
            4 => joined(&truth, &["&&", "||"], &truth),
            1 => truth.clone().prop_map(|truth| format!("!{truth}")),
            1 => chosen(&truth, &truth),
            1 => one_of(&["type(user.text) == string", "type(user.number) == int", "type(user.list) == type([])"]),
            2 => called(&text, &["startsWith", "endsWith", "contains"], &text),
            2 => called(&list, &["all", "exists", "exists_one"], &with_e),
        ]
        .boxed();
        let next_number = prop_oneof![
            2 => number.clone(),
            2 => joined(&number, &["+", "-", "*", "/", "%"], &number),
            1 => prop_oneof![list.clone(), text.clone()].prop_map(|sized| format!("size({sized})")),
            1 => (one_of(&["-", "int", "dyn"]), number.clone())
                .prop_map(|(function, number)| format!("{function}({number})")),
            1 => chosen(&truth, &number),
            1 => (list.clone(), number.clone()).prop_map(|(list, at)| format!("{list}[{at}]")),
        ]
        .boxed();
        let next_text =
            prop_oneof![2 => text.clone(), 1 => joined(&text, &["+"], &text), 1 => chosen(&truth, &text)]
                .boxed();
        let next_list = prop_oneof![
            2 => list.clone(),
            1 => joined(&list, &["+"], &list),
            1 => called(&list, &["filter"], &with_e),
            1 => (list.clone(), number.clone()).prop_map(|(list, number)| {
                format!("{list}.map(e, {})", number.replace("user.number", "e"))
            }),
        ]
        .boxed();
        (truth, number, text, list) = (next_truth, next_number, next_text, next_list);
    }
    truth
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_crate_answers_alike(text in any_expression(), user in any_user()) {
        // The crate has no limits.
        let broken = Program::compile(&text, ALL).err().is_some_and(|error| error.to_string().contains("at most"));
        prop_assume!(!broken);
        prop_assert_eq!(ours(&text, &user), theirs(&text, &user), "{} of {}", text, user);
    }
}

#[test]
fn what_once_differed() {
    let user = json!({"list": [0], "text": "b"});
    for (text, expected) in [
        // Folded by itself, an inner loop has none around it.
        ("user.list.all(e, [1, 2].all(f, f >= f))", Some(true)),
        ("user.list.map(e, [1, 2].map(f, f)) == [[1, 2]]", Some(true)),
        // An index beyond the end is one fault of one operand, however large it is.
        ("user.list[9223372036854775807] == 1 || user.text == \"b\"", Some(true)),
        ("user.list[9223372036854775807] == 1", None),
    ] {
        assert_eq!((ours(text, &user), theirs(text, &user)), (expected, expected), "{text}");
    }
}

/// Pieces of texts that mean something.
const PIECES: [&str; 40] = [
    "user",
    ".",
    "a",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "0",
    "1u",
    "-",
    "1e400",
    "0x",
    "\"",
    "'",
    "\\",
    "\\u",
    "\"\"\"",
    "r'",
    "b'",
    "&&",
    "||",
    "!",
    "?",
    ":",
    ",",
    "==",
    "in",
    "all(e,",
    "has(",
    "matches(",
    "params",
    "true",
    "null",
    "//",
    "\n",
    "\u{0}",
    "é",
    "99999999999999999999",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_does_harm(pieces in prop::collection::vec(select(PIECES.to_vec()), 0..24), any in "\\PC{0,32}") {
        for text in [pieces.concat(), pieces.join(" "), any] {
            let outcome = ours(&text, &json!({"a": 1}));
            // The message about it, if there is one, is short.
            let message = Program::compile(&text, ALL).err().map_or(0, |error| error.to_string().len());
            prop_assert!(message < 1_000, "{}: {:?}, {} bytes", text, outcome, message);
        }
    }
}
