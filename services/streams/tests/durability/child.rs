//! A process of its own that writes transactions and says so, to be killed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

use crate::work::Work;

/// Names the folder; set, this test binary is the child.
const FOLDER: &str = "ALERTSTREAM_DURABILITY_FOLDER";
/// With a limit the child writes large transactions.
const LARGE: &str = "ALERTSTREAM_DURABILITY_LARGE";

/// The child's side: not a test, and nothing at all where this is not the child.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let bytes = if std::env::var_os(LARGE).is_some() {
        256 << 10
    } else {
        300
    };
    let mut work = Work::open(Path::new(&folder));
    let mut out = std::io::stdout().lock();
    loop {
        if let Err(error) = work.try_transaction(bytes) {
            writeln!(out, "\nended: {error}").unwrap();
            return;
        }
        writeln!(out, "\nacknowledged {}", work.done()).unwrap();
        out.flush().unwrap();
    }
}

/// The parent's side.
pub struct Child {
    process: std::process::Child,
    out: BufReader<ChildStdout>,
}

impl Child {
    /// Starts it on a folder, perhaps with a limit to the length of any file.
    pub fn start(folder: &Path, file_limit: Option<u64>) -> Self {
        let binary = std::env::current_exe().expect("this binary");
        let mut command = match file_limit {
            None => Command::new(&binary),
            Some(limit) => {
                let mut shell = Command::new("bash");
                // Ignored, the signal becomes an error of the write, as a full disk is. The unit is 1,024 bytes.
                let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", limit >> 10);
                shell.arg("-c").arg(script).arg(&binary).env(LARGE, "1");
                shell
            }
        };
        command
            .args(["child::child", "--exact", "--nocapture"])
            .env(FOLDER, folder);
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child");
        let out = BufReader::new(process.stdout.take().expect("its output"));
        Self { process, out }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let count = self.out.read_line(&mut line).expect("a line");
        (count > 0).then(|| line.trim_end().to_owned())
    }

    /// Reads until it has acknowledged that many; says how many it has.
    pub fn read_until(&mut self, wanted: usize) -> usize {
        loop {
            let line = self.line().expect("the child ended early");
            if let Some(last) = line.strip_prefix("acknowledged ").map(|n| n.parse().unwrap())
                && last >= wanted
            {
                return last;
            }
        }
    }

    /// Reads to its end; says how many it acknowledged, and its last words.
    pub fn read_to_end(&mut self) -> (usize, String) {
        let (mut last, mut said) = (0, String::new());
        while let Some(line) = self.line() {
            if let Some(number) = line.strip_prefix("acknowledged ") {
                last = number.parse().unwrap();
            }
            if line.starts_with("ended: ") {
                said = line;
            }
        }
        self.process.wait().expect("its end");
        (last, said)
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill().expect("a kill");
        self.process.wait().expect("its end");
    }
}
