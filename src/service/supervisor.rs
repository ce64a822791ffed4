//! What systemd hears of us (`Type=notify`): that we are ready, that we still run, that we stop.
//! Without systemd nothing is sent. Source: `sd_notify(3)`.

use std::time::Duration;

use crate::config::Supervision;

/// Whoever supervises this process, if anybody does.
#[derive(Debug)]
pub struct Supervisor {
    #[cfg(target_os = "linux")]
    socket: Option<(
        std::os::unix::net::UnixDatagram,
        std::os::unix::net::SocketAddr,
    )>,
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// As the environment names it. One that cannot be reached is none: we run without.
    pub fn new(supervision: &Supervision) -> Self {
        Self {
            #[cfg(target_os = "linux")]
            socket: supervision.socket.as_deref().and_then(linux::open),
            watchdog: supervision.watchdog,
        }
    }

    /// Everything is up.
    pub fn is_ready(&self) {
        self.tell("READY=1");
    }

    /// We are about to stop.
    pub fn is_stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Says again and again that the runtime takes turns; never returns. Three times as often as is
    /// asked for: one late turn is no reason to be killed.
    pub async fn keep_alive(&self) {
        let Some(watchdog) = self.watchdog else {
            return std::future::pending().await;
        };
        let mut beat = tokio::time::interval(watchdog / 3);
        loop {
            beat.tick().await;
            self.tell("WATCHDOG=1");
        }
    }

    fn tell(&self, state: &str) {
        #[cfg(target_os = "linux")]
        if let Some((socket, address)) = &self.socket {
            // A full queue of the supervisor's: the next beat comes.
            let _ = socket.send_to_addr(state.as_bytes(), address);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = state;
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    /// A name that begins with `@` is of the abstract kind.
    pub(super) fn open(name: &str) -> Option<(UnixDatagram, SocketAddr)> {
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok()?,
            None => SocketAddr::from_pathname(name).ok()?,
        };
        let socket = UnixDatagram::unbound().ok()?;
        socket.set_nonblocking(true).ok()?;
        Some((socket, address))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[tokio::test]
    async fn a_supervisor_hears_that_we_are_ready_run_and_stop() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).expect("a socket");
        let supervisor = Supervisor::new(&Supervision {
            socket: Some(path.to_string_lossy().into_owned()),
            watchdog: Some(Duration::from_millis(30)),
        });
        supervisor.is_ready();
        tokio::time::timeout(Duration::from_millis(5), supervisor.keep_alive())
            .await
            .expect_err("it never ends");
        supervisor.is_stopping();
        let heard = || {
            let mut bytes = [0; 64];
            let count = systemd.recv(&mut bytes).expect("a message");
            String::from_utf8_lossy(&bytes[..count]).into_owned()
        };
        assert_eq!(heard(), "READY=1");
        assert_eq!(heard(), "WATCHDOG=1");
        assert_eq!(heard(), "STOPPING=1");
    }

    #[tokio::test]
    async fn without_a_supervisor_nothing_happens() {
        let supervisor = Supervisor::new(&Supervision::default());
        supervisor.is_ready();
        supervisor.is_stopping();
    }
}
