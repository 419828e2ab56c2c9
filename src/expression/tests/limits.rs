//! Every limit by itself, each named by the error, and what could take the process down.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{ALL, Socket, bound, pack};
use crate::expression::{CompileError, Program};

/// What a worker thread of the service has.
const STACK: usize = 2 << 20;

/// On a stack of that size.
fn on_stack<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(bytes).spawn(work).unwrap().join().unwrap()
}

fn compile(text: &str) -> Result<Program, CompileError> {
    let text = text.to_owned();
    on_stack(STACK, move || Program::compile(&text, ALL))
}

#[track_caller]
fn refused(text: &str, limit: &str) {
    let start = Instant::now();
    let error = compile(text).expect_err(&text[..text.len().min(60)]).to_string();
    assert!(error.contains(limit), "{error}\nnames no {limit}");
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?} for {}",
        start.elapsed(),
        &text[..text.len().min(60)]
    );
}

/// A text that grows with a number, and becomes a level deeper each time.
type Growing = (&'static str, fn(usize) -> String);

const GROWING: [Growing; 16] = [
    ("parentheses", |n| format!("{}true{}", "(".repeat(n), ")".repeat(n))),
    ("brackets", |n| format!("{}1{} == 1", "[".repeat(n - 1), "]".repeat(n - 1))),
    ("maps", |n| format!("{}1{} == 1", "{1:".repeat(n - 1), "}".repeat(n - 1))),
    ("indexes", |n| format!("user.a{} == 1", "[0]".repeat(n - 2))),
    ("inner indexes", |n| format!("{}1{} == 1", "user.a[".repeat(n - 2), "]".repeat(n - 2))),
    ("calls", |n| format!("{}true{}", "dyn(".repeat(n), ")".repeat(n))),
    ("methods", |n| format!("{}'a'{}", "'a'.contains(".repeat(n), ")".repeat(n))),
    ("members", |n| format!("user{}", ".a".repeat(n))),
    ("not", |n| format!("{}user.a", "!".repeat(n - 1))),
    ("minus", |n| format!("{}1 == 1", "-".repeat(n - 1))),
    ("sum", |n| format!("1{} == 1", "+1".repeat(n - 1))),
    ("product", |n| format!("1{} == 1", "*1".repeat(n - 1))),
    ("and", |n| format!("true{}", " && true".repeat(n))),
    ("or", |n| format!("true{}", " || true".repeat(n))),
    ("relation", |n| format!("true{}", " == true".repeat(n))),
    ("conditional", |n| format!("{}true", "true ? true : ".repeat(n))),
];

#[test]
fn a_hundred_levels_are_enough_and_one_more_is_too_many() {
    for (name, text) in GROWING {
        if let Err(error) = compile(&text(100)) {
            assert!(!error.to_string().contains("deep"), "{name}: {error}");
        }
        refused(&text(101), "at most 100 parentheses");
    }
}

#[test]
fn operators_of_one_chain_do_not_add_to_those_of_another() {
    let terms: Vec<_> = (0..90).map(|n| format!("user.a.b.c == {n} * 2 + 1 && !(user.d < 3)")).collect();
    compile(&terms.join(" || ")).unwrap();
}

#[test]
fn the_left_side_of_an_operator_counts_as_much_as_the_right() {
    let left = format!("1{}", "+1".repeat(60));
    compile(&format!("{left} == 1 || {left} == 2")).unwrap();
    let deep = (0..41).fold(format!("({left})"), |text, n| format!("{text} * {n}"));
    refused(&format!("{deep} == 1"), "at most 100 parentheses");
}

/// A debug build takes the most stack, and a quarter stays for whoever calls.
#[test]
fn what_is_let_through_fits_on_the_stack() {
    for (name, text) in GROWING {
        let text = text(100);
        let socket = Socket::of(&json!({"a": true}));
        on_stack(STACK / 4 * 3, move || {
            let Ok(program) = Program::compile(&text, ALL) else { return };
            let bound = program.bind(&[]).unwrap();
            let _ = bound.evaluate(&&socket);
            let shown = bound.expr().to_string();
            assert!(!shown.is_empty(), "{name}");
        });
    }
}

#[test]
fn nothing_that_is_refused_reaches_the_parser() {
    for (name, text) in GROWING {
        for size in [1_400, 5_000] {
            let text = text(size);
            let limit = if text.len() > 16 << 10 { "16 KiB" } else { "at most" };
            let error = compile(&text).expect_err(name).to_string();
            assert!(error.contains(limit), "{name}: {error}");
        }
    }
    for unit in [
        "(", "[", "{", "a[", "a(", "!", "-", "a?", "a?b:", "(]", "a.", "a+", "a&&", "[{(", "x.all(x,", "?",
        ":",
    ] {
        compile(&unit.repeat((16 << 10) / unit.len())).expect_err(unit);
        compile(&unit.repeat(99)).expect_err(unit);
    }
    refused(&"(".repeat(20_000), "16 KiB");
}

#[test]
fn text_is_at_most_16_kib() {
    let fits = format!("true{}", " ".repeat((16 << 10) - 4));
    compile(&fits).unwrap();
    refused(&format!("{fits} "), "16 KiB");
    refused(&format!("user.id == \"{}\"", "x".repeat(1 << 20)), "16 KiB");
}

#[test]
fn parts_and_written_elements_are_limited() {
    let list = |n: usize| format!("user.id in [{}]", vec!["1"; n].join(","));
    compile(&list(1_000)).unwrap();
    refused(&list(1_001), "at most 1000 elements");
    refused(&format!("{} || {}", list(1_000), list(1_000)), "at most 2000 names, values and operators");
    refused(&format!("{{{}}} == 1", vec!["1:1"; 1_001].join(",")), "at most");
}

#[test]
fn loops_stand_two_inside_one_another() {
    compile("user.a.all(x, x.all(y, y > 1))").unwrap();
    compile("user.a.map(x, x + 1).filter(x, x > 1).all(x, x.exists(y, y == x))").unwrap();
    refused("user.a.all(x, x.all(y, y.all(z, z > 1)))", "at most 2 of all");
    refused("user.a.map(x, x.filter(y, y.exists(z, z > 1)), x).size() == 1", "at most 2 of all");
    // Three of them over 1,000 elements each took 26.7 s in the crate's own evaluator.
    let list = format!("[{}]", vec!["0"; 600].join(","));
    refused(&format!("{list}.all(x, {list}.all(y, {list}.all(z, x + y + z == 0)))"), "at most");
}

#[test]
fn an_evaluation_takes_10_000_steps() {
    let socket = Socket::of(&json!({"list": vec![1; 100], "text": "a".repeat(60_000)}));
    let fails = |text: &str| bound(text, &json!({})).evaluate(&&socket).map_err(|error| error.to_string());
    let steps = Err("an evaluation takes at most 10000 steps".to_owned());
    assert_eq!(fails("user.list.all(x, x == 1)"), Ok(true));
    assert_eq!(fails("user.list.all(x, user.list.all(y, x == y))"), steps);
    assert_eq!(fails("user.list.map(x, user.list).map(x, x.size()).size() == 100"), steps);
    // No other error may be outweighed by it, nor it by anything.
    assert_eq!(fails("user.list.all(x, user.list.all(y, x == y)) || true"), Ok(true), "folded");
    assert_eq!(fails("user.list.all(x, user.list.all(y, x == y)) || user.list[0] == 1"), steps);
    assert_eq!(fails("user.list.exists(x, !user.list.all(y, x == y) || x == 2)"), steps);
    // Long texts cost by their length.
    assert_eq!(fails("user.text.contains('b')"), Ok(false));
    assert_eq!(fails("user.list.all(x, !user.text.contains('b'))"), steps);
    assert_eq!(fails("user.list.all(x, user.text + 'a' != '')"), steps);
    assert_eq!(fails("user.list.all(x, size(user.text) > 1)"), steps);
    assert_eq!(fails("user.list.all(x, !user.text.matches('(a|a)*b'))"), steps);
    assert_eq!(fails("user.list.all(x, user.text == user.text)"), steps);
    assert!(!bound("user.list.all(x, user.list.all(y, x == y))", &json!({})).matches(&&socket));
}

#[test]
fn constants_are_folded_within_the_same_steps() {
    let list = format!("[{}]", vec!["1"; 200].join(","));
    refused(&format!("{list}.all(x, {list}.all(y, x == y))"), "10000 steps");
    let program = Program::compile("params.a.all(x, params.a.all(y, x == y))", ALL).unwrap();
    let error = program.bind(&pack(&json!({"a": vec![1; 200]}))).unwrap_err();
    assert!(error.to_string().contains("10000 steps"), "{error}");
}

#[test]
fn lists_in_params_have_at_most_10_000_elements() {
    let program = Program::compile("socket.socket_id in params.ids", ALL).unwrap();
    let ids = |n: usize| pack(&json!({"ids": (0..n).map(|n| format!("s{n}")).collect::<Vec<_>>()}));
    let filter = program.bind(&ids(10_000)).unwrap();
    assert!(filter.matches(&&Socket::of(&json!({}))));
    let error = program.bind(&ids(10_001)).unwrap_err();
    assert!(error.to_string().contains("more than 10000 elements"), "{error}");
    // Named often, it is not copied often.
    let often = vec!["user.id in params.ids"; 90].join(" || ");
    let start = Instant::now();
    Program::compile(&often, ALL).unwrap().bind(&ids(10_000)).unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn patterns_are_limited_in_length_size_and_number() {
    compile(r"user.name.matches('^\\w{1,20}@(\\w+\\.)+[a-z]{2,}$')").unwrap();
    refused(&format!("user.name.matches('{}')", "a".repeat(4_097)), "at most 4096");
    for bomb in ["((a{100}){100}){100}", r"(\\w{200}){200}", r"\\pL{1000}", "(((a?){50}){50}){50}"] {
        refused(&format!("user.name.matches('{bomb}')"), "too complex: compiled they exceed 262144 bytes");
    }
    refused(&format!("user.name.matches('{}a{}')", "(".repeat(1_000), ")".repeat(1_000)), "pattern");
    // The larger the pattern, the more steps it takes for each byte.
    let socket = Socket::of(&json!({"text": "ab".repeat(5_000)}));
    let outcome =
        |pattern: &str| bound(&format!("user.text.matches('{pattern}')"), &json!({})).evaluate(&&socket);
    assert_eq!(outcome("[ab]*a[ab]{20}c"), Ok(false));
    assert!(outcome("[ab]*a[ab]{2000}c").unwrap_err().to_string().contains("10000 steps"));
    let many = |n: usize| vec![r"user.name.matches('\\w{15}')"; n].join(" || ");
    compile(&many(20)).unwrap();
    refused(&many(21), "at most 20 times");
    // All together, however they come.
    let large = |part: &str| vec![format!("user.name.matches({part})"); 10].join(" || ");
    compile("user.name.matches('[ab]{2000}')").unwrap();
    refused(&large("'[ab]{2000}'"), "compiled they exceed");
    let open = Program::compile(&large("params.p"), ALL).unwrap();
    let error = open.bind(&pack(&json!({"p": "[ab]{2000}"}))).unwrap_err();
    assert!(error.to_string().contains("compiled they exceed"), "{error}");
    let program = Program::compile("user.name.matches(params.pattern)", ALL).unwrap();
    let error = program.bind(&pack(&json!({"pattern": "((a{100}){100}){100}"}))).unwrap_err();
    assert!(error.to_string().contains("too complex"), "{error}");
}

#[test]
fn nothing_is_empty() {
    for text in ["", " ", "\n\t", "// everybody"] {
        refused(text, "the expression is empty; one that holds for everybody is `true`");
    }
}
