//! The WebSocket of a simulated station.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::charger::{Charger, Effect};
use super::fleet::Shared;
use crate::domain::quantity::{Energy, Power};
use crate::domain::time::Time;

/// Between two tries to connect, in real time.
const REDIAL: Duration = Duration::from_millis(100);
/// Tries until a station gives up: two minutes.
const MAX_TRIES: u32 = 1_200;

/// Something that happens at the station.
#[derive(Clone, Debug)]
pub(super) enum Cue {
    /// It is switched on.
    Boot(Time),
    /// A car was plugged in.
    Start { token: String, at: Time },
    /// It reads its meter.
    Read {
        energy: Energy,
        power: Power,
        at: Time,
    },
    /// The car was unplugged.
    Stop { energy: Energy, at: Time },
    /// It loses its connection and dials again.
    Drop,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Where and as whom a station connects.
#[derive(Clone, Debug)]
pub(super) struct Dial {
    pub url: String,
    pub id: String,
    pub password: String,
    /// Its EVSE in the depot.
    pub evse: String,
}

impl Dial {
    async fn once(&self, subprotocol: Option<&'static str>) -> Result<Socket, Error> {
        let mut request = format!("{}/{}", self.url, self.id).into_client_request()?;
        let basic = STANDARD.encode(format!("{}:{}", self.id, self.password));
        let headers = request.headers_mut();
        let value = HeaderValue::from_str(&format!("Basic {basic}")).map_err(Error::from);
        headers.insert(AUTHORIZATION, value?);
        if let Some(subprotocol) = subprotocol {
            let value = HeaderValue::from_static(subprotocol);
            headers.insert(SEC_WEBSOCKET_PROTOCOL, value);
        }
        // An answer and the next message of its own leave at once, not after the other end's delayed
        // acknowledgement.
        let (socket, _) = connect_async_with_config(request, None, true).await?;
        Ok(socket)
    }

    async fn again_and_again(&self, subprotocol: Option<&'static str>) -> Option<Socket> {
        for _ in 0..MAX_TRIES {
            match self.once(subprotocol).await {
                Ok(socket) => return Some(socket),
                Err(error) => tracing::debug!(station = %self.id, %error, "not connected"),
            }
            tokio::time::sleep(REDIAL).await;
        }
        None
    }
}

/// Runs a station until its cues end.
pub(super) async fn run(
    dial: Dial,
    mut charger: Charger,
    mut cues: mpsc::UnboundedReceiver<Cue>,
    shared: Arc<Shared>,
) {
    let subprotocol = charger.subprotocol();
    let mut busy = false;
    loop {
        let Some(mut socket) = dial.again_and_again(subprotocol).await else {
            shared.complain(format!("{} could not connect", dial.id));
            return;
        };
        charger.reconnects();
        shared.connected();
        let over = serve(
            &dial,
            &mut charger,
            &mut cues,
            &shared,
            &mut socket,
            &mut busy,
        )
        .await;
        // Who is gone need not be told.
        let _ = socket.close(None).await;
        if over {
            return;
        }
    }
}

/// Serves one connection; true when the cues have ended.
async fn serve(
    dial: &Dial,
    charger: &mut Charger,
    cues: &mut mpsc::UnboundedReceiver<Cue>,
    shared: &Shared,
    socket: &mut Socket,
    busy: &mut bool,
) -> bool {
    loop {
        while let Some(text) = charger.poll() {
            if socket.send(Message::text(text)).await.is_err() {
                return false;
            }
        }
        shared.set_busy(busy, charger.is_busy());
        tokio::select! {
            cue = cues.recv() => {
                let Some(cue) = cue else { return true };
                let drops = matches!(cue, Cue::Drop);
                play(charger, cue);
                if let Some(Effect::Profile(layer, profile)) = charger.take_late() {
                    shared.set_profile(&dial.evse, layer, profile);
                }
                // Busy first, so that nobody finds the station idle in between.
                shared.set_busy(busy, charger.is_busy() || drops);
                shared.cue_played();
                if drops {
                    return false;
                }
            }
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let (answer, effects) = charger.receive(&text, shared.now());
                    shared.heard(&text);
                    for effect in effects {
                        match effect {
                            Effect::Profile(layer, profile) => {
                                shared.set_profile(&dial.evse, layer, profile);
                            }
                            Effect::Read => {
                                if let Some((energy, power)) = shared.reading(&dial.evse) {
                                    charger.reads(energy, power, shared.now());
                                }
                            }
                            Effect::OnePhase => shared.set_one_phase(&dial.evse),
                            Effect::HangUp => return false,
                            Effect::Complaint(what) => {
                                shared.complain(format!("{}: {what}", dial.id));
                            }
                        }
                    }
                    // Busy first, so that nobody finds the station idle in between.
                    shared.set_busy(busy, charger.is_busy());
                    if let Some(answer) = answer
                        && socket.send(Message::text(answer)).await.is_err()
                    {
                        return false;
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return false,
                Some(Ok(_)) => {}
            },
        }
    }
}

fn play(charger: &mut Charger, cue: Cue) {
    match cue {
        Cue::Boot(at) => charger.boots(at),
        Cue::Start { token, at } => charger.starts(&token, at),
        Cue::Read { energy, power, at } => charger.reads(energy, power, at),
        Cue::Stop { energy, at } => charger.stops(energy, at),
        Cue::Drop => {}
    }
}
