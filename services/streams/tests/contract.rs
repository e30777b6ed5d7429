//! One contract, every log: the rules that stages rely on, run on each log there is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test fails by panicking, and its helpers are one crate"
)]

#[path = "contract/embedded.rs"]
mod embedded;
#[path = "contract/rules.rs"]
mod rules;
#[path = "contract/simulated.rs"]
mod simulated;
#[path = "contract/stand.rs"]
mod stand;

/// A test for each rule on a stand: `rules_on!(module, expression that makes a stand)`.
macro_rules! rules_on {
    ($name:ident, $stand:expr) => {
        mod $name {
            rules_on!(@each $stand;
                records_of_a_partition_keep_their_order,
                a_transaction_is_seen_whole_or_not_at_all,
                aborted_records_are_never_seen,
                a_zombie_with_records_is_fenced,
                a_zombie_with_offsets_alone_is_fenced,
                a_takeover_fence_lets_readers_move_on,
                a_fenced_lane_goes_on_after_it_renewed,
                committed_offsets_name_their_lane,
                a_compacted_topic_keeps_the_newest_of_each_key,
                watermarks_bound_what_is_read,
                what_is_old_is_trimmed,
                a_restart_loses_nothing,
                an_acknowledged_append_is_there,
                a_partition_is_never_owned_by_two,
                a_partition_moves_only_after_its_release,
                a_member_goes_on_where_its_group_was,
                the_position_passes_control_records,
                topics_are_made_once_and_refused_when_they_differ,
            );
        }
    };
    (@each $stand:expr; $($rule:ident,)*) => {
        $(
            #[test]
            fn $rule() {
                crate::rules::$rule(&mut $stand);
            }
        )*
    };
}

rules_on!(on_embedded, crate::embedded::Embedded::new());
rules_on!(on_simulated, crate::simulated::Simulated::new());
