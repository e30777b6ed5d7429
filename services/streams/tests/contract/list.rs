//! The rules, listed once. One that is not named here is dead code, and does not build where warnings are denied.

/// A test for each rule, on the stand that the expression makes, if it makes one: `contract_of!(Some(stand))`.
macro_rules! contract_of {
    ($stand:expr) => {
        contract_of!(@each $stand;
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
    };
    (@each $stand:expr; $($rule:ident,)*) => {
        $(
            #[test]
            fn $rule() {
                if let Some(mut stand) = $stand {
                    crate::rules::$rule(&mut stand);
                }
            }
        )*
    };
}
