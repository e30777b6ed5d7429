//! The rules of the nouns, as tables: each row is a fact about Alertmanager, Prometheus or Go.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod groups;
mod labels;
mod matchers;
mod merges;
mod reasons;
mod regexes;
mod silences;
mod times;

/// A small pseudo-random generator (xorshift64*), so that every run sees the same cases.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
