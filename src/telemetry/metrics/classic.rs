//! Prometheus' text format 0.0.4, made from OpenMetrics: for whoever does not ask for the newer one.

/// The same in the older format.
pub(super) fn from_openmetrics(text: &str) -> String {
    let mut classic = String::with_capacity(text.len());
    // HELP comes before TYPE and needs the name that the type decides.
    let mut help: Option<(&str, &str)> = None;
    for line in text.lines() {
        if let Some(about) = line.strip_prefix("# HELP ") {
            help = about.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|of| of.split_once(' ')) {
            let (ending, kind) = match kind {
                "counter" => ("_total", "counter"),
                // The older format has no such thing.
                "info" => ("_info", "gauge"),
                kind => ("", kind),
            };
            if let Some((_, about)) = help.take().filter(|(helped, _)| *helped == name) {
                classic.push_str(&format!("# HELP {name}{ending} {about}\n"));
            }
            classic.push_str(&format!("# TYPE {name}{ending} {kind}\n"));
        } else if !line.starts_with('#') {
            classic.push_str(line);
            classic.push('\n');
        }
    }
    classic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_kinds_are_the_older_formats() {
        let text = "# HELP a About it.\n# TYPE a counter\na_total{x=\"y\"} 1\n# HELP b_seconds Time.\n# TYPE b_seconds \
                    gauge\n# UNIT b_seconds seconds\nb_seconds 2.5\n# HELP c Which.\n# TYPE c info\nc_info{v=\"1\"} 1\n# EOF\n";
        assert_eq!(
            from_openmetrics(text),
            "# HELP a_total About it.\n# TYPE a_total counter\na_total{x=\"y\"} 1\n# HELP b_seconds Time.\n# TYPE \
             b_seconds gauge\nb_seconds 2.5\n# HELP c_info Which.\n# TYPE c_info gauge\nc_info{v=\"1\"} 1\n"
        );
    }
}
