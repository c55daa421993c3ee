//! A real name server (BIND 9) of the test's own, on a free port of the loopback or in a host of the test's network.
//!
//! It is ended by its own process id when dropped. Without it a test says so, and under CI that is a failure.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::NUMBER;
use std::sync::atomic::Ordering;

/// Of `key`, in base64.
pub(crate) const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// The server. It holds example.com, which `k` (hmac-sha256) and `k512` may change, and locked.test, which nobody may.
pub(crate) struct Named {
    child: Child,
    folder: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Named {
    /// On the loopback; `None`, said loudly, where there is no `named`.
    pub(crate) fn start() -> Option<Self> {
        Self::run(None, free_port())
    }

    /// In a network namespace.
    pub(crate) fn start_in(namespace: &str, address: SocketAddr) -> Option<Self> {
        Self::run(Some(namespace), address)
    }

    fn run(namespace: Option<&str>, address: SocketAddr) -> Option<Self> {
        if Command::new("named").arg("-v").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "named is needed in CI");
            eprintln!("NOT TESTED: no named here (Debian package bind9, tools/install-test-deps)");
            return None;
        }
        let folder = std::env::temp_dir().join(format!(
            "netident-named-{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        ));
        std::fs::create_dir(&folder).unwrap();
        let zone =
            "$TTL 60\n@ IN SOA ns root 1 60 60 60 60\n@ IN NS ns\nns IN A 127.0.0.1\nalias IN CNAME ns\n";
        for file in ["example.com.db", "locked.test.db"] {
            std::fs::write(folder.join(file), zone).unwrap();
        }
        let (here, ip, port) = (folder.display(), address.ip(), address.port());
        let configuration = format!(
            "options {{ directory \"{here}\"; pid-file none; session-keyfile none; lock-file none; notify no;\n\
             listen-on port {port} {{ {ip}; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; }};\n\
             controls {{ }};\n\
             key \"k\" {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n\
             key \"k512\" {{ algorithm hmac-sha512; secret \"{SECRET}\"; }};\n\
             zone \"example.com\" {{ type primary; file \"example.com.db\"; allow-update {{ key k; key k512; }}; }};\n\
             zone \"locked.test\" {{ type primary; file \"locked.test.db\"; }};\n"
        );
        std::fs::write(folder.join("named.conf"), configuration).unwrap();
        let mut command = Command::new(if namespace.is_some() { "ip" } else { "named" });
        if let Some(namespace) = namespace {
            command.args(["netns", "exec", namespace, "named"]);
        }
        command.args(["-g", "-n", "1", "-c"]).arg(folder.join("named.conf"));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        loop {
            let Some(Ok(line)) = lines.next() else { panic!("named ended: {said:#?}") };
            let runs = line.ends_with(" running");
            said.push(line);
            if runs {
                break;
            }
        }
        // It must not block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { child, folder, address })
    }

    /// A key file that only its owner may read; its path.
    pub(crate) fn key(&self, text: &str) -> String {
        let path = self.folder.join(format!("key{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The key file of `k`.
    pub(crate) fn good_key(&self) -> String {
        self.key(&format!("key \"k\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{SECRET}\";\n}};\n"))
    }
}

impl Named {
    /// Ends the server; its keys stay.
    pub(crate) fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// An address of the loopback that is free for both protocols.
pub(crate) fn free_port() -> SocketAddr {
    both().0.local_addr().unwrap()
}

/// A datagram socket and a listener on the same free port of the loopback.
pub(crate) fn both() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            return (udp, tcp);
        }
    }
}
