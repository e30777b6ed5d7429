//! The page and its files, as the build script embedded them, with the headers that a page of this kind needs.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Response, StatusCode};
use axum::routing::get;
use runtime::Prefix;
use xxhash_rust::xxh3::xxh3_64;

use crate::app::App;

/// A file of the built page.
#[derive(Debug, Clone, Copy)]
struct Asset {
    /// Its path below the page.
    path: &'static str,
    bytes: &'static [u8],
    /// The same, compressed; empty where it was not worth it.
    brotli: &'static [u8],
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Only what this server sends runs, and nobody frames it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
connect-src 'self'; manifest-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";
/// Pages of other origins get no handle on this one.
const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// The page is asked for anew at each visit, and mostly not sent.
const ASK: HeaderValue = HeaderValue::from_static("no-cache");
/// Its files have their hash in their names.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Where the page's paths begin, as it is built.
const BASE: &str = "<base href=\"/\">";
/// The page's own paths: it draws them itself.
const PAGES: [&str; 8] = [
    "/",
    "/incidents/{id}",
    "/history",
    "/silences",
    "/silences/new",
    "/silences/{id}",
    "/routing",
    "/pipeline",
];

/// The paths.
pub(super) fn routes() -> Router<Arc<App>> {
    let pages = PAGES
        .into_iter()
        .fold(Router::new(), |router, path| router.route(path, get(page)));
    pages
        .route("/assets/{*path}", get(asset))
        .route("/favicon.svg", get(icon))
}

/// The page, told where its paths begin.
async fn page(State(app): State<Arc<App>>, headers: HeaderMap) -> Response<Body> {
    let text = find("index.html").map_or(NOT_BUILT.to_owned(), |index| {
        String::from_utf8_lossy(index.bytes).into_owned()
    });
    let prefix = Prefix::of_url(&app.settings.external_url);
    let text = text.replacen(BASE, &format!("<base href=\"{}/\">", escaped(prefix.as_str())), 1);
    let tag = format!("\"{:016x}\"", xxh3_64(text.as_bytes()));
    let known = headers
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = Response::new(if known { Body::empty() } else { Body::from(text) });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let told = response.headers_mut();
    told.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    told.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    told.insert(OPENER, HeaderValue::from_static("same-origin"));
    told.insert(CACHE_CONTROL, ASK);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        told.insert(ETAG, tag);
    }
    guard(told);
    response
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response<Body> {
    file(&format!("assets/{path}"), &headers, FOR_EVER)
}

async fn icon(headers: HeaderMap) -> Response<Body> {
    file("favicon.svg", &headers, ASK)
}

fn file(path: &str, headers: &HeaderMap, cached: HeaderValue) -> Response<Body> {
    let Some(asset) = find(path) else {
        return runtime::answer::text(StatusCode::NOT_FOUND, "there is no such file; reload the page\n");
    };
    let (encoding, bytes) = encoded(asset, headers);
    let mut response = Response::new(Body::from(Bytes::from_static(bytes)));
    let told = response.headers_mut();
    told.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    told.insert(CACHE_CONTROL, cached);
    told.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        told.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    guard(told);
    response
}

fn guard(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
}

fn find(path: &str) -> Option<&'static Asset> {
    static BY_PATH: LazyLock<std::collections::HashMap<&str, &Asset>> =
        LazyLock::new(|| ASSETS.iter().map(|asset| (asset.path, asset)).collect());
    BY_PATH.get(path).copied()
}

/// The form that a client takes and that is the smallest.
fn encoded(asset: &Asset, headers: &HeaderMap) -> (Option<&'static str>, &'static [u8]) {
    let asked = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let asked: Vec<(&str, bool)> = asked.flat_map(|list| list.split(',')).map(coding).collect();
    let takes = |name| asked.iter().any(|(coding, taken)| *coding == name && *taken);
    for (name, bytes) in [("br", asset.brotli), ("gzip", asset.gzip)] {
        if !bytes.is_empty() && takes(name) {
            return (Some(name), bytes);
        }
    }
    (None, asset.bytes)
}

/// One coding of the header, and whether its weight is not zero.
fn coding(text: &str) -> (&str, bool) {
    let (name, rest) = text.split_once(';').unwrap_or((text, ""));
    let weight = rest
        .trim()
        .strip_prefix("q=")
        .map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0));
    (name.trim(), weight > 0.0)
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        "json" | "map" => "application/json",
        _ => "application/octet-stream",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

/// What is served where the page was not built.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Alertstream</title></head><body>\
<h1>The dashboard is not in this build</h1><p>This program was built on a machine without npm. Install Node.js 20 or newer with \
npm and build again, or build with <code>ALERTSTREAM_UI_DIST</code> set to a folder that holds the built page. Everything else \
works: alerts are taken in and notified, and <a href=\"api/v1/incidents\">api/v1/incidents</a>, \
<a href=\"api/v2/alerts\">api/v2/alerts</a> and amtool show them.</p></body></html>\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_form_that_the_client_takes_is_sent() {
        let asset = Asset {
            path: "x",
            bytes: b"identity",
            brotli: b"br",
            gzip: b"gz",
        };
        let rows: [(&str, &[u8]); 6] = [
            ("gzip, deflate, br", b"br"),
            ("gzip;q=1.0, br;q=0", b"gz"),
            ("deflate", b"identity"),
            ("", b"identity"),
            ("br;q=x", b"identity"),
            ("GZIP", b"identity"),
        ];
        for (asked, expected) in rows {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_str(asked).unwrap())]);
            assert_eq!(encoded(&asset, &headers).1, expected, "{asked}");
        }
        let bare = Asset { brotli: b"", ..asset };
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("br"))]);
        assert_eq!(encoded(&bare, &headers), (None, &b"identity"[..]));
    }

    #[test]
    fn the_page_is_in_this_build() {
        let index = find("index.html").expect("this test needs npm: the page was not built");
        assert!(String::from_utf8_lossy(index.bytes).contains(BASE));
    }
}
