//! A Kafka of our own, where this program was built with the feature `test-broker`.

use crate::error::Error;

/// A broker that this process started, and may restart. It ends when this is dropped.
#[cfg(feature = "test-broker")]
#[derive(Debug)]
pub(crate) struct Broker(streams::kafka::broker::Broker);

#[cfg(feature = "test-broker")]
impl Broker {
    /// Starts one; takes some seconds.
    pub(crate) fn start() -> Result<Self, Error> {
        streams::kafka::broker::Broker::find()
            .map(Self)
            .map_err(|skip| Error::new(skip.to_string()))
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        self.0.address().to_owned()
    }

    /// Ends it at once and starts it again with its data; returns when it answers.
    pub(crate) fn restart(&mut self) -> Result<(), Error> {
        self.0
            .restart()
            .map_err(|skip| Error::of("restarting the broker", skip))
    }
}

/// There is none.
#[cfg(not(feature = "test-broker"))]
#[derive(Debug)]
pub(crate) enum Broker {}

#[cfg(not(feature = "test-broker"))]
impl Broker {
    pub(crate) fn start() -> Result<Self, Error> {
        Err(Error::new("--start-kafka needs a build with `--features test-broker`"))
    }

    pub(crate) fn address(&self) -> String {
        match *self {}
    }

    pub(crate) fn restart(&mut self) -> Result<(), Error> {
        match *self {}
    }
}
