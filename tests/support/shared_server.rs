//! Database servers that are slow to start: one of a kind for all tests, each with a database of its own in it.

use std::{
    fs::{self, Permissions},
    io::{BufRead as _, BufReader},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{PATIENCE, tls::Authority};

/// A server that ends with this test program, however that ends, and its folder with it.
pub struct SharedServer {
    // Its standard input, held by this program alone, is what it lives by.
    _guard: Child,
}

/// Runs a server until its standard input ends, then stops it and removes the folder.
const GUARD: &str = r#"
folder=$1; shift
"$@" </dev/null >"$folder/log" 2>&1 &
server=$!
echo started
cat >/dev/null
# At once to PostgreSQL; MariaDB, started by a shell, does not hear it, and ends at the other.
kill -INT $server
kill -TERM $server
wait $server
rm -rf "$folder"
"#;

impl SharedServer {
    /// Starts a program, and waits until it takes connections.
    pub fn start(folder: &Path, port: u16, program: &[String]) -> Self {
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(folder)
            .args(program)
            // What is typed at the terminal to stop the tests is for the tests.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut started = String::new();
        BufReader::new(guard.stdout.take().unwrap()).read_line(&mut started).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "{program:?} does not listen: {}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { _guard: guard }
    }
}

/// Runs a program to its end.
pub fn run(program: &[String]) {
    let output = Command::new(&program[0]).args(&program[1..]).output();
    let output = output.unwrap_or_else(|error| panic!("{program:?}: {error}"));
    assert!(output.status.success(), "{program:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Some servers refuse to run as root, others want to be told that they shall.
pub fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// Writes a certificate for 127.0.0.1 into a folder, with its key and its authority's certificate.
pub fn certify(folder: &Path) -> [PathBuf; 3] {
    let authority = Authority::new();
    let (certificate, key) = authority.issue(&["127.0.0.1"]);
    let [certificate_file, key_file, authority_file] =
        ["certificate.pem", "key.pem", "authority.pem"].map(|name| folder.join(name));
    fs::write(&certificate_file, certificate).unwrap();
    fs::write(&key_file, key).unwrap();
    fs::set_permissions(&key_file, Permissions::from_mode(0o600)).unwrap();
    fs::copy(authority.file(), &authority_file).unwrap();
    [certificate_file, key_file, authority_file]
}
