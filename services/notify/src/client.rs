//! The HTTP client that speaks to receivers: HTTP/1.1 over connections that are kept, TLS with the certificates the system
//! trusts, no proxy. It sends nothing twice: whether a message is sent again is decided, and written down, before it is sent.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION, PROXY_AUTHORIZATION};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use tower::Service;
use url::Url;

/// How long a connection may take to be made, TLS with it. Shorter than an attempt's 30 s, so that a host that is gone is
/// known to have received nothing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection that nobody uses is kept, and how soon TCP asks whether its other end is still there.
const IDLE: Duration = Duration::from_secs(90);
const KEEPALIVE: Duration = Duration::from_secs(15);
/// As in Go's client, whose users Alertmanager's are.
const MAX_REDIRECTS: usize = 10;

/// An address, as requests need it.
pub(crate) struct Target {
    url: Url,
    uri: Uri,
    /// From the URL's user and password.
    authorization: Option<HeaderValue>,
}

/// Never the URL: it may hold a token.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl Target {
    /// Parses an absolute `http` or `https` URL. The error says what is wrong with it, and never holds it.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("its URL is not valid: {error}"))?;
        Self::of(url)
    }

    fn of(mut url: Url) -> Result<Self, String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("unsupported scheme \"{}\" for URL", url.scheme()));
        }
        let authorization = basic(&url);
        if authorization.is_some() && (url.set_username("").is_err() || url.set_password(None).is_err()) {
            return Err("its URL has a user and no host".to_owned());
        }
        let uri = url
            .as_str()
            .parse()
            .map_err(|error| format!("its URL is not valid: {error}"))?;
        Ok(Self {
            url,
            uri,
            authorization,
        })
    }

    /// Its path, for tests.
    #[cfg(test)]
    pub(crate) fn path(&self) -> &str {
        self.url.path()
    }

    /// Where a redirect leads.
    fn join(&self, location: &HeaderValue) -> Result<Self, String> {
        let location = location.to_str().map_err(|error| error.to_string())?;
        let url = self.url.join(location).map_err(|error| error.to_string())?;
        Self::of(url)
    }
}

/// The header for the user and password of a URL, if it has any.
fn basic(url: &Url) -> Option<HeaderValue> {
    let (user, password) = (url.username(), url.password());
    if user.is_empty() && password.is_none() {
        return None;
    }
    let plain = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let pair = [plain(user), b":".to_vec(), plain(password.unwrap_or_default())].concat();
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    /// What happened, with its causes; never the URL.
    pub(crate) error: String,
    /// Whether any of the request may have reached the receiver.
    pub(crate) written: bool,
    /// Whether another try may end better.
    pub(crate) retryable: bool,
}

/// The client. Must be made and used in a tokio runtime.
#[derive(Debug)]
pub(crate) struct Client(legacy::Client<InTime, Full<Bytes>>);

type Tls = HttpsConnector<HttpConnector>;

/// Makes connections, each in [`CONNECT_TIMEOUT`].
#[derive(Debug, Clone)]
struct InTime(Tls);

impl Service<Uri> for InTime {
    type Response = <Tls as Service<Uri>>::Response;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = self.0.call(to);
        Box::pin(async move {
            let no_time = |_| format!("no connection within {} s", CONNECT_TIMEOUT.as_secs());
            timeout(CONNECT_TIMEOUT, connecting).await.map_err(no_time)?
        })
    }
}

impl Client {
    /// A client. Where this host has no certificate store, `http` still works, and each `https` request fails with that
    /// reason.
    ///
    /// # Errors
    /// The cryptography and the TLS versions do not go together.
    pub(crate) fn new() -> Result<Self, rustls::Error> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        let tls = HttpsConnectorBuilder::new()
            .with_tls_config(tls()?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(InTime(tls));
        Ok(Self(client))
    }

    /// Posts a body. Only a 307 or 308 is followed, if any is: it keeps method and body. Any other redirect would turn the
    /// message into a GET without a body, which the next host may well answer with 200: that must not pass for a delivery.
    pub(crate) async fn post(
        &self,
        mut target: Arc<Target>,
        given: &[(HeaderName, Cow<'static, str>)],
        body: Vec<u8>,
        follow: bool,
    ) -> Result<Response<Incoming>, NoAnswer> {
        let body = Bytes::from(body);
        let (mut user, mut own_origin) = (target.authorization.clone(), true);
        for _ in 0..=MAX_REDIRECTS {
            let mut headers = header_map(given)?;
            if !own_origin {
                for secret in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
                    headers.remove(secret);
                }
            }
            if let Some(user) = &user {
                headers.insert(AUTHORIZATION, user.clone());
            }
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = target.uri.clone();
            *request.headers_mut() = headers;
            let answer = self.0.request(request).await.map_err(|error| NoAnswer {
                written: !error.is_connect(),
                error: with_causes(&error),
                retryable: true,
            })?;
            let followed = follow
                && matches!(
                    answer.status(),
                    StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
                );
            let Some(location) = answer.headers().get(LOCATION).filter(|_| followed) else {
                return Ok(answer);
            };
            let next = target
                .join(location)
                .map_err(|error| answered(format!("a redirect to nowhere: {error}")))?;
            if next.url.origin() != target.url.origin() {
                (user, own_origin) = (None, false);
            }
            user = next.authorization.clone().or(user);
            target = Arc::new(next);
        }
        Err(answered("too many redirects".to_owned()))
    }
}

/// An answer that leads nowhere.
fn answered(error: String) -> NoAnswer {
    NoAnswer {
        error,
        written: true,
        retryable: true,
    }
}

/// The headers of a request. One that cannot be sent never can.
fn header_map(given: &[(HeaderName, Cow<'static, str>)]) -> Result<HeaderMap, NoAnswer> {
    let mut headers = HeaderMap::with_capacity(given.len() + 1);
    for (name, value) in given {
        let value = HeaderValue::from_str(value).map_err(|error| NoAnswer {
            error: format!("header {name}: {error}"),
            written: false,
            retryable: false,
        })?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn tls() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let trusted = rustls_platform_verifier::Verifier::new(provider);
    Ok(match trusted {
        Ok(verifier) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth(),
        Err(error) => {
            tracing::warn!(%error, "no certificate store: no https receiver can be reached");
            builder
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth()
        }
    })
}

/// An error with what lies behind it: the first text alone says little more than that something failed.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
