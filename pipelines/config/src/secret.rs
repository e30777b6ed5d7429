//! A value that must not be read by whoever reads a log, an API answer or the `config` topic.

use std::fmt;

/// What Alertmanager prints in place of a secret, and accepts in place of a secret URL.
pub(crate) const REFERENCE: &str = "<secret>";

/// A secret text: a webhook's URL. `Debug` and `Display` print `<secret>`; only [`Secret::expose`] gives the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`. The literal `<secret>` makes a reference: a place whose secret is kept elsewhere.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is the literal `<secret>`, as in a config that travelled on the `config` topic: the real value is
    /// found with [`crate::Config::secrets`] of the local files, under the same [`crate::SecretKey`].
    pub fn is_reference(&self) -> bool {
        self.0 == REFERENCE
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REFERENCE)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REFERENCE)
    }
}
