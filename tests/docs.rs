//! Documents that are made from the code are as the code makes them.

use std::{fs, path::Path};

use socketpass::{config::reference, telemetry::metrics::table};

#[test]
fn the_reference_of_settings_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
    let text = fs::read_to_string(path).unwrap();
    assert!(text == reference::markdown(), "docs/settings.md differs: run `make docs`");
}

#[test]
fn sentences_have_no_gaps() {
    for text in [reference::markdown(), table::markdown()] {
        for line in text.lines() {
            assert!(
                !line.trim_start().contains("  "),
                "a line break in the code that its text has kept: {line}"
            );
        }
    }
}

#[test]
fn the_reference_of_metrics_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let text = fs::read_to_string(path).unwrap();
    assert!(text == table::markdown(), "docs/metrics.md differs: run `make docs`");
}
