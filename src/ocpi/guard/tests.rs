//! The table of addresses, and resolvers that lie.

use super::*;

const REFUSED: &[&str] = &[
    // Not an address, another scheme.
    "",
    "ocpi.example.com/versions",
    "/ocpi/versions",
    "//example.com/ocpi",
    "https://",
    "http://ocpi.example.com/versions",
    "ftp://ocpi.example.com/versions",
    "file:///etc/passwd",
    "gopher://example.com:70/_x",
    "data:text/plain,x",
    "javascript:alert(1)",
    "ws://example.com/",
    "unix:/run/x.sock",
    "https:///versions",
    // User names.
    "https://user@ocpi.example.com/",
    "https://user:pw@ocpi.example.com/",
    "https://ocpi.example.com@127.0.0.1/",
    "https://:pw@ocpi.example.com/",
    // This machine.
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://a.localhost/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.0.1./",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://0x7f.1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://127.255.255.254/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://１２７.0.0.1/",
    "https://127。0。0。1/",
    // Private networks.
    "https://10.0.0.1/",
    "https://10.255.255.255/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://100.127.255.255/",
    "https://169.254.169.254/latest/meta-data/",
    "https://0xa9fea9fe/",
    "https://2852039166/",
    "https://[fe80::1]/",
    "https://[fd00::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[64:ff9b::a00:1]/",
    "https://[2002:a00:1::]/",
    "https://[2001::1]/",
    // Nowhere.
    "https://192.0.2.1/",
    "https://198.51.100.1/",
    "https://203.0.113.9/",
    "https://198.18.0.1/",
    "https://192.88.99.1/",
    "https://224.0.0.1/",
    "https://239.255.255.255/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://192.0.0.1/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
    "https://[100::1]/",
    "https://[3fff::1]/",
    // Names without a network.
    "https://intranet/",
    "https://router.lan/",
    "https://printer.local/",
    "https://metadata.google.internal/",
    "https://db/",
    "https://host.home.arpa/",
    // Ports of other services.
    "https://ocpi.example.com:22/",
    "https://ocpi.example.com:25/",
    "https://ocpi.example.com:80/",
    "https://ocpi.example.com:0/",
];

const ALLOWED: &[&str] = &[
    "https://ocpi.example.com/versions",
    "https://ocpi.example.com:443/versions",
    "https://ocpi.example.com:8443/ocpi/versions",
    "https://example.co.uk/",
    "https://93.184.215.14/versions",
    "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
    "https://münchen.example.com/ocpi",
    "https://ocpi.example.com./versions",
    "https://172.32.0.1/",
    "https://100.128.0.1/",
    "https://192.169.0.1/",
    "https://11.0.0.1/",
    "https://localhost.example.com/",
    "https://[64:ff9b::5db8:d70e]/",
];

#[test]
fn nothing_but_https_to_the_public_internet_is_called() {
    assert!(REFUSED.len() >= 60, "{}", REFUSED.len());
    let guard = Guard::new(false, &[]);
    let through: Vec<_> = REFUSED
        .iter()
        .filter(|url| guard.check(url).is_ok())
        .collect();
    assert!(through.is_empty(), "got through: {through:?}");
}

#[test]
fn what_partners_really_use_is_not_blocked() {
    let guard = Guard::new(false, &[]);
    for url in ALLOWED {
        assert_eq!(guard.check(url).map(|_| ()), Ok(()), "{url}");
    }
}

const NEVER: &[&str] = &[
    "http://169.254.169.254/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://100.100.100.200/",
    "http://0.0.0.0:9000/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://u:p@127.0.0.1/",
    "file:///etc/passwd",
];

#[test]
fn an_insecure_setting_opens_plain_http_and_this_machine_and_nothing_else() {
    let guard = Guard::new(true, &[]);
    for open in [
        "http://127.0.0.1:9000/ocpi/versions",
        "http://[::1]:9000/",
        "http://localhost:9000/",
        "http://ocpi.example.com/versions",
        // What the name leads to is checked when it is connected to.
        "http://cpo:9000/",
    ] {
        assert!(guard.check(open).is_ok(), "{open}");
    }
    let private = [
        "http://10.0.0.1/",
        "http://172.18.0.3:9000/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://[fd12::1]:9000/",
        "http://[::ffff:10.0.0.1]/",
    ];
    for refused in private.iter().chain(NEVER) {
        assert!(guard.check(refused).is_err(), "{refused}");
    }
}

#[test]
fn a_named_network_is_open_and_its_neighbours_are_not() {
    let networks = ["172.18.0.0/16", "fd12::/48", "100.64.0.0/10", "fc00::/7"]
        .map(|network| network.parse().unwrap());
    let guard = Guard::new(false, &networks);
    for open in [
        "https://172.18.0.3:9000/",
        "https://[::ffff:172.18.0.3]/",
        "https://[fd12::1]/",
        "https://cpo.internal/versions",
        "https://100.64.0.1/",
    ] {
        assert!(guard.check(open).is_ok(), "{open}");
    }
    for refused in [
        "https://172.19.0.3/",
        "https://10.0.0.1/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "http://172.18.0.3/",
        "https://100.100.100.200/",
        "https://[fd00:ec2::254]/",
    ] {
        assert!(guard.check(refused).is_err(), "{refused}");
    }
    for never in NEVER {
        assert!(
            guard.check(&never.replace("http:", "https:")).is_err(),
            "{never}"
        );
    }
}

#[test]
fn a_partner_names_addresses_on_its_registered_host_only() {
    let guard = Guard::new(false, &[]);
    let home = Url::parse("https://ocpi.cpo.example.com/versions").unwrap();
    assert!(
        guard
            .check_of(&home, "https://ocpi.cpo.example.com/2.2.1/sessions")
            .is_ok()
    );
    assert!(
        guard
            .check_of(&home, "https://OCPI.CPO.example.com./2.2.1/sessions")
            .is_ok()
    );
    assert!(
        guard
            .check_of(&home, "https://api.ocpi.cpo.example.com/x")
            .is_ok()
    );
    assert!(guard.check_of(&home, "https://cpo.example.com/x").is_ok());
    for foreign in [
        "https://evil.example.org/x",
        "https://xocpi.cpo.example.com.evil.org/",
        "https://evilocpi.cpo.example.com/",
        "https://ocpi.cpo.example.com:8443/x",
        "http://ocpi.cpo.example.com/x",
        "https://com/",
        "https://93.184.215.14/",
    ] {
        assert!(guard.check_of(&home, foreign).is_err(), "{foreign}");
    }
    let number = Url::parse("https://93.184.215.14/").unwrap();
    assert!(guard.check_of(&number, "https://1.93.184.215.14/").is_err());
}

#[test]
fn a_name_that_also_resolves_to_a_private_address_is_not_called() {
    let guard = Guard::new(false, &[]);
    let public: SocketAddr = "93.184.215.14:0".parse().unwrap();
    let private: SocketAddr = "10.0.0.1:0".parse().unwrap();
    assert!(permitted(&guard, [public].into_iter()).is_ok());
    assert!(permitted(&guard, [public, private].into_iter()).is_err());
    assert!(permitted(&guard, [private].into_iter()).is_err());
}

/// A name server whose answer flips between each question.
struct Flipping(std::sync::atomic::AtomicUsize);

impl Flipping {
    fn answers(&self) -> SocketAddr {
        let asked = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        ["93.184.215.14:0", "127.0.0.1:0"][asked % 2]
            .parse()
            .unwrap()
    }
}

#[test]
fn a_name_server_that_changes_its_answer_gains_nothing() {
    // What is checked is what is connected to: the resolver asks once and hands that on, so
    // whichever answer it meets is either public or refused.
    let guard = Guard::new(false, &[]);
    let rebinding = Flipping(std::sync::atomic::AtomicUsize::new(0));
    let connected: Vec<_> = (0..10)
        .filter_map(|_| permitted(&guard, [rebinding.answers()].into_iter()).ok())
        .flatten()
        .collect();
    assert_eq!(connected.len(), 5);
    assert!(connected.iter().all(|address| is_public(address.ip())));
}

#[tokio::test]
async fn the_resolver_gives_no_address_of_this_machine_for_its_name() {
    let resolver = |insecure| GuardedResolver::new(Guard::new(insecure, &[]));
    let name = || "localhost".parse::<Name>().unwrap();
    assert!(resolver(false).resolve(name()).await.is_err());
    let open = resolver(true).resolve(name()).await.unwrap();
    assert!(open.into_iter().all(|address| address.ip().is_loopback()));
}
