//! The figures, with what they should be beside them.

use hdrhistogram::Histogram;

use crate::{node, socketpass};

pub fn milliseconds(times: &Histogram<u64>, quantile: f64) -> f64 {
    times.value_at_quantile(quantile) as f64 / 1e6
}

/// Three digits, whatever the size.
fn shown(milliseconds: f64) -> String {
    match milliseconds {
        ..1.0 => format!("{milliseconds:.3} ms"),
        1.0..10.0 => format!("{milliseconds:.2} ms"),
        10.0..100.0 => format!("{milliseconds:.1} ms"),
        _ => format!("{milliseconds:.0} ms"),
    }
}

fn percentiles(times: &Histogram<u64>) -> String {
    format!("{} ({})", shown(milliseconds(times, 0.5)), shown(milliseconds(times, 0.99)))
}

/// One question: both answers' times, and how many times faster ours is.
fn question(what: &str, ours: &Histogram<u64>, theirs: Option<&Histogram<u64>>, aim: &str) {
    let (theirs, ratio) = match theirs {
        Some(theirs) => {
            (percentiles(theirs), format!("{:.1} x", milliseconds(theirs, 0.5) / milliseconds(ours, 0.5)))
        }
        None => (String::new(), String::new()),
    };
    println!("| {what} | {} | {theirs} | {ratio} | {aim} |", percentiles(ours));
}

pub fn print(size: u32, ours: &socketpass::Figures, theirs: Option<&node::Figures>) {
    println!("\n| {size} sockets | socketpass | Node | | aim |\n|---|---|---|---|---|");
    question("first page of an indexed filter", &ours.page, theirs.map(|theirs| &theirs.page), "under 1 ms");
    question("count, indexed filter", &ours.count, theirs.map(|theirs| &theirs.count), "under 1 ms");
    question(
        "count, filter without an index",
        &ours.contains,
        theirs.map(|theirs| &theirs.contains),
        "at least 10 x at 1,000,000",
    );
    let memory = theirs.map_or(String::new(), |theirs| format!("{:.0} bytes", theirs.bytes_a_socket));
    println!("| memory a socket | {:.0} bytes | {memory} | | at most 500 bytes |", ours.bytes_a_socket);
    println!("| first listing | {:.2?} | | | |", ours.listing);
    println!(
        "| events taken in | {:.0}/s, {:.1} us of CPU each | | | 100,000/s on one core: 10 us |",
        ours.events_a_second, ours.cpu_microseconds
    );
}
