//! Charging stations over TLS against the whole service: who is let in by which security profile,
//! and that nobody comes with less than before.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evenload::config::{Config, Secret, TlsConfig};
use evenload::service::{Base, Running, start};
use evenload::store::memory::MemoryStore;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

const TOKEN: &str = "test-admin-token-0123456789abcdef";
const PASSWORD: &str = "0123456789ABCDEF0123";

/// A certificate authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pem: String,
}

/// A certificate with its key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    pem: String,
    key_pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        Self {
            der: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    fn signs(&self, name: &str, valid: bool) -> Identity {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        if !valid {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        Identity {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }
}

/// The service, over TLS where an authority is given.
struct Service {
    running: Running,
    authority: Option<Arc<Authority>>,
    _folder: tempfile::TempDir,
}

impl Service {
    async fn start(authority: Option<Arc<Authority>>) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config::default();
        config.server.listen.set_port(0);
        config.data.dir = folder.path().join("data");
        std::fs::create_dir_all(&config.data.dir).expect("a folder");
        config.api.admin_token = Some(Secret::new(TOKEN));
        if let Some(authority) = &authority {
            let own = authority.signs("evenload", true);
            let put = |name: &str, text: &str| {
                let path = folder.path().join(name);
                std::fs::write(&path, text).expect("written");
                path
            };
            config.tls = Some(TlsConfig {
                cert_file: put("cert.pem", &own.pem),
                key_file: put("key.pem", &own.key_pem),
                station_ca_file: Some(put("stations.pem", &authority.pem)),
            });
        }
        let base = Base {
            clock: Arc::new(evenload::service::clock::SystemClock),
            store: Arc::new(MemoryStore::new()),
        };
        Self {
            running: start(config, base).await.expect("starts"),
            authority,
            _folder: folder,
        }
    }

    async fn sets_up(&self, id: &str, body: &Value) {
        let mut client = reqwest::Client::builder().no_proxy();
        let scheme = if let Some(authority) = &self.authority {
            let root = reqwest::Certificate::from_der(&authority.der).expect("a root");
            client = client.tls_certs_only([root]);
            "https"
        } else {
            "http"
        };
        let port = self.running.address.port();
        let url = format!("{scheme}://localhost:{port}/api/v1/stations/{id}");
        let client = client.build().expect("a client");
        let answer = client.put(url).bearer_auth(TOKEN).json(body).send().await;
        let status = answer.expect("answered").status().as_u16();
        assert!(status == 200 || status == 201, "{id}: {status}");
    }

    /// What comes of dialling: `Ok`, or the HTTP status, or 0 where the handshake of TLS failed.
    async fn dials(
        &self,
        id: &str,
        password: Option<&str>,
        identity: Option<&Identity>,
    ) -> Result<(), u16> {
        let to = self.running.address;
        let mut request = format!("ws://localhost/ocpp/{id}")
            .into_client_request()
            .expect("one");
        let headers = request.headers_mut();
        if let Some(password) = password {
            let basic = STANDARD.encode(format!("{id}:{password}"));
            headers.insert(
                "authorization",
                format!("Basic {basic}").parse().expect("a header"),
            );
        }
        headers.insert(
            "sec-websocket-protocol",
            "ocpp2.0.1".parse().expect("a header"),
        );
        let socket = TcpStream::connect(to).await.expect("connected");
        let Some(authority) = &self.authority else {
            return outcome(client_async(request, socket).await);
        };
        let mut roots = RootCertStore::empty();
        roots.add(authority.der.clone()).expect("a root");
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder
                .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
                .expect("an identity"),
        };
        let name = ServerName::try_from("localhost").expect("a name");
        match TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
        {
            Ok(socket) => outcome(client_async(request, socket).await),
            Err(_) => Err(0),
        }
    }
}

fn outcome<T>(dialled: Result<T, Error>) -> Result<(), u16> {
    match dialled {
        Ok(_) => Ok(()),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        // Over TLS 1.3 a refused certificate shows with the first bytes only.
        Err(_) => Err(0),
    }
}

#[actix_web::test]
async fn stations_come_by_their_profile_or_not_at_all() {
    let authority = Arc::new(Authority::new("depot"));
    let stranger = Authority::new("stranger");
    let service = Service::start(Some(authority.clone())).await;
    service
        .sets_up("CP-2", &json!({ "password": PASSWORD }))
        .await;
    let by_certificate = json!({ "password": PASSWORD, "client_certificate": true });
    service.sets_up("CP-3", &by_certificate).await;
    let own = authority.signs("CP-3", true);
    let other = authority.signs("CP-2", true);
    let expired = authority.signs("CP-3", false);
    let forged = stranger.signs("CP-3", true);
    let wrong = Some("wrong-wrong-wrong-1");
    for (case, id, password, identity, expected) in [
        ("profile 2, good", "CP-2", Some(PASSWORD), None, Ok(())),
        ("profile 2, bad", "CP-2", wrong, None, Err(401)),
        ("profile 2, none", "CP-2", None, None, Err(401)),
        ("profile 3, good", "CP-3", None, Some(&own), Ok(())),
        (
            "profile 3, of another station",
            "CP-3",
            None,
            Some(&other),
            Err(401),
        ),
        ("profile 3, expired", "CP-3", None, Some(&expired), Err(0)),
        (
            "profile 3, of a stranger",
            "CP-3",
            None,
            Some(&forged),
            Err(0),
        ),
        ("profile 3, none", "CP-3", None, None, Err(401)),
        (
            "profile 3, password instead",
            "CP-3",
            Some(PASSWORD),
            None,
            Err(401),
        ),
        (
            "unknown, with a certificate",
            "CP-9",
            None,
            Some(&own),
            Err(401),
        ),
    ] {
        assert_eq!(
            service.dials(id, password, identity).await,
            expected,
            "{case}"
        );
    }
    service.running.stop().await;
}

#[actix_web::test]
async fn without_tls_only_profiles_0_and_1_are_let_in() {
    let service = Service::start(None).await;
    let insecure = json!({ "password": PASSWORD, "allow_insecure": true });
    service.sets_up("CP-1", &insecure).await;
    service
        .sets_up(
            "CP-0",
            &json!({ "no_password": true, "allow_insecure": true }),
        )
        .await;
    service
        .sets_up("CP-3", &json!({ "client_certificate": true }))
        .await;
    for (id, password, expected) in [
        ("CP-0", None, Ok(())),
        ("CP-1", Some(PASSWORD), Ok(())),
        ("CP-1", Some("wrong-wrong-wrong-1"), Err(401)),
        ("CP-1", None, Err(401)),
        ("CP-3", Some(PASSWORD), Err(401)),
        ("CP-3", None, Err(401)),
    ] {
        assert_eq!(
            service.dials(id, password, None).await,
            expected,
            "{id} {password:?}"
        );
    }
    service.running.stop().await;
}

#[actix_web::test]
async fn the_profile_a_station_came_with_is_never_lowered() {
    let authority = Arc::new(Authority::new("depot"));
    let service = Service::start(Some(authority.clone())).await;
    let setup = json!({ "password": PASSWORD });
    service.sets_up("CP-1", &setup).await;
    let own = authority.signs("CP-1", true);
    assert_eq!(service.dials("CP-1", Some(PASSWORD), None).await, Ok(()));
    // From profile 2 to 3: it shows its certificate beside the password.
    assert_eq!(
        service.dials("CP-1", Some(PASSWORD), Some(&own)).await,
        Ok(())
    );
    assert_eq!(service.dials("CP-1", Some(PASSWORD), None).await, Err(401));
    assert_eq!(service.dials("CP-1", None, Some(&own)).await, Ok(()));
    // The operator alone may let it back.
    service.sets_up("CP-1", &setup).await;
    assert_eq!(service.dials("CP-1", Some(PASSWORD), None).await, Ok(()));
    service.running.stop().await;
}

#[actix_web::test]
async fn nothing_below_tls_1_2_is_spoken() {
    let service = Service::start(Some(Arc::new(Authority::new("depot")))).await;
    let answer = greets(service.running.address, [3, 2]).await;
    // An alert (21), fatal (2), of a version or a handshake that is not taken (70 or 40).
    assert_eq!(answer.first(), Some(&21), "{answer:?}");
    assert!(matches!(answer.get(6), Some(70 | 40)), "{answer:?}");
    service.running.stop().await;
}

/// Says hello in a version of TLS without any extension; gives what comes back.
async fn greets(to: SocketAddr, version: [u8; 2]) -> Vec<u8> {
    let mut hello = vec![version[0], version[1]];
    hello.extend([7; 32]);
    // No session; two cipher suites; no compression.
    hello.extend([0, 0, 4, 0xc0, 0x13, 0, 0x2f, 1, 0]);
    let length = u8::try_from(hello.len()).expect("short");
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    let mut socket = TcpStream::connect(to).await.expect("connected");
    socket.write_all(&record).await.expect("sent");
    let mut answer = Vec::new();
    // It hangs up after its alert, politely or not.
    drop(socket.read_to_end(&mut answer).await);
    answer
}

#[test]
fn the_example_names_the_authority_of_stations() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/evenload.toml");
    let text = std::fs::read_to_string(example).expect("the example");
    assert!(text.contains("#station_ca_file = "));
}
