//! A curl command line as browsers copy it: for POSIX shells, with `'…'` and `$'…'`, and for Windows, with `^"…^"`.

use super::request::Headers;
use crate::{cli::Error, grpc::pb::Handshake};

/// curl's options that take a value and say nothing about the handshake. Browsers write few of them, people more; what is
/// not here is taken for one without a value.
const IGNORED_WITH_VALUE: [&str; 32] = [
    "-X",
    "--request",
    "-d",
    "--data",
    "--data-raw",
    "--data-binary",
    "--data-urlencode",
    "-F",
    "--form",
    "-o",
    "--output",
    "-x",
    "--proxy",
    "--connect-to",
    "--resolve",
    "-u",
    "--user",
    "-m",
    "--max-time",
    "--connect-timeout",
    "-w",
    "--write-out",
    "--cacert",
    "--cert",
    "-E",
    "--key",
    "--retry",
    "-T",
    "--upload-file",
    "-c",
    "--cookie-jar",
    "-K",
];

/// Makes a handshake of a command line's words, `curl` the first of them.
pub(super) fn handshake(words: Vec<String>) -> Result<Handshake, Error> {
    // Pasted in quotes it is one word.
    let words = match words.as_slice() {
        [line] if line.contains(' ') => self::words(line)?,
        _ => words,
    };
    let mut words = words.into_iter();
    let program = words.next().unwrap_or_default();
    if !matches!(program.rsplit(['/', '\\']).next(), Some("curl" | "curl.exe")) {
        return Err(Error::Input(
            "what follows `explain` should be a curl command line, and begins otherwise".to_owned(),
        ));
    }
    let mut headers = Headers::default();
    let mut url = None;
    while let Some(word) = words.next() {
        // `-HCookie: a=b`: the value of an option of one letter may follow at once.
        let (option, attached) = match (word.starts_with("--"), word.split_at_checked(2)) {
            (false, Some((option, value))) if option.starts_with('-') && !value.is_empty() => {
                (option.to_owned(), Some(value.to_owned()))
            }
            _ => (word, None),
        };
        let mut value = || {
            let value = attached.clone().or_else(|| words.next());
            value.ok_or_else(|| Error::Input(format!("curl: {option} lacks its value")))
        };
        match option.as_str() {
            "-H" | "--header" => {
                // A header without a value is one that curl leaves out.
                let _ = headers.add_line(&value()?);
            }
            "-b" | "--cookie" => {
                let cookie = value()?;
                if !cookie.contains('=') {
                    return Err(Error::Input(format!(
                        "curl: `-b {cookie}` reads cookies from a file; write them out, `-b 'name=value'`"
                    )));
                }
                headers.add("cookie", cookie);
            }
            "--json" | "--local" | "--addr" | "--timeout" | "--config" => {
                return Err(Error::Input(format!(
                    "{option} stands behind the curl line, where it is curl's: put it before `curl`"
                )));
            }
            "-A" | "--user-agent" => headers.add("user-agent", value()?),
            "-e" | "--referer" => headers.add("referer", value()?),
            "--url" => url = Some(value()?),
            ignored if IGNORED_WITH_VALUE.contains(&ignored) => drop(value()?),
            flag if flag.starts_with('-') => {}
            // The first counts: another may be the value of an option that is not known here.
            positional => drop(url.get_or_insert(positional.to_owned())),
        }
    }
    Ok(Handshake { headers: headers.into_map(), url: url.unwrap_or_default(), ..Handshake::default() })
}

/// Splits a command line into words as the shell would that it was copied for.
pub(super) fn words(line: &str) -> Result<Vec<String>, Error> {
    // cmd.exe takes the carets away first, and what is left has double quotes only.
    let without_carets = line.contains("^\"").then(|| uncaret(line));
    let windows = without_carets.is_some();
    let line = without_carets.as_deref().unwrap_or(line);
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars().peekable();
    let unclosed =
        || Error::Input("the curl command line ends within a quote: was it copied whole?".to_owned());
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            // A line that goes on in the next one.
            '\\' if matches!(chars.peek(), None | Some('\n' | '\r')) => drop(chars.next()),
            '\\' if !windows => word.get_or_insert_default().extend(chars.next()),
            '\'' if !windows => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or_else(unclosed)? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '$' if chars.peek() == Some(&'\'') => {
                chars.next();
                ansi_c(&mut chars, word.get_or_insert_default()).ok_or_else(unclosed)?;
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or_else(unclosed)? {
                        '"' => break,
                        '\\' if matches!(chars.peek(), Some('"' | '\\')) => word.extend(chars.next()),
                        c => word.push(c),
                    }
                }
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Takes away cmd.exe's carets, and the line ends that they escape.
fn uncaret(line: &str) -> String {
    let line = line.replace("^\r\n", " ").replace("^\n", " ");
    let mut chars = line.chars();
    let mut plain = String::new();
    while let Some(c) = chars.next() {
        if c == '^' { plain.extend(chars.next()) } else { plain.push(c) }
    }
    plain
}

/// Bash's `$'…'`, with which Chrome writes what is not plain ASCII. `None`: it does not end.
fn ansi_c(chars: &mut impl Iterator<Item = char>, word: &mut String) -> Option<()> {
    loop {
        match chars.next()? {
            '\'' => return Some(()),
            '\\' => match chars.next()? {
                'n' => word.push('\n'),
                'r' => word.push('\r'),
                't' => word.push('\t'),
                'u' => word.push(code(chars, 4)?),
                'x' => word.push(code(chars, 2)?),
                c => word.push(c),
            },
            c => word.push(c),
        }
    }
}

fn code(chars: &mut impl Iterator<Item = char>, digits: usize) -> Option<char> {
    let digits: String = chars.take(digits).collect();
    u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie(line: &str) -> String {
        let handshake = handshake(words(line).expect("words")).expect("a command line");
        assert_eq!(handshake.url, "https://app.example/socket.io/?EIO=4&transport=polling", "{line}");
        handshake.headers.get("cookie").cloned().unwrap_or_default()
    }

    #[test]
    fn chrome_and_firefox_for_posix_shells() {
        let chrome = "curl 'https://app.example/socket.io/?EIO=4&transport=polling' \\\n  -H 'accept: */*' \\\n  \
                      -b 'connect.sid=s%3Aabc.def; a=\"b c\"' \\\n  --compressed";
        assert_eq!(cookie(chrome), "connect.sid=s%3Aabc.def; a=\"b c\"");
        let escaped = "curl $'https://app.example/socket.io/?EIO=4&transport=polling' -H $'Cookie: a=it\\'s\\u0021 \\x41'";
        assert_eq!(cookie(escaped), "a=it's! A");
        let firefox = "curl 'https://app.example/socket.io/?EIO=4&transport=polling' -X POST -H 'Cookie: a=1' --data-raw 'x=y'";
        assert_eq!(cookie(firefox), "a=1");
        let by_hand = "curl -m 5 -sS 'https://app.example/socket.io/?EIO=4&transport=polling' -H'Cookie: a=1' --haproxy-clientip 1.2.3.4";
        assert_eq!(cookie(by_hand), "a=1");
    }

    #[test]
    fn chrome_for_windows() {
        let line = "curl ^\"https://app.example/socket.io/?EIO=4^&transport=polling^\" ^\r\n  -b ^\"connect.sid=s^%^3Aabc; \
                    a=^\\^\"b^\\^\"^\" ^\r\n  --compressed";
        assert_eq!(cookie(line), "connect.sid=s%3Aabc; a=\"b\"");
    }

    #[test]
    fn what_is_cut_off_is_said() {
        assert!(words("curl 'https://a").is_err());
        assert!(words("curl $'a\\").is_err());
        assert!(handshake(vec!["curl".into(), "-H".into()]).is_err());
        assert!(handshake(vec!["wget".into()]).is_err());
    }
}
