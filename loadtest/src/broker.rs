//! The Kafka under a system: one that is there, or one of our own, where this program was built with the feature
//! `test-broker`.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;

/// A Kafka. All clones are one; one of our own ends with the last.
#[derive(Debug, Clone)]
pub enum Kafka {
    /// It is there: its bootstrap servers.
    There(String),
    /// It is ours.
    Ours(Arc<Mutex<Broker>>),
}

impl Kafka {
    /// Starts one; takes some seconds.
    ///
    /// # Errors
    /// It does not start, or this program was built without the feature.
    pub fn start() -> Result<Self, Error> {
        Broker::start().map(|broker| Self::Ours(Arc::new(Mutex::new(broker))))
    }

    /// Its bootstrap servers.
    pub fn brokers(&self) -> String {
        match self {
            Self::There(brokers) => brokers.clone(),
            Self::Ours(broker) => broker.lock().unwrap_or_else(PoisonError::into_inner).address(),
        }
    }

    /// Whether it is ours to restart.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Ours(_))
    }

    /// Ends it at once and starts it again with its data; returns when it answers.
    ///
    /// # Errors
    /// It is not ours, or does not come back.
    pub fn restart(&self) -> Result<(), Error> {
        match self {
            Self::There(_) => Err(Error::new("a broker that is not ours is not restarted")),
            Self::Ours(broker) => broker.lock().unwrap_or_else(PoisonError::into_inner).restart(),
        }
    }
}

/// A broker that this process started, and may restart. It ends when this is dropped.
#[cfg(feature = "test-broker")]
#[derive(Debug)]
pub struct Broker(streams::kafka::broker::Broker);

#[cfg(feature = "test-broker")]
impl Broker {
    /// Starts one; takes some seconds.
    fn start() -> Result<Self, Error> {
        streams::kafka::broker::Broker::find()
            .map(Self)
            .map_err(|skip| Error::new(skip.to_string()))
    }

    /// `host:port`.
    fn address(&self) -> String {
        self.0.address().to_owned()
    }

    /// Ends it at once and starts it again with its data; returns when it answers.
    fn restart(&mut self) -> Result<(), Error> {
        self.0
            .restart()
            .map_err(|skip| Error::of("restarting the broker", skip))
    }
}

/// There is none.
#[cfg(not(feature = "test-broker"))]
#[derive(Debug)]
pub enum Broker {}

#[cfg(not(feature = "test-broker"))]
impl Broker {
    fn start() -> Result<Self, Error> {
        Err(Error::new("--start-kafka needs a build with `--features test-broker`"))
    }

    fn address(&self) -> String {
        match *self {}
    }

    fn restart(&mut self) -> Result<(), Error> {
        match *self {}
    }
}
