//! Receivers that speak TLS: whom the system vouches for is told, and nobody else.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;

use crate::program::{Program, alert, alertmanager_yml};
use crate::receiver::Receiver;
use crate::waiting::{eventually, secs};

/// An authority of the test's own.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// What a receiver on this machine needs whom the authority vouches for.
fn vouched_for(authority: &CertifiedIssuer<'_, KeyPair>) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

#[test]
fn an_https_receiver_is_told_if_the_systems_certificates_vouch_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = authority();
    let certificates = folder.path().join("trusted.pem");
    std::fs::write(&certificates, trusted.as_ref().pem()).unwrap();
    let known = Receiver::start_tls(vouched_for(&trusted));
    let stranger = Receiver::start_tls(vouched_for(&authority()));

    let route = "receiver: known, group_wait: 0s, group_by: [alertname], routes: [
        {receiver: stranger, continue: true}, {receiver: known}]";
    let receivers = [
        ("known", known.https_url("known")),
        ("stranger", stranger.https_url("stranger")),
    ];
    std::fs::write(
        folder.path().join("alertmanager.yml"),
        alertmanager_yml(route, &receivers),
    )
    .unwrap();
    let program = Program::trusting(&certificates, folder.path(), &[]);
    program.alerts(&json!([alert(&[("alertname", "Sealed")])]));

    let heard = known.wait_for(secs(10), "firing", "Sealed");
    assert_eq!(heard.path, "/known");
    let failed = eventually(secs(10), "the stranger's attempt in the journal", || {
        let attempts = program.journal("notification.attempted", "");
        attempts
            .into_iter()
            .find(|entry| entry.to_string().contains("certificate"))
    });
    assert!(failed.to_string().contains("stranger"), "{failed}");
    assert!(stranger.heard().is_empty(), "nothing is told to a stranger");
    program.end();
}
