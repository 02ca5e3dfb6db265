//! The whole path on the embedded stack, file by promise.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what panics in a test fails it"
)]

mod a_failed_write_is_delivered_again;
mod a_hot_key_slows_nobody_else;
mod a_poison_record_does_not_block_the_shard;
mod a_run_that_dies_is_tried_again;
mod a_stack_goes_on_where_it_stopped;
mod an_object_of_more_records_stays;
mod an_order_that_nothing_promises_is_said;
mod an_outage_of_s3_changes_nothing;
mod every_accepted_record_is_accounted_for;
mod old_clients_work_unchanged;
mod real_rows_become_clean_rows;
mod support;
mod the_daily_check_finds_a_missing_record;
