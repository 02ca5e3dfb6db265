//! The sessions of the query engine, and what bounds the memory of a query.

use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::copy::CopyForSort;
use crate::work::workers;

/// Memory of a query: groups and sorts that need more go to the disk.
const QUERY_BYTES: usize = 512 << 20;
/// Workers of a query, as many as processors of the function with the memory that it has by default. They share the query's memory: what
/// fits must not depend on the machine.
const QUERY_WORKERS: usize = 2;

/// Returns a session whose memory has no limit.
pub(super) fn unbounded() -> SessionContext {
    SessionContext::new_with_config(config(workers()))
}

/// Returns a session whose queries go to the disk with what does not fit into [`QUERY_BYTES`].
pub(super) fn bounded() -> Result<SessionContext, DataFusionError> {
    bounded_by(QUERY_BYTES, config(QUERY_WORKERS))
}

fn bounded_by(bytes: usize, mut config: SessionConfig) -> Result<SessionContext, DataFusionError> {
    // The engine's newer aggregates fail where their groups just do not fit any more, and the older ones go to the disk.
    config.options_mut().execution.enable_migration_aggregate = false;
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(bytes)))
        .build_arc()?;
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_physical_optimizer_rule(Arc::new(CopyForSort))
        .build();
    Ok(SessionContext::new_with_state(state))
}

fn config(workers: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(workers)
        .with_information_schema(false);
    // An error of a query is reported with its line and column.
    config.options_mut().sql_parser.collect_spans = true;
    config
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use arrow::compute::concat_batches;
    use datafusion::datasource::MemTable;
    use model::Model;

    use super::*;

    /// Posts of which nearly each has a country, a category, a poster, a user and a number of followers of its own.
    const POSTS: &str = "
        SELECT concat('a country of the name ', arrow_cast(number / 2, 'Utf8View')) AS country,
            concat('a category of the name ', arrow_cast(number, 'Utf8View')) AS category,
            concat('a poster of the name ', arrow_cast(number, 'Utf8View')) AS poster_name,
            concat('a user of the name ', arrow_cast(number, 'Utf8View')) AS user_name,
            number * 7919 % 1000003 AS follower_count,
            CAST(18 + number % 50 AS INT) AS age,
            CASE WHEN number % 50 < 7 THEN '18-24' ELSE '+50' END AS age_group,
            to_timestamp_micros(1560000000000000 + number) AS \"timestamp\",
            to_timestamp_micros(1560000000000000 + number) AS date_joined
        FROM numbers";

    async fn posts(rows: i64) -> Arc<MemTable> {
        let context = unbounded();
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        let numbers = RecordBatch::try_from_iter([("number", numbers)]).unwrap();
        context.register_batch("numbers", numbers).unwrap();
        let posts = context.sql(POSTS).await.unwrap();
        let schema = Arc::clone(posts.schema().inner());
        let posts = posts.collect().await.unwrap();
        Arc::new(MemTable::try_new(schema, vec![posts]).unwrap())
    }

    async fn rows(
        context: &SessionContext,
        posts: &Arc<MemTable>,
        sql: &str,
    ) -> Result<RecordBatch, DataFusionError> {
        context.register_table("posts", Arc::clone(posts) as _)?;
        let frame = context.sql(sql).await?;
        let schema = Arc::clone(frame.schema().inner());
        Ok(concat_batches(&schema, &frame.collect().await?)?)
    }

    /// Makes the reports that `is_one` names with so much memory, and holds each against the same with all memory.
    async fn assert_made(
        posts: &Arc<MemTable>,
        megabytes: usize,
        workers: usize,
        is_one: fn(&str) -> bool,
    ) {
        let model = Model::load_from(None).unwrap();
        for report in model.reports().iter().filter(|report| is_one(&report.name)) {
            // What a query has, in small: batches, and what a sort keeps to read back and sorts at once, are to its memory as ever.
            let config = config(workers)
                .with_batch_size(256)
                .with_sort_spill_reservation_bytes(megabytes << 14)
                .with_sort_in_place_threshold_bytes(megabytes << 11);
            let bounded = bounded_by(megabytes << 20, config).unwrap();
            let made = rows(&bounded, posts, &report.sql).await;
            let expected = rows(&unbounded(), posts, &report.sql).await.unwrap();
            assert!(
                made.as_ref().is_ok_and(|made| *made == expected),
                "{}, {megabytes} MB, {workers} workers: {:?}",
                report.name,
                made.map(|made| made.num_rows())
            );
        }
    }

    #[tokio::test]
    async fn every_report_goes_to_the_disk_with_groups_that_do_not_fit_into_memory() {
        let posts = posts(62_500).await;
        for workers in [1, 2] {
            assert_made(&posts, 16, workers, |_| true).await;
        }
    }

    #[tokio::test]
    async fn a_median_goes_to_the_disk_with_values_that_do_not_fit_into_memory() {
        let posts = posts(200_000).await;
        assert_made(&posts, 4, 2, |name| name.starts_with("median")).await;
        // The engine's own keeps each value.
        let bounded = bounded_by(4 << 20, config(2)).unwrap();
        let sql = "SELECT age_group, median(CAST(follower_count AS DOUBLE)) FROM posts GROUP BY 1";
        let error = rows(&bounded, &posts, sql).await.unwrap_err();
        assert!(error.to_string().contains("Resources exhausted"), "{error}");
    }
}
