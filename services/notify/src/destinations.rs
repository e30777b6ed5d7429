//! Where receivers are: the addresses in this service's own config file, which never travel on a topic.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::sync::Arc;

use config::{Config, IntegrationKind, Secret, WebhookUrl};

use crate::client::Target;

/// The longest address file that is read: no URL is longer, and a wrong path may name anything.
const MAX_FILE_BYTES: u64 = 16 * 1024;

/// Receiver, kind, place among the receiver's integrations of that kind.
pub(crate) type Place = (String, String, i32);

/// Every address this service knows. Replaced whole when the files are read anew.
#[derive(Debug, Clone, Default)]
pub struct Destinations {
    addresses: BTreeMap<Place, Address>,
}

/// Where a message goes.
#[derive(Clone)]
pub(crate) enum Address {
    /// There, or nowhere for this reason.
    Known(Result<Arc<Target>, NoAddress>),
    /// The URL stands in this file, which may change at any time.
    File(String),
}

/// Never the URL: it may hold a token.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(Ok(_)) => f.write_str("Known(<secret>)"),
            Self::Known(Err(why)) => f.debug_tuple("Known").field(why).finish(),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// Why there is no address to send to. Never holds the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoAddress(pub String);

impl Destinations {
    /// The addresses of a config that was read from this service's own files. What it holds only by reference
    /// (`<secret>`) is left out.
    pub fn of(config: &Config) -> Self {
        let mut addresses = BTreeMap::new();
        for receiver in &config.receivers {
            for integration in &receiver.integrations {
                let IntegrationKind::Webhook(webhook) = &integration.kind;
                let address = match &webhook.url {
                    WebhookUrl::Inline(url) if url.is_reference() => continue,
                    WebhookUrl::Inline(url) => Address::Known(parse(url)),
                    WebhookUrl::File(path) => Address::File(path.clone()),
                };
                if let Ok(index) = i32::try_from(integration.index) {
                    let place = (receiver.name.clone(), integration.kind.name().to_owned(), index);
                    addresses.insert(place, address);
                }
            }
        }
        Self { addresses }
    }

    /// The address as the file has it.
    pub(crate) fn find(&self, place: &Place) -> Result<Address, NoAddress> {
        let (receiver, kind, index) = place;
        self.addresses.get(place).cloned().ok_or_else(|| {
            NoAddress(format!(
                "this service's own config file has no address for {kind}[{index}] of receiver {receiver}"
            ))
        })
    }
}

/// The URL in a file. Reads it, so it may block.
pub(crate) fn read(path: &str) -> Result<Arc<Target>, NoAddress> {
    let unreadable = |error: std::io::Error| NoAddress(format!("url_file {path}: {error}"));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    parse(&Secret::new(text.trim()))
}

fn parse(url: &Secret) -> Result<Arc<Target>, NoAddress> {
    if url.expose().contains("{{") {
        return Err(NoAddress(
            "templates in a webhook's URL are not supported yet".to_owned(),
        ));
    }
    Target::parse(url.expose()).map(Arc::new).map_err(NoAddress)
}

#[cfg(test)]
mod tests {
    use config::Source;

    use super::*;

    #[test]
    fn no_address_is_shown_by_what_is_logged() {
        let text = "route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs: [{url: 'http://host/token-123'}]\n";
        let source = Source {
            name: "alertmanager.yml",
            text,
        };
        let destinations = Destinations::of(&Config::load(source, None).expect("a config"));
        let place = ("a".to_owned(), "webhook".to_owned(), 0);
        assert!(matches!(destinations.find(&place), Ok(Address::Known(Ok(target))) if target.path() == "/token-123"));
        assert!(!format!("{destinations:?}").contains("token"), "{destinations:?}");
    }
}
