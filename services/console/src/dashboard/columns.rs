//! Many rows in little space: a column each field, every text once. Of 50,000 rows that is a sixth of the bytes.

use std::collections::HashMap;

use serde::Serialize;

use super::row::{Ladder, Row};

/// Many rows: row i is made of the i-th entry of every array. Texts are places in `texts`; -1 is null.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct Columns {
    texts: Vec<String>,
    group: Vec<String>,
    id: Vec<String>,
    /// Places in: waiting, firing, acknowledged, quiet, resolved, moved.
    state: Vec<u8>,
    generation: Vec<i64>,
    needs_human: Vec<u8>,
    muted: Vec<u8>,
    muted_by: Vec<Vec<i32>>,
    muted_until: Vec<Option<i64>>,
    name: Vec<i32>,
    summary: Vec<i32>,
    /// Name, value, name, value, …
    labels: Vec<Vec<i32>>,
    team: Vec<i32>,
    severity: Vec<i32>,
    severity_rank: Vec<u32>,
    receiver: Vec<i32>,
    policy: Vec<i32>,
    opened_at: Vec<i64>,
    firing: Vec<i64>,
    firing_muted: Vec<i32>,
    acknowledged_by: Vec<i32>,
    acknowledged_at: Vec<Option<i64>>,
    ladder: Vec<Option<Ladder>>,
}

/// The texts while columns are being made.
#[derive(Debug, Default)]
struct Texts(HashMap<String, i32>);

impl Texts {
    fn place(&mut self, text: String) -> i32 {
        let next = i32::try_from(self.0.len()).unwrap_or(i32::MAX);
        *self.0.entry(text).or_insert(next)
    }

    fn maybe(&mut self, text: Option<String>) -> i32 {
        text.map_or(-1, |text| self.place(text))
    }

    fn into_list(self) -> Vec<String> {
        let mut list: Vec<(String, i32)> = self.0.into_iter().collect();
        list.sort_by_key(|(_, place)| *place);
        list.into_iter().map(|(text, _)| text).collect()
    }
}

impl Columns {
    pub(super) fn of(rows: impl IntoIterator<Item = Row>) -> Self {
        let (mut columns, mut texts) = (Self::default(), Texts::default());
        for row in rows {
            columns.push(row, &mut texts);
        }
        columns.texts = texts.into_list();
        columns
    }

    fn push(&mut self, row: Row, texts: &mut Texts) {
        self.group.push(row.group);
        self.id.push(row.id);
        self.state.push(row.state.place());
        self.generation.push(row.generation);
        self.needs_human.push(row.needs_human.into());
        self.muted.push(row.muted.into());
        self.muted_by
            .push(row.muted_by.into_iter().map(|id| texts.place(id)).collect());
        self.muted_until.push(row.muted_until);
        self.name.push(texts.place(row.name));
        self.summary.push(texts.place(row.summary));
        let labels = row.labels.into_iter().flat_map(|(name, value)| [name, value]);
        self.labels.push(labels.map(|text| texts.place(text)).collect());
        self.team.push(texts.maybe(row.team));
        self.severity.push(texts.maybe(row.severity));
        self.severity_rank.push(row.severity_rank);
        self.receiver.push(texts.place(row.receiver));
        self.policy.push(texts.maybe(row.policy));
        self.opened_at.push(row.opened_at);
        self.firing.push(row.firing);
        self.firing_muted.push(row.firing_muted);
        self.acknowledged_by.push(texts.maybe(row.acknowledged_by));
        self.acknowledged_at.push(row.acknowledged_at);
        self.ladder.push(row.ladder);
    }
}
