//! Apache Kafka from its Maven artifacts, as a Java process of one node.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{RELEASE, free_ports, node_settings};

/// What Maven needs to know to bring Kafka's server and all it depends on.
const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>alertstream</groupId>
  <artifactId>test-broker</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>RELEASE</version></dependency>
  </dependencies>
</project>
"#;
/// Any id will do: 16 bytes in base64.
const CLUSTER_ID: &str = "QWxlcnRzdHJlYW0tVGVzdA";
/// The broker ends with its test even when that is killed: the shell reads the test's end of a pipe, and kills the
/// broker when that is closed.
const GUARDED: &str = r#""$@" </dev/null & broker=$!; cat >/dev/null; kill -9 $broker; wait $broker 2>/dev/null"#;

#[derive(Debug)]
pub(super) struct KafkaProcess {
    libs: PathBuf,
    folder: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl KafkaProcess {
    pub(super) fn start() -> Result<Self, String> {
        let base = target_folder().join("kafka");
        let libs = libraries(&base)?;
        let [port, controller] = free_ports()?;
        let folder = base.join(format!("run-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut process = Self {
            libs,
            folder,
            port,
            child: None,
        };
        process.configure(controller)?;
        process.start_again()?;
        Ok(process)
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn configure(&self, controller: u16) -> Result<(), String> {
        let controller = format!("127.0.0.1:{controller}");
        let mut settings = node_settings(&self.address(), &controller, &self.address());
        settings.push(("log.dirs", self.folder.join("data").display().to_string()));
        let lines: Vec<_> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        fs::write(self.folder.join("server.properties"), lines.join("\n"))
            .map_err(|error| format!("server.properties: {error}"))?;
        let status = self
            .java("kafka.tools.StorageTool", &["format", "-t", CLUSTER_ID, "-c"])
            .stdin(Stdio::null())
            .stdout(self.output()?)
            .stderr(self.output()?)
            .status()
            .map_err(|error| format!("java: {error}"))?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("formatting the store: {status}, see {}", self.folder.display()))
        }
    }

    fn java_args(&self, class: &str, args: &[&str]) -> Vec<String> {
        let mut all = vec![
            "-Xmx512m".to_owned(),
            "-cp".to_owned(),
            format!("{}/*", self.libs.display()),
            class.to_owned(),
        ];
        all.extend(args.iter().map(|arg| (*arg).to_owned()));
        all.push(self.folder.join("server.properties").display().to_string());
        all
    }

    fn java(&self, class: &str, args: &[&str]) -> Command {
        let mut command = Command::new("java");
        command.args(self.java_args(class, args));
        command
    }

    fn output(&self) -> Result<File, String> {
        let path = self.folder.join("output.log");
        File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|error| format!("{}: {error}", path.display()))
    }

    pub(super) fn start_again(&mut self) -> Result<(), String> {
        let child = Command::new("sh")
            .args(["-c", GUARDED, "kafka", "java"])
            .args(self.java_args("kafka.Kafka", &[]))
            .stdin(Stdio::piped())
            .stdout(self.output()?)
            .stderr(self.output()?)
            .spawn()
            .map_err(|error| format!("sh: {error}"))?;
        self.child = Some(child);
        Ok(())
    }

    pub(super) fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        drop(child.stdin.take());
        if let Err(error) = child.wait() {
            eprintln!("waiting for the broker's end: {error}");
        }
    }
}

impl Drop for KafkaProcess {
    fn drop(&mut self) {
        self.stop();
        if !std::thread::panicking()
            && let Err(error) = fs::remove_dir_all(&self.folder)
        {
            eprintln!("{}: {error}", self.folder.display());
        }
    }
}

/// Cargo's target folder, which it marks with a tag; else the system's folder for temporary files.
fn target_folder() -> PathBuf {
    let executable = std::env::current_exe().unwrap_or_default();
    let marked = executable
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists());
    marked.map_or_else(std::env::temp_dir, Path::to_path_buf)
}

/// Brings the artifacts once for all later tests; others that come meanwhile wait.
fn libraries(base: &Path) -> Result<PathBuf, String> {
    let libs = base.join(format!("libs-{RELEASE}"));
    let complete = libs.join("complete");
    if Command::new("java")
        .arg("-version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_err()
    {
        return Err("no java".to_owned());
    }
    fs::create_dir_all(&libs).map_err(|error| format!("{}: {error}", libs.display()))?;
    let lock = File::create(base.join("lock")).map_err(|error| format!("lock: {error}"))?;
    lock.lock().map_err(|error| format!("lock: {error}"))?;
    if complete.exists() {
        return Ok(libs);
    }
    let pom = base.join("pom.xml");
    fs::write(&pom, POM.replace("RELEASE", RELEASE)).map_err(|error| format!("{}: {error}", pom.display()))?;
    let output = Command::new("mvn")
        .args(["-q", "-B", "-f"])
        .arg(&pom)
        .arg("dependency:copy-dependencies")
        .arg(format!("-DoutputDirectory={}", libs.display()))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("mvn: {error}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stdout);
        return Err(format!("mvn: {}", text.lines().next().unwrap_or_default()));
    }
    File::create(&complete)
        .and_then(|mut file| file.write_all(b""))
        .map_err(|error| format!("{}: {error}", complete.display()))?;
    Ok(libs)
}
